package overlay

import (
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Capability bits that a node announces in its group connect message. A
// feature is used towards a neighbor only if both have announced it.
const (
	// CapReplication: object replication.
	CapReplication = 1 << 0
	// CapWideMasks: push masks of more than one byte.
	CapWideMasks = 1 << 1
	// CapRelayAnnounce: members announce streams that they don't play.
	CapRelayAnnounce = 1 << 2
	// CapOverlay: neighbors' lists, suspicion, refusal, relayed links.
	CapOverlay = 1 << 3
	// CapMulticast: parents by request and grant.
	CapMulticast = 1 << 4
)

// Flow is a kind of flow that a group has with a neighbor. Those of streams
// exist once for each stream.
type Flow uint8

// The flows.
const (
	FlowMember      Flow = iota + 1 // connect, reports, disconnect
	FlowPostKeys                    // keys of posts
	FlowPostValues                  // posts
	FlowRoute                       // directed routing
	FlowOverlay                     // our extensions of the overlay
	FlowReplication                 // object replication, control
	FlowObjects                     // objects
	FlowStream                      // a stream's announcement, maps, masks and pulls
	FlowStreamExt                   // a stream's status, requests and grants
	FlowMedia                       // a stream's fragments

	// FlowCount is one more than the largest flow, for arrays indexed by Flow.
	FlowCount = int(FlowMedia) + 1
)

// metadata is what begins each kind of flow: "GR" for those that other
// implementations know, "GX" for ours.
var metadata = [FlowCount]string{
	FlowMember: "GR\x1c", FlowPostKeys: "GR\x18", FlowPostValues: "GR\x19", FlowRoute: "GR\x1d", FlowOverlay: "GX\x10",
	FlowReplication: "GX\x14", FlowObjects: "GX\x15", FlowStream: "GR\x11", FlowStreamExt: "GX\x11", FlowMedia: "GR\x12",
}

// Metadata returns the metadata of flows of this kind.
func (f Flow) Metadata() []byte { return []byte(metadata[f]) }

// String returns the flow's metadata in print, such as "GR 1c".
func (f Flow) String() string {
	if int(f) >= FlowCount || metadata[f] == "" {
		return "unknown"
	}
	const hex = "0123456789abcdef"
	m := metadata[f]
	return m[:2] + " " + string([]byte{hex[m[2]>>4], hex[m[2]&15]})
}

// FlowByMetadata is the inverse of Flow.Metadata.
func FlowByMetadata(b []byte) (Flow, bool) {
	for f := FlowMember; int(f) < FlowCount; f++ {
		if string(b) == metadata[f] {
			return f, true
		}
	}
	return 0, false
}

// Transport is what a core may ask about the sessions below it. Answers have no
// effects.
type Transport interface {
	// LastHeard returns when anything last came from a peer; 0 without a
	// session.
	LastHeard(p PeerID) reliability.Time
	// RTT returns the smoothed round-trip time and whether it is known.
	RTT(p PeerID) (time.Duration, bool)
	// Backlog returns how many bytes wait or are in flight towards a peer, and
	// the rate in bytes a second that congestion control allows; 0 if unknown.
	Backlog(p PeerID) (bytes int, rate float64)
}

// SessionInfo tells of an open session.
type SessionInfo struct {
	Peer      PeerID
	Initiator bool // this end opened it
	Far       netip.AddrPort
	// NearNonce and FarNonce are known to both ends, crosswise, and to nobody
	// else: material for proofs. Borrowed for the call.
	NearNonce, FarNonce []byte
	// Relayed sessions run through another member.
	Relayed bool
	// Foreign sessions are by the cryptography of other makes: the peer knows
	// this node by its alias, and so it knows all others of our own kind.
	Foreign bool
}

// DialError says why a session could not be opened.
type DialError uint8

// The reasons.
const (
	// DialTimeout: nobody answered.
	DialTimeout DialError = iota + 1
	// DialUnreachable: an introducer knows the peer, but it did not answer.
	DialUnreachable
	// DialGone: an introducer knows that it has left.
	DialGone
	// DialRefused: the transport has no room.
	DialRefused
)

// ActionKind says what a core wants done.
type ActionKind uint8

// The actions.
const (
	// ActionDial: open a session with Peer. Addrs are its addresses, those of
	// its introducers among them (origin relay), and Via are neighbors that can
	// forward a hello. HandleSession or HandleDialFailed tells of the outcome.
	ActionDial ActionKind = iota + 1
	// ActionCancelDial: give that up; nothing is told.
	ActionCancelDial
	// ActionSend: send Data to Peer on Flow, reliably and in order. Data is
	// not changed afterwards.
	ActionSend
	// ActionPing: ask Peer for a sign of life, which HandlePong tells of.
	ActionPing
	// ActionCloseFlow: refuse or close Flow with Peer in both directions.
	ActionCloseFlow
	// ActionCloseLink: close all flows of this group with Peer. The session may
	// live on for other groups.
	ActionCloseLink
	// ActionRelease: the same, and this group needs the session no more.
	ActionRelease
	// ActionRejoin: join again at the introducers.
	ActionRejoin
	// ActionRelaySession: Circuit leads to Peer: open a session through it.
	ActionRelaySession
	// ActionRelayData: Data is a datagram that came out of Circuit.
	ActionRelayData
	// ActionRelayClosed: Circuit is no more.
	ActionRelayClosed
)

// Action is what a core wants done.
type Action struct {
	Kind    ActionKind
	Peer    PeerID
	Flow    Flow
	Data    []byte
	Addrs   []wire.Address
	Via     []PeerID
	Circuit uint64
}

// LinkInfo tells of a link with a neighbor.
type LinkInfo struct {
	Peer  PeerID
	Addr  Address
	Far   netip.AddrPort
	Since reliability.Time
	// Outbound links were opened by this end, Relayed ones run through another
	// member. Ready neighbors have said so, Nearest ones are in receive mode
	// NEAREST. Suspect ones have not answered lately.
	Outbound, Relayed, Ready, Nearest, Suspect bool
	// Caps are the capability bits that both ends have announced.
	Caps uint64
	// Side is +1, +2, +3 for the nearest neighbors above on the ring, -1, -2,
	// -3 for those below, 0 for others.
	Side int
	RTT  time.Duration // 0 if unknown
}

// neighbor is what posting and replication keep of a LinkInfo: there is one for
// each link, and thousands of members may live in one process.
type neighbor struct {
	Peer PeerID
	// Side is LinkInfo.Side, and so are the flags; Foreign tells that it has
	// announced no capabilities.
	Side                      int8
	Suspect, Relayed, Foreign bool
}

func (i *LinkInfo) neighbor() neighbor {
	return neighbor{Peer: i.Peer, Side: int8(i.Side), Suspect: i.Suspect, Relayed: i.Relayed, Foreign: i.Caps == 0}
}

// EventKind says what happened.
type EventKind uint8

// The events of a Ring.
const (
	// EventNeighborUp: Link is up, both ends have proved that they know the
	// groupspec.
	EventNeighborUp EventKind = iota + 1
	// EventNeighborDown: Link is no more.
	EventNeighborDown
	// EventNeighborChanged: something of Link other than its times changed.
	EventNeighborChanged
	// EventReady: the nearest neighbors on both sides are linked.
	EventReady
	// EventCoverage: the arc of addresses that this node is nearest to changed.
	EventCoverage
	// EventOwnAddress: neighbors see this node from another address.
	EventOwnAddress
)

// Event is something that happened in a Ring.
type Event struct {
	Kind EventKind
	Link LinkInfo
}
