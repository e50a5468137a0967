package wire

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Mask asks for every fragment of some slices to be pushed as soon as it is
// there. It replaces the mask sent before; one without bits stops all.
//
//	u8 type 23
//	u8 bits[…]: bit i%8 of byte i/8 stands for the fragments whose number
//	   modulo 8 times the number of bytes is i
//
// Only masks of one byte have been seen. The zero value asks for nothing.
type Mask struct {
	bits [MaxMaskBytes]byte
	size uint8 // bytes; 0 asks for nothing
}

// MaskOf returns a mask of one byte: bit i asks for slice i.
func MaskOf(slices uint8) Mask { return Mask{bits: [MaxMaskBytes]byte{slices}, size: 1} }

// Wants reports whether the mask asks for the fragment.
func (m Mask) Wants(id fragmenter.ID) bool {
	if m.size == 0 {
		return false
	}
	i := id % (8 * fragmenter.ID(m.size))
	return m.bits[i/8]&(1<<(i%8)) != 0
}

// Slices returns the slices, one a bit, of which the mask wants any fragment.
func (m Mask) Slices() uint8 {
	slices := uint8(0)
	for _, c := range m.bits {
		slices |= c
	}
	return slices
}

// Len returns the number of bytes that the mask has on the wire.
func (m Mask) Len() int { return max(int(m.size), 1) }

// AppendMask appends the mask; one that asks for nothing has one byte.
func AppendMask(b []byte, m Mask) []byte {
	return append(append(b, TypeMask), m.bits[:m.Len()]...)
}

// ParseMask reads a mask of at most MaxMaskBytes.
func ParseMask(b []byte) (Mask, error) {
	r := open(b, TypeMask)
	switch {
	case r.Err != nil:
		return Mask{}, r.Err
	case len(r.B) > MaxMaskBytes:
		return Mask{}, ErrLimit
	case len(r.B) == 0:
		return Mask{}, ErrTruncated
	}
	m := Mask{size: uint8(len(r.B))}
	copy(m.bits[:], r.B)
	return m, nil
}

// AppendPull appends a request for one fragment.
//
//	u8  type 2b
//	vlu id
func AppendPull(b []byte, id fragmenter.ID) []byte {
	return vlu.Append(append(b, TypePull), uint64(id))
}

// ParsePull reads a request for one fragment. What follows the number is
// ignored.
func ParsePull(b []byte) (fragmenter.ID, error) {
	r := open(b, TypePull)
	id := r.id()
	if r.Err == nil && id == 0 {
		r.Err = ErrMalformed
	}
	return id, r.Err
}
