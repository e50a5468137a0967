package nettest

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// clipSeconds is how long the pushed clip is.
const clipSeconds = 20

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
	output string // RTSP or HLS
	late   bool   // the viewer joined in the middle
	out    bytes.Buffer
	done   chan error
}

// read starts an ffprobe at a viewer.
func read(v *node, output, url string, options ...string) *reader {
	r := &reader{viewer: v, output: output, done: make(chan error, 1)}
	cmd := exec.Command("ffprobe", append(append(options, packetArgs...), url)...)
	cmd.Stdout = &r.out
	if err := v.host.Start(cmd); err != nil {
		r.done <- err
		return r
	}
	go func() { r.done <- v.host.Wait(cmd) }()
	return r
}

func readRTSP(v *node) *reader { return read(v, "RTSP", v.rtspURL(), "-rtsp_transport", "tcp") }

// readHLS lists what a viewer serves as HLS, from the first segment on. It
// waits until there is one.
func readHLS(ctx context.Context, v *node) *reader {
	if !v.waitPlaylist(ctx) {
		r := &reader{viewer: v, output: "HLS", done: make(chan error, 1)}
		r.done <- errors.New("no playlist")
		return r
	}
	return read(v, "HLS", v.HTTP+playlistPath, "-live_start_index", "0")
}

// audience is a publisher behind a NAT, an introducer, and viewers behind all
// kinds of NAT with lossy lines.
type audience struct {
	lab                   *lab.Lab
	introducer, publisher *node
	viewers               []*node
	line                  lab.HostConfig
}

// perLAN is how many viewers share a router.
const perLAN = 5

func newAudience(t *testing.T) *audience {
	loss := vnet.LinkParams{Delay: 10 * time.Millisecond, Loss: 0.01}
	a := &audience{lab: lab.New(t), line: lab.HostConfig{Up: &loss, Down: &loss}}
	restricted, symmetric, cone := vnet.PortRestricted(), vnet.Symmetric(), vnet.FullCone()
	meet := a.lab.AddHost("meet", lab.HostConfig{})
	at := meet.Addr().String() + ":1935"
	a.introducer = start(t, meet, "introducer", "--rtmfp-listen", at)
	home := a.lab.AddLAN("home", lab.LANConfig{NAT: &restricted})
	a.publisher = start(t, home.AddHost("pub", lab.HostConfig{}), "publish", "--stream", "live/cam", "--rtmp-listen", "127.0.0.1:1935",
		"--introducer", at, "--ingest-grace-period", "1s")
	for i, nat := range []*vnet.NATParams{nil, &cone, &restricted, &symmetric} {
		lan := a.lab.AddLAN(fmt.Sprint("lan", i), lab.LANConfig{NAT: nat})
		for k := range perLAN {
			a.viewers = append(a.viewers, launch(t, lan.AddHost(fmt.Sprintf("v%d%d", i, k), a.line), "play", a.publisher.Link))
		}
	}
	for _, v := range a.viewers {
		v.await(t)
	}
	wait(t, "the group forms", 30*time.Second, func() bool {
		for _, v := range a.viewers {
			if g := v.groups(t); len(g) != 1 || g[0].NeighborCount == 0 {
				return false
			}
		}
		return true
	})
	return a
}

