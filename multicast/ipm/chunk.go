package ipm

import (
	"encoding/binary"
	"errors"

	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// The types of chunks. 0x12 is reserved for parity, those up to 0x1f are free.
const (
	TypeMemberQuery = 0x01
	TypeMemberInfo  = 0x02
	TypeStreamInfo  = 0x10
	TypeFragment    = 0x11
	typeEnd         = 0xff
)

const (
	version   = 1
	chunkHead = 3
	// headMax is the most bytes before the first chunk.
	headMax = 1 + 4 + vlu.MaxLen
	// maxFragmentLen is the longest fragment with its head that a group takes.
	maxFragmentLen = 16_384 + 17
	// maxStreamInfo is the longest description of a stream.
	maxStreamInfo = 1024
	// maxAddresses is the most addresses of a member that are read.
	maxAddresses = 16
)

// MaxDatagram is the largest datagram that a Sender makes, for a fragment as
// large as may be. Others have at most the size that was set.
const MaxDatagram = Overhead + (headMax+chunkHead+8+maxFragmentLen+15)/16*16

// ErrMalformed means that a chunk or datagram does not have its shape, though
// its sender knows the group.
var ErrMalformed = errors.New("ipm: malformed")

// Chunk is a piece of a datagram. Body is borrowed from it.
type Chunk struct {
	Type byte
	Body []byte
}

// parseChunk reads the next chunk and returns it with the number of bytes it
// takes, 0 at the end.
func parseChunk(b []byte) (c Chunk, n int, err error) {
	if len(b) == 0 || b[0] == typeEnd {
		return Chunk{}, 0, nil
	}
	if len(b) < chunkHead {
		return Chunk{}, 0, ErrMalformed
	}
	n = chunkHead + int(binary.BigEndian.Uint16(b[1:]))
	if n > len(b) {
		return Chunk{}, 0, ErrMalformed
	}
	return Chunk{b[0], b[chunkHead:n]}, n, nil
}

// Member is what a member says of itself, asking for others (type 01) or
// answering (type 02).
//
//	option 00 endpoint discriminator: 21 0f, then the 32 bytes of the peer ID
//	option 0a addresses
//	marker
type Member struct {
	Peer      [32]byte
	Addresses []wire.Address
}

const (
	optionPeer      = 0x00
	optionAddresses = 0x0a
)

// AppendMember appends the body of a chunk of type 01 or 02.
func AppendMember(b []byte, m Member) []byte {
	b = vlu.Append(b, 1+2+32)
	b = append(vlu.Append(b, optionPeer), 0x21, 0x0f)
	b = append(b, m.Peer[:]...)
	var list [maxAddresses * 19]byte
	addresses := list[:0]
	for _, a := range m.Addresses[:min(len(m.Addresses), maxAddresses)] {
		addresses = wire.AppendAddress(addresses, a)
	}
	b = vlu.AppendOption(b, optionAddresses, addresses)
	return vlu.AppendMarker(b)
}

// ParseMember reads the body of a chunk of type 01 or 02. Unknown options are
// ignored, as are more addresses than 16. It keeps nothing of b.
func ParseMember(b []byte) (Member, error) {
	var m Member
	known := false
	for len(b) > 0 {
		o, n, err := vlu.ParseOption(b)
		if err != nil {
			return Member{}, ErrMalformed
		}
		b = b[n:]
		switch {
		case o.Marker:
			b = nil
		case o.Type == optionPeer:
			if len(o.Value) != 34 || o.Value[0] != 0x21 || o.Value[1] != 0x0f {
				return Member{}, ErrMalformed
			}
			copy(m.Peer[:], o.Value[2:])
			known = true
		case o.Type == optionAddresses:
			for v := o.Value; len(v) > 0 && len(m.Addresses) < maxAddresses; {
				a, n, err := wire.ParseAddress(v)
				if err != nil {
					return Member{}, ErrMalformed
				}
				m.Addresses, v = append(m.Addresses, a), v[n:]
			}
		}
	}
	if !known {
		return Member{}, ErrMalformed
	}
	return m, nil
}

// StreamInfo tells that its sender multicasts a stream.
//
//	an announcement without its type byte
//	option 08 flag: the sender only passes the stream on
type StreamInfo struct {
	// Announcement is the options of the announcement, with which the body
	// begins; it is borrowed.
	Announcement []byte
	// Relayed is set by a member that multicasts a stream that reached it over
	// other ways, and not by the publisher.
	Relayed bool
}

const optionRelayed = 0x08

// AppendStreamInfo appends the body of a chunk of type 10.
func AppendStreamInfo(b []byte, s StreamInfo) []byte {
	b = append(b, s.Announcement...)
	if s.Relayed {
		b = vlu.AppendOption(b, optionRelayed, nil)
	}
	return b
}

// ParseStreamInfo reads the body of a chunk of type 10. The announcement is not
// looked into.
func ParseStreamInfo(b []byte) (StreamInfo, error) {
	s := StreamInfo{Announcement: b}
	for at := 0; at < len(b); {
		o, n, err := vlu.ParseOption(b[at:])
		if err != nil {
			return StreamInfo{}, ErrMalformed
		}
		if o.Marker || !o.Marker && o.Type == optionRelayed {
			s.Announcement, s.Relayed = b[:at], !o.Marker
			break
		}
		at += n
	}
	return s, nil
}

// KeyPrefix is the first eight bytes of a stream's key, which name it in
// datagrams.
type KeyPrefix [8]byte

// ParseFragment reads the body of a chunk of type 11: the stream's name and the
// fragment as it is on flow GR 12, borrowed from b.
func ParseFragment(b []byte) (stream KeyPrefix, fragment []byte, err error) {
	if len(b) < len(stream) {
		return KeyPrefix{}, nil, ErrMalformed
	}
	return KeyPrefix(b), b[len(stream):], nil
}
