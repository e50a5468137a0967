package multicast

import "github.com/ringcast/ringcast/fragmenter"

// rates measures a stream over the last four seconds: how many fragments are
// published each second and how large they are. The numbers of fragments tell
// how many there were even if some are missing here.
type rates struct {
	buckets [rateBuckets]rateBucket
	at      int
	ids     float32
	bytes   float32 // bytes a second, fragment heads included
	valid   bool
}

const (
	rateBuckets  = 8
	rateInterval = 500 // ms
)

type rateBucket struct {
	start fragmenter.ID // the highest number when it began
	count uint32
	bytes uint32
	began millis
}

// add counts a fragment that has come.
func (r *rates) add(size int) {
	b := &r.buckets[r.at]
	b.count++
	b.bytes += uint32(size)
}

// update ends a bucket when it is over. It reports whether the rates are new.
func (r *rates) update(now millis, head fragmenter.ID) bool {
	current := &r.buckets[r.at]
	if current.began == 0 {
		*current = rateBucket{start: head, began: now}
		return false
	}
	if now.after(current.began) < rateInterval {
		return false
	}
	count, bytes := uint32(0), uint32(0)
	oldest := current
	for i := range r.buckets {
		b := &r.buckets[i]
		if b.began == 0 {
			continue
		}
		count += b.count
		bytes += b.bytes
		if now.after(b.began) > now.after(oldest.began) {
			oldest = b
		}
	}
	// A stream that has stalled is not a slow one: more children could not be
	// fed when it goes on.
	if count > 0 && head > current.start {
		seconds := float32(now.after(oldest.began)) / 1000
		r.ids = float32(head-oldest.start) / seconds
		r.bytes = r.ids * float32(bytes) / float32(count)
		r.valid = true
	}
	r.at = (r.at + 1) % rateBuckets
	r.buckets[r.at] = rateBucket{start: head, began: now}
	return true
}

// line returns what the stream takes on a line: bytes a second with what each
// packet costs.
func (r *rates) line() float64 { return float64(r.bytes) + float64(r.ids)*packetOverhead }

// idsIn returns how many fragments are published in so many milliseconds.
func (r *rates) idsIn(ms float32) fragmenter.ID {
	if ms <= 0 {
		return 0
	}
	return fragmenter.ID(r.ids*ms/1000 + 0.5)
}

// rateMeter averages bytes over the last few seconds.
type rateMeter struct {
	bytes uint64 // in all
	last  uint64 // at the last update
	rate  float32
}

func (m *rateMeter) add(bytes int) { m.bytes += uint64(bytes) }

// update is called each half second.
func (m *rateMeter) update() {
	now := float32(m.bytes-m.last) / (float32(rateInterval) / 1000)
	m.last = m.bytes
	m.rate += (now - m.rate) / 4
}
