package multicast

import (
	"math/bits"

	"github.com/ringcast/ringcast/fragmenter"
)

// slots decides how many (child, slice) pairs a node may feed in a stream, and
// which slices it prefers. It never promises more than the uplink carries:
// rounding up by chance put 30 % of small relays over their uplink, and their
// children were late for ever.
type slots struct {
	// k is how many may be granted now: start, which the upload gives by
	// itself, and adjust, which the queue has taught, but not above most.
	k, start, most, adjust int
	// relays are the slices that are preferred, a bit each.
	relays uint8
	// queue is the uplink's queue time in milliseconds, smoothed with 1 s.
	queue float32
	// changed is when k last changed, evicted when a child was last given away
	// because the queue was long.
	changed, evicted millis
}

const (
	slotsPerSlice = 8 // children for each slice that is relayed

	// The queue above which a child is given away, and below which one more is
	// taken, in milliseconds; and how long to wait between changes.
	queueLong, queueShort      = 150, 40
	evictPause                 = 1500
	regainPause, increasePause = 4000, 8000
	// regainParts is into how many parts what is to be regained is divided.
	regainParts = 4
)

// sliceCount is the number of slices as an int.
const sliceCount = int(fragmenter.SliceCount)

// setUpload computes the slots from the upload that the stream may use, what of
// it is spent on other things than media, and the stream's rate with all that a
// packet costs, all in bytes a second.
func (s *slots) setUpload(e *Engine, upload, beside, rate float64) {
	if rate <= 0 {
		return
	}
	sliceRate := rate / float64(sliceCount)
	most := int(0.97 * (upload - max(0.04*rate, beside)) / sliceRate)
	start := int(0.88*(upload-max(0.08*rate, beside))/sliceRate + 0.05)
	if upload <= 0 {
		most, start = 0, 0
	}
	most, start = min(max(most, 0), maxSlots), min(max(start, 0), maxSlots)
	s.start, s.most = start, most
	s.setK()
	s.chooseRelays(e)
}

func (s *slots) setK() { s.k = min(max(s.start+s.adjust, min(s.start, 1)), s.most) }

// maxSlots bounds the children of a stream, whatever the upload.
const maxSlots = 4096

// relayCount returns how many slices a node with k slots prefers.
func relayCount(k int) int { return min(max((k+slotsPerSlice-1)/slotsPerSlice, 1), sliceCount) }

// chooseRelays draws slices until there are as many as the slots can feed.
func (s *slots) chooseRelays(e *Engine) {
	if s.k == 0 {
		s.relays = 0
		return
	}
	want := relayCount(s.k)
	for bits.OnesCount8(s.relays) < want {
		s.relays |= 1 << e.config.Rand.IntN(sliceCount)
	}
	for bits.OnesCount8(s.relays) > want {
		s.relays &^= 1 << e.config.Rand.IntN(sliceCount)
	}
}

// prefer makes a slice one of the preferred ones, in exchange for another.
func (s *slots) prefer(e *Engine, c int) {
	if s.k == 0 || s.relays&(1<<c) != 0 {
		return
	}
	s.relays |= 1 << c
	for bits.OnesCount8(s.relays) > relayCount(s.k) {
		if i := e.config.Rand.IntN(sliceCount); i != c {
			s.relays &^= 1 << i
		}
	}
}

// value is what this node is worth as a child in a slice: how many it feeds.
func (s *slots) value(c int) float32 {
	if s.k == 0 || s.relays&(1<<c) == 0 {
		return 0
	}
	return float32(s.k) / float32(relayCount(s.k))
}

// feedback follows the uplink's queue, each tick. It reports whether a child
// has to be given away.
func (s *slots) feedback(now millis, queue float32, used int) (evict bool) {
	s.queue += (queue - s.queue) * (float32(tickMillis) / 1000)
	switch {
	case s.k == 0:
	case s.queue > queueLong && now.after(s.evicted) > evictPause && used > 1:
		s.adjust = used - 1 - s.start
		s.setK()
		s.evicted, s.changed = now, now
		return true
	case s.queue < queueShort && s.k < s.start && now.after(s.changed) > regainPause:
		// One that feeds few yet, and had a long queue for a moment, would else need
		// minutes to be as much use as it can.
		s.adjust += max((s.start-s.k)/regainParts, 1)
		s.setK()
		s.changed = now
	case s.queue < queueShort && used >= s.k && now.after(s.changed) > increasePause && s.k < s.most:
		s.adjust++
		s.setK()
		s.changed = now
	}
	return false
}
