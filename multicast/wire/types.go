package wire

import (
	"errors"

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
	ErrTruncated = errors.New("multicast: message is cut off")
	// ErrMalformed means that the message does not have the shape of its type.
	ErrMalformed = errors.New("multicast: message is malformed")
	// ErrLimit means that the message exceeds one of the bounds above.
	ErrLimit = errors.New("multicast: message exceeds a bound")
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

// A reader takes the fields of a message one after the other. After an error
// it gives zeros; the error is looked at once, at the end.
type reader struct {
	b   []byte
	err error
}

// open checks the type byte and returns a reader of what follows.
func open(b []byte, kind byte) reader {
	if len(b) == 0 {
		return reader{err: ErrTruncated}
	}
	if b[0] != kind {
		return reader{err: ErrMalformed}
	}
	return reader{b: b[1:]}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) number() uint64 {
	if r.err != nil {
		return 0
	}
	v, n, err := vlu.Parse(r.b)
	if err != nil {
		if errors.Is(err, vlu.ErrTruncated) {
			err = ErrTruncated
		} else {
			err = ErrMalformed
		}
		r.fail(err)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// id reads a fragment number. Zero stands for none and is accepted.
func (r *reader) id() fragmenter.ID {
	id := fragmenter.ID(r.number())
	if id > fragmenter.MaxID {
		r.fail(ErrMalformed)
		return 0
	}
	return id
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(ErrTruncated)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint32() uint32 {
	v := uint32(0)
	for range 4 {
		v = v<<8 | uint32(r.byte())
	}
	return v
}

func (r *reader) slice() uint8 {
	s := r.byte()
	if s >= fragmenter.SliceCount {
		r.fail(ErrMalformed)
		return 0
	}
	return s
}

func (r *reader) count(limit int) int {
	n := r.number()
	if n > uint64(limit) {
		r.fail(ErrLimit)
		return 0
	}
	return int(n)
}

// end checks that nothing is left. Messages of flow GX 11 are changed only
// together with the capability bit, so more than was asked for is a mistake.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = ErrMalformed
	}
	return r.err
}
