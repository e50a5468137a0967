package e2e

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRTSPTransports plays a stream over each transport, with FFmpeg and with
// GStreamer.
func TestRTSPTransports(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	url := n.Streams[0].RTSP
	for _, transport := range []string{"tcp", "udp", "udp_multicast"} {
		t.Run("ffprobe "+transport, func(t *testing.T) {
			out := string(tool(t, 20*time.Second, "ffprobe", "-v", "error", "-rtsp_transport", transport,
				"-show_entries", "stream=codec_name", "-of", "csv=p=0", url))
			if !strings.Contains(out, "h264") || !strings.Contains(out, "aac") {
				t.Errorf("streams %q", out)
			}
			// Three seconds of 25 pictures each, all decoded without an error.
			sums := parseSums(string(tool(t, 30*time.Second, "ffmpeg", append([]string{
				"-v", "error", "-rtsp_transport", transport, "-i", url, "-t", "3",
			}, append(pictureSums, "-")...)...)))
			least := 70
			if transport == "udp_multicast" {
				least = 45 // a reader of a group waits for the next key frame
			}
			if len(sums) < least {
				t.Errorf("only %d pictures in 3 s", len(sums))
			}
		})
	}
	for _, transport := range []string{"tcp", "udp"} {
		t.Run("gstreamer "+transport, func(t *testing.T) {
			out := string(tool(t, 30*time.Second, "gst-launch-1.0", "-v", "rtspsrc", "location="+url, "protocols="+transport, "!",
				"rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "identity", "eos-after=30", "silent=false", "!", "fakesink"))
			if pictures := strings.Count(out, "identity0: last-message = chain"); pictures < 29 {
				t.Errorf("%d pictures were decoded, want 29", pictures)
			}
		})
	}
}

// A request that only some builds of VLC send is refused cleanly, and what is
// no RTSP at all ends in a closed connection; the stream goes on.
func TestRTSPOddClients(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	host := strings.SplitN(strings.TrimPrefix(n.Streams[0].RTSP, "rtsp://"), "/", 2)[0]
	requests := map[string]string{
		"SETUP first":   "SETUP rtsp://" + host + "/live/demo RTSP/1.0\r\nCSeq: 0\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n",
		"PLAY first":    "PLAY rtsp://" + host + "/live/demo RTSP/1.0\r\nCSeq: 1\r\nSession: 1\r\n\r\n",
		"no stream":     "DESCRIBE rtsp://" + host + "/live/../x RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"unknown":       "NONSENSE rtsp://" + host + "/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"HTTP":          "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"garbage":       strings.Repeat("\x00\xff$\x01", 5000),
		"no end":        "OPTIONS rtsp://x RTSP/1.0\r\nX: " + strings.Repeat("a", 100_000),
		"huge body":     "ANNOUNCE rtsp://" + host + "/live/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999999999\r\n\r\n",
		"negative body": "ANNOUNCE rtsp://" + host + "/live/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -5\r\n\r\n",
	}
	for name, request := range requests {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
		_, _ = conn.Write([]byte(request))
		answer := make([]byte, 1024)
		got, _ := conn.Read(answer)
		_ = conn.Close()
		if strings.HasPrefix(string(answer[:got]), "RTSP/1.0 200") {
			t.Errorf("%s is answered with %.40q", name, answer[:got])
		}
	}
	if out, err := exec.Command("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name", "-of", "csv=p=0", n.Streams[0].RTSP).CombinedOutput(); err != nil || !strings.Contains(string(out), "h264") {
		t.Errorf("afterwards: %v\n%s", err, out)
	}
}

// The publisher is killed and comes back: players stay, and the playlist goes
// on counting without a discontinuity.
func TestPublisherComesBack(t *testing.T) {
	dir := t.TempDir()
	source := clip{name: "restart", video: h264BFrames, audio: aac, seconds: 20}.make(t, dir)
	n := startNode(t, "publish", "--stream", "cam", "--hls-window", "60s")
	push := func() (*exec.Cmd, <-chan error) {
		cmd := exec.Command("ffmpeg", "-v", "error", "-re", "-i", source, "-c", "copy", "-f", "flv", n.RTMP+"/cam")
		return cmd, start(t, cmd)
	}
	reader := exec.Command("ffprobe", append(append([]string{"-v", "error", "-rtsp_transport", "tcp"}, packetFields...), n.Streams[0].RTSP)...)
	var listing lockedBuffer
	reader.Stdout = &listing
	readerDone := start(t, reader)
	first, firstDone := push()
	eventually(t, 15*time.Second, "the stream is live", func() bool {
		status, _ := get(t, n.HTTP+"/readyz")
		return status == 200
	})
	time.Sleep(4 * time.Second)
	_ = first.Process.Kill()
	<-firstDone
	time.Sleep(time.Second)
	second, secondDone := push()
	time.Sleep(5 * time.Second)
	select {
	case err := <-readerDone:
		t.Fatalf("the reader was dropped: %v", err)
	default:
	}
	_, list := get(t, strings.Replace(n.Streams[0].HLS, "index", "stream", 1))
	if strings.Contains(string(list), "#EXT-X-DISCONTINUITY") || strings.Contains(string(list), "ENDLIST") {
		t.Errorf("the playlist breaks:\n%s", list)
	}
	_ = second.Process.Kill()
	<-secondDone
	_ = reader.Process.Kill()
	<-readerDone
}
