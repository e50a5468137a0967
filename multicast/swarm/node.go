package swarm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Node is a simulated member: a core, its place in the world and its uplink.
type Node struct {
	sim   *Sim
	index int32
	// ID is the node's peer ID. Its last bytes are the node's index, so that
	// no table is needed to find the node; to the cores it is as good as any.
	ID   overlay.PeerID
	Addr overlay.Address
	// Core is nil when the node is gone.
	Core Core
	// Rand is the node's own source of chance.
	Rand *rand.Rand

	place  place
	upload float64          // bytes a second that the node gives for relaying
	line   float64          // bytes a second that its line carries
	free   reliability.Time // when all that waits for the line has left
	urgent reliability.Time // the same of all but objects
	island int32
	lan    int32 // 0: none
	native nativeEnd
	far    netip.AddrPort

	// sessions are with the nodes of fars, at the same places.
	sessions []*session
	fars     []int32
	dials    map[int32]*dial

	// wakeAt is the pending event that counts; wakeGen tells it from others.
	wakeAt  reliability.Time
	wakeGen uint32
	frozen  reliability.Time // until then nothing is handled
	struck  bool             // taken by a fault: nobody comes in its place

	// Born, Joined and Gone are when the node started, when its introducer
	// answered, and when it left; 0 is not yet.
	Born, Joined, Gone reliability.Time
	// Ready is when its ring links stood.
	Ready reliability.Time
	sent  nodeBytes
	books books
	hot   hotList
	View  *view // what it has received of the stream; nil without one
}

// peer returns the session with a node, or nil. Few dozen numbers that lie
// together are found sooner than by a map.
func (n *Node) peer(index int32) *session {
	for i, far := range n.fars {
		if far == index {
			return n.sessions[i]
		}
	}
	return nil
}

// indexOf reads a node's index from its peer ID.
func indexOf(p overlay.PeerID) int32 { return int32(binary.BigEndian.Uint32(p[28:]) ^ 0x5a5a5a5a) }

// AddNode makes a node that does not run yet. upload is what it gives, in
// bytes a second.
func (s *Sim) AddNode(upload float64) *Node {
	n := &Node{
		sim: s, index: int32(len(s.nodes)), upload: upload, line: max(upload, s.sc.LeafLine/8),
		wakeAt: reliability.Never,
	}
	n.Rand = stream(s.sc.Seed, "node", uint64(n.index))
	for i := 0; i < 24; i += 8 {
		binary.BigEndian.PutUint64(n.ID[i:], n.Rand.Uint64())
	}
	binary.BigEndian.PutUint32(n.ID[24:], n.Rand.Uint32())
	binary.BigEndian.PutUint32(n.ID[28:], uint32(n.index)^0x5a5a5a5a)
	n.Addr = n.ID.Address()
	n.place = s.net.newPlace(n)
	n.far = publicAddress(s.sc.Seed, n.index)
	s.nodes = append(s.nodes, n)
	return n
}

// publicAddress gives a node an address of its own, in one of many networks.
func publicAddress(seed uint64, index int32) netip.AddrPort {
	h := scramble(seed ^ scramble(uint64(uint32(index))))
	a := [4]byte{byte(1 + h%223), byte(h >> 8), byte(index >> 8), byte(index)}
	return netip.AddrPortFrom(netip.AddrFrom4(a), 1024+uint16(index>>16))
}

// Start lets the node run: it makes for the introducer.
func (n *Node) Start() error {
	s := n.sim
	n.Born = s.now
	core, err := s.newCore(s, n)
	if err != nil {
		return fmt.Errorf("swarm: node %d: %w", n.index, err)
	}
	n.Core = core
	s.ledger.started(n)
	n.settle()
	s.intro.connect(n)
	return nil
}

// IsLive reports whether the node runs.
func (n *Node) IsLive() bool { return n.Core != nil }

// Do calls f, which may call the core, and settles the node.
func (n *Node) Do(f func(now reliability.Time, c Core)) {
	if n.Core == nil {
		return
	}
	f(n.sim.now, n.Core)
	n.settle()
}

// settleRounds bounds how often a core is drained after one mutation before it
// is taken for one that never comes to rest.
const settleRounds = 1000

// settle polls the core until nothing more comes, and arms its timer.
func (n *Node) settle() {
	s := n.sim
	now := s.now
	for round := 0; ; round++ {
		if round == settleRounds {
			panic(fmt.Sprintf("swarm: node %d is not at rest after %d rounds at %v", n.index, round, s.Elapsed()))
		}
		ok := false
		for s.action, ok = n.Core.PollAction(); ok; s.action, ok = n.Core.PollAction() {
			n.act(&s.action)
		}
		for s.media, ok = n.Core.PollMedia(now); ok; s.media, ok = n.Core.PollMedia(now) {
			n.sendMedia(&s.media)
		}
		// What the core asks for comes back to it later, as events of its own. So
		// it is drained, unless somebody has called it in between.
		if !n.Core.Observe(now, n) {
			break
		}
	}
	n.arm(n.Core.PollTimeout())
}

