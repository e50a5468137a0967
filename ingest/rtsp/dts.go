package rtsp

import (
	"slices"
	"time"
)

// maxReorder bounds how many pictures a stream may be out of order by; the
// standards allow 16.
const maxReorder = 16

// dtsClock finds decode times for a track that has presentation times only, as
// RTP gives them. With a reorder depth of n, the decode time of a picture is
// the presentation time that lies n places before it in presentation order.
type dtsClock struct {
	depth   int
	window  []time.Duration // the depth+1 greatest times so far, sorted
	started bool
	last    time.Duration
	primed  int // pictures given out before the window was full
	step    time.Duration
}

// add takes the presentation time of the next picture in decoding order and
// returns decode times for the pictures that are settled by it: at the start
// none, then one for each that waited, later always one.
func (c *dtsClock) add(dst []time.Duration, pts time.Duration) []time.Duration {
	i, _ := slices.BinarySearch(c.window, pts)
	c.window = slices.Insert(c.window, i, pts)
	if !c.started {
		if len(c.window) <= c.depth {
			return dst
		}
		c.started = true
		c.step = c.spacing()
		for k := range c.depth {
			dst = append(dst, c.monotonic(c.window[0]-time.Duration(c.depth-k)*c.step))
		}
	}
	dts := c.window[0]
	c.window = c.window[1:]
	if dts > pts && c.depth < maxReorder {
		// Deeper than was told: one more picture has to wait from now on.
		c.depth++
		c.window = slices.Insert(c.window, 0, pts-c.step)
		dts = pts
	}
	return append(dst, c.monotonic(dts))
}

// spacing is the least distance of two presentation times.
func (c *dtsClock) spacing() time.Duration {
	least := 40 * time.Millisecond
	for i := 1; i < len(c.window); i++ {
		if d := c.window[i] - c.window[i-1]; d > 0 && (i == 1 || d < least) {
			least = d
		}
	}
	return least
}

func (c *dtsClock) monotonic(dts time.Duration) time.Duration {
	if c.primed > 0 && dts <= c.last {
		dts = c.last + time.Millisecond
	}
	c.primed++
	c.last = dts
	return dts
}
