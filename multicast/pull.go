package multicast

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// Times and limits of pulling, in milliseconds. Pulling what is only queued is
// the quickest way into collapse: the answers delay the pushes, which are then
// pulled. So what is late waits far longer than what was skipped.
const (
	waitSkipped   = 300
	waitOrphan    = 60
	waitNeverRan  = 350
	waitLate      = 2500
	waitStarved   = 1500
	waitJitters   = 2
	never         = 1e9
	scanLimit     = 1024 // fragments looked at in one scan
	newPulls      = 60   // at most, each scan
	pullsInFlight = 40
	joinInFlight  = 64 // while joining
	holderSpread  = 60
	noSlotCost    = 60 // of a holder whose slots are taken
	predictSlack  = 60 // beyond its stated lag a neighbor is taken to hold a fragment
	retryBase     = 90
	retryStep     = 40
	retryStepMax  = 400
	quickTries    = 2 // so often another is asked at once after a no,
	// then after deniedBase, which doubles so many times
	deniedBase, deniedDoublings = 150, 2
	// busyQueue is the queue from which on pulls are not answered, and busyTime
	// for how long the puller is asked to stay away. It is well below the queue
	// at which children are given away, so that pulls alone cannot cause that.
	busyQueue = 100
	busyTime  = 500
	// busyLimit bounds how long a neighbor can send us away.
	busyLimit = 2 * time.Second
	// answerDeadline is for how long an answer may wait in the upload queue.
	answerDeadline = 1500 * time.Millisecond
	// narrowSlices slices with narrowFragments skipped in each of narrowTicks
	// ticks show that not all can come, narrowEnd without that that it can.
	narrowSlices, narrowFragments = 5, 3
	narrowTicks, narrowEnd        = 6, 3000
	narrowStart                   = 4000 // not judged in the first time
	// pullsAnswered bounds what one neighbor can pull in a tick.
	pullsAnswered = 128
)

// pull is a fragment that was asked for.
type pull struct {
	id     fragmenter.ID
	due    millis // when to ask another
	holder int16
	tries  uint8
}

// wantedID is a fragment to be asked for, and of whom.
type wantedID struct {
	id     fragmenter.ID
	holder int16
	rank   uint8
}

// scan looks at all that is missing and pulls what will not come by itself.
func (s *stream) scan() {
	s.retryPulls()
	for c := range s.slices {
		s.slices[c].skipped = 0
	}
	wanted := s.e.scratch.wanted[:0]
	looked := 0
	for id, ok := s.win.NextMissing(s.win.live); ok && looked < scanLimit; id, ok = s.win.NextMissing(id + 1) {
		looked++
		entry := s.win.at(id)
		if entry.mark&(markDead|markPulled) != 0 {
			continue
		}
		sl := &s.slices[id.Slice()]
		over := float32(s.e.ms.after(entry.known)) - sl.lag
		if over > waitSkipped && id < sl.last {
			sl.skipped++
		}
		wait, rank := s.pullWait(id, sl, entry.mark)
		if over < wait || len(wanted) >= newPulls {
			continue
		}
		if s.assembler != nil && !s.assembler.Wanted(id) && !s.e.config.Params.Policy.KeepBroken {
			s.giveUp(id, DropBroken)
			continue
		}
		wanted = append(wanted, wantedID{id: id, rank: rank})
	}
	s.pullWanted(wanted)
	s.e.scratch.wanted = wanted[:0]
	s.judgeLine()
}

// judgeLine finds out whether the stream is more than our own line or the whole
// group can carry: then pictures are skipped in most slices at once, and
// pulling them or changing parents would only crowd out the rest.
func (s *stream) judgeLine() {
	if s.join.pulling || s.e.ms.after(s.activeAt) < narrowStart || s.catchesUp() {
		return
	}
	bad := 0
	for c := range s.slices {
		if sl := &s.slices[c]; sl.parent != none && !sl.partial && sl.skipped >= narrowFragments {
			bad++
		}
	}
	switch {
	case bad >= narrowSlices:
		s.narrowFor = min(s.narrowFor+1, narrowTicks)
		if s.narrowFor == narrowTicks {
			s.narrow, s.narrowAt = true, s.e.ms
		}
	case s.e.ms.after(s.narrowAt) > narrowEnd:
		s.narrow, s.narrowFor = false, 0
	default:
		s.narrowFor = 0
	}
}

