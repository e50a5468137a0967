package overlay

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// Pairs of ring neighbors that can't reach each other directly, one in three on
// the open Internet, use a circuit: a common neighbor passes their datagrams on.
// An ordinary session runs through it, so the relay sees sizes only. Circuits
// carry what keeps the ring and what is routed along it, no media.
//
//	opener ── open(c1, target) ──► relay ── open(c2, target, opener) ──► target
//	       ◄─ data(c1) ──────────►       ◄─ data(c2) ─────────────────►

const (
	// maxEnds is how many circuits end at a node.
	maxEnds = 16
	// relayBurst is how many bytes go through a circuit at once: a handshake,
	// two reports and lists.
	relayBurst = 16 << 10
	// relayTries is through how many relays a member is tried in one attempt.
	relayTries = 6
)

// unspecified stands for an address where there is none to tell.
var unspecified = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// hop is one side of a circuit: a neighbor, and the number it has there.
type hop struct {
	link   *link
	number uint64
}

// circuit is a way to a member through another one. At its ends it has one hop,
// at the relay two.
type circuit struct {
	// handle names the circuit to the transport, at its ends.
	handle uint64
	// peer is the member at the other end, or at the relay the opener.
	peer   PeerID
	hops   [2]hop
	opened bool // by this end
	bytes  int  // that may pass now, at the relay
	at     reliability.Time
}

func (c *circuit) isEnd() bool { return c.hops[1].link == nil }

// tryRelay opens a circuit to a member beside a direct attempt.
func (r *Ring) tryRelay(now reliability.Time, d *dial) {
	if r.caps&CapOverlay == 0 || r.endCircuit(&d.id) != 0 || d.relays >= relayTries || r.ends() >= maxEnds {
		return
	}
	relay := r.chooseRelay(r.heard.at(d.place), d.tried)
	if relay == nil {
		return
	}
	r.probeIfQuiet(now, relay)
	d.tried[d.relays%relayTries] = uint16(relay.place) + 1
	d.relays++
	d.deadline = max(d.deadline, now.Add(r.p.RingDialLimit))
	c := circuit{handle: r.newCircuit(), peer: d.id, opened: true}
	c.hops[0] = hop{relay, r.circuitNumber(relay)}
	r.circuits = append(r.circuits, c)
	r.stats.CircuitsOpened++
	r.send(r.id(relay), FlowOverlay, owire.AppendRelayOpen(nil, owire.RelayOpen{Circuit: c.hops[0].number, Target: d.id}))
	r.act(Action{Kind: ActionRelaySession, Peer: d.id, Circuit: c.handle})
}

// chooseRelay returns the quickest neighbor that is known to be linked with a
// member, or one that is so through a circuit of its own, or one that may well
// be: the one that told of it, or the nearest to it on the ring.
func (r *Ring) chooseRelay(e *entry, tried [relayTries]uint16) *link {
	const informed = 1 // below all listings
	var best *link
	bestRank, bestCost := 0, uint64(0)
	for _, l := range r.links {
		if !l.direct() || !l.ours() || slices.Contains(tried[:], uint16(l.place)+1) {
			continue
		}
		rank, cost := informed+int(listHas(l.list, e.pos)), uint64(r.heard.at(l.place).rtt)
		if rank == informed && r.keyOf(l) != e.informer {
			rank, cost = 0, min(l.pos-e.pos, e.pos-l.pos)
		}
		if best == nil || rank > bestRank || rank == bestRank && cost < bestCost {
			best, bestRank, bestCost = l, rank, cost
		}
	}
	return best
}

func (r *Ring) newCircuit() uint64 {
	r.nextCircuit++
	return r.nextCircuit
}

// circuitNumber returns a number that is free with a neighbor: odd from the end
// that opened the session, else even.
func (r *Ring) circuitNumber(l *link) uint64 {
	n := 2 * r.newCircuit()
	if l.session.initiator {
		n++
	}
	return n
}

func (r *Ring) ends() (n int) {
	for i := range r.circuits {
		if r.circuits[i].isEnd() {
			n++
		}
	}
	return n
}

// endCircuit returns the circuit that leads to a member, or 0.
func (r *Ring) endCircuit(peer *PeerID) uint64 {
	for i := range r.circuits {
		if c := &r.circuits[i]; c.isEnd() && c.peer == *peer {
			return c.handle
		}
	}
	return 0
}

