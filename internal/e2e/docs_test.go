package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// docCommand is a command in a document's block marked sh.
type docCommand struct{ where, text string }

// docCommands reads all commands of the documents. A line that ends in a
// backslash goes on in the next one; what follows two blanks and # is a remark.
func docCommands(t *testing.T) (all []docCommand) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(moduleRoot, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	remark := regexp.MustCompile(`\s+# .*$`)
	for _, name := range append(names, filepath.Join(moduleRoot, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
				if line = remark.ReplaceAllString(strings.TrimSpace(line), ""); line != "" {
					all = append(all, docCommand{filepath.Base(name), line})
				}
			}
		}
	}
	return all
}

// docTrial is where the commands of the documents are tried: a directory with
// bin/ringcast and the files that they name, and a node that is on air.
type docTrial struct {
	parent *testing.T
	dir    string
	live   *node
}

// way says how a command that begins so is tried.
type way struct {
	begins string
	try    func(*testing.T, *docTrial, string)
}

// ways is the table of how each command is tried; the first one that fits
// counts. What is for the whole machine is not run but held against the files
// that it needs.
func ways() []way {
	return []way{
		{"make ", isTarget},
		{"bin/ringcast publish", starts},
		{"bin/ringcast play", starts},
		{"bin/ringcast introducer", starts},
		{"bin/ringcast run --print-config", ends},
		{"bin/ringcast run -c ringcast.yaml --check", ends},
		{"bin/ringcast run -c ringcast.yaml", starts},
		{"bin/ringcast groupspec", ends},
		{"bin/ringcast group get", gets},
		{"bin/ringcast group ", joins},
		{"bin/ringcast sim ", hasParameters},
		{"ffmpeg ", pushes},
		{"docker compose ", isCompose},
		{"go tool pprof ", isProfile},
		{"sysctl -w ", isSysctl},
		{"install -m ", isInstalled},
		{"systemctl ", isUnit},
	}
}

