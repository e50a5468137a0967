package overlay

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// coarse is an instant in steps of 50 ms, for times of which a node keeps
// hundreds: thousands of nodes may live in one process. It lasts for six years
// of a clock. 0 is never, or not yet.
type coarse uint32

const coarseStep = 50 * time.Millisecond

// coarseOf rounds down. Instants before the clock's start become the first.
func coarseOf(t reliability.Time) coarse {
	return coarse(max(1, t/reliability.Time(coarseStep)))
}

// time returns the instant, 0 for never.
func (c coarse) time() reliability.Time { return reliability.Time(c) * reliability.Time(coarseStep) }

// age returns how long ago c was.
func (c coarse) age(now reliability.Time) time.Duration { return now.Sub(c.time()) }
