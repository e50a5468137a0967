package packager

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// The rules by which the dates of a stream follow the clock.
const (
	// wallWindow is the time over which the quickest sample counts, in steps
	// of a second: what comes late comes in bursts.
	wallWindow = 30
	// Dates off by wallFrom are moved, by wallSlew of the time that passes,
	// until they are off by wallTo only.
	wallFrom = 100 * time.Millisecond
	wallTo   = 20 * time.Millisecond
	wallSlew = 500 * time.Microsecond // each second
	// Dates off by wallStep for wallStepAfter are set anew.
	wallStep      = 2 * time.Second
	wallStepAfter = 10 * time.Second
)

// wallClock maps media time to the wall clock of the publisher. An encoder's
// clock is off by up to 100 millionths, which is nine seconds a day: the mapping
// follows, slowly, while media times stay as they are.
//
// The host's clock is read once, at the start. From there on the monotonic clock
// counts, so a host that sets its clock moves no dates.
type wallClock struct {
	begun   bool
	start   reliability.Time
	wall    time.Duration // Unix time at start
	mapping time.Duration // Unix time at media time 0
	slewing bool
	last    reliability.Time // when the mapping was moved last
	apart   reliability.Time // since when it is off by a step, 0 if it is not

	// least is the smallest difference of arrival and media time in each of
	// the last seconds, by second modulo its length.
	least  [wallWindow]time.Duration
	filled [wallWindow]bool
	second int64
}

// begin sets the mapping by the first sample.
func (c *wallClock) begin(now reliability.Time, wallMS int64, pts time.Duration) {
	c.begun, c.start, c.last = true, now, now
	c.wall = time.Duration(wallMS) * time.Millisecond
	c.mapping = c.wall - pts
}

// note takes a sample that has arrived.
func (c *wallClock) note(now reliability.Time, pts time.Duration) {
	elapsed := now.Sub(c.start)
	second := int64(elapsed / time.Second)
	for ; c.second < second; c.second++ {
		if second-c.second > wallWindow {
			c.second = second - wallWindow
		}
		c.filled[(c.second+1)%wallWindow] = false
	}
	offset := c.wall + elapsed - pts
	if i := second % wallWindow; !c.filled[i] || offset < c.least[i] {
		c.least[i], c.filled[i] = offset, true
	}
}

// at returns the Unix time in milliseconds at media time 0, moved by what is due.
func (c *wallClock) at(now reliability.Time) int64 {
	passed := now.Sub(c.last)
	c.last = now
	off := c.estimate() - c.mapping
	distance := off
	if off < 0 {
		distance = -off
	}
	if distance < wallStep {
		c.apart = 0
	} else if c.apart == 0 {
		c.apart = now
	}
	switch {
	case c.apart != 0 && now.Sub(c.apart) >= wallStepAfter:
		c.mapping, c.apart, c.slewing = c.mapping+off, 0, false
	case distance < wallTo:
		c.slewing = false
	case c.slewing || distance > wallFrom:
		c.slewing = true
		most := time.Duration(passed.Seconds() * float64(wallSlew))
		c.mapping += min(max(off, -most), most)
	}
	return c.mapping.Milliseconds()
}

// estimate is the mapping by which the quickest samples of the window had no
// delay; the present one if there was none.
func (c *wallClock) estimate() time.Duration {
	found := false
	var least time.Duration
	for i, ok := range c.filled {
		if ok && (!found || c.least[i] < least) {
			found, least = true, c.least[i]
		}
	}
	if !found {
		return c.mapping
	}
	return least
}
