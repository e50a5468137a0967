package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
)

// rendition is one media playlist of a stream.
type rendition int

// The renditions. A stream has the main one, and audio beside it only if that
// is separate; they are cut alike, so numbers mean the same time in both.
const (
	mainRendition rendition = iota
	audioRendition
	renditionCount
)

// playlistName is the name of the rendition's media playlist.
func (r rendition) playlistName() string {
	if r == audioRendition {
		return audioName
	}
	return mediaName
}

// media is what a part or a segment is in one rendition.
type media struct {
	body     []byte
	duration time.Duration
}

// part is a partial segment: immutable once it is published.
type part struct {
	in          [renditionCount]media
	independent bool
	// key is how far into the segment its first key frame is, if it is
	// independent.
	key time.Duration
}

// segment is a media segment: a run of parts.
type segment struct {
	// number is the stream's own for the segment, which names its files;
	// msn is its place in this node's playlist. They differ by a constant
	// until a whole segment is lost.
	number, msn uint64
	// names are what its files begin with, by rendition.
	names [renditionCount]string
	start time.Duration // DTS of its first sample
	// wall is the Unix time in ms of the first presented sample, by rendition.
	wall     [renditionCount]int64
	duration [renditionCount]time.Duration
	parts    []part
	bytes    int
	hasKey   bool
	// discontinuity is the segment's discontinuity sequence number; marked
	// is set if the number is new with it.
	discontinuity uint64
	marked        bool
	init          int // index of its initialization
	complete      bool
}

// newSegment returns a segment with its names.
func newSegment(prefix, name string, number, msn uint64) *segment {
	return &segment{number: number, msn: msn, names: [renditionCount]string{prefix + "_" + name, prefix + "_a" + name}}
}

// uri names are relative to the playlist.
func (s *segment) uri(r rendition, ext string) string { return s.names[r] + ext }

func (s *segment) partURI(r rendition, ext string, i int) string {
	return s.names[r] + "." + utoa(uint64(i)) + ext
}

// pendingSample is a sample whose duration is not known yet, or that waits for
// its part.
type pendingSample struct {
	packager.Sample
	at       int64 // DTS in the track's timescale
	duration int64
	// silent marks audio that was made here to fill a hole, still a picture
	// that the source itself shows for so long.
	silent, still bool
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
