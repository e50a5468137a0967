package wire

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Map tells which fragments its sender holds.
//
//	u8  type 22
//	vlu last, the highest fragment held
//	u8  bits[…]: bit k of byte j is fragment last-1-(8j+k), least
//	    significant bit first; may be empty
type Map struct {
	Last fragmenter.ID
	bits []byte
}

// AppendMap appends a map of what h holds, at most the newest MaxMapBytes*8
// fragments below the last. Without anything held it appends nothing, since
// there is no such message.
func AppendMap(b []byte, h Holdings) []byte {
	last := h.Newest()
	if last == 0 {
		return b
	}
	b = vlu.Append(append(b, TypeMap), uint64(last))
	start := len(b)
	floor := max(h.Oldest(), 1)
	if last > MaxMapBytes*8 {
		floor = max(floor, last-MaxMapBytes*8)
	}
	for id := last; id > floor; {
		id--
		from := h.RunStart(id, floor)
		if h.Has(id) {
			b = setBits(b, start, int(last-1-id), int(last-1-from))
		}
		id = from
	}
	return b
}

// setBits sets the bits from to to of the map that begins at b[start],
// extending it.
func setBits(b []byte, start, from, to int) []byte {
	for len(b) <= start+to/8 {
		b = append(b, 0)
	}
	bits := b[start:]
	for i := from; i <= to; {
		if i%8 == 0 && to-i >= 7 {
			bits[i/8] = 0xff
			i += 8
			continue
		}
		bits[i/8] |= 1 << (i % 8)
		i++
	}
	return b
}

// ParseMap reads a map. Of one that is longer than MaxMapBytes the oldest part
// is ignored.
func ParseMap(b []byte) (Map, error) {
	r := open(b, TypeMap)
	m := Map{Last: r.id()}
	if r.Err != nil {
		return Map{}, r.Err
	}
	if m.Last == 0 {
		return Map{}, ErrMalformed
	}
	m.bits = r.B[:min(len(r.B), MaxMapBytes)]
	return m, nil
}

// Has reports whether the map says that the fragment is held.
func (m Map) Has(id fragmenter.ID) bool {
	if id == 0 || id >= m.Last {
		return id != 0 && id == m.Last
	}
	k := m.Last - 1 - id
	return k < fragmenter.ID(len(m.bits)*8) && m.bits[k/8]&(1<<(k%8)) != 0
}

// AppendBits appends the map's bits as they are on the wire, for one who keeps
// them.
func (m Map) AppendBits(b []byte) []byte { return append(b, m.bits...) }

// Oldest returns the lowest number that the map can tell of.
func (m Map) Oldest() fragmenter.ID {
	n := fragmenter.ID(len(m.bits) * 8)
	if n >= m.Last {
		return 1
	}
	return m.Last - n
}
