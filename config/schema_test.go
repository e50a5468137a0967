package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// another returns a value of the setting that is allowed and not its default.
func (s *Setting) another() string {
	switch s.Kind {
	case KindBool:
		return strconv.FormatBool(s.Default != "true")
	case KindInt:
		for _, n := range []int64{s.Least, s.Most} {
			if text := strconv.FormatInt(n, 10); text != s.Default {
				return text
			}
		}
	case KindDuration:
		standard, _ := time.ParseDuration(s.Default)
		if s.Min != standard && (s.Unit == 0 || s.Min%s.Unit == 0) {
			return s.Min.String()
		}
		return s.Max.String()
	case KindAddress:
		return "127.0.0.1:7"
	case KindRate:
		return "7M"
	}
	for _, choice := range s.Choices {
		if choice != s.Default {
			return choice
		}
	}
	return "other"
}

// Every setting has a flag, a key in the file and a variable that mean the same;
// a secret can be named by a file as well. What settings have to do with each
// other does not matter here.
func TestEverySettingByEveryWay(t *testing.T) {
	for _, s := range Settings() {
		if s.Kind == KindStreams {
			continue
		}
		want := s.another()
		section, name, nested := strings.Cut(s.Key, ".")
		text := section + ": " + strconv.Quote(want) + "\n"
		if nested {
			text = section + ":\n  " + name + ": " + strconv.Quote(want) + "\n"
		}
		ways := map[string]Sources{
			"the file":   {File: write(t, text)},
			"a variable": {Environ: []string{s.Env() + "=" + want}},
			"a flag":     {Flags: flags(t, "--"+s.Flag()+"="+want)},
		}
		if s.Secret {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ways["a secret's file"] = Sources{Environ: []string{s.Env() + "_FILE=" + file}}
		}
		for way, from := range ways {
			l, err := Load(from)
			if l == nil {
				t.Errorf("%s by %s: %v", s.Key, way, err)
				continue
			}
			if got := s.text(&l.Config); !sameValue(&s, got, want) {
				t.Errorf("%s by %s is %q, want %q", s.Key, way, got, want)
			}
			if l.Origin(s.Key).IsDefault() {
				t.Errorf("%s by %s has no origin", s.Key, way)
			}
		}
	}
}

// sameValue compares texts that may write one value in two ways.
func sameValue(s *Setting, a, b string) bool {
	if s.Kind != KindDuration {
		return a == b
	}
	x, errX := time.ParseDuration(a)
	y, errY := time.ParseDuration(b)
	return errX == nil && errY == nil && x == y
}

// A value of a wrong type stops the start whichever way it comes, with the key,
// what is allowed, and where it was set.
func TestWrongTypeByEveryWay(t *testing.T) {
	for _, s := range Settings() {
		wrong := map[Kind]string{KindBool: "perhaps", KindInt: "many", KindDuration: "5", KindAddress: "nowhere", KindRate: "fast"}[s.Kind]
		if len(s.Choices) > 0 {
			wrong = "none-of-them"
		}
		if wrong == "" {
			continue
		}
		section, name, nested := strings.Cut(s.Key, ".")
		text := section + ": " + wrong + "\n"
		if nested {
			text = section + ":\n  " + name + ": " + wrong + "\n"
		}
		for where, from := range map[string]Sources{
			"ringcast.yaml:": {File: write(t, text)},
			s.Env():          {Environ: []string{s.Env() + "=" + wrong}},
			"--" + s.Flag():  {Flags: flags(t, "--"+s.Flag()+"="+wrong)},
		} {
			_, err := Load(from)
			if err == nil {
				t.Errorf("%s: %q is accepted from %s", s.Key, wrong, where)
				continue
			}
			for _, part := range []string{s.Key, s.Allowed(), where} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s from %s: the error does not say %q: %v", s.Key, where, part, err)
				}
			}
			if !s.Secret && !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s from %s: %v", s.Key, where, err)
			}
		}
	}
}
