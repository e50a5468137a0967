package overlay

import (
	"math"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// askAgain is how often one neighbor is asked to leave at most.
	askAgain = 90 * time.Second
	// surplusAge is how old a link must be to be surplus, surplusPace how often
	// some are asked to leave, and surplusBatch how many at a time. One at a time
	// lets links pile up to the cap after a busy start.
	surplusAge   = 20 * time.Second
	surplusPace  = 2 * time.Second
	surplusBatch = 4
)

// degree returns how many links to aim at.
func (r *Ring) degree() int {
	return int(2*math.Log2(max(1, r.members))) + r.p.DegreeSlack
}

// degreeCap returns how many links to have at most, but for ring neighbors.
func (r *Ring) degreeCap() int { return int(r.p.DegreeCap * float64(r.degree())) }

// refusal decides whether a proved peer that opened the relation is turned
// away. Those that would be ring neighbors never are, and nobody else comes in
// over a relayed session.
func (r *Ring) refusal(p *pending, e *entry) (owire.RefuseReason, bool) {
	if r.wouldBeRing(e.pos) {
		return 0, false
	}
	if p.session.relayed {
		return owire.RefusePolicy, true
	}
	if len(r.links) >= r.degreeCap() {
		return owire.RefuseFull, true
	}
	if e.prefix == 0 {
		return 0, false
	}
	same := 0
	for _, l := range r.links {
		if !l.session.initiator && r.heard.at(l.place).prefix == e.prefix {
			same++
		}
	}
	return owire.RefusePrefix, same >= r.p.PrefixLinks
}

// wouldBeRing reports whether a member at pos would be among the nearest on its
// side of the ring.
func (r *Ring) wouldBeRing(pos uint64) bool {
	last := ringSide - 1
	up, down := r.up[last], r.down[last]
	return up == nil || down == nil || pos-r.pos < up.pos-r.pos || r.pos-pos < r.pos-down.pos
}

// turnAway refuses a peer: it is told that this is the right group and whom
// else to ask, and given a moment to leave by itself. Peers without our
// extensions get a report and the request to disconnect.
func (r *Ring) turnAway(now reliability.Time, p *pending, reason owire.RefuseReason) {
	r.stats.Refused++
	if p.state == pendingIdle {
		r.sendProof(p)
	}
	p.state, p.deadline, p.connectAt = pendingRefused, now.Add(refusedLimit), reliability.Never
	r.wakeBy(p.deadline)
	pos := p.id.Address().Top()
	if uint64(p.caps)&r.caps&CapOverlay != 0 {
		r.scratch.foreign = p.session.foreign
		hints := r.compose(now, pos, &p.id, formHints)
		r.send(p.id, FlowOverlay, owire.AppendRefuse(nil, owire.Refuse{Reason: reason, Others: hints}))
		return
	}
	r.sendReport(now, p.id, pos, &p.session, formShort)
	r.send(p.id, FlowMember, msgDisconnect)
}

// handleRefuse takes the refusal of a peer that this node wants to be linked
// with.
func (r *Ring) handleRefuse(now reliability.Time, p *pending, b []byte) {
	if r.caps&CapOverlay == 0 || p.state != pendingSent && p.state != pendingProved {
		return
	}
	m, err := owire.ParseRefuse(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	if p.state == pendingProved {
		r.merge(now, &p.id, m.Others)
	}
	r.refused(now, p)
}

// takeHints reads a report of a peer that has not said that it is ready, and
// perhaps never will.
func (r *Ring) takeHints(now reliability.Time, p *pending, b []byte) {
	if m := r.parseReport(b); m != nil {
		r.merge(now, &p.id, m.Entries)
	}
}

// refused notes that a peer has no room, and looks elsewhere.
func (r *Ring) refused(now reliability.Time, p *pending) {
	r.stats.RefusedByOthers++
	r.endDial(&p.id)
	if place := r.heard.find(&p.id); place != noEntry {
		e := r.heard.at(place)
		e.set(entryDialing|entryWanted, false)
		r.pause(now, e, causeRefused)
	}
	r.endPending(now, p)
	r.recomputeSoon(now)
}

// handleDisconnect takes a neighbor's request to leave. It is granted unless
// the link fills a slot here or is in use.
func (r *Ring) handleDisconnect(now reliability.Time, l *link) {
	if l.keepUntil.time() > now || l.is(linkWanted) || r.inUse(l) {
		return
	}
	r.stats.DisconnectsGranted++
	id := r.id(l)
	r.unlink(now, l, causePolite)
	r.act(Action{Kind: ActionRelease, Peer: id})
}

// askSurplus asks links that fill no slot to leave while there are more than
// there should be. Not while many members vanish: the estimate falls then, and
// links that are about to be ring neighbors would be let go.
func (r *Ring) askSurplus(now reliability.Time) {
	over := len(r.links) - r.degree()
	if over <= 0 || now < r.massUntil || now.Sub(r.surplusAt) < surplusPace {
		return
	}
	r.surplusAt = now
	for range min(over, surplusBatch) {
		var youngest *link
		for _, l := range r.links {
			if l.is(linkWanted) || l.keepUntil.time() > now || l.since.age(now) < surplusAge || l.askedAt != 0 && l.askedAt.age(now) < askAgain || r.inUse(l) {
				continue
			}
			if youngest == nil || l.since > youngest.since {
				youngest = l
			}
		}
		if youngest == nil {
			return
		}
		youngest.askedAt = coarseOf(now)
		r.stats.DisconnectsAsked++
		r.send(r.id(youngest), FlowMember, msgDisconnect)
	}
}

// dropOverCap lets the youngest link go that others opened and that fills no
// slot, when a ring neighbor came in beyond the cap.
func (r *Ring) dropOverCap(now reliability.Time) {
	if len(r.links) <= r.degreeCap() {
		return
	}
	// Links in use only if all are.
	var youngest, used *link
	for _, l := range r.links {
		if l.session.initiator || l.is(linkWanted) || l.side != 0 || l.keepUntil.time() > now {
			continue
		}
		at := &youngest
		if r.inUse(l) {
			at = &used
		}
		if *at == nil || l.since > (*at).since {
			*at = l
		}
	}
	if youngest == nil {
		youngest = used
	}
	if youngest != nil && !slices.Contains(r.up[:], youngest) {
		r.expel(now, youngest)
	}
}

// inUse reports whether the application needs the link.
func (r *Ring) inUse(l *link) bool { return r.used != nil && r.used(r.id(l)) }

// expel turns a linked neighbor away.
func (r *Ring) expel(now reliability.Time, l *link) {
	p := &pending{id: r.id(l), session: l.session, circuit: l.circuit, caps: l.caps, state: pendingProved, connectAt: reliability.Never}
	l.circuit = 0 // it goes on with the session
	r.unlink(now, l, causeRefused)
	r.pending = append(r.pending, p)
	r.turnAway(now, p, owire.RefuseFull)
}
