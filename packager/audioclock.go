package packager

import "time"

// Limits of what counts as jitter of an audio timestamp.
const (
	audioJitter = 40 * time.Millisecond
	audioBreak  = 500 * time.Millisecond
	audioTries  = 3
	// audioSlack is how near to a whole number of units a hole must be to be
	// one of lost units: what rounding to milliseconds costs, twice.
	audioSlack = 1500 * time.Microsecond
	// audioSteady is how many units in a row may be off to one side by more
	// than audioOff before that counts as where they belong: jitter changes
	// sides.
	audioSteady = 32
	audioOff    = 10 * time.Millisecond
	// audioMarks is how many units are remembered for [AudioClock.Sync].
	audioMarks = 128
)

// AudioClock gives audio samples exact times by counting them: timestamps of a
// millisecond would make fragments that do not join, and clicks.
//
// All nodes that see the same units place them alike. One that joins late, or
// that lost some, learns from the publisher's [AudioMark] where a unit belongs.
type AudioClock struct {
	// Rate is the sample rate in hertz.
	Rate   int64
	next   int64 // expected time of the next unit in samples
	off    int   // units in a row that were not where expected
	hole   int64 // units that seemed lost before the last one
	active bool
	// steady counts units off to one side, by least at least: positive if
	// they are late.
	steady int
	least  int64

	anchor    AudioMark // where a unit before the first one belongs
	hasAnchor bool
	marks     [audioMarks]AudioMark // the last ones placed
	placed    int
}

// AudioMark says where an audio unit was placed: the position, in samples since
// media time 0, of the unit with this decode time.
type AudioMark struct {
	DTS time.Duration
	At  int64
}

// Last returns the mark of the last unit, and false before the first.
func (c *AudioClock) Last() (AudioMark, bool) {
	if c.placed == 0 {
		return AudioMark{}, false
	}
	return c.marks[(c.placed-1)%audioMarks], true
}

// Place returns the unit's time in samples, and whether it follows the one
// before it without a gap. unit is its length in samples.
func (c *AudioClock) Place(dts time.Duration, unit int64) (at int64, joined bool) {
	at, joined = c.place(dts, max(unit, 1))
	c.next = at + unit
	c.marks[c.placed%audioMarks] = AudioMark{dts, at}
	c.placed++
	return at, joined
}

func (c *AudioClock) place(dts time.Duration, unit int64) (at int64, joined bool) {
	exact := ToScale(dts, c.Rate)
	jitter := max(ToScale(audioJitter, c.Rate), 2*unit)
	if !c.active {
		c.active = true
		return c.first(dts, unit, jitter), false
	}
	d := exact - c.next
	if lost := c.lostUnits(d, unit); lost > 0 {
		// One unit off by a whole number of units may be jitter; two are not.
		if c.hole == lost || d > ToScale(audioBreak, c.Rate) {
			c.off, c.hole = 0, 0
			return c.next + lost*unit, false
		}
		c.hole = lost
	} else {
		c.hole = 0
	}
	if d < 0 {
		d = -d
	}
	if d > jitter {
		c.off++
	} else {
		c.off = 0
	}
	if c.off >= audioTries || d > ToScale(audioBreak, c.Rate) {
		c.off, c.steady = 0, 0
		return exact, false
	}
	if by := c.steadyOffset(exact - c.next); by != 0 {
		return c.next + by, false
	}
	return c.next, true
}

// steadyOffset returns by how much all of the last units were off, 0 unless
// they were for long.
func (c *AudioClock) steadyOffset(d int64) int64 {
	limit := ToScale(audioOff, c.Rate)
	switch {
	case d < limit && d > -limit:
		c.steady = 0
		return 0
	case c.steady == 0 || d > 0 != (c.least > 0):
		c.steady, c.least = 1, d
	case d > 0:
		c.steady, c.least = c.steady+1, min(c.least, d)
	default:
		c.steady, c.least = c.steady+1, max(c.least, d)
	}
	if c.steady < audioSteady {
		return 0
	}
	c.steady = 0
	return c.least
}

// lostUnits returns how many units a hole of d samples stands for, 0 if it is
// not a whole number of them.
func (c *AudioClock) lostUnits(d, unit int64) int64 {
	n := (d + unit/2) / unit
	if n < 1 {
		return 0
	}
	if rest := d - n*unit; rest > ToScale(audioSlack, c.Rate) || rest < -ToScale(audioSlack, c.Rate) {
		return 0
	}
	return n
}

// first places the first unit: where the publisher's count puts it if that is
// known.
func (c *AudioClock) first(dts time.Duration, unit, jitter int64) int64 {
	exact := ToScale(dts, c.Rate)
	if !c.hasAnchor {
		return exact
	}
	at := c.anchor.after(dts, unit, c.Rate)
	if d := at - exact; d > jitter || d < -jitter {
		return exact
	}
	return at
}

// after returns where a unit belongs that has this decode time, if all units
// between it and the marked one are there.
func (m AudioMark) after(dts time.Duration, unit, rate int64) int64 {
	return m.At + nearest(ToScale(dts, rate)-ToScale(m.DTS, rate), unit)*unit
}

// Align returns the first position from at on where a unit may begin, as far as
// is known before the first unit.
func (c *AudioClock) Align(at, unit int64) int64 {
	if c.active || !c.hasAnchor || unit <= 0 {
		return at
	}
	aligned := c.anchor.after(FromScale(at, c.Rate), unit, c.Rate)
	if aligned < at {
		aligned += unit
	}
	return aligned
}

// nearest returns d / unit, rounded.
func nearest(d, unit int64) int64 {
	if d < 0 {
		return -nearest(-d, unit)
	}
	return (d + unit/2) / unit
}

// Sync takes the publisher's mark of a unit. If this clock placed the unit
// elsewhere, or has not placed it, the following ones move to where the
// publisher has them. unit is the length of a unit in samples.
func (c *AudioClock) Sync(m AudioMark, unit int64) {
	if !c.active {
		c.anchor, c.hasAnchor = m, true
		return
	}
	for i := range min(c.placed, audioMarks) {
		if own := c.marks[(c.placed-1-i)%audioMarks]; own.DTS == m.DTS {
			c.shift(m.At - own.At)
			return
		}
	}
	if last, ok := c.Last(); ok && unit > 0 {
		// The unit itself did not come. The rest are whole units away.
		c.shift(m.after(last.DTS, unit, c.Rate) - last.At)
	}
}

// shift moves the expected next unit by samples, within what can be a mistake
// of this clock.
func (c *AudioClock) shift(by int64) {
	if most := ToScale(audioBreak, c.Rate); by >= -most && by <= most {
		c.next += by
	}
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
