package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command runs the program to its end and returns status and output. The
// environment is the test's with env added.
func command(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = t.TempDir()
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "ringcast.yaml")
	if err := os.WriteFile(file, []byte("hls:\n  partDuration: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		env    []string
		args   []string
		status int
		want   []string // in either output
	}{
		{"no command", nil, nil, 0, []string{"ffmpeg -re", "vlc http", "dashboard"}},
		{"version", nil, []string{"version"}, 0, []string{"ringcast", "go1."}},
		{"completion", nil, []string{"completion", "bash"}, 0, []string{"__ringcast"}},
		{"help", nil, []string{"publish", "--help"}, 0, []string{"--rtmp-listen", "--hls-part-duration", "--publish-key"}},
		{"unknown command", nil, []string{"stream"}, 2, []string{"unknown command"}},
		{"unknown flag", nil, []string{"run", "--http"}, 2, []string{"unknown flag", "--http"}},
		{"argument", nil, []string{"run", "x"}, 2, []string{"ringcast run --help"}},
		{"check", nil, []string{"run", "--check"}, 0, []string{"valid"}},
		{"effective", []string{"RINGCAST_HTTP_LISTEN=:0"}, []string{"run", "--check", "--effective"}, 0, []string{"http.listen", "RINGCAST_HTTP_LISTEN"}},
		{"wrong file", nil, []string{"run", "-c", file}, 2, []string{"hls.partDuration", `"3"`, "no unit", "ringcast.yaml:2"}},
		{"wrong variable", []string{"RINGCAST_HTTP_LISTEN=8080"}, []string{"run"}, 2, []string{"http.listen", "RINGCAST_HTTP_LISTEN"}},
		{"no file", nil, []string{"run", "-c", "/does/not/exist.yaml"}, 2, []string{"/does/not/exist.yaml"}},
		{"taken port", nil, []string{"run", "--http-listen", taken.Addr().String()}, 4, []string{"http.listen", taken.Addr().String(), "--http-listen", fmt.Sprint(os.Getpid())}},
		{"foreign address", nil, []string{"run", "--http-listen", "192.0.2.1:80"}, 4, []string{"http.listen", "192.0.2.1:80"}},
		{"no source file", nil, []string{"publish", "--source", "clip.xyz"}, 2, []string{"source", "clip.xyz", "rtmp://"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := command(t, tt.env, tt.args...)
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("%q is not in the output:\n%s%s", want, stdout, stderr)
				}
			}
			if status != 0 && strings.Count(strings.TrimSpace(lastLines(stderr)), "\n") > 0 {
				t.Errorf("the error has more than one line:\n%s", stderr)
			}
		})
	}
}

// lastLines drops the log lines in front of an error.
func lastLines(stderr string) string {
	var kept []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "time=") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// A port that is only a default and taken is replaced, and the log says so.
func TestTakenDefaultPort(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		defer l.Close()
	}
	n := startNodeArgs(t, "demo", "--json", "--rtmp-listen", "", "--rtsp-listen", "")
	if n.HTTP == "" || strings.HasSuffix(n.HTTP, ":8080") {
		t.Fatalf("the node serves at %q", n.HTTP)
	}
	if log := n.log.String(); !strings.Contains(log, "127.0.0.1:8080") || !strings.Contains(log, "http.listen") {
		t.Errorf("the log does not tell of the taken port:\n%s", log)
	}
	if status, _ := get(t, n.HTTP+"/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
}

// A node that is told to stop ends its playlists, lets viewers see that, and
// exits with 0 in time.
func TestStopEndsPlaylists(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	playlist := strings.TrimSuffix(n.Streams[0].HLS, "index.m3u8") + "stream.m3u8"
	eventually(t, 15*time.Second, "a playlist with segments", func() bool {
		status, body := get(t, playlist)
		return status == 200 && strings.Contains(string(body), "#EXTINF")
	})
	began := time.Now()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*time.Second, "a playlist that has ended", func() bool {
		_, body := get(t, playlist)
		return strings.Contains(string(body), "#EXT-X-ENDLIST")
	})
	select {
	case <-n.exited:
	case <-time.After(6 * time.Second):
		t.Fatal("the node does not exit")
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the stop took %v", d)
	}
}

// SIGHUP changes what can change live, all or nothing.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringcast.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log:\n  level: info\n")
	n := startNode(t, "run", "-c", file)
	for _, step := range []struct{ text, log string }{
		{"log:\n  level: debug\npublish:\n  key: k\n", "changed=\"[log.level publish.key]\""},
		{"log:\n  level: info\n  format: json\n", "settings=[log.format]"},
		{"log:\n  level: nonsense\n", "nonsense"},
	} {
		write(step.text)
		if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, step.log, func() bool { return strings.Contains(n.log.String(), step.log) })
	}
}

