package overlay

import (
	"math/bits"
	"slices"
	"sort"

	owire "github.com/ringcast/ringcast/overlay/wire"
)

// indexSet is a set of indexes of objects. It is kept in blocks of 4,096: runs
// of whole blocks, however long, as two numbers, others as a bit for each
// index. So it is small for everything at once, and for any part of a file.
type indexSet struct {
	blocks []indexBlock // in order, without overlap; adjacent runs are joined
}

// indexBlock is a run of blocks of which all indexes are in the set, or one
// block with some of them.
type indexBlock struct {
	first, last uint64 // numbers of blocks
	bits        *blockBits
}

const (
	blockShift = 12
	blockSize  = 1 << blockShift
	blockMask  = blockSize - 1
)

type blockBits [blockSize / 64]uint64

func (b *blockBits) has(i uint64) bool { return b[i>>6]>>(i&63)&1 != 0 }

// set sets or clears the bits from low to high.
func (b *blockBits) set(low, high uint64, on bool) {
	for w := low >> 6; w <= high>>6; w++ {
		mask := ^uint64(0)
		if w == low>>6 {
			mask &= ^uint64(0) << (low & 63)
		}
		if w == high>>6 {
			mask &= ^uint64(0) >> (63 - high&63)
		}
		if on {
			b[w] |= mask
		} else {
			b[w] &^= mask
		}
	}
}

func (b *blockBits) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// at returns the place of the first entry that ends at block n or later.
func (s *indexSet) at(n uint64) int {
	return sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].last >= n })
}

// block returns the bits of a block, or tells that all or none of them are set.
func (s *indexSet) block(n uint64) (b *blockBits, whole bool) {
	i := s.at(n)
	if i == len(s.blocks) || s.blocks[i].first > n {
		return nil, false
	}
	return s.blocks[i].bits, s.blocks[i].bits == nil
}

func (s *indexSet) has(index uint64) bool {
	b, whole := s.block(index >> blockShift)
	return whole || b != nil && b.has(index&blockMask)
}

func (s *indexSet) empty() bool { return len(s.blocks) == 0 }

// count returns how many indexes are in the set.
func (s *indexSet) count() (n uint64) {
	for _, e := range s.blocks {
		if e.bits == nil {
			n += (e.last - e.first + 1) << blockShift
		} else {
			n += uint64(e.bits.count())
		}
	}
	return n
}

// size is how many entries the set has, each of which may take half a kilobyte.
func (s *indexSet) size() int { return len(s.blocks) }

func (s *indexSet) add(r owire.Range)    { s.put(r, true) }
func (s *indexSet) remove(r owire.Range) { s.put(r, false) }

// put adds a range or removes it: the blocks that it has a part of at either
// end, and the run of whole ones between.
func (s *indexSet) put(r owire.Range, on bool) {
	first, last := r.First>>blockShift, r.Last>>blockShift
	low, high := r.First&blockMask, r.Last&blockMask
	if first == last && !(low == 0 && high == blockMask) {
		s.putPart(first, low, high, on)
		return
	}
	if low != 0 {
		s.putPart(first, low, blockMask, on)
		first++
	}
	if high != blockMask {
		s.putPart(last, 0, high, on)
		if last == 0 {
			return
		}
		last--
	}
	if first > last {
		return
	}
	if on {
		s.splice(first, last, indexBlock{first: first, last: last})
	} else {
		s.splice(first, last)
	}
}

// putPart adds or removes a part of one block.
func (s *indexSet) putPart(n, low, high uint64, on bool) {
	b, whole := s.block(n)
	switch {
	case whole == on && (whole || b == nil):
		return // all there already, or none
	case b == nil:
		b = new(blockBits)
		if whole {
			b.set(0, blockMask, true)
		}
		s.splice(n, n, indexBlock{n, n, b})
	}
	b.set(low, high, on)
	switch b.count() {
	case 0:
		s.splice(n, n)
	case blockSize:
		s.splice(n, n, indexBlock{first: n, last: n})
	}
}

