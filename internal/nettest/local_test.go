package nettest

import (
	"os"
	"os/exec"
	"sync"
	"testing"
)

// haveLab reports whether namespaces can be made here. Without them, tests that
// can do so run on the machine's loopback.
func haveLab() bool { return os.Geteuid() == 0 }

// loopback is this machine itself as the place where a program runs.
type loopback struct {
	name string
	mu   sync.Mutex
	done map[*exec.Cmd]chan struct{}
	ends map[*exec.Cmd]error
}

var _ place = (*loopback)(nil)

func newLoopback(t *testing.T, name string) *loopback {
	l := &loopback{name: name, done: make(map[*exec.Cmd]chan struct{}), ends: make(map[*exec.Cmd]error)}
	t.Cleanup(func() {
		l.mu.Lock()
		done := l.done
		l.mu.Unlock()
		for cmd, ended := range done {
			_ = cmd.Process.Kill() // or it has ended
			<-ended
		}
	})
	return l
}

// Name returns what tests call the place.
func (l *loopback) Name() string { return l.name }

// Do runs f.
func (l *loopback) Do(f func() error) error { return f() }

// Start starts a program, which is ended with the test.
func (l *loopback) Start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	l.mu.Lock()
	l.done[cmd] = ended
	l.mu.Unlock()
	go func() {
		err := cmd.Wait()
		l.mu.Lock()
		l.ends[cmd] = err
		l.mu.Unlock()
		close(ended)
	}()
	return nil
}

// Wait waits until the program has ended, and returns how.
func (l *loopback) Wait(cmd *exec.Cmd) error {
	l.mu.Lock()
	ended := l.done[cmd]
	l.mu.Unlock()
	<-ended
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[cmd]
}
