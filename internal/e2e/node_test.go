package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringcast-e2e")
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

// node is a running ringcast process.
type node struct {
	cmd  *exec.Cmd
	log  *lockedBuffer
	HTTP string
	RTMP string
	// PublishKey is the key that the node made, Link its share link.
	PublishKey string
	Link       string
	Streams    []struct{ Name, HLS, RTSP, FLV, RTMP string }
	exited     chan struct{}
}

// lockedBuffer is a bytes.Buffer for two goroutines.
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

// startNode runs a command of the program with free ports on loopback until
// the test ends, and returns when it says that it is ready. At the end the
// node must stop by itself, cleanly and in time.
func startNode(t *testing.T, args ...string) *node {
	t.Helper()
	return startNodeArgs(t, append(args, "--json", "--rtmp-listen", "127.0.0.1:0", "--rtsp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")...)
}

// startNodeArgs is startNode with just these arguments, --json among them.
func startNodeArgs(t *testing.T, args ...string) *node {
	t.Helper()
	n := &node{cmd: exec.Command(binary, args...), log: &lockedBuffer{}, exited: make(chan struct{})}
	n.cmd.Stderr = n.log
	n.cmd.Dir = t.TempDir()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(n.exited)
		n.read(out, ready)
		_ = n.cmd.Wait()
	}()
	t.Cleanup(func() { n.stop(t) })
	select {
	case <-ready:
	case <-n.exited:
		t.Fatalf("the node ended before it was ready:\n%s", n.log.String())
	case <-time.After(20 * time.Second):
		t.Fatalf("the node is not ready after 20 s:\n%s", n.log.String())
	}
	return n
}

// read follows the node's standard output and signals when it is ready.
func (n *node) read(out io.Reader, ready chan<- bool) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct {
			Ready      bool
			HTTP, RTMP string
			PublishKey string
			Link       string
			Streams    []struct{ Name, HLS, RTSP, FLV, RTMP string }
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Ready {
			n.HTTP, n.RTMP, n.PublishKey, n.Link, n.Streams = line.HTTP, line.RTMP, line.PublishKey, line.Link, line.Streams
			ready <- true
		}
	}
}

// stop interrupts the node and checks that it ends well.
func (n *node) stop(t *testing.T) {
	t.Helper()
	select {
	case <-n.exited:
		return
	default:
	}
	start := time.Now()
	_ = n.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-n.exited:
		if code := n.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the node exited with status %d:\n%s", code, tail(n.log.String(), 3000))
		}
	case <-time.After(8 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.exited
		t.Errorf("the node did not stop within %v:\n%s", time.Since(start), tail(n.log.String(), 3000))
	}
	if t.Failed() {
		t.Logf("log of the node:\n%s", tail(n.log.String(), 3000))
	}
}

// get fetches a URL and returns status and body.
func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// eventually calls f until it answers true.
func eventually(t *testing.T, within time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
