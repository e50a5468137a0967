package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringcast/ringcast/playout/web"
)

// writeCertificate makes a certificate of that name for this machine, in place
// of what was there.
func writeCertificate(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// node asks the API for the state of the node.
func (r *running) node(t *testing.T) (s web.NodeStatus) {
	t.Helper()
	_, body := r.get(t, "/api/v1/node")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v: %q", err, body)
	}
	return s
}

// certificateOf returns the name of the certificate that a listener shows.
func certificateOf(t *testing.T, addr string) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// reload sends SIGHUP and waits until the log has said so with these words.
func (r *running) reload(t *testing.T, words string) {
	t.Helper()
	before := strings.Count(r.logged(), words)
	_ = r.cmd.Process.Signal(syscall.SIGHUP)
	waitFor(t, words, func() bool { return strings.Count(r.logged(), words) > before })
}

// HTTPS with HTTP/2 and RTMPS with an own certificate, which a reload replaces;
// one that is broken changes nothing.
func TestOwnCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, "first", cert, key)
	n := startProgram(
		t, "publish", "--source", "test:", "--loop", "--stream", "live/show",
		"--http-tls-listen", "127.0.0.1:0", "--http-tls-certificate", cert, "--http-tls-key", key,
		"--rtmp-tls-listen", "127.0.0.1:0", "--rtmp-tls-certificate", cert, "--rtmp-tls-key", key,
	)
	at := n.node(t).Listeners
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	resp, err := client.Get("https://" + at["https"] + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("HTTPS answers %s over %s, want 200 over HTTP/2", resp.Status, resp.Proto)
	}
	both := func(want string) {
		t.Helper()
		for _, listener := range []string{"https", "rtmps"} {
			if got := certificateOf(t, at[listener]); got != want {
				t.Errorf("%s shows the certificate %q, want %q", listener, got, want)
			}
		}
	}
	both("first")
	writeCertificate(t, "second", cert, key)
	n.reload(t, `changed="[rtmp certificate http certificate]"`)
	both("second")
	if err := os.WriteFile(key, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.reload(t, "reload refused, nothing changed")
	both("second")
	n.handshakeRTMPS(t, at["rtmps"])
}

// handshakeRTMPS shakes hands by RTMP over TLS.
func (r *running) handshakeRTMPS(t *testing.T, addr string) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(append([]byte{3}, make([]byte, 1536)...)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1+2*1536)
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 3 {
		t.Errorf("the handshake is answered with version %d, %v", answer[0], err)
	}
}

// A reload changes what can change while the node runs, all or nothing, and a
// file that is broken in between does no harm.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringcast.yaml")
	write := func(level, limit, more string) {
		t.Helper()
		text := "json: true\nlog:\n  level: " + level + "\nmulticast:\n  uploadLimit: " + limit + "\npublish:\n  key: k-" + level + "\nrtmfp:\n  listen: 127.0.0.1:0\n" +
			"rtmp:\n  listen: \"\"\nrtsp:\n  listen: \"\"\nhttp:\n  listen: 127.0.0.1:0\n" + more
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("info", "5M", "")
	n := startExactly(t, nil, "run", "-c", file)
	write("debug", "6M", "")
	n.reload(t, `changed="[log.level publish.key multicast.uploadLimit]"`)
	const refused = "reload refused, nothing changed"
	for more, want := range map[string]string{
		"bogus: 1\n": "bogus", "a: [\n": "line", "stream: live/other\n": "settings=[stream]", "hls:\n  window: 5\n": "hls.window",
	} {
		write("error", "7M", more)
		n.reload(t, refused)
		if log := n.logged(); !strings.Contains(log[strings.LastIndex(log, refused):], want) {
			t.Errorf("the refusal does not name %q:\n%s", want, log)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	n.reload(t, refused)
	// Had one of them changed the level, this would not be logged.
	write("info", "6M", "")
	n.reload(t, `changed="[log.level publish.key]"`)
	if strings.Contains(n.logged(), "k-info") || strings.Contains(n.logged(), "k-debug") {
		t.Error("a publish key is in the log")
	}
}

// The addresses that people are used to lead to the stream, and HEAD works
// wherever GET does.
func TestHabits(t *testing.T) {
	n := startProgram(t, "publish", "--source", "test:", "--loop", "--stream", "live/show")
	waitFor(t, "a playlist", func() bool { status, _ := n.get(t, "/live/show/index.m3u8"); return status == http.StatusOK })
	for _, path := range []string{
		"/", "/live/show/", "/show/", "/live/show/index.m3u8", "/show/index.m3u8", "/live/show.m3u8", "/live/show.flv", "/show.flv", "/healthz", "/readyz",
		"/metrics", "/api/v1/node", "/api/v1/streams", "/api/v1/groups", "/api/v1/events", "/api/openapi.json",
	} {
		var kinds [2]string
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequest(method, n.ready.HTTP+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			kinds[i] = resp.Header.Get("Content-Type")
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s answers %s", method, path, resp.Status)
			}
		}
		if kinds[0] != kinds[1] {
			t.Errorf("%s is %q by GET and %q by HEAD", path, kinds[0], kinds[1])
		}
	}
	host := strings.TrimPrefix(n.ready.Streams[0].RTSP, "rtsp://")
	host = host[:strings.Index(host, "/")]
	for _, path := range []string{"/live/show", "/show", "/show?vlcmulticast"} {
		sdp := describeRTSP(t, host, path)
		if !strings.Contains(sdp, "m=video") || !strings.Contains(sdp, "m=audio") {
			t.Errorf("DESCRIBE %s answers %q", path, sdp)
		}
		// VLC looks for no more than a group there; SETUP tells the real one.
		group := strings.Contains(sdp, "c=IN IP4 224.") || strings.Contains(sdp, "c=IN IP4 239.")
		if group != strings.Contains(path, "vlcmulticast") {
			t.Errorf("DESCRIBE %s names a multicast group: %v\n%s", path, group, sdp)
		}
	}
}

// describeRTSP asks an RTSP server for a description.
func describeRTSP(t *testing.T, host, path string) string {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "DESCRIBE rtsp://%s%s RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n", host, path)
	r := bufio.NewReader(c)
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(line, "Content-Length: %d", &length); err == nil {
			continue
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, _ = io.ReadFull(r, body)
	return string(body)
}
