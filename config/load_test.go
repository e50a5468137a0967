package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// write puts a configuration file named ringcast.yaml into a folder of its
// own.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ringcast.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(set, "", nil)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestDefaultsAreValid(t *testing.T) {
	l, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if l.HTTP.Listen != "127.0.0.1:8080" || l.HLS.TargetDuration != 2*time.Second || l.Ingest.GracePeriod != 10*time.Second {
		t.Errorf("defaults did not arrive: %+v", l.Config)
	}
	for _, s := range Settings() {
		if o := l.Origin(s.Key); !o.IsDefault() {
			t.Errorf("%s comes from %v, want default", s.Key, o)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "log:\n  level: debug\nhttp:\n  listen: :1\nrtsp:\n  listen: :2\n")
	l, err := Load(Sources{
		File:    file,
		Environ: []string{"RINGCAST_HTTP_LISTEN=:3", "RINGCAST_RTSP_LISTEN=:4", "HOME=/x"},
		Flags:   flags(t, "--rtsp-listen", ":5", "--loop"),
		Command: "publish", Defaults: map[string]string{"rtmp.listen": ":1935"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ key, got, want, origin string }{
		{"log.level", l.Log.Level, "debug", file + ":2"},
		{"http.listen", l.HTTP.Listen, ":3", "environment variable RINGCAST_HTTP_LISTEN"},
		{"rtsp.listen", l.RTSP.Listen, ":5", "flag --rtsp-listen"},
		{"rtmp.listen", l.RTMP.Listen, ":1935", "default of ringcast publish"},
		{"hls.variant", l.HLS.Variant, "fmp4", "default"},
	}
	for _, tt := range tests {
		if origin := l.Origin(tt.key).String(); tt.got != tt.want || origin != tt.origin {
			t.Errorf("%s = %q from %q, want %q from %q", tt.key, tt.got, origin, tt.want, tt.origin)
		}
	}
	if !l.Loop {
		t.Error("--loop did not arrive")
	}
}

// An empty variable switches a listener off; it is not the same as none.
func TestEmptyVariableCounts(t *testing.T) {
	l, err := Load(Sources{Environ: []string{"RINGCAST_RTMP_LISTEN="}})
	if err != nil {
		t.Fatal(err)
	}
	if l.RTMP.Listen != "" {
		t.Errorf("rtmp.listen = %q, want it off", l.RTMP.Listen)
	}
}

func TestStreamsKeepTheCaseOfKeys(t *testing.T) {
	l, err := Load(Sources{File: write(t, "streams:\n  - name: live/Cam\n    key: StreamKeyABC\n  - name: b\n    source: clip.flv\n    loop: true\n")})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Streams) != 2 || l.Streams[0] != (Stream{Name: "live/Cam", Key: "StreamKeyABC"}) || l.Streams[1] != (Stream{Name: "b", Source: "clip.flv", Loop: true}) {
		t.Errorf("streams = %+v", l.Streams)
	}
}

// Each error is one line that names key, value, what is allowed and origin.
func TestErrors(t *testing.T) {
	tests := []struct {
		name, file string
		env, args  []string
		want       []string
	}{
		{"unknown key", "http:\n  lisen: :1\n", nil, nil, []string{"http.lisen", "did you mean http.listen?", "ringcast.yaml:2"}},
		{"unknown section", "htp:\n  listen: :1\n", nil, nil, []string{"htp", "not a key", "ringcast.yaml:1"}},
		{"letters of a section in another order", "htpp:\n  listen: :1\n", nil, nil, []string{"htpp", "did you mean http?", "ringcast.yaml:1"}},
		{"section twice", "http:\n  listen: :1\nlog:\n  level: info\nhttp:\n", nil, nil, []string{"http", "given twice", "line 1", "ringcast.yaml:5"}},
		{"section as value", "http: 8080\n", nil, nil, []string{"http:", `"8080"`, "section", "ringcast.yaml:1"}},
		{"bare number", "\n\nhls:\n  partDuration: 5\n", nil, nil, []string{"hls.partDuration", `"5"`, "has no unit", "100ms to 1s", "ringcast.yaml:4"}},
		{"out of range", "hls:\n  partDuration: 5s\n", nil, nil, []string{"hls.partDuration", `"5s"`, "out of range", "100ms to 1s", "ringcast.yaml:2"}},
		{"not a multiple", "hls:\n  targetDuration: 2500ms\n", nil, nil, []string{"multiple of 1s"}},
		{"not a choice", "hls:\n  variant: dash\n", nil, nil, []string{`"dash"`, "fmp4, mpegts", "ringcast.yaml:2"}},
		{"number as address", "http:\n  listen: 8080\n", nil, nil, []string{"http.listen", `"8080"`, "not an address", "host:port"}},
		{"port too large", "", nil, []string{"--http-listen", ":70000"}, []string{"http.listen", `":70000"`, "flag --http-listen"}},
		{"map as value", "log:\n  level:\n    a: b\n", nil, nil, []string{"log.level", "not a plain value", "ringcast.yaml:2"}},
		{"no value", "log:\n  level:\n", nil, nil, []string{"log.level", "has no value", "ringcast.yaml:2"}},
		{"key twice", "log:\n  level: info\n  Level: debug\n", nil, nil, []string{"log.Level", "given twice", "line 2", "ringcast.yaml:3"}},
		{"wrong boolean", "loop: maybe\n", nil, nil, []string{"loop", `"maybe"`, "true, false"}},
		{"dotted key", "http.listen: :1\n", nil, nil, []string{"http.listen", "has a dot"}},
		{"list at the top", "- a\n", nil, nil, []string{"does not consist of keys and values", "ringcast.yaml:1"}},
		{"unknown variable", "", []string{"RINGCAST_HTTP_LISTN=:1"}, nil, []string{"RINGCAST_HTTP_LISTN", "did you mean RINGCAST_HTTP_LISTEN?"}},
		{"user without a password", "publish:\n  user: me\n", nil, nil, []string{"publish.user", `"me"`, "publish.password", "ringcast.yaml:2"}},
		{"separate audio in MPEG-TS", "hls:\n  variant: mpegts\n  separateAudio: true\n", nil, nil, []string{"hls.separateAudio", "not possible with hls.variant mpegts", "ringcast.yaml:3"}},
		{"relation", "hls:\n  segmentMin: 6s\n", nil, nil, []string{"hls.segmentMin", `"6s"`, "up to 2s", "ringcast.yaml:2"}},
		{"TLS without a certificate", "rtmp:\n  tlsListen: :1936\n", nil, nil, []string{"rtmp.tlsListen", `":1936"`, "rtmp.tlsCertificate", "ringcast.yaml:2"}},
		{"source", "", nil, []string{"--source", "ftp://user:pw@host/x?key=a"}, []string{"source", `"ftp://host/x"`, "rtmp://", "flag --source"}},
		{"stream name", "streams:\n  - name: live/../x\n", nil, nil, []string{"streams[0].name", `"live/../x"`, "ringcast.yaml:2"}},
		{"stream key", "streams:\n  - name: a\n    sorce: b.flv\n", nil, nil, []string{"streams[0].sorce", "name, source, loop, key", "ringcast.yaml:3"}},
		{"stream twice", "stream: a\nstreams:\n  - name: live/a\n", nil, nil, []string{"streams", "described twice"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := Sources{Environ: tt.env, Flags: flags(t, tt.args...)}
			if tt.file != "" {
				src.File = write(t, tt.file)
			}
			_, err := Load(src)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Load = %v, want an *Error", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
}

// What is wrong with a file that is not YAML is told in one line too.
func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"log:\n  level: info\nhttp: {listen\n", "ringcast.yaml: is not YAML near line 2: did not find"},
		{"log:\n\tlevel: info\n", "ringcast.yaml:2: is not YAML: a tab"},
		{"log: [\n", "ringcast.yaml:"},
		{"%", "ringcast.yaml"},
	} {
		_, err := Load(Sources{File: write(t, c.file)})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", c.file, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Sources{Environ: []string{"RINGCAST_PUBLISH_KEY_FILE=" + name}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Publish.Key != "hunter2" {
		t.Errorf("publish.key = %q, want the file's content without line end", l.Publish.Key)
	}
	var out bytes.Buffer
	if err := l.WriteEffective(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "RINGCAST_PUBLISH_KEY_FILE") {
		t.Errorf("the effective configuration shows the secret or hides its origin:\n%s", out.String())
	}
	for _, env := range [][]string{
		{"RINGCAST_PUBLISH_KEY_FILE=/does/not/exist"},
		{"RINGCAST_PUBLISH_KEY_FILE=" + name, "RINGCAST_PUBLISH_KEY=x"},
		{"RINGCAST_LOG_LEVEL_FILE=" + name},
	} {
		if _, err := Load(Sources{Environ: env}); err == nil {
			t.Errorf("Load with %v gave no error", env)
		}
	}
}

func TestChangesTellLiveFromRestart(t *testing.T) {
	before, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := Load(Sources{File: write(t, "log:\n  level: debug\n  format: json\npublish:\n  key: x\n")})
	if err != nil {
		t.Fatal(err)
	}
	live, restart := Changes(before, after)
	if strings.Join(live, " ") != "log.level publish.key" || strings.Join(restart, " ") != "log.format" {
		t.Errorf("Changes = %v, %v; want log.level and publish.key live, log.format by restart", live, restart)
	}
}

// The committed example and reference page are what the code makes.
func TestGeneratedFiles(t *testing.T) {
	for name, make := range map[string]func(*bytes.Buffer) error{
		"ringcast.yaml":            func(b *bytes.Buffer) error { return WriteExample(b) },
		"../docs/configuration.md": func(b *bytes.Buffer) error { return WriteReference(b) },
	} {
		var want bytes.Buffer
		if err := make(&want); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not current: run go generate ./config", name)
		}
	}
}

