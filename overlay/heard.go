package overlay

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// maxHeard bounds RingParams.HeardLimit, so that places fit 16 bits.
const maxHeard = 4096

// Penalties of eviction: how much older an entry counts.
const (
	unverifiedPenalty = 60 * time.Second
	failurePenalty    = 60 * time.Second
	evictionNoise     = 30 * time.Second
	// evictionSample is how many entries are looked at to find one to evict.
	evictionSample = 10
	// shelteredRanks is how many entries next to this node on either side are
	// evicted only when they failed.
	shelteredRanks = 6
	// fewHeard is how many entries a list may hold before prefixes count.
	fewHeard = 32
)

// entryFlags say what is known of a member.
type entryFlags uint8

const (
	// entryVerified: the member has proved here that it belongs to the group.
	entryVerified entryFlags = 1 << iota
	// entryUnreachable: it lives, but no direct session came about.
	entryUnreachable
	// entryDialing: an attempt is under way.
	entryDialing
	// entryGone: it took leave, and nobody has heard of it since.
	entryGone
	// entryWanted: the application asked for a link with it.
	entryWanted
	// entryForeign: it is of another make, so all know it by this ID.
	entryForeign
)

// entry is a member that was heard of.
type entry struct {
	id  PeerID
	pos uint64 // upper bits of its address
	// addrs are its addresses as they are sent, one after the other.
	addrs string
	link  *link // nil unless linked
	// lastHeard is when somebody had a verified exchange with it, at least as
	// far as is known.
	lastHeard coarse
	// failAt is when it was last found dead or gone. News older than that don't
	// revive it.
	failAt coarse
	// nextRing and nextOther are when it may be dialed again as a ring neighbor
	// and for any other place.
	nextRing, nextOther coarse
	rtt                 uint32 // µs, 0 = never measured
	prefix              uint32 // of its public address, 0 = none known
	informer            uint32 // who told of it, 0 = nobody in particular
	fails               uint8
	flags               entryFlags
}

func (e *entry) is(f entryFlags) bool { return e.flags&f != 0 }

func (e *entry) set(f entryFlags, on bool) {
	if on {
		e.flags |= f
	} else {
		e.flags &^= f
	}
}

// pauseFor says how long the member is not dialed: as a ring neighbor, and for
// any other place.
func (e *entry) pauseFor(now reliability.Time, ring, other time.Duration) {
	e.nextRing, e.nextOther = coarseOf(now.Add(ring)), coarseOf(now.Add(other))
}

// noEntry stands for no place in the list.
const noEntry = -1

// heard is the list of members that a node knows of. Entries keep their place
// in the slab as long as they live; keys and order sort them by position, and
// table finds them by ID.
type heard struct {
	self  PeerID
	pos   uint64
	limit int

	slab  []entry
	free  []uint16
	keys  []uint64 // positions in ring order
	order []uint16 // places in the slab, in the same order
	table []uint16 // open addressing by ID: place + 1, 0 = empty
}

func newHeard(self PeerID, pos uint64, limit int) heard {
	size := 64
	for size*2 < limit*3 {
		size *= 2
	}
	return heard{self: self, pos: pos, limit: limit, table: make([]uint16, size)}
}

// Len returns the number of entries.
func (h *heard) Len() int { return len(h.order) }

// at returns the entry at a place. The pointer is good until the next add.
func (h *heard) at(place int) *entry { return &h.slab[place] }

// ranked returns the place of the entry with a rank, taken modulo the length,
// in ring order.
func (h *heard) ranked(rank int) int {
	n := len(h.order)
	if rank >= n {
		rank -= n
	} else if rank < 0 {
		rank += n
	}
	return int(h.order[rank])
}

