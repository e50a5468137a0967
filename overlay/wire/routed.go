package wire

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// RoutedKind says what a routed message is.
type RoutedKind uint8

// The kinds.
const (
	// RoutedMessage wants no answer.
	RoutedMessage RoutedKind = iota
	// RoutedQuestion is repeated by its origin until it is answered.
	RoutedQuestion
	// RoutedAnswer goes back to the origin of a question, which is its target.
	RoutedAnswer
)

// Routed is a message to whoever is nearest to a place on the ring, on flow GR
// 1D between nodes of our kind. Others see a byte array, an AMF value like any
// other, and don't pass it on; so it goes only to neighbors that announced the
// capability of the overlay.
//
//	u8  11 0c, an AMF3 byte array in AMF0
//	vlu length of what follows, times two, plus one
//	u8  "RCR1"
//	u8  kind
//	u8  attempt, counted by the origin
//	u8  hops so far
//	u64 number, chosen by the origin of the question or message
//	u8  origin[32]
//	u8  target[32]
//	u8  payload[…]
type Routed struct {
	Kind          RoutedKind
	Attempt, Hops uint8
	// Number names the message with its origin; an answer has that of the
	// question.
	Number  uint64
	Origin  [32]byte // peer ID
	Target  [32]byte // place on the ring
	Payload []byte
}

const (
	routedMagic = "RCR1"
	routedHead  = len(routedMagic) + 3 + 8 + 32 + 32

	// MaxRoutedLen is the largest payload of a Routed, in bytes.
	MaxRoutedLen = 64 << 10
)

// AppendRouted appends a routed message. A payload longer than MaxRoutedLen is a
// caller error and panics.
func AppendRouted(b []byte, m Routed) []byte {
	if len(m.Payload) > MaxRoutedLen {
		panic("wire: routed message is too long")
	}
	b = vlu.Append(append(b, 0x11, 0x0c), uint64(routedHead+len(m.Payload))<<1|1)
	b = append(append(b, routedMagic...), byte(m.Kind), m.Attempt, m.Hops)
	b = binary.BigEndian.AppendUint64(b, m.Number)
	b = append(append(b, m.Origin[:]...), m.Target[:]...)
	return append(b, m.Payload...)
}

// IsRouted reports whether a message on flow GR 1D is a Routed. Whatever else
// comes there is a bare value of an application.
func IsRouted(b []byte) bool {
	if len(b) < 2+routedHead || b[0] != 0x11 || b[1] != 0x0c {
		return false
	}
	_, n, err := vlu.Parse(b[2:])
	return err == nil && len(b) >= 2+n+len(routedMagic) && string(b[2+n:2+n+len(routedMagic)]) == routedMagic
}

// ParseRouted reads a routed message. The payload is borrowed from b.
func ParseRouted(b []byte) (Routed, error) {
	r := open(b, 0x11)
	if r.Byte() != 0x0c {
		r.Fail(ErrMalformed)
	}
	length := r.Number()
	if r.Err == nil && (length&1 == 0 || length>>1 != uint64(len(r.B))) {
		r.Fail(ErrMalformed)
	}
	if magic := r.Take(len(routedMagic)); r.Err == nil && string(magic) != routedMagic {
		r.Fail(ErrMalformed)
	}
	m := Routed{Kind: RoutedKind(r.Byte()), Attempt: r.Byte(), Hops: r.Byte()}
	if number := r.Take(8); r.Err == nil {
		m.Number = binary.BigEndian.Uint64(number)
	}
	m.Origin, m.Target = r.id(), r.id()
	m.Payload = r.Rest()
	switch {
	case r.Err != nil:
		return Routed{}, r.Err
	case m.Kind > RoutedAnswer:
		return Routed{}, ErrMalformed
	case len(m.Payload) > MaxRoutedLen:
		return Routed{}, ErrLimit
	}
	return m, nil
}