// arm asks for an event at t. One that comes earlier is as good: it re-arms.
func (n *Node) arm(t reliability.Time) {
	if t >= n.wakeAt || t == reliability.Never {
		return
	}
	n.wakeAt = max(t, n.sim.now)
	n.wakeGen++
	n.sim.events.Push(n.wakeAt, event{node: n.index, gen: n.wakeGen})
}

func (s *Sim) wake(n *Node, gen uint32) {
	if gen != n.wakeGen || n.Core == nil {
		return
	}
	n.wakeAt = reliability.Never
	if n.frozen > s.now {
		n.arm(n.frozen)
		return
	}
	if t := n.Core.PollTimeout(); t > s.now {
		n.arm(t)
		return
	}
	n.Core.HandleTimeout(s.now)
	n.settle()
	n.listHot()
}

// act does what the core asks for.
func (n *Node) act(a *Action) {
	switch a.Kind {
	case overlay.ActionDial:
		n.dial(a)
	case overlay.ActionCancelDial:
		delete(n.dials, indexOf(a.Peer))
	case overlay.ActionSend:
		if isStream(a.Flow) {
			n.books.sentControl += uint64(len(a.Data))
		}
		if s := n.peer(indexOf(a.Peer)); s != nil {
			n.send(s, kindMessage, a.Flow, a.Key, a.Data)
		}
	case overlay.ActionPing:
		if s := n.peer(indexOf(a.Peer)); s != nil {
			n.send(s, kindPing, 0, Key{}, nil)
		}
	case overlay.ActionCloseFlow:
		if s := n.peer(indexOf(a.Peer)); s != nil {
			n.send(s, kindCloseFlow, a.Flow, a.Key, nil)
		}
	case overlay.ActionCloseLink:
		if s := n.peer(indexOf(a.Peer)); s != nil {
			n.send(s, kindCloseFlow, overlay.FlowMember, Key{}, nil)
		}
	case overlay.ActionRelease:
		if s := n.peer(indexOf(a.Peer)); s != nil {
			n.send(s, kindCloseSession, 0, Key{}, nil)
			s.leave(n)
		}
	case overlay.ActionRejoin:
		n.sim.intro.rejoin(n)
	case overlay.ActionRelaySession:
		n.openCircuit(a.Peer, a.Circuit)
	case overlay.ActionRelayData:
		n.circuitData(a.Circuit, a.Data)
	case overlay.ActionRelayClosed:
		n.circuitClosed(a.Circuit)
	default:
		panic(fmt.Sprintf("swarm: action %d is not known", a.Kind))
	}
}

// Leave makes the node say farewell and go.
func (n *Node) Leave() {
	if n.Core == nil {
		return
	}
	s := n.sim
	n.Core.Leave(s.now)
	n.settle()
	s.intro.left(n, s.latency(n.place, s.intro.place))
	n.vanish(true)
}

// Crash makes the node vanish in silence.
func (n *Node) Crash() {
	if n.Core == nil {
		return
	}
	n.sim.intro.left(n, introducerTimeout)
	n.vanish(false)
}

// vanish ends the node. Far ends of its sessions are told by a polite one, and
// find out by themselves otherwise.
func (n *Node) vanish(polite bool) {
	s := n.sim
	s.ledger.gone(n)
	s.truth.remove(n)
	n.Gone, n.Core, n.hot = s.now, nil, hotList{}
	for _, x := range slices.Clone(n.sessions) {
		far := x.end[1-x.side(n)]
		after := deadAfter
		if polite {
			after = x.latency
		}
		s.After(after, func() { x.closed(far) })
		x.leave(n)
	}
	n.sessions, n.fars, n.dials = nil, nil, nil
	if s.churn.left != nil && !n.struck {
		s.churn.left(n)
	}
}

// deadAfter is how long the transport waits for a sign of life before it gives
// a session up.
const deadAfter = 60 * time.Second

// LastHeard implements overlay.Transport.
func (n *Node) LastHeard(p overlay.PeerID) reliability.Time {
	if s := n.peer(indexOf(p)); s != nil {
		return s.lastHeard(s.side(n), n.sim.now)
	}
	return 0
}

// RTT implements overlay.Transport.
func (n *Node) RTT(p overlay.PeerID) (time.Duration, bool) {
	if s := n.peer(indexOf(p)); s != nil {
		return 2 * s.latency, true
	}
	return 0, false
}

// Backlog implements overlay.Transport: bytes that are on their way and not
// known to have arrived, and the rate of the line.
func (n *Node) Backlog(p overlay.PeerID) (int, float64) {
	if s := n.peer(indexOf(p)); s != nil {
		return int(s.way[s.side(n)].flying), n.line
	}
	return 0, 0
}

// introducerAddr is where the introducer is.
var introducerAddr = wire.Address{
	AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1935), Origin: wire.OriginRelay,
}

// ringEvent takes note of what happened in the node's overlay.
func (n *Node) ringEvent(e overlay.Event) {
	if e.Kind == overlay.EventReady && n.Ready == 0 {
		n.Ready = n.sim.now
		n.sim.truth.add(n)
	}
}
