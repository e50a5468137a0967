package multicast

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// MemberConfig says which group a Member belongs to and what it runs on.
type MemberConfig struct {
	// Self is this node; Alias is overlay.RingConfig.Alias.
	Self, Alias overlay.PeerID
	// Spec is the group.
	Spec *groupspec.Spec
	// Ring and Params are the settings of the overlay and of the streams.
	Ring   overlay.RingParams
	Params Params
	// Rand makes choices among peers, Entropy makes keys.
	Rand    *rand.Rand
	Entropy io.Reader
	// Transport answers questions about sessions.
	Transport overlay.Transport
	// Uplink is the node's one upload queue.
	Uplink *Uplink
	// Extensions announces what goes beyond the protocol that others know;
	// RequireExtensions refuses neighbors that don't.
	Extensions, RequireExtensions bool
	// Exact is the receive mode EXACT: routed messages are taken for this node's
	// own address only. Otherwise those for all addresses that it is nearest to
	// are, if the group has routing.
	Exact bool
	// Posting and Replication are settings; nil takes the defaults.
	Posting     *overlay.PostingParams
	Replication *overlay.ReplicationParams
	// KeepMedia is EngineConfig.KeepMedia, KeepObjects the same for objects, which
	// come to HandleMessage on FlowObjects.
	KeepMedia, KeepObjects bool
	// Scratch is overlay.RingConfig.Scratch.
	Scratch *overlay.Scratch
}

// Channel is one flow of a group with a neighbor.
type Channel struct {
	Flow overlay.Flow
	// Key is the stream of FlowStream, FlowStreamExt and FlowMedia.
	Key StreamKey
}

// Action is what a member wants done: an action of the ring, or one on a
// stream's flow.
type Action struct {
	overlay.Action
	Key StreamKey
}

// MemberEventKind says which part of a member an event comes from.
type MemberEventKind uint8

// The parts.
const (
	// MemberRing: Ring, the overlay.
	MemberRing MemberEventKind = iota + 1
	// MemberStream: Stream, a stream of the group.
	MemberStream
	// MemberPost: Post, a post of another member.
	MemberPost
	// MemberRoute: Route, a routed message.
	MemberRoute
	// MemberObject: Object, the object replication.
	MemberObject
)

// MemberEvent is something that happened in a group.
type MemberEvent struct {
	Kind   MemberEventKind
	Ring   overlay.Event
	Stream Event
	Post   overlay.PostEvent
	Route  overlay.RouterEvent
	Object overlay.ReplicationEvent
}

// Member is one node's part in one group, everything above the transport: the
// ring of neighbors, the streams, posts, routed messages and objects. It is the seam at which a real transport
// (Node) and a simulated one meet the same cores. Not safe for concurrent use.
type Member struct {
	spec   *groupspec.Spec
	ring   *overlay.Ring
	engine *Engine
	parts  parts
	events []overlay.Event // of the ring
	head   int
}

// NewMember returns a member that knows nobody yet.
func NewMember(now reliability.Time, c MemberConfig) (*Member, error) {
	if err := c.Params.Validate(); err != nil {
		return nil, err
	}
	settings := c.Spec.Settings()
	var caps uint64
	if c.Extensions {
		caps = overlay.CapOverlay
		if settings.Multicast {
			caps |= CapMulticast
		}
		if settings.ObjectReplication {
			caps |= overlay.CapReplication
		}
	}
	var engine *Engine
	ring, err := overlay.NewRing(now, overlay.RingConfig{
		Self: c.Self, Alias: c.Alias, Spec: c.Spec, Params: c.Ring, Rand: c.Rand, Transport: c.Transport, Caps: caps, RequireCaps: c.RequireExtensions,
		Scratch: c.Scratch, InUse: func(id overlay.PeerID) bool { return engine != nil && engine.InUse(id) },
	})
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	ring.SetNearest(now, settings.Routing && !c.Exact)
	p, err := newParts(&c, settings, ring)
	if err != nil {
		return nil, err
	}
	engine = NewEngine(now, EngineConfig{
		Self: c.Self, Params: c.Params, Rand: c.Rand, Entropy: c.Entropy, Transport: c.Transport, Uplink: c.Uplink, Caps: caps, KeepMedia: c.KeepMedia,
	})
	return &Member{spec: c.Spec, ring: ring, parts: p, engine: engine}, nil
}

