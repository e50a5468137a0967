package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

// fault is a stream that breaks some seconds after its start.
type fault struct {
	name string
	clip clip
	do   func(at time.Duration, tag load.Tag) load.Fault
	// restart breaks the connection and makes another one, with the clip
	// other if that is set.
	restart bool
	other   *clip
	// vlcStops is set where VLC is known to stop: at a format change in
	// fragmented MP4.
	vlcStops bool
	// Without video or audio; slow is set if there are fewer pictures.
	noVideo, noAudio, slow bool
}

const (
	faultAt       = 8 * time.Second
	faultWatch    = 18 // seconds after which the faults are over
	faultPatience = 60 // seconds within which players must play on
	faultRecord   = 30 // seconds that VLC records
)

func lose(from, to time.Duration, wanted func(load.Tag) bool) func(time.Duration, load.Tag) load.Fault {
	return func(at time.Duration, tag load.Tag) load.Fault {
		return load.Fault{Drop: at >= from && at < to && wanted(tag)}
	}
}

// late has no sound, nor any word of it, until faultAt.
func late() func(time.Duration, load.Tag) load.Fault {
	begun := false
	return func(at time.Duration, tag load.Tag) load.Fault {
		if tag.Type != 8 || begun && !tag.IsConfig() {
			return load.Fault{}
		}
		begun = at >= faultAt
		return load.Fault{Drop: !begun, Config: begun}
	}
}

func isVideo(t load.Tag) bool { return t.Type == 9 && !t.IsConfig() }
func isAudio(t load.Tag) bool { return t.Type == 8 && !t.IsConfig() }

