package config

import "fmt"

// Error is a setting that cannot be used. Its text is one line that names the
// key, the value, what is allowed and where it was set.
type Error struct {
	// Key is the setting, or the unknown key that was found.
	Key string
	// Value is what was given, already hidden if it is a secret.
	Value string
	// Problem says what is wrong with it.
	Problem string
	// Allowed says what would be right; it may be empty.
	Allowed string
	// Origin is where it was set.
	Origin Origin
}

// Error returns the line.
func (e *Error) Error() string {
	line := e.Key + ": "
	if e.Value != "" {
		line += fmt.Sprintf("%q ", shorten(e.Value))
	}
	line += e.Problem
	if e.Allowed != "" {
		line += "; allowed: " + e.Allowed
	}
	if s := e.Origin.String(); s != "" {
		line += "; set by " + s
	}
	return line
}

// shorten cuts a value that is too long to be quoted in a line.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// Origin is the place where a value was set.
type Origin struct {
	// Flag, Env or File is set, or none for a default.
	Flag, Env, File string
	// Line is the line in File, counted from 1.
	Line int
	// Command is the command whose own default it is, if it has one.
	Command string
}

// IsDefault reports whether nobody set the value.
func (o Origin) IsDefault() bool { return o.Flag == "" && o.Env == "" && o.File == "" }

// String describes the place, such as "flag --http-listen" or
// "ringcast.yaml:12".
func (o Origin) String() string {
	switch {
	case o.Flag != "":
		return "flag --" + o.Flag
	case o.Env != "" && o.File != "":
		return fmt.Sprintf("environment variable %s (file %s)", o.Env, o.File)
	case o.Env != "":
		return "environment variable " + o.Env
	case o.File != "":
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case o.Command != "":
		return "default of ringcast " + o.Command
	}
	return "default"
}