// findHop returns the index of the circuit with a number at a neighbor and which
// of its hops that is.
func (r *Ring) findHop(l *link, number uint64) (index, side int) {
	for i := range r.circuits {
		for side, h := range r.circuits[i].hops {
			if h.link == l && h.number == number {
				return i, side
			}
		}
	}
	return -1, 0
}

// handleRelayOpen lets a circuit end here, or passes it on.
func (r *Ring) handleRelayOpen(now reliability.Time, l *link, b []byte) {
	m, err := owire.ParseRelayOpen(b)
	if err != nil || (m.Circuit%2 == 1) == l.session.initiator {
		r.stats.Malformed++
		return
	}
	if i, _ := r.findHop(l, m.Circuit); i >= 0 {
		r.stats.Malformed++
		return
	}
	if !l.spendRequest(now) {
		r.stats.Flooded++
		r.refuseCircuit(l, m.Circuit, owire.RelayFull)
		return
	}
	target := PeerID(m.Target)
	switch {
	case target == r.self && m.HasOpener:
		r.acceptCircuit(now, l, m.Circuit, m.Opener)
	case target == r.self || m.HasOpener:
		r.refuseCircuit(l, m.Circuit, owire.RelayPolicy)
	default:
		r.passCircuit(now, l, m.Circuit, &target)
	}
}

func (r *Ring) refuseCircuit(l *link, number uint64, reason owire.RelayReason) {
	r.send(r.id(l), FlowOverlay, owire.AppendRelayClose(nil, number, reason))
}

// acceptCircuit lets a circuit from another member end here: only from one that
// is or would be a ring neighbor. If both ends open one at the same time, that
// of the lower peer ID holds. A relayed link that stands is kept until the
// session through the new circuit does: the other end may know earlier that the
// relay between is dead, but a relay that lies must not part anybody.
func (r *Ring) acceptCircuit(now reliability.Time, l *link, number uint64, opener PeerID) {
	old := r.linkOf(&opener)
	if old != nil && old.direct() || r.isSelf(opener) || old == nil && !r.wouldBeRing(opener.Address().Top()) {
		r.refuseCircuit(l, number, owire.RelayPolicy)
		return
	}
	if own := r.endCircuit(&opener); own != 0 && (old == nil || old.circuit != own) {
		if bytes.Compare(r.self[:], opener[:]) < 0 {
			r.refuseCircuit(l, number, owire.RelayPolicy)
			return
		}
		r.closeCircuit(now, own, owire.RelayDone)
	}
	if r.ends() >= maxEnds {
		r.refuseCircuit(l, number, owire.RelayFull)
		return
	}
	c := circuit{handle: r.newCircuit(), peer: opener}
	c.hops[0] = hop{l, number}
	r.circuits = append(r.circuits, c)
}

// passCircuit joins two neighbors.
func (r *Ring) passCircuit(now reliability.Time, l *link, number uint64, target *PeerID) {
	t := r.linkOf(target)
	if t == nil || t == l || !t.usable() || !t.ours() {
		r.refuseCircuit(l, number, owire.RelayUnknown)
		return
	}
	opener, same := r.id(l), 0
	for i := range r.circuits {
		if c := &r.circuits[i]; !c.isEnd() && c.peer == opener {
			same++
		}
	}
	if r.p.RelayRate == 0 || same >= r.p.RelayMember || len(r.circuits)-r.ends() >= r.p.RelayCircuits {
		r.refuseCircuit(l, number, owire.RelayFull)
		return
	}
	c := circuit{peer: opener, bytes: relayBurst, at: now}
	c.hops = [2]hop{{l, number}, {t, r.circuitNumber(t)}}
	r.circuits = append(r.circuits, c)
	r.stats.CircuitsRelayed++
	r.send(*target, FlowOverlay, owire.AppendRelayOpen(nil, owire.RelayOpen{
		Circuit: c.hops[1].number, Target: *target, Opener: opener, HasOpener: true,
	}))
}

