package congestion

import "time"

// Bounds of the timeouts (RFC 7016 section 3.5.2.2).
const (
	initialERTO  = 3 * time.Second
	minimalERTO  = 250 * time.Millisecond
	maximalERTO  = 10 * time.Second
	ackAllowance = 200 * time.Millisecond
)

// RTT follows the round-trip time of a path. Its zero value is not ready: use
// NewRTT.
type RTT struct {
	smoothed, variation time.Duration
	mrto, erto          time.Duration
	known               bool
}

// NewRTT returns an estimate that knows nothing yet.
func NewRTT() RTT { return RTT{mrto: minimalERTO, erto: initialERTO} }

// Update takes a measurement, 0 or more, and ends any back-off.
func (r *RTT) Update(sample time.Duration) {
	if r.known {
		r.variation = (3*r.variation + (r.smoothed - sample).Abs()) / 4
		r.smoothed = (7*r.smoothed + sample) / 8
	} else {
		r.smoothed, r.variation, r.known = sample, sample/2, true
	}
	r.mrto = r.smoothed + 4*r.variation + ackAllowance
	r.erto = max(r.mrto, minimalERTO)
}

// Smoothed returns the smoothed round-trip time and whether it is known.
func (r *RTT) Smoothed() (time.Duration, bool) { return r.smoothed, r.known }

// ERTO returns the effective retransmission timeout, at most 10 s unless the
// path itself is slower.
func (r *RTT) ERTO() time.Duration { return r.erto }

// BackOff lengthens the timeout after it has fired without an answer.
func (r *RTT) BackOff() {
	r.erto = max(min(time.Duration(float64(r.erto)*1.4142), maximalERTO), r.mrto)
}