// rank returns how many entries have a position below pos.
func (h *heard) rank(pos uint64) int {
	low, high := 0, len(h.keys)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if h.keys[mid] < pos {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (h *heard) slot(id *PeerID) int {
	return int(binary.LittleEndian.Uint32(id[:4])) & (len(h.table) - 1)
}

// find returns the place of a member, or noEntry.
func (h *heard) find(id *PeerID) int {
	for i := h.slot(id); ; i = (i + 1) & (len(h.table) - 1) {
		place := int(h.table[i]) - 1
		if place < 0 {
			return noEntry
		}
		if h.slab[place].id == *id {
			return place
		}
	}
}

// add makes an entry for a member that is not in the list. The list must not be
// full.
func (h *heard) add(id PeerID, pos uint64) int {
	var place int
	if n := len(h.free); n > 0 {
		place = int(h.free[n-1])
		h.free = h.free[:n-1]
	} else {
		if len(h.slab) == cap(h.slab) {
			// Small steps: thousands of lists may live in one process.
			h.slab = growBy(h.slab, max(8, len(h.slab)/4), h.limit)
		}
		place = len(h.slab)
		h.slab = append(h.slab, entry{})
	}
	h.slab[place] = entry{id: id, pos: pos}
	rank := h.rank(pos)
	if len(h.keys) == cap(h.keys) {
		h.keys, h.order = growBy(h.keys, max(8, len(h.keys)/4), h.limit), growBy(h.order, max(8, len(h.keys)/4), h.limit)
	}
	h.keys = slices.Insert(h.keys, rank, pos)
	h.order = slices.Insert(h.order, rank, uint16(place))
	i := h.slot(&id)
	for h.table[i] != 0 {
		i = (i + 1) & (len(h.table) - 1)
	}
	h.table[i] = uint16(place) + 1
	return place
}

// remove deletes the entry at a place.
func (h *heard) remove(place int) {
	e := &h.slab[place]
	rank := h.rank(e.pos)
	for int(h.order[rank]) != place {
		rank++ // several members at one position
	}
	h.keys = slices.Delete(h.keys, rank, rank+1)
	h.order = slices.Delete(h.order, rank, rank+1)
	h.unlist(place)
	*e = entry{}
	h.free = append(h.free, uint16(place))
}

// unlist takes a place out of the table and moves up what came after it, so
// that no mark of the deleted is needed.
func (h *heard) unlist(place int) {
	mask := len(h.table) - 1
	hole := h.slot(&h.slab[place].id)
	for int(h.table[hole]) != place+1 {
		hole = (hole + 1) & mask
	}
	for i := hole; ; {
		i = (i + 1) & mask
		if h.table[i] == 0 {
			break
		}
		home := h.slot(&h.slab[h.table[i]-1].id)
		if (i-home)&mask >= (i-hole)&mask {
			h.table[hole] = h.table[i]
			hole = i
		}
	}
	h.table[hole] = 0
}

// makeRoom evicts an entry if the list is full, and reports whether there is
// room now.
func (h *heard) makeRoom(now reliability.Time, r *rand.Rand) bool {
	if len(h.order) < h.limit {
		return true
	}
	worst, worstAge := noEntry, time.Duration(math.MinInt64)
	own := h.rank(h.pos)
	for range evictionSample {
		rank := r.IntN(len(h.order))
		e := h.at(int(h.order[rank]))
		if e.link != nil || e.is(entryDialing|entryWanted) || e.fails == 0 && !e.is(entryGone) && h.sheltered(rank, own) {
			continue
		}
		age := e.lastHeard.age(now) + failurePenalty*time.Duration(e.fails) + time.Duration(r.Int64N(int64(evictionNoise)))
		if !e.is(entryVerified) {
			age += unverifiedPenalty
		}
		if age > worstAge {
			worst, worstAge = int(h.order[rank]), age
		}
	}
	if worst == noEntry {
		return false
	}
	h.remove(worst)
	return true
}

// sheltered reports whether a rank is one of the nearest to this node's own.
func (h *heard) sheltered(rank, own int) bool {
	n := len(h.order)
	above := (rank - own + n) % n
	return above < shelteredRanks || above >= n-shelteredRanks
}

// prefixFull reports whether as many members with a prefix are in mind, beside
// the linked ones, as may be.
func (h *heard) prefixFull(prefix uint32, limit int) bool {
	if prefix == 0 || len(h.order) < fewHeard {
		return false
	}
	n := 0
	for i := range h.slab {
		if e := &h.slab[i]; e.prefix == prefix && e.link == nil {
			n++
		}
	}
	return n >= limit
}

// expire removes what is too old: entries past age, or past age and memory for
// those that this node keeps to mend a group that fell apart.
func (h *heard) expire(now reliability.Time, age, memory time.Duration) {
	for i := 0; i < len(h.order); {
		place := int(h.order[i])
		e := h.at(place)
		limit := age
		if h.remembers(e) {
			limit += memory
		}
		if e.link == nil && !e.is(entryDialing|entryWanted) && e.lastHeard.age(now) >= limit {
			h.remove(place)
			continue
		}
		i++
	}
}

// remembers tells which quarter of the members that it has spoken to a node
// remembers. Both IDs decide, so that each member is remembered by somebody.
func (h *heard) remembers(e *entry) bool {
	return e.is(entryVerified) && !e.is(entryGone) && (e.id[4]^h.self[5])&3 == 0
}

// growBy makes room for some more elements, up to a limit, and no more than
// that: the standard way doubles.
func growBy[T any](list []T, more, limit int) []T {
	grown := make([]T, len(list), max(len(list)+1, min(len(list)+more, limit)))
	copy(grown, list)
	return grown
}
