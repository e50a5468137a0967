package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
)

// Times of the search for parents, in milliseconds.
const (
	improvePeriod = 1500
	// In the first seconds, in which the places are still taken by chance, it
	// is more often.
	improveSoon, improveEarly = 400, 20_000
	improveSettle             = 2000 // no search for a better parent after a change
	refusedTime               = 2000 // a neighbor that refused is not asked again
	leafTime                  = 10_000
	askSlack                  = 500    // for an answer, beyond two round trips
	hopBack                   = 10_000 // for how long a former first hop is taken back
	seekPause                 = 150    // before the next look for candidates when there are none
	partialPause              = 600    // likewise, while there is a partial parent
	// askedAtOnce is how many are asked at a time while nothing comes, and
	// askedTogether within what time the others' promises are not taken up.
	askedAtOnce   = 3
	askedTogether = 400
	// hopCost is what a hop costs beside the path: receiving and sending.
	hopCost = 3
	// displaceCost is what it costs to be taken in a leaf's place.
	displaceCost = 10
	// fullCost and fullSpread make a neighbor without a free slot a last
	// resort: its status may be old.
	fullCost, fullSpread = 300, 200
	relayedCost          = 40 // of a link through a third node
	urgentSpread         = 20
	// inherited is how much of a child's value counts as ours.
	inherited = 0.9
	// gainFactor and gainMin are how much better another parent must be.
	gainFactor, gainMin = 0.93, 30
	// eagerRefusals is after how many refusals in a row a slice is not asked for at
	// once any more, but after refusedStep for each and at most refusedMost.
	eagerRefusals            = 5 * partialAfterRefusals
	refusedStep, refusedMost = 40, 1600
	// partialAfter is after how many refusals or milliseconds without a parent
	// what is left over is asked for.
	partialAfterRefusals, partialAfter = 6, 1500
)

// needsParent reports whether the slice has no parent that will last and has
// something to push.
func (sl *slice) needsParent() bool {
	return sl.parent == none || sl.stop != 0 || sl.partial || sl.starved != 0
}

// isFed reports whether the slice comes, so that others can get it from us.
func (sl *slice) isFed() bool { return sl.native || sl.parent != none && sl.starved == 0 }

// seek looks for parents where they are missing, and now and then for better
// ones.
func (s *stream) seek() {
	now := s.e.ms
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.asking > 0 && now.after(sl.askedUntil) > 0 {
			s.endAsking(c)
		}
		if sl.stop != 0 && s.hasStopped(sl) {
			s.loseParent(c)
		}
		if sl.native {
			s.seekStandby(c)
			continue
		}
		if sl.asking > 0 || !sl.needsParent() || now.after(sl.tryAt) < 0 {
			continue
		}
		s.seekUrgent(c)
	}
	if s.join.placed {
		s.wishNeighbors()
	}
	if now.after(s.improveAt) >= 0 {
		period := improvePeriod
		if now.after(s.activeAt) < improveEarly {
			period = improveSoon
		}
		s.improveAt = now + millis(period/2+s.e.config.Rand.IntN(period))
		if !s.narrow {
			s.seekBetter()
		}
	}
}

// wishNeighbors wishes for more neighbors while slices have no parent and
// nobody is left to be asked.
func (s *stream) wishNeighbors() {
	if s.e.wishedAt != 0 && s.e.ms.after(s.e.wishedAt) < wishPause<<s.e.wishes {
		return
	}
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.native || sl.asking > 0 || sl.parent != none && !sl.partial || !sl.ran && s.e.ms.after(s.join.placedAt) < wishAfter {
			continue
		}
		if best, _ := s.bestParent(c, true); best == none {
			if s.e.ms.after(s.e.wishedAt) < 2*wishPause<<s.e.wishes {
				s.e.wishes = min(s.e.wishes+1, wishDoublings)
			} else {
				s.e.wishes = 0
			}
			s.e.wish, s.e.wishedAt = wishAtOnce, s.e.ms
			return
		}
	}
}

