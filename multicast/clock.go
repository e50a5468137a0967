package multicast

// streamClock tells which timestamp a message has that is published now. The
// source derives it from what it writes and tells its neighbors with its
// state; they hand it on. Since control messages wait for nothing, half of the
// round trip is all that has to be added on the way. It is what makes the lags
// of two nodes comparable.
type streamClock struct {
	valid   bool
	stratum uint8 // over how many nodes it came
	// offset is the timestamp minus the own time in milliseconds, modulo 2^32,
	// and fine what has to be added to it.
	offset uint32
	fine   float32
	heard  millis // when it was last confirmed
}

const (
	// clockStep is the error from which on the clock is set anew instead of
	// being steered, in milliseconds: the publisher's timestamps have jumped.
	clockStep = 1000
	// clockPatience is after what time without a confirmation a source farther
	// away is believed, in milliseconds.
	clockPatience = 12_000
	// clockDepth bounds how often a clock is handed on.
	clockDepth = 30
	// plainStratum is where a clock begins that is guessed from what a neighbor
	// of the plain protocol pushes.
	plainStratum = 12
)

// at returns the timestamp that belongs to a time.
func (k *streamClock) at(now millis) uint32 { return uint32(now) + k.offset + uint32(int32(k.fine)) }

// age returns how long ago a timestamp was published, in milliseconds.
func (k *streamClock) age(now millis, timestamp uint32) float32 {
	return float32(int32(uint32(now)+k.offset-timestamp)) + k.fine
}

// steer corrects the clock by an observation: that timestamp belongs to now.
// An observation that is late by waiting makes the clock slow, never fast, so
// corrections upwards may weigh more than those downwards.
func (k *streamClock) steer(now millis, timestamp uint32, up, down float32) {
	wrong := -k.age(now, timestamp)
	if !k.valid || wrong > clockStep || wrong < -clockStep {
		k.valid = true
		k.offset, k.fine = timestamp-uint32(now), 0
		return
	}
	if wrong > 0 {
		k.fine += wrong * up
	} else {
		k.fine += wrong * down
	}
	if whole := int32(k.fine); whole != 0 {
		k.offset += uint32(whole)
		k.fine -= float32(whole)
	}
}

// publish follows the timestamps that a source writes. Encoders deliver
// unevenly, so it is the mean that counts.
func (k *streamClock) publish(now millis, timestamp uint32) {
	k.stratum = 0
	k.steer(now, timestamp, 1.0/64, 1.0/64)
}

// hear takes a clock that a neighbor states, corrected by the way.
func (k *streamClock) hear(now millis, stratum uint8, clock uint32, oneWay float32) {
	if stratum >= clockDepth {
		return
	}
	stale := now.after(k.heard) > clockPatience
	if k.valid && stratum+1 > k.stratum && !stale {
		return
	}
	if k.valid && (stale || stratum+1 < k.stratum) && stratum+1 != k.stratum {
		k.valid = false // another source, perhaps with another error
	}
	k.stratum, k.heard = stratum+1, now
	k.steer(now, clock+uint32(int32(oneWay+0.5)), 0.5, 1.0/16)
}

// guess makes a clock where no neighbor states one: what comes soonest counts
// as just published.
func (k *streamClock) guess(now millis, timestamp uint32) {
	if k.valid && k.stratum < plainStratum {
		return
	}
	k.stratum, k.heard = plainStratum, now
	k.steer(now, timestamp, 1, 1.0/1024)
}
