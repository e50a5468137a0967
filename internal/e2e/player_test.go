package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// reading is what browser.js reads off the page at one moment.
type reading struct {
	Time       float64
	Frames     int
	Dropped    int
	AudioBytes int
	Width      int
	Rate       float64
	Stalls     int
	OnScreen   *float64 // seconds from the publisher's clock to the picture
	Error      string
	Engine     string
	Shown      string
	Message    string
}

// watched is what browser.js prints.
type watched struct {
	Requests     []string
	Console      []string
	StartSeconds float64
	First, Last  reading
	Readings     []reading
	Failure      string
	// Links are the addresses that the page offers; Copied is what it says
	// when the last one is copied.
	Links  []string
	Copied string
}

// moduleRoot is where the module's files are, seen from this package.
const moduleRoot = "../.."

// watch opens a page in headless Chromium for some seconds. The screenshot
// goes to build/ in the module's root, to be looked at.
func watch(t *testing.T, url string, seconds int, shot string) watched {
	t.Helper()
	build, err := filepath.Abs(filepath.Join(moduleRoot, "build"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(build, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "browser.js", url, fmt.Sprint(seconds), filepath.Join(build, shot))
	cmd.Env = append(os.Environ(), "NODE_PATH="+browserModules(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("browser.js: %v", err)
	}
	var w watched
	if err := json.Unmarshal(out, &w); err != nil {
		t.Fatalf("browser.js printed %.200q: %v", out, err)
	}
	if w.Failure != "" {
		t.Fatalf("browser: %s; console %v", w.Failure, w.Console)
	}
	return w
}

// browserModules is where the browser's driver is.
func browserModules(t *testing.T) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(moduleRoot, "playout/web/ui/node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "playwright-core")); err != nil {
		t.Fatalf("the browser driver is missing, run make ui: %v", err)
	}
	return modules
}

// TestPlayerPage opens the player page of the demo, whose stream comes over the
// network between its nodes, in headless Chromium, once
// with hls.js and once with the browser's own HLS: the picture moves at full
// rate, sound is decoded, nothing is dropped, and no other host is asked.
func TestPlayerPage(t *testing.T) {
	n := startNode(t, "demo")
	page := strings.TrimSuffix(n.Streams[0].HLS, "index.m3u8")
	for _, tt := range []struct{ name, query, engine string }{
		{"hls.js", "", "hls.js"},
		{"native", "?engine=native", "native HLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const seconds = 8
			w := watch(t, page+tt.query, seconds, "player-"+tt.name+".png")
			checkPlayback(t, w, seconds)
			if !strings.HasPrefix(w.Last.Engine, tt.engine) {
				t.Errorf("played with %q, want %s (built without make ui?)", w.Last.Engine, tt.engine)
			}
			if tt.name == "hls.js" {
				checkDelay(t, w)
			}
			s := n.Streams[0]
			if want := []string{s.HLS, s.RTSP, s.FLV, s.RTMP}; !slices.Equal(w.Links, want) || w.Copied != "RTMP address copied." {
				t.Errorf("the page offers %q, want %q; after a copy it says %q", w.Links, want, w.Copied)
			}
		})
	}
}

func checkPlayback(t *testing.T, w watched, seconds int) {
	t.Helper()
	frames, played := w.Last.Frames-w.First.Frames, w.Last.Time-w.First.Time
	t.Logf("%s: first picture after %.2f s; in %d s %.2f s and %d frames played, %d dropped, %d stalls, %d bytes of sound",
		w.Last.Engine, w.StartSeconds, seconds, played, frames, w.Last.Dropped, w.Last.Stalls-w.First.Stalls, w.Last.AudioBytes-w.First.AudioBytes)
	if played < 0.95*float64(seconds) || frames < 24*seconds {
		t.Errorf("in %d s the picture moved on by %.2f s and %d frames, want %d frames", seconds, played, frames, 25*seconds)
	}
	// One in twenty is what a machine busy with other tests may cost.
	if 20*w.Last.Dropped > w.Last.Frames {
		t.Errorf("%d of %d frames were dropped", w.Last.Dropped, w.Last.Frames)
	}
	if w.Last.AudioBytes <= w.First.AudioBytes {
		t.Error("no sound is decoded")
	}
	if w.Last.Width != 640 || w.Last.Error != "" || w.Last.Message != "" {
		t.Errorf("picture %d wide, error %q, message %q", w.Last.Width, w.Last.Error, w.Last.Message)
	}
	if len(w.Requests) != 1 || len(w.Console) > 0 {
		t.Errorf("the page asked %v, want the node alone; console errors %v", w.Requests, w.Console)
	}
}

// checkDelay compares the delay on screen with the project's target of 0.7 s;
// the test fails only beyond 1.2 s, since other tests may take the processor.
func checkDelay(t *testing.T, w watched) {
	t.Helper()
	var delays []float64
	for _, r := range w.Readings[len(w.Readings)/2:] {
		if r.OnScreen != nil {
			delays = append(delays, *r.OnScreen)
		}
	}
	if len(delays) == 0 {
		t.Fatal("the page tells no delay")
	}
	slices.Sort(delays)
	median := delays[len(delays)/2]
	t.Logf("delay on screen: median %.2f s, largest %.2f s (target 0.7 s)", median, delays[len(delays)-1])
	if median > 1.2 {
		t.Errorf("delay on screen is %.2f s", median)
	}
	if !strings.HasSuffix(w.Last.Shown, " s") {
		t.Errorf("the page shows %q as the delay", w.Last.Shown)
	}
}

// nobodyHome makes a folder for a program that refuses to run as root.
func nobodyHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ringcast-vlc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestVLC records the demo's playlist with VLC for a few seconds and counts
// what arrived.
func TestVLC(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	packets := recordVLC(t, n.Streams[0].HLS, 8)
	t.Logf("VLC received %v", packets)
	if packets["h264"] < 100 || packets["aac"] < 150 {
		t.Errorf("VLC received %v, want at least 100 pictures and 150 units of sound", packets)
	}
}

// recordVLC records a stream with VLC for some seconds and returns its packets
// by codec. VLC exits with 0 whatever happens, so only the file counts.
func recordVLC(t *testing.T, url string, seconds int) map[string]int {
	t.Helper()
	dir := nobodyHome(t)
	recorded := filepath.Join(dir, "out.ts")
	runVLC(t, dir, url, recorded, seconds)
	return countPackets(t, recorded)
}

// runVLC lets VLC record a stream into a file in the folder that is its home.
func runVLC(t *testing.T, dir, url, file string, seconds int) {
	t.Helper()
	args := []string{"-I", "dummy", fmt.Sprintf("--run-time=%d", seconds), url, "--sout", "#std{access=file,mux=ts,dst=" + file + "}", "vlc://quit"}
	cmd := exec.CommandContext(t.Context(), "cvlc", args...)
	if os.Geteuid() == 0 {
		cmd = exec.CommandContext(t.Context(), "setpriv", append([]string{"--reuid=nobody", "--regid=nogroup", "--clear-groups", "cvlc"}, args...)...)
	}
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("cvlc: %v\n%s", err, tail(string(out), 2000))
	}
}

