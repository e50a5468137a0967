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
	window  []time.Duration // the depth greatest times so far, sorted
	early   []time.Duration // until started
	started bool
	last    time.Duration
	primed  int           // pictures given out
	step    time.Duration // between two pictures, as seen at the start
}

// add takes the presentation time of the next picture in decoding order and
// returns decode times for the pictures that are settled by it: at the start
// none, then one for each that waited, later always one.
func (c *dtsClock) add(dst []time.Duration, pts time.Duration) []time.Duration {
	if c.started {
		return c.settle(dst, pts)
	}
	// Only after this many pictures two neighbors in presentation order are
	// sure to be among them, whose distance extends the times backwards.
	c.early = append(c.early, pts)
	if len(c.early) < 2*c.depth+1 {
		return dst
	}
	c.started = true
	c.step = spacing(c.early)
	first := slices.Min(c.early)
	for k := range c.depth {
		c.window = append(c.window, first-time.Duration(c.depth-k)*c.step)
	}
	for _, p := range c.early {
		dst = c.settle(dst, p)
	}
	c.early = nil
	return dst
}

// settle is add once the window is full.
func (c *dtsClock) settle(dst []time.Duration, pts time.Duration) []time.Duration {
	i, _ := slices.BinarySearch(c.window, pts)
	c.window = slices.Insert(c.window, i, pts)
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
func spacing(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	least := time.Duration(0)
	for i := 1; i < len(sorted); i++ {
		if d := sorted[i] - sorted[i-1]; d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	if least == 0 {
		return 40 * time.Millisecond
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
