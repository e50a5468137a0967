package wire

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// The types of messages on flow GR 11.
const (
	TypeAnnouncement = 0x21 // the first on a flow; each later one is an end
	TypeEnd          = 0x21
	TypeMap          = 0x22
	TypeMask         = 0x23
	TypePull         = 0x2b
)

// The types of messages on flow GX 11.
const (
	TypeStatus    = 0x60
	TypeRequest   = 0x61
	TypeAccept    = 0x62
	TypeRefuse    = 0x63
	TypeStop      = 0x64
	TypeEvict     = 0x65
	TypeLost      = 0x66
	TypePullList  = 0x67
	TypeNotHeld   = 0x68
	TypeBusy      = 0x69
	TypeAncestors = 0x6a
)

// Bounds on what a peer may send. All are defences: a message beyond one of
// them is refused as a whole.
const (
	// MaxIDs is the most fragments that a list of them names.
	MaxIDs = 64
	// MaxRanges is the most ranges of a loss report.
	MaxRanges = 64
	// MaxLost is the most fragments that a loss report names in all.
	MaxLost = 1024
	// MaxTags is the longest chain of ancestors.
	MaxTags = 32
	// MaxRuns is the most runs that a status tells of: 64 for each of the 80
	// slice seconds of the usual window and margin.
	MaxRuns = 5120
	// MaxMapBytes is the largest bit map: 8,192 fragments. Known peers warn
	// above it.
	MaxMapBytes = 1024
	// MaxMaskBytes is the longest push mask.
	MaxMaskBytes = 8
)

// Errors of the Parse functions.
var (
	// ErrTruncated means that the message ends too early.
	ErrTruncated = vlu.ErrTruncated
	// ErrMalformed means that the message does not have the shape of its type.
	// Those of flow GX 11 are changed only together with the capability bit, so
	// more than was asked for is a mistake there.
	ErrMalformed = vlu.ErrMalformed
	// ErrLimit means that the message exceeds one of the bounds above.
	ErrLimit = vlu.ErrLimit
)

// TypeName returns the name of a message type as traces show it.
func TypeName(kind byte) string {
	switch kind {
	case TypeAnnouncement:
		return "Announcement"
	case TypeMap:
		return "Map"
	case TypeMask:
		return "Mask"
	case TypePull:
		return "Pull"
	case TypeStatus:
		return "Status"
	case TypeRequest:
		return "Request"
	case TypeAccept:
		return "Accept"
	case TypeRefuse:
		return "Refuse"
	case TypeStop:
		return "Stop"
	case TypeEvict:
		return "Evict"
	case TypeLost:
		return "Lost"
	case TypePullList:
		return "PullList"
	case TypeNotHeld:
		return "NotHeld"
	case TypeBusy:
		return "Busy"
	case TypeAncestors:
		return "Ancestors"
	}
	return "Unknown"
}

// reader reads the fields of a message.
type reader struct{ vlu.Reader }

// open checks the type byte and returns a reader of what follows.
func open(b []byte, kind byte) reader { return reader{vlu.Open(b, kind)} }

// id reads a fragment number. Zero stands for none and is accepted.
func (r *reader) id() fragmenter.ID {
	id := fragmenter.ID(r.Number())
	if id > fragmenter.MaxID {
		r.Fail(ErrMalformed)
		return 0
	}
	return id
}

func (r *reader) slice() uint8 {
	s := r.Byte()
	if s >= fragmenter.SliceCount {
		r.Fail(ErrMalformed)
		return 0
	}
	return s
}
