package multicast

import (
	"slices"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
)

const (
	// displaceFactor and displaceMargin are how much more a requester must be
	// worth than the child that it displaces.
	displaceFactor, displaceMargin = 1.3, 0.5
	// graceTime is for how long a child that is given away is still served, in
	// milliseconds.
	graceTime = 1500
	// backlogIDs is how far back a new child can begin.
	backlogIDs = 300
	// slackShare is the part of the slots that may go to slices that are not
	// preferred and not relayed yet.
	slackShare = 0.8
	// partialShare limits partial children.
	partialShare = 0.35
	// swapAfter is how long a leaf keeps its slot in any case, and swapPause how
	// often one is given to another, in milliseconds.
	swapAfter, swapPause = 4000, 400
	// turnAfter is how long a child gets what is left over before it has its
	// turn, in milliseconds.
	turnAfter = 2000
	// Silence after which a child is asked for a sign of life, and given up, in
	// milliseconds. Giving up at 1.3 s without asking cut off live children.
	childQuiet, childDead = 900, 1800
	// childCheck is how often children are looked after.
	childCheck = 300
)

// handleRequest answers a neighbor that wants a slice from us.
func (s *stream) handleRequest(n *neighbor, m wire.Request) {
	c := int(m.Slice)
	if s.publishing && s.active {
		s.handleSourceRequest(n, m)
		return
	}
	accept, partial := false, false
	reason := s.refusal(n, c, m.Start == parkedStart)
	if reason == accepted {
		accept, partial, reason = s.makeSlot(n, &m)
	}
	if !accept {
		if reason == wire.RefuseNoOwner {
			s.peers[n.index].denied |= 1 << c
			s.slices[c].denied = true
		}
		s.sendExt(n, wire.AppendRefuse(s.e.arena.begin(), wire.Refuse{Slice: m.Slice, Reason: reason}))
		s.sendStatus(n)
		return
	}
	s.accept(n, c, m.Start, m.Value, partial)
}

// accepted is no reason to refuse.
const accepted wire.RefuseReason = 255

// refusal returns why a neighbor can't be fed a slice at all.
func (s *stream) refusal(n *neighbor, c int, parked bool) wire.RefuseReason {
	sl := &s.slices[c]
	switch {
	case !s.active || !s.peers[n.index].takesPart():
		return wire.RefusePolicy
	case s.slots.k == 0:
		return wire.RefuseLeaf
	case sl.parent == n.index || s.isAsked(c, n.index) || isAbove(n.tag, &sl.tags) || parked && sl.tags.Contains(n.tag):
		return wire.RefuseLoop
	case !sl.isFed():
		return wire.RefuseNoOwner
	}
	return accepted
}

// makeSlot finds room for a child: a free slot, the place of a child of lower
// value, or what is left over.
func (s *stream) makeSlot(n *neighbor, m *wire.Request) (ok, partial bool, reason wire.RefuseReason) {
	c := int(m.Slice)
	sl := &s.slices[c]
	if ch := sl.child(n.index); ch != nil && ch.stop == 0 && !ch.partial {
		return true, false, accepted // it has its slot already
	}
	if s.hasFree(c, m.Urgent) {
		return true, false, accepted
	}
	if i := sl.lowestChild(); i >= 0 && displaces(m.Value, sl.children[i].value) {
		s.evict(c, i)
		return true, false, accepted
	}
	if from, i := s.lowestOfAll(); i >= 0 && (displaces(m.Value, s.slices[from].children[i].value) || sl.fed() == 0 && sl.fromSource(s)) {
		// In the last case nobody but us can begin to spread it.
		s.evict(from, i)
		return true, false, accepted
	}
	if m.Urgent && s.moveLeaf(c) {
		return true, false, accepted
	}
	if m.PartialOK && s.swap(c) {
		return true, false, accepted
	}
	if m.PartialOK && float32(s.partialChildren()) < partialShare*float32(s.slots.k)+1 {
		return true, true, accepted
	}
	return false, false, wire.RefuseFull
}

func displaces(value, lowest wire.Value) bool {
	return worth(value) > displaceFactor*worth(lowest)+displaceMargin
}

// moveLeaf gives a leaf away that says that it sees a free slot elsewhere: of
// the slice, or else of another one. Who asks may know nobody but us.
func (s *stream) moveLeaf(c int) bool {
	for i := range sliceCount {
		from := (c + i) % sliceCount
		for k := range s.slices[from].children {
			ch := &s.slices[from].children[k]
			p := &s.peers[ch.index]
			if ch.value > 0 || ch.partial || ch.stop != 0 || ch.first || ch.plain || !p.is(peerLeaf) ||
				p.free&(1<<from) == 0 || s.e.ms.after(p.statusAt) > othersFresh {
				continue
			}
			p.free = 0 // it may be the same slot for all its slices
			s.evict(from, k)
			return true
		}
	}
	return false
}

// othersFresh is how long a leaf's word that it sees free slots is believed, in
// milliseconds.
const othersFresh = 3000