const (
	// wishAtOnce is for how many more neighbors is wished at a time, wishPause
	// how often, and wishAfter how long after the beginning, in milliseconds. The
	// pause doubles so many times while those that have come don't help.
	wishAtOnce           = 4
	wishPause, wishAfter = 700, 150
	wishDoublings        = 4
)

// TakeWish returns how many more neighbors the streams could do with, once.
func (e *Engine) TakeWish() int {
	n := e.wish
	e.wish = 0
	return n
}

// hasStopped reports whether a parent that is leaving has pushed the last of
// what it promised, or should have by now.
func (s *stream) hasStopped(sl *slice) bool {
	return sl.last+fragmenter.SliceCount >= sl.stop || s.win.known >= sl.stop+s.rates.idsIn(600)
}

// seekUrgent asks the best neighbors to become the parent of a slice that has
// none, or none that will last. While nothing comes at all it asks several at a
// time: what they stated may be old, and most will refuse after a mass
// departure.
func (s *stream) seekUrgent(c int) {
	sl := &s.slices[c]
	most := 1
	if sl.parent == none && sl.ran || sl.starved != 0 {
		most = askedAtOnce
	}
	if sl.parent == none && sl.wasHop.isAhead(s.e.ms) {
		s.askSource(c)
	}
	for int(sl.asking) < most {
		best, _ := s.bestParent(c, true)
		if best == none {
			break
		}
		s.ask(c, best, true)
	}
	if sl.asking == 0 {
		sl.tryAt = s.e.ms + seekPause + millis(s.e.config.Rand.IntN(100))
		if sl.parent == none {
			s.lastResort(c)
		}
		return
	}
	if sl.partial && sl.stop == 0 {
		if s.relayingNeighbors() <= smallGroup {
			s.lastResort(c) // leftovers of a few are not enough
		}
		sl.tryAt = s.e.ms + partialPause + millis(s.e.config.Rand.IntN(partialPause))
	}
}

// askSource asks the source to feed a slice again of which we were first hop: a
// whole tree waits below us.
func (s *stream) askSource(c int) {
	if source := s.publisher(c); source != none {
		s.ask(c, source, true)
	}
}

// isAsked reports whether a neighbor was asked for a slice and has not answered
// yet.
func (s *stream) isAsked(c int, index int16) bool { return s.peers[index].asking&(1<<c) != 0 }

func (s *stream) noteAsked(c int, index int16) {
	s.peers[index].asking |= 1 << c
	s.slices[c].asking++
}

func (s *stream) noteAnswered(c int, index int16) {
	if s.isAsked(c, index) {
		s.peers[index].asking &^= 1 << c
		s.slices[c].asking--
	}
}

// endAsking gives up on all who have not answered.
func (s *stream) endAsking(c int) {
	for i := range s.peers {
		if s.isAsked(c, int16(i)) {
			s.refusedBy(c, int16(i), refusedTime)
		}
	}
}

// seekBetter looks for a quicker parent of one slice: half of the time one that
// we relay, else the slowest of three.
func (s *stream) seekBetter() {
	random := s.e.config.Rand
	c := random.IntN(sliceCount)
	if s.slots.relays != 0 && random.IntN(2) == 0 {
		for s.slots.relays&(1<<c) == 0 {
			c = (c + 1) % sliceCount
		}
	} else {
		for range 2 {
			if other := random.IntN(sliceCount); s.slices[other].lag > s.slices[c].lag {
				c = other
			}
		}
	}
	sl := &s.slices[c]
	if sl.native {
		s.improveStandby(c)
		return
	}
	if sl.asking > 0 || sl.needsParent() || s.e.ms.after(sl.changed) < improveSettle {
		return
	}
	if p := &s.peers[sl.parent]; p.is(peerPublisher) || !p.is(peerExt) {
		return // the source chooses its children itself; see plain.go for the other
	}
	lag, known := s.standingLag(c)
	if !known {
		return
	}
	best, estimate := s.bestParent(c, false)
	if best == none || estimate >= gainFactor*lag-gainMin {
		return
	}
	s.ask(c, best, false)
}

