package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
)

// part is a partial segment: immutable once it is published.
type part struct {
	body        []byte
	duration    time.Duration
	independent bool
}

// segment is a media segment: a run of parts.
type segment struct {
	msn         uint64
	start       time.Duration // DTS of its first sample
	wall        int64         // Unix ms of its first presented sample
	duration    time.Duration
	parts       []part
	bytes       int
	independent bool
	// discontinuity is the segment's discontinuity sequence number; marked
	// is set if the number is new with it.
	discontinuity uint64
	marked        bool
	init          int // index of its initialization
	complete      bool
}

// uri names are relative to the playlist.
func (s *segment) uri(prefix, ext string) string {
	return prefix + "_" + utoa(s.msn) + ext
}

func (s *segment) partURI(prefix, ext string, i int) string {
	return prefix + "_" + utoa(s.msn) + "." + utoa(uint64(i)) + ext
}

// pendingSample is a sample whose duration is not known yet, or that waits for
// its part.
type pendingSample struct {
	packager.Sample
	at       int64 // DTS in the track's timescale
	duration int64
}

// startOffset is added to all media times, so that no DTS is negative and
// players that look at PTS see no wrap at the start.
const startOffset = 10 * time.Second

// timescaleOf returns the units a second of a track's times.
func timescaleOf(t packager.Track) int64 {
	if t.ID == packager.TrackAudio && t.SampleRate > 0 {
		return int64(t.SampleRate)
	}
	return 90000
}
