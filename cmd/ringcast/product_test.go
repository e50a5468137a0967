package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/sharelink"
)

// passwordGroup returns a groupspec whose publish password is "sesame",
// without the password.
func passwordGroup(t *testing.T) string {
	t.Helper()
	s := groupspec.Settings{Name: "show", Multicast: true, ServerChannel: true}
	s.SetPublishPassword("sesame", "salt")
	spec, err := groupspec.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return spec.WithoutAuthorizations()
}

// What is wrong with a start ends it with the right status and one line that
// says what to do.
func TestExitStatuses(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	dir := t.TempDir()
	exposed, garbage := filepath.Join(dir, "exposed.key"), filepath.Join(dir, "garbage.key")
	for name, mode := range map[string]os.FileMode{exposed: 0o644, garbage: 0o600} {
		if err := os.WriteFile(name, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	spec := passwordGroup(t)
	link := "rtmfp://127.0.0.1:9/live/x#" + spec
	off := []string{"--rtmp-listen", "", "--rtsp-listen", "", "--http-listen", "", "--rtmfp-listen", "127.0.0.1:0"}
	tests := []struct {
		name   string
		args   []string
		env    []string
		status int
		want   []string
	}{
		{
			"taken UDP port",
			[]string{"introducer", "--rtmfp-listen", udp.LocalAddr().String(), "--http-listen", ""},
			nil, exitAddress,
			[]string{"rtmfp.listen", udp.LocalAddr().String(), "held by", "--rtmfp-listen"},
		},
		{"no publish password", append([]string{"publish", "--group-spec", spec}, off...), nil, exitAuth, []string{"group.publishPassword"}},
		{
			"wrong publish password", append([]string{"publish", "--group-spec", spec, "--group-publish-password", "guess"}, off...), nil, exitAuth,
			[]string{"group.publishPassword", "not the password", "--group-publish-password"},
		},
		{
			"password of a group without", append([]string{"publish", "--group-spec", "G:027f0201010103010c050e74657374011b00", "--group-publish-password", "x"}, off...), nil, exitUsage,
			[]string{"group.publishPassword", "no such password"},
		},
		{"no stream in time", append([]string{"play", "--timeout", "300ms", link}, off[2:]...), nil, exitNoStream, []string{"no stream within 300ms", "does not answer"}},
		{"wrong command", []string{"plya"}, nil, exitUsage, []string{`"plya"`, "did you mean play?", "ringcast --help"}},
		{"wrong command below one", []string{"bench", "multicats"}, nil, exitUsage, []string{"did you mean multicast?"}},
		{"wrong shell", []string{"completion", "ksh"}, nil, exitUsage, []string{`"ksh"`, "ringcast completion --help"}},
		{"argument too many", []string{"publish", "cam"}, nil, exitUsage, []string{"arguments, 1", "ringcast publish --help"}},
		{"no address", []string{"rtmfp", "ping"}, nil, exitUsage, []string{"arguments, 0", "rtmfp://host/app"}},
		{"no configuration", []string{"run", "-c", "/no/such.yaml"}, nil, exitUsage, []string{"/no/such.yaml", "--print-config"}},
		{"no link", []string{"play"}, nil, exitUsage, []string{"ringcast publish"}},
		{"bad link", []string{"play", "http://example"}, nil, exitUsage, []string{"play: not a share link", "in quotes"}},
		{"bare duration", []string{"play", "--timeout", "5", link}, nil, exitUsage, []string{"timeout", `"5"`, "has no unit"}},
		{"too many peers", []string{"demo", "--peers", "1000"}, nil, exitUsage, []string{"peers", `"1000"`, "0 to 200"}},
		{"introducer without port", []string{"publish", "--introducer", "meet.example"}, nil, exitUsage, []string{"introducer", `"meet.example"`, "host:port"}},
		{"introducer nobody knows", append([]string{"publish", "--introducer", "no-such-host.invalid:1935"}, off...), nil, exitAddress, []string{"no-such-host.invalid"}},
		{"publisher that sends nothing", append([]string{"publish", "--multicast-upload-limit", "0"}, off...), nil, exitUsage, []string{"multicast.uploadLimit"}},
		{"exposed identity", []string{"introducer", "--rtmfp-identity", exposed}, nil, exitUsage, []string{"rtmfp.identity", "0600"}},
		{"garbage identity", []string{"run", "--check", "--rtmfp-identity", garbage}, nil, exitUsage, []string{"rtmfp.identity", garbage}},
		{"identity in no directory", []string{"run", "--check", "--rtmfp-identity", "no/such/dir/key"}, nil, exitUsage, []string{"rtmfp.identity"}},
		{"no certificate", []string{"run", "--check", "--http-tls-listen", ":0", "--http-tls-certificate", "a.pem", "--http-tls-key", "b.pem"}, nil, exitUsage, []string{"http.tlsCertificate", "a.pem"}},
		{"TLS without certificate", []string{"run", "--check", "--http-tls-listen", ":0"}, nil, exitUsage, []string{"http.tlsListen", "http.tlsCertificate"}},
		{"groupspec", []string{"run", "--check", "--group-spec", "G:xyz"}, nil, exitUsage, []string{"group.spec", "hexadecimal", "--group-spec"}},
		{"groupspec and name", []string{"run", "--check", "--group-spec", "G:027f0201010103010c050e74657374011b00", "--group-name", "a"}, nil, exitUsage, []string{"group.name", "group.spec"}},
		{"peer ID", []string{"run", "--check", "--group-bootstrap-peers", "abc"}, nil, exitUsage, []string{"group.bootstrapPeers", `"abc"`, "64"}},
		{"multicast address", []string{"run", "--check", "--group-ip-multicast", "10.0.0.1:5"}, nil, exitUsage, []string{"group.ipMulticast", `"10.0.0.1:5"`}},
		{"no way for streams", []string{"run", "--check", "--group-peer-to-peer=false"}, nil, exitUsage, []string{"group.peerToPeer", "group.ipMulticast"}},
		{"margin beyond the window", []string{"run", "--check", "--multicast-window-duration", "2s", "--multicast-relay-margin-duration", "3s"}, nil, exitUsage, []string{"multicast.relayMarginDuration", `"3s"`, "up to 2s"}},
		{"play item", []string{"run", "--check", "--play", "rtmfp://x"}, nil, exitUsage, []string{"play", "item 1"}},
		{"admin networks", []string{"run", "--check", "--http-admin", "everyone"}, nil, exitUsage, []string{"http.admin", "private"}},
		{"introduce without network", []string{"run", "--check", "--rtmfp-introduce", "on"}, nil, exitUsage, []string{"rtmfp.introduce", "rtmfp.listen"}},
		{"no source file", []string{"publish", "--source", "nowhere.mp4"}, nil, exitUsage, []string{"nowhere.mp4", "no such file"}},
		{"valid network", []string{"run", "--check", "--play", link, "--introducer", "a:1,b:2", "--introducer", "[::1]:3", "--multicast-window-duration", "1s"}, nil, exitOK, []string{"valid"}},
		{"unreadable secret", []string{"run", "--check"}, []string{"RINGCAST_PLAY_FILE=/no/such"}, exitUsage, []string{"play", "RINGCAST_PLAY_FILE"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := finish(t, tt.env, tt.args...)
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("%q is not said", want)
				}
			}
			if status != 0 && !oneLine(stderr) {
				t.Error("the error is not one line")
			}
			if strings.Contains(stdout+stderr, spec) || strings.Contains(stderr, "sesame") {
				t.Error("a secret is in the output")
			}
			if t.Failed() {
				t.Logf("%v\n%s%s", tt.args, stdout, stderr)
			}
		})
	}
}