// bestParent returns the neighbor by which the slice would come soonest, and
// its estimated lag.
func (s *stream) bestParent(c int, urgent bool) (best int16, lag float32) {
	best = none
	random := s.e.config.Rand
	value := s.valueOf(c)
	for i := range s.peers {
		p := &s.peers[i]
		if !s.isCandidate(p, int16(i), c) {
			continue
		}
		estimate, known := p.lagOf(c)
		if !known {
			continue
		}
		n := s.e.neighbors[i]
		estimate += n.oneWay() + hopCost + float32(p.queue)/2
		if n.relayed {
			estimate += relayedCost
		}
		if p.free&(1<<c) == 0 {
			switch {
			case value > displaceFactor*worth(p.lowestValue())+displaceMargin:
				estimate += displaceCost
			case !urgent:
				continue
			default:
				estimate += fullCost + random.Float32()*fullSpread
			}
		}
		if urgent {
			estimate += random.Float32() * urgentSpread
		}
		if best == none || estimate < lag {
			best, lag = int16(i), estimate
		}
	}
	return best, lag
}

// isCandidate reports whether a neighbor may be asked for a slice.
func (s *stream) isCandidate(p *peer, index int16, c int) bool {
	return p.flags&(peerIn|peerOut|peerExt|peerPublisher|peerLeaf) == peerIn|peerOut|peerExt &&
		p.slots > 0 && (p.feeds|p.asking)&(1<<c) == 0 && s.slices[c].parent != index &&
		!p.refused[c].isAhead(s.e.ms) && !s.e.neighbors[index].suspect.isAhead(s.e.ms) &&
		// A member of the LAN may have the slice from what we multicast there.
		!(s.e.neighbors[index].lan && s.passesOn())
}

// ask requests a slice from a neighbor.
func (s *stream) ask(c int, index int16, urgent bool) {
	sl, n := &s.slices[c], s.e.neighbors[index]
	s.noteAsked(c, index)
	start := s.startFor(sl, n)
	sl.askedUntil = s.e.ms + millis(2*n.rtt) + askSlack
	partial := urgent && (sl.parent == none || sl.starved != 0 || sl.partial) &&
		(sl.refusals >= partialAfterRefusals || sl.parent == none && s.e.ms.after(sl.orphan) > partialAfter)
	s.request(n, wire.Request{
		Slice: uint8(c), Start: start, Value: wire.ValueOf(float64(s.valueOf(c))), Urgent: urgent, PartialOK: partial,
	})
}

// startFor returns from where on a new parent has to push: after what has come,
// or behind what the old parent will have pushed by then.
func (s *stream) startFor(sl *slice, n *neighbor) fragmenter.ID {
	next := sl.last + fragmenter.SliceCount
	if sl.last == 0 {
		// What is older than our arrival is pulled.
		next = max(s.join.head, s.win.live-1) + 1
	}
	if sl.parent == none || sl.starved != 0 {
		return max(next, s.win.live, 1)
	}
	old := s.e.neighbors[sl.parent]
	start := s.win.known + s.rates.idsIn(3*n.oneWay()+old.oneWay()) + 4
	if sl.stop != 0 {
		start = max(min(start, sl.stop), next)
	}
	return start
}

// valueOf returns what we are worth as a child in a slice: how many we could
// feed, or what those are worth whom we do feed. Who has a tree below it comes
// before who has none.
func (s *stream) valueOf(c int) float32 {
	value, fed := s.slots.value(c), float32(0)
	for i := range s.slices[c].children {
		if ch := &s.slices[c].children[i]; ch.stop == 0 && !ch.partial {
			fed++
			value = max(value, inherited*worth(ch.value))
		}
	}
	return max(value, fed)
}

