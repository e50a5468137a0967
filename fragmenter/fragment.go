package fragmenter

import (
	"encoding/binary"
	"errors"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Kind is the first byte of a fragment: two flags.
type Kind uint8

// The kinds.
const (
	KindEnd   Kind = 0x00 // the last of several
	KindNext  Kind = 0x10 // neither the first nor the last
	KindWhole Kind = 0x20 // a message of its own
	KindStart Kind = 0x30 // the first of several
)

// Begins reports whether the fragment begins a message.
func (k Kind) Begins() bool { return k&0x20 != 0 }

// More reports whether fragments of the same message follow.
func (k Kind) More() bool { return k&0x10 != 0 }

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case KindEnd:
		return "end"
	case KindNext:
		return "next"
	case KindWhole:
		return "whole"
	case KindStart:
		return "start"
	}
	return "unknown"
}

// Errors of ParseFragment.
var (
	// ErrTruncated means that the bytes end within the head.
	ErrTruncated = errors.New("fragmenter: fragment is cut off")
	// ErrMalformed means that the bytes are no fragment.
	ErrMalformed = errors.New("fragmenter: fragment is malformed")
)

// MaxHead is the longest head of a fragment: what is not payload.
const MaxHead = 1 + vlu.MaxLen + 1 + 1 + 4

// Fragment is a piece of a message.
//
//	u8  kind
//	vlu id
//	u8  countdown       only with more
//	u8  type            only if it begins a message
//	u32 timestamp, ms   only if it begins a message
//	u8  payload[…]
//
// A relay forwards the bytes as they came, never a Fragment appended anew.
type Fragment struct {
	ID   ID
	Kind Kind
	// Countdown is how many fragments of the message are still to come after
	// this one, 0 if no more follow.
	Countdown uint8
	// NoCountdown is set for a start without the countdown, which Flash was
	// seen to send. It is never written.
	NoCountdown bool
	// Type and Timestamp are the message's, if the fragment begins one.
	Type      packager.MessageType
	Timestamp uint32
	// Payload is the fragment's part of the message's body, but for the first
	// headLen bytes of it, which are in head.
	Payload []byte

	head    [packager.MaxMessageHeader]byte
	headLen uint8
}

// BodyLen returns how many bytes of the message's body the fragment holds.
func (f *Fragment) BodyLen() int { return int(f.headLen) + len(f.Payload) }

// AppendBody appends the fragment's part of the message's body.
func (f *Fragment) AppendBody(b []byte) []byte {
	b = append(b, f.head[:f.headLen]...)
	return append(b, f.Payload...)
}

// Len returns how many bytes AppendFragment appends.
func (f *Fragment) Len() int {
	n := 1 + vlu.Len(uint64(f.ID)) + f.BodyLen()
	if f.Kind.More() {
		n++
	}
	if f.Kind.Begins() {
		n += 5
	}
	return n
}

// AppendFragment appends the fragment in the form that it has on the wire.
func AppendFragment(b []byte, f *Fragment) []byte {
	b = vlu.Append(append(b, byte(f.Kind)), uint64(f.ID))
	if f.Kind.More() {
		b = append(b, f.Countdown)
	}
	if f.Kind.Begins() {
		b = binary.BigEndian.AppendUint32(append(b, byte(f.Type)), f.Timestamp)
	}
	return f.AppendBody(b)
}

// ParseFragment reads a fragment, which takes all of b. Payload is borrowed
// from b.
func ParseFragment(b []byte) (Fragment, error) {
	if len(b) == 0 {
		return Fragment{}, ErrTruncated
	}
	f := Fragment{Kind: Kind(b[0])}
	if f.Kind&^KindStart != 0 {
		return Fragment{}, ErrMalformed
	}
	id, n, err := vlu.Parse(b[1:])
	switch {
	case errors.Is(err, vlu.ErrTruncated):
		return Fragment{}, ErrTruncated
	case err != nil || id == 0 || id > uint64(MaxID):
		return Fragment{}, ErrMalformed
	}
	f.ID = ID(id)
	b = b[1+n:]
	if f.Kind.More() {
		if len(b) == 0 {
			return Fragment{}, ErrTruncated
		}
		// Deviation: Flash sometimes leaves the countdown of a start out. It
		// is missing when the type would only make sense a byte earlier.
		f.NoCountdown = f.Kind.Begins() && len(b) > 1 && knownType(b[0]) && !knownType(b[1])
		if !f.NoCountdown {
			f.Countdown, b = b[0], b[1:]
		}
	}
	if f.Kind.Begins() {
		if len(b) < 5 {
			return Fragment{}, ErrTruncated
		}
		f.Type, f.Timestamp = packager.MessageType(b[0]), binary.BigEndian.Uint32(b[1:])
		b = b[5:]
	}
	f.Payload = b
	return f, nil
}

// PeekID returns the number of a fragment without reading the rest, and false
// if the bytes do not begin like one.
func PeekID(b []byte) (ID, bool) {
	if len(b) < 2 || Kind(b[0])&^KindStart != 0 {
		return 0, false
	}
	id, _, err := vlu.Parse(b[1:])
	return ID(id), err == nil && id > 0 && id <= uint64(MaxID)
}

// The types of messages that streams are made of, besides those of package
// packager.
const (
	messageAMF3Data    packager.MessageType = 0x0f
	messageAMF3Command packager.MessageType = 0x11
	messageAMF0Command packager.MessageType = 0x14
)

func knownType(b byte) bool {
	switch packager.MessageType(b) {
	case packager.MessageAudio, packager.MessageVideo, packager.MessageData,
		messageAMF3Data, messageAMF3Command, messageAMF0Command:
		return true
	}
	return false
}
