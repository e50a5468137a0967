package nettest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
)

// binary is the program under test, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringcast-nettest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "ringcast")
	build := exec.Command("go", "build", "-o", binary, "github.com/ringcast/ringcast/cmd/ringcast")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// line is what the program prints with --json.
type line struct {
	Ready                           bool
	Stream                          string
	PeerID, Link, HTTP, RTMP, RTMFP string
	Streams                         []struct{ Name, HLS, RTSP, FLV string }
}

// place is where a program runs: a host of a lab, or this machine itself.
type place interface {
	Name() string
	Start(cmd *exec.Cmd) error
	Wait(cmd *exec.Cmd) error
	Do(f func() error) error
}

var _ place = (*lab.Host)(nil)

// node is a running program.
type node struct {
	line
	host    place
	cmd     *exec.Cmd
	log     *lockedBuffer
	ready   chan line
	exited  chan struct{}
	client  *http.Client
	started time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a command of the program in a host and waits until it is ready.
// HTTP and RTSP listen on the host's loopback.
func start(t *testing.T, h place, args ...string) *node {
	t.Helper()
	n := launch(t, h, args...)
	n.await(t)
	return n
}

// launch runs a command of the program in a host without waiting for it.
func launch(t *testing.T, h place, args ...string) *node {
	t.Helper()
	n := &node{host: h, log: &lockedBuffer{}, ready: make(chan line, 1), exited: make(chan struct{}), started: time.Now()}
	args = append([]string{args[0], "--json", "--http-listen", "127.0.0.1:8080", "--rtsp-listen", "127.0.0.1:8554"}, args[1:]...)
	n.cmd = exec.Command(binary, args...)
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(n.cmd); err != nil {
		t.Fatal(err)
	}
	n.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
	go func() {
		defer close(n.exited)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var l line
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Ready {
				n.ready <- l
			}
		}
		_ = h.Wait(n.cmd)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s %s:\n%s", h.Name(), args[0], n.log)
		}
	})
	return n
}

// await waits until the program is ready.
func (n *node) await(t *testing.T) {
	t.Helper()
	select {
	case n.line = <-n.ready:
	case <-n.exited:
		t.Fatalf("%s: the program ended before it was ready:\n%s", n.host.Name(), n.log)
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: the program is not ready:\n%s", n.host.Name(), n.log)
	}
}

// kill ends the program without warning.
func (n *node) kill() { _ = n.cmd.Process.Kill() }

// dial connects inside the node's host.
func (n *node) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	failed := n.host.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, failed
}

// get asks the node's API.
func (n *node) get(path string, into any) error {
	resp, err := n.client.Get(n.HTTP + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return json.Unmarshal(body, into)
}

// plays reports whether the node is ready: its stream plays.
func (n *node) plays() bool {
	resp, err := n.client.Get(n.HTTP + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop asks the program to end, and expects it to do so cleanly.
func (n *node) stop(t *testing.T) {
	t.Helper()
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.exited:
	case <-time.After(8 * time.Second):
		_ = n.cmd.Process.Kill()
		t.Errorf("%s does not end", n.host.Name())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s ends with %d:\n%s", n.host.Name(), code, n.log)
	}
}

// group is a group as a node tells of it.
type group struct {
	ID, Address   string
	NeighborCount int
	Ready         bool
}

func (n *node) groups(t *testing.T) []group {
	t.Helper()
	var page struct{ Items []group }
	if err := n.get("/api/v1/groups", &page); err != nil {
		t.Fatalf("%s: %v", n.host.Name(), err)
	}
	return page.Items
}

// wait waits until something holds, at most for a time, and returns how long it
// took.
func wait(t *testing.T, what string, limit time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > limit {
			t.Fatalf("%s: not after %v", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}
