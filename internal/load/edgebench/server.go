package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const streamApp, streamName = "live", "bench"

// server is a program under test.
type server struct {
	name  string
	start func(ctx context.Context, dir string) (*running, error)
}

// running is a started server.
type running struct {
	cmd              *exec.Cmd
	pid              int
	rtmp, rtsp, http string // host:port
	hls              string // URL of the multivariant playlist
}

func (r *running) rtspURL() string {
	return fmt.Sprintf("rtsp://%s/%s/%s", r.rtsp, streamApp, streamName)
}

// stop ends the server and waits for it.
func (r *running) stop() {
	_ = r.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { _ = r.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = r.cmd.Process.Kill()
		<-done
	}
}

// ringcast runs our own binary with free ports on loopback.
func ringcast(binary string) server {
	return server{"ringcast", func(ctx context.Context, dir string) (*running, error) {
		cmd := exec.CommandContext(ctx, binary, "publish", "--json", "--stream", streamName, "--log-level", "error",
			"--rtmp-listen", "127.0.0.1:0", "--rtsp-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		var ready struct {
			Ready   bool
			RTMP    string `json:"rtmp"`
			HTTP    string `json:"http"`
			Streams []struct{ HLS, RTSP string }
		}
		lines := bufio.NewScanner(out)
		for !ready.Ready {
			if !lines.Scan() {
				return nil, fmt.Errorf("%s ended before it was ready", binary)
			}
			_ = json.Unmarshal(lines.Bytes(), &ready)
		}
		go func() {
			for lines.Scan() {
				continue // the pipe must not fill up
			}
		}()
		if len(ready.Streams) == 0 {
			return nil, fmt.Errorf("%s names no stream when ready", binary)
		}
		return &running{
			cmd: cmd, pid: cmd.Process.Pid, rtmp: hostOf(ready.RTMP), rtsp: hostOf(ready.Streams[0].RTSP),
			http: hostOf(ready.HTTP), hls: ready.Streams[0].HLS,
		}, nil
	}}
}

const mediamtxConfig = `logLevel: error
rtmpAddress: %s
rtspAddress: %s
rtspTransports: [tcp]
hlsAddress: %s
webrtc: no
srt: no
moq: no
paths:
  all_others:
`

// mediamtx runs a MediaMTX binary with free ports on loopback, otherwise with
// its defaults.
func mediamtx(binary string) server {
	return server{"mediamtx", func(ctx context.Context, dir string) (*running, error) {
		var addr [3]string
		for i := range addr {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			addr[i] = l.Addr().String()
			_ = l.Close()
		}
		conf := filepath.Join(dir, "mediamtx.yml")
		if err := os.WriteFile(conf, fmt.Appendf(nil, mediamtxConfig, addr[0], addr[1], addr[2]), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, binary, conf)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		r := &running{
			cmd: cmd, pid: cmd.Process.Pid, rtmp: addr[0], rtsp: addr[1], http: addr[2],
			hls: fmt.Sprintf("http://%s/%s/%s/index.m3u8", addr[2], streamApp, streamName),
		}
		for range 100 {
			if conn, err := net.Dial("tcp", addr[0]); err == nil {
				_ = conn.Close()
				return r, nil
			}
			time.Sleep(50 * time.Millisecond)
		}
		r.stop()
		return nil, fmt.Errorf("%s does not listen", binary)
	}}
}

// hostOf cuts host and port out of a URL, or returns s if it is none.
func hostOf(s string) string {
	for i := 0; i+3 <= len(s); i++ {
		if s[i:i+3] == "://" {
			s = s[i+3:]
			break
		}
	}
	for i := range len(s) {
		if s[i] == '/' || s[i] == '?' {
			return s[:i]
		}
	}
	return s
}
