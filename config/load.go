package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// EnvFile is the environment variable that names the configuration file.
const EnvFile = envPrefix + "CONFIG"

// Sources says where [Load] looks.
type Sources struct {
	// File is the YAML file; empty for none.
	File string
	// Flags are those made by [AddFlags], parsed; nil for none.
	Flags *pflag.FlagSet
	// Environ is the environment in the form of os.Environ.
	Environ []string
	// Command is the command that runs, and Defaults are those of its
	// defaults that differ from the table's, by key.
	Command  string
	Defaults map[string]string
	// AnyGroup takes a group that has no streams, too.
	AnyGroup bool
}

// Loaded is a checked configuration with the origin of each value.
type Loaded struct {
	Config
	// File is the file that was read, or empty.
	File string

	origins  map[string]Origin
	anyGroup bool // Sources.AnyGroup
}

// Origin returns where the value of the setting came from.
func (l *Loaded) Origin(key string) Origin { return l.origins[strings.ToLower(key)] }

// AddFlags adds a flag for each setting that the command has one for; the
// empty name stands for all commands at once. A default of the command's own
// takes the place of the table's in the help.
func AddFlags(flags *pflag.FlagSet, command string, defaults map[string]string) {
	for _, s := range Settings() {
		if s.Kind == KindStreams || command != "" && len(s.Commands) > 0 && !slices.Contains(s.Commands, command) {
			continue
		}
		addFlag(flags, s, defaults)
	}
}

// AddFlagsFor adds the flags of some settings, in the order of keys; for
// commands that do less than a node.
func AddFlagsFor(flags *pflag.FlagSet, keys []string, defaults map[string]string) {
	table := Settings()
	for _, key := range keys {
		addFlag(flags, *find(table, key), defaults)
	}
}

func addFlag(flags *pflag.FlagSet, s Setting, defaults map[string]string) {
	text := s.Default
	if own, ok := defaults[s.Key]; ok {
		text = own
	}
	flags.Var(&flagValue{setting: s, text: text}, s.Flag(), s.flagUsage())
	if s.Kind == KindBool {
		flags.Lookup(s.Flag()).NoOptDefVal = "true"
	}
}

func (s *Setting) flagUsage() string {
	first, _, _ := strings.Cut(s.Help, ". ")
	usage := strings.TrimSuffix(first, ".")
	if len(s.Choices) > 0 {
		usage += " (" + strings.Join(s.Choices, ", ") + ")"
	}
	return strings.ReplaceAll(usage, "`", "")
}

// flagValue keeps the text of a flag; Load checks it, so that an error names
// everything.
type flagValue struct {
	setting Setting
	text    string
	given   bool
}

// isSetting reports whether a flag is that of a setting.
func isSetting(f *pflag.Flag) bool {
	_, ok := f.Value.(*flagValue)
	return ok
}

func (v *flagValue) String() string { return v.text }
func (v *flagValue) Type() string   { return v.setting.Kind.String() }

// Set takes the text; the flag of a list may be given several times.
func (v *flagValue) Set(text string) error {
	if isList := v.setting.Kind == KindList || v.setting.Kind == KindLinks; isList && v.given {
		text = v.text + v.setting.separator() + text
	}
	v.text, v.given = text, true
	return nil
}

// Load reads, joins and checks all sources. The error is an [Error] unless
// the file cannot be read at all.
func Load(src Sources) (*Loaded, error) {
	table := Settings()
	l := &Loaded{File: src.File, origins: make(map[string]Origin)}
	v := viper.New()
	v.SetConfigType("yaml")
	var tree *fileTree
	if src.File != "" {
		var err error
		if tree, err = readFile(src.File, table); err != nil {
			return nil, err
		}
		if err := v.ReadConfig(bytes.NewReader(tree.text)); err != nil {
			return nil, fmt.Errorf("%s: %w", src.File, err)
		}
	}
	env, err := readEnvironment(src.Environ, table)
	if err != nil {
		return nil, err
	}
	for i := range table {
		s := &table[i]
		if s.Kind == KindStreams {
			continue
		}
		if err := l.load(v, s, src, env, tree); err != nil {
			return nil, err
		}
	}
	if tree != nil {
		if l.Streams, err = tree.streams(); err != nil {
			return nil, err
		}
		l.origins["streams"] = tree.origin("streams")
	}
	l.anyGroup = src.AnyGroup
	return l, l.validate()
}

