package hls

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// Timestamps come in whole milliseconds. At every usual frame rate and part
// length, no part may exceed PART-TARGET, and none but the last of a segment
// may fall short of 85 % of it.
func TestPartLengths(t *testing.T) {
	for _, fps := range []float64{60, 50, 30, 30000.0 / 1001, 25, 24, 15, 10, 5} {
		for _, want := range []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second} {
			name := strconv.FormatFloat(fps, 'f', 2, 64) + " fps, " + want.String()
			t.Run(name, func(t *testing.T) { partLengths(t, fps, want) })
		}
	}
}

func partLengths(t *testing.T, fps float64, want time.Duration) {
	s := New(DefaultConfig())
	sink := s.Sink("live/cam")
	video := testVideo(t)
	rule := packager.DefaultSegmentation()
	rule.Part = want
	cutter := packager.NewCutter(rule, true)
	sink.WriteEvent(packager.Event{Kind: packager.EventTracks, Tracks: []packager.Track{video}})
	for i := range int(20 * fps) {
		at := time.Duration(float64(i) / fps * float64(time.Second)).Round(time.Millisecond)
		sample := packager.Sample{Track: packager.TrackVideo, DTS: at, PTS: at, Key: i%int(2*fps+0.5) == 0, Payload: []byte{0, 0, 0, 2, 0x65, 0x88}}
		if cut, ok := cutter.Next(sample); ok {
			sink.WriteEvent(packager.Event{Kind: packager.EventCatalog, Catalog: packager.Catalog{Segment: cut, Segmentation: rule, Video: true}})
		}
		sink.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: sample})
	}
	list := fetch(t, s, "/live/cam/stream.m3u8").Body.String()
	_, after, _ := strings.Cut(list, "PART-TARGET=")
	target, err := strconv.ParseFloat(strings.SplitN(after, "\n", 2)[0], 64)
	if err != nil {
		t.Fatalf("no PART-TARGET in\n%s", list)
	}
	var parts []float64
	segments := 0
	for line := range strings.Lines(list) {
		if rest, ok := strings.CutPrefix(line, "#EXT-X-PART:DURATION="); ok {
			d, _ := strconv.ParseFloat(strings.SplitN(rest, ",", 2)[0], 64)
			if d > target {
				t.Errorf("a part of %.5f s with PART-TARGET %.3f", d, target)
			}
			parts = append(parts, d)
			continue
		}
		if strings.HasPrefix(line, "#EXTINF") && len(parts) > 0 {
			segments++
			for _, d := range parts[:len(parts)-1] { // the last one may be short
				if d < 0.85*target {
					t.Errorf("a part of %.5f s with PART-TARGET %.3f", d, target)
				}
			}
			parts = nil
		}
	}
	if segments < 2 {
		t.Errorf("only %d segments with parts", segments)
	}
}
