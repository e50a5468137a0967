package nettest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// clipSeconds is how long the pushed clip is, lateSeconds how much later than it
// a viewer may begin.
const (
	clipSeconds = 20
	lateSeconds = 3
)

// makeClip makes a clip with a key frame each second, B-frames and audio.
func makeClip(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-t", strconv.Itoa(clipSeconds), "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-b:v", "400k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a clip: %v\n%s", err, out)
	}
	return file
}

// packetArgs make ffprobe list packets with their times.
var packetArgs = []string{"-v", "error", "-show_entries", "packet=codec_type,pts_time", "-of", "csv=p=0"}

// packetTimes are the presentation times of packets by kind, in seconds.
type packetTimes map[string][]float64

func parseTimes(t *testing.T, listing []byte) packetTimes {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(listing))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, listing)
	}
	found := make(packetTimes)
	for _, row := range rows {
		if len(row) < 2 {
			continue
		}
		pts, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			pts = math.NaN() // the first picture of RTSP has no time
		}
		found[row[0]] = append(found[row[0]], pts)
	}
	return found
}

// skew is how far the last picture is ahead of the last sound: a viewer may
// begin later, but all end together.
func (p packetTimes) skew() float64 { return p.last("video") - p.last("audio") }

func (p packetTimes) last(kind string) (last float64) {
	last = math.Inf(-1)
	for _, pts := range p[kind] {
		if !math.IsNaN(pts) {
			last = max(last, pts)
		}
	}
	return last
}

// fromFirst is how many packets of a kind the source has from where a reader
// began: as many as lie between that and the common end.
func fromFirst(want, got packetTimes, kind string) (count int) {
	first := math.Inf(1)
	for _, pts := range got[kind] {
		if !math.IsNaN(pts) {
			first = min(first, pts)
		}
	}
	const half = 0.005
	for _, pts := range want[kind] {
		if want.last(kind)-pts <= got.last(kind)-first+half {
			count++
		}
	}
	return count
}

// reader is an ffprobe that lists what a viewer's node serves.
type reader struct {
	viewer *node
	cmd    *exec.Cmd
	out    bytes.Buffer
	done   chan error
}

func read(t *testing.T, v *node, url string) *reader {
	t.Helper()
	r := &reader{viewer: v, done: make(chan error, 1)}
	r.cmd = exec.Command("ffprobe", append(append([]string{"-rtsp_transport", "tcp"}, packetArgs...), url)...)
	r.cmd.Stdout = &r.out
	if err := v.host.Start(r.cmd); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- v.host.Wait(r.cmd) }()
	return r
}

