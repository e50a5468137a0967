package netconnection

import (
	"encoding/binary"
	"errors"

	"github.com/ringcast/ringcast/rtmfp/amf0"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// ErrMalformed means that metadata or a message does not have its shape.
var ErrMalformed = errors.New("netconnection: malformed")

// Metadata says which stream a flow belongs to (RFC 7425 section 5.3.1).
//
//	'T' 'C', u8 (bit 2 stream ID follows, bit 0 network order), vlu streamID
type Metadata struct {
	StreamID uint32 // 0 is the connection itself
	// NetworkOrder hints that messages may be taken in any order.
	NetworkOrder bool
}

// AppendMetadata appends m.
func AppendMetadata(b []byte, m Metadata) []byte {
	flags := byte(4)
	if m.NetworkOrder {
		flags |= 1
	}
	return vlu.Append(append(b, 'T', 'C', flags), uint64(m.StreamID))
}

// IsMetadata reports whether a flow's metadata is of this protocol at all.
func IsMetadata(b []byte) bool { return len(b) >= 2 && b[0] == 'T' && b[1] == 'C' }

// ParseMetadata reads a flow's metadata. One without a stream ID is malformed.
func ParseMetadata(b []byte) (Metadata, error) {
	if !IsMetadata(b) || len(b) < 4 || b[2]&4 == 0 {
		return Metadata{}, ErrMalformed
	}
	id, _, err := vlu.Parse(b[3:])
	if err != nil || id > 1<<32-1 {
		return Metadata{}, ErrMalformed
	}
	return Metadata{StreamID: uint32(id), NetworkOrder: b[2]&1 != 0}, nil
}

// The types of messages (RFC 7425 section 5.3.2).
const (
	TypeUserControl     = 4
	TypeAudio           = 8
	TypeVideo           = 9
	TypeDataExtended    = 15
	TypeCommandExtended = 17
	TypeData            = 18
	TypeCommand         = 20
)

// User control events.
const (
	EventStreamBegin     = 0
	EventStreamEOF       = 1
	EventSetBufferLength = 3
	EventFlowSync        = 34
	EventSetKeepalive    = 41
)

const messageHeader = 5

// Message is one RTMP message.
//
//	u8 type, u32 timestamp in ms, u8 payload[…]
type Message struct {
	Type      uint8
	Timestamp uint32 // milliseconds, modulo 2^32
	Payload   []byte
}

// AppendMessage appends m.
func AppendMessage(b []byte, m Message) []byte {
	b = binary.BigEndian.AppendUint32(append(b, m.Type), m.Timestamp)
	return append(b, m.Payload...)
}

// ParseMessage reads a message, whose payload it borrows.
func ParseMessage(b []byte) (Message, error) {
	if len(b) < messageHeader {
		return Message{}, ErrMalformed
	}
	return Message{b[0], binary.BigEndian.Uint32(b[1:]), b[messageHeader:]}, nil
}

// userControl returns a user control message.
func userControl(event uint16, values ...uint32) []byte {
	b := binary.BigEndian.AppendUint16([]byte{TypeUserControl, 0, 0, 0, 0}, event)
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// parseUserControl reads the payload of a user control message, with at most
// two values.
func parseUserControl(b []byte) (event uint16, values [2]uint32, ok bool) {
	if len(b) < 2 {
		return 0, values, false
	}
	event = binary.BigEndian.Uint16(b)
	b = b[2:]
	for i := range values {
		if len(b) >= 4 {
			values[i] = binary.BigEndian.Uint32(b)
			b = b[4:]
		}
	}
	return event, values, true
}

// Command is a remote call or its answer (RFC 7425 section 5.3.3 and RTMP).
type Command struct {
	Name string
	// ID ties an answer to its call; 0 wants none.
	ID float64
	// Args are what follows, the command object first.
	Args []amf0.Value
}

// AppendCommand appends the payload of a command message.
func AppendCommand(b []byte, c Command) []byte {
	return amf0.Append(amf0.Append(b, amf0.String(c.Name), amf0.Number(c.ID)), c.Args...)
}

func commandMessage(c Command) []byte {
	return AppendCommand([]byte{TypeCommand, 0, 0, 0, 0}, c)
}

// ParseCommand reads the payload of a command message of either type.
func ParseCommand(m Message) (Command, error) {
	b := m.Payload
	if m.Type == TypeCommandExtended {
		if len(b) == 0 || b[0] != 0 {
			return Command{}, ErrMalformed
		}
		b = b[1:]
	}
	values, err := amf0.ParseAll(b)
	if err != nil {
		return Command{}, err
	}
	if len(values) < 2 || values[0].Kind != amf0.KindString || values[1].Kind != amf0.KindNumber {
		return Command{}, ErrMalformed
	}
	return Command{Name: values[0].String, ID: values[1].Number, Args: values[2:]}, nil
}

// arg returns the i-th argument, or null.
func (c *Command) arg(i int) amf0.Value {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return amf0.Null()
}

// text returns the i-th argument as a string. Some clients write it in AMF3
// behind the switch: marker 06, then the length times two plus one in groups
// of seven bits, most significant first.
func (c *Command) text(i int) string {
	v := c.arg(i)
	if v.Kind != amf0.KindAMF3 {
		return v.String
	}
	if len(v.String) < 2 || v.String[0] != 0x06 {
		return ""
	}
	b := []byte(v.String[1:])
	length, n, err := vlu.Parse(b)
	if err != nil || length&1 == 0 || length>>1 > uint64(len(b)-n) {
		return ""
	}
	return string(b[n : n+int(length>>1)])
}

// info is the object that comes with a status.
func info(level, code, description string) amf0.Value {
	return amf0.Object(
		amf0.Property{Name: "level", Value: amf0.String(level)},
		amf0.Property{Name: "code", Value: amf0.String(code)},
		amf0.Property{Name: "description", Value: amf0.String(description)},
	)
}

// isKeyFrame reports whether a video payload is a key frame.
func isKeyFrame(b []byte) bool { return len(b) > 0 && b[0]>>4&7 == 1 }

// isConfig reports whether a payload configures a decoder, in the old or the
// enhanced form, so that latecomers need it.
func isConfig(kind uint8, b []byte) bool {
	if len(b) < 2 {
		return false
	}
	if kind == TypeVideo {
		return b[0]&0x80 != 0 && b[0]&0x0f == 0 || b[0]&0x8f == 7 && b[1] == 0
	}
	return b[0]>>4 == 9 && b[0]&0x0f == 0 || b[0]>>4 == 10 && b[1] == 0
}
