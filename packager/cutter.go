package packager

import "time"

// Limits of the segmentation rule.
const (
	// targetSlack is how far EXTINF may exceed the target duration and still
	// round down to it.
	targetSlack = 490 * time.Millisecond
	// keySlack lets a key frame cut that is early only by the rounding of
	// timestamps.
	keySlack = 10 * time.Millisecond
	// resyncMin is the shortest segment that is cut to get back to key
	// frames after one that began without.
	resyncMin = time.Second
	// stalledVideo is how far audio must be ahead of the last video frame to
	// cut alone, once the segment is too long.
	stalledVideo = time.Second
)

// DefaultSegmentation cuts segments of 2 s and parts of half a second.
func DefaultSegmentation() Segmentation {
	return Segmentation{Min: 2 * time.Second, Target: 2 * time.Second, Part: 500 * time.Millisecond}
}

// Cutter decides where segments begin. It is a pure function of the samples
// and of the last [Cut], so all nodes that see a stream cut it alike; one that
// joined late learns the last cut from the [Catalog].
//
// The rule: a key frame cuts when the segment has lasted Min. A segment that
// would exceed Target + 0.49 s is cut without a key frame; the next key frame
// then cuts after one second already. A stream without video is cut at the
// first access unit after Min, and one whose video has stalled at Target.
type Cutter struct {
	rule     Segmentation
	hasVideo bool
	started  bool
	forced   bool
	last     Cut
	// lastVideo is the decode time of the last video frame, step the time
	// between the last two, interval the smaller one of the last two steps: a
	// frame that was lost does not count.
	lastVideo, step, interval time.Duration
}

// NewCutter returns a cutter for a stream with or without video.
func NewCutter(rule Segmentation, hasVideo bool) *Cutter {
	return &Cutter{rule: rule, hasVideo: hasVideo}
}

// Last returns the last cut; its Number is 0 before the first.
func (c *Cutter) Last() Cut { return c.last }

// SetVideo says whether the stream has video from now on.
func (c *Cutter) SetVideo(hasVideo bool) { c.hasVideo = hasVideo }

// SetRule replaces the parameters, for the segments after the current one.
func (c *Cutter) SetRule(rule Segmentation) { c.rule = rule }

// ForceNext makes the next sample that can begin a segment (the next video
// frame, or any sample without video) cut, and counts a discontinuity, because
// the format changes there.
func (c *Cutter) ForceNext() { c.forced = true }

// Sync takes over a cut that the catalogue announced. The samples that follow
// belong to it.
func (c *Cutter) Sync(cut Cut) {
	c.last, c.started, c.forced = cut, true, false
	c.lastVideo = cut.Start
}

// Next looks at the next sample in stream order and returns the cut that it
// begins, if it begins one.
func (c *Cutter) Next(s Sample) (Cut, bool) {
	if s.Track == TrackData {
		return Cut{}, false
	}
	independent, cut := false, false
	switch {
	case !c.hasVideo:
		independent, cut = true, s.Track == TrackAudio && c.audioCuts(s)
	case s.Track == TrackVideo:
		independent, cut = s.Key, c.videoCuts(s)
		c.noteVideo(s)
	default:
		cut = c.started && s.DTS-c.last.Start > c.rule.Target+targetSlack && s.DTS-c.lastVideo > stalledVideo
	}
	if !cut {
		return Cut{}, false
	}
	next := Cut{Number: c.last.Number + 1, Start: s.DTS, Independent: independent, Discontinuity: c.last.Discontinuity}
	if c.hasVideo && s.Track == TrackAudio {
		// The border lies where it should have been, behind the last frame.
		next.Start = max(c.last.Start+c.rule.Target, c.lastVideo+time.Millisecond)
	}
	if c.forced && c.started {
		next.Discontinuity++
	}
	c.last, c.started, c.forced = next, true, false
	return next, true
}

func (c *Cutter) noteVideo(s Sample) {
	if d := s.DTS - c.lastVideo; d > 0 && d < c.rule.Target {
		c.step, c.interval = d, min(d, c.step)
	}
	c.lastVideo = s.DTS
}

func (c *Cutter) audioCuts(s Sample) bool {
	return !c.started || c.forced || s.DTS-c.last.Start >= c.rule.Min
}

func (c *Cutter) videoCuts(s Sample) bool {
	if !c.started {
		return s.Key
	}
	if c.forced {
		return true
	}
	length := s.DTS - c.last.Start
	if length <= 0 {
		return false
	}
	if s.Key && (length >= c.rule.Min-keySlack || !c.last.Independent && length >= resyncMin) {
		return true
	}
	// The frame after this one must still fit.
	return length+c.interval > c.rule.Target+targetSlack
}