func faults() []fault {
	// Small pictures, few of them: thirteen players share the machine.
	h264 := []string{"-vf", "scale=160:90,fps=10", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "10", "-pix_fmt", "yuv420p", "-b:v", "100k"}
	normal := clip{name: "normal", video: h264, audio: aac, seconds: 100}
	larger := clip{name: "larger", video: []string{"-vf", "scale=320:180,fps=10", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "10", "-pix_fmt", "yuv420p", "-b:v", "100k"}, audio: aac, seconds: 100}
	longGOP := clip{name: "gop", video: []string{"-vf", "scale=160:90,fps=10", "-c:v", "libx264", "-preset", "veryfast", "-g", "200", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-b:v", "300k"}, audio: aac, seconds: 100}
	sparse := clip{name: "sparse", video: []string{"-vf", "scale=160:90,fps=1/5", "-c:v", "libx264", "-g", "1", "-pix_fmt", "yuv420p", "-b:v", "300k"}, audio: aac, seconds: 100}
	second := time.Second
	once := func(wait time.Duration) func(time.Duration, load.Tag) load.Fault {
		done := false
		return func(at time.Duration, tag load.Tag) load.Fault {
			if done || at < faultAt || !isVideo(tag) {
				return load.Fault{}
			}
			done = true
			return load.Fault{Wait: wait}
		}
	}
	everything := func(load.Tag) bool { return true }
	return []fault{
		{name: "inter-frame-lost", clip: normal, do: lose(faultAt+100*time.Millisecond, faultAt+190*time.Millisecond, isVideo)},
		{name: "key-frame-lost", clip: normal, do: lose(faultAt, faultAt+10*second, load.Tag.IsKeyFrame)},
		{name: "one-second-lost", clip: normal, do: lose(faultAt, faultAt+second, everything)},
		{name: "segment-lost", clip: normal, do: lose(faultAt, faultAt+4*second, everything)},
		{name: "stall-of-12-s", clip: normal, do: once(12 * second)},
		{name: "restart", clip: normal, restart: true},
		{name: "restart-in-another-format", clip: normal, restart: true, other: &larger, vlcStops: true},
		{name: "sound-dies", clip: normal, do: lose(faultAt, time.Hour, isAudio)},
		{name: "sound-comes-late", clip: normal, do: late(), vlcStops: true},
		{name: "gop-of-20-s", clip: longGOP},
		{name: "picture-every-5-s", clip: sparse, slow: true},
		{name: "sound-alone", clip: clip{name: "sound", audio: aac, seconds: 100}, noVideo: true},
		{name: "video-alone", clip: clip{name: "video", video: h264, seconds: 100}, noAudio: true},
	}
}

// TestPlayersSurviveFaults lets hls.js, in the player page, and VLC play
// streams that break in every way that happens in the field: afterwards they
// must play on.
func TestPlayersSurviveFaults(t *testing.T) {
	all := faults()
	files := make(map[string]string)
	for _, f := range all {
		for _, c := range []*clip{&f.clip, f.other} {
			if c != nil && files[c.name] == "" {
				files[c.name] = c.make(t, t.TempDir())
			}
		}
	}
	n := startNode(t, "publish", "--stream", "other", "--ingest-grace-period", "20s")
	ctx, cancel := context.WithCancel(t.Context())
	var pushing sync.WaitGroup
	defer pushing.Wait()
	defer cancel()
	for _, f := range all {
		clip, host, app := pushClip(t, files[f.clip.name], n.RTMP)
		second := clip
		if f.other != nil {
			second, _, _ = pushClip(t, files[f.other.name], n.RTMP)
		}
		p := &load.Publisher{Clip: clip, Addr: host, App: app, Name: f.name, Fault: f.do}
		pushing.Go(func() { f.push(ctx, p, second) })
	}
	for _, f := range all {
		eventually(t, 30*time.Second, f.name+" is on air", func() bool {
			status, body := get(t, n.HTTP+"/live/"+f.name+"/stream.m3u8")
			return status == 200 && strings.Contains(string(body), "#EXTINF")
		})
	}
	recorded := make([]map[string][]packet, len(all))
	var recording sync.WaitGroup
	for i, f := range all {
		if !f.vlcStops && !f.slow {
			recording.Go(func() { recorded[i] = recordFaultVLC(t, n.HTTP+"/live/"+f.name+"/index.m3u8") })
		}
	}
	played := watchFaults(t, n.HTTP, all)
	recording.Wait()
	for i, f := range all {
		t.Run(f.name, func(t *testing.T) {
			f.check(t, played[i])
			if recorded[i] != nil {
				f.checkVLC(t, recorded[i])
			}
		})
	}
}

// push publishes the stream until ctx is done; after a restart, the second
// clip.
func (f *fault) push(ctx context.Context, p *load.Publisher, second *load.Clip) {
	if f.restart {
		first, stop := context.WithTimeout(ctx, faultAt+300*time.Millisecond)
		_ = p.Run(first)
		stop()
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
		}
		p.Clip = second
	}
	_ = p.Run(ctx)
}

// watchedFault is what faults.js prints for a page.
type watchedFault struct {
	OK            bool
	Waited        float64 // seconds until it had played on for 3 s
	Before, After reading
}

func watchFaults(t *testing.T, base string, all []fault) []watchedFault {
	t.Helper()
	type stream struct {
		URL   string `json:"url"`
		Video int    `json:"video"` // least pictures in 3 s
		Audio bool   `json:"audio"`
	}
	var streams []stream
	for _, f := range all {
		s := stream{URL: base + "/live/" + f.name + "/", Audio: !f.noAudio}
		if !f.noVideo && !f.slow {
			s.Video = 10
		}
		streams = append(streams, s)
	}
	input, err := json.Marshal(streams)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "faults.js", fmt.Sprint(faultWatch), fmt.Sprint(faultPatience))
	cmd.Env = append(os.Environ(), "NODE_PATH="+browserModules(t))
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("faults.js: %v", err)
	}
	var played []watchedFault
	if err := json.Unmarshal(out, &played); err != nil || len(played) != len(all) {
		t.Fatalf("faults.js printed %.300q: %v", out, err)
	}
	return played
}

// check expects that the page played on.
func (f *fault) check(t *testing.T, w watchedFault) {
	t.Helper()
	t.Logf("hls.js: played on after %.1f s; in 3 s %.2f s, %d frames and %d bytes of sound; %d stalls in all",
		w.Waited-3, w.After.Time-w.Before.Time, w.After.Frames-w.Before.Frames, w.After.AudioBytes-w.Before.AudioBytes, w.After.Stalls)
	if !w.OK {
		t.Errorf("hls.js does not play on; the page says %q", w.After.Message)
	}
}

func recordFaultVLC(t *testing.T, url string) map[string][]packet {
	dir := nobodyHome(t)
	file := filepath.Join(dir, "out.ts")
	runVLC(t, dir, url, file, faultRecord)
	return packets(t, file)
}

// checkVLC expects that VLC recorded beyond the fault.
func (f *fault) checkVLC(t *testing.T, got map[string][]packet) {
	t.Helper()
	for kind, missing := range map[string]bool{"video": f.noVideo, "audio": f.noAudio} {
		if missing {
			continue
		}
		p := got[kind]
		if len(p) < 10 {
			t.Errorf("VLC recorded %d packets of %s", len(p), kind)
			continue
		}
		length := (p[len(p)-1].PTS - p[0].PTS) / 1000
		t.Logf("VLC: %d packets of %s over %.1f s", len(p), kind, length)
		// It begins some seconds before the fault at most, and loses some.
		if least := 15.0; length < least {
			t.Errorf("VLC recorded only %.1f s of %s, want %.0f", length, kind, least)
		}
	}
}