// giveUp marks a missing fragment as not sought any more.
func (s *stream) giveUp(id fragmenter.ID, why DropReason) {
	m := &s.win.at(id).mark
	if *m&markDead != 0 {
		return
	}
	if *m&markPulled != 0 {
		s.endPull(id)
	}
	*m = *m&^markPulled | markDead
	class, _ := m.class()
	if *m&markClass == 0 {
		class = reliability.ClassReference
	}
	s.owner.drops.add(class, why)
}

// pullWait returns for how long after its expected time a missing fragment is
// waited for, in milliseconds, and how it ranks among those to be pulled.
func (s *stream) pullWait(id fragmenter.ID, sl *slice, m mark) (wait float32, rank uint8) {
	if id <= s.join.head {
		if rank = s.join.rank(id, m); rank > 0 && s.waitsForKey() {
			return never, rank // the first picture before all else
		}
		return -1e9, rank
	}
	settle := waitJitters * sl.jitter
	if class, known := m.class(); s.narrow && (!known || orderOf(class) == orderOther) {
		return never, 2
	}
	switch {
	case sl.native && id < s.nat.newest:
		return nativeWait + settle, 2
	case sl.native:
		return nativeLate + settle, 2
	case sl.parent == none && !sl.ran:
		return waitNeverRan, 2
	case sl.parent == none:
		return waitOrphan + settle, 2
	case id < sl.handover && sl.former == none:
		return waitOrphan + settle, 2
	case id < sl.handover, s.wasSkipped(id, sl, m):
		return waitSkipped + settle, 2
	case sl.starved != 0:
		return waitStarved, 2
	}
	return waitLate, 2
}

// wasSkipped reports whether the parent has pushed something that it would have
// pushed after the fragment. Classes are served one before the other, so that
// something newer has come is not enough.
func (s *stream) wasSkipped(id fragmenter.ID, sl *slice, m mark) bool {
	newest := sl.newest[orderOther]
	class, known := m.class()
	switch {
	case !known && !s.hasVideo():
		newest = max(newest, sl.newest[orderAudio])
	case !known:
	case orderOf(class) == orderKey:
		newest = max(newest, sl.newest[orderKey])
	case orderOf(class) == orderAudio:
		newest = max(newest, sl.newest[orderKey], sl.newest[orderAudio])
	}
	return newest > id
}

// hasVideo reports whether the stream has had pictures lately.
func (s *stream) hasVideo() bool { return s.videoAt != 0 && s.e.ms.after(s.videoAt) < 5000 }

// pullWanted asks for fragments, the first in rank first, as many as may be in
// flight.
func (s *stream) pullWanted(wanted []wantedID) {
	limit := pullsInFlight
	if s.join.pulling {
		limit = joinInFlight
	}
	room := limit - len(s.pulls)
	if len(wanted) == 0 || room <= 0 {
		return
	}
	if s.join.pulling {
		slices.SortStableFunc(wanted, func(a, b wantedID) int { return cmp.Compare(a.rank, b.rank) })
	}
	for i := range s.peers {
		s.peers[i].assigned = 0
	}
	n := 0
	for _, w := range wanted {
		if n == room {
			break
		}
		if w.holder = s.holderFor(w.id, none); w.holder == none {
			continue
		}
		s.peers[w.holder].assigned++
		wanted[n] = w
		n++
	}
	wanted = wanted[:n]
	for _, w := range wanted {
		s.pulls = append(s.pulls, pull{id: w.id, holder: w.holder, due: s.retryAt(w.holder, 0)})
		s.win.at(w.id).mark |= markPulled
	}
	s.sendPulls(wanted)
}

// retryAt returns when to ask another neighbor.
func (s *stream) retryAt(holder int16, tries uint8) millis {
	if holder == none {
		return s.e.ms + retryBase + millis(min(retryStep*int(tries), retryStepMax))
	}
	wait := s.e.neighbors[holder].rtt + retryBase + float32(s.peers[holder].queue) + float32(min(retryStep*int(tries), retryStepMax))
	return s.e.ms + millis(wait)
}

