package fragmenter

import (
	"fmt"

	"github.com/ringcast/ringcast/packager"
)

const (
	// PortableFragmentSize is the payload at which all known implementations
	// cut, in bytes.
	PortableFragmentSize = 959
	// LargeFragmentSize fills a packet between our own nodes.
	LargeFragmentSize = 1150
	// MaxFragments is the most fragments of a message: the countdown is taken
	// for one byte.
	MaxFragments = 256
	// MinFragmentSize and MaxFragmentSize bound the payload of a fragment. The
	// larger ones are cut further by the transport.
	MinFragmentSize = 256
	MaxFragmentSize = 16_384
	// MaxMessageLen is the longest body of a message.
	MaxMessageLen = MaxFragments * MaxFragmentSize
)

// TooLargeError is returned for a message that no stream can carry.
type TooLargeError struct {
	// Len is the length of the message's body and Max the longest that can be
	// carried, both in bytes.
	Len, Max int
}

// Error tells both lengths.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("fragmenter: a message of %d bytes is too large: at most %d", e.Len, e.Max)
}

// Params are a [Fragmenter]'s settings. Start from [DefaultParams].
type Params struct {
	// FragmentSize is the most payload bytes of a fragment, MinFragmentSize to
	// MaxFragmentSize. Larger saves framing; sizes other than
	// PortableFragmentSize are untested with other implementations, and above
	// LargeFragmentSize a fragment takes more than one packet.
	FragmentSize int
	// FirstID is the number of the first fragment, at least 1.
	FirstID ID
}

// DefaultParams returns what all implementations take.
func DefaultParams() Params { return Params{FragmentSize: PortableFragmentSize, FirstID: 1} }

// Validate reports the first setting that is out of range.
func (p Params) Validate() error {
	if p.FragmentSize < MinFragmentSize || p.FragmentSize > MaxFragmentSize {
		return fmt.Errorf("fragmenter: FragmentSize is %d: must be %d to %d", p.FragmentSize, MinFragmentSize, MaxFragmentSize)
	}
	if p.FirstID < 1 || p.FirstID > MaxID {
		return fmt.Errorf("fragmenter: FirstID is %d: must be 1 to %d", p.FirstID, MaxID)
	}
	return nil
}

// Fragmenter cuts the messages of one stream, at its publisher.
type Fragmenter struct {
	size int
	next ID
}

// New returns a Fragmenter. It panics if the settings are invalid.
func New(p Params) *Fragmenter {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	return &Fragmenter{p.FragmentSize, p.FirstID}
}

// Next returns the number that the next fragment will have.
func (f *Fragmenter) Next() ID { return f.next }

// Split appends the fragments of a message to dst. Their payloads are parts of
// the message's; nothing is copied but its few header bytes. A message that
// would need more than MaxFragments is cut into that many larger ones: other
// implementations are not known to read those, but there is no form for such a
// message that they are known to read. One longer than MaxMessageLen gives a
// *TooLargeError and uses no number.
func (f *Fragmenter) Split(dst []Fragment, m *packager.Message) ([]Fragment, error) {
	length := m.Len()
	if length > MaxMessageLen {
		return dst, &TooLargeError{length, MaxMessageLen}
	}
	size := max(f.size, (length+MaxFragments-1)/MaxFragments)
	count := max((length+size-1)/size, 1)
	rest := m.Payload
	for i := range count {
		piece := Fragment{ID: f.next, Countdown: uint8(count - 1 - i)}
		room := size
		if i == 0 {
			piece.Kind, piece.Type, piece.Timestamp = KindWhole, m.Type, m.Timestamp
			piece.head, piece.headLen = m.Header, m.HeaderLen
			room -= int(m.HeaderLen)
		}
		if i < count-1 {
			piece.Kind |= KindNext
		}
		n := min(room, len(rest))
		piece.Payload, rest = rest[:n:n], rest[n:]
		dst = append(dst, piece)
		f.next++
	}
	return dst, nil
}
