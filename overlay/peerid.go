package overlay

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// PeerID names a node: the SHA-256 hash of its certificate (RFC 7425 section
// 4.3.2). It lasts as long as the node keeps its keys.
type PeerID [32]byte

// String returns the ID as 64 lower-case hexadecimal digits.
func (p PeerID) String() string { return hex.EncodeToString(p[:]) }

// Short returns the first digits, enough for people to tell peers apart.
func (p PeerID) Short() string { return hex.EncodeToString(p[:4]) }

// ParsePeerID reads the text form.
func ParsePeerID(s string) (PeerID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(PeerID{}) {
		return PeerID{}, fmt.Errorf("overlay: peer ID %q: want 64 hexadecimal digits", s)
	}
	return PeerID(b), nil
}

// epdHead begins the discriminator of a peer: an option of 33 bytes and type
// 0x0f, the fingerprint (RFC 7425 section 4.4.2.1).
var epdHead = [2]byte{0x21, 0x0f}

// Address returns where the node is on the ring: the hash of its endpoint
// discriminator. It is the same in all groups.
func (p PeerID) Address() Address {
	var epd [34]byte
	copy(epd[:], epdHead[:])
	copy(epd[2:], p[:])
	return sha256.Sum256(epd[:])
}

// Address is a place on a group's ring: a number modulo 2^256, big-endian.
type Address [32]byte

// String returns the address as 64 lower-case hexadecimal digits.
func (a Address) String() string { return hex.EncodeToString(a[:]) }

// ParseAddress reads the text form.
func ParseAddress(s string) (Address, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(Address{}) {
		return Address{}, fmt.Errorf("overlay: group address %q: want 64 hexadecimal digits", s)
	}
	return Address(b), nil
}

// Compare orders addresses as numbers: -1, 0 or 1.
func (a Address) Compare(b Address) int { return bytes.Compare(a[:], b[:]) }

// Add returns a+b modulo 2^256.
func (a Address) Add(b Address) (sum Address) {
	carry := uint16(0)
	for i := len(a) - 1; i >= 0; i-- {
		carry += uint16(a[i]) + uint16(b[i])
		sum[i] = byte(carry)
		carry >>= 8
	}
	return sum
}

// Sub returns a-b modulo 2^256: how far one goes upwards from b to a.
func (a Address) Sub(b Address) (difference Address) {
	borrow := int16(0)
	for i := len(a) - 1; i >= 0; i-- {
		d := int16(a[i]) - int16(b[i]) - borrow
		borrow = 0
		if d < 0 {
			d += 256
			borrow = 1
		}
		difference[i] = byte(d)
	}
	return difference
}

// Distance returns the shorter way between a and b around the ring.
func (a Address) Distance(b Address) Address {
	up, down := b.Sub(a), a.Sub(b)
	if up.Compare(down) <= 0 {
		return up
	}
	return down
}

// Between reports whether a is met on the way upwards from low, exclusive, to
// high, inclusive. From a place to itself the way leads once around.
func (a Address) Between(low, high Address) bool {
	way := high.Sub(low)
	if way == (Address{}) {
		return true
	}
	d := a.Sub(low)
	return d != (Address{}) && d.Compare(way) <= 0
}

// Fraction returns 2^256 / 2^k for k from 1 to 256.
func Fraction(k int) (f Address) {
	if k < 1 || k > 256 {
		panic(fmt.Sprintf("overlay: fraction 2^-%d of the ring", k))
	}
	bit := 256 - k
	f[31-bit/8] = 1 << (bit % 8)
	return f
}

// Top returns the upper 64 bits, which are enough for estimates of distance.
func (a Address) Top() uint64 { return binary.BigEndian.Uint64(a[:8]) }