// TestEveryFrameAtEveryViewer: a stream that ffmpeg pushes comes out complete,
// by RTSP and by HLS, at viewers behind all kinds of NAT with lossy lines, while
// some of them are killed and others join.
func TestEveryFrameAtEveryViewer(t *testing.T) {
	lab.Need(t)
	clip := makeClip(t)
	a := newAudience(t)

	// Readers come first: they are held until the stream begins.
	readers := make(chan *reader, 3*len(a.viewers))
	var stay []*node
	for i, v := range a.viewers {
		if i%4 != 0 { // every fourth will be killed
			stay = append(stay, v)
			readers <- readRTSP(v)
			go func() { readers <- readHLS(t.Context(), v) }()
		}
	}
	d := measureDelays(t, a.publisher, []*node{stay[0], stay[4], stay[8], stay[12]})
	push := exec.Command("ffmpeg", "-v", "error", "-re", "-i", clip, "-c", "copy", "-f", "flv", a.publisher.RTMP+"/cam")
	if err := a.publisher.host.Start(push); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	time.Sleep(clipSeconds * time.Second / 3)
	for i, v := range a.viewers {
		if i%4 == 0 {
			v.kill()
		}
	}
	expect := 2*len(stay) + a.joinLate(t, readers)
	if err := a.publisher.host.Wait(push); err != nil {
		t.Fatalf("push: %v", err)
	}
	t.Logf("push took %v", time.Since(begin))
	source, err := exec.Command("ffprobe", append(packetArgs, clip)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	compareAll(t, parseTimes(t, source), readers, expect)
	d.report(t)
	for _, n := range []*node{a.publisher, a.introducer} {
		n.stop(t)
	}
}

// joinLate has viewers join in the middle of the stream, measures how soon they
// show something, and reads what they serve. It returns how many readers those
// are.
func (a *audience) joinLate(t *testing.T, readers chan<- *reader) int {
	t.Helper()
	restricted := vnet.PortRestricted()
	lan := a.lab.AddLAN("late", lab.LANConfig{NAT: &restricted})
	var late []*node
	for k := range perLAN {
		late = append(late, launch(t, lan.AddHost(fmt.Sprint("late", k), a.line), "play", a.publisher.Link))
	}
	first := make([]time.Duration, len(late))
	var group sync.WaitGroup
	for i, v := range late {
		group.Go(func() {
			var err error
			if first[i], err = v.firstFrame(t.Context()); err != nil {
				t.Errorf("%s: %v", v.host.Name(), err)
			}
		})
	}
	group.Wait()
	t.Logf("from the start of play to the first frame by RTSP, %d joining at once: p50 and largest %s", len(late), between(first))
	for _, v := range late {
		v.await(t)
		r := readRTSP(v)
		r.late = true
		readers <- r
	}
	return len(late)
}

// result returns what the reader has listed.
func (r *reader) result(t *testing.T) (packetTimes, bool) {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("%s by %s: ffprobe: %v", r.viewer.host.Name(), r.output, err)
			return nil, false
		}
	case <-time.After(20 * time.Second):
		t.Errorf("%s by %s: the stream does not end", r.viewer.host.Name(), r.output)
		return nil, false
	}
	got := parseTimes(t, r.out.Bytes())
	if len(got["video"]) < 2 || len(got["audio"]) < 2 {
		t.Errorf("%s by %s: %d pictures and %d audio frames arrived", r.viewer.host.Name(), r.output, len(got["video"]), len(got["audio"]))
		return nil, false
	}
	return got, true
}

// compareAll holds what the readers got against the source.
func compareAll(t *testing.T, want packetTimes, readers <-chan *reader, count int) {
	t.Helper()
	sent, arrived, worst := make(map[string]int), make(map[string]int), 0.0
	for range count {
		r := <-readers
		name := r.viewer.host.Name() + " by " + r.output
		got, ok := r.result(t)
		if !ok {
			continue
		}
		for _, kind := range []string{"video", "audio"} {
			due := len(want[kind])
			if r.late { // it begins at the newest key frame
				due = fromFirst(want, got, kind)
			}
			sent[r.output] += due
			arrived[r.output] += min(len(got[kind]), due)
			if len(got[kind]) < due-due/100 {
				t.Logf("%s: %d of %d packets of %s", name, len(got[kind]), due, kind)
			}
			if len(got[kind]) > len(want[kind]) {
				t.Errorf("%s: %d packets of %s, more than the %d that were pushed", name, len(got[kind]), kind, len(want[kind]))
			}
		}
		apart := math.Abs(got.skew() - want.skew())
		if worst = max(worst, apart); apart > 0.040 {
			t.Errorf("%s: audio and video are %.1f ms apart", name, 1000*apart)
		}
	}
	t.Logf("audio and video are at most %.1f ms apart", 1000*worst)
	for output, n := range sent {
		share := float64(arrived[output]) / float64(n)
		t.Logf("by %s %d of %d packets arrived: %.4f %%", output, arrived[output], n, 100*share)
		if share < 0.999 {
			t.Errorf("%.3f %% of all packets arrived by %s, want 99.9 %%", 100*share, output)
		}
	}
}
