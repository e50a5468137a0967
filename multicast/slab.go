package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/reliability"
)

// The sizes of slabs: small ones for slow streams, so that a slab does not
// outlive most of what is in it, and large ones for fast streams, so that
// there are few. A larger slab than slabMax cannot be addressed.
const (
	slabMin = 4 << 10
	slabMax = 64 << 10
)

// slab is a piece of memory that fragments are written into one after the
// other.
type slab struct {
	bytes []byte // as far as it is written
	last  fragmenter.ID
	begun reliability.Time
}

// slabs are the memory of a Window. They are never written twice: a slab of
// which no fragment is kept any more is left to the garbage collector, since
// parts of it may still wait to be sent.
type slabs struct {
	list  []slab // the oldest first; only the last one has room
	first uint16 // number of list[0]
	size  int    // of the next slab
	bytes int    // of all
}

// room returns room for a fragment and where it is.
func (s *slabs) room(now reliability.Time, id fragmenter.ID, length int, window time.Duration) (data []byte, number, offset uint16) {
	i := len(s.list) - 1
	if i < 0 || cap(s.list[i].bytes)-len(s.list[i].bytes) < length {
		s.add(now, length, window)
		i++
	}
	last := &s.list[i]
	n := len(last.bytes)
	last.bytes = last.bytes[:n+length]
	last.last = max(last.last, id)
	return last.bytes[n : n+length : n+length], s.first + uint16(i), uint16(n)
}

// add appends a slab. Its size follows the speed at which slabs fill: a window
// should have about 16 to 64 of them.
func (s *slabs) add(now reliability.Time, length int, window time.Duration) {
	if n := len(s.list); n == 0 {
		s.size = slabMin
	} else if took := now.Sub(s.list[n-1].begun); took < window/64 {
		s.size = min(2*s.size, slabMax)
	} else if took > window/16 {
		s.size = max(s.size/2, slabMin)
	}
	size := max(s.size, length)
	s.list = append(s.list, slab{bytes: make([]byte, 0, size), begun: now})
	s.bytes += size
}

// release drops the oldest slabs as far as they hold only numbers below id.
func (s *slabs) release(id fragmenter.ID) {
	n := 0
	for n < len(s.list) && s.list[n].last < id {
		n++
	}
	if n > 0 {
		s.drop(n)
	}
}

// drop drops the oldest n slabs.
func (s *slabs) drop(n int) {
	for i := range n {
		s.bytes -= cap(s.list[i].bytes)
	}
	rest := copy(s.list, s.list[n:])
	clear(s.list[rest:])
	s.list = s.list[:rest]
	s.first += uint16(n)
}

// several reports whether there are slabs beside the one that is being filled.
func (s *slabs) several() bool { return len(s.list) > 1 }

func (s *slabs) slice(number, offset, length uint16) []byte {
	b := s.list[number-s.first].bytes
	return b[offset : int(offset)+int(length) : int(offset)+int(length)]
}
