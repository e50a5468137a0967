package packager

import "time"

// Unwrapper turns 32-bit millisecond timestamps that wrap into times that do
// not. FFmpeg and OBS wrap at 2^31, senders that follow the specification at
// 2^32; counting modulo 2^31 absorbs both. All tracks of a stream share one.
// Only timestamps of frames may be given to it: those of configurations and
// metadata are often 0 in mid-stream.
type Unwrapper struct {
	last    uint32
	full    int64 // milliseconds
	started bool
}

// Unwrap returns the time that belongs to a timestamp: the nearest to the last
// one that fits.
func (u *Unwrapper) Unwrap(timestamp uint32) time.Duration {
	if !u.started {
		u.started, u.last, u.full = true, timestamp, int64(timestamp)
		return time.Duration(u.full) * time.Millisecond
	}
	const half, modulus = 1 << 30, 1 << 31
	d := int64((timestamp - u.last) & (modulus - 1))
	if d >= half {
		d -= modulus
	}
	u.full += d
	u.last = timestamp
	return time.Duration(u.full) * time.Millisecond
}

// Set says that timestamp stands for this time, which restores what was lost
// to wrapping before the first timestamp was seen.
func (u *Unwrapper) Set(timestamp uint32, full time.Duration) {
	*u = Unwrapper{last: timestamp, full: full.Milliseconds(), started: true}
}

// peek returns the time of a timestamp that does not count for the sequence:
// the last frame's time if the timestamp is not near it.
func (u *Unwrapper) peek(timestamp uint32) time.Duration {
	const half, modulus = 1 << 30, 1 << 31
	d := int64((timestamp - u.last) & (modulus - 1))
	if d >= half {
		d -= modulus
	}
	if d < -10_000 || d > 10_000 {
		d = 0
	}
	return time.Duration(u.full+d) * time.Millisecond
}
