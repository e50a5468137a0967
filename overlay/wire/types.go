package wire

import (
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// The types of messages on flow GC.
const (
	TypeJoin   = 0x01
	TypeMember = 0x0b
)

// The types of messages on flow GR 1C.
const (
	TypeConnect      = 0x01
	TypeAccepted     = 0x02 // of unknown meaning; sent after connect, ignored
	TypeReport       = 0x0a
	TypeDisconnect   = 0x0c
	TypeReady        = 0x0e // ready, receive mode EXACT
	TypeReadyNearest = 0x0f // ready, receive mode NEAREST
)

// The types of messages on flows GR 18 and GR 19. Values have none: they begin
// with the marker of an AMF0 value, which is 0x11 at most.
const (
	TypePostHave = 0x30
	TypePostWant = 0x3a
)

// The types of messages on flows GX 14 and, the last one, GX 15.
const (
	TypeHave       = 0x40
	TypeHaveAdd    = 0x41
	TypeHaveRemove = 0x42
	TypeRequest    = 0x48
	TypeCancel     = 0x49
	TypeDeny       = 0x4a
	TypeObject     = 0x4c
)

// The types of messages on flow GX 10.
const (
	TypeNeighbors  = 0x50
	TypeSuspect    = 0x51
	TypeRefuse     = 0x52
	TypeRelayOpen  = 0x53
	TypeRelayData  = 0x54
	TypeRelayClose = 0x55
)

// Bounds on what a peer may send. All are defences: a message beyond one of
// them is refused as a whole.
const (
	// MaxIdentityLen is the longest identity text of a groupspec in a join, in
	// bytes.
	MaxIdentityLen = 16 << 10
	// MaxAddresses is the most addresses of one member. Known peers send 7 and
	// that of a server at most.
	MaxAddresses = 16
	// MaxEntries is the most members of a report or refusal. Usual reports name
	// 30.
	MaxEntries = 256
	// MaxNeighbors is the most entries of a list of neighbors.
	MaxNeighbors = 512
	// MaxRelayData is the largest datagram through a relay, in bytes.
	MaxRelayData = 1100
	// MaxPostKeys is the most keys in one message.
	MaxPostKeys = 64
	// MaxPostLen is the largest post that is taken from others, in bytes.
	MaxPostLen = 1 << 20
	// MaxRouteLen is the largest routed message, in bytes.
	MaxRouteLen = 1 << 20
	// MaxRanges is the most ranges of one have message. A sender splits larger
	// sets: a have, then have adds.
	MaxRanges = 4096
	// MaxObjectLen is the largest object, in bytes. 16 to 64 kB serve best.
	MaxObjectLen = 4 << 20
	// MaxIndex is the largest index of an object, as the original player has
	// it.
	MaxIndex = 1<<53 - 2
)

// Errors of the Parse functions.
var (
	// ErrTruncated means that the message ends too early.
	ErrTruncated = vlu.ErrTruncated
	// ErrMalformed means that the message does not have the shape of its type.
	// Those of GX flows are changed only together with the capability bit, so more
	// than was asked for is a mistake there.
	ErrMalformed = vlu.ErrMalformed
	// ErrLimit means that the message exceeds one of the bounds above.
	ErrLimit = vlu.ErrLimit
)

// Address is a socket address with its origin. In a group, an address with
// origin relay is that of a server at which the member can be asked for.
type Address = wire.Address

// Kind returns the type byte of a message, or false if it is empty.
func Kind(b []byte) (byte, bool) {
	if len(b) == 0 {
		return 0, false
	}
	return b[0], true
}

// reader reads the fields of a message.
type reader struct{ vlu.Reader }

// open checks the type byte and returns a reader of what follows.
func open(b []byte, kind byte) reader { return reader{vlu.Open(b, kind)} }

// id reads 32 bytes that name a peer or group.
func (r *reader) id() (id [32]byte) {
	copy(id[:], r.Take(len(id)))
	return id
}
