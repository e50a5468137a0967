package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// WriteEffective writes each setting with the value in force and where it
// came from; secrets are hidden.
func (l *Loaded) WriteEffective(w io.Writer) error {
	for _, s := range Settings() {
		text := s.text(&l.Config)
		if s.Kind != KindStreams {
			text = s.shown(text)
		}
		line := fmt.Sprintf("%s: %q", s.Key, text)
		if _, err := fmt.Fprintf(w, "%-40s # %s\n", line, l.Origin(s.Key)); err != nil {
			return err
		}
	}
	return nil
}

// Changes compares two configurations and returns the keys of the settings
// that differ: those that can change while the node runs, and those that
// need a restart.
func Changes(before, after *Loaded) (live, restart []string) {
	for _, s := range Settings() {
		if reflect.DeepEqual(s.field(&before.Config), s.field(&after.Config)) {
			continue
		}
		if s.Live {
			live = append(live, s.Key)
		} else {
			restart = append(restart, s.Key)
		}
	}
	return live, restart
}

// WriteExample writes the annotated file with every setting at its default,
// commented out.
func WriteExample(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings of a Ringcast node, all at their defaults. Take the mark off a line to\n" +
		"# change it. Flags and environment variables come before this file; see\n" +
		"# docs/configuration.md. Made by `ringcast run --print-config`.\n")
	section := ""
	for _, s := range Settings() {
		head, name, nested := strings.Cut(s.Key, ".")
		indent := "  "
		if !nested {
			head, name, indent = "", s.Key, ""
		}
		if head != section || !nested {
			b.WriteString("\n")
			if nested {
				b.WriteString(head + ":\n")
			}
			section = head
		}
		for _, line := range wrap(s.Help, 76-len(indent)) {
			b.WriteString(indent + "# " + line + "\n")
		}
		for _, line := range wrap("Allowed: "+s.Allowed()+"."+liveNote(&s), 76-len(indent)) {
			b.WriteString(indent + "# " + line + "\n")
		}
		b.WriteString(exampleValue(&s, name, indent))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func liveNote(s *Setting) string {
	if s.Live {
		return " Can change while the node runs."
	}
	return ""
}

func exampleValue(s *Setting, name, indent string) string {
	switch {
	case s.Kind == KindStreams:
		return indent + "#" + name + ":\n#  - name: live/camera\n#    source: rtsp://192.0.2.7/stream1\n#  - name: live/studio\n#    key: \"a secret\"\n"
	case s.Kind == KindList && s.Default == "", s.Kind == KindLinks:
		return indent + "#" + name + ": []\n"
	case s.Default == "" || s.Kind == KindAddress:
		return fmt.Sprintf("%s#%s: %q\n", indent, name, s.Default)
	}
	return indent + "#" + name + ": " + s.Default + "\n"
}

// WriteReference writes the reference page in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Configuration\n\nMade from the table of settings in package config; do not edit.\n\n" +
		"A flag comes before an environment variable, that before the file (`-c FILE` or `" + EnvFile + "`), and that before the default. " +
		"An unknown key, a wrong type or an impossible value ends the start with exit status 2 and one line that says what is wrong and where it was set. " +
		"`ringcast run --check` only checks; with `--effective` it prints every value and where it came from. " +
		"`ringcast run --print-config` prints [the annotated file](../config/ringcast.yaml). " +
		"`SIGHUP` reads everything again: what can change while the node runs is changed, all or nothing; if anything else differs, nothing is.\n\n" +
		"Durations carry their unit (`200ms`, `2s`). A secret can be given as the name of a file: `RINGCAST_…_FILE`.\n\n" +
		"| key | flag, variable | default | allowed | what |\n|---|---|---|---|---|\n")
	for _, s := range Settings() {
		names := fmt.Sprintf("`--%s` `%s`", s.Flag(), s.Env())
		if s.Secret {
			names += fmt.Sprintf(" `%s_FILE`", s.Env())
		}
		if s.Kind == KindStreams {
			names = ""
		}
		value := "`" + s.Default + "`"
		if s.Default == "" {
			value = "(none)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s%s |\n", s.Key, names, value, s.Allowed(), s.Help, liveNote(&s))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
