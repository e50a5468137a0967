package multicast

import (
	"math/bits"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
)

// Times of the plain protocol, in milliseconds.
const (
	// plainAnswer is how long beyond two round trips data of a slice may take
	// that was asked for by a mask. Silence is the only refusal.
	plainAnswer = 200
	plainRefuse = 3000 // a neighbor that gave none is not asked again
	// plainRecent is how old beyond the fetch period what a neighbor holds of a
	// slice may be for it to be asked, since what is not pushed to it comes that
	// late. plainLook is how many numbers of the slice are looked at.
	plainRecent, plainLook = 2000, 64
	// plainTrial is how often a quicker parent is tried, plainGain how much
	// quicker it must be: without a stop number a change costs duplicates.
	plainTrial = 2000
	plainGain  = 100
	// plainFresh is how old the map of a neighbor may be that is asked.
	plainFresh = 3000
	// plainRetry is how often what masks ask for beyond our slots is looked at
	// again.
	plainRetry = 1000
	// plainSpread makes slices go to different neighbors, in milliseconds for
	// each that one has already.
	plainSpread = 25
)

// plainPeer is what a stream knows of a neighbor of the plain protocol.
type plainPeer struct {
	// mask is what it wants pushed, since from when on.
	mask  wire.Mask
	since millis
	// sent is the mask that we sent it last.
	sent uint8
	// last and bits are its newest map, mapAt when that came.
	last  fragmenter.ID
	bits  []byte
	mapAt millis
	// ahead is when its map last told of fragments that we did not know.
	ahead millis
	// mapSent is the highest number in the last map that we sent it.
	mapSent fragmenter.ID
	// checked is when its mask was last looked at again.
	checked millis
}

// has reports whether the neighbor's map has a fragment.
func (p *plainPeer) has(id fragmenter.ID) bool {
	if id >= p.last {
		return id == p.last && id != 0
	}
	k := p.last - 1 - id
	return k < fragmenter.ID(len(p.bits)*8) && p.bits[k/8]&(1<<(k%8)) != 0
}

// handlePlain takes a map, mask or pull. It reports false for one that is
// malformed.
func (s *stream) handlePlain(n *neighbor, b []byte) bool {
	switch b[0] {
	case wire.TypeMap:
		m, err := wire.ParseMap(b)
		if err != nil {
			return false
		}
		s.handleMap(n, m)
	case wire.TypeMask:
		m, err := wire.ParseMask(b)
		if err != nil {
			return false
		}
		s.handleMask(n, m)
	case wire.TypePull:
		id, err := wire.ParsePull(b)
		if err != nil {
			return false
		}
		s.handlePull(n, append(s.e.scratch.ids[:0], id))
	}
	return true
}

// handleMap takes over which fragments a neighbor holds.
func (s *stream) handleMap(n *neighbor, m wire.Map) {
	p := &s.peers[n.index]
	if p.plain == nil || s.publishing {
		return
	}
	if p.plain.last != 0 && m.Last > max(p.plain.last, s.win.known)+s.ahead() {
		s.counts.outOfWindow++
		return
	}
	pl := p.plain
	if s.join.placed && m.Last > s.win.known {
		pl.ahead = s.e.ms
	}
	pl.last, pl.mapAt = m.Last, s.e.ms
	pl.bits = m.AppendBits(pl.bits[:0])
	s.noteNewest(m.Last)
	if s.join.placed {
		return
	}
	first := max(m.Oldest(), 1)
	if m.Last > plainJoin {
		first = max(first, m.Last-plainJoin)
	}
	if s.join.since == 0 {
		s.join.since = s.e.ms
	}
	if s.hasExt() && s.e.ms.after(s.join.since) < keyWait {
		return // one of our own neighbors will tell of a key frame
	}
	s.place(first, m.Last)
	s.scan()
	s.seek()
}

// hasExt reports whether any neighbor with the extension takes part.
func (s *stream) hasExt() bool {
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) {
			return true
		}
	}
	return false
}

// lastResort asks for a slice for which no neighbor with the extension could be
// asked: by a mask, or from the source itself.
func (s *stream) lastResort(c int) {
	sl := &s.slices[c]
	best, lowest := int16(none), float32(0)
	for i := range s.peers {
		p := &s.peers[i]
		n := s.e.neighbors[i]
		if !p.takesPart() || p.refused[c].isAhead(s.e.ms) || n.suspect.isAhead(s.e.ms) {
			continue
		}
		cost := n.rtt + s.e.config.Rand.Float32()*urgentSpread
		switch {
		case p.is(peerExt) && p.feeds&(1<<c) != 0:
			continue
		case p.is(peerExt) && !p.is(peerPublisher):
			continue
		case p.is(peerExt):
			if s.e.ms.after(sl.orphan) < sourceAfter || sl.parent == int16(i) {
				continue
			}
			cost += publisherCost
		case sl.parent != none:
			continue
		case p.plain.mapAt == 0 || s.e.ms.after(p.plain.mapAt) > plainFresh || !s.isAheadIn(p, c):
			continue
		default:
			cost += plainSpread * float32(bits.OnesCount8(p.plain.sent))
		}
		if best == none || cost < lowest {
			best, lowest = int16(i), cost
		}
	}
	if best == none {
		return
	}
	if s.peers[best].is(peerExt) {
		s.ask(c, best, true)
		return
	}
	s.askPlain(c, best)
}

