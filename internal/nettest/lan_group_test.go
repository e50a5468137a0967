package nettest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
)

// command runs `ringcast group` in a host until it ends, and returns its exit
// status and what it printed.
func command(t *testing.T, h place, args ...string) (status int, out string) {
	t.Helper()
	var b lockedBuffer
	cmd := exec.Command(binary, append([]string{"group"}, args...)...)
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait(cmd)
	return cmd.ProcessState.ExitCode(), b.String()
}

// background runs `ringcast group` in a host until the test ends.
func background(t *testing.T, h place, args ...string) *lockedBuffer {
	t.Helper()
	b := &lockedBuffer{}
	cmd := exec.Command(binary, append([]string{"group"}, args...)...)
	cmd.Stdout, cmd.Stderr = b, b
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := h.Wait(cmd); err != nil {
			t.Errorf("group %s ends with %v:\n%s", args[0], err, b)
		}
	})
	return b
}

// TestServerlessGroup: members on one LAN who have nothing but a groupspec talk
// and share a file; somebody on another LAN finds nobody.
func TestServerlessGroup(t *testing.T) {
	lab.Need(t)
	l := lab.New(t)
	lan, far := l.AddLAN("lan", lab.LANConfig{}), l.AddLAN("far", lab.LANConfig{})
	var hosts []*lab.Host
	for _, name := range []string{"one", "two", "three"} {
		hosts = append(hosts, lan.AddHost(name, lab.HostConfig{}))
	}
	stranger := far.AddHost("stranger", lab.HostConfig{})
	spec, err := exec.Command(binary, "groupspec", "new", "office", "--unique", "--no-server-channel", "--ip-multicast", "239.255.7.1:30303").Output()
	if err != nil {
		t.Fatal(err)
	}
	group := strings.TrimSpace(string(spec))
	dir := t.TempDir()
	file, copied := filepath.Join(dir, "file.bin"), filepath.Join(dir, "copy.bin")
	content := bytes.Repeat([]byte("ringcast"), 100_000)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}

	chat := background(t, hosts[0], "join", "--json", "--name", "one", group)
	put := background(t, hosts[1], "put", "--json", group, file)
	for _, b := range []*lockedBuffer{chat, put} {
		wait(t, "a member is there", 10*time.Second, func() bool { return strings.Contains(b.String(), `"ready":true`) })
	}
	if status, out := command(t, hosts[2], "post", "--timeout", "10s", group, "lunch is ready"); status != 0 {
		t.Errorf("post: status %d: %s", status, out)
	}
	wait(t, "the post arrives", 5*time.Second, func() bool { return strings.Contains(chat.String(), "lunch is ready") })
	if status, out := command(t, hosts[2], "get", "--timeout", "20s", "-o", copied, group, "file.bin"); status != 0 {
		t.Errorf("get: status %d: %s", status, out)
	}
	if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file has %d bytes, %v; want %d", len(got), err, len(content))
	}
	const nobody = 6
	if status, out := command(t, stranger, "post", "--timeout", "2s", group, "hello?"); status != nobody || !strings.Contains(out, "nobody has answered on the local network") {
		t.Errorf("from another LAN: status %d: %s", status, out)
	}
}
