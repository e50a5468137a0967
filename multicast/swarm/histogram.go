package swarm

import (
	"math"
	"time"
)

// Histogram counts durations in bins of one width. The zero value has bins of
// a millisecond. Durations beyond the last bin count in it.
type Histogram struct {
	bins  []uint32
	count uint64
	sum   time.Duration
	max   time.Duration
}

const (
	binWidth = time.Millisecond
	binCount = 60_000
)

// Add counts d; a negative duration counts as 0.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	i := min(int(d/binWidth), binCount-1)
	for i >= len(h.bins) {
		h.bins = append(h.bins, make([]uint32, max(512, len(h.bins)))...)
	}
	h.bins[i]++
	h.count++
	h.sum += d
	h.max = max(h.max, d)
}

// Count returns how many durations have been added.
func (h *Histogram) Count() uint64 { return h.count }

// Mean returns the mean, 0 without values.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// Max returns the largest value.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that a share q of the values does not exceed,
// to half a bin, or 0 without values.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.count)))
	var seen uint64
	for i, n := range h.bins {
		if seen += uint64(n); seen >= max(rank, 1) {
			return time.Duration(i)*binWidth + binWidth/2
		}
	}
	return h.max
}

// Curve returns the distribution as points: for each duration in seconds the
// share of values that are no larger. Empty ranges have no points.
func (h *Histogram) Curve() (x, y []float64) {
	var seen uint64
	for i, n := range h.bins {
		if n == 0 {
			continue
		}
		seen += uint64(n)
		x = append(x, (time.Duration(i+1) * binWidth).Seconds())
		y = append(y, float64(seen)/float64(h.count))
	}
	return x, y
}

// Counts is a count for each small whole number, such as hops or degrees.
type Counts struct {
	n     []uint64
	total uint64
	sum   uint64
}

// Add counts v, which is 0 or more.
func (c *Counts) Add(v int) {
	v = max(v, 0)
	for v >= len(c.n) {
		c.n = append(c.n, 0)
	}
	c.n[v]++
	c.total++
	c.sum += uint64(v)
}

// Mean returns the mean, 0 without values.
func (c *Counts) Mean() float64 {
	if c.total == 0 {
		return 0
	}
	return float64(c.sum) / float64(c.total)
}

// Max returns the largest value that was counted.
func (c *Counts) Max() int { return max(len(c.n)-1, 0) }

// Total returns how many values were counted.
func (c *Counts) Total() uint64 { return c.total }

// Quantile returns the smallest value that a share q does not exceed.
func (c *Counts) Quantile(q float64) int {
	rank := max(uint64(math.Ceil(q*float64(c.total))), 1)
	var seen uint64
	for v, n := range c.n {
		if seen += n; seen >= rank {
			return v
		}
	}
	return c.Max()
}

// merge adds what another count has counted.
func (c *Counts) merge(o *Counts) {
	for v, n := range o.n {
		for v >= len(c.n) {
			c.n = append(c.n, 0)
		}
		c.n[v] += n
	}
	c.total += o.total
	c.sum += o.sum
}