// countPackets counts packets by codec.
func countPackets(t *testing.T, file string, options ...string) map[string]int {
	t.Helper()
	args := append([]string{"-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0"}, options...)
	out, err := exec.CommandContext(t.Context(), "ffprobe", append(args, file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v\n%s", file, err, out)
	}
	counts := make(map[string]int)
	for line := range strings.Lines(string(out)) {
		codec, n, ok := strings.Cut(strings.TrimSpace(line), ",")
		count := 0
		if _, err := fmt.Sscan(n, &count); ok && err == nil {
			counts[codec] = count
		}
	}
	return counts
}

// TestGStreamer decodes the demo's playlist with GStreamer.
func TestGStreamer(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0")
	cmd := exec.CommandContext(t.Context(), "gst-launch-1.0", "-v", "playbin", "uri="+n.Streams[0].HLS,
		"video-sink=fakesink silent=false sync=true", "audio-sink=fakesink")
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	const wanted = 100
	eventually(t, 30*time.Second, fmt.Sprintf("%d pictures decoded", wanted), func() bool {
		return strings.Count(log.String(), "chain") >= wanted
	})
}

// TestSeparateAudioPlays plays a stream whose audio has a playlist of its own:
// with hls.js and the browser's own HLS, with VLC, and with FFmpeg.
func TestSeparateAudioPlays(t *testing.T) {
	n := startNode(t, "demo", "--peers", "0", "--hls-separate-audio")
	page := strings.TrimSuffix(n.Streams[0].HLS, "index.m3u8")
	for name, query := range map[string]string{"hls.js": "", "native": "?engine=native"} {
		t.Run(name, func(t *testing.T) {
			const seconds = 6
			checkPlayback(t, watch(t, page+query, seconds, "separate-"+name+".png"), seconds)
		})
	}
	t.Run("vlc", func(t *testing.T) {
		t.Parallel()
		if packets := recordVLC(t, n.Streams[0].HLS, 8); packets["h264"] < 75 || packets["aac"] < 120 {
			t.Errorf("VLC received %v", packets)
		}
	})
	t.Run("ffmpeg", func(t *testing.T) {
		t.Parallel()
		packets := countPackets(t, n.Streams[0].HLS, "-read_intervals", "%+4")
		if packets["h264"] < 80 || packets["aac"] < 120 {
			t.Errorf("ffprobe received %v", packets)
		}
	})
}
