package reliability

import (
	"math"
	"time"
)

// Time is an instant on a monotonic clock, in nanoseconds from an arbitrary
// start that one process (or one simulation) chooses. It is never a wall
// clock, and it is not media time: media time is a time.Duration from the
// start of a stream. Times of one clock compare with the usual operators.
type Time int64

const (
	// Never is later than every instant. A poll that has no deadline
	// returns it.
	Never Time = math.MaxInt64
	// Start is the first instant of a clock. Clocks hand out instants after
	// it, so that the zero Time can mean "not yet".
	Start Time = 1
)

// Add returns t+d. Never stays Never, and a sum past the range becomes Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	sum := t + Time(d)
	if d > 0 && sum < t {
		return Never
	}
	return sum
}

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// Earliest returns the earlier of t and u.
func Earliest(t, u Time) Time {
	if u < t {
		return u
	}
	return t
}
