package e2e

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestEveryFrameArrives pushes clips with ffmpeg, by RTMP and by RTSP, and
// compares what comes out by HLS and by RTSP with what went in: the number of
// packets, their times, the offset between audio and video, and the decoded
// pictures.
func TestEveryFrameArrives(t *testing.T) {
	clips := []clip{
		{name: "bframes-aac", video: h264BFrames, audio: aac, seconds: 6},
		{name: "video-only", video: h264BFrames, seconds: 6},
		{name: "aac-only", audio: aac, seconds: 6},
		{name: "bframes-mp3", video: h264BFrames, audio: mp3, seconds: 6},
	}
	for _, c := range clips {
		for _, protocol := range []string{"rtmp", "rtsp"} {
			t.Run(c.name+"-"+protocol, func(t *testing.T) {
				t.Parallel()
				everyFrame(t, c, protocol)
			})
		}
	}
}

// TestEveryFrameArrivesOverUDP pushes by RTSP over UDP what RTMP does not carry
// from this FFmpeg.
func TestEveryFrameArrivesOverUDP(t *testing.T) {
	everyFrame(t, clip{name: "hevc-opus", video: hevc, audio: opus, seconds: 6, container: "mkv"}, "rtsp-udp")
}

// TestGStreamerPushes takes what GStreamer sends with each of its two RTMP
// sinks, one of which is librtmp.
func TestGStreamerPushes(t *testing.T) {
	for _, sink := range []string{"rtmp2sink", "rtmpsink"} {
		t.Run(sink, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, "publish", "--stream", "cam", "--ingest-grace-period", "1s", "--hls-window", "60s")
			push := exec.Command("gst-launch-1.0", "-q", "-e",
				"videotestsrc", "num-buffers=125", "is-live=true", "!", "video/x-raw,width=320,height=180,framerate=25/1", "!",
				"x264enc", "key-int-max=25", "tune=zerolatency", "!", "h264parse", "!", "flvmux", "name=m", "streamable=true", "!", sink, "location="+n.RTMP+"/cam",
				"audiotestsrc", "num-buffers=215", "is-live=true", "!", "audioconvert", "!", "avenc_aac", "!", "aacparse", "!", "m.")
			wait(t, "push", start(t, push), 40*time.Second)
			got := packets(t, fetchEnded(t, n.Streams[0].HLS, t.TempDir()))
			if len(got["video"]) != 125 || len(got["audio"]) < 210 {
				t.Errorf("%d pictures of 125 and %d audio units of about 215 arrived", len(got["video"]), len(got["audio"]))
			}
		})
	}
}

