package multicast

import (
	"time"

	"github.com/ringcast/ringcast/multicast/wire"
)

const (
	// statusLimit is the longest status in bytes; its map is cut at the old end.
	statusLimit = 130
	// leafStatus is how often a node that relays nothing sends one to a parent, in
	// milliseconds, and leafLimit how long it is: nobody asks it for anything.
	leafStatus = 500
	leafLimit  = 64
	// statusShare is which part of a slow stream's rate may go into states of
	// statusBytes in turn, which then come up to slowStatus times as seldom.
	statusShare = 0.012
	statusBytes = 120
	slowStatus  = 4
)

// rotateStatus sends our state to the next neighbor in turn, when it is time.
func (s *stream) rotateStatus() {
	period := int(s.params.UpdatePeriod / time.Millisecond)
	if s.rates.valid {
		period = max(period, min(int(statusBytes*1000/(statusShare*max(s.rates.bytes, 1))), slowStatus*period))
	}
	if s.slots.k == 0 && !s.publishing {
		period = max(period, leafStatus)
	}
	if s.statusAt != 0 && s.e.ms.after(s.statusAt) < period {
		return
	}
	leaf := s.slots.k == 0 && !s.publishing
	for range s.peers {
		s.statusNext = (s.statusNext + 1) % len(s.peers)
		p := &s.peers[s.statusNext]
		if leaf && p.owns == 0 {
			continue // only its parents care what a leaf tells
		}
		if p.takesPart() && p.is(peerExt) {
			s.statusAt = s.e.ms
			s.sendStatus(s.e.neighbors[s.statusNext])
			return
		}
	}
}

// tellNews tells all neighbors soon after a node that has slots left gets its
// first slices. In rotation they would hear of it seconds later, and a group
// that starts would take that long for each level of its trees.
func (s *stream) tellNews() {
	if s.slots.k == 0 || s.used >= s.slots.k || s.e.ms.after(s.activeAt) > newsTime {
		return
	}
	have := uint8(0)
	for c := range s.slices {
		if _, known := s.lagOf(c); known && s.slices[c].parent != none {
			have |= 1 << c
		}
	}
	if have&^s.told == 0 || s.toldAt != 0 && s.e.ms.after(s.toldAt) < newsPause {
		return
	}
	s.told, s.toldAt = have, s.e.ms
	s.tellAll()
}

const (
	newsTime  = 10_000 // ms after the beginning
	newsPause = 400
)

// tellDenied tells the neighbors that we had to refuse a slice that it comes
// again: they may have nobody else to ask.
func (s *stream) tellDenied() {
	again := uint8(0)
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.denied && sl.isFed() && s.isCurrent(sl) {
			sl.denied = false
			again |= 1 << c
		}
	}
	if again == 0 {
		return
	}
	for i := range s.peers {
		if p := &s.peers[i]; p.denied&again != 0 {
			p.denied &^= again
			s.sendStatus(s.e.neighbors[i])
		}
	}
}

// isCurrent reports whether a slice really comes from its parent.
func (s *stream) isCurrent(sl *slice) bool {
	return sl.native || sl.last >= sl.handover && s.lateness(sl) < lateBase+lateJitters*sl.jitter
}

// tellAll tells all neighbors how we stand, when that changes much.
func (s *stream) tellAll() {
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) {
			s.sendStatus(s.e.neighbors[i])
		}
	}
}

// sendStatus tells a neighbor how we stand.
func (s *stream) sendStatus(n *neighbor) {
	if !s.peers[n.index].takesPart() {
		return
	}
	var m wire.Status
	s.fillStatus(&m)
	limit := statusLimit
	if m.Leaf {
		limit = leafLimit
	}
	s.sendExt(n, wire.AppendStatus(s.e.arena.begin(), m, s.win, limit))
}

