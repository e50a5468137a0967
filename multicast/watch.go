package multicast

import "github.com/ringcast/ringcast/fragmenter"

// Times by which parents are watched, in milliseconds. Silence alone is no
// sign of death: a parent with a queue and an unfed parent look dead too, so it
// is asked first. Without that most "dead" parents were alive.
const (
	lateBase, lateJitters = 150, 3 // overdue beyond jitter, for a slice to be late
	// lagMost and jitterMost bound what a slice's past excuses: where it was
	// slow in the beginning nobody would ever be found late.
	lagMost, jitterMost = 500, 100
	parentQuiet         = 250 // silence after which a late parent is asked
	pingSlack           = 150 // for the answer, beyond the round trip
	// upstreamLate is when another parent is looked for though the present one
	// lives.
	upstreamLate, upstreamSpread = 600, 200
	suspectTime                  = 10_000
	// massTime is within what two deaths make all neighbors worth asking.
	massTime               = 2000
	probeQuiet, probeLimit = 400, 700
)

// ping asks a neighbor for a sign of life, unless it was asked already and has
// not been heard since.
func (e *Engine) ping(n *neighbor) {
	if n.pinged == 0 {
		n.pinged = e.ms
		e.pings.push(n)
	}
}

// unanswered returns for how long a neighbor has owed an answer, in
// milliseconds, 0 if it owes none.
func (e *Engine) unanswered(n *neighbor, silence int) int {
	if n.pinged == 0 {
		return 0
	}
	waiting := e.ms.after(n.pinged)
	if silence < waiting {
		n.pinged = 0 // it has been heard since
		return 0
	}
	return waiting
}

// lateness returns by how much a slice is behind what its parent usually pushes,
// in milliseconds: how overdue the second fragment is that it has not pushed.
// What was pulled meanwhile does not count.
func (s *stream) lateness(sl *slice) float32 {
	id := max(sl.last+2*fragmenter.SliceCount, sl.handover+fragmenter.SliceCount, s.win.base)
	if id > s.win.known {
		return 0
	}
	return float32(s.e.ms.after(s.win.at(id).known)) - min(sl.lag, lagMost)
}

// watchParents looks after the parents of slices that are late.
func (s *stream) watchParents() {
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.parent == none {
			continue
		}
		late := s.lateness(sl)
		if late < lateBase+lateJitters*min(sl.jitter, jitterMost) {
			sl.starved = 0
			continue
		}
		n := s.e.neighbors[sl.parent]
		silence := s.e.silence(n)
		if s.e.unanswered(n, silence) > int(n.rtt)+pingSlack {
			s.e.declareDead(n)
			continue
		}
		if silence > parentQuiet {
			s.e.ping(n)
		}
		if s.narrow || sl.starved != 0 || late < upstreamLate+float32(s.e.config.Rand.IntN(upstreamSpread)) {
			continue
		}
		// The fault is above it. Whoever is below us is better off with us than
		// alone, so the tree stays as it is: the first in it who finds a neighbor
		// that is fed gets it going again.
		sl.starved = s.e.ms
		sl.tryAt = 0
		s.counts.parentsLost++
		if !n.ext {
			s.leavePlain(c, n)
		}
	}
}

// declareDead gives up a neighbor that has not answered in all its parts.
func (e *Engine) declareDead(n *neighbor) {
	n.suspect = e.ms + suspectTime
	for _, s := range e.streams {
		if s.active {
			s.dropParent(n)
			s.dropChildren(n)
		}
	}
	mass := e.deaths[0] != 0 && e.ms.after(e.deaths[0]) < massTime
	e.deaths[1], e.deaths[0] = e.deaths[0], e.ms
	if mass {
		e.probe()
	}
}

// probe asks all neighbors for a sign of life that have not been heard lately.
// Not at the first death: forty pings block a slow uplink for a quarter of a
// second.
func (e *Engine) probe() {
	for _, n := range e.neighbors {
		if n == nil || n.suspect.isAhead(e.ms) || n.pinged != 0 || e.silence(n) < probeQuiet {
			continue
		}
		e.ping(n)
		e.probing = true
	}
}

// watchProbes suspects the neighbors that have not answered.
func (e *Engine) watchProbes() {
	if !e.probing {
		return
	}
	e.probing = false
	for _, n := range e.neighbors {
		if n == nil || n.pinged == 0 {
			continue
		}
		if waiting := e.unanswered(n, e.silence(n)); waiting > probeLimit {
			n.suspect = e.ms + suspectTime
		} else if waiting > 0 {
			e.probing = true
		}
	}
}

// dropParent takes all slices from a parent that is gone and looks for others.
func (s *stream) dropParent(n *neighbor) {
	for c := range s.slices {
		sl := &s.slices[c]
		s.noteAnswered(c, n.index)
		if sl.former == n.index {
			sl.former = none
		}
		if sl.parent == n.index {
			s.loseParent(c)
			s.counts.parentsLost++
		}
		if s.active {
			s.dropStandby(n, c)
		}
	}
	if s.publishing || !s.active {
		return
	}
	for c := range s.slices {
		if sl := &s.slices[c]; sl.parent == none && sl.asking == 0 && !sl.native && sl.orphan == s.e.ms {
			s.seekUrgent(c)
		}
	}
}

// dropPeer ends all relations of a stream with a neighbor.
func (s *stream) dropPeer(n *neighbor) {
	s.peers[n.index].slots = 0
	if s.active {
		s.forgetPulls(n.index)
		s.dropChildren(n)
		s.dropParent(n)
	}
}