// isAheadIn reports whether a neighbor's map shows that it gets a slice from
// somebody else than us. Nothing else tells in the plain protocol that it does
// not wait for us: those of other makes ask all their neighbors for all slices,
// one after the other, and keep those that come first.
func (s *stream) isAheadIn(p *peer, c int) bool {
	pl, fed := p.plain, p.feeds&(1<<c) != 0
	recent := s.win.known - min(s.rates.idsIn(plainRecent+float32(s.params.FetchPeriod/time.Millisecond)), s.win.known)
	id := pl.last - min((pl.last-fragmenter.ID(c))%fragmenter.SliceCount, pl.last)
	for range plainLook {
		if id <= recent {
			break
		}
		if pl.has(id) && !(fed && s.win.Has(id)) {
			return true
		}
		id -= min(fragmenter.SliceCount, id)
	}
	return false
}

// leavePlain gives up a parent of the plain protocol that has nothing to push.
// Such a parent may well wait for us.
func (s *stream) leavePlain(c int, n *neighbor) {
	s.peers[n.index].refused[c] = s.e.ms + plainRefuse
	s.dropMaskBit(n, c)
	s.loseParent(c)
	s.seekUrgent(c)
}

// sourceAfter is for how long a slice has no parent before the source itself is
// asked, in milliseconds.
const sourceAfter = 600

// askPlain tries a neighbor as the parent of a slice.
func (s *stream) askPlain(c int, index int16) {
	sl, n := &s.slices[c], s.e.neighbors[index]
	s.noteAsked(c, index)
	sl.trial = trial{index: index}
	sl.askedUntil = s.e.ms + millis(2*n.rtt) + plainAnswer + millis(s.idsPause())
	s.setMask(n, s.peers[index].plain.sent|1<<c)
}

// idsPause returns how long it takes until the next fragment of a slice, in
// milliseconds.
func (s *stream) idsPause() float32 {
	if s.rates.ids < 1 {
		return 500
	}
	return min(2*float32(sliceCount)*1000/s.rates.ids, 2000)
}

func (s *stream) setMask(n *neighbor, mask uint8) {
	pl := s.peers[n.index].plain
	if pl == nil || pl.sent == mask {
		return
	}
	pl.sent = mask
	s.send(n, overlay.FlowStream, s.e.arena.end(wire.AppendMask(s.e.arena.begin(), wire.MaskOf(mask))))
}

// dropMaskBit asks a neighbor not to push a slice any more.
func (s *stream) dropMaskBit(n *neighbor, c int) {
	if pl := s.peers[n.index].plain; pl != nil {
		s.setMask(n, pl.sent&^(1<<c))
	}
}

// notePlainPush follows whose push of a slice comes first, and makes a neighbor
// that was tried the parent if it is the quicker one. held is set if the
// fragment had come before.
func (s *stream) notePlainPush(n *neighbor, id fragmenter.ID, held bool) {
	c := id.Slice()
	sl := &s.slices[c]
	pl := s.peers[n.index].plain
	if pl == nil || pl.sent&(1<<c) == 0 || sl.native {
		return
	}
	switch {
	case sl.parent == none || s.isAsked(c, n.index) && sl.needsParent():
		s.noteAnswered(c, n.index)
		s.adopt(c, n, id, false)
		sl.tags = wire.Tags{}
	case sl.parent == n.index:
		if t := &sl.trial; held && t.id == id && t.id != 0 && s.isAsked(c, t.index) {
			// The one on trial had brought it earlier.
			s.endTrial(c, s.e.ms.after(t.at) >= plainGain)
		}
	case s.isAsked(c, n.index) && held:
		s.endTrial(c, false)
	case s.isAsked(c, n.index) && sl.trial.id == 0:
		sl.trial.id, sl.trial.at = id, s.e.ms
	}
}

// trial is a neighbor that is tried as a quicker parent: the fragment that it
// brought first, and when.
type trial struct {
	id    fragmenter.ID
	at    millis
	index int16
}

// endTrial keeps the neighbor that was tried, or the parent.
func (s *stream) endTrial(c int, won bool) {
	sl := &s.slices[c]
	n := s.e.neighbors[sl.trial.index]
	s.noteAnswered(c, n.index)
	sl.trial = trial{}
	if won {
		s.adopt(c, n, s.win.known+1, false)
		sl.tags = wire.Tags{}
		return
	}
	s.peers[n.index].refused[c] = s.e.ms + plainRefuse
	s.dropMaskBit(n, c)
}

