package wire

import (
	"math"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// StreamKey tells the streams of a group apart. The publisher draws it anew
// each time it publishes.
type StreamKey [32]byte

const (
	// MaxNameLen is the longest name of a stream in bytes.
	MaxNameLen = 512
	// PortableNameLen is the longest name that all known peers can read. They
	// do not read an empty one either.
	PortableNameLen = 126
)

// Announcement tells that its sender has a stream and takes part in passing it
// on. Relays repeat the publisher's.
//
//	u8     type 21
//	option 00 name
//	option 01 key, 32 bytes
//	option 02 flag of unknown meaning, always sent
//	option 03 window duration, ms
//	option 04 lifetime, ms
//	option 05 availability update period, ms
//	option 07 fetch period, ms
//	option 06 flag, availability is sent to all
//
// Deviation: others send option 06 after 02 if at all; librtmfp stops reading
// there, so it goes last.
type Announcement struct {
	Name string
	Key  StreamKey
	StreamParams
}

// StreamParams are a stream's parameters, which its publisher chooses and all
// members repeat unchanged. Durations have the grain of a millisecond on the
// wire.
type StreamParams struct {
	// WindowDuration is for how long all pieces of the stream are sought.
	WindowDuration time.Duration
	// UpdatePeriod is the time between two maps.
	UpdatePeriod time.Duration
	// FetchPeriod is the wait between learning of a fragment and pulling it.
	FetchPeriod time.Duration
	// Lifetime is taken for how long a silent stream is kept; its meaning is
	// inferred.
	Lifetime time.Duration
	// SendToAll tells that maps go to all neighbors and not to one each period.
	SendToAll bool
}

// DefaultStreamParams returns what known publishers announce.
func DefaultStreamParams() StreamParams {
	return StreamParams{
		WindowDuration: 8 * time.Second,
		UpdatePeriod:   100 * time.Millisecond,
		FetchPeriod:    2500 * time.Millisecond,
		Lifetime:       300 * time.Second,
	}
}

// Clamped returns the parameters with each value that no sane publisher sends
// replaced by its default, and how many those were. A misconfigured publisher
// has been seen to announce a map period of 49 days; who obeys it never plays.
func (p StreamParams) Clamped() (StreamParams, int) {
	replaced := 0
	defaults := DefaultStreamParams()
	within := func(d *time.Duration, least, most, otherwise time.Duration) {
		if *d < least || *d > most {
			*d = otherwise
			replaced++
		}
	}
	within(&p.WindowDuration, 500*time.Millisecond, time.Minute, defaults.WindowDuration)
	within(&p.UpdatePeriod, 50*time.Millisecond, 5*time.Second, defaults.UpdatePeriod)
	within(&p.FetchPeriod, 0, time.Minute, defaults.FetchPeriod)
	return p, replaced
}

const (
	optionName      = 0x00
	optionKey       = 0x01
	optionFlag      = 0x02
	optionWindow    = 0x03
	optionLifetime  = 0x04
	optionUpdate    = 0x05
	optionSendToAll = 0x06
	optionFetch     = 0x07
)

// AppendAnnouncement appends an announcement. A name longer than MaxNameLen is
// a caller error and panics.
func AppendAnnouncement(b []byte, a Announcement) []byte {
	return AppendAnnouncementBody(append(b, TypeAnnouncement), a)
}

// AppendAnnouncementBody appends an announcement without its type byte, as it
// stands in a datagram of native IP multicast.
func AppendAnnouncementBody(b []byte, a Announcement) []byte {
	if len(a.Name) > MaxNameLen {
		panic("wire: name of a stream is too long")
	}
	b = vlu.Append(b, uint64(1+len(a.Name)))
	b = append(vlu.Append(b, optionName), a.Name...)
	b = vlu.AppendOption(b, optionKey, a.Key[:])
	b = vlu.AppendOption(b, optionFlag, nil)
	b = vlu.AppendNumberOption(b, optionWindow, milliseconds(a.WindowDuration))
	b = vlu.AppendNumberOption(b, optionLifetime, milliseconds(a.Lifetime))
	b = vlu.AppendNumberOption(b, optionUpdate, milliseconds(a.UpdatePeriod))
	b = vlu.AppendNumberOption(b, optionFetch, milliseconds(a.FetchPeriod))
	if a.SendToAll {
		b = vlu.AppendOption(b, optionSendToAll, nil)
	}
	return b
}

// ParseAnnouncement reads the first message with type 21 of a flow. The options
// may come in any order; unknown ones are ignored, the first of a kind counts,
// and a parameter that is missing has its default. Values are as they came:
// see Clamped. It keeps nothing of b.
func ParseAnnouncement(b []byte) (Announcement, error) {
	r := open(b, TypeAnnouncement)
	if r.Err != nil {
		return Announcement{}, r.Err
	}
	return ParseAnnouncementBody(r.B)
}

// ParseAnnouncementBody reads an announcement without its type byte.
func ParseAnnouncementBody(b []byte) (Announcement, error) {
	a := Announcement{StreamParams: DefaultStreamParams()}
	var seen [optionFetch + 1]bool
	for len(b) > 0 {
		o, n, err := vlu.ParseOption(b)
		if err != nil {
			return Announcement{}, ErrMalformed
		}
		b = b[n:]
		if o.Marker {
			break
		}
		if o.Type >= uint64(len(seen)) || seen[o.Type] {
			continue
		}
		seen[o.Type] = true
		if err := a.option(o); err != nil {
			return Announcement{}, err
		}
	}
	if !seen[optionName] || !seen[optionKey] {
		return Announcement{}, ErrMalformed
	}
	return a, nil
}

func (a *Announcement) option(o vlu.Option) error {
	var err error
	switch o.Type {
	case optionName:
		if len(o.Value) > MaxNameLen {
			return ErrLimit
		}
		a.Name = string(o.Value)
	case optionKey:
		if len(o.Value) != len(a.Key) {
			return ErrMalformed
		}
		copy(a.Key[:], o.Value)
	case optionWindow:
		a.WindowDuration, err = duration(o.Value)
	case optionLifetime:
		a.Lifetime, err = duration(o.Value)
	case optionUpdate:
		a.UpdatePeriod, err = duration(o.Value)
	case optionFetch:
		a.FetchPeriod, err = duration(o.Value)
	case optionSendToAll:
		a.SendToAll = true
	}
	return err
}

func milliseconds(d time.Duration) uint64 { return uint64(max(d.Milliseconds(), 0)) }

// durationOf returns a duration of so many milliseconds, or the longest.
func durationOf(ms uint64) time.Duration {
	if ms > math.MaxInt64/uint64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}

func duration(value []byte) (time.Duration, error) {
	ms, _, err := vlu.Parse(value)
	if err != nil {
		return 0, ErrMalformed
	}
	return durationOf(ms), nil
}

// AppendEnd appends the end of a stream: end is the number of the last
// fragment plus one.
//
//	u8  type 21
//	vlu end
func AppendEnd(b []byte, end fragmenter.ID) []byte {
	return vlu.Append(append(b, TypeEnd), uint64(end))
}

// ParseEnd reads a message with type 21 that is not the first of its flow.
// What follows the number is ignored.
func ParseEnd(b []byte) (fragmenter.ID, error) {
	r := open(b, TypeEnd)
	end := r.id()
	return end, r.Err
}