func (s *stream) fillStatus(m *wire.Status) {
	m.Publisher = s.publishing
	m.Leaf = s.slots.k == 0 && !s.publishing
	m.Native = s.nat != nil && s.nat.on
	m.Slots, m.Used = s.slots.k, s.used
	m.Queue = s.e.config.Uplink.QueueTime(s.e.now)
	m.Lack = wire.LackOf(float64(s.lack.all))
	if k := s.keyFrame; k.begin != 0 && k.begin >= s.win.live {
		m.KeyFrame = s.setupBefore(k.begin)
		m.KeyFragments = int(k.last-m.KeyFrame) + 1
	}
	if s.clock.valid {
		m.HasClock, m.Stratum, m.Clock = true, s.clock.stratum, s.clock.at(s.e.ms)
	}
	for c := range s.slices {
		sl := &s.slices[c]
		m.Lag[c] = wire.LagUnknown
		m.LowestChild[c] = wire.NoChild
		if !m.Leaf {
			if i := sl.lowestChild(); i >= 0 {
				m.LowestChild[c] = min(sl.children[i].value, wire.NoChild-1)
			}
		}
		if s.publishing {
			m.Lag[c] = 0
			continue
		}
		if !sl.isFed() {
			continue // nothing to offer
		}
		if lag, known := s.standingLag(c); known {
			m.Lag[c] = wire.LagOf(time.Duration(lag) * time.Millisecond)
		}
		if s.hasFree(c, false) {
			m.Free |= 1 << c
		}
	}
	if m.Leaf {
		m.Free = s.others()
	}
}

// others returns the slices that a neighbor other than the parent offers. A
// leaf tells its parents: they may give its place to one who sees none.
func (s *stream) others() (free uint8) {
	for i := range s.peers {
		p := &s.peers[i]
		if p.free == 0 || p.flags&(peerIn|peerOut|peerExt|peerPublisher|peerLeaf) != peerIn|peerOut|peerExt ||
			s.e.ms.after(p.statusAt) > othersFresh || s.e.neighbors[i].suspect.isAhead(s.e.ms) {
			continue
		}
		for c := range s.slices {
			if p.free&(1<<c) != 0 && s.slices[c].parent != int16(i) && !p.refused[c].isAhead(s.e.ms) {
				free |= 1 << c
			}
		}
	}
	return free
}

// handleStatus takes a neighbor's state.
func (s *stream) handleStatus(n *neighbor, b []byte) {
	m, held, err := wire.ParseStatus(b)
	if err != nil {
		s.counts.malformed++
		return
	}
	p := &s.peers[n.index]
	p.statusAt = s.e.ms
	p.slots, p.used = uint16(min(m.Slots, maxSlots)), uint16(min(m.Used, maxSlots))
	p.queue = uint16(min(m.Queue/time.Millisecond, 60_000))
	p.free, p.lag, p.lowest = m.Free, m.Lag, m.LowestChild
	p.lack = float32(m.Lack.Float())
	p.flags &^= peerPublisher | peerLeaf | peerNative
	if m.Native {
		p.flags |= peerNative
	}
	if m.Publisher {
		p.flags |= peerPublisher
	}
	if m.Leaf {
		p.flags |= peerLeaf
	}
	p.key, p.keyCount = m.KeyFrame, uint16(min(m.KeyFragments, 1<<12))
	p.setRunMap(held)
	for c := range s.slices {
		if sl := &s.slices[c]; m.Free&(1<<c) != 0 && sl.refusals > eagerRefusals && !m.Leaf {
			sl.tryAt = 0 // no need to wait any longer
		}
	}
	if again := p.notNow & m.Free; again != 0 {
		p.notNow &^= again
		for c := range p.refused {
			if again&(1<<c) != 0 {
				p.refused[c] = 0
			}
		}
	}
	if !s.active {
		return
	}
	if s.publishing {
		s.source.dirty = true
		return
	}
	if m.HasClock {
		s.clock.hear(s.e.ms, m.Stratum, m.Clock, n.oneWay())
	}
	if held.Last != 0 {
		s.noteNewest(held.Last)
		s.joinAt(p)
	}
}