// A publisher and a viewer that knows nothing but the link: what --json says.
func TestPublishAndPlay(t *testing.T) {
	pub := startProgram(t, "publish", "--source", "test:", "--loop", "--stream", "live/show")
	link, err := sharelink.Parse(pub.ready.Link)
	if err != nil {
		t.Fatalf("%v: %s", err, pub.ready.Link)
	}
	if link.Stream != "show" || !link.HasFingerprint || len(link.Introducers) != 1 || link.Introducers[0] != pub.ready.RTMFP {
		t.Errorf("the link leads to %+v", link)
	}
	if s := pub.ready.Streams; len(s) != 1 || s[0].Name != "live/show" || !strings.HasSuffix(s[0].HLS, "/live/show/index.m3u8") ||
		!strings.HasPrefix(s[0].RTSP, "rtsp://127.0.0.1:") || !strings.HasSuffix(s[0].FLV, "/live/show.flv") {
		t.Errorf("streams: %+v", s)
	}
	viewer := startProgram(t, "play", "--rtmp-listen", "", pub.ready.Link)
	waitFor(t, "the stream plays", func() bool { return viewer.hasStream("live/show", "live") })
	if viewer.ready.Link != "" || viewer.ready.RTMP != "" || viewer.ready.PeerID == pub.ready.PeerID || len(viewer.ready.PeerID) != 64 {
		t.Errorf("the viewer says %+v", viewer.ready)
	}
	pub.stop(t)
	if !pub.hasStream("live/show", "ended") {
		t.Error("the publisher does not say that its stream has ended")
	}
	waitFor(t, "the viewer hears of the end", func() bool { return viewer.hasStream("live/show", "ended") })
}

