package overlay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	owire "github.com/ringcast/ringcast/overlay/wire"
)

func (s *indexSet) list() (list []owire.Range) {
	s.ranges(func(r owire.Range) bool {
		list = append(list, r)
		return true
	})
	return list
}

// check holds the set against what must be true of it.
func (s *indexSet) check() error {
	for i, e := range s.blocks {
		switch {
		case e.last < e.first || e.bits != nil && e.first != e.last:
			return fmt.Errorf("entry %d is %d to %d", i, e.first, e.last)
		case e.bits != nil && (e.bits.count() == 0 || e.bits.count() == blockSize):
			return fmt.Errorf("block %d has %d bits", e.first, e.bits.count())
		case i > 0 && s.blocks[i-1].last >= e.first:
			return fmt.Errorf("entries %d and %d overlap", i-1, i)
		case i > 0 && e.bits == nil && s.blocks[i-1].bits == nil && s.blocks[i-1].last+1 == e.first:
			return fmt.Errorf("runs %d and %d are not joined", i-1, i)
		}
	}
	return nil
}

// The set agrees with a plain list of flags through random changes.
func TestIndexSetAgainstFlags(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		const most = 6 * blockSize
		var s indexSet
		var model [most]bool
		for step := range 120 {
			first := r.Uint64N(most)
			last := min(first+r.Uint64N(1<<r.IntN(15)), most-1)
			if r.IntN(4) == 0 {
				first, last = first&^blockMask, last|blockMask
			}
			on := r.IntN(5) < 3
			if on {
				s.add(owire.Range{First: first, Last: last})
			} else {
				s.remove(owire.Range{First: first, Last: last})
			}
			for i := first; i <= last; i++ {
				model[i] = on
			}
			if err := s.check(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
		var want []owire.Range
		count := uint64(0)
		for i, on := range model {
			if s.has(uint64(i)) != on {
				t.Fatalf("seed %d: %d: %v", seed, i, !on)
			}
			if !on {
				continue
			}
			count++
			if n := len(want); n > 0 && want[n-1].Last+1 == uint64(i) {
				want[n-1].Last++
			} else {
				want = append(want, owire.Range{First: uint64(i), Last: uint64(i)})
			}
		}
		if got := s.list(); !slices.Equal(got, want) || s.count() != count {
			t.Fatalf("seed %d: %d ranges with %d, want %d with %d", seed, len(got), s.count(), len(want), count)
		}
	}
}

func TestIndexSetOfEverything(t *testing.T) {
	var s indexSet
	all := owire.Range{First: 0, Last: owire.MaxIndex}
	s.add(all)
	if s.size() > 2 || s.count() != owire.MaxIndex+1 || !s.has(owire.MaxIndex) || s.has(owire.MaxIndex+1) {
		t.Errorf("everything takes %d entries and has %d", s.size(), s.count())
	}
	s.remove(owire.Range{First: 1 << 40, Last: 1 << 40})
	if got := s.list(); len(got) != 2 || got[0].Last != 1<<40-1 || got[1].First != 1<<40+1 {
		t.Errorf("without one: %v", got)
	}
	s.remove(all)
	if !s.empty() {
		t.Errorf("without everything: %v", s.list())
	}
}

func TestIndexSetCommon(t *testing.T) {
	var a, b indexSet
	a.add(owire.Range{First: 0, Last: 10<<blockShift - 1})
	a.add(owire.Range{First: 20 << blockShift, Last: 20<<blockShift + 5})
	b.add(owire.Range{First: 3 << blockShift, Last: 3<<blockShift + 1})
	b.add(owire.Range{First: 8 << blockShift, Last: 30<<blockShift - 1})
	var got [][2]uint64
	a.common(&b, func(first, last uint64) bool {
		got = append(got, [2]uint64{first, last})
		return true
	})
	if want := [][2]uint64{{3, 3}, {8, 9}, {20, 20}}; !slices.Equal(got, want) {
		t.Errorf("common blocks %v, want %v", got, want)
	}
	var c blockBits
	c.or(&a, 20)
	c.or(&b, 3)
	c.and(&b, 3)
	if c.count() != 2 || !c.has(1) || c.has(2) {
		t.Errorf("%d bits", c.count())
	}
}