// Spec returns the group's groupspec.
func (m *Member) Spec() *groupspec.Spec { return m.spec }

// GroupID returns the group's ID.
func (m *Member) GroupID() [32]byte { return m.spec.ID() }

// Ring returns the overlay, for queries.
func (m *Member) Ring() *overlay.Ring { return m.ring }

// Engine returns the streams. Calls that take a time are followed by draining
// the member.
func (m *Member) Engine() *Engine { return m.engine }

// HandleSession tells that a session with a peer is open, whoever opened it.
func (m *Member) HandleSession(now reliability.Time, s overlay.SessionInfo) {
	m.ring.HandleSession(now, s)
	m.settle(now)
}

// HandleSessionClosed tells that a session has ended.
func (m *Member) HandleSessionClosed(now reliability.Time, id overlay.PeerID) {
	m.ring.HandleSessionClosed(now, id)
	m.settle(now)
}

// HandleDialFailed tells that a session could not be opened.
func (m *Member) HandleDialFailed(now reliability.Time, id overlay.PeerID, reason overlay.DialError) {
	m.ring.HandleDialFailed(now, id, reason)
	m.settle(now)
}

// HandleMessage takes a message of a peer. b is borrowed.
func (m *Member) HandleMessage(now reliability.Time, from overlay.PeerID, c Channel, b []byte) {
	switch c.Flow {
	case overlay.FlowMember, overlay.FlowOverlay:
		m.ring.HandleMessage(now, from, c.Flow, b)
	case overlay.FlowStream, overlay.FlowStreamExt, overlay.FlowMedia:
		m.engine.HandleMessage(now, from, c.Key, c.Flow, b)
	default:
		m.parts.handleMessage(now, from, c.Flow, b)
	}
	m.settle(now)
}

// HandleChannelClosed tells that a peer has closed a flow of its own or refused
// one of ours.
func (m *Member) HandleChannelClosed(now reliability.Time, from overlay.PeerID, c Channel) {
	if isStreamFlow(c.Flow) {
		m.engine.HandleStreamClosed(now, from, c.Key, c.Flow)
	} else {
		m.ring.HandleFlowClosed(now, from, c.Flow)
	}
	m.settle(now)
}

// HandlePong tells that a peer has answered a ping.
func (m *Member) HandlePong(now reliability.Time, id overlay.PeerID) {
	m.ring.HandlePong(now, id)
	m.settle(now)
}

// HandleMember tells of a member that an introducer knows.
func (m *Member) HandleMember(now reliability.Time, id overlay.PeerID, introducer []wire.Address) {
	m.ring.HandleMember(now, id, introducer)
	m.settle(now)
}

// HandleLANMember tells of a member that was heard by native multicast.
func (m *Member) HandleLANMember(now reliability.Time, id overlay.PeerID, addrs []wire.Address) {
	m.ring.HandleLANMember(now, id, addrs)
	m.settle(now)
}

// HandleNative takes a fragment that came by native multicast, see
// Engine.HandleNative.
func (m *Member) HandleNative(now reliability.Time, keyPrefix [8]byte, b []byte, origin [4]byte) {
	m.engine.HandleNative(now, keyPrefix, b, origin)
	m.settle(now)
}

// HandleNativeInfo takes the announcement of a stream that came by native
// multicast, see Engine.HandleNativeInfo.
func (m *Member) HandleNativeInfo(now reliability.Time, announcement []byte, relayed bool, origin [4]byte) {
	m.engine.HandleNativeInfo(now, announcement, relayed, origin)
	m.settle(now)
}

// PollNative returns the next thing to multicast natively.
func (m *Member) PollNative() (NativeOut, bool) { return m.engine.PollNative() }