// swap gives away the leaf of a slice that has been fed longest, so that another
// that has found nobody can take its place. The one that goes is served until it
// has found a free slot, or displaces yet another: so the lack moves through
// the group until it meets a free slot, which the first one could not reach.
func (s *stream) swap(c int) bool {
	if s.swappedAt != 0 && s.e.ms.after(s.swappedAt) < swapPause {
		return false
	}
	oldest := -1
	for i := range s.slices[c].children {
		ch := &s.slices[c].children[i]
		if ch.value > 0 || ch.partial || ch.stop != 0 || ch.first || s.e.ms.after(ch.since) < swapAfter {
			continue
		}
		if oldest < 0 || ch.since.after(s.slices[c].children[oldest].since) < 0 {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	s.swappedAt = s.e.ms
	s.evict(c, oldest)
	return true
}

// hasFree reports whether one more child of the slice may be taken.
func (s *stream) hasFree(c int, urgent bool) bool {
	if s.used+1 > s.slots.k {
		return false
	}
	if urgent || s.slots.relays&(1<<c) != 0 || s.slices[c].fed() > 0 {
		return true
	}
	return float32(s.used+1) <= slackShare*float32(s.slots.k)
}

// accept makes a neighbor a child and sends it what it misses already.
func (s *stream) accept(n *neighbor, c int, start fragmenter.ID, value wire.Value, partial bool) {
	s.addChild(c, child{index: n.index, value: value, partial: partial, start: start})
	s.sendExt(n, wire.AppendAccept(s.e.arena.begin(), &wire.Accept{
		Slice: uint8(c), Start: start, Partial: partial, Ancestors: s.slices[c].tags,
	}))
	s.sendStatus(n)
	s.catchUp(n, c)
}

// catchUp pushes to a new child what is held of the slice from its start on.
func (s *stream) catchUp(n *neighbor, c int) {
	ch := s.slices[c].child(n.index)
	id := max(ch.start, s.win.live)
	if newest := s.win.known; newest > backlogIDs {
		id = max(id, newest-backlogIDs)
	}
	for id += (fragmenter.ID(c) - id) % fragmenter.SliceCount; id <= s.win.known; id += fragmenter.SliceCount {
		b, ok := s.win.Fragment(id)
		if !ok || s.peers[n.index].hasHeld(id) {
			continue
		}
		entry := s.win.at(id)
		f, err := fragmenter.ParseFragment(b)
		if err != nil {
			continue
		}
		s.push(ch, id, b, guessClass(&f, entry.mark), entry.known)
	}
}

// addChild adds a child behind those of the same or a higher value, in place of
// what it was before.
func (s *stream) addChild(c int, ch child) {
	sl := &s.slices[c]
	ch.since = s.e.ms
	sl.children = slices.DeleteFunc(sl.children, func(old child) bool { return old.index == ch.index })
	at := len(sl.children)
	for at > 0 && sl.children[at-1].value < ch.value {
		at--
	}
	sl.children = slices.Insert(sl.children, at, ch)
	s.peers[ch.index].feeds |= 1 << c
	s.countUsed()
}

// removeChild removes a child and what is queued for it from a fragment on.
func (s *stream) removeChild(c, i int, from fragmenter.ID) {
	sl := &s.slices[c]
	index := sl.children[i].index
	sl.children = slices.Delete(sl.children, i, i+1)
	s.peers[index].feeds &^= 1 << c
	s.withdraw(s.e.neighbors[index], c, from)
	s.countUsed()
	s.promote(c)
}

// withdraw takes back what is queued for a neighbor of a slice from a fragment
// on.
func (s *stream) withdraw(n *neighbor, c int, from fragmenter.ID) {
	s.e.config.Uplink.withdraw(n.port, s.owner, func(id fragmenter.ID) bool { return id.Slice() == c && id >= from })
}

// evict gives a child away: it is served for some time yet.
func (s *stream) evict(c, i int) {
	ch := &s.slices[c].children[i]
	ch.stop = s.win.known + s.rates.idsIn(graceTime) + 1
	if !ch.plain {
		s.sendExt(s.e.neighbors[ch.index], wire.AppendEvict(s.e.arena.begin(), wire.Evict{Slice: uint8(c), Stop: ch.stop}))
	}
	s.countUsed()
}

// evictLowest gives away the child of the lowest value in all slices, but not
// the last one of a slice that we get from the source: all others get it
// through us. It reports whether there was one.
func (s *stream) evictLowest() bool {
	c, i := s.lowestOfAll()
	if i >= 0 {
		s.evict(c, i)
	}
	return i >= 0
}

// lowestOfAll returns the child of the lowest value that may be given away, or
// -1.
func (s *stream) lowestOfAll() (bestSlice, best int) {
	bestSlice, best = -1, -1
	for c := range s.slices {
		sl := &s.slices[c]
		i := sl.lowestChild()
		if i < 0 || s.isFirstHop(c, i) || sl.fed() == 1 && sl.fromSource(s) {
			continue
		}
		if best < 0 || s.slices[c].children[i].value < s.slices[bestSlice].children[best].value {
			bestSlice, best = c, i
		}
	}
	return bestSlice, best
}

// fromSource reports whether the source itself pushes the slice to us.
func (sl *slice) fromSource(s *stream) bool {
	return sl.parent != none && s.peers[sl.parent].is(peerPublisher)
}

// promote gives free slots to partial children.
func (s *stream) promote(c int) {
	sl := &s.slices[c]
	for i := range sl.children {
		ch := &sl.children[i]
		if !ch.partial || ch.stop != 0 || !s.hasFree(c, true) {
			continue
		}
		ch.partial, ch.since = false, s.e.ms
		s.countUsed()
		s.sendExt(s.e.neighbors[ch.index], wire.AppendAccept(s.e.arena.begin(), &wire.Accept{
			Slice: uint8(c), Start: s.win.known + 1, Ancestors: sl.tags,
		}))
	}
}

// handleStop ends or limits what we push to a neighbor of a slice.
func (s *stream) handleStop(n *neighbor, m wire.Stop) {
	c := int(m.Slice)
	sl := &s.slices[c]
	i := sl.childIndex(n.index)
	if i < 0 {
		s.withdraw(n, c, m.Stop)
		return
	}
	if m.Stop == 0 || s.win.known >= m.Stop {
		if s.publishing && !s.declined(n, c) {
			s.hopLeft(c, n.index)
		}
		s.removeChild(c, i, m.Stop)
		return
	}
	if sl.children[i].first && sl.children[i].stop == 0 {
		s.source.resend[c], s.source.dirty = m.Stop, true
	}
	sl.children[i].stop = m.Stop
	s.countUsed()
	s.promote(c)
}

// checkChildren drops children that have got all they were promised, and those
// that have died.
func (s *stream) checkChildren() {
	for c := range s.slices {
		sl := &s.slices[c]
		for i := len(sl.children) - 1; i >= 0; i-- {
			if ch := &sl.children[i]; ch.stop != 0 && s.win.known >= ch.stop {
				s.removeChild(c, i, ch.stop)
			}
		}
	}
	s.takeTurns()
	for i := range s.peers {
		if s.peers[i].feeds == 0 || !s.pushesTo(int16(i)) {
			continue
		}
		n := s.e.neighbors[i]
		switch silence := s.e.silence(n); {
		case silence > childDead:
			n.suspect = s.e.ms + suspectTime
			s.dropChildren(n)
		case silence > childQuiet:
			s.e.ping(n)
		}
	}
}

// takeTurns gives a slot to a child that has got only what was left over for a
// while, in exchange for one that has had a slot for long and may find another.
func (s *stream) takeTurns() {
	for c := range s.slices {
		for i := range s.slices[c].children {
			ch := &s.slices[c].children[i]
			if !ch.partial || ch.stop != 0 || s.e.ms.after(ch.since) < turnAfter || !s.swap(c) {
				continue
			}
			s.promote(c)
			return
		}
	}
}

// dropChildren stops pushing anything to a neighbor.
func (s *stream) dropChildren(n *neighbor) {
	for c := range s.slices {
		if i := s.slices[c].childIndex(n.index); i >= 0 {
			if s.publishing {
				s.hopLeft(c, n.index)
			}
			s.removeChild(c, i, 0)
		}
	}
}

// countUsed counts the slots that are taken.
func (s *stream) countUsed() {
	used := 0
	for c := range s.slices {
		for i := range s.slices[c].children {
			if ch := &s.slices[c].children[i]; ch.stop == 0 && !ch.partial {
				used++
			}
		}
	}
	s.used = used
	s.e.config.Uplink.commit(s.owner, float64(used)*s.rates.line()/float64(sliceCount))
}

func (s *stream) partialChildren() int {
	n := 0
	for c := range s.slices {
		for i := range s.slices[c].children {
			if s.slices[c].children[i].partial {
				n++
			}
		}
	}
	return n
}

func (sl *slice) childIndex(index int16) int {
	for i := range sl.children {
		if sl.children[i].index == index {
			return i
		}
	}
	return -1
}

func (sl *slice) child(index int16) *child {
	if i := sl.childIndex(index); i >= 0 {
		return &sl.children[i]
	}
	return nil
}

// lowestChild returns the child of the lowest value that holds a slot, or -1.
func (sl *slice) lowestChild() int {
	for i := len(sl.children) - 1; i >= 0; i-- {
		if ch := &sl.children[i]; ch.stop == 0 && !ch.partial {
			return i
		}
	}
	return -1
}

// fed returns how many children of the slice hold a slot.
func (sl *slice) fed() int {
	n := 0
	for i := range sl.children {
		if ch := &sl.children[i]; ch.stop == 0 && !ch.partial {
			n++
		}
	}
	return n
}

// worth returns a value as a number.
func worth(v wire.Value) float32 { return float32(v) / 4 }
