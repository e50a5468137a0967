package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
)

// A node that has a slice natively keeps a place with a neighbor that would push
// it otherwise, its standby: a child from the last number that there can be.
// When native multicast goes away it goes away for many at once, and all of them
// would look for parents among those that have none either. So the trees stand
// all the time, though nothing flows in them, and each node only has to name the
// number from which on it wants to be served.
const (
	// parkedStart is from where on such a child wants to be pushed to.
	parkedStart = fragmenter.MaxID
	// standbyPause is how often a standby is looked for, in milliseconds, and up
	// to as much more.
	standbyPause = 400
	// standbySpread is within what time those look for another whose standby has
	// none any more.
	standbySpread = 1500
	// hopPlaces is how many places the source keeps in each slice.
	hopPlaces = 2
	// catchUpTime is for how long after native multicast has gone away queues
	// are not judged, in milliseconds.
	catchUpTime = 5000
)

// isParked reports whether a child only keeps its place.
func (ch *child) isParked() bool { return ch.start == parkedStart }

// park lets a slice's parent go, but keeps the place there.
func (s *stream) park(c int) {
	sl := &s.slices[c]
	index := sl.parent
	n := s.e.neighbors[index]
	lasts := n.ext && !sl.partial && sl.stop == 0 && sl.starved == 0
	s.loseParent(c)
	sl.former, sl.orphan = none, 0
	if !lasts {
		s.stopPushing(n, c, 0)
		return
	}
	s.request(n, wire.Request{Slice: uint8(c), Start: parkedStart, Value: wire.ValueOf(float64(s.valueOf(c)))})
	sl.standby = index
}

// parkHop keeps a place at the source for a neighbor that has a slice natively:
// for a few of each slice, below whom the others stand. It is no first hop any
// more, so that those without native multicast get one.
func (s *stream) parkHop(n *neighbor, c int, m *wire.Request) {
	sl := &s.slices[c]
	places := 0
	for i := range sl.children {
		if ch := &sl.children[i]; ch.isParked() && ch.index != n.index {
			places++
		}
	}
	if places >= hopPlaces || !s.peers[n.index].takesPart() {
		if i := sl.childIndex(n.index); i >= 0 {
			s.declined(n, c)
			s.removeChild(c, i, 0)
		}
		s.sendExt(n, wire.AppendRefuse(s.e.arena.begin(), wire.Refuse{Slice: m.Slice, Reason: wire.RefusePolicy}))
		return
	}
	s.declined(n, c)
	s.addChild(c, child{index: n.index, value: m.Value, start: parkedStart})
	s.sendExt(n, wire.AppendAccept(s.e.arena.begin(), &wire.Accept{Slice: m.Slice, Start: parkedStart}))
}

// seekStandby looks for a standby for a slice that comes natively, also while the
// present one hangs on a node that has none itself.
func (s *stream) seekStandby(c int) {
	sl := &s.slices[c]
	if sl.standby != none && sl.tags.IsRooted() || sl.asking > 0 || s.e.ms.after(sl.tryAt) < 0 {
		return
	}
	sl.tryAt = s.e.ms + standbyPause + millis(s.e.config.Rand.IntN(standbyPause))
	best, _ := s.bestParent(c, true)
	if source := s.publisher(c); source != none && (best == none || sl.refusals > 0) {
		best = source
	}
	if best == none {
		return
	}
	s.askPlace(c, best, true)
}

// improveStandby looks for a standby by which a slice would come sooner.
func (s *stream) improveStandby(c int) {
	sl := &s.slices[c]
	lag, known := s.standingLag(c)
	if sl.standby == none || sl.asking > 0 || !known {
		return
	}
	if best, estimate := s.bestParent(c, false); best != none && best != sl.standby && estimate < gainFactor*lag-gainMin {
		s.askPlace(c, best, false)
	}
}

// askPlace asks a neighbor to become a slice's standby, urgently if there is
// none.
func (s *stream) askPlace(c int, index int16, urgent bool) {
	n := s.e.neighbors[index]
	s.noteAsked(c, index)
	s.slices[c].askedUntil = s.e.ms + millis(2*n.rtt) + askSlack
	s.request(n, wire.Request{Slice: uint8(c), Start: parkedStart, Value: wire.ValueOf(float64(s.valueOf(c))), Urgent: urgent})
}

