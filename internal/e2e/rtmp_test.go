package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPlayByRTMP plays a stream that runs already with FFmpeg, GStreamer and
// VLC: each joins in mid-stream and decodes.
func TestPlayByRTMP(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	url := n.Streams[0].RTMP
	eventually(t, 10*time.Second, "the clip is on air", func() bool {
		status, _ := get(t, n.HTTP+"/readyz")
		return status == 200
	})
	t.Run("ffmpeg", func(t *testing.T) {
		t.Parallel()
		sums := parseSums(string(tool(t, 30*time.Second, "ffmpeg", append([]string{"-v", "error", "-i", url, "-t", "3"}, append(pictureSums, "-")...)...)))
		if len(sums) < 70 {
			t.Errorf("only %d pictures in 3 s", len(sums))
		}
	})
	t.Run("gstreamer", func(t *testing.T) {
		t.Parallel()
		out := string(tool(t, 30*time.Second, "gst-launch-1.0", "-v", "rtmp2src", "location="+url, "!", "flvdemux", "name=d", "d.video", "!", "queue", "!",
			"h264parse", "!", "avdec_h264", "!", "identity", "eos-after=30", "silent=false", "!", "fakesink"))
		if pictures := strings.Count(out, "identity0: last-message = chain"); pictures < 29 {
			t.Errorf("%d pictures were decoded, want 29", pictures)
		}
	})
	t.Run("vlc", func(t *testing.T) {
		t.Parallel()
		packets := recordVLC(t, url, 6)
		if packets["h264"] < 75 || packets["aac"] < 120 {
			t.Errorf("VLC received %v, want at least 75 pictures and 120 units of sound", packets)
		}
	})
	t.Run("no such stream", func(t *testing.T) {
		t.Parallel()
		out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", strings.Replace(url, "demo", "none", 1)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "there is no stream live/none") {
			t.Errorf("ffprobe: %v\n%s", err, out)
		}
	})
}

// TestEnhancedCodecsByRTMP pulls streams in newer codecs by RTMP from one node
// to another, with their packets as they were recorded from FFmpeg 7.1.
func TestEnhancedCodecsByRTMP(t *testing.T) {
	recordings, err := filepath.Abs(filepath.Join(moduleRoot, "packager/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"hevc", "av1", "vp9"}
	sources, pulls := "streams:\n", "streams:\n"
	for _, name := range names {
		sources += "  - {name: " + name + ", source: " + filepath.Join(recordings, name+".flv") + ", loop: true}\n"
	}
	first := startNode(t, "run", "-c", writeConfig(t, sources))
	for _, name := range names {
		pulls += "  - {name: " + name + ", source: " + first.RTMP + "/" + name + "}\n"
	}
	second := startNode(t, "run", "-c", writeConfig(t, pulls))
	want := map[string]string{"hevc": `"codecID":"hvc1.`, "av1": `"codecID":"av01.`, "vp9": `"codecID":"vp09.`}
	for _, name := range names {
		eventually(t, 20*time.Second, name+" on the second node", func() bool {
			_, body := get(t, second.HTTP+"/api/v1/streams/live/"+name)
			return strings.Contains(string(body), want[name]) && strings.Contains(string(body), `"state":"live"`)
		})
		list := strings.Replace(second.HTTP+"/live/"+name+"/index.m3u8", "index", "stream", 1)
		eventually(t, 20*time.Second, name+" as HLS", func() bool {
			_, body := get(t, list)
			return strings.Contains(string(body), "#EXTINF")
		})
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ringcast.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
