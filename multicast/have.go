package multicast

import (
	"math/bits"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
)

// Oldest returns the lowest number that is kept track of, 0 if none ever was.
// Maps do not go below it.
func (w *Window) Oldest() fragmenter.ID { return w.base }

// Live returns the lowest number that is still sought when it is missing. It
// is Known+1 when there is none.
func (w *Window) Live() fragmenter.ID { return w.live }

// Known returns the highest number that is known to exist, 0 if none ever was.
func (w *Window) Known() fragmenter.ID { return w.known }

// Newest returns the highest number held, 0 if nothing is.
func (w *Window) Newest() fragmenter.ID {
	newest := fragmenter.ID(0)
	for _, id := range w.newest {
		newest = max(newest, id)
	}
	if newest < w.base {
		return 0
	}
	return newest
}

// NewestInSlice returns the highest number of the slice that is held, 0 if none
// is.
func (w *Window) NewestInSlice(slice int) fragmenter.ID {
	if id := w.newest[slice]; id >= w.base {
		return id
	}
	return 0
}

// Has reports whether the fragment is held.
func (w *Window) Has(id fragmenter.ID) bool {
	return id >= w.base && id <= w.known && w.base > 0 && w.held[w.word(id)]&(1<<(id&63)) != 0
}

// NextMissing returns the lowest missing number from id to Known, and whether
// there is one.
func (w *Window) NextMissing(id fragmenter.ID) (fragmenter.ID, bool) {
	return w.nextMissing(id, ^uint64(0))
}

// NextMissingInSlice returns the lowest missing number of the slice from id to
// Known, and whether there is one.
func (w *Window) NextMissingInSlice(slice int, id fragmenter.ID) (fragmenter.ID, bool) {
	return w.nextMissing(id, 0x0101010101010101<<slice)
}

// nextMissing looks only at numbers whose bit, modulo 64, is in the mask.
func (w *Window) nextMissing(id fragmenter.ID, mask uint64) (fragmenter.ID, bool) {
	id = max(id, w.base, 1)
	for id <= w.known {
		missing := ^w.held[w.word(id)] & mask >> (id & 63) << (id & 63)
		if missing == 0 {
			id = id&^63 + 64
			continue
		}
		if id = id&^63 + fragmenter.ID(bits.TrailingZeros64(missing)); id <= w.known {
			return id, true
		}
		break
	}
	return 0, false
}

// Complete returns the highest number up to which from Live on nothing is
// missing.
func (w *Window) Complete() fragmenter.ID {
	if id, ok := w.NextMissing(w.live); ok {
		return id - 1
	}
	return w.known
}

// Missing counts the numbers from Live to Known that are missing.
func (w *Window) Missing() int {
	if w.base == 0 || w.live > w.known {
		return 0
	}
	missing := int(w.known - w.live + 1)
	for id := w.live; id <= w.known; {
		word := w.held[w.word(id)] >> (id & 63)
		if span := w.known - id + 1; span < 64 {
			word &= 1<<span - 1
		}
		missing -= bits.OnesCount64(word)
		id = id&^63 + 64
	}
	return missing
}

// RunStart returns the lowest number, but not below floor, from which on all up
// to id are held if id is, or all are missing if id is.
func (w *Window) RunStart(id, floor fragmenter.ID) fragmenter.ID {
	floor = max(floor, w.base)
	held := w.Has(id)
	for id > floor {
		// The bits of the numbers up to id in its word, at the top; ones are
		// of the other kind than id.
		other := w.held[w.word(id)] << (63 - id&63)
		if held {
			other = ^other
		}
		same := fragmenter.ID(bits.LeadingZeros64(other))
		if in := id&63 + 1; same < in {
			return max(id-same+1, floor)
		}
		if id&^63 <= floor {
			return floor
		}
		id = id&^63 - 1
		if w.Has(id) != held {
			return id + 1
		}
	}
	return floor
}

// AppendMap appends the plain map of what is held, nothing if nothing is.
func (w *Window) AppendMap(b []byte) []byte { return wire.AppendMap(b, w) }

// AppendStatus appends a status with what is held, in at most limit bytes.
func (w *Window) AppendStatus(b []byte, s wire.Status, limit int) []byte {
	return wire.AppendStatus(b, s, w, limit)
}
