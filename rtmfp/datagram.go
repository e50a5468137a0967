package rtmfp

import "net/netip"

// Datagram is a UDP payload that arrived.
type Datagram struct {
	// Data is the payload. It is borrowed for the call it is passed to and
	// may be decrypted in place.
	Data []byte
	// From is the far end, and To the local address at which it arrived; the
	// zero To means that it is not known. IPv4 addresses are in their 4-byte
	// form, never mapped into IPv6.
	From, To netip.AddrPort
}

// Transmit says what to do with a run of datagrams: equal in size but for the
// last, which may be shorter, laid back to back in the caller's buffer.
type Transmit struct {
	// To is the far end. A multicast address is allowed.
	To netip.AddrPort
	// From is the local address to send from; the zero value leaves the
	// choice to the driver, and so does one that is not there any more.
	From netip.AddrPort
	// SegmentSize is the size of one datagram in bytes. When it equals the
	// length of the run, there is just one.
	SegmentSize int
	// MayFragment tells that the datagram is larger than the path may carry
	// and is to be cut by the network if need be; others never are.
	MayFragment bool
	// HopLimit is how many routers may pass datagrams to a multicast address
	// on, plus one; 0 leaves it to the driver.
	HopLimit int
}

// MaxSegments is the most datagrams in one run (the limit of UDP segmentation
// offload in Linux is 64).
const MaxSegments = 64

// Work is a computation that is too slow for the core, such as a public-key
// operation. Whoever drives the core calls Compute, on any goroutine, and
// hands a WorkResult with the same ID to HandleWork.
type Work struct {
	ID uint64
	// Compute does the work. It touches nothing of the core.
	Compute func() any
}

// WorkResult is what came of a Work.
type WorkResult struct {
	ID    uint64
	Value any
}
