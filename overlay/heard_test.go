package overlay

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

func testID(n uint32) (id PeerID) {
	binary.BigEndian.PutUint32(id[28:], n)
	id = PeerID(id.Address()) // spread the numbers
	return id
}

// check holds the list against what must be true of it.
func (h *heard) check(t *testing.T) {
	t.Helper()
	if len(h.keys) != len(h.order) || len(h.order)+len(h.free) != len(h.slab) {
		t.Fatalf("%d keys, %d in order, %d free, %d places", len(h.keys), len(h.order), len(h.free), len(h.slab))
	}
	if !slices.IsSorted(h.keys) {
		t.Fatalf("keys are out of order")
	}
	listed := 0
	for _, v := range h.table {
		if v != 0 {
			listed++
		}
	}
	if listed != len(h.order) {
		t.Fatalf("table has %d entries, list %d", listed, len(h.order))
	}
	for i, place := range h.order {
		e := h.at(int(place))
		if e.pos != h.keys[i] {
			t.Fatalf("rank %d: position %x, key %x", i, e.pos, h.keys[i])
		}
		if got := h.find(&e.id); got != int(place) {
			t.Fatalf("%s is found at %d, is at %d", e.id.Short(), got, place)
		}
	}
}

// The list agrees with a map through random additions and removals, also when
// many IDs fall on one place of the table.
func TestHeardAgainstMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := newHeard(testID(1), 1<<63, 100)
		model := map[PeerID]uint64{}
		for range 3000 {
			id := testID(r.Uint32N(300))
			if seed%2 == 1 {
				copy(id[:4], []byte{1, 0, 0, 0})
			}
			place := h.find(&id)
			if _, known := model[id]; known != (place != noEntry) {
				t.Fatalf("seed %d: find %s says %d, known %v", seed, id.Short(), place, known)
			}
			switch {
			case place != noEntry:
				h.remove(place)
				delete(model, id)
			case h.Len() < h.limit:
				pos := r.Uint64() >> (seed % 3 * 30)
				h.add(id, pos)
				model[id] = pos
			}
		}
		h.check(t)
		if h.Len() != len(model) {
			t.Fatalf("seed %d: %d entries, want %d", seed, h.Len(), len(model))
		}
		for range 50 {
			pos := r.Uint64() >> (seed % 3 * 30)
			want := 0
			for _, p := range model {
				if p < pos {
					want++
				}
			}
			if got := h.rank(pos); got != want {
				t.Fatalf("seed %d: rank of %x = %d, want %d", seed, pos, got, want)
			}
		}
	}
}

// Names made up never push out links, attempts, or live members close by.
func TestHeardEviction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	now := reliability.Start.Add(time.Hour)
	self := testID(0)
	h := newHeard(self, self.Address().Top(), 128)
	kept := map[PeerID]bool{}
	for n := uint32(1); n <= 128; n++ {
		id := testID(n)
		e := h.at(h.add(id, id.Address().Top()))
		e.lastHeard = coarseOf(now.Add(-4 * time.Minute))
		switch n % 8 {
		case 0:
			e.link = &link{}
			kept[id] = true
		case 1:
			e.set(entryDialing, true)
			kept[id] = true
		}
	}
	own := h.rank(h.pos)
	for i := range shelteredRanks {
		kept[h.at(h.ranked(own+i)).id] = true
		kept[h.at(h.ranked(own-1-i)).id] = true
	}
	for n := uint32(1000); n < 21000; n++ {
		id := testID(n)
		if h.find(&id) == noEntry && h.makeRoom(now, r) {
			h.at(h.add(id, id.Address().Top())).lastHeard = coarseOf(now)
		}
	}
	h.check(t)
	if h.Len() > 128 {
		t.Errorf("%d entries, limit 128", h.Len())
	}
	sheltered := 0
	for id := range kept {
		if place := h.find(&id); place != noEntry {
			sheltered++
		} else if id := id; h.find(&id) == noEntry {
			// A name that came in between two sheltered ones may take the outermost
			// shelter; links and attempts stay whatever comes.
			if e := slices.IndexFunc(h.slab, func(e entry) bool { return e.id == id }); e >= 0 {
				t.Errorf("%s is lost from the table", id.Short())
			}
		}
	}
	for n := uint32(8); n <= 128; n++ {
		if id := testID(n); n%8 <= 1 && h.find(&id) == noEntry {
			t.Errorf("link or attempt %d was evicted", n)
		}
	}
	t.Logf("%d of %d kept", sheltered, len(kept))
}

func TestHeardExpiry(t *testing.T) {
	now := reliability.Start.Add(10 * time.Hour)
	self := testID(0)
	h := newHeard(self, 0, 200)
	for n := uint32(1); n <= 200; n++ {
		id := testID(n)
		e := h.at(h.add(id, id.Address().Top()))
		e.lastHeard = coarseOf(now.Add(-time.Duration(n) * 3 * time.Second))
		e.set(entryVerified, n > 100)
	}
	h.expire(now, 300*time.Second, time.Hour)
	h.check(t)
	young, old := 0, 0
	for _, place := range h.order {
		if h.at(int(place)).lastHeard.age(now) < 300*time.Second {
			young++
		} else {
			old++
		}
	}
	if young != 99 || old < 10 || old > 45 {
		t.Errorf("%d young and %d old members are left, want 99 and about 25", young, old)
	}
	h.expire(now.Add(2*time.Hour), 300*time.Second, time.Hour)
	h.check(t)
	if h.Len() != 0 {
		t.Errorf("%d are left after two hours", h.Len())
	}
}

func TestHeardPrefixLimit(t *testing.T) {
	h := newHeard(testID(0), 0, 200)
	for n := uint32(1); n <= 100; n++ {
		id := testID(n)
		full := h.prefixFull(7, 8)
		if want := h.Len() >= fewHeard; full != want {
			t.Fatalf("with %d of one prefix: full %v", h.Len(), full)
		}
		h.at(h.add(id, id.Address().Top())).prefix = 7
	}
	if h.prefixFull(0, 8) || h.prefixFull(8, 8) {
		t.Error("other prefixes are full")
	}
}