// TestEveryFrameAtEveryViewer: a stream that ffmpeg pushes comes out complete
// at viewers behind all kinds of NAT with lossy lines, while some of them are
// killed and others join.
func TestEveryFrameAtEveryViewer(t *testing.T) {
	lab.Need(t)
	l := lab.New(t)
	clip := makeClip(t)
	loss := vnet.LinkParams{Delay: 10 * time.Millisecond, Loss: 0.01}
	host := lab.HostConfig{Up: &loss, Down: &loss}
	restricted, symmetric, cone := vnet.PortRestricted(), vnet.Symmetric(), vnet.FullCone()

	meet := l.AddHost("meet", lab.HostConfig{})
	introducer := start(t, meet, "introducer", "--rtmfp-listen", meet.Addr().String()+":1935")
	home := l.AddLAN("home", lab.LANConfig{NAT: &restricted})
	at := meet.Addr().String() + ":1935"
	publisher := start(t, home.AddHost("pub", lab.HostConfig{}), "publish", "--stream", "live/cam", "--rtmp-listen", "127.0.0.1:1935",
		"--introducer", at, "--ingest-grace-period", "1s")

	const perLAN = 5
	var viewers []*node
	for i, nat := range []*vnet.NATParams{nil, &cone, &restricted, &symmetric} {
		lan := l.AddLAN(fmt.Sprint("lan", i), lab.LANConfig{NAT: nat})
		for k := range perLAN {
			viewers = append(viewers, start(t, lan.AddHost(fmt.Sprintf("v%d%d", i, k), host), "play", publisher.Link))
		}
	}
	wait(t, "the group forms", 30*time.Second, func() bool {
		for _, v := range viewers {
			if g := v.groups(t); len(g) != 1 || g[0].NeighborCount == 0 {
				return false
			}
		}
		return true
	})

	// Readers come first: they are held until the stream begins.
	var readers []*reader
	for i, v := range viewers {
		if i%4 != 0 { // every fourth will be killed
			readers = append(readers, read(t, v, "rtsp://127.0.0.1:8554/live/cam"))
		}
	}
	push := exec.Command("ffmpeg", "-v", "error", "-re", "-i", clip, "-c", "copy", "-f", "flv", publisher.RTMP+"/cam")
	if err := publisher.host.Start(push); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	time.Sleep(clipSeconds * time.Second / 3)
	for i, v := range viewers {
		if i%4 == 0 {
			_ = v.cmd.Process.Kill()
		}
	}
	var joined []time.Duration
	lan := l.AddLAN("late", lab.LANConfig{NAT: &restricted})
	for k := range perLAN {
		h := lan.AddHost(fmt.Sprint("late", k), host)
		at := time.Now()
		v := start(t, h, "play", publisher.Link)
		wait(t, "latecomer plays", 15*time.Second, v.plays)
		joined = append(joined, time.Since(at))
	}
	t.Logf("latecomers play after %v", joined)
	if err := publisher.host.Wait(push); err != nil {
		t.Fatalf("push: %v", err)
	}
	t.Logf("push took %v", time.Since(begin))
	source, err := exec.Command("ffprobe", append(packetArgs, clip)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	compareAll(t, parseTimes(t, source), readers)
	for _, n := range []*node{publisher, introducer} {
		n.stop(t)
	}
}

// compareAll holds what the readers got against the source.
func compareAll(t *testing.T, want packetTimes, readers []*reader) {
	t.Helper()
	sent, arrived := 0, 0
	for _, r := range readers {
		select {
		case err := <-r.done:
			if err != nil {
				t.Errorf("%s: ffprobe: %v", r.viewer.host.Name(), err)
				continue
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the stream does not end", r.viewer.host.Name())
			continue
		}
		got := parseTimes(t, r.out.Bytes())
		for _, kind := range []string{"video", "audio"} {
			// Whoever has just come begins at the newest key frame.
			due := fromFirst(want, got, kind)
			if late := len(want[kind]) - due; late > len(want[kind])*lateSeconds/clipSeconds {
				t.Errorf("%s: begins %d packets of %s late", r.viewer.host.Name(), late, kind)
			}
			sent += due
			arrived += min(len(got[kind]), due)
			if len(got[kind]) > len(want[kind]) {
				t.Errorf("%s: %d packets of %s, more than the %d that were pushed", r.viewer.host.Name(), len(got[kind]), kind, len(want[kind]))
			}
		}
		if len(got["video"]) < 2 || len(got["audio"]) < 2 {
			t.Errorf("%s: %d pictures and %d audio frames arrived", r.viewer.host.Name(), len(got["video"]), len(got["audio"]))
			continue
		}
		t.Logf("%s: video %d of %d, audio %d of %d", r.viewer.host.Name(), len(got["video"]), len(want["video"]), len(got["audio"]), len(want["audio"]))
		if apart := math.Abs(got.skew() - want.skew()); apart > 0.040 {
			t.Errorf("%s: audio and video are %.1f ms apart", r.viewer.host.Name(), 1000*apart)
		}
	}
	share := float64(arrived) / float64(max(sent, 1))
	t.Logf("%d of %d packets arrived at %d viewers: %.4f %%", arrived, sent, len(readers), 100*share)
	if share < 0.999 {
		t.Errorf("%.3f %% of all packets arrived, want 99.9 %%", 100*share)
	}
}
