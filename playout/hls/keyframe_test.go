package hls

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
)

var (
	keyFramePattern = regexp.MustCompile(`(?m)^#RINGCAST-KEY-FRAME:TIME-OFFSET=-([0-9.]+)$`)
	lengthPattern   = regexp.MustCompile(`(?m)^#EXT(?:INF:|-X-PART:DURATION=)([0-9.]+)`)
)

// A player that begins between two key frames has no picture until the next
// one. Where key frames are farther apart than segments, the playlist tells
// how far back the newest one is that a player can begin with; else nothing.
func TestPlaylistTellsKeyFrame(t *testing.T) {
	for _, apart := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 20 * time.Second} {
		t.Run(apart.String(), func(t *testing.T) { keyFramesApart(t, apart) })
	}
}

func keyFramesApart(t *testing.T, apart time.Duration) {
	const step, total = 40 * time.Millisecond, 70 * time.Second
	s := New(DefaultConfig())
	sink := s.Sink("live/cam")
	sink.WriteEvent(packager.Event{Kind: packager.EventTracks, Tracks: []packager.Track{testVideo(t)}})
	rule := packager.DefaultSegmentation()
	rule.Part = 200 * time.Millisecond
	cutter := packager.NewCutter(rule, true)
	told := 0
	for at := time.Duration(0); at < total; at += step {
		sample := packager.Sample{Track: packager.TrackVideo, DTS: at, PTS: at, Key: at%apart == 0, Payload: []byte{0, 0, 0, 2, 0x65, 0x88}}
		if cut, ok := cutter.Next(sample); ok {
			sink.WriteEvent(packager.Event{Kind: packager.EventCatalog, Catalog: packager.Catalog{Segment: cut, Segmentation: rule, Video: true}})
		}
		sink.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: sample})
		if at < 10*time.Second || at%time.Second != 0 {
			continue
		}
		list := fetch(t, s, "/live/cam/stream.m3u8").Body.String()
		if keyFramePattern.MatchString(list) {
			told++
			if err := checkKeyFrame(list, apart); err != nil {
				t.Errorf("at %v: %v in\n%s", at, err, list)
			}
		}
	}
	if long := apart > 2*time.Second; told > 0 != long {
		t.Errorf("%d playlists told of a key frame; wanted any: %v", told, long)
	}
}

// checkKeyFrame expects that the playlist tells the newest key frame that is as
// far from its end as players hold back, or just the newest one.
func checkKeyFrame(list string, apart time.Duration) error {
	back, err := strconv.ParseFloat(keyFramePattern.FindStringSubmatch(list)[1], 64)
	if err != nil {
		return err
	}
	// The end is the date of the last segment and what is listed of it.
	const date = "#EXT-X-PROGRAM-DATE-TIME:"
	last := list[strings.LastIndex(list, date)+len(date):]
	begun, err := time.Parse("2006-01-02T15:04:05.000Z", last[:strings.IndexByte(last, '\n')])
	if err != nil {
		return err
	}
	end := begun.Sub(time.UnixMilli(0)).Seconds()
	for _, m := range lengthPattern.FindAllStringSubmatch(strings.Split(last, "#EXTINF")[0], -1) {
		length, _ := strconv.ParseFloat(m[1], 64)
		end += length
	}
	const enough = 0.6 // three parts
	want := math.Floor((end-enough+0.02)/apart.Seconds()) * apart.Seconds()
	if got := end - back; math.Abs(got-want) > 0.02 {
		return fmt.Errorf("told of a key frame at %.3f s, want %.3f s, with the end at %.3f s", got, want, end)
	}
	return nil
}

// testVideo is the video track of the clip.
func testVideo(t testing.TB) packager.Track {
	t.Helper()
	for _, ev := range clipEvents(t, 1) {
		if ev.Kind == packager.EventTracks {
			return ev.Tracks[0]
		}
	}
	t.Fatal("the clip has no tracks")
	return packager.Track{}
}
