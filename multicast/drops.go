package multicast

import "github.com/ringcast/ringcast/reliability"

// DropReason says why something was not sent, not sought or not delivered.
type DropReason uint8

// The reasons.
const (
	// DropExpired: a packet for a neighbor passed its deadline in the upload
	// queue.
	DropExpired DropReason = iota
	// DropQueueFull: the upload queue had no room.
	DropQueueFull
	// DropNotWanted: the neighbor went away or got another parent while the
	// packet was queued.
	DropNotWanted
	// DropWindow: a fragment did not come within the window and was given up.
	DropWindow
	// DropBroken: a fragment was not sought because its message cannot be
	// decoded without others that were given up.
	DropBroken

	dropReasons = int(DropBroken) + 1
)

// String returns the reason's name as metrics show it.
func (r DropReason) String() string {
	names := [dropReasons]string{"expired", "queue full", "not wanted", "window", "broken chain"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// DropCounts counts fragments by class and reason.
type DropCounts [reliability.ClassCount][dropReasons]uint32

func (d *DropCounts) add(class reliability.Class, why DropReason) { d[class][why]++ }

// Total returns the fragments dropped for a reason, of all classes.
func (d *DropCounts) Total(why DropReason) uint64 {
	n := uint64(0)
	for c := range d {
		n += uint64(d[c][why])
	}
	return n
}
