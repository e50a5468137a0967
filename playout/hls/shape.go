package hls

import (
	"math"
	"time"

	"github.com/ringcast/ringcast/packager"
)

const (
	// partHeadroom is how much longer than the longest part PART-TARGET is:
	// Apple's players refuse a stream for a part a millisecond too long.
	partHeadroom = 1.02
	// slowFrame is the longest frame with which parts make sense.
	slowFrame = 500 * time.Millisecond
	// separateUnits is how many audio units a part of separate audio has at
	// least: with fewer, one more or less would break the rule that parts are
	// 85 % of their target.
	separateUnits = 7
)

// shape is what a playlist may never change: the lengths of its parts and
// segments. It is fixed by the stream's first frame, which the publisher tells
// those who join later.
type shape struct {
	fixed bool
	// parts says whether there are partial segments, longest how long they
	// get, partTarget what is advertised.
	parts      bool
	longest    time.Duration
	partTarget time.Duration
	// target is EXT-X-TARGETDURATION.
	target time.Duration

	frame time.Duration // from the catalogue
	rate  float64
}

// learn takes what the publisher says.
func (s *shape) learn(c packager.Catalog) {
	if !s.fixed {
		s.frame, s.rate = c.Frame, c.FrameRate
	}
}

// fix decides, once; first is the first sample of the primary track.
func (s *shape) fix(m *Muxer, first pendingSample) {
	if s.fixed {
		return
	}
	s.fixed = true
	l := m.primary()
	frame, rate := s.frame, s.rate
	if frame == 0 {
		frame = packager.FromScale(max(first.duration, l.step), l.scale)
	}
	if rate == 0 {
		rate = l.track.FrameRate
	}
	if stated := time.Duration(float64(time.Second) / max(rate, 0.01)); frame > slowFrame && frame <= m.rule.Target && stated <= slowFrame {
		frame = stated // a stream that hesitates at the start
	}
	s.target = m.rule.Target
	if frame > m.rule.Target && frame <= stillMax {
		// Pictures that far apart: a segment holds one at least.
		s.target = time.Duration(math.Ceil(frame.Seconds()*1.1)) * time.Second
	}
	s.parts = m.config.Variant == LowLatency && (frame <= slowFrame || frame > stillMax)
	wanted := m.rule.Part
	unit := time.Duration(0)
	if m.separate {
		unit = packager.FromScale(m.audio.unit, m.audio.scale)
		wanted = max(wanted, separateUnits*unit)
	}
	s.longest = packager.LongestPart(wanted, frame, rate)
	s.partTarget = time.Duration(float64(s.longest) * partHeadroom).Round(time.Millisecond)
	if unit > 0 {
		// A part of audio has one unit more than fit, at most.
		s.partTarget = max(s.partTarget, ((s.longest/unit+1)*unit).Truncate(time.Millisecond)+time.Millisecond)
	}
}

// target is EXT-X-TARGETDURATION.
func (m *Muxer) target() time.Duration {
	if m.shape.fixed {
		return m.shape.target
	}
	return m.rule.Target
}