// lagOf returns how long after the publisher we get a slice, in milliseconds.
func (s *stream) lagOf(c int) (float32, bool) {
	sl := &s.slices[c]
	return sl.delay, s.clock.valid && sl.delaySamples > 0
}

// handleAccept takes a neighbor's promise to push a slice.
func (s *stream) handleAccept(n *neighbor, m *wire.Accept) {
	c := int(m.Slice)
	sl, p := &s.slices[c], &s.peers[n.index]
	asked := s.isAsked(c, n.index)
	s.noteAnswered(c, n.index)
	tags := chain(n.tag, &m.Ancestors)
	switch {
	case !s.active || s.publishing:
		s.stopPushing(n, c, 0)
	case sl.native:
		s.handleParked(n, c, asked, m, &tags)
	case isAbove(s.e.tag, &tags):
		p.refused[c] = s.e.ms + refusedTime
		s.stopPushing(n, c, 0)
		if sl.parent == n.index {
			s.loseParent(c)
		}
	case sl.parent == n.index:
		sl.partial, sl.stop = m.Partial, 0
		s.setTags(c, &tags)
	case asked && (s.e.ms.after(sl.changed) > askedTogether || sl.needsParent()) || sl.parent == none || p.is(peerPublisher):
		s.adopt(c, n, m.Start, m.Partial)
		s.setTags(c, &tags)
	default:
		s.stopPushing(n, c, 0) // it answered too late
	}
}

// adopt makes a neighbor the parent of a slice from a fragment on.
func (s *stream) adopt(c int, n *neighbor, start fragmenter.ID, partial bool) {
	sl := &s.slices[c]
	if old := sl.parent; old != none && old != n.index {
		s.stopPushing(s.e.neighbors[old], c, start)
		s.peers[old].owns &^= 1 << c
		if s.peers[old].is(peerPublisher) {
			sl.wasHop = s.e.ms + hopBack
		}
	}
	sl.former, sl.parent = sl.parent, n.index
	s.peers[n.index].owns |= 1 << c
	sl.handover, sl.stop, sl.partial, sl.starved = start, 0, partial, 0
	sl.refusals, sl.orphan, sl.samples, sl.tryAt = 0, 0, 0, 0
	sl.delaySamples = min(sl.delaySamples, 1)
	sl.newest = [orderCount]fragmenter.ID{}
	sl.changed = s.e.ms
	s.counts.parentChanges++
	if s.peers[n.index].is(peerPublisher) {
		s.slots.prefer(s.e, c)
	}
}

// loseParent notes that a slice has no parent any more.
func (s *stream) loseParent(c int) {
	sl := &s.slices[c]
	if sl.parent == none {
		return
	}
	s.peers[sl.parent].owns &^= 1 << c
	sl.parent, sl.former = none, sl.parent
	sl.stop, sl.partial, sl.tryAt, sl.starved = 0, false, 0, 0
	sl.orphan = s.e.ms
}

// handleRefuse takes a neighbor's no.
func (s *stream) handleRefuse(n *neighbor, m wire.Refuse) {
	c := int(m.Slice)
	s.dropStandby(n, c)
	if !s.isAsked(c, n.index) {
		return
	}
	pause := refusedTime
	switch m.Reason {
	case wire.RefuseLeaf, wire.RefusePolicy:
		pause = leafTime
	case wire.RefuseFull, wire.RefuseNoOwner:
		s.peers[n.index].free &^= 1 << c
		s.peers[n.index].notNow |= 1 << c
	}
	s.refusedBy(c, n.index, millis(pause))
	sl := &s.slices[c]
	if sl.parent == n.index {
		s.loseParent(c) // it was a standby, and is none any more
	}
	switch {
	case !sl.needsParent() || !s.active || sl.native:
	case sl.refusals > eagerRefusals && s.relayingNeighbors() > smallGroup:
		// There is not enough for all: asking faster finds nobody the sooner and
		// takes from what there is.
		sl.tryAt = s.e.ms + millis(min(refusedStep*int(sl.refusals), refusedMost)) + millis(s.e.config.Rand.IntN(refusedStep))
	default:
		s.seekUrgent(c)
	}
}

