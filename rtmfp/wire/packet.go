package wire

import "encoding/binary"

// Mode is the kind of a packet (RFC 7016 section 2.2.4).
type Mode uint8

// The modes.
const (
	ModeForbidden Mode = iota // discard
	ModeInitiator             // sent by the session's initiator
	ModeResponder             // sent by the session's responder
	ModeStartup               // before there is a session
)

// Header is what a packet begins with.
//
//	bit 7 TC, bit 6 TCR, bit 3 TS, bit 2 TSE, bits 1-0 mode
//	u16   timestamp       if TS
//	u16   timestampEcho   if TSE
type Header struct {
	// TimeCritical tells that the packet carries time-critical data, and
	// TimeCriticalReverse that its sender gets such data from somebody else.
	TimeCritical, TimeCriticalReverse bool
	HasTimestamp, HasEcho             bool
	Mode                              Mode
	// Timestamp is the sender's clock and Echo what it makes of the
	// receiver's, in ticks of 4 ms modulo 2^16.
	Timestamp, Echo uint16
}

// HeaderMax is the most bytes that AppendHeader writes.
const HeaderMax = 5

const (
	flagTC  = 0x80
	flagTCR = 0x40
	flagTS  = 0x08
	flagTSE = 0x04
)

// AppendHeader appends h.
func AppendHeader(b []byte, h Header) []byte {
	flags := byte(h.Mode & 3)
	if h.TimeCritical {
		flags |= flagTC
	}
	if h.TimeCriticalReverse {
		flags |= flagTCR
	}
	if h.HasTimestamp {
		flags |= flagTS
	}
	if h.HasEcho {
		flags |= flagTSE
	}
	b = append(b, flags)
	if h.HasTimestamp {
		b = binary.BigEndian.AppendUint16(b, h.Timestamp)
	}
	if h.HasEcho {
		b = binary.BigEndian.AppendUint16(b, h.Echo)
	}
	return b
}

// ParseHeader reads the header of the packet b and returns it with its length.
// A packet of mode 0 is malformed.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) == 0 || b[0]&3 == 0 {
		return Header{}, 0, ErrMalformed
	}
	flags := b[0]
	h = Header{
		TimeCritical: flags&flagTC != 0, TimeCriticalReverse: flags&flagTCR != 0,
		HasTimestamp: flags&flagTS != 0, HasEcho: flags&flagTSE != 0, Mode: Mode(flags & 3),
	}
	n = 1
	for _, field := range []struct {
		present bool
		to      *uint16
	}{{h.HasTimestamp, &h.Timestamp}, {h.HasEcho, &h.Echo}} {
		if !field.present {
			continue
		}
		if len(b) < n+2 {
			return Header{}, 0, ErrMalformed
		}
		*field.to = binary.BigEndian.Uint16(b[n:])
		n += 2
	}
	return h, n, nil
}

// Chunk is one chunk of a packet.
type Chunk struct {
	Type    byte
	Payload []byte
}

// ChunkHeader is what a chunk has before its payload, in bytes: type and
// length.
const ChunkHeader = 3

// ParseChunk reads the chunk at the start of b and returns it with its length.
// It reports false when what remains is padding: too short for a chunk, or
// with a length that does not fit.
func ParseChunk(b []byte) (c Chunk, n int, ok bool) {
	if len(b) < ChunkHeader {
		return Chunk{}, 0, false
	}
	n = ChunkHeader + int(binary.BigEndian.Uint16(b[1:]))
	if n > len(b) {
		return Chunk{}, 0, false
	}
	return Chunk{Type: b[0], Payload: b[ChunkHeader:n]}, n, true
}

// AppendChunk appends a chunk of any type.
func AppendChunk(b []byte, kind byte, payload []byte) []byte {
	b, at := open(b, kind)
	b = append(b, payload...)
	return shut(b, at)
}

// open begins a chunk whose length shut fills in.
func open(b []byte, kind byte) (out []byte, at int) {
	return append(b, kind, 0, 0), len(b)
}

func shut(b []byte, at int) []byte {
	n := len(b) - at - ChunkHeader
	if n > 0xffff {
		panic("wire: chunk of more than 65535 bytes")
	}
	binary.BigEndian.PutUint16(b[at+1:], uint16(n))
	return b
}

// Scramble returns a session ID as it goes onto the wire before the encrypted
// packet (RFC 7016 section 2.2.2), and the other way round.
func Scramble(id SessionID, encrypted []byte) SessionID {
	var head [8]byte
	copy(head[:], encrypted)
	return id ^ SessionID(binary.BigEndian.Uint32(head[:])) ^ SessionID(binary.BigEndian.Uint32(head[4:]))
}
