package overlay

import (
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// youngAge is how long a node gossips fast after its start, calmAfter how
	// long after its ring neighbors changed.
	youngAge  = 10 * time.Second
	calmAfter = 3 * time.Second
	// calmFactor is by how much the interval grows each time nothing happens.
	calmFactor = 1.6
	// ringReportDelay lets several changes of the ring neighbors go out as one.
	ringReportDelay = 100 * time.Millisecond
)

// gossip begins an exchange of reports with one neighbor, half of the time with
// one on the ring.
func (r *Ring) gossip(now reliability.Time) {
	r.recompute(now)
	if now.Sub(r.started) < youngAge || now.Sub(r.ringChanged) < calmAfter {
		r.interval = r.p.GossipFast
	} else {
		r.interval = min(r.p.GossipSlow, time.Duration(float64(r.interval)*calmFactor))
	}
	r.setTimer(timerGossip, now.Add(r.jitter(r.interval)))
	l := r.partner(now)
	if l == nil {
		return
	}
	if l.is(linkAsked) && l.silent < silentLimit {
		l.silent++
	}
	form := formFull
	if l.side != 0 && r.interval > r.p.GossipFast && r.rand.IntN(2) == 0 {
		form = formShort
	}
	r.reportTo(now, l, form, true)
	l.set(linkAsked, true)
	r.measure(l, r.heard.at(l.place))
}

// partner chooses with whom to exchange reports: with a chance of one half a
// ring neighbor, and half of these times the one not written to longest.
func (r *Ring) partner(now reliability.Time) *link {
	var ring [2 * ringSide]*link
	n := 0
	for _, l := range r.links {
		if l.side != 0 && n < len(ring) {
			ring[n] = l
			n++
		}
	}
	var chosen *link
	switch {
	case len(r.links) == 0:
		return nil
	case n > 0 && r.rand.IntN(2) == 0:
		chosen = ring[r.rand.IntN(n)]
		if r.rand.IntN(2) == 0 {
			for _, l := range ring[:n] {
				if l.sentReport < chosen.sentReport {
					chosen = l
				}
			}
		}
	default:
		chosen = r.links[r.rand.IntN(len(r.links))]
	}
	if !chosen.usable() || chosen.is(linkStarted) && chosen.sentReport.age(now) < exchangeLimit {
		return nil // not this time
	}
	return chosen
}

// reportToRing tells the ring neighbors of each other after a change.
func (r *Ring) reportToRing(now reliability.Time) {
	for _, l := range r.links {
		if l.side != 0 && l.usable() {
			r.reportTo(now, l, formShort, true)
		}
	}
}

// handleMember takes a message on a neighbor's member flow.
func (r *Ring) handleMember(now reliability.Time, l *link, b []byte) {
	switch b[0] {
	case owire.TypeReport:
		r.handleReport(now, l, b)
	case owire.TypeReady, owire.TypeReadyNearest:
		r.handleReady(now, l, b[0] == owire.TypeReadyNearest)
	case owire.TypeDisconnect:
		r.handleDisconnect(now, l)
	case owire.TypeConnect, owire.TypeAccepted:
		// A second proof on a session proves nothing new.
	default:
		// Types that nobody has documented are no reason to part.
	}
}

// handleReady notes a neighbor's readiness and receive mode. The first such
// message is answered with a report.
func (r *Ring) handleReady(now reliability.Time, l *link, nearest bool) {
	if !l.is(linkReady) || l.is(linkNearest) != nearest {
		l.set(linkReady, true)
		l.set(linkNearest, nearest)
		r.tell(EventNeighborChanged, l)
		r.updateCoverage()
		r.listsChanged(now, l)
	}
	if !l.is(linkReported) {
		r.reportTo(now, l, formFull, true)
	}
}

// checkReady finds out whether the nearest members on both sides that may live
// are linked.
func (r *Ring) checkReady(now reliability.Time) {
	if r.up[0] == nil || r.down[0] == nil {
		return
	}
	h := &r.heard
	n := h.Len()
	for _, side := range [...]struct{ rank, step int }{{h.rank(r.pos), 1}, {h.rank(r.pos) - 1, -1}} {
		for i, rank := 0, side.rank; i < n; i, rank = i+1, rank+side.step {
			e := h.at(h.ranked((rank%n + n) % n))
			if e.link != nil && e.link.usable() {
				break
			}
			if e.fails == 0 && !e.is(entryGone) && e.lastHeard.age(now) < r.p.HeardAge {
				return
			}
		}
	}
	r.becomeReady(now)
}

// becomeReady tells the neighbors that this node takes routed messages, if that
// is its mode. It happens when the ring neighbors are linked, or nearly so: a
// newcomer that nobody knows yet would be asked for what others have.
func (r *Ring) becomeReady(now reliability.Time) {
	if r.ready {
		return
	}
	r.ready = true
	r.timers[timerReady] = reliability.Never
	r.tell(EventReady, nil)
	r.tellMode(now)
	r.updateCoverage()
}

// tellMode tells neighbors the receive mode if it is not the one they know.
func (r *Ring) tellMode(_ reliability.Time) {
	near := r.TakesNearest()
	for _, l := range r.links {
		if l.is(linkSaidNear) != near {
			l.set(linkSaidNear, near)
			r.send(r.id(l), FlowMember, r.modeMessage())
		}
	}
}
