package wire

import "errors"

// SessionID tells an endpoint's sessions apart. The receiver of packets
// chooses it; 0 is the startup pseudo session.
type SessionID uint32

// FlowID tells the flows of one session and direction apart.
type FlowID uint64

// SequenceNumber numbers the fragments of a flow, from 1.
type SequenceNumber uint64

// ErrMalformed means that a chunk does not have the shape of its type.
var ErrMalformed = errors.New("wire: malformed")

// The types of chunks (RFC 7016 section 2.3).
const (
	TypePadding        = 0x00
	TypePing           = 0x01
	TypeCloseRequest   = 0x0c
	TypeFIHello        = 0x0f
	TypeUserData       = 0x10
	TypeNextUserData   = 0x11
	TypeBufferProbe    = 0x18
	TypeIHello         = 0x30
	TypeIIKeying       = 0x38
	TypePingReply      = 0x41
	TypeCloseAck       = 0x4c
	TypeAckBitmap      = 0x50
	TypeAckRanges      = 0x51
	TypeFlowException  = 0x5e
	TypeRHello         = 0x70
	TypeRedirect       = 0x71
	TypeRIKeying       = 0x78
	TypeCookieChange   = 0x79
	TypePacketFragment = 0x7f
	TypeIgnore         = 0xff
)

// TypeName returns the name of a chunk type as traces show it.
func TypeName(kind byte) string {
	switch kind {
	case TypePadding, TypeIgnore:
		return "Padding"
	case TypePing:
		return "Ping"
	case TypePingReply:
		return "PingReply"
	case TypeCloseRequest:
		return "CloseRequest"
	case TypeCloseAck:
		return "CloseAck"
	case TypeIHello:
		return "IHello"
	case TypeFIHello:
		return "FIHello"
	case TypeRHello:
		return "RHello"
	case TypeRedirect:
		return "Redirect"
	case TypeCookieChange:
		return "CookieChange"
	case TypeIIKeying:
		return "IIKeying"
	case TypeRIKeying:
		return "RIKeying"
	case TypeUserData:
		return "UserData"
	case TypeNextUserData:
		return "NextUserData"
	case TypeBufferProbe:
		return "BufferProbe"
	case TypeAckBitmap:
		return "AckBitmap"
	case TypeAckRanges:
		return "AckRanges"
	case TypeFlowException:
		return "FlowException"
	case TypePacketFragment:
		return "PacketFragment"
	}
	return "Unknown"
}