// retryPulls asks others for what has not come in time.
func (s *stream) retryPulls() {
	if len(s.pulls) == 0 {
		return
	}
	wanted := s.e.scratch.wanted[:0]
	kept := s.pulls[:0]
	for _, p := range s.pulls {
		if !s.win.contains(p.id) || p.id < s.win.live || s.win.Has(p.id) {
			if s.win.contains(p.id) {
				s.win.at(p.id).mark &^= markPulled
			}
			continue
		}
		if s.e.ms.after(p.due) >= 0 {
			holder := s.holderFor(p.id, p.holder)
			if holder != none {
				p.holder = holder
				p.tries = min(p.tries+1, 100)
				wanted = append(wanted, wantedID{id: p.id, holder: holder})
			}
			p.due = s.retryAt(p.holder, p.tries)
		}
		kept = append(kept, p)
	}
	s.pulls = kept
	s.sendPulls(wanted)
	s.e.scratch.wanted = wanted[:0]
}

// sendPulls sends the requests, all of one neighbor in one message.
func (s *stream) sendPulls(wanted []wantedID) {
	slices.SortFunc(wanted, func(a, b wantedID) int {
		return cmp.Or(cmp.Compare(a.holder, b.holder), cmp.Compare(a.id, b.id))
	})
	ids := s.e.scratch.ids[:0]
	for i, w := range wanted {
		ids = append(ids, w.id)
		if i+1 < len(wanted) && wanted[i+1].holder == w.holder && len(ids) < wire.MaxIDs {
			continue
		}
		n := s.e.neighbors[w.holder]
		s.peers[w.holder].pulledAt = s.e.ms
		if n.ext {
			s.sendExt(n, wire.AppendPullList(s.e.arena.begin(), ids))
		} else {
			for _, id := range ids {
				s.send(n, overlay.FlowStream, s.e.arena.end(wire.AppendPull(s.e.arena.begin(), id)))
			}
		}
		ids = ids[:0]
	}
	s.e.scratch.ids = ids
}

// holderFor returns the neighbor from which a fragment will come soonest, other
// than one that was asked already.
func (s *stream) holderFor(id fragmenter.ID, except int16) int16 {
	best, lowest := int16(none), float32(0)
	c := id.Slice()
	age := float32(s.e.ms.after(s.win.at(id).known))
	for i := range s.peers {
		p := &s.peers[i]
		if int16(i) == except || !p.takesPart() || p.busy.isAhead(s.e.ms) {
			continue
		}
		if p.is(peerExt) && s.waitsForUs(int16(i), c) {
			continue
		}
		n := s.e.neighbors[i]
		if n.suspect.isAhead(s.e.ms) || !n.lan && s.leavesToLAN(c, age) || !s.mayHold(p, id, c, age) {
			continue
		}
		cost := n.rtt + float32(p.queue) + s.e.config.Rand.Float32()*holderSpread
		cost += s.holderCost(p, n, c)
		if best == none || cost < lowest {
			best, lowest = int16(i), cost
		}
	}
	return best
}

// mayHold reports whether a neighbor holds a fragment, by its last map or by
// how late it says that it is.
func (s *stream) mayHold(p *peer, id fragmenter.ID, c int, age float32) bool {
	if !p.is(peerExt) {
		return p.plain != nil && p.plain.has(id)
	}
	if p.is(peerPublisher) {
		if !s.slices[c].pullsFromSource(age) {
			return false
		}
	} else if !p.relays() {
		return false
	}
	if id <= p.last {
		return p.hasHeld(id)
	}
	lag, known := p.lagOf(c)
	if p.is(peerNative) {
		return true // it is not behind us, who know of the fragment
	}
	return known && age > lag+predictSlack
}

// holderCost returns what speaks against pulling from a neighbor, in
// milliseconds.
func (s *stream) holderCost(p *peer, n *neighbor, c int) float32 {
	cost := float32(0)
	if n.lan {
		cost -= lanBonus
	}
	if n.relayed {
		cost += relayedCost
	}
	switch {
	case p.is(peerPublisher) && s.slices[c].parent != n.index:
		// It answers few, and each answer is a copy that it sends itself.
		return cost + publisherCost
	case !p.is(peerExt):
		return cost + plainCost + float32(p.assigned)*plainCost/2
	case p.free == 0:
		cost += noSlotCost
	}
	// What it was asked for in this round goes out one after the other.
	return cost + float32(p.assigned)*8000/(float32(max(p.slots, 1))*max(s.rates.ids, 50))
}

const (
	publisherCost = 400
	plainCost     = 30
	lanBonus      = 1000
)

// endPull forgets that a fragment was asked for.
func (s *stream) endPull(id fragmenter.ID) {
	for i := range s.pulls {
		if s.pulls[i].id == id {
			last := len(s.pulls) - 1
			s.pulls[i] = s.pulls[last]
			s.pulls = s.pulls[:last]
			return
		}
	}
}