// standingLag returns how late a slice comes, or would come without native
// multicast where it comes through that, in milliseconds. It is by this that
// trees are built: all who have a slice natively have it equally soon, and trees
// of them would be as deep as they like.
func (s *stream) standingLag(c int) (float32, bool) {
	sl := &s.slices[c]
	from := sl.parent
	switch {
	case sl.native && !sl.tags.IsRooted():
		return 0, false
	case sl.native:
		from = sl.standby
	case sl.tags.Now() == sl.tags:
		return s.lagOf(c)
	}
	if from == none {
		return 0, false
	}
	lag, known := s.peers[from].lagOf(c)
	return lag + s.e.neighbors[from].oneWay() + hopCost, known
}

// catchesUp reports whether native multicast has gone away lately: queues are
// long then for a while, and that says nothing of what the lines can carry.
func (s *stream) catchesUp() bool {
	return s.nat != nil && s.nat.lostAt != 0 && s.e.ms.after(s.nat.lostAt) < catchUpTime
}

// publisher returns the source, if it is a neighbor that may be asked for a slice.
func (s *stream) publisher(c int) int16 {
	for i := range s.peers {
		p := &s.peers[i]
		if p.takesPart() && p.is(peerExt) && p.is(peerPublisher) && !p.refused[c].isAhead(s.e.ms) && !s.isAsked(c, int16(i)) {
			return int16(i)
		}
	}
	return none
}

// handleParked takes a neighbor's promise of a place.
func (s *stream) handleParked(n *neighbor, c int, asked bool, m *wire.Accept, tags *wire.Tags) {
	sl := &s.slices[c]
	switch {
	case sl.standby == none && !asked && s.peers[n.index].is(peerPublisher):
		s.askPlace(c, n.index, true) // it would make us a first hop
	case sl.standby == n.index && m.Start != parkedStart:
		s.askPlace(c, n.index, true) // likewise
	case tags.Contains(s.e.tag), m.Partial, sl.standby != n.index && !asked,
		sl.standby != none && sl.standby != n.index && !tags.IsRooted():
		s.dropStandby(n, c)
		s.stopPushing(n, c, 0)
	default:
		if old := sl.standby; old != none && old != n.index {
			s.stopPushing(s.e.neighbors[old], c, 0)
		}
		sl.standby, sl.refusals = n.index, 0
		s.setNativeTags(c, tags)
	}
}

// dropStandby forgets a neighbor if it was the slice's standby.
func (s *stream) dropStandby(n *neighbor, c int) {
	if sl := &s.slices[c]; sl.standby == n.index {
		sl.standby, sl.tryAt = none, 0
		s.setNativeTags(c, &wire.Tags{})
	}
}

// resume makes a slice's standby its parent, which does not come natively any
// more. It reports false if there is none.
func (s *stream) resume(c int) bool {
	sl := &s.slices[c]
	if sl.standby == none {
		return false
	}
	n := s.e.neighbors[sl.standby]
	sl.standby = none
	start := s.startFor(sl, n)
	s.adopt(c, n, start, false)
	above := sl.tags.Standby()
	s.setTags(c, &above)
	s.noteAsked(c, n.index)
	sl.askedUntil = s.e.ms + millis(2*n.rtt) + askSlack
	s.request(n, wire.Request{Slice: uint8(c), Start: start, Value: wire.ValueOf(float64(s.valueOf(c))), Urgent: true})
	return true
}

// setNativeTags makes those through whom a slice comes that is had natively:
// who multicasts it, and the chain above the standby.
func (s *stream) setNativeTags(c int, above *wire.Tags) {
	var tags wire.Tags
	tags.Add(s.nat.from)
	tags.Add(wire.TagStandby)
	for i := range above.Len() {
		tags.Add(above.At(i))
	}
	if sl := &s.slices[c]; sl.tags.IsRooted() && !tags.IsRooted() {
		// All below learn it at the same time, and one that moves may be enough.
		sl.tryAt = s.e.ms + millis(s.e.config.Rand.IntN(standbySpread))
	}
	s.setTags(c, &tags)
}

// pushesTo reports whether anything is really pushed to a neighbor.
func (s *stream) pushesTo(index int16) bool {
	for c := range s.slices {
		if ch := s.slices[c].child(index); ch != nil && !ch.isParked() {
			return true
		}
	}
	return false
}

// waitsForUs reports whether a neighbor gets a slice from here and not natively.
func (s *stream) waitsForUs(index int16, c int) bool {
	if s.peers[index].feeds&(1<<c) == 0 {
		return false
	}
	ch := s.slices[c].child(index)
	return ch == nil || !ch.isParked()
}

func (s *stream) request(n *neighbor, m wire.Request) {
	s.sendExt(n, wire.AppendRequest(s.e.arena.begin(), m))
}
