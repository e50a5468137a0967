package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
)

// Info is what a node counts of one stream. The first group of fields are those
// of NetStreamMulticastInfo. Rates are in bytes a second over the last few
// seconds, all others totals since the stream began here. Data is fragments,
// control everything else; bytes are those of messages, without what the
// transport adds.
type Info struct {
	SendDataBytesPerSecond                   float64
	SendControlBytesPerSecond                float64
	ReceiveDataBytesPerSecond                float64
	ReceiveControlBytesPerSecond             float64
	BytesPushedToPeers                       uint64
	FragmentsPushedToPeers                   uint64
	BytesRequestedByPeers                    uint64 // sent because peers pulled them
	FragmentsRequestedByPeers                uint64
	BytesPushedFromPeers                     uint64
	FragmentsPushedFromPeers                 uint64
	BytesRequestedFromPeers                  uint64 // came because this node pulled them
	FragmentsRequestedFromPeers              uint64
	SendControlBytesPerSecondToServer        float64 // 0: no server takes part in streams
	ReceiveDataBytesPerSecondFromServer      float64 // 0, likewise
	BytesReceivedFromServer                  uint64  // 0, likewise
	FragmentsReceivedFromServer              uint64  // 0, likewise
	ReceiveDataBytesPerSecondFromIPMulticast float64
	BytesReceivedFromIPMulticast             uint64
	FragmentsReceivedFromIPMulticast         uint64

	// BytesSentControl and BytesReceivedControl are the control messages.
	BytesSentControl, BytesReceivedControl uint64
	// Duplicates are fragments that had come before, also by IP multicast, and
	// DuplicateBytes their size.
	Duplicates, DuplicateBytes uint64
	// OutOfWindow are fragments that were too old or too far ahead, Malformed
	// messages that were none.
	OutOfWindow, Malformed uint64

	// Delay is how long after the publisher this node gets fragments, by what
	// its parents state and its own measurement; the slowest slice counts. 0
	// while it is not known.
	Delay time.Duration
	// Newest is the highest fragment known, Oldest the lowest kept.
	Newest, Oldest fragmenter.ID
	// Held is how many fragments are kept, WindowFill their share of those
	// between Oldest and Newest.
	Held       int
	WindowFill float64
	// Holes are fragments that are missing and still sought, PullsInFlight
	// those of them that have been asked for.
	Holes, PullsInFlight int
	// Owners is for how many of the eight slices a neighbor pushes to this
	// node, Children how many (neighbor, slice) pairs it pushes, of Slots that
	// its upload allows.
	Owners, Children, Slots int
	// QueueTime is how long what waits in the node's upload queue will take.
	QueueTime time.Duration
	// ParentChanges counts slices that got another parent, ParentsLost those
	// whose parent died or went away, Refusals requests that were refused.
	ParentChanges, ParentsLost, Refusals uint64
	// Drops counts fragments that were not sent, not sought or given up.
	Drops DropCounts
	// Lack is the share of what the members around here need that nobody gives
	// them. LeftOut and LeftOutBytes are messages that this node, as the publisher,
	// has not sent because the group could not carry them.
	Lack                  float64
	LeftOut, LeftOutBytes uint64
	// Messages and MessageBytes were delivered to the application.
	Messages, MessageBytes uint64
}
