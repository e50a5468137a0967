package multicast

import (
	"fmt"
	"math"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// UploadNone as [Params.UploadLimit] keeps a node from sending any media: it
// plays but relays nothing.
const UploadNone = -1

// Params are the settings of a node for the streams of a group. Start from
// [DefaultParams] and change fields.
//
// WindowDuration, FetchPeriod, AvailabilityUpdatePeriod and
// AvailabilitySendToAll are the publisher's: it announces them with the stream
// and every member goes by what was announced. The others are each node's own
// and are not on the wire.
type Params struct {
	// WindowDuration is how long all fragments of a message are sought. It is
	// counted from when a fragment first became known, and is also the longest
	// delay of what is played. Larger survives longer faults and costs memory;
	// smaller skips sooner. From 0.5 s to 60 s.
	WindowDuration time.Duration
	// RelayMarginDuration is how long a fragment that has left the window is
	// still kept and given to those who ask, so that requests on their way can
	// be met. Larger costs memory; smaller leaves late requests unanswered.
	// From 0 to WindowDuration.
	RelayMarginDuration time.Duration
	// PushNeighborLimit is to how many neighbors with the plain protocol a
	// fragment is pushed. Neighbors that ask by request are limited by the
	// upload instead. Larger shortens ways and costs upload. From 0 to 64.
	PushNeighborLimit int
	// FetchPeriod is how long a neighbor with the plain protocol waits between
	// learning of a fragment and pulling it, so that a push can come first.
	// Larger saves duplicates, smaller repairs sooner. From 0 to WindowDuration.
	FetchPeriod time.Duration
	// AvailabilityUpdatePeriod is the time between two availability maps or
	// states, each to one neighbor in turn. Larger saves control bytes and
	// makes the neighbors' knowledge older. From 50 ms to 5 s.
	AvailabilityUpdatePeriod time.Duration
	// AvailabilitySendToAll sends each map to all neighbors with the plain
	// protocol instead of one in turn. Its cost grows with their number: 51 %
	// of a 1 Mb/s stream for 40 neighbors instead of 1.3 %.
	AvailabilitySendToAll bool
	// FragmentSize is the largest fragment payload in bytes that a publisher
	// cuts. A stream is cut once and relayed as it is. Larger saves framing;
	// with more than 959 some other implementations have not been seen to work.
	// From 256 to 16,384; above 1,150 a fragment does not fit one packet.
	FragmentSize int
	// UploadLimit is how many bytes a second the node may send, IP and UDP
	// headers included, for all its groups together. 0 means that the node
	// finds out by itself what its line carries, beginning with 625,000 (5
	// Mbit/s); [UploadNone] that it relays nothing. A limit that is higher
	// than what the line carries makes its queues long and its children late.
	UploadLimit int64
	// Policy says what is waited for, sent first and dropped first. It is each
	// node's own. Start from one of package reliability.
	Policy reliability.Policy
}

// DefaultParams returns the settings that other implementations of the plain
// protocol use too.
func DefaultParams() Params {
	return Params{
		WindowDuration:           8 * time.Second,
		RelayMarginDuration:      2 * time.Second,
		PushNeighborLimit:        4,
		FetchPeriod:              2500 * time.Millisecond,
		AvailabilityUpdatePeriod: 100 * time.Millisecond,
		FragmentSize:             959,
		Policy:                   reliability.Balanced(),
	}
}

// Limits of the settings. What a publisher may announce is bounded by
// wire.StreamParams.Clamped.
const (
	windowMin, windowMax             = 500 * time.Millisecond, 60 * time.Second
	availabilityMin, availabilityMax = 50 * time.Millisecond, 5 * time.Second
	pushNeighborMax                  = 64
	fragmentSizeMin, fragmentSizeMax = 256, 16_384
)

// Validate returns an error that names the first setting out of range, its
// value and the limit.
func (p Params) Validate() error {
	durations := []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"WindowDuration", p.WindowDuration, windowMin, windowMax},
		{"RelayMarginDuration", p.RelayMarginDuration, 0, p.WindowDuration},
		{"FetchPeriod", p.FetchPeriod, 0, p.WindowDuration},
		{"AvailabilityUpdatePeriod", p.AvailabilityUpdatePeriod, availabilityMin, availabilityMax},
	}
	for _, d := range durations {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("multicast: %s is %v: must be from %v to %v", d.name, d.value, d.min, d.max)
		}
	}
	numbers := []struct {
		name            string
		value, min, max int64
	}{
		{"PushNeighborLimit", int64(p.PushNeighborLimit), 0, pushNeighborMax},
		{"FragmentSize", int64(p.FragmentSize), fragmentSizeMin, fragmentSizeMax},
		{"UploadLimit", p.UploadLimit, UploadNone, math.MaxInt64},
	}
	for _, n := range numbers {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("multicast: %s is %d: must be from %d to %d", n.name, n.value, n.min, n.max)
		}
	}
	if err := p.Policy.Validate(); err != nil {
		return fmt.Errorf("multicast: Policy: %w", err)
	}
	return nil
}
