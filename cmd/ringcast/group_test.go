package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// chatProgram is a `ringcast group` command that runs until the test ends.
type chatProgram struct {
	out  syncBuffer
	stop func()
	id   string // its peer ID, of the first line of --json
}

// syncBuffer is a buffer that a program writes to and a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startGroup runs a command of a group with --json, and waits for its ready line.
func startGroup(t *testing.T, args ...string) *chatProgram {
	t.Helper()
	p := &chatProgram{}
	cmd := program(t, nil, append([]string{"group", args[0], "--json", "--rtmfp-listen", "127.0.0.1:0"}, args[1:]...)...)
	var errs syncBuffer
	cmd.Stdout, cmd.Stderr = &p.out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("%v ends with %v:\n%s%s", args[0], err, p.out.String(), errs.String())
		}
	})
	t.Cleanup(p.stop)
	waitFor(t, args[0]+" is ready", func() bool {
		for line := range strings.Lines(p.out.String()) {
			var ready struct {
				Ready  bool
				PeerID string
			}
			if json.Unmarshal([]byte(line), &ready) == nil && ready.Ready {
				p.id = ready.PeerID
				return true
			}
		}
		return false
	})
	return p
}

// heard returns the texts that a chat has told of with that code.
func (p *chatProgram) heard(code string) (texts []string) {
	for line := range strings.Lines(p.out.String()) {
		var e struct {
			Code    string
			Message struct{ Text string }
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Code == code {
			texts = append(texts, e.Message.Text)
		}
	}
	return texts
}

// Real processes that know nothing but a share link talk, route a message and
// get an answer, and share a file that survives one of them.
func TestGroupCommands(t *testing.T) {
	pub := startProgram(t, "publish", "--stream", "live/show")
	link := pub.ready.Link
	chat := startGroup(t, "join", "--reply-with", "you said {text}", link)
	free := []string{"--rtmfp-listen", "127.0.0.1:0", "--timeout", "20s"}

	status, _, stderr := finish(t, nil, append([]string{"group", "post", link, "hello"}, free...)...)
	if status != 0 {
		t.Fatalf("post: status %d: %s", status, stderr)
	}
	waitFor(t, "the post arrives", func() bool {
		heard := chat.heard("NetGroup.Posting.Notify")
		return len(heard) == 1 && heard[0] == "hello"
	})
	status, stdout, stderr := finish(t, nil, append([]string{"group", "send", link, "--to", chat.id, "--reply", "how are you?"}, free...)...)
	if status != 0 || stdout != "you said how are you?\n" {
		t.Errorf("send: status %d, %q: %s", status, stdout, stderr)
	}
	status, stdout, stderr = finish(t, nil, append([]string{"group", "send", link, "--to-all-neighbors", "all of you"}, free...)...)
	if status != 0 || stdout != "sent\n" {
		t.Errorf("send to all: status %d, %q: %s", status, stdout, stderr)
	}
	waitFor(t, "the routed message arrives", func() bool { return len(chat.heard("NetGroup.SendTo.Notify")) == 2 })

	dir := t.TempDir()
	content := make([]byte, 3<<20+17)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(content)
	original, copied := filepath.Join(dir, "file.bin"), filepath.Join(dir, "copy.bin")
	if err := os.WriteFile(original, content, 0o600); err != nil {
		t.Fatal(err)
	}
	put := startGroup(t, "put", link, original)
	seed := startGroup(t, "get", "--seed", "--timeout", "20s", "-o", copied, link, "file.bin")
	put.stop()
	// What has come so far of a file that was interrupted is kept: half of it
	// right, and something else.
	again := filepath.Join(dir, "again.bin")
	part := append(bytes.Clone(content[:1<<20]), make([]byte, 100)...)
	if err := os.WriteFile(again+".part", part, 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr = finish(t, nil, append([]string{"group", "get", "--json", "-o", again, link, "file.bin"}, free...)...)
	var got fileReady
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || got.Bytes < 2<<20 || got.Bytes > 2<<20+64<<10 {
		t.Errorf("get from the seed: status %d, %+v, %v: %s", status, got, err, stderr)
	}
	seed.stop()
	for _, name := range []string{copied, again} {
		if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, content) {
			t.Errorf("%s differs: %d bytes, %v", name, len(b), err)
		}
		if _, err := os.Stat(name + ".part"); err == nil {
			t.Errorf("%s.part is left over", name)
		}
	}
	status, _, stderr = finish(t, nil, "group", "get", link, "file.bin", "--rtmfp-listen", "127.0.0.1:0", "--timeout", "300ms")
	if status != exitNoStream || !strings.Contains(stderr, "file.bin") || !oneLine(stderr) {
		t.Errorf("a file that nobody has: status %d: %s", status, stderr)
	}
}

// What is wrong with a command of a group ends it with the right status and one
// line.
func TestGroupStatuses(t *testing.T) {
	spec := func(s groupspec.Settings) string {
		s.Name = "test"
		g, err := groupspec.New(s)
		if err != nil {
			t.Fatal(err)
		}
		return g.WithoutAuthorizations()
	}
	secret := groupspec.Settings{Posting: true}
	secret.SetPostPassword("sesame", "salt")
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no group", []string{"join"}, exitUsage, "which group"},
		{"not a group", []string{"join", "http://example"}, exitUsage, "share link"},
		{"nobody there", []string{"post", spec(groupspec.Settings{Posting: true}), "x", "--timeout", "100ms"}, exitNoStream, "--introducer"},
		{"no introducer", []string{"post", spec(groupspec.Settings{Posting: true, ServerChannel: true}), "x", "--timeout", "100ms", "--introducer", "127.0.0.1:9"}, exitNoStream, "does not answer"},
		{"no posting", []string{"post", spec(groupspec.Settings{Routing: true}), "x"}, exitUsage, "posting"},
		{"no password", []string{"post", spec(secret), "x"}, exitAuth, "group.postingPassword"},
		{"wrong password", []string{"post", spec(secret), "x", "--group-posting-password", "guess"}, exitAuth, "not the password"},
		{"to whom", []string{"send", spec(groupspec.Settings{Routing: true}), "x"}, exitUsage, "--to-nearest"},
		{"no replication", []string{"put", spec(groupspec.Settings{Posting: true}), "x"}, exitUsage, "object replication"},
		{"no file", []string{"put", spec(groupspec.Settings{ObjectReplication: true}), "nowhere.bin"}, exitUsage, "nowhere.bin"},
		{"a path", []string{"get", spec(groupspec.Settings{ObjectReplication: true}), "../x"}, exitUsage, "not a name"},
		{"order", []string{"get", spec(groupspec.Settings{ObjectReplication: true}), "x", "--order", "random"}, exitUsage, "lowest-first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := finish(t, nil, append([]string{"group", tt.args[0], "--rtmfp-listen", "127.0.0.1:0"}, tt.args[1:]...)...)
			if status != tt.status || !strings.Contains(stderr, tt.want) || !oneLine(stderr) || stdout != "" {
				t.Errorf("status %d, want %d with %q\n%s%s", status, tt.status, tt.want, stdout, stderr)
			}
		})
	}
}

// Text of strangers can't move the cursor, and chats of other makes are read.
func TestChatValues(t *testing.T) {
	if got := printable("a\x1b[2J\r\nb\u202ec\xff"); !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\r\u202e") || !strings.Contains(got, "\n    b") {
		t.Errorf("printable gives %q", got)
	}
	flash := amf0.Object(amf0.Property{Name: "user", Value: amf0.String("bob")}, amf0.Property{Name: "text", Value: amf0.String("hi")})
	if c := parseChat(flash); c.Text != "hi" || c.User != "bob" {
		t.Errorf("parsed %+v", c)
	}
	if c := parseChat(amf0.Number(7)); c.Text != "7" {
		t.Errorf("parsed %+v", c)
	}
	var a any
	text := `{"a":[1,"x",true,null],"b":{"c":2.5}}`
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(jsonOf(valueOf(a))); err != nil || string(b) != text {
		t.Errorf("there and back: %s, %v", b, err)
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 65_536: "65.5 kB", 1_000_000_000: "1.0 GB", 3_200_000_000_000: "3.2 TB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
