package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// poll reads a playlist like a player that comes back every period, until it
// says that it has ended or the node does not answer.
func poll(url string, period time.Duration) (ended bool) {
	for {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if strings.Contains(string(body), "#EXT-X-ENDLIST") {
			return true
		}
		time.Sleep(period)
	}
}

// HLS players that come back seldom still see that the stream has ended, and the
// stop stays within its time.
func TestPlayersSeeTheEnd(t *testing.T) {
	n := startProgram(t, "publish", "--source", "test:", "--loop", "--stream", "live/show", "--rtmp-listen", "")
	waitFor(t, "a playlist", func() bool { status, _ := n.get(t, "/live/show/stream.m3u8"); return status == http.StatusOK })
	var players sync.WaitGroup
	ended := make([]bool, 3)
	for i := range ended {
		players.Go(func() {
			ended[i] = poll(n.ready.HTTP+"/live/show/stream.m3u8", time.Duration(500+750*i)*time.Millisecond)
		})
	}
	waitFor(t, "the players are there", func() bool {
		_, body := n.get(t, "/api/v1/streams")
		return strings.Contains(body, `"hls":`) && !strings.Contains(body, `"hls":0`)
	})
	n.stop(t)
	players.Wait()
	for i, ok := range ended {
		if !ok {
			t.Errorf("player %d has not seen the end", i)
		}
	}
}

// A node that cannot print, since nobody reads it, ends all the same, with the
// status of a stop that hit its deadline. A second signal ends it at once.
func TestStopDeadline(t *testing.T) {
	for _, again := range []bool{false, true} {
		cmd := program(t, nil, append([]string{"publish", "--rtmp-listen", ""}, freePorts...)...)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		fillPipe(t, w)
		cmd.Stdout = w
		log, err := os.Create(filepath.Join(cmd.Dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		waitFor(t, "the sockets are bound", func() bool {
			text, _ := os.ReadFile(log.Name())
			return strings.Contains(string(text), "socket bound")
		})
		time.Sleep(500 * time.Millisecond) // it comes to printing by now, and if not, ends well
		began := time.Now()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if again {
			// On a busy machine two signals may be seen as one.
			for range 4 {
				time.Sleep(2 * sameSignal)
				_ = cmd.Process.Signal(os.Interrupt)
			}
		}
		_ = cmd.Wait()
		status, took := cmd.ProcessState.ExitCode(), time.Since(began)
		text, _ := os.ReadFile(log.Name())
		if status != exitDeadline || again && took > stopWithin/2 || !again && !strings.Contains(string(text), "stop hit its deadline") {
			t.Errorf("signaled again %v: status %d after %v, want %d\n%s", again, status, took, exitDeadline, text)
		}
	}
}

// fillPipe writes into a pipe until nothing more fits.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	for _, size := range []int{4096, 1} {
		for {
			if err := w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

// What systemd is told, in its order.
func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var mu sync.Mutex
	var said []string
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			said = append(said, string(b[:n]))
			mu.Unlock()
		}
	}()
	has := func(what string) bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains("\n"+strings.Join(said, "\n"), "\n"+what)
	}
	n := startExactly(t, []string{"NOTIFY_SOCKET=" + name}, append([]string{"publish", "--source", "test:", "--loop", "--rtmp-listen", ""}, freePorts...)...)
	waitFor(t, "ready", func() bool { return has("READY=1") })
	waitFor(t, "status", func() bool { return has("STATUS=1 stream, 0 peers, ") })
	mu.Lock()
	said = nil
	mu.Unlock()
	_ = n.cmd.Process.Signal(syscall.SIGHUP)
	waitFor(t, "reloading", func() bool { return has("RELOADING=1\nMONOTONIC_USEC=") })
	waitFor(t, "ready again", func() bool { return has("READY=1") })
	n.stop(t)
	waitFor(t, "stopping", func() bool { return has("STOPPING=1") })
}
