package e2e

import (
	"context"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

// pushClip reads the clip for a publisher and the address that it pushes to.
func pushClip(t *testing.T, file, rtmp string) (clip *load.Clip, host, app string) {
	t.Helper()
	clip, err := load.ReadClip(file)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(rtmp)
	if err != nil {
		t.Fatal(err)
	}
	return clip, u.Host, strings.Trim(u.Path, "/")
}

// TestTimestampsOfEverySender pushes streams whose timestamps start, wrap and
// jump in every way that is known from senders. Every picture and every audio
// unit must come out, at the source's distances but for the one jump, and sound
// and picture must not move apart.
func TestTimestampsOfEverySender(t *testing.T) {
	const wrap24, wrap31, wrap32 = (1 << 24) * time.Millisecond, (1 << 31) * time.Millisecond, (1 << 32) * time.Millisecond
	at := func(jump load.Fault) func(time.Duration, load.Tag) load.Fault {
		done := false
		return func(at time.Duration, tag load.Tag) load.Fault {
			if done || at < 5*time.Second || !tag.IsKeyFrame() {
				return load.Fault{}
			}
			done = true
			return jump
		}
	}
	tests := []struct {
		name   string
		offset time.Duration
		fault  func(time.Duration, load.Tag) load.Fault
	}{
		{"start-at-4h39", 4*time.Hour + 39*time.Minute, nil},
		{"cross-24-bits", wrap24 - 4*time.Second, nil},
		{"cross-31-bits", wrap31 - 4*time.Second, nil},
		{"start-at-24.8-days", wrap31 + time.Second, nil},
		{"cross-32-bits", wrap32 - 4*time.Second, nil},
		{"back-10-s", time.Hour, at(load.Fault{Move: -10 * time.Second})},
		{"pause-30-s", 0, at(load.Fault{Move: 30 * time.Second})},
		{"forward-1-h", 0, at(load.Fault{Move: time.Hour})},
	}
	source := clip{name: "stamps", video: h264BFrames, audio: aac, seconds: 10}.make(t, t.TempDir())
	want := packets(t, source)
	n := startNode(t, "publish", "--stream", "other", "--ingest-grace-period", "1s", "--hls-window", "60s")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clip, host, app := pushClip(t, source, n.RTMP)
			p := load.Publisher{Clip: clip, Addr: host, App: app, Name: tt.name, Offset: tt.offset, Rounds: 1, Fault: tt.fault}
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			if err := p.Run(ctx); err != nil {
				t.Fatal(err)
			}
			got := packets(t, fetchEnded(t, n.HTTP+"/live/"+tt.name+"/index.m3u8", t.TempDir()))
			steps := 0
			if tt.fault != nil {
				steps = 1
			}
			for kind, packets := range want {
				checkSteps(t, kind, packets, got[kind], steps)
			}
			apart := func(p map[string][]packet) float64 { return p["audio"][5].PTS - p["video"][5].PTS }
			if d := apart(got) - apart(want); math.Abs(d) > 1.5 {
				t.Errorf("audio and video moved apart by %.2f ms", d)
			}
		})
	}
}

// checkSteps checks that the source's packets came, with at most so many steps
// that the source does not have. At a jump a few units of silence may lie
// between.
func checkSteps(t *testing.T, kind string, want, got []packet, steps int) {
	t.Helper()
	if more := len(got) - len(want); more < 0 || more > 5*steps || kind == "video" && more > 0 {
		t.Errorf("%s: %d packets, want %d", kind, len(got), len(want))
		return
	}
	found := 0
	for i := 1; i < len(want); i++ {
		if d := (got[i].DTS - got[i-1].DTS) - (want[i].DTS - want[i-1].DTS); math.Abs(d) > 1.5 {
			if found++; found > steps {
				t.Errorf("%s packet %d comes %.2f ms off its place", kind, i, d)
				return
			}
		}
	}
}