func everyFrame(t *testing.T, c clip, protocol string) {
	dir := t.TempDir()
	source := c.make(t, dir)
	// A short grace time, so that the playlist ends soon after the push.
	n := startNode(t, "publish", "--stream", "cam", "--ingest-grace-period", "1s", "--hls-window", "60s")
	stream := n.Streams[0]

	// The readers come first: they are held until the stream starts, and so
	// miss nothing. One lists packets, the other decodes.
	probed, decoded := filepath.Join(dir, "packets.json"), filepath.Join(dir, "pictures.txt")
	listing, err := os.Create(probed)
	if err != nil {
		t.Fatal(err)
	}
	defer listing.Close()
	prober := exec.Command("ffprobe", append(append([]string{"-v", "error", "-rtsp_transport", "tcp"}, packetFields...), stream.RTSP)...)
	prober.Stdout = listing
	readers := []<-chan error{start(t, prober)}
	// RTMP carries only what ffmpeg of this age can read as FLV.
	var played lockedBuffer
	if protocol != "rtsp-udp" {
		player := exec.Command("ffprobe", append(append([]string{"-v", "error"}, packetFields...), stream.RTMP)...)
		player.Stdout = &played
		readers = append(readers, start(t, player))
	}
	if c.video != nil {
		readers = append(readers, start(t, exec.Command("ffmpeg", append([]string{"-v", "error", "-y", "-rtsp_transport", "tcp", "-i", stream.RTSP}, append(pictureSums, decoded)...)...)))
	}
	push := []string{"-v", "error", "-re", "-i", source, "-c", "copy", "-f", "flv", n.RTMP + "/cam"}
	if transport, ok := map[string]string{"rtsp": "tcp", "rtsp-udp": "udp"}[protocol]; ok {
		push = []string{"-v", "error", "-re", "-i", source, "-c", "copy", "-f", "rtsp", "-rtsp_transport", transport, stream.RTSP}
	}
	wait(t, "push", start(t, exec.Command("ffmpeg", push...)), 30*time.Second)
	for _, r := range readers {
		wait(t, "reader", r, 20*time.Second)
	}

	// FFmpeg joins several audio frames in an RTP packet, and does not send
	// the last, incomplete one when it stops.
	unsent := 0
	switch protocol {
	case "rtsp":
		unsent = 6
	case "rtsp-udp":
		// The end of the session, which comes by TCP, overtakes packets.
		unsent = 20
	}
	segments := fetchEnded(t, stream.HLS, dir)
	want := packets(t, source)
	t.Run("hls", func(t *testing.T) {
		got := packets(t, segments)
		comparePackets(t, want, got, true, unsent)
		if c.video != nil {
			samePictures(t, upTo(pictures(t, source), want, got), pictures(t, segments))
		}
	})
	t.Run("rtmp", func(t *testing.T) {
		if protocol != "rtsp-udp" {
			comparePackets(t, want, parsePackets(t, []byte(played.String())), true, unsent)
		}
	})
	t.Run("rtsp", func(t *testing.T) {
		b, err := os.ReadFile(probed)
		if err != nil {
			t.Fatal(err)
		}
		got := parsePackets(t, b)
		comparePackets(t, want, got, false, unsent)
		if c.video != nil {
			sums, err := os.ReadFile(decoded)
			if err != nil {
				t.Fatal(err)
			}
			samePictures(t, upTo(pictures(t, source), want, got), parseSums(string(sums)))
		}
	})
}

// upTo leaves out the pictures at the end that were overtaken; comparePackets
// has said whether they are too many.
func upTo(sums []string, want, got map[string][]packet) []string {
	missing := len(want["video"]) - len(got["video"])
	return sums[:max(0, min(len(sums), len(sums)-missing))]
}

// comparePackets checks one output against the source. dts says whether the
// output carries decode times of its own, which RTP does not.
func comparePackets(t *testing.T, want, got map[string][]packet, dts bool, unsent int) {
	t.Helper()
	offsets := map[string]float64{}
	for kind := range want {
		missing := 0
		if kind == "audio" || unsent > 6 {
			missing = unsent
		}
		offsets[kind] = samePackets(t, kind, want[kind], got[kind], dts, missing)
	}
	if len(offsets) == 2 {
		if d := math.Abs(offsets["video"] - offsets["audio"]); !(d <= 1.5) {
			t.Errorf("audio and video moved apart by %.2f ms", d)
		}
	}
}

// start runs a command and returns a channel that yields its end.
func start(t *testing.T, cmd *exec.Cmd) <-chan error {
	t.Helper()
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(stderr.String(), 2000))
		}
		done <- err
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return done
}

func wait(t *testing.T, what string, done <-chan error, limit time.Duration) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(limit):
		t.Fatalf("%s did not end within %v", what, limit)
	}
}

var mapURI = regexp.MustCompile(`#EXT-X-MAP:URI="([^"]+)"`)

// fetchEnded waits until the stream's playlist has ended and joins its
// initialization and all segments into one file.
func fetchEnded(t *testing.T, master, dir string) string {
	t.Helper()
	status, body := get(t, master)
	if status != 200 {
		t.Fatalf("GET %s: status %d", master, status)
	}
	var media string
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			media = relative(t, master, line)
		}
	}
	var list string
	eventually(t, 20*time.Second, "the playlist ends", func() bool {
		_, b := get(t, media)
		list = string(b)
		return strings.Contains(list, "#EXT-X-ENDLIST")
	})
	var file []byte
	if m := mapURI.FindStringSubmatch(list); m != nil {
		_, init := get(t, relative(t, media, m[1]))
		file = append(file, init...)
	}
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		status, b := get(t, relative(t, media, line))
		if status != 200 {
			t.Fatalf("segment %s: status %d", line, status)
		}
		file = append(file, b...)
	}
	name := filepath.Join(dir, "hls.mp4")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func relative(t *testing.T, base, ref string) string {
	t.Helper()
	b, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.Parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}
