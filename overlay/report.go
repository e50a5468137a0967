package overlay

import (
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// reportForm says how much a report holds.
type reportForm uint8

const (
	formFull  reportForm = iota // ring, fractions, near and random members
	formShort                   // ring and random members
	formHints                   // what a refused member may ask instead
)

const (
	// reportRing is how many of the receiver's nearest on either side a report
	// names, reportNear how many of the sender's own nearest in time, and
	// reportRandom how many at random.
	reportRing   = 4
	reportNear   = 6
	reportRandom = 3
	// maxMerged is how many members of a message are looked at.
	maxMerged = 128
	// Informers: from informerTrials attempts on that were made because of what
	// a neighbor told, one of whose names more than half were false is believed
	// only now and then.
	informerTrials = 8
	informerBelief = 20 // one name in so many
	maxInformers   = 64
	// nearPrefixes is how many times as many members of one provider are kept in
	// mind that would be ring neighbors.
	nearPrefixes = 4
)

// parseReport reads a report into the working memory; nil if it is malformed.
func (r *Ring) parseReport(b []byte) *owire.Report {
	m, err := owire.ParseReport(b)
	if err != nil {
		r.stats.Malformed++
		return nil
	}
	r.stats.ReportsReceived++
	r.scratch.report = m
	return &r.scratch.report
}

// reportable reports whether members are told of an entry: only of those that
// this node has spoken with, so that made-up names die one hop from the liar.
func (r *Ring) reportable(now reliability.Time, e *entry) bool {
	if r.scratch.foreign && !e.isNameable() {
		return false
	}
	if e.link != nil {
		return e.link.usable()
	}
	return e.is(entryVerified) && !e.is(entryGone) && e.fails == 0 && e.lastHeard.age(now) < r.p.HeardAge
}

// compose chooses the members to tell a receiver at pos of. The result is good
// until the next call.
func (r *Ring) compose(now reliability.Time, pos uint64, receiver *PeerID, form reportForm) []owire.Entry {
	s := r.scratch
	h := &r.heard
	s.places = s.places[:0]
	clear(s.marks[:(len(h.slab)+63)/64])
	s.skip = h.find(receiver)
	start := h.rank(pos)
	r.pickNear(now, start, 1, reportRing)
	r.pickNear(now, start-1, -1, reportRing)
	if form == formFull {
		for k := 1; k <= r.fractions(); k++ {
			r.pickNear(now, h.rank(pos+1<<(64-k)), 1, 1)
		}
		for _, n := range r.nearestLinks(now, reportNear) {
			if n.link.place != s.skip {
				r.pick(now, n.link.place)
			}
		}
	}
	for range reportRandom {
		if h.Len() > 0 {
			r.pickNear(now, r.rand.IntN(h.Len()), 1, 1)
		}
	}
	return r.entriesOf(now, s.places)
}

// pick adds the member at a place unless it is in already or not to be told of,
// and reports whether it is in now.
func (r *Ring) pick(now reliability.Time, place int) bool {
	s := r.scratch
	if s.marks[place/64]>>(place%64)&1 != 0 {
		return true
	}
	if !r.reportable(now, r.heard.at(place)) {
		return false
	}
	s.marks[place/64] |= 1 << (place % 64)
	s.places = append(s.places, uint16(place))
	return true
}

// pickNear adds the first members from a rank on in one direction, the receiver
// not counted.
func (r *Ring) pickNear(now reliability.Time, rank, step, count int) {
	n := r.heard.Len()
	if n == 0 {
		return
	}
	rank = ((rank % n) + n) % n
	for range n {
		if place := r.heard.ranked(rank); place != r.scratch.skip && r.pick(now, place) {
			if count--; count == 0 {
				return
			}
		}
		if rank += step; rank == n {
			rank = 0
		} else if rank < 0 {
			rank = n - 1
		}
	}
}

// entriesOf describes members. Ages are rounded up: news must not look younger
// than a failure that others saw since.
func (r *Ring) entriesOf(now reliability.Time, places []uint16) []owire.Entry {
	s := r.scratch
	s.entries, s.addrs = s.entries[:0], slices.Grow(s.addrs[:0], len(places)*maxKnownAddrs)
	for _, place := range places {
		e := r.heard.at(int(place))
		last := e.lastHeard.time()
		if e.link != nil {
			last = max(last, e.link.lastRecv)
		}
		first := len(s.addrs)
		eachAddress(e.addrs, func(a wire.Address) { s.addrs = append(s.addrs, a) })
		s.entries = append(s.entries, owire.Entry{
			Peer: r.nameOf(e), Age: uint64((now.Sub(last) + time.Second - 1) / time.Second), Addrs: s.addrs[first:len(s.addrs):len(s.addrs)],
		})
	}
	return s.entries
}

// sendReport sends a report to a peer.
func (r *Ring) sendReport(now reliability.Time, to PeerID, pos uint64, s *session, form reportForm) {
	r.scratch.foreign = s.foreign
	entries := r.compose(now, pos, &to, form)
	if len(entries) == 0 {
		// A report without entries has not been seen, one that names nobody but
		// its receiver has.
		entries = append(entries, owire.Entry{Peer: to})
	}
	m := owire.Report{Own: r.ownAddrs(), Entries: entries}
	m.Seen = wire.Address{AddrPort: s.far, Origin: wire.OriginObserved}
	if !s.far.IsValid() || s.relayed {
		m.Seen.AddrPort = unspecified
	}
	r.stats.ReportsSent++
	b := owire.AppendReport(r.scratch.bytes[:0], m)
	r.send(to, FlowMember, slices.Clone(b))
	r.scratch.bytes = b[:0]
}

// reportTo sends a report to a neighbor. If starts is set, it begins an
// exchange, which the neighbor ends with a report of its own.
func (r *Ring) reportTo(now reliability.Time, l *link, form reportForm, starts bool) {
	l.set(linkReported, true)
	l.set(linkStarted, starts)
	l.sentReport = coarseOf(now)
	r.sendReport(now, r.id(l), l.pos, &l.session, form)
}

// handleReport takes a report of a neighbor and answers it if it begins an
// exchange.
func (r *Ring) handleReport(now reliability.Time, l *link, b []byte) {
	if !l.spendReport(now) {
		r.stats.Flooded++
		return
	}
	m := r.parseReport(b)
	if m == nil {
		return
	}
	l.silent = 0
	e := r.heard.at(l.place)
	e.lastHeard = coarseOf(now)
	if len(m.Own) > 0 {
		own := m.Own[:min(len(m.Own), maxKnownAddrs)]
		r.setAddrs(e, own)
		r.noteFar(e, &l.session)
	}
	if m.Seen.IsValid() && l.circuit == 0 {
		r.noteSeen(m.Seen)
	}
	id, count := e.id, len(m.Entries)
	r.merge(now, &id, m.Entries)
	answer := !l.is(linkStarted)
	if l.is(linkStarted) && l.sentReport.age(now) > exchangeLimit {
		answer = true // it can't be the answer any more
	}
	l.set(linkStarted, false)
	if !answer || l.ours() && l.sentReport.age(now) < answerPause {
		return
	}
	form := formFull
	if count <= shortReport {
		form = formShort
	}
	r.reportTo(now, l, form, false)
}

const (
	// exchangeLimit is how long an answer may take.
	exchangeLimit = 5 * time.Second
	// answerPause is how long after its last report a node has nothing to add
	// for one of its own kind. It keeps news of the ring, which are not
	// distinguished from the beginning of an exchange, from being answered.
	answerPause = 2 * time.Second
	// shortReport is up to how many entries a report counts as a short one.
	shortReport = 2*reportRing + reportRandom
)

// merge takes what a neighbor tells of members.
func (r *Ring) merge(now reliability.Time, from *PeerID, entries []owire.Entry) {
	informer := keyOfID(from)
	doubted := r.doubts(informer)
	news := false
	for i := range entries {
		if i == maxMerged {
			r.stats.NamesOverLimit += uint64(len(entries) - maxMerged)
			break
		}
		m := &entries[i]
		if m.Age >= uint64(r.p.HeardAge/time.Second) || r.isSelf(m.Peer) || m.Peer == *from {
			continue
		}
		at := max(1, now.Add(-time.Duration(m.Age)*time.Second))
		id := PeerID(m.Peer)
		if r.isOtherName(&id) {
			continue
		}
		if place := r.heard.find(&id); place != noEntry {
			news = r.refresh(now, r.heard.at(place), at, m.Addrs) || news
			continue
		}
		if doubted && r.rand.IntN(informerBelief) != 0 {
			r.stats.NamesIgnored++
			continue
		}
		news = r.addName(now, &id, at, m.Addrs, informer) || news
	}
	if news {
		r.recomputeSoon(now)
	}
}

// refresh notes when somebody last heard of a known member. A failure seen here
// weighs more than any news from before it. It reports whether the member may
// now be dialed earlier.
func (r *Ring) refresh(now reliability.Time, e *entry, at reliability.Time, addrs []wire.Address) bool {
	if e.link != nil {
		return false
	}
	if !e.is(entryVerified) || e.fails > 0 {
		r.learnAddrs(e, addrs)
	}
	if at <= e.lastHeard.time() {
		return false
	}
	e.lastHeard = coarseOf(at)
	if e.failAt == 0 || at <= e.failAt.time().Add(time.Second) {
		return false
	}
	switch {
	case e.is(entryGone):
		e.set(entryGone, false)
	case e.fails == 1 || now < r.hopeUntil:
		e.nextRing, e.nextOther = min(e.nextRing, coarseOf(now)), min(e.nextOther, coarseOf(now))
	case e.fails > 1:
		e.nextRing = min(e.nextRing, coarseOf(now.Add(revivedPause)))
	}
	return true
}

// addName adds a member that was not known, if its provider has not too many
// and the list has room.
func (r *Ring) addName(now reliability.Time, id *PeerID, at reliability.Time, addrs []wire.Address, informer uint32) bool {
	prefix := uint32(0)
	for _, a := range addrs {
		if p := prefixOf(a.Addr()); a.Origin != wire.OriginRelay && p > prefix && prefix <= privatePrefix {
			prefix = p
		}
	}
	limit := r.prefixLimit(prefix)
	if limit > 0 && r.wouldBeRing(id.Address().Top()) {
		limit *= nearPrefixes // the ring must not miss a member for its provider
	}
	if limit > 0 && r.heard.prefixFull(prefix, limit) {
		r.stats.NamesOverLimit++
		return false
	}
	place := r.remember(now, id, informer)
	if place == noEntry {
		r.stats.NamesOverLimit++
		return false
	}
	e := r.heard.at(place)
	e.lastHeard = coarseOf(at)
	r.learnAddrs(e, addrs)
	return true
}

// remember returns the place of a member, which it adds to the list if need be.
// Without room for it, and for this node itself, it returns noEntry.
func (r *Ring) remember(now reliability.Time, id *PeerID, informer uint32) int {
	if place := r.heard.find(id); place != noEntry {
		return place
	}
	if r.isSelf(*id) || !r.heard.makeRoom(now, r.rand) {
		return noEntry
	}
	place := r.heard.add(*id, id.Address().Top())
	e := r.heard.at(place)
	e.lastHeard, e.informer = coarseOf(now), informer
	return place
}

// informer counts what came of the names that a neighbor told.
type informer struct {
	key       uint32
	ok, tried uint8
}

// credit notes whether a name turned out to be true.
func (r *Ring) credit(key uint32, ok bool) {
	if key == 0 {
		return
	}
	i := slices.IndexFunc(r.informers, func(f informer) bool { return f.key == key })
	if i < 0 {
		if i = len(r.informers); i < maxInformers {
			r.informers = append(r.informers, informer{key: key})
		} else {
			i = 0
			for j := range r.informers {
				if r.informers[j].tried < r.informers[i].tried {
					i = j
				}
			}
			r.informers[i] = informer{key: key}
		}
	}
	f := &r.informers[i]
	f.tried++
	if ok {
		f.ok++
	}
	if f.tried >= 4*informerTrials { // old deeds fade
		f.tried /= 2
		f.ok /= 2
	}
}

// doubts reports whether most of what a neighbor told was false.
func (r *Ring) doubts(key uint32) bool {
	i := slices.IndexFunc(r.informers, func(f informer) bool { return f.key == key })
	return i >= 0 && r.informers[i].tried >= informerTrials && r.informers[i].ok*2 < r.informers[i].tried
}
