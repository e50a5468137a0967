package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// PacketFragment is a piece of a packet that was too large for the path (RFC
// 7016 section 2.3.1).
//
//	u8  bit 7 more fragments follow
//	vlu packetID
//	vlu fragment number, from 0
//	u8  data[…]
type PacketFragment struct {
	More     bool
	PacketID uint64
	Number   uint64
	Data     []byte // never empty
}

// AppendPacketFragment appends the chunk.
func AppendPacketFragment(b []byte, c PacketFragment) []byte {
	b, at := open(b, TypePacketFragment)
	flags := byte(0)
	if c.More {
		flags = 0x80
	}
	b = vlu.Append(vlu.Append(append(b, flags), c.PacketID), c.Number)
	return shut(append(b, c.Data...), at)
}

// ParsePacketFragment reads the chunk's payload.
func ParsePacketFragment(b []byte) (c PacketFragment, err error) {
	if len(b) == 0 {
		return PacketFragment{}, ErrMalformed
	}
	c.More = b[0]&0x80 != 0
	b = b[1:]
	for _, to := range []*uint64{&c.PacketID, &c.Number} {
		v, n, err := vlu.Parse(b)
		if err != nil {
			return PacketFragment{}, ErrMalformed
		}
		*to, b = v, b[n:]
	}
	if len(b) == 0 {
		return PacketFragment{}, ErrMalformed
	}
	c.Data = b
	return c, nil
}
