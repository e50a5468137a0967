package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
)

// startOffset is added to all media times, so that no DTS is negative and
// players that look at PTS see no wrap at the start.
const startOffset = 10 * time.Second

// Limits of what counts as jitter of an audio timestamp.
const (
	audioJitter = 40 * time.Millisecond
	audioBreak  = 500 * time.Millisecond
	audioTries  = 3
)

// audioClock gives audio samples exact times by counting them: timestamps of a
// millisecond would make fragments that do not join, and clicks.
type audioClock struct {
	rate   int64
	next   int64 // expected time of the next unit in samples
	last   int64
	off    int // units in a row that were not where expected
	active bool
}

// place returns the unit's time in samples, and whether it follows the one
// before it without a gap.
func (c *audioClock) place(dts time.Duration, unit int64) (at int64, joined bool) {
	exact := toScale(dts, c.rate)
	jitter := max(toScale(audioJitter, c.rate), 2*unit)
	if !c.active {
		c.active, c.next = true, exact
		c.last, c.next = exact, exact+unit
		return exact, false
	}
	d := exact - c.next
	if d < 0 {
		d = -d
	}
	if d > jitter {
		c.off++
	} else {
		c.off = 0
	}
	if c.off >= audioTries || d > toScale(audioBreak, c.rate) {
		c.off = 0
		c.last, c.next = exact, exact+unit
		return exact, false
	}
	at = c.next
	c.last, c.next = at, at+unit
	return at, true
}

// toScale converts a time to units of a timescale.
func toScale(d time.Duration, scale int64) int64 {
	whole, rest := int64(d/time.Second), int64(d%time.Second)
	if rest < 0 {
		whole, rest = whole-1, rest+int64(time.Second)
	}
	return whole*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// fromScale converts units of a timescale to a time.
func fromScale(v, scale int64) time.Duration {
	return time.Duration(v/scale)*time.Second + time.Duration(v%scale)*time.Second/time.Duration(scale)
}

// timescaleOf returns the units a second of a track's times.
func timescaleOf(t packager.Track) int64 {
	if t.ID == packager.TrackAudio && t.SampleRate > 0 {
		return int64(t.SampleRate)
	}
	return 90000
}
