package e2e

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/load"
)

var toldKeyFrame = regexp.MustCompile(`(?m)^#RINGCAST-KEY-FRAME:TIME-OFFSET=-([0-9.]+)$`)

// TestPlayerBeginsBetweenKeyFrames opens the player page in the middle between
// two key frames that are 20 s apart: it begins with the one before, not in 10 s
// with the one after, and is near the live edge soon.
func TestPlayerBeginsBetweenKeyFrames(t *testing.T) {
	c := clip{
		name: "gop", audio: aac, seconds: 60,
		video: []string{"-vf", "scale=640:360,fps=25", "-c:v", "libx264", "-preset", "ultrafast", "-g", "500", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-b:v", "500k"},
	}
	n := startNode(t, "publish", "--stream", "other")
	clip, host, app := pushClip(t, c.make(t, t.TempDir()), n.RTMP)
	ctx, cancel := context.WithCancel(t.Context())
	var pushing sync.WaitGroup
	defer pushing.Wait()
	defer cancel()
	p := &load.Publisher{Clip: clip, Addr: host, App: app, Name: "gop"}
	pushing.Go(func() { _ = p.Run(ctx) })
	eventually(t, 45*time.Second, "the key frame is 8 to 10 s old", func() bool {
		status, body := get(t, n.HTTP+"/live/gop/stream.m3u8")
		told := toldKeyFrame.FindSubmatch(body)
		if status != 200 || told == nil {
			return false
		}
		age, err := strconv.ParseFloat(string(told[1]), 64)
		return err == nil && age >= 8 && age <= 10
	})
	const seconds = 4
	w := watch(t, n.HTTP+"/live/gop/", seconds, "longgop.png")
	t.Logf("%s: first picture after %.2f s; then %d frames in %d s, %d stalls; at last %s behind",
		w.Last.Engine, w.StartSeconds, w.Last.Frames-w.First.Frames, seconds, w.Last.Stalls, w.Last.Shown)
	// A machine that is busy with other tests may take seconds to start a browser.
	if w.StartSeconds > 5 || w.First.Frames == 0 {
		t.Errorf("the first picture comes after %.2f s, and 1 s later there are %d", w.StartSeconds, w.First.Frames)
	}
	if !slices.ContainsFunc(w.Readings, func(r reading) bool { return r.OnScreen != nil && *r.OnScreen < 5 }) {
		t.Errorf("after %d s the page is still far behind: %s", seconds, w.Last.Shown)
	}
}
