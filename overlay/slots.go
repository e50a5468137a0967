package overlay

import (
	"math"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

const (
	// ringSide is how many ring neighbors a node has on either side.
	ringSide = 3
	// latencySlots is how many links are kept because they are quick.
	latencySlots = 6
	// randomSlots is how many links are kept whatever their place: the first is
	// changed every other minute, the others are anchors that an attacker who
	// chooses peer IDs has no influence on.
	randomSlots = 4
	// fractionWindow is how many gaps wide the window behind a fraction of the
	// ring is in which any link will do. It spreads links over members, and lets
	// one link serve both its ends.
	fractionWindow = 3
	// fractionChoice is among how many members behind a fraction one is chosen.
	fractionChoice = 4
	// settledAge is how old a link must be to count as quicker than it is,
	// settledBonus how much. It keeps near links from taking turns.
	settledAge   = 30 * time.Second
	settledBonus = 0.8
	// latencySample is how many members are looked at for a quicker one.
	latencySample = 6
	randomFrom    = 3 * time.Second // no random links before that age
	rotateEach    = 90 * time.Second
	anchorEach    = 30 * time.Minute
	// prefixRandom is how many links with one provider leave no random link to
	// it.
	prefixRandom = 2
	// silentLimit is after how many reports without an answer a neighbor fills
	// only ring slots.
	silentLimit = 3
)

// randomSlot is one of the links that are kept whatever their place.
type randomSlot struct {
	link  *link
	until reliability.Time // choose another one then
}

// recompute decides which links fill slots, dials for the slots that are empty,
// and lets go of what is too much.
func (r *Ring) recompute(now reliability.Time) {
	r.computedAt = now
	r.members = r.estimate()
	for _, l := range r.links {
		l.set(linkWanted, l.keepUntil.time() > now)
	}
	r.placeOnRing(now)
	for i := range ringSide {
		for _, l := range [...]*link{r.up[i], r.down[i]} {
			if l != nil {
				l.set(linkWanted, true)
			}
		}
	}
	r.dropUselessRelays(now)
	r.keepRelays()
	r.dialRing(now, dialAbove)
	r.dialRing(now, dialBelow)
	r.fillFractions(now)
	r.fillLatency(now)
	r.fillRandom(now)
	r.askSurplus(now)
	if !r.ready {
		r.checkReady(now)
	}
}

// placeOnRing finds the ring neighbors among the links, and tells of changes.
func (r *Ring) placeOnRing(now reliability.Time) {
	var up, down [ringSide]*link
	r.nearestOnRing(&up, 1)
	r.nearestOnRing(&down, -1)
	if up == r.up && down == r.down {
		return
	}
	r.up, r.down = up, down
	for _, l := range r.links {
		side := int8(0)
		if i := slices.Index(up[:], l); i >= 0 {
			side = int8(i + 1)
		}
		if i := slices.Index(down[:], l); i >= 0 && (side == 0 || int8(i+1) < side) {
			side = int8(-i - 1)
		}
		if side == l.side {
			continue
		}
		promoted := side != 0 && (l.side == 0 || abs(side) < abs(l.side))
		l.side = side
		if !l.is(linkNew) {
			r.tell(EventNeighborChanged, l)
		}
		if promoted {
			r.probePromoted(now, l)
		}
	}
	r.ringChanged = now
	r.interval = r.p.GossipFast
	r.hastenTimer(timerGossip, now.Add(r.jitter(r.interval)))
	r.hastenTimer(timerRingReport, now.Add(ringReportDelay))
	r.updateCoverage()
}

func abs(x int8) int8 { return max(x, -x) }

// nearestOnRing finds the nearest usable links in one direction.
func (r *Ring) nearestOnRing(side *[ringSide]*link, step int) {
	n := len(r.links)
	if n == 0 {
		return
	}
	i := r.linkRank(r.pos)
	if step < 0 {
		i--
	}
	found := 0
	for range n {
		i = (i + n) % n
		if l := r.links[i]; l.usable() {
			side[found] = l
			if found++; found == ringSide {
				return
			}
		}
		i += step
	}
}

// dropUselessRelays closes relayed links that are no ring neighbors. Others
// carry their traffic for us, and only the ring is worth that.
func (r *Ring) dropUselessRelays(now reliability.Time) {
	for i := len(r.links) - 1; i >= 0; i-- {
		l := r.links[i]
		if l.circuit != 0 && l.side == 0 && l.usable() && l.since.age(now) > readyLimit {
			id := r.id(l)
			r.unlink(now, l, causePolite)
			r.act(Action{Kind: ActionRelease, Peer: id})
			i = min(i, len(r.links))
		}
	}
}

// dialRing dials members that are nearer on one side than the last ring
// neighbor there, nearest first. Those that were heard of lately go first, and
// the others take half of the room only: after many have died at once, most
// names near by are of the dead.
func (r *Ring) dialRing(now reliability.Time, kind dialKind) {
	room, side := r.p.RingDials, 0
	for i := range r.dials {
		if r.dials[i].kind.isRing() {
			room--
		}
		if r.dials[i].kind == kind {
			side++
		}
	}
	room = min(room, sideDials-side)
	room -= r.dialNearest(now, kind, room, true)
	r.dialNearest(now, kind, room-sideDials/2, false)
}

// dialNearest dials up to room members on one side, and returns how many.
func (r *Ring) dialNearest(now reliability.Time, kind dialKind, room int, fresh bool) (dialed int) {
	h := &r.heard
	n := h.Len()
	rank, step := h.rank(r.pos), 1
	if kind == dialBelow {
		rank, step = rank-1, -1
	}
	for i, linked := 0, 0; i < n && linked < ringSide && dialed < room; i++ {
		if rank >= n {
			rank -= n
		} else if rank < 0 {
			rank += n
		}
		place := h.ranked(rank)
		rank += step
		e := h.at(place)
		if e.link != nil {
			if e.link.usable() {
				linked++
			}
			continue
		}
		if !r.ringDialable(now, e) {
			if e.nextRing.time() > now && !e.is(entryGone|entryDialing) && e.lastHeard.age(now) < r.p.HeardAge {
				r.hastenTimer(timerRecompute, e.nextRing.time())
			}
			continue
		}
		if r.isFresh(now, e) == fresh {
			if !r.startDial(now, place, kind) {
				return dialed
			}
			dialed++
		}
	}
	return dialed
}

// isFresh reports whether a member was heard of lately: since the last mass
// failure began, or not long ago.
func (r *Ring) isFresh(now reliability.Time, e *entry) bool {
	if now < r.massUntil {
		return e.lastHeard.time() > r.massAt
	}
	return e.lastHeard.age(now) < r.p.GossipSlow
}

// fractions returns for how many k there is a slot at 2^-k of the ring: while
// that is at least fractionWindow gaps.
func (r *Ring) fractions() int {
	return max(0, min(62, int(math.Log2(max(1, r.members/fractionWindow)))))
}

// gap returns the mean distance between members.
func (r *Ring) gap() uint64 {
	return uint64(min(float64(math.MaxUint64/8), math.Exp2(64)/max(1, r.members)))
}

// fillFractions keeps a link at each fraction of the ring.
func (r *Ring) fillFractions(now reliability.Time) {
	window := fractionWindow * r.gap()
	for k := 1; k <= r.fractions(); k++ {
		step := uint64(1) << (64 - k)
		target := r.pos + step
		if l := r.oldestWithin(target, min(window, step/2)); l != nil {
			l.set(linkWanted, true)
			continue
		}
		r.dialBehind(now, target, step/2)
	}
}

// oldestWithin returns the link that is longest there among those at most width
// behind target.
func (r *Ring) oldestWithin(target, width uint64) *link {
	var oldest *link
	n := len(r.links)
	i := r.linkRank(target)
	for range n {
		if i == n {
			i = 0
		}
		l := r.links[i]
		if l.pos-target >= width {
			break
		}
		if l.direct() && l.silent < silentLimit && (oldest == nil || l.since < oldest.since) {
			oldest = l
		}
		i++
	}
	return oldest
}

// dialBehind dials one of the first members behind target. A link met before
// any of them fills the slot.
func (r *Ring) dialBehind(now reliability.Time, target, width uint64) {
	h := &r.heard
	n := h.Len()
	rank := h.rank(target)
	var choice [fractionChoice]int
	found := 0
	for range n {
		if rank == n {
			rank = 0
		}
		place := h.ranked(rank)
		rank++
		e := h.at(place)
		if e.pos-target >= width {
			break
		}
		if e.is(entryDialing) {
			return // wait for that one
		}
		if l := e.link; l != nil {
			if found == 0 && l.direct() && l.silent < silentLimit {
				l.set(linkWanted, true)
				return
			}
			continue
		}
		if !r.dialable(now, e) {
			continue
		}
		choice[found] = place
		if found++; found == fractionChoice {
			break
		}
	}
	if found > 0 && r.takeToken(now) {
		r.startDial(now, choice[r.rand.IntN(found)], dialOther)
	}
}

// rttOf is a link with the round-trip time it counts as.
type rttOf struct {
	link *link
	rtt  float64
}

// nearestLinks returns the quickest direct links, quickest first. The result is
// good until the next call.
func (r *Ring) nearestLinks(now reliability.Time, most int) []rttOf {
	list := r.scratch.nearest[:0]
	for _, l := range r.links {
		rtt := float64(r.heard.at(l.place).rtt)
		if rtt == 0 || !l.direct() || l.silent >= silentLimit {
			continue
		}
		if l.since.age(now) > settledAge {
			rtt *= settledBonus
		}
		i := len(list)
		for i > 0 && list[i-1].rtt > rtt {
			i--
		}
		if i < most {
			if len(list) == most {
				list = list[:most-1]
			}
			list = slices.Insert(list, i, rttOf{l, rtt})
		}
	}
	r.scratch.nearest = list
	return list
}

// fillLatency keeps the quickest links, and dials for quicker ones among
// members that were measured before.
func (r *Ring) fillLatency(now reliability.Time) {
	near := r.nearestLinks(now, latencySlots)
	worst := math.Inf(1)
	for _, n := range near {
		n.link.set(linkWanted, true)
		worst = n.rtt
	}
	n := r.heard.Len()
	if n == 0 || len(near) < latencySlots {
		return
	}
	for range latencySample {
		place := r.heard.ranked(r.rand.IntN(n))
		e := r.heard.at(place)
		if e.rtt != 0 && float64(e.rtt) < settledBonus*worst && e.is(entryVerified) && r.dialable(now, e) {
			if r.takeToken(now) {
				r.startDial(now, place, dialOther)
			}
			return
		}
	}
}

// fillRandom keeps some links at random, chosen evenly by provider.
func (r *Ring) fillRandom(now reliability.Time) {
	if now.Sub(r.started) < randomFrom {
		r.hastenTimer(timerRecompute, r.started.Add(randomFrom))
		return
	}
	for i := range r.random {
		s := &r.random[i]
		if s.link != nil && s.link.direct() && s.link.silent < silentLimit && now < s.until {
			s.link.set(linkWanted, true)
			continue
		}
		if s.until > now && s.link == nil {
			continue // one is being dialed
		}
		s.link = nil
		place := r.chooseRandom(now)
		if place == noEntry || !r.takeToken(now) {
			return
		}
		if !r.startDial(now, place, dialRandom) {
			return
		}
		r.dials[len(r.dials)-1].slot = uint8(i)
		s.until = now.Add(r.p.DialLimit + readyLimit)
	}
}

// fillSlot keeps a link in a random slot.
func (r *Ring) fillSlot(now reliability.Time, slot uint8, l *link) {
	keep := anchorEach
	if slot == 0 {
		keep = r.jitter(rotateEach)
	}
	r.random[slot] = randomSlot{l, now.Add(keep)}
}

// chooseRandom draws a member, every provider with the same chance.
func (r *Ring) chooseRandom(now reliability.Time) int {
	chosen, least := noEntry, math.Inf(1)
	providers := &r.scratch.providers
	providers.count(r.heard.slab)
	for _, place := range r.heard.order {
		e := r.heard.at(int(place))
		if !r.dialable(now, e) {
			continue
		}
		same := uint16(1)
		if e.prefix > privatePrefix {
			p := providers.find(e.prefix)
			if p.linked >= prefixRandom {
				continue
			}
			same = p.known
		}
		if draw := r.rand.ExpFloat64() * float64(same); draw < least {
			chosen, least = int(place), draw
		}
	}
	return chosen
}

// provider tells how many members with one prefix are in mind, and how many of
// them are linked.
type provider struct {
	prefix        uint32
	known, linked uint16
}

// providers finds providers by their prefix: open addressing in a table whose
// length is a power of two. An entry that knows nobody is empty.
type providers []provider

// count fills the table.
func (t *providers) count(slab []entry) {
	size := 64
	for size < 2*len(slab) {
		size *= 2
	}
	if len(*t) != size {
		*t = make([]provider, size)
	} else {
		clear(*t)
	}
	for i := range slab {
		e := &slab[i]
		if e.prefix <= privatePrefix {
			continue
		}
		p := t.find(e.prefix)
		p.prefix = e.prefix
		p.known++
		if e.link != nil {
			p.linked++
		}
	}
}

// find returns the place of a prefix, which is empty if it was not counted.
func (t *providers) find(prefix uint32) *provider {
	table := *t
	for i := prefix * 0x9e3779b1 >> 8; ; i++ {
		p := &table[i&uint32(len(table)-1)]
		if p.prefix == prefix || p.known == 0 {
			return p
		}
	}
}