// A node that can be reached from elsewhere makes a publish key, and refuses
// publishers without it.
func TestPublishKeyIsMade(t *testing.T) {
	n := startNodeArgs(t, "publish", "--json", "--rtmp-listen", ":0", "--rtsp-listen", "", "--http-listen", "127.0.0.1:0")
	if len(n.PublishKey) < 16 {
		t.Fatalf("the key is %q", n.PublishKey)
	}
	if strings.Contains(n.log.String(), n.PublishKey) {
		t.Error("the key is in the log")
	}
	push := func(url string) error {
		return exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", moduleRoot+"/ingest/file/clip.flv", "-t", "2", "-c", "copy", "-f", "flv", url).Run()
	}
	if push(n.RTMP+"/stream") == nil {
		t.Error("a publisher without the key is accepted")
	}
	if err := push(n.RTMP + "/stream?key=" + n.PublishKey); err != nil {
		t.Errorf("a publisher with the key: %v", err)
	}
}

// The demo's clip gives way to a push, and comes back when that is over.
func TestPushReplacesTheClip(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0", "--ingest-grace-period", "1s")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-re", "-i", moduleRoot+"/ingest/file/clip.flv", "-t", "4",
		"-c", "copy", "-f", "flv", n.RTMP+"/demo?key="+n.PublishKey)
	source := func() string {
		_, body := get(t, n.HTTP+"/api/v1/streams/live/demo")
		return string(body)
	}
	eventually(t, 5*time.Second, "the clip", func() bool { return strings.Contains(source(), `"source":"test:"`) })
	time.Sleep(2 * time.Second) // two encoders with one key must not flap
	done := start(t, cmd)
	eventually(t, 5*time.Second, "the push", func() bool { return strings.Contains(source(), `"source":"rtmp `) })
	wait(t, "push", done, 20*time.Second)
	eventually(t, 10*time.Second, "the clip again", func() bool {
		s := source()
		return strings.Contains(s, `"source":"test:"`) && strings.Contains(s, `"state":"live"`)
	})
}

// The service manager is told when the node is ready and when it stops.
func TestServiceNotification(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	n := startNode(t, "demo", "--peers", "0")
	expect := func(want string) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 1000)
		for {
			size, err := conn.Read(b)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if strings.Contains(string(b[:size]), want) {
				return
			}
		}
	}
	expect("READY=1")
	expect("Mbit/s")
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	expect("STOPPING=1")
}

// TestRTSP reads the demo over each transport of RTSP.
func TestRTSP(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	for _, transport := range []string{"tcp", "udp", "udp_multicast"} {
		t.Run(transport, func(t *testing.T) {
			packets := countPackets(t, n.Streams[0].RTSP, "-rtsp_transport", transport, "-read_intervals", "%+4")
			t.Logf("%s: %v", transport, packets)
			if packets["h264"] < 80 || packets["aac"] < 150 {
				t.Errorf("%s: %v packets in 4 s, want 100 pictures and 187 units of sound", transport, packets)
			}
		})
	}
}

// RTMPS is RTMP inside TLS from the first byte.
func TestRTMPS(t *testing.T) {
	dir := t.TempDir()
	cert, key := makeCertificate(t, dir)
	n := startNode(t, "publish", "--rtmp-tls-listen", "127.0.0.1:0", "--rtmp-tls-certificate", cert, "--rtmp-tls-key", key)
	_, body := get(t, n.HTTP+"/api/v1/node")
	var node struct{ Listeners map[string]string }
	if err := json.Unmarshal(body, &node); err != nil {
		t.Fatal(err)
	}
	url := "rtmps://" + node.Listeners["rtmps"] + "/live/stream"
	done := start(t, exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-re", "-i", moduleRoot+"/ingest/file/clip.flv", "-t", "3", "-c", "copy", "-f", "flv", url))
	eventually(t, 5*time.Second, "the stream over TLS", func() bool {
		_, body := get(t, n.HTTP+"/api/v1/streams/live/stream")
		return strings.Contains(string(body), `"state":"live"`)
	})
	wait(t, "push", done, 15*time.Second)
	if status, _, stderr := command(t, nil, "publish", "--rtmp-tls-listen", ":0", "--rtmp-tls-certificate", key, "--rtmp-tls-key", key); status != 2 || !strings.Contains(stderr, "rtmp.tlsCertificate") {
		t.Errorf("a wrong certificate: status %d, %s", status, stderr)
	}
}

// makeCertificate writes a self-signed certificate and its key.
func makeCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(nil, &template, &template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
