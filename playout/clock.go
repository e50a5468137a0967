package playout

import "time"

// Limits of what counts as jitter of an audio timestamp.
const (
	audioJitter = 40 * time.Millisecond
	audioBreak  = 500 * time.Millisecond
	audioTries  = 3
)

// AudioClock gives audio samples exact times by counting them: timestamps of a
// millisecond would make fragments that do not join, and clicks.
type AudioClock struct {
	// Rate is the sample rate in hertz.
	Rate   int64
	next   int64 // expected time of the next unit in samples
	off    int   // units in a row that were not where expected
	active bool
}

// Place returns the unit's time in samples, and whether it follows the one
// before it without a gap.
func (c *AudioClock) Place(dts time.Duration, unit int64) (at int64, joined bool) {
	exact := ToScale(dts, c.Rate)
	jitter := max(ToScale(audioJitter, c.Rate), 2*unit)
	if !c.active {
		c.active, c.next = true, exact+unit
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
	if c.off >= audioTries || d > ToScale(audioBreak, c.Rate) {
		c.off = 0
		c.next = exact + unit
		return exact, false
	}
	at = c.next
	c.next = at + unit
	return at, true
}

// ToScale converts a time to units of a timescale.
func ToScale(d time.Duration, scale int64) int64 {
	whole, rest := int64(d/time.Second), int64(d%time.Second)
	if rest < 0 {
		whole, rest = whole-1, rest+int64(time.Second)
	}
	return whole*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// FromScale converts units of a timescale to a time.
func FromScale(v, scale int64) time.Duration {
	return time.Duration(v/scale)*time.Second + time.Duration(v%scale)*time.Second/time.Duration(scale)
}