// A demo says what it has: its one stream once, and where to push another.
func TestDemoSaysWhatItHas(t *testing.T) {
	demo := startProgram(t, "demo", "--peers", "2")
	waitFor(t, "the stream", func() bool { return demo.hasStream("live/demo", "live") })
	r := demo.ready
	if len(r.Streams) != 1 || r.Streams[0].Name != "live/demo" || !strings.HasPrefix(r.RTMP, "rtmp://127.0.0.1:") || len(r.PeerID) != 64 {
		t.Errorf("the demo says %+v", r)
	}
	if _, err := sharelink.Parse(r.Link); err != nil {
		t.Errorf("the link %q: %v", r.Link, err)
	}
	demo.stop(t)
	if !demo.hasStream("live/demo", "ended") {
		t.Error("the demo does not say that its stream has ended")
	}
}

// An introducer with --seed passes a stream on without serving it: a viewer gets
// a part of it from there.
func TestIntroducerSeeds(t *testing.T) {
	pub := startProgram(t, "publish", "--source", "test:", "--loop", "--stream", "live/show")
	seed := startProgram(t, "introducer", "--rtmp-listen", "", "--seed", pub.ready.Link)
	viewer := startProgram(t, "play", "--rtmp-listen", "", pub.ready.Link)
	waitFor(t, "the stream plays", func() bool { return viewer.hasStream("live/show", "live") })
	waitFor(t, "the seed passes it on", func() bool {
		series := scrape(t, seed.ready.HTTP)
		sent := 0.0
		for key, value := range series {
			if strings.HasPrefix(key, "ringcast_multicast_sent_bytes_total{") {
				sent += value
			}
		}
		return sent > 0
	})
	if len(seed.ready.Streams) > 0 {
		t.Errorf("the seed serves %+v", seed.ready.Streams)
	}
}

// `run` does all of it from one file: an introducer with an identity that lasts
// publishes one stream, and plays and seeds those of another node; the links
// come from a file, as secrets do.
func TestRunFromFile(t *testing.T) {
	other := startProgram(t, "publish", "--source", "test:", "--loop", "--stream", "live/other")
	dir := t.TempDir()
	file, links := filepath.Join(dir, "ringcast.yaml"), filepath.Join(dir, "links")
	text := "json: true\nrtmfp:\n  listen: 127.0.0.1:0\n  identity: " + filepath.Join(dir, "node.key") + "\n" +
		"rtmp:\n  listen: \"\"\nrtsp:\n  listen: \"\"\nhttp:\n  listen: 127.0.0.1:0\n" +
		"streams:\n  - name: live/own\n    source: \"test:\"\n    loop: true\n"
	for name, body := range map[string]string{file: text, links: other.ready.Link + "\n"} {
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := startExactly(t, []string{"RINGCAST_PLAY_FILE=" + links}, "run", "-c", file)
	waitFor(t, "its own stream", func() bool { return n.hasStream("live/own", "live") })
	waitFor(t, "the other node's stream", func() bool { return n.hasStream("live/other", "live") })
	viewer := startProgram(t, "play", "--rtmp-listen", "", n.ready.Link)
	waitFor(t, "a viewer of its stream", func() bool { return viewer.hasStream("live/own", "live") })
	if strings.Contains(n.logged(), "#G:") {
		t.Error("the link is in the log")
	}
	n.stop(t)
	again := startExactly(t, nil, "run", "-c", file)
	if again.ready.PeerID != n.ready.PeerID {
		t.Errorf("peer ID %s, before the restart %s", again.ready.PeerID, n.ready.PeerID)
	}
}