// SetOwnAddresses says where others find this node.
func (m *Member) SetOwnAddresses(now reliability.Time, addrs []wire.Address) {
	m.ring.SetOwnAddresses(now, addrs)
	m.settle(now)
}

// SendRelay sends a datagram through a circuit.
func (m *Member) SendRelay(now reliability.Time, circuit uint64, datagram []byte) {
	m.ring.SendRelay(now, circuit, datagram)
	m.settle(now)
}

// Leave takes leave of all neighbors.
func (m *Member) Leave(now reliability.Time) {
	m.engine.Close(now)
	m.ring.Leave(now)
	m.settle(now)
}

// HandleTimeout does what is due.
func (m *Member) HandleTimeout(now reliability.Time) {
	if m.ring.PollTimeout() <= now {
		m.ring.HandleTimeout(now)
	}
	if m.engine.PollTimeout() <= now {
		m.engine.HandleTimeout(now)
		if n := m.engine.TakeWish(); n > 0 {
			m.ring.Widen(now, n)
		}
	}
	m.parts.handleTimeout(now)
	m.settle(now)
}

// PollTimeout returns the next deadline.
func (m *Member) PollTimeout() reliability.Time {
	return min(m.ring.PollTimeout(), m.engine.PollTimeout(), m.parts.pollTimeout())
}

// settle moves what the ring has learned to all else. Neighbors come and go
// only by the ring.
func (m *Member) settle(now reliability.Time) {
	for {
		e, ok := m.ring.PollEvent()
		if !ok {
			return
		}
		switch e.Kind {
		case overlay.EventNeighborUp, overlay.EventNeighborChanged:
			m.engine.HandleNeighbor(now, e.Link)
			m.parts.handleLink(now, e.Link)
		case overlay.EventNeighborDown:
			m.engine.HandleNeighborGone(now, e.Link.Peer)
			m.parts.handleLinkDown(now, e.Link.Peer)
		}
		m.events = append(m.events, e)
	}
}

// PollAction returns the next thing to be done.
func (m *Member) PollAction() (Action, bool) {
	if a, ok := m.ring.PollAction(); ok {
		return Action{Action: a}, true
	}
	if a, ok := m.engine.PollAction(); ok {
		return a, true
	}
	if s, ok := m.parts.pollSend(); ok {
		return Action{Action: overlay.Action{Kind: overlay.ActionSend, Peer: s.Peer, Flow: s.Flow, Data: s.Data}}, true
	}
	return Action{}, false
}

// PollAction returns the next thing that the streams want done: what PollSend,
// PollPing and PollReject answer, in this order.
func (e *Engine) PollAction() (Action, bool) {
	if s, ok := e.PollSend(); ok {
		return Action{Action: overlay.Action{Kind: overlay.ActionSend, Peer: s.Peer, Flow: s.Flow, Data: s.Data}, Key: s.Key}, true
	}
	if id, ok := e.PollPing(); ok {
		return Action{Action: overlay.Action{Kind: overlay.ActionPing, Peer: id}}, true
	}
	if r, ok := e.PollReject(); ok {
		return Action{Action: overlay.Action{Kind: overlay.ActionCloseFlow, Peer: r.Peer, Flow: r.Flow}, Key: r.Key}, true
	}
	return Action{}, false
}

// PollEvent returns the next event: those of the ring first.
func (m *Member) PollEvent() (MemberEvent, bool) {
	if m.head < len(m.events) {
		e := m.events[m.head]
		m.head++
		return MemberEvent{Kind: MemberRing, Ring: e}, true
	}
	m.head = 0
	if m.events = m.events[:0]; cap(m.events) > keptEvents {
		m.events = nil
	}
	if e, ok := m.parts.pollEvent(); ok {
		return e, true
	}
	e, ok := m.engine.PollEvent()
	return MemberEvent{Kind: MemberStream, Stream: e}, ok
}

// keptEvents is how large a queue of events is kept for the next ones.
const keptEvents = 16