// handleRelayData takes a datagram on a circuit.
func (r *Ring) handleRelayData(now reliability.Time, l *link, b []byte) {
	number, datagram, err := owire.ParseRelayData(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	i, side := r.findHop(l, number)
	if i < 0 {
		r.stats.RelayDropped++
		if l.spendRequest(now) {
			r.refuseCircuit(l, number, owire.RelayUnknown)
		}
		return
	}
	c := &r.circuits[i]
	if c.isEnd() {
		r.act(Action{Kind: ActionRelayData, Peer: c.peer, Circuit: c.handle, Data: slices.Clone(datagram)})
		return
	}
	c.bytes = min(relayBurst, c.bytes+int(now.Sub(c.at)*time.Duration(r.p.RelayRate)/time.Second))
	c.at = now
	if c.bytes < len(datagram) {
		r.stats.RelayDropped++
		return
	}
	c.bytes -= len(datagram)
	r.stats.RelayedBytes += uint64(len(datagram))
	next := c.hops[1-side]
	r.send(r.id(next.link), FlowOverlay, owire.AppendRelayData(nil, next.number, datagram))
}

// SendRelay sends a datagram of at most owire.MaxRelayData bytes through a
// circuit that ends here. It is lost, as datagrams may be, if the circuit is no
// more or the datagram too long.
func (r *Ring) SendRelay(_ reliability.Time, handle uint64, datagram []byte) {
	for i := range r.circuits {
		if c := &r.circuits[i]; c.isEnd() && c.handle == handle && len(datagram) <= owire.MaxRelayData {
			r.send(r.id(c.hops[0].link), FlowOverlay, owire.AppendRelayData(nil, c.hops[0].number, datagram))
			return
		}
	}
	r.stats.RelayDropped++
}

// handleRelayClose ends a circuit that a neighbor has closed.
func (r *Ring) handleRelayClose(now reliability.Time, l *link, b []byte) {
	number, _, err := owire.ParseRelayClose(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	i, side := r.findHop(l, number)
	if i < 0 {
		return
	}
	c := r.circuits[i]
	r.circuits = slices.Delete(r.circuits, i, i+1)
	if !c.isEnd() {
		next := c.hops[1-side]
		r.send(r.id(next.link), FlowOverlay, owire.AppendRelayClose(nil, next.number, owire.RelayDone))
		return
	}
	r.circuitEnded(now, &c)
}

// circuitEnded tells the transport that a circuit is no more, and looks for
// another way to the member.
func (r *Ring) circuitEnded(now reliability.Time, c *circuit) {
	r.act(Action{Kind: ActionRelayClosed, Peer: c.peer, Circuit: c.handle})
	if l := r.linkOf(&c.peer); l != nil && l.circuit == c.handle {
		l.circuit = 0
		r.unlink(now, l, causeCircuit)
	}
	if p := r.pendingOf(&c.peer); p != nil && p.circuit == c.handle {
		r.forgetPending(p)
	}
	d := r.dialTo(&c.peer)
	if d == nil {
		return
	}
	r.tryRelay(now, d)
	if r.endCircuit(&c.peer) == 0 && d.failed {
		r.dialFailed(now, d, DialUnreachable)
	}
}

// keepRelays keeps the links that circuits of this node run through.
func (r *Ring) keepRelays() {
	for i := range r.circuits {
		if c := &r.circuits[i]; c.isEnd() {
			c.hops[0].link.set(linkWanted, true)
		}
	}
}

// closeCircuit ends a circuit by its handle, if there is such a one.
func (r *Ring) closeCircuit(_ reliability.Time, handle uint64, reason owire.RelayReason) {
	if handle == 0 {
		return
	}
	i := slices.IndexFunc(r.circuits, func(c circuit) bool { return c.isEnd() && c.handle == handle })
	if i < 0 {
		return
	}
	c := r.circuits[i]
	r.circuits = slices.Delete(r.circuits, i, i+1)
	r.send(r.id(c.hops[0].link), FlowOverlay, owire.AppendRelayClose(nil, c.hops[0].number, reason))
	r.act(Action{Kind: ActionRelayClosed, Peer: c.peer, Circuit: handle})
}

// closeCircuitsTo ends the circuits to a member, which is reached otherwise or
// not at all.
func (r *Ring) closeCircuitsTo(peer *PeerID) {
	for handle := r.endCircuit(peer); handle != 0; handle = r.endCircuit(peer) {
		r.closeCircuit(0, handle, owire.RelayDone)
	}
}

// circuitsLost ends all circuits through a neighbor that is silent or gone.
// Those that end here are made anew through another one at once.
func (r *Ring) circuitsLost(now reliability.Time, l *link, _ *PeerID) {
	for i := 0; i < len(r.circuits); i++ {
		c := r.circuits[i]
		side := slices.IndexFunc(c.hops[:], func(h hop) bool { return h.link == l })
		if side < 0 {
			continue
		}
		r.circuits = slices.Delete(r.circuits, i, i+1)
		if c.isEnd() {
			r.circuitEnded(now, &c)
		} else {
			next := c.hops[1-side]
			r.send(r.id(next.link), FlowOverlay, owire.AppendRelayClose(nil, next.number, owire.RelayLost))
		}
		i = -1 // the list may have changed altogether
	}
}