// forgetPulls makes what was asked of a neighbor due at once.
func (s *stream) forgetPulls(index int16) {
	for i := range s.pulls {
		if s.pulls[i].holder == index {
			s.pulls[i].due, s.pulls[i].holder = s.e.ms, none
		}
	}
}

// handleDenied is told that a neighbor will not send fragments that it was
// asked for: others are asked at once.
func (s *stream) handleDenied(n *neighbor, ids []fragmenter.ID, held bool) {
	p := &s.peers[n.index]
	for _, id := range ids {
		if !held {
			p.setMissing(id)
		}
		for i := range s.pulls {
			p := &s.pulls[i]
			if p.id != id || p.holder != n.index {
				continue
			}
			p.due = s.e.ms
			if p.tries >= quickTries {
				// Everybody is busy: asking faster makes nobody less so.
				p.due += deniedBase << min(p.tries-quickTries, deniedDoublings)
			}
		}
	}
	if s.active {
		s.retryPulls()
	}
}

// handlePull answers a neighbor that asks for fragments.
func (s *stream) handlePull(n *neighbor, ids []fragmenter.ID) {
	p := &s.peers[n.index]
	if p.pullTick != s.e.ms/millis(tickMillis) {
		p.pullTick, p.pullCount = s.e.ms/millis(tickMillis), 0
	}
	p.pullCount += uint16(len(ids))
	queue, promised := s.e.config.Uplink.QueueTime(s.e.now), s.e.config.Uplink.promisedTime(s.e.now)
	if !s.mayAnswer() || promised > busyQueue*time.Millisecond || p.pullCount > pullsAnswered {
		if n.ext {
			s.sendExt(n, wire.AppendBusy(s.e.arena.begin(), busyTime*time.Millisecond, ids))
		}
		return
	}
	missing := s.e.scratch.missing[:0]
	busy := s.e.scratch.busy[:0]
	for _, id := range ids {
		b, ok := s.win.Fragment(id)
		switch {
		case !ok:
			missing = append(missing, id)
		case s.publishing && !s.source.mayAnswer(s, n, id, len(b)):
			busy = append(busy, id)
		case s.isKey(id):
			s.answer(n, id, b, UplinkLeaves) // without it nothing can be shown
		case queue > busyQueue*time.Millisecond:
			busy = append(busy, id)
		default:
			s.answer(n, id, b, UplinkRest)
		}
	}
	if n.ext && len(missing) > 0 {
		s.sendExt(n, wire.AppendNotHeld(s.e.arena.begin(), missing))
	}
	if n.ext && len(busy) > 0 {
		s.sendExt(n, wire.AppendBusy(s.e.arena.begin(), busyTime*time.Millisecond, busy))
	}
	s.e.scratch.missing, s.e.scratch.busy = missing, busy
}

// isKey reports whether a fragment is part of a key frame or of what is needed
// to decode it.
func (s *stream) isKey(id fragmenter.ID) bool {
	class, known := s.win.at(id).mark.class()
	return known && (class == reliability.ClassKey || class == reliability.ClassConfig)
}

// mayAnswer reports whether this node sends fragments to those who ask.
func (s *stream) mayAnswer() bool { return s.active && (s.publishing || s.slots.k > 0) }

// answer queues a fragment that was asked for.
func (s *stream) answer(n *neighbor, id fragmenter.ID, b []byte, queue uint8) {
	entry := s.win.at(id)
	class, known := entry.mark.class()
	if !known {
		class = reliability.ClassReference
	}
	deadline := min(s.windowEnd(entry.known).Add(s.margin), s.e.now.Add(answerDeadline))
	s.e.config.Uplink.Push(s.e.now, Packet{
		Flow: overlay.FlowMedia, Class: queue, Data: b, Deadline: deadline,
		port: n.port, owner: s.owner, id: id, media: class, pulled: true,
	})
}

// handleLost sends again what a child says its link has lost.
func (s *stream) handleLost(n *neighbor, ranges []wire.Range) {
	if !s.mayAnswer() {
		return
	}
	left := wire.MaxIDs
	for _, r := range ranges {
		for id := r.First; id <= r.Last && left > 0; id++ {
			b, ok := s.win.Fragment(id)
			if !ok || s.peers[n.index].feeds&(1<<id.Slice()) == 0 {
				continue
			}
			s.answer(n, id, b, UplinkFirst)
			left--
		}
	}
}