// The example is a valid file, as it stands and with every mark taken off.
func TestExampleLoads(t *testing.T) {
	var b bytes.Buffer
	if err := WriteExample(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Sources{File: write(t, b.String())}); err != nil {
		t.Errorf("the example as it stands: %v", err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		if rest, ok := strings.CutPrefix(trimmed, "#"); ok && !strings.HasPrefix(rest, " ") {
			lines[i] = strings.Repeat(" ", len(line)-len(trimmed)) + rest
		} else if strings.HasPrefix(trimmed, "#  ") {
			lines[i] = trimmed[1:]
		}
	}
	l, err := Load(Sources{File: write(t, strings.Join(lines, "\n"))})
	if err != nil {
		t.Fatalf("the example with all marks taken off: %v\n%s", err, strings.Join(lines, "\n"))
	}
	if len(l.Streams) != 2 {
		t.Errorf("the example has %d streams, want 2", len(l.Streams))
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"", "http:\n  listen: :1\n", "streams:\n  - name: a\n", "a: &x [*x]\n", "<<: {}\n", "\xff", "? [a]\n: b\n"} {
		f.Add([]byte(seed))
	}
	table := Settings()
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		tree, err := parseFile("f", text, table)
		if err == nil {
			_, _ = tree.streams()
		}
	})
}