// tryPlain tries now and then whether a neighbor whose maps are ahead of us
// would be the quicker parent of a slice that comes by the plain protocol.
func (s *stream) tryPlain() {
	if s.e.ms.after(s.trialAt) < 0 {
		return
	}
	s.trialAt = s.e.ms + plainTrial
	c := s.e.config.Rand.IntN(sliceCount)
	sl := &s.slices[c]
	if sl.parent == none || sl.asking > 0 || sl.native || s.peers[sl.parent].is(peerExt) || s.e.ms.after(sl.changed) < improveSettle {
		return
	}
	for i := range s.peers {
		p := &s.peers[i]
		if !p.takesPart() || p.is(peerExt) || int16(i) == sl.parent || p.refused[c].isAhead(s.e.ms) {
			continue
		}
		if p.plain.ahead != 0 && s.e.ms.after(p.plain.ahead) < plainTrial {
			s.askPlain(c, int16(i))
			return
		}
	}
}

// handleMask takes over which slices a neighbor wants pushed. What is beyond
// our slots or the push limit is left waiting; it will notice.
func (s *stream) handleMask(n *neighbor, m wire.Mask) {
	pl := s.peers[n.index].plain
	if pl == nil {
		return
	}
	pl.mask = m
	if pl.since == 0 {
		pl.since = s.e.ms
	}
	s.servePlain(n)
}

// servePlain makes a neighbor a child in the slices that its mask asks for.
func (s *stream) servePlain(n *neighbor) {
	wants := s.peers[n.index].plain.mask.Slices()
	for c := range s.slices {
		i := s.slices[c].childIndex(n.index)
		switch {
		case wants&(1<<c) == 0 && i >= 0:
			s.removeChild(c, i, 0)
		case wants&(1<<c) != 0 && i < 0 && s.mayServePlain(c):
			s.addChild(c, child{index: n.index, plain: true, start: s.win.known + 1})
		}
	}
}

// mayServePlain reports whether one more neighbor of the plain protocol may be
// pushed a slice. They count as leaves.
func (s *stream) mayServePlain(c int) bool {
	plain := 0
	for i := range s.slices[c].children {
		if s.slices[c].children[i].plain {
			plain++
		}
	}
	limit := s.e.config.Params.PushNeighborLimit
	if s.publishing && s.relayingNeighbors() >= fewRelays {
		limit = min(limit, 1) // others can serve them
	}
	return plain < limit && s.hasFree(c, true)
}

// tickPlain sends maps and looks again at masks that could not be served.
func (s *stream) tickPlain() {
	if s.plainNeighbors() == 0 {
		return
	}
	s.rotateMaps()
	s.tryPlain()
	if s.e.ms.after(s.plainAt) < plainRetry {
		return
	}
	s.plainAt = s.e.ms
	for {
		// The one that has waited longest goes first.
		next := int16(none)
		for i := range s.peers {
			p := &s.peers[i]
			if !p.takesPart() || p.plain == nil || p.plain.checked == s.e.ms || p.plain.mask.Slices()&^p.feeds == 0 {
				continue
			}
			if next == none || p.plain.since.after(s.peers[next].plain.since) < 0 {
				next = int16(i)
			}
		}
		if next == none {
			return
		}
		s.peers[next].plain.checked = s.e.ms
		s.servePlain(s.e.neighbors[next])
	}
}

func (s *stream) plainNeighbors() int {
	n := 0
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.plain != nil {
			n++
		}
	}
	return n
}

// rotateMaps sends a map to the next neighbor of the plain protocol, or to all,
// when it is time. Who relays nothing sends none: it would be pulled from.
func (s *stream) rotateMaps() {
	period := int(s.params.UpdatePeriod / time.Millisecond)
	if s.slots.k == 0 && !s.publishing {
		period = max(period, leafStatus)
	}
	if s.mapAt != 0 && s.e.ms.after(s.mapAt) < period || s.e.config.Params.UploadLimit == UploadNone {
		return
	}
	for range s.peers {
		s.mapNext = (s.mapNext + 1) % len(s.peers)
		p := &s.peers[s.mapNext]
		if !p.takesPart() || p.plain == nil {
			continue
		}
		if s.sendMap(s.e.neighbors[s.mapNext]) && !s.params.SendToAll {
			break
		}
	}
	s.mapAt = s.e.ms
}

// sendMap tells a neighbor what we hold, if there is anything newer than last
// time.
func (s *stream) sendMap(n *neighbor) bool {
	pl := s.peers[n.index].plain
	newest := s.win.Newest()
	if pl == nil || newest <= pl.mapSent {
		return false
	}
	pl.mapSent = newest
	s.send(n, overlay.FlowStream, s.e.arena.end(wire.AppendMap(s.e.arena.begin(), s.win)))
	return true
}