// splice puts one entry, or none, in place of all that is set from block first
// to block last.
func (s *indexSet) splice(first, last uint64, entry ...indexBlock) {
	i := s.at(first)
	j := i
	for j < len(s.blocks) && s.blocks[j].first <= last {
		j++
	}
	var put [3]indexBlock
	list := put[:0]
	if i < j && s.blocks[i].first < first {
		list = append(list, indexBlock{first: s.blocks[i].first, last: first - 1})
	}
	list = append(list, entry...)
	if i < j && s.blocks[j-1].last > last {
		list = append(list, indexBlock{first: last + 1, last: s.blocks[j-1].last})
	}
	s.blocks = slices.Replace(s.blocks, i, j, list...)
	s.join(max(i-1, 0), i+len(list)+1)
}

// join makes one of adjacent runs among the entries from i to before j.
func (s *indexSet) join(i, j int) {
	for k := min(j, len(s.blocks)) - 1; k > i; k-- {
		a, b := &s.blocks[k-1], &s.blocks[k]
		if a.bits == nil && b.bits == nil && a.last+1 == b.first {
			a.last = b.last
			s.blocks = slices.Delete(s.blocks, k, k+1)
		}
	}
}

// ranges calls f for each run of indexes in order, until it returns false.
func (s *indexSet) ranges(f func(r owire.Range) bool) {
	var run owire.Range
	open := false
	grow := func(first, last uint64) bool {
		if open && run.Last+1 == first {
			run.Last = last
			return true
		}
		if open && !f(run) {
			open = false
			return false
		}
		run, open = owire.Range{First: first, Last: last}, true
		return true
	}
	for _, e := range s.blocks {
		if e.bits == nil {
			if !grow(e.first<<blockShift, e.last<<blockShift|blockMask) {
				return
			}
			continue
		}
		for i := uint64(0); i < blockSize; {
			low, ok := e.bits.next(i, true)
			if !ok {
				break
			}
			high, ok := e.bits.next(low, false)
			if !ok {
				high = blockSize
			}
			if !grow(e.first<<blockShift|low, e.first<<blockShift|(high-1)) {
				return
			}
			i = high
		}
	}
	if open {
		f(run)
	}
}

// next returns the first bit from i on that is set, or is not.
func (b *blockBits) next(i uint64, set bool) (uint64, bool) {
	for w := i >> 6; w < uint64(len(b)); w++ {
		word := b[w]
		if !set {
			word = ^word
		}
		if w == i>>6 {
			word &= ^uint64(0) << (i & 63)
		}
		if word != 0 {
			return w<<6 | uint64(bits.TrailingZeros64(word)), true
		}
	}
	return 0, false
}

// and leaves what is in the set's block n, too.
func (b *blockBits) and(s *indexSet, n uint64) {
	switch o, whole := s.block(n); {
	case whole:
	case o == nil:
		*b = blockBits{}
	default:
		for w := range b {
			b[w] &= o[w]
		}
	}
}

// or adds the set's block n.
func (b *blockBits) or(s *indexSet, n uint64) {
	switch o, whole := s.block(n); {
	case whole:
		b.set(0, blockMask, true)
	case o != nil:
		for w := range b {
			b[w] |= o[w]
		}
	}
}

// common calls f for each run of blocks in which both sets have something, in
// order, until it returns false.
func (s *indexSet) common(o *indexSet, f func(first, last uint64) bool) {
	for i, j := 0, 0; i < len(s.blocks) && j < len(o.blocks); {
		a, b := &s.blocks[i], &o.blocks[j]
		if first, last := max(a.first, b.first), min(a.last, b.last); first <= last && !f(first, last) {
			return
		}
		if a.last < b.last {
			i++
		} else {
			j++
		}
	}
}

// within calls f for each run of indexes of the set that lies in a range.
func (s *indexSet) within(r owire.Range, f func(r owire.Range)) {
	s.ranges(func(run owire.Range) bool {
		if first, last := max(run.First, r.First), min(run.Last, r.Last); first <= last {
			f(owire.Range{First: first, Last: last})
		}
		return run.First <= r.Last
	})
}
