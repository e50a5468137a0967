package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself.
const asProgram = "TEST_AS_RINGCAST"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns a command that runs the program in an empty directory, with
// nothing of ours in its environment but env.
func program(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}, env...)
	return cmd
}

// finish runs the program to its end.
func finish(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := program(t, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// running is a program that runs with --json.
type running struct {
	cmd    *exec.Cmd
	ready  jsonLine
	exited chan struct{}

	mu    sync.Mutex
	lines []jsonLine
	log   bytes.Buffer
}

// freePorts are flags by which a node takes none of the default ports.
var freePorts = []string{
	"--json", "--rtsp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--rtmfp-listen", "127.0.0.1:0",
}

// startProgram runs the program on free ports of loopback until the test ends,
// and returns when it says that it is ready. It must stop cleanly and in time.
func startProgram(t *testing.T, args ...string) *running {
	t.Helper()
	if !slices.Contains(args, "--rtmp-listen") {
		args = append(args, "--rtmp-listen", "127.0.0.1:0")
	}
	return startExactly(t, nil, slices.Concat(args, freePorts)...)
}

// startExactly is startProgram with just these arguments, and a variable of
// the environment for each env.
func startExactly(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{cmd: program(t, env, args...), exited: make(chan struct{})}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = writerFunc(func(b []byte) (int, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.log.Write(b)
	})
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	go r.read(out, first)
	t.Cleanup(func() {
		if r.stop(t); t.Failed() {
			t.Logf("%v:\n%s", args, r.logged())
		}
	})
	select {
	case <-first:
		r.ready = r.said()[0]
	case <-r.exited:
		t.Fatalf("%v ended before it was ready:\n%s", args, r.logged())
	case <-time.After(20 * time.Second):
		t.Fatalf("%v is not ready after 20 s:\n%s", args, r.logged())
	}
	if !r.ready.Ready {
		t.Errorf("the first line does not say ready: %+v", r.ready)
	}
	return r
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (r *running) read(out io.Reader, first chan struct{}) {
	defer close(r.exited)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l jsonLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		r.mu.Lock()
		r.lines = append(r.lines, l)
		isFirst := len(r.lines) == 1
		r.mu.Unlock()
		if isFirst {
			close(first)
		}
	}
	_ = r.cmd.Wait()
}

// said returns the JSON lines so far.
func (r *running) said() []jsonLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *running) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// stop interrupts the program and checks that it ends well and in time.
func (r *running) stop(t *testing.T) {
	t.Helper()
	select {
	case <-r.exited:
		return
	default:
	}
	began := time.Now()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.exited:
	case <-time.After(3 * stopWithin):
		_ = r.cmd.Process.Kill()
		<-r.exited
	}
	if code, took := r.cmd.ProcessState.ExitCode(), time.Since(began); code != 0 || took > stopWithin+time.Second {
		t.Errorf("the program ends with status %d after %v, want 0 within %v", code, took, stopWithin)
	}
}

// waitFor waits until f is true.
func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	waitLong(t, 20*time.Second, what, f)
}

// waitLong is waitFor with another limit.
func waitLong(t *testing.T, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// hasStream reports whether the program has said of the stream that it is in
// that state.
func (r *running) hasStream(name, state string) bool {
	return slices.ContainsFunc(r.said(), func(l jsonLine) bool { return l.Stream == name && l.State == state })
}

// oneLine reports whether a text is one line, beside those of the log.
func oneLine(stderr string) bool {
	count := 0
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "time=") {
			count++
		}
	}
	return count == 1
}
