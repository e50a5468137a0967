package overlay

import (
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// ladders are when probes go out after the first one, and at the end when a
// neighbor that answered none of them is suspected. With 1 % loss in bursts of
// 100 ms the normal one is wrong twice in 100,000 times.
var ladders = [...][]time.Duration{
	ladderNormal:  {250 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond, 1100 * time.Millisecond},
	ladderPatient: {250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second},
	ladderHasty:   {250 * time.Millisecond, 500 * time.Millisecond},
}

const (
	// patientFor is how long a neighbor that was suspected wrongly gets the
	// patient ladder.
	patientFor = 10 * time.Minute
	// suspectProbe is how often a suspect is probed until it is buried.
	suspectProbe = time.Second
	// suspectTold is how many links nearest to a suspect are told of it.
	suspectTold = 8
	// massLosses lost within massTime are a mass failure; for massCalm nobody is
	// asked to leave then.
	massLosses = 4
	massTime   = 5 * time.Second
	massCalm   = 30 * time.Second
	massRejoin = 3 * time.Second
)

// period is how long a neighbor may be silent.
func (r *Ring) period(l *link) time.Duration {
	switch l.side {
	case 1, -1:
		return r.p.ProbeFirst
	case 0:
		return r.p.ProbeLink
	}
	return r.p.ProbeRing
}

// heardFrom notes a sign of life, which ends any suspicion.
func (r *Ring) heardFrom(now reliability.Time, l *link) {
	l.lastRecv = now
	if l.step == 0 {
		return
	}
	l.step, l.ladder = 0, ladderNormal
	l.probeAt = now.Add(r.period(l))
	r.wakeBy(l.probeAt)
	if l.is(linkSuspect) {
		r.absolve(now, l)
	}
}

// HandlePong tells that a neighbor has answered a ping.
func (r *Ring) HandlePong(now reliability.Time, id PeerID) {
	if l := r.linkOf(&id); l != nil && !r.leaving {
		r.heardFrom(now, l)
		r.measure(l, r.heard.at(l.place))
	}
}

// measure notes the round-trip time of a neighbor.
func (r *Ring) measure(_ *link, e *entry) {
	if rtt, ok := r.tr.RTT(e.id); ok {
		e.rtt = uint32(max(1, min(rtt, time.Hour)/time.Microsecond))
	}
}

// timeoutProbes looks at the links whose time has come.
func (r *Ring) timeoutProbes(now reliability.Time) {
	for i := 0; i < len(r.links); i++ {
		l := r.links[i]
		if l.probeAt > now {
			continue
		}
		n := len(r.links)
		r.probe(now, l)
		if len(r.links) < n {
			i-- // it was buried
		}
	}
}

// probe asks a neighbor for a sign of life, or draws its conclusions.
func (r *Ring) probe(now reliability.Time, l *link) {
	id := r.id(l)
	if heard := r.tr.LastHeard(id); heard > l.lastRecv {
		r.heardFrom(now, l)
		l.lastRecv = heard
	}
	if silent := now.Sub(l.lastRecv); l.step == 0 && silent < r.period(l) {
		l.probeAt = l.lastRecv.Add(r.period(l))
		return
	}
	if l.is(linkSuspect) {
		if now.Sub(l.lastRecv) >= r.p.BuryAfter {
			r.bury(now, l)
			return
		}
		r.ping(id)
		l.probeAt = now.Add(suspectProbe)
		return
	}
	if l.step == 0 {
		r.startProbe(now, l, id)
		return
	}
	ladder := ladders[l.ladder]
	if int(l.step) == len(ladder) {
		r.suspect(now, l)
		return
	}
	r.ping(id)
	l.step++
	l.probeAt = now.Add(ladder[l.step-1] - ladder[l.step-2])
}

// startProbe sends the first ping of a ladder.
func (r *Ring) startProbe(now reliability.Time, l *link, id PeerID) {
	if l.ladder != ladderHasty {
		l.ladder = ladderNormal
		if now < l.patient.time() {
			l.ladder = ladderPatient
		}
	}
	l.step = 1
	l.probeAt = now.Add(ladders[l.ladder][0])
	r.ping(id)
	r.wakeBy(l.probeAt)
}

func (r *Ring) ping(id PeerID) {
	r.stats.Pings++
	r.act(Action{Kind: ActionPing, Peer: id})
}

// probePromoted probes a link that has become a ring neighbor because others
// fell out: it may be dead as well, and until now nobody cared. After half of a
// group vanished, the ring closes in 8 s this way and in 16 s without.
func (r *Ring) probePromoted(now reliability.Time, l *link) {
	if !r.probeIfQuiet(now, l) {
		l.probeAt = min(l.probeAt, now.Add(r.period(l)))
		r.wakeBy(l.probeAt)
	}
}

// probeIfQuiet probes a link on which something is about to depend, unless it
// was heard from a moment ago, and reports whether it did.
func (r *Ring) probeIfQuiet(now reliability.Time, l *link) bool {
	if l.step > 0 {
		return true
	}
	id := r.id(l)
	if now.Sub(max(l.lastRecv, r.tr.LastHeard(id))) <= r.p.ProbeFirst/2 {
		return false
	}
	r.startProbe(now, l, id)
	return true
}

// suspect takes a silent neighbor out of all slots, and tells the neighbors
// around it, who look for themselves. The session is kept.
func (r *Ring) suspect(now reliability.Time, l *link) {
	r.stats.Suspected++
	if l.circuit != 0 {
		r.doubtCircuit(now, l)
		return
	}
	l.set(linkSuspect, true)
	l.probeAt = now.Add(suspectProbe)
	id := r.id(l)
	r.ping(id)
	r.noteLoss(now)
	r.placeOnRing(now)
	r.tell(EventNeighborChanged, l)
	r.updateCoverage()
	r.listsChanged(now, l)
	r.circuitsLost(now, l, &id)
	r.recomputeSoon(now)
	if r.caps&CapOverlay != 0 {
		r.tellSuspicion(l, id)
	}
}

// doubtCircuit ends a silent relayed link. More often than the neighbor it is
// the relay that is dead, so another one is tried at once.
func (r *Ring) doubtCircuit(now reliability.Time, l *link) {
	for i := range r.circuits {
		if c := &r.circuits[i]; c.isEnd() && c.handle == l.circuit {
			r.probeIfQuiet(now, c.hops[0].link)
			break
		}
	}
	id := r.id(l)
	r.unlink(now, l, causeCircuit)
	r.act(Action{Kind: ActionRelease, Peer: id})
}

// tellSuspicion tells the links nearest to a suspect on the ring.
func (r *Ring) tellSuspicion(suspect *link, id PeerID) {
	var m []byte
	n := len(r.links)
	up := r.linkRank(suspect.pos)
	down := up - 1
	for told, seen := 0, 0; told < suspectTold && seen < n; seen++ {
		var i int
		if seen%2 == 0 {
			i = (up + n) % n
			up++
		} else {
			i = (down + n) % n
			down--
		}
		if l := r.links[i]; l != suspect && l.usable() && l.ours() {
			if m == nil {
				m = owire.AppendSuspect(nil, id)
			}
			r.send(r.id(l), FlowOverlay, m)
			told++
		}
	}
}

// handleSuspect looks at once at a neighbor that another one suspects. It is
// never believed unchecked and never passed on.
func (r *Ring) handleSuspect(now reliability.Time, from *link, b []byte) {
	id, err := owire.ParseSuspect(b)
	if err != nil {
		r.stats.Malformed++
		return
	}
	peer := PeerID(id)
	l := r.linkOf(&peer)
	if l == nil || l == from || l.step > 0 {
		return
	}
	if !from.spendRequest(now) {
		r.stats.Flooded++
		return
	}
	l.ladder = ladderHasty
	r.startProbe(now, l, peer)
}

// absolve takes a suspect back, and is more patient with it from now on.
func (r *Ring) absolve(now reliability.Time, l *link) {
	r.stats.FalseAlarms++
	l.set(linkSuspect, false)
	l.patient = coarseOf(now.Add(patientFor))
	r.tell(EventNeighborChanged, l)
	r.placeOnRing(now)
	r.updateCoverage()
	r.listsChanged(now, l)
	r.recomputeSoon(now)
}

// bury gives a suspect up.
func (r *Ring) bury(now reliability.Time, l *link) {
	r.stats.Buried++
	id := r.id(l)
	r.unlink(now, l, causeDead)
	r.act(Action{Kind: ActionRelease, Peer: id})
}

// noteLoss notes that a neighbor fell silent. Many at once are a mass failure:
// all links are probed, nobody is asked to leave for a while, and the introducer
// is asked again.
func (r *Ring) noteLoss(now reliability.Time) {
	copy(r.lost[1:], r.lost[:])
	r.lost[0] = now
	oldest := r.lost[massLosses-1]
	if oldest == 0 || now.Sub(oldest) > massTime {
		return
	}
	if now >= r.massUntil {
		r.stats.MassFailures++
		r.massAt = oldest
		r.setTimer(timerRejoin, now.Add(time.Duration(r.rand.Int64N(int64(massRejoin)))))
		for _, l := range r.links {
			r.probeIfQuiet(now, l)
		}
	}
	r.massUntil = now.Add(massCalm)
}
