package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds the configuration file.
const maxFileSize = 1 << 20

// fileTree is a configuration file with the lines of its keys. Viper reads the
// same text; it knows no lines and lets unknown keys pass.
type fileTree struct {
	name  string
	text  []byte
	nodes map[string]*yaml.Node // value by lower-case key
	lines map[string]int
}

// readFile reads a file and checks that it holds known keys only.
func readFile(name string, table []Setting) (*fileTree, error) {
	f, err := os.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("configuration: %w; `ringcast run --print-config` prints one to begin with", err)
		}
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("%s: is larger than 1 MiB", name)
	}
	return parseFile(name, text, table)
}

func parseFile(name string, text []byte, table []Setting) (*fileTree, error) {
	t := &fileTree{name: name, text: text, nodes: make(map[string]*yaml.Node), lines: make(map[string]int)}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, syntaxError(name, text, err)
	}
	if len(doc.Content) == 0 {
		return t, nil // empty, or comments alone
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return t, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, &Error{Key: "(file)", Problem: "does not consist of keys and values", Origin: Origin{File: name, Line: root.Line}}
	}
	return t, t.walk("", root, table)
}

// syntaxError says in one line what is wrong with a file that is not YAML.
func syntaxError(name string, text []byte, err error) error {
	for i, line := range strings.Split(string(text), "\n") {
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
			return fmt.Errorf("%s:%d: is not YAML: a tab; indent with spaces", name, i+1)
		}
	}
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(problem, "line "); ok {
		if line, what, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s: is not YAML near line %s: %s", name, line, what)
		}
	}
	return fmt.Errorf("%s: is not YAML: %s", name, problem)
}

// walk enters the keys of a mapping, which lies under prefix.
func (t *fileTree) walk(prefix string, mapping *yaml.Node, table []Setting) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		keyNode, value := mapping.Content[i], mapping.Content[i+1]
		key := prefix + keyNode.Value
		origin := Origin{File: t.name, Line: keyNode.Line}
		s := find(table, key)
		switch {
		case keyNode.Kind != yaml.ScalarNode || value.Kind == yaml.AliasNode || keyNode.Tag == "!!merge":
			return &Error{Key: key, Problem: "uses an alias or a merge key, which are not supported", Origin: origin}
		case strings.Contains(keyNode.Value, "."):
			return &Error{Key: key, Problem: "has a dot; write its parts below each other", Origin: origin}
		case s == nil && isSection(table, key):
			if line, twice := t.lines[strings.ToLower(key)]; twice {
				return &Error{Key: key, Problem: fmt.Sprintf("is given twice, first in line %d", line), Allowed: "one section with all its keys", Origin: origin}
			}
			t.lines[strings.ToLower(key)] = keyNode.Line
			if value.Kind == yaml.ScalarNode && value.Tag == "!!null" {
				continue // a section whose keys are all commented out
			}
			if value.Kind != yaml.MappingNode {
				return &Error{Key: key, Value: value.Value, Problem: "is a section", Allowed: "keys below it", Origin: origin}
			}
			if err := t.walk(key+".", value, table); err != nil {
				return err
			}
			continue
		case s == nil:
			return &Error{Key: key, Problem: "is not a key that ringcast knows" + suggest(key, append(sections(table), tableKeys(table)...)), Origin: origin}
		}
		lower := strings.ToLower(key)
		if _, twice := t.nodes[lower]; twice {
			return &Error{Key: key, Problem: fmt.Sprintf("is given twice, first in line %d", t.lines[lower]), Origin: origin}
		}
		if value.Tag == "!!null" && s.Kind != KindStreams {
			return &Error{Key: s.Key, Problem: `has no value; write "" for an empty one`, Allowed: s.Allowed(), Origin: origin}
		}
		t.nodes[lower], t.lines[lower] = value, keyNode.Line
	}
	return nil
}

func (t *fileTree) has(key string) bool { return t.nodes[key] != nil }

func (t *fileTree) origin(key string) Origin {
	if !t.has(key) {
		return Origin{}
	}
	return Origin{File: t.name, Line: t.lines[key]}
}

// streams reads the list of streams.
func (t *fileTree) streams() ([]Stream, error) {
	list := t.nodes["streams"]
	if list == nil || list.Tag == "!!null" {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, &Error{Key: "streams", Problem: "is not a list", Allowed: "- name: live/camera", Origin: t.origin("streams")}
	}
	if len(list.Content) > maxStreams {
		return nil, &Error{Key: "streams", Problem: fmt.Sprintf("has %d entries", len(list.Content)), Allowed: fmt.Sprintf("up to %d", maxStreams), Origin: t.origin("streams")}
	}
	var all []Stream
	for i, item := range list.Content {
		st, err := t.stream(fmt.Sprintf("streams[%d]", i), item)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// maxStreams bounds the list of configured streams.
const maxStreams = 1000

func (t *fileTree) stream(key string, item *yaml.Node) (Stream, error) {
	var st Stream
	origin := Origin{File: t.name, Line: item.Line}
	if item.Kind != yaml.MappingNode {
		return st, &Error{Key: key, Problem: "is not a stream", Allowed: "name, source, loop, key", Origin: origin}
	}
	for i := 0; i+1 < len(item.Content); i += 2 {
		name, value := item.Content[i].Value, item.Content[i+1]
		origin.Line = item.Content[i].Line
		bad := func(shown, problem, allowed string) error {
			return &Error{Key: key + "." + name, Value: shown, Problem: problem, Allowed: allowed, Origin: origin}
		}
		if value.Kind != yaml.ScalarNode || len(value.Value) > maxValueLen {
			return st, bad("", "is not a plain value", "")
		}
		switch name {
		case "name":
			st.Name = value.Value
		case "source":
			st.Source = value.Value
		case "key":
			st.Key = value.Value
		case "loop":
			if value.Value != "true" && value.Value != "false" {
				return st, bad(value.Value, "is not a boolean", "true, false")
			}
			st.Loop = value.Value == "true"
		default:
			return st, bad("", "is not a key of a stream", "name, source, loop, key")
		}
	}
	err := st.validate()
	var e *Error
	if errors.As(err, &e) {
		e.Key, e.Origin = key+"."+e.Key, Origin{File: t.name, Line: item.Line}
	}
	return st, err
}

// isSection reports whether settings lie below key.
func isSection(table []Setting, key string) bool {
	for i := range table {
		if len(table[i].Key) > len(key) && strings.EqualFold(table[i].Key[:len(key)+1], key+".") {
			return true
		}
	}
	return false
}

// sections returns the names that have settings below them.
func sections(table []Setting) []string {
	var names []string
	for i := range table {
		if at := strings.LastIndexByte(table[i].Key, '.'); at > 0 && !slices.Contains(names, table[i].Key[:at]) {
			names = append(names, table[i].Key[:at])
		}
	}
	return names
}

func tableKeys(table []Setting) []string {
	keys := make([]string, len(table))
	for i := range table {
		keys[i] = table[i].Key
	}
	return keys
}

func keysOf(m map[string]*Setting) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
