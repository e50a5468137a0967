package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/load"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// TestTimedMetadataInThePlayer sends a text every second beside the pictures.
// hls.js must hand out each one at the moment of the picture of the same time,
// within 50 ms.
func TestTimedMetadataInThePlayer(t *testing.T) {
	source := clip{name: "events", video: []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p", "-b:v", "300k"}, audio: aac, seconds: 40}.make(t, t.TempDir())
	n := startNode(t, "publish", "--stream", "other")
	recording, host, app := pushClip(t, source, n.RTMP)
	for second := 1; second < 40; second++ {
		at := time.Duration(second) * time.Second
		body := amf0.Append(nil, amf0.String("onTextData"), amf0.Object(amf0.Property{Name: "text", Value: amf0.String(fmt.Sprintf("<%d>", second))}))
		i := slices.IndexFunc(recording.Tags, func(tag load.Tag) bool { return tag.Time >= at && !tag.IsConfig() })
		recording.Tags = slices.Insert(recording.Tags, i, load.Tag{Type: 18, Time: at, Body: body})
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := load.Publisher{Clip: recording, Addr: host, App: app, Name: "events", Rounds: 1}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() { cancel(); <-done }()
	list := n.HTTP + "/live/events/stream.m3u8"
	// The first picture is that of the source's time 0.
	var first time.Time
	eventually(t, 20*time.Second, "the stream is on air", func() bool {
		_, body := get(t, list)
		m := regexp.MustCompile(`#EXT-X-PROGRAM-DATE-TIME:(\S+)`).FindSubmatch(body)
		if m == nil {
			return false
		}
		var err error
		first, err = time.Parse(time.RFC3339, string(m[1]))
		return err == nil
	})
	cmd := exec.CommandContext(t.Context(), "node", "events.js", n.HTTP+"/live/events/", "8")
	cmd.Env = append(os.Environ(), "NODE_PATH="+browserModules(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("events.js: %v", err)
	}
	var events []struct {
		Text string
		Date float64
	}
	if err := json.Unmarshal(out, &events); err != nil {
		t.Fatalf("events.js printed %.300q: %v", out, err)
	}
	seconds := map[int]bool{}
	for _, e := range events {
		m := regexp.MustCompile(`onTextData\x00<(\d+)>`).FindStringSubmatch(e.Text)
		if m == nil {
			t.Fatalf("an event is %q", e.Text)
		}
		second, _ := strconv.Atoi(m[1])
		seconds[second] = true
		if off := e.Date - float64(first.UnixMilli()) - float64(second)*1000; math.Abs(off) > 50 {
			t.Errorf("the text of second %d comes %.0f ms off its picture", second, off)
		}
	}
	if len(seconds) < 5 {
		t.Errorf("only the texts of %d seconds came", len(seconds))
	}
}
