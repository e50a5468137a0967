package overlay

import (
	"crypto/hmac"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// pendingState is how far a session is on its way to being a link.
//
//	           we want it                      their proof
//	idle ────────────────────► sent ─────────────────────────► proved ──► link
//	  │ their proof                                              ▲   ready, or
//	  ├──────────────── accepted: our proof ─────────────────────┘   2 s later
//	  └──────────────── refused: our proof, hints ──► refused ──► closed
type pendingState uint8

const (
	pendingIdle    pendingState = iota // open for another group, or not yet said what for
	pendingSent                        // our proof is out
	pendingProved                      // both proofs are good
	pendingRefused                     // the peer is turned away
)

// pending is an open session with a peer that is not linked.
type pending struct {
	id      PeerID
	session session
	circuit uint64
	state   pendingState
	bad     uint8 // wrong proofs
	// saidNear is what it was told of this node's receive mode.
	saidNear bool
	caps     uint32
	other    PeerID // as link.other
	deadline reliability.Time
	// connectAt is when to speak first although the peer opened the session.
	connectAt reliability.Time
}

func (p *pending) next() reliability.Time { return min(p.deadline, p.connectAt) }

const (
	// maxPending is how many sessions without a link a group looks after. It is
	// a defence: more are turned away at once.
	maxPending = 128
	// idleLimit is how long a peer that opened a session may take to say what
	// for, before this group has no more interest in it.
	idleLimit = 10 * time.Second
	// readyLimit is how long to wait for a proved peer to say that it is ready.
	readyLimit = 2 * time.Second
	// refusedLimit is how long a refused peer has to leave by itself.
	refusedLimit = 2 * time.Second
	// politeWait gives a peer that opened the session the first word: known
	// peers answer a group connect, but none is known to await one.
	politeWait = 300 * time.Millisecond
	// maxBadProofs is after how many wrong proofs a session is of no more use.
	maxBadProofs = 3
)

// HandleSession tells that a session with a peer is open, whoever opened it and
// for whichever group.
func (r *Ring) HandleSession(now reliability.Time, s SessionInfo) {
	if r.leaving || r.isSelf(s.Peer) {
		r.act(Action{Kind: ActionRelease, Peer: s.Peer})
		return
	}
	if l := r.linkOf(&s.Peer); l != nil {
		r.unlink(now, l, causeReplaced)
	}
	r.forgetPending(r.pendingOf(&s.Peer))
	p := &pending{id: s.Peer, deadline: now.Add(idleLimit), connectAt: reliability.Never, session: session{
		far: s.Far, initiator: s.Initiator, relayed: s.Relayed, foreign: s.Foreign,
		proofOut: owire.Proof(r.key, s.FarNonce), proofIn: owire.Proof(r.key, s.NearNonce),
	}}
	if s.Relayed {
		if p.circuit = r.endCircuit(&s.Peer); p.circuit == 0 {
			r.act(Action{Kind: ActionRelease, Peer: s.Peer})
			return
		}
	} else {
		r.closeCircuitsTo(&s.Peer)
	}
	if len(r.pending) >= maxPending && !r.dropIdle() {
		r.act(Action{Kind: ActionRelease, Peer: s.Peer})
		return
	}
	r.pending = append(r.pending, p)
	if d := r.dialTo(&s.Peer); d != nil {
		d.deadline = now.Add(d.limit(r))
		d.relayAt = reliability.Never
		if s.Initiator {
			r.sendConnect(p)
			p.state, p.deadline = pendingSent, d.deadline.Add(time.Second)
		} else {
			p.connectAt = now.Add(politeWait)
		}
	}
	r.wakeBy(p.next())
}

// HandleSessionClosed tells that a session has ended, whoever ended it.
func (r *Ring) HandleSessionClosed(now reliability.Time, id PeerID) {
	if l := r.linkOf(&id); l != nil {
		cause := causeLeft
		if l.is(linkSuspect) {
			cause = causeDead
		}
		r.unlink(now, l, cause)
		return
	}
	if p := r.pendingOf(&id); p != nil {
		r.forgetPending(p)
		if d := r.dialTo(&id); d != nil && p.state != pendingIdle {
			r.dialFailed(now, d, DialTimeout)
		}
	}
}

// HandleFlowClosed tells that a peer has closed its flow or refused ours. The
// relation ends with its member flow; the session may live on.
func (r *Ring) HandleFlowClosed(now reliability.Time, from PeerID, f Flow) {
	if f != FlowMember || r.leaving {
		return
	}
	if l := r.linkOf(&from); l != nil {
		cause := causeLeft
		if l.askedAt != 0 {
			cause = causePolite
		}
		r.unlink(now, l, cause)
		r.act(Action{Kind: ActionRelease, Peer: from})
		return
	}
	if p := r.pendingOf(&from); p != nil {
		if p.state == pendingProved {
			r.refused(now, p)
			return
		}
		if d := r.dialTo(&from); d != nil && p.state != pendingIdle {
			r.dialFailed(now, d, DialTimeout)
		}
		r.endPending(now, p)
	}
}

func (r *Ring) pendingOf(id *PeerID) *pending {
	for _, p := range r.pending {
		if p.id == *id {
			return p
		}
	}
	return nil
}

func (r *Ring) forgetPending(p *pending) {
	if i := slices.Index(r.pending, p); i >= 0 {
		r.pending = slices.Delete(r.pending, i, i+1)
	}
}

// dropIdle makes room among the pending by letting go of the session that has
// been idle longest.
func (r *Ring) dropIdle() bool {
	for _, p := range r.pending {
		if p.state == pendingIdle && r.dialTo(&p.id) == nil {
			r.act(Action{Kind: ActionRelease, Peer: p.id})
			r.forgetPending(p)
			return true
		}
	}
	return false
}

// endPending closes what there is of a relation and lets the session go.
func (r *Ring) endPending(now reliability.Time, p *pending) {
	r.forgetPending(p)
	r.act(Action{Kind: ActionRelease, Peer: p.id})
	r.closeCircuit(now, p.circuit, owire.RelayDone)
}

// timeoutPending looks after sessions that are on their way.
func (r *Ring) timeoutPending(now reliability.Time) {
	for i := 0; i < len(r.pending); i++ {
		p := r.pending[i]
		if p.connectAt <= now {
			p.connectAt = reliability.Never
			if p.state == pendingIdle {
				r.sendConnect(p)
				p.state = pendingSent
			}
		}
		if p.deadline > now {
			continue
		}
		if p.state == pendingProved {
			r.linkUp(now, p)
		} else {
			if d := r.dialTo(&p.id); d != nil && p.state == pendingSent {
				r.dialFailed(now, d, DialTimeout)
			}
			r.endPending(now, p)
		}
		i--
	}
}

// Messages without content are shared by all.
var (
	msgAccepted     = owire.AppendAccepted(nil)
	msgReady        = owire.AppendReady(nil, false)
	msgReadyNearest = owire.AppendReady(nil, true)
	msgDisconnect   = owire.AppendDisconnect(nil)
)

// sendProof says which group this is and proves that this node belongs to it.
func (r *Ring) sendProof(p *pending) {
	b := make([]byte, 0, 144)
	r.send(p.id, FlowMember, owire.AppendConnect(b, owire.Connect{
		Group: r.group, Proof: p.session.proofOut, Receiver: p.id, Caps: r.caps, Other: r.otherName(&p.session),
	}))
}

// sendConnect begins the relation: proof, and readiness for reports. Everybody
// sends the three without waiting in between.
func (r *Ring) sendConnect(p *pending) {
	r.sendProof(p)
	r.send(p.id, FlowMember, msgAccepted)
	r.send(p.id, FlowMember, r.modeMessage())
	p.saidNear = r.TakesNearest()
}

// modeMessage is the message of readiness that holds now. Nodes offer
// themselves for addresses near theirs only when their ring neighbors are
// linked, so that no address is ever without an owner.
func (r *Ring) modeMessage() []byte {
	if r.TakesNearest() {
		return msgReadyNearest
	}
	return msgReady
}

// handlePending takes a message of a peer that is not linked.
func (r *Ring) handlePending(now reliability.Time, p *pending, f Flow, b []byte) {
	kind, _ := owire.Kind(b)
	switch {
	case f == FlowOverlay && kind == owire.TypeRefuse:
		r.handleRefuse(now, p, b)
	case f != FlowMember:
	case kind == owire.TypeConnect:
		r.handleConnect(now, p, b)
	case p.state != pendingProved:
	case kind == owire.TypeReady, kind == owire.TypeReadyNearest:
		if l := r.linkUp(now, p); l != nil {
			r.handleReady(now, l, kind == owire.TypeReadyNearest)
		}
	case kind == owire.TypeReport:
		r.takeHints(now, p, b)
	case kind == owire.TypeDisconnect:
		r.refused(now, p)
	}
}

// handleConnect checks the proof of a peer and answers it.
func (r *Ring) handleConnect(now reliability.Time, p *pending, b []byte) {
	if p.state == pendingProved || p.state == pendingRefused {
		return
	}
	c, err := owire.ParseConnect(b)
	if err != nil {
		r.stats.Malformed++
		r.distrust(now, p)
		return
	}
	if c.Group != r.group || !r.isSelf(c.Receiver) || !hmac.Equal(c.Proof[:], p.session.proofIn[:]) {
		r.stats.BadProofs++
		r.distrust(now, p)
		return
	}
	p.caps = uint32(c.Caps)
	if r.require && c.Caps&CapOverlay == 0 {
		if d := r.dialTo(&p.id); d != nil {
			r.dialFailed(now, d, DialRefused)
		}
		r.endPending(now, p)
		return
	}
	if r.meetAgain(now, p, c.Other) {
		return
	}
	place := r.remember(now, &p.id, 0)
	if place == noEntry {
		r.turnAway(now, p, owire.RefuseFull)
		return
	}
	e := r.heard.at(place)
	e.set(entryVerified, true)
	e.set(entryForeign, p.session.foreign)
	e.set(entryGone, false)
	e.lastHeard = coarseOf(now)
	r.noteFar(e, &p.session)
	if p.state == pendingIdle {
		if reason, full := r.refusal(p, e); full && r.dialTo(&p.id) == nil {
			r.turnAway(now, p, reason)
			return
		}
		r.stats.Accepted++
		r.sendConnect(p)
	}
	p.state, p.deadline, p.connectAt = pendingProved, now.Add(readyLimit), reliability.Never
	r.wakeBy(p.deadline)
}

// distrust answers a wrong proof: the flow is refused, and the session let go
// if that goes on or this node had opened it for the group.
func (r *Ring) distrust(now reliability.Time, p *pending) {
	p.bad++
	d := r.dialTo(&p.id)
	if d == nil && p.bad < maxBadProofs {
		r.act(Action{Kind: ActionCloseLink, Peer: p.id})
		return
	}
	if d != nil {
		r.dialFailed(now, d, DialTimeout)
	}
	r.endPending(now, p)
}

// linkUp makes a link of a session on which both proofs are good. It returns
// nil in the unlikely case that the list of members has no place for it.
func (r *Ring) linkUp(now reliability.Time, p *pending) *link {
	place := r.remember(now, &p.id, 0)
	if place == noEntry {
		r.turnAway(now, p, owire.RefuseFull)
		return nil
	}
	r.forgetPending(p)
	e := r.heard.at(place)
	l := &link{
		pos: e.pos, place: place, session: p.session, other: p.other, caps: p.caps, circuit: p.circuit,
		since: coarseOf(now), lastRecv: now, probeAt: now.Add(r.p.ProbeLink),
		requests: budget{requestBurst, coarseOf(now)}, reports: budget{reportBurst, coarseOf(now)},
	}
	l.set(linkSaidNear, p.saidNear)
	e.link = l
	if e.fails > 0 {
		r.hopeUntil = now.Add(hopeTime) // others may have come back as well
	}
	e.lastHeard, e.failAt, e.fails = coarseOf(now), 0, 0
	e.set(entryVerified, true)
	e.set(entryGone|entryDialing, false)
	e.set(entryUnreachable, l.circuit != 0)
	if e.is(entryWanted) {
		l.keepUntil = coarseOf(now.Add(addedNeighborKeep))
		e.set(entryWanted, false)
	}
	r.credit(e.informer, true)
	if d := r.dialTo(&p.id); d != nil && d.kind == dialRandom {
		r.fillSlot(now, d.slot, l)
	}
	r.endDial(&p.id)
	r.forgetOther(now, l)
	r.links = slices.Insert(r.links, r.linkRank(l.pos), l)
	r.measure(l, e)
	l.set(linkNew, true)
	r.placeOnRing(now)
	l.set(linkNew, false)
	r.tell(EventNeighborUp, l)
	if l.ours() && r.caps&CapOverlay != 0 {
		r.tellList(l)
	}
	r.tellMode(now) // it may have changed since the proof went out
	r.listsChanged(now, l)
	r.recomputeSoon(now)
	r.dropOverCap(now)
	return l
}

// endCause says why a link ends, which decides when the peer is dialed again.
type endCause uint8

const (
	causeDead     endCause = iota // it answers nothing
	causeLeft                     // it took leave
	causePolite                   // one end asked, the other agreed
	causeRefused                  // it, or this node, has no room
	causeReplaced                 // another session with it is open
	causeCircuit                  // the relay between was lost
)

// unlink ends a link. The caller closes what the transport has of it.
func (r *Ring) unlink(now reliability.Time, l *link, cause endCause) {
	e := r.heard.at(l.place)
	id := e.id
	e.link = nil
	e.lastHeard = max(e.lastHeard, coarseOf(l.lastRecv))
	r.pause(now, e, cause)
	i := slices.Index(r.links, l)
	r.links = slices.Delete(r.links, i, i+1)
	// Described before the slots are computed anew, with the side it had.
	r.tell(EventNeighborDown, l)
	for i := range r.random {
		if r.random[i].link == l {
			r.random[i].link = nil
		}
	}
	if len(r.links) == 0 {
		r.hastenTimer(timerRejoin, now.Add(aloneRejoin))
	}
	r.closeCircuit(now, l.circuit, owire.RelayDone)
	r.circuitsLost(now, l, &id)
	r.placeOnRing(now)
	r.listsChanged(now, l)
	r.recomputeSoon(now)
}

// pause decides when a former neighbor may be dialed again: soon as a ring
// neighbor, later for any other place.
func (r *Ring) pause(now reliability.Time, e *entry, cause endCause) {
	switch cause {
	case causeDead:
		e.fails++
		e.failAt = coarseOf(now)
		e.pauseFor(now, firstBackoff, firstBackoff)
	case causeLeft:
		e.set(entryGone, true)
		e.failAt = coarseOf(now)
		e.pauseFor(now, leavePause, partedPause)
	case causeCircuit:
		e.nextRing = coarseOf(now)
	case causePolite, causeRefused:
		e.pauseFor(now, leavePause, r.jitter(partedPause))
	}
}

const (
	// leavePause is how long a member that left is not dialed. After many have
	// left at once, longer pauses keep the ring open: 27 s instead of 16 s with
	// 20 s, at 10,000 members.
	leavePause = 3 * time.Second
	// partedPause is how long one that was let go is not dialed again but for
	// the ring.
	partedPause = 90 * time.Second
	// addedNeighborKeep is how long a link that the application asked for is
	// kept whatever the slots say.
	addedNeighborKeep = 60 * time.Second
)
