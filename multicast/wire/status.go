package wire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Lag is how long after the publisher a node gets a slice, in units of 8 ms.
type Lag uint8

const (
	lagUnit = 8 * time.Millisecond
	// LagUnknown stands for a lag that is not known, or 2.04 s and more.
	LagUnknown Lag = 255
)

// LagOf returns a duration as a Lag, rounded to the nearest unit. Negative ones
// become 0, those that do not fit LagUnknown.
func LagOf(d time.Duration) Lag {
	units := (max(d, 0) + lagUnit/2) / lagUnit
	return Lag(min(units, time.Duration(LagUnknown)))
}

// Duration returns the lag, and whether it is known.
func (l Lag) Duration() (d time.Duration, known bool) {
	return time.Duration(l) * lagUnit, l != LagUnknown
}

// Value is what a child is worth to its parent in a slice, in quarters: how
// many children of its own it will feed.
type Value uint8

// NoChild stands for the lowest value of no children at all.
const NoChild Value = 255

// ValueOf returns a number as a Value, rounded to the nearest quarter and
// limited to what fits.
func ValueOf(v float64) Value {
	quarters := 4*v + 0.5
	switch {
	case !(quarters > 0): // also not a number
		return 0
	case quarters >= float64(NoChild-1):
		return NoChild - 1
	}
	return Value(quarters)
}

// Float returns the value as a number.
func (v Value) Float() float64 { return float64(v) / 4 }

// Lack is how much of what the members around its sender need nobody gives
// them: 0 for nothing worth mentioning, else a share of 2 to the power of
// (Lack - LackMost) / 2, up to all of it.
type Lack uint8

// LackMost stands for everything.
const LackMost Lack = 15

// LackOf returns a share, 0 to 1, as the nearest Lack.
func LackOf(share float64) Lack {
	if !(share > 0) { // also not a number
		return 0
	}
	return Lack(min(max(math.Round(float64(LackMost)+2*math.Log2(share)), 0), float64(LackMost)))
}

// Float returns the share.
func (l Lack) Float() float64 {
	if l == 0 {
		return 0
	}
	return math.Exp2((float64(min(l, LackMost)) - float64(LackMost)) / 2)
}

// Status tells a neighbor how its sender stands in a stream: whether and how
// well it could feed others, and what it holds.
//
//	u8  type 60
//	vlu flags: bit 0 leaf, bit 1 publisher, bit 2 clock, bit 3 native, bits 4 to 7 lack
//	vlu slots, vlu used
//	vlu queue time, ms
//	vlu first fragment of the newest key frame, 0 for none
//	vlu fragments of that key frame
//	u8  lag[8]
//	u8  free: bit i for slice i
//	u8  lowestChild[8]
//	u8  stratum, u32 clock   only with bit 2 of flags
//	    run map
type Status struct {
	// Leaf is set by a node that relays nothing, Publisher by the source.
	Leaf, Publisher bool
	// Native is set by a node that has the stream by native multicast: Lag is
	// then how late the slices would come without.
	Native bool
	// Lack is the demand around the sender that is not met.
	Lack Lack
	// Slots is how many (child, slice) pairs the node can feed, Used how many
	// it does feed.
	Slots, Used int
	// Queue is how long what waits on the uplink will take.
	Queue time.Duration
	// KeyFrame is the first fragment of the newest key frame, 0 if none is
	// known, and KeyFragments its length.
	KeyFrame     fragmenter.ID
	KeyFragments int
	Lag          [fragmenter.SliceCount]Lag
	// Free has bit i set when another child of slice i would be taken. A leaf's
	// has it set when a neighbor other than its parent offers it the slice.
	Free uint8
	// LowestChild is the lowest value of the children in each slice.
	LowestChild [fragmenter.SliceCount]Value
	// HasClock is set if the sender knows the publisher's clock: Clock is the
	// timestamp, in milliseconds, that a message would have that is published
	// as the status is sent. Stratum is over how many nodes it was handed on,
	// 0 at the publisher.
	HasClock bool
	Stratum  uint8
	Clock    uint32
}

const (
	statusLeaf      = 1 << 0
	statusPublisher = 1 << 1
	statusClock     = 1 << 2
	statusNative    = 1 << 3
	statusLack      = 4 // where its bits begin

	// Bounds on the numbers of a status.
	maxSlots        = 1 << 20
	maxQueue        = 1 << 20 // ms
	maxKeyFragments = 1 << 16
)

// AppendStatus appends a status with a run map of h. The map is cut off at its
// old end when the message would exceed limit bytes or MaxRuns runs; the head,
// at most 66 bytes, is never cut.
func AppendStatus(b []byte, s Status, h Holdings, limit int) []byte {
	start := len(b)
	flags := uint64(0)
	if s.Leaf {
		flags |= statusLeaf
	}
	if s.Publisher {
		flags |= statusPublisher
	}
	if s.HasClock {
		flags |= statusClock
	}
	if s.Native {
		flags |= statusNative
	}
	b = vlu.Append(append(b, TypeStatus), flags|uint64(min(s.Lack, LackMost))<<statusLack)
	b = vlu.Append(b, uint64(min(max(s.Slots, 0), maxSlots)))
	b = vlu.Append(b, uint64(min(max(s.Used, 0), maxSlots)))
	b = vlu.Append(b, min(milliseconds(s.Queue), maxQueue))
	b = vlu.Append(b, uint64(s.KeyFrame))
	b = vlu.Append(b, uint64(min(max(s.KeyFragments, 0), maxKeyFragments)))
	for _, lag := range s.Lag {
		b = append(b, byte(lag))
	}
	b = append(b, s.Free)
	for _, v := range s.LowestChild {
		b = append(b, byte(v))
	}
	if s.HasClock {
		b = binary.BigEndian.AppendUint32(append(b, s.Stratum), s.Clock)
	}
	return appendRunMap(b, h, limit-(len(b)-start))
}

// ParseStatus reads a status and the map in it.
func ParseStatus(b []byte) (Status, RunMap, error) {
	r := open(b, TypeStatus)
	flags := r.Number()
	s := Status{
		Leaf: flags&statusLeaf != 0, Publisher: flags&statusPublisher != 0, Native: flags&statusNative != 0,
		Lack:  Lack(flags>>statusLack) & LackMost,
		Slots: r.Count(maxSlots), Used: r.Count(maxSlots),
		Queue:    durationOf(uint64(r.Count(maxQueue))),
		KeyFrame: r.id(), KeyFragments: r.Count(maxKeyFragments),
	}
	for i := range s.Lag {
		s.Lag[i] = Lag(r.Byte())
	}
	s.Free = r.Byte()
	for i := range s.LowestChild {
		s.LowestChild[i] = Value(r.Byte())
	}
	if s.HasClock = flags&statusClock != 0; s.HasClock {
		s.Stratum, s.Clock = r.Byte(), r.Uint32()
	}
	m := r.runMap()
	if r.Err != nil {
		return Status{}, RunMap{}, r.Err
	}
	return s, m, nil
}
