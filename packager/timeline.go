package packager

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// The rules for steps in a source's timestamps.
const (
	// timelineStart is the media time of a stream's first sample. It leaves
	// room for tracks that begin a little earlier.
	timelineStart = time.Second
	// backJump is how far a track may step back and still be on the same
	// timeline, forwardJump how far ahead.
	backJump    = time.Second
	forwardJump = 10 * time.Second
	// trackSpread is how far two tracks of one timeline lie apart at most.
	trackSpread = 2 * time.Second
	// jumpMargin is the least distance between the last sample before a jump
	// and the first after it, so that a track that begins a little earlier
	// does not run into its own past.
	jumpMargin = 60 * time.Millisecond
	// maxComposition is the largest believable difference of PTS and DTS.
	maxComposition = 10 * time.Second
)

// timeline maps a source's times to media time. All tracks move by the same
// offset, so audio and video stay together; a jump (the source restarts, loops
// or sets its clock) begins a new offset that continues the media time by the
// time that has passed meanwhile.
type timeline struct {
	tracks  [TrackData + 1]trackTime
	started bool
	// restart is set until the first sample after a new connection.
	restart bool
	lastOut time.Duration // greatest DTS given out
	lastNow reliability.Time
	stats   TimelineStats
}

type trackTime struct {
	seen   bool
	source time.Duration // last DTS of the source
	offset time.Duration
	out    time.Duration // last DTS given out
}

// TimelineStats counts what had to be mended.
type TimelineStats struct {
	// Jumps counts new offsets, Backward steps back within a track that were
	// evened out, Composition impossible composition times, Dropped samples
	// that lay before the start of their timeline.
	Jumps, Backward, Composition, Dropped uint64
}

// place sets the sample's times to media time. It returns false if the sample
// has no place.
func (t *timeline) place(now reliability.Time, s *Sample) bool {
	track := &t.tracks[s.Track]
	source := s.DTS
	if t.isJump(track, s) {
		t.jump(now, track, s)
	}
	composition := s.PTS - s.DTS
	if composition > maxComposition || composition < -maxComposition {
		t.stats.Composition++
		composition = 0
	}
	// Messages carry milliseconds: rounding here lets every decision see what
	// receivers will see.
	exact := source + track.offset
	s.DTS = exact.Round(time.Millisecond)
	s.PTS = (exact + composition).Round(time.Millisecond)
	if s.DTS < 0 {
		t.stats.Dropped++
		return false
	}
	if track.seen && s.DTS <= track.out {
		if track.out-s.DTS > backJump {
			t.stats.Dropped++ // a leftover from before a jump
			return false
		}
		// Two frames of one instant, or a small step back: decode order
		// stays, presentation time is kept.
		if track.out-s.DTS > time.Millisecond {
			t.stats.Backward++
		}
		s.DTS = track.out + time.Millisecond
	}
	track.seen, track.source, track.out = true, source, s.DTS
	t.lastOut = max(t.lastOut, s.DTS)
	t.lastNow = now
	return true
}

// isJump reports whether the sample is not on the timeline that its track was
// on.
func (t *timeline) isJump(track *trackTime, s *Sample) bool {
	if !t.started || t.restart || !track.seen {
		return true
	}
	if track.source == noSource {
		return true
	}
	step := s.DTS - track.source
	return step < -backJump || step > forwardJump
}

// jump gives the track a new offset: that of another track which the sample
// lies near to, or else one that continues the media time.
func (t *timeline) jump(now reliability.Time, track *trackTime, s *Sample) {
	first := !t.started
	fresh := t.restart
	t.started, t.restart = true, false
	if fresh {
		for i := range t.tracks {
			t.tracks[i].source = noSource
		}
	}
	for i := range t.tracks {
		other := &t.tracks[i]
		if other == track || !other.seen || other.source == noSource {
			continue
		}
		if d := s.DTS - other.source; d > -trackSpread && d < trackSpread || !track.seen || track.source == noSource {
			track.offset = other.offset
			return
		}
	}
	if first {
		track.offset = timelineStart - s.DTS
		return
	}
	t.stats.Jumps++
	elapsed := max(now.Sub(t.lastNow), jumpMargin)
	track.offset = t.lastOut + elapsed - s.DTS
}

// noSource marks a track whose source was replaced.
const noSource = time.Duration(-1 << 63)