// TestDocumentedCommands runs every command that the documents show. One that
// is not in the table of ways fails.
func TestDocumentedCommands(t *testing.T) {
	trial := &docTrial{dir: t.TempDir(), live: startNode(t, "publish", "--rtmfp-listen", "127.0.0.1:0", "--publish-key", "KEY", "--http-pprof"), parent: t}
	if err := os.Mkdir(filepath.Join(trial.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(trial.dir, "bin/ringcast")); err != nil {
		t.Fatal(err)
	}
	certificate, key := makeCertificate(t, t.TempDir())
	for name, from := range map[string]string{"chain.pem": certificate, "key.pem": key} {
		if err := os.Symlink(from, filepath.Join(trial.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := docCommands(t)
	if len(all) < 25 {
		t.Fatalf("only %d commands found", len(all))
	}
	// Pushing goes first, so that what plays has something to play.
	slices.SortStableFunc(all, func(a, b docCommand) int {
		return strings.Compare(fmt.Sprint(!strings.HasPrefix(a.text, "ffmpeg ")), fmt.Sprint(!strings.HasPrefix(b.text, "ffmpeg ")))
	})
	seen := make(map[string]bool)
	for _, c := range all {
		text := trial.replace(c.text)
		if seen[text] {
			continue
		}
		seen[text] = true
		table := ways()
		i := slices.IndexFunc(table, func(w way) bool { return strings.HasPrefix(text, w.begins) })
		if i < 0 {
			t.Errorf("%s: nobody has said how %q is tried", c.where, c.text)
			continue
		}
		t.Run(c.where, func(t *testing.T) {
			if table[i].try(t, trial, text); t.Failed() {
				t.Logf("%s, run as %s", c.text, text)
			}
		})
	}
}

// replace puts what there is in the place of examples: files, a link, the
// program's place.
func (d *docTrial) replace(text string) string {
	if strings.HasPrefix(text, "ringcast ") {
		text = "bin/" + text
	}
	for _, r := range [][2]string{
		{`'rtmfp://[^']*'`, "'" + d.live.Link + "'"},
		{`'G:…'`, "'" + regexp.MustCompile(`G:[0-9a-f]+`).FindString(d.live.Link) + "'"},
		{`/etc/ringcast/`, ""},
		{`/var/lib/ringcast/`, ""},
		{`vlc \{hls\}`, "test -n {hls}"},
		{`https://origin\.example/`, "http://127.0.0.1:9/"},
		{`meet\.example`, "127.0.0.1"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllLiteralString(text, r[1])
	}
	return text
}

// shell returns the command for a shell in the trial's directory.
func (d *docTrial) shell(t *testing.T, text string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", text)
	cmd.Dir = d.dir
	return cmd
}

// ends runs a command to its end.
func ends(t *testing.T, d *docTrial, text string) {
	if out, err := d.shell(t, text).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// joins starts a command of a group, waits until it is ready, and leaves it
// running while the rest is tried.
func joins(t *testing.T, d *docTrial, text string) {
	file := filepath.Join(d.dir, "talk.mp4")
	if err := os.WriteFile(file, bytes.Repeat([]byte("talk"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-ec", "exec "+text+" --json --rtmfp-listen 127.0.0.1:0 </dev/null")
	cmd.Dir = d.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.parent.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	line := make([]byte, 4096)
	if n, err := out.Read(line); err != nil || !bytes.Contains(line[:n], []byte(`"ready":true`)) {
		t.Errorf("it is not ready: %v, %s", err, line[:n])
	}
	d.parent.Cleanup(func() { _ = out.Close() })
}

// gets fetches the file that joins has offered.
func gets(t *testing.T, d *docTrial, text string) {
	ends(t, d, text+" --rtmfp-listen 127.0.0.1:0 -o fetched.mp4")
	a, _ := os.ReadFile(filepath.Join(d.dir, "talk.mp4"))
	b, err := os.ReadFile(filepath.Join(d.dir, "fetched.mp4"))
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("the file differs: %d bytes of %d, %v", len(b), len(a), err)
	}
}

// hasParameters checks the settings of a simulation that takes long.
func hasParameters(t *testing.T, d *docTrial, text string) { ends(t, d, text+" --params") }

// starts starts a node, with free ports where it names none, waits until it is
// ready, and stops it.
func starts(t *testing.T, d *docTrial, text string) {
	for flag, value := range map[string]string{"--rtmp-listen": "127.0.0.1:0", "--rtsp-listen": "127.0.0.1:0", "--rtmfp-listen": "127.0.0.1:0"} {
		if !strings.Contains(text, flag) {
			text += " " + flag + " " + value
		}
	}
	if strings.Contains(text, "--http-listen") {
		text = strings.Replace(text, "--http-listen :8080", "--http-listen 127.0.0.1:0", 1)
	} else {
		text += " --http-listen 127.0.0.1:0"
	}
	text = strings.Replace(text, "--http-tls-listen :8443", "--http-tls-listen 127.0.0.1:0", 1)
	cmd := d.shell(t, "exec "+text+" --json")
	n := &node{cmd: cmd, log: &lockedBuffer{}, exited: make(chan struct{})}
	cmd.Stderr = n.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(n.exited)
		n.read(out, ready)
		_ = cmd.Wait()
	}()
	defer n.stop(t)
	select {
	case <-ready:
	case <-n.exited:
		t.Errorf("it ended before it was ready: %s", n.log.String())
	case <-time.After(20 * time.Second):
		t.Errorf("it is not ready: %s", n.log.String())
	}
}

// pushes runs ffmpeg for a few seconds into the node that is on air, and sees
// that the stream comes. The push goes on while the rest is tried.
func pushes(t *testing.T, d *docTrial, text string) {
	text = strings.Replace(text, "rtmp://127.0.0.1:1935/live", d.live.RTMP, 1)
	text = strings.Replace(text, "ffmpeg ", "exec ffmpeg -v error -nostdin ", 1)
	cmd := exec.Command("bash", "-ec", text)
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.parent.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	eventually(t, 20*time.Second, "the pushed stream is on air", func() bool {
		_, body := get(t, d.live.HTTP+"/api/v1/streams")
		return bytes.Contains(body, []byte(`"state":"live"`))
	})
	if out.Len() > 0 {
		t.Errorf("ffmpeg says %s", out.String())
	}
}

// isTarget looks for a target of make.
func isTarget(t *testing.T, _ *docTrial, text string) {
	target := strings.Fields(text)[1]
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:.*## `).Match(projectFile(t, "Makefile")) {
		t.Errorf("make has no target %s", target)
	}
}

// isCompose looks for the profile that is asked for; what stands in the file
// is tried by TestComposeCommands of the program.
func isCompose(t *testing.T, _ *docTrial, text string) {
	compose := projectFile(t, "docker-compose.yml")
	if m := regexp.MustCompile(`--profile (\w+)`).FindStringSubmatch(text); m != nil && !bytes.Contains(compose, []byte("profiles: ["+m[1]+"]")) {
		t.Errorf("there is no profile %s", m[1])
	}
}

// isProfile fetches the profile that is to be looked at.
func isProfile(t *testing.T, d *docTrial, text string) {
	url := strings.Replace(strings.Fields(text)[3], "http://127.0.0.1:8080", d.live.HTTP, 1)
	if status, body := get(t, url); status != 200 || len(body) == 0 {
		t.Errorf("%s: status %d", url, status)
	}
}

// isSysctl looks for the settings of the kernel.
func isSysctl(t *testing.T, _ *docTrial, text string) {
	for _, word := range strings.Fields(text)[2:] {
		name, _, _ := strings.Cut(word, "=")
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); err != nil {
			t.Error(err)
		}
	}
}

// isInstalled looks for what is copied.
func isInstalled(t *testing.T, d *docTrial, text string) {
	from := strings.Fields(text)[3]
	for _, dir := range []string{moduleRoot, d.dir} {
		if _, err := os.Stat(filepath.Join(dir, from)); err == nil {
			return
		}
	}
	t.Errorf("there is no %s", from)
}

// isUnit looks for the service's file, and that it can do what is asked.
func isUnit(t *testing.T, _ *docTrial, text string) {
	words := strings.Fields(text)
	unit := projectFile(t, "docs/deploy/"+words[len(words)-1]+".service")
	if words[1] == "reload" && !bytes.Contains(unit, []byte("ExecReload=")) {
		t.Error("the unit cannot reload")
	}
}

func projectFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