// refusedBy ends a request that was refused or not answered.
func (s *stream) refusedBy(c int, index int16, pause millis) {
	sl := &s.slices[c]
	s.noteAnswered(c, index)
	sl.refusals = min(sl.refusals+1, 200)
	s.peers[index].refused[c] = s.e.ms + pause
	s.counts.refusals++
}

// handleEvict is told that a parent will push no more than what lies below a
// fragment.
func (s *stream) handleEvict(n *neighbor, m wire.Evict) {
	c := int(m.Slice)
	sl := &s.slices[c]
	if s.active && sl.native {
		s.dropStandby(n, c)
	}
	if sl.parent != n.index || !s.active {
		return
	}
	sl.stop = max(m.Stop, 1)
	s.peers[n.index].refused[c] = s.e.ms + refusedTime
	s.peers[n.index].free &^= 1 << c
	sl.tryAt = 0
	if sl.asking == 0 {
		s.seekUrgent(c)
	}
}

// handleAncestors is told that the chain above a parent has changed.
func (s *stream) handleAncestors(n *neighbor, m *wire.Ancestors) {
	c := int(m.Slice)
	sl := &s.slices[c]
	if sl.parent != n.index && sl.standby != n.index || !s.active {
		return
	}
	tags := chain(n.tag, &m.Tags)
	if sl.standby == n.index {
		if tags.Contains(s.e.tag) {
			s.stopPushing(n, c, 0)
			s.dropStandby(n, c)
			return
		}
		s.setNativeTags(c, &tags)
		return
	}
	if isAbove(s.e.tag, &tags) {
		// We are above ourselves: nothing would ever come this way.
		s.peers[n.index].refused[c] = s.e.ms + refusedTime
		s.stopPushing(n, c, 0)
		s.loseParent(c)
		s.seekUrgent(c)
		return
	}
	s.setTags(c, &tags)
}

// isAbove reports whether a slice comes through a node now.
func isAbove(tag wire.Tag, tags *wire.Tags) bool {
	now := tags.Now()
	return now.Contains(tag)
}

// chain returns the ancestors of a child of a node.
func chain(first wire.Tag, above *wire.Tags) wire.Tags {
	var tags wire.Tags
	tags.Add(first)
	for i := range above.Len() {
		tags.Add(above.At(i))
	}
	return tags
}

// setTags takes over the chain above us and tells the children.
func (s *stream) setTags(c int, tags *wire.Tags) {
	sl := &s.slices[c]
	if sl.tags == *tags {
		return
	}
	sl.tags = *tags
	for i := range sl.children {
		if ch := &sl.children[i]; !ch.plain {
			s.sendExt(s.e.neighbors[ch.index], wire.AppendAncestors(s.e.arena.begin(), &wire.Ancestors{Slice: uint8(c), Tags: sl.tags}))
		}
	}
}

// stopPushing tells a neighbor to push a slice only up to a fragment, or with 0
// no more at all.
func (s *stream) stopPushing(n *neighbor, c int, stop fragmenter.ID) {
	if !n.ext {
		s.dropMaskBit(n, c)
		return
	}
	s.sendExt(n, wire.AppendStop(s.e.arena.begin(), wire.Stop{Slice: uint8(c), Stop: stop}))
}

// sendExt sends a message of the extension that was appended to the arena.
func (s *stream) sendExt(n *neighbor, b []byte) {
	s.send(n, overlay.FlowStreamExt, s.e.arena.end(b))
}
