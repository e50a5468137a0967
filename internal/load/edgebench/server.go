package main

import (
	"context"
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
	name   string
	binary string // of ours; empty for others
	start  func(ctx context.Context, dir string) (*running, error)
}

// running is a started server.
type running struct {
	cmd              *exec.Cmd
	pid              int
	rtmp, rtsp, http string // host:port
	hls              string // URL of the multivariant playlist
	// network is what a viewer's node is part of.
	network *network
}

func (r *running) rtspURL() string {
	return fmt.Sprintf("rtsp://%s/%s/%s", r.rtsp, streamApp, streamName)
}

// stop ends the server and waits for it.
func (r *running) stop() {
	if r.network != nil {
		r.network.stop()
		return
	}
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
	return server{name: "ringcast", binary: binary, start: func(ctx context.Context, dir string) (*running, error) {
		r, _, err := startNode(ctx, dir, binary, append([]string{"publish", "--stream", streamName, "--rtmp-listen", "127.0.0.1:0"}, freePorts...)...)
		if err == nil && r.rtsp == "" {
			r.stop()
			err = fmt.Errorf("%s names no stream when ready", binary)
		}
		return r, err
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
	return server{name: "mediamtx", start: func(ctx context.Context, dir string) (*running, error) {
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
