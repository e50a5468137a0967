package rtmfp

import "time"

// deliveryRate follows how many bytes a second are acknowledged while there is
// something to acknowledge. Times in which nothing is under way do not count.
type deliveryRate struct {
	value float64 // bytes a second; 0 is unknown
	bytes int     // since start
	start Instant
	busy  bool
}

// deliverySpan is the time over which one value is taken; the rate is smoothed
// over about four of them.
const deliverySpan = 250 * time.Millisecond

// sent notes that data is under way.
func (r *deliveryRate) sent(now Instant) {
	if !r.busy {
		r.busy, r.start, r.bytes = true, now, 0
	}
}

// acked notes that n bytes were acknowledged, and whether any are left.
func (r *deliveryRate) acked(now Instant, n int, left bool) {
	r.bytes += n
	elapsed := now.Sub(r.start)
	if r.busy && elapsed >= deliverySpan {
		value := float64(r.bytes) / elapsed.Seconds()
		if r.value != 0 {
			value = (3*r.value + value) / 4
		}
		r.value, r.start, r.bytes = value, now, 0
	}
	r.busy = r.busy && left
}
