package packager

import "github.com/ringcast/ringcast/reliability"

// MessageType is the RTMP message type, which FLV uses as its tag type.
type MessageType uint8

// The message types that carry media.
const (
	MessageAudio MessageType = 8
	MessageVideo MessageType = 9
	MessageData  MessageType = 18
)

// MaxMessageHeader is the largest number of body bytes that come before the
// payload: packet type, FourCC and composition time of an enhanced video tag.
const MaxMessageHeader = 8

// Message is the unit that the network carries: an RTMP message, which is
// also the body of an FLV tag. Its body on the wire is Header[:HeaderLen]
// followed by Payload; keeping the two apart lets a sample's payload be shared
// instead of copied.
type Message struct {
	Type MessageType
	// Timestamp is the decode time in milliseconds, modulo 2^32.
	Timestamp uint32
	// Class ranks the message for dropping and ordering. It is not sent.
	Class reliability.Class

	HeaderLen uint8
	Header    [MaxMessageHeader]byte
	// Payload is immutable and may be shared.
	Payload []byte
}

// Len returns the length of the body in bytes.
func (m *Message) Len() int { return int(m.HeaderLen) + len(m.Payload) }

// AppendBody appends the body, which is also the body of an FLV tag of the
// same type, to b and returns the extended slice.
func (m *Message) AppendBody(b []byte) []byte {
	b = append(b, m.Header[:m.HeaderLen]...)
	return append(b, m.Payload...)
}

// NewMessage returns a message whose whole body is payload, as it comes from
// the network or from an FLV tag. It keeps body, which must not be written
// afterwards.
func NewMessage(t MessageType, timestamp uint32, body []byte) Message {
	return Message{Type: t, Timestamp: timestamp, Payload: body}
}
