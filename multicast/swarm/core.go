package swarm

import (
	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Key names a stream; it is zero for flows that belong to none.
type Key = multicast.StreamKey

// Channel names a flow between two members: its kind, and its stream if there
// is one flow of the kind for each stream.
type Channel struct {
	Flow overlay.Flow
	Key  Key
}

// Action is something that a core asks of its transport.
type Action struct {
	overlay.Action
	Key Key
}

// Media is a fragment that a core sends: retransmitted until Deadline, and
// delivered in the order of its arrival.
type Media struct {
	Peer     overlay.PeerID
	Key      Key
	Data     []byte
	Deadline reliability.Time
}

// Core is a member of the group as the simulator hosts it. Its verbs are those
// of the protocol cores: one mutation, then every poll until it answers false.
type Core interface {
	HandleSession(now reliability.Time, s overlay.SessionInfo)
	HandleSessionClosed(now reliability.Time, p overlay.PeerID)
	HandleDialFailed(now reliability.Time, p overlay.PeerID, why overlay.DialError)
	// HandleMessage takes a message; b is borrowed, and never written again by
	// anybody.
	HandleMessage(now reliability.Time, from overlay.PeerID, c Channel, b []byte)
	HandleChannelClosed(now reliability.Time, from overlay.PeerID, c Channel)
	HandlePong(now reliability.Time, p overlay.PeerID)
	HandleMember(now reliability.Time, p overlay.PeerID, introducer []wire.Address)
	SetOwnAddresses(now reliability.Time, addrs []wire.Address)
	SendRelay(now reliability.Time, circuit uint64, datagram []byte)
	Leave(now reliability.Time)
	HandleTimeout(now reliability.Time)

	PollTimeout() reliability.Time
	PollAction() (Action, bool)
	PollMedia(now reliability.Time) (Media, bool)
	// Charge tells of bytes that the transport sends by itself, such as
	// acknowledgements and retransmissions.
	Charge(now reliability.Time, bytes int)
	// Links are the links to other members, borrowed until the next mutation.
	Links() []overlay.LinkInfo
	// Observe takes the core's events, after each mutation. It reports whether
	// it has called the core, which then is polled once more.
	Observe(now reliability.Time, n *Node) bool
}