// load finds the value of one setting and stores it.
func (l *Loaded) load(v *viper.Viper, s *Setting, src Sources, env map[string]envValue, tree *fileTree) error {
	key := strings.ToLower(s.Key)
	origin := Origin{}
	v.SetDefault(key, s.Default)
	if own, ok := src.Defaults[s.Key]; ok {
		v.SetDefault(key, own)
		origin.Command = src.Command
	}
	if tree != nil && tree.has(key) {
		origin = tree.origin(key)
	}
	// What comes from the environment and from flags was read before, with
	// its origin, so it is handed over instead of looked up again.
	if value, ok := env[s.Env()]; ok {
		v.Set(key, value.text)
		origin = value.origin
	}
	if src.Flags != nil {
		f := src.Flags.Lookup(s.Flag())
		// A command that has no use for a setting may have a flag of that name.
		if f != nil && f.Changed && isSetting(f) {
			v.Set(key, f.Value.String())
			origin = Origin{Flag: s.Flag()}
		}
	}
	l.origins[key] = origin
	text, err := s.plainText(v.Get(key))
	if err == nil {
		err = s.set(&l.Config, text)
	}
	if err != nil {
		return &Error{Key: s.Key, Value: s.shown(text), Problem: err.Error(), Allowed: s.Allowed(), Origin: origin}
	}
	return nil
}

// plainText turns what viper holds into the text that Setting.set takes.
func (s *Setting) plainText(value any) (string, error) {
	switch value := value.(type) {
	case nil:
		return "", nil
	case []any:
		parts := make([]string, len(value))
		for i, item := range value {
			text, err := s.plainText(item)
			if err != nil || strings.Contains(text, s.separator()) {
				return "", fmt.Errorf("has an item that is not a plain value")
			}
			parts[i] = text
		}
		return strings.Join(parts, s.separator()), nil
	case map[string]any, map[any]any:
		return "", fmt.Errorf("is not a plain value")
	}
	return fmt.Sprint(value), nil
}

// shown hides the value of a secret.
func (s *Setting) shown(text string) string {
	if s.Secret && text != "" {
		return hidden
	}
	return text
}

const hidden = "(hidden)"

type envValue struct {
	text   string
	origin Origin
}

// readEnvironment collects the variables of the table, reads secrets from the
// files that NAME_FILE names, and refuses variables that nothing reads.
func readEnvironment(environ []string, table []Setting) (map[string]envValue, error) {
	byName := make(map[string]*Setting)
	for i := range table {
		if table[i].Kind != KindStreams {
			byName[table[i].Env()] = &table[i]
		}
	}
	values := make(map[string]envValue)
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || name == EnvFile {
			continue
		}
		origin := Origin{Env: name}
		base, isFile := strings.CutSuffix(name, "_FILE")
		s := byName[name]
		if s == nil && isFile && byName[base] != nil && byName[base].Secret {
			s, origin.File = byName[base], text
			secret, err := readSecret(text, s.maxLen())
			if err != nil {
				return nil, &Error{Key: s.Key, Value: text, Problem: err.Error(), Allowed: fmt.Sprintf("a readable file of at most %d bytes", s.maxLen()), Origin: Origin{Env: name}}
			}
			text = secret
		}
		if s == nil {
			return nil, &Error{Key: name, Problem: "is not a variable that ringcast knows" + suggest(name, keysOf(byName)), Origin: Origin{Env: name}}
		}
		if _, twice := values[s.Env()]; twice {
			return nil, &Error{Key: s.Key, Problem: "is given both as a value and as a file; allowed: one of them", Origin: Origin{Env: name}}
		}
		values[s.Env()] = envValue{text, origin}
	}
	return values, nil
}

// readSecret reads a secret and takes off the line end.
func readSecret(name string, most int) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if len(text) > most {
		return "", fmt.Errorf("is longer than %d bytes", most)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
