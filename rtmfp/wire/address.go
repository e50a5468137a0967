package wire

import (
	"encoding/binary"
	"net/netip"
)

// Origin tells where an address is known from (RFC 7016 section 2.1.5). It is
// advice only and no part of an address's identity.
type Origin uint8

// The origins.
const (
	OriginUnknown  Origin = iota
	OriginLocal           // reported by the endpoint as one of its own
	OriginObserved        // seen as the source of packets
	OriginRelay           // of a relay, proxy or introducer
)

// Address is a socket address with its origin.
//
//	u8  bit 7 IPv6, bits 1-0 origin
//	u8  address[4 or 16]
//	u16 port
type Address struct {
	netip.AddrPort
	Origin Origin
}

const flagIPv6 = 0x80

// Len returns how many bytes AppendAddress appends.
func (a Address) Len() int {
	if a.Addr().Unmap().Is4() {
		return 1 + 4 + 2
	}
	return 1 + 16 + 2
}

// AppendAddress appends a. An IPv6 zone is not sent.
func AppendAddress(b []byte, a Address) []byte {
	addr := a.Addr().Unmap()
	if addr.Is4() {
		four := addr.As4()
		b = append(b, byte(a.Origin&3))
		b = append(b, four[:]...)
	} else {
		sixteen := addr.As16()
		b = append(b, byte(a.Origin&3)|flagIPv6)
		b = append(b, sixteen[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// ParseAddress reads an address from the start of b and returns it with the
// number of bytes it takes.
func ParseAddress(b []byte) (a Address, n int, err error) {
	if len(b) == 0 {
		return Address{}, 0, ErrMalformed
	}
	size := 4
	if b[0]&flagIPv6 != 0 {
		size = 16
	}
	n = 1 + size + 2
	if len(b) < n {
		return Address{}, 0, ErrMalformed
	}
	addr, _ := netip.AddrFromSlice(b[1 : 1+size])
	port := binary.BigEndian.Uint16(b[1+size:])
	return Address{netip.AddrPortFrom(addr.Unmap(), port), Origin(b[0] & 3)}, n, nil
}
