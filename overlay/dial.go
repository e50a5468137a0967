package overlay

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// dialKind says what a member is dialed for.
type dialKind uint8

const (
	dialOther  dialKind = iota
	dialRandom          // for a random slot
	dialAbove           // to be a ring neighbor above
	dialBelow           // or below
)

func (k dialKind) isRing() bool { return k >= dialAbove }

// dial is an attempt to link with a member. It lasts from the first hello, or
// the use of a session that is open already, until there is a link or not.
type dial struct {
	id       PeerID
	place    int
	kind     dialKind
	slot     uint8 // of dialRandom
	failed   bool  // no direct session came about; a circuit may yet
	deadline reliability.Time
	// relayAt is when to try a relay as well.
	relayAt reliability.Time
	// tried are the places of the relays that were tried, plus one, relays how
	// many.
	tried  [relayTries]uint16
	relays uint8
}

func (d *dial) next() reliability.Time { return min(d.deadline, d.relayAt) }

func (d *dial) limit(r *Ring) time.Duration {
	if d.kind.isRing() && len(r.links) > 0 {
		return r.p.RingDialLimit
	}
	return r.p.DialLimit
}

const (
	// Pauses after a failure: firstBackoff, three times as much after each
	// further one, at most maxBackoff.
	firstBackoff = 20 * time.Second
	maxBackoff   = 600 * time.Second
	// lonelyBackoff is what a node without any link begins with.
	lonelyBackoff = 2 * time.Second
	// hopeTime is how long after a member came back news of others that had
	// failed are acted on at once. A group that was parted closes quickly so.
	hopeTime = 60 * time.Second
	// revivedPause is how soon a ring candidate that failed more than once is
	// dialed again when it has been heard of since.
	revivedPause = 10 * time.Second
	// Members that live but can't be reached are tried again soon as ring
	// neighbors, since much depends on those, and late for other slots.
	unreachableFirst = 3 * time.Second
	unreachableAgain = 10 * time.Second
	unreachableSoon  = time.Second // while the relays between change
	unreachableOther = 300 * time.Second
	// relayPatience is how long a ring candidate may be silent before a relay is
	// tried beside the direct way.
	relayPatience = 300 * time.Millisecond
	// freshNews is how young news of a member must be to believe that it lives.
	freshNews = 60 * time.Second
	// maxDials bounds the attempts at one time, all kinds together.
	maxDials = 40
	// sideDials is how many ring candidates of one side are dialed at once.
	sideDials = 4
	// maxVia is how many neighbors are asked to forward a hello.
	maxVia = 3
)

// ringDialable reports whether an entry may be dialed as a ring neighbor.
func (r *Ring) ringDialable(now reliability.Time, e *entry) bool {
	return e.link == nil && !e.is(entryDialing|entryGone) && e.nextRing.time() <= now && e.lastHeard.age(now) < r.p.HeardAge
}

// dialable reports whether it may be dialed for any other slot.
func (r *Ring) dialable(now reliability.Time, e *entry) bool {
	return e.nextOther.time() <= now && r.ringDialable(now, e)
}

// takeToken takes leave to dial for an optional slot.
func (r *Ring) takeToken(now reliability.Time) bool {
	r.tokens = min(float64(r.p.DialBurst), r.tokens+now.Sub(r.tokensAt).Seconds()*r.p.DialRate)
	r.tokensAt = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// dialTo returns the attempt at a member, or nil.
func (r *Ring) dialTo(id *PeerID) *dial {
	for i := range r.dials {
		if r.dials[i].id == *id {
			return &r.dials[i]
		}
	}
	return nil
}

// startDial begins an attempt at the member at a place, which must not be
// linked nor dialed already. It reports whether there was room for it.
func (r *Ring) startDial(now reliability.Time, place int, kind dialKind) bool {
	if len(r.dials) >= maxDials {
		return false
	}
	e := r.heard.at(place)
	e.set(entryDialing, true)
	d := dial{id: e.id, place: place, kind: kind, relayAt: reliability.Never}
	d.deadline = now.Add(d.limit(r))
	r.stats.Dials++
	if kind.isRing() {
		r.stats.RingDials++
		d.relayAt = now.Add(relayPatience)
		if e.is(entryUnreachable) {
			d.relayAt = now
		}
	}
	if p := r.pendingOf(&e.id); p != nil && p.state != pendingRefused {
		d.relayAt = reliability.Never
		if p.state == pendingIdle {
			r.sendConnect(p)
			p.state, p.deadline, p.connectAt = pendingSent, d.deadline.Add(time.Second), reliability.Never
		}
	} else {
		r.act(Action{Kind: ActionDial, Peer: e.id, Addrs: r.dialAddrs(now, e), Via: r.forwarders(e)})
	}
	r.dials = append(r.dials, d)
	r.wakeBy(d.next())
	if d.relayAt <= now {
		r.tryRelay(now, &r.dials[len(r.dials)-1])
	}
	return true
}

// forwarders returns neighbors that are linked with a member, so that they can
// forward a hello: the one that told of it first.
func (r *Ring) forwarders(e *entry) []PeerID {
	var via []PeerID
	add := func(l *link) {
		if id := r.id(l); len(via) < maxVia && l.direct() && !slices.Contains(via, id) {
			via = append(via, id)
		}
	}
	for _, l := range r.links {
		if l.ours() && r.keyOf(l) == e.informer {
			add(l)
		}
	}
	for _, l := range r.links {
		if listHas(l.list, e.pos) == listedDirect {
			add(l)
		}
	}
	return via
}

// endDial ends an attempt whose outcome is known; the transport gives up what
// it still tries.
func (r *Ring) endDial(id *PeerID) {
	for i := range r.dials {
		d := &r.dials[i]
		if d.id != *id {
			continue
		}
		r.heard.at(d.place).set(entryDialing, false)
		if r.pendingOf(id) == nil && !d.failed {
			if l := r.heard.at(d.place).link; l == nil || l.session.relayed {
				r.act(Action{Kind: ActionCancelDial, Peer: *id})
			}
		}
		r.dials = slices.Delete(r.dials, i, i+1)
		if len(r.dials) == 0 && cap(r.dials) > 4 {
			r.dials = nil
		}
		return
	}
}

// timeoutDials tries relays that are due and gives up what took too long.
func (r *Ring) timeoutDials(now reliability.Time) {
	for i := 0; i < len(r.dials); i++ {
		d := &r.dials[i]
		if d.relayAt <= now {
			d.relayAt = reliability.Never
			r.tryRelay(now, d)
		}
		if d.deadline <= now {
			r.dialFailed(now, d, DialTimeout)
			i = -1 // the list has changed
		}
	}
}

// HandleDialFailed tells that a session could not be opened.
func (r *Ring) HandleDialFailed(now reliability.Time, id PeerID, reason DialError) {
	d := r.dialTo(&id)
	if d == nil || r.pendingOf(&id) != nil || r.leaving {
		return
	}
	if d.relayAt != reliability.Never && reason != DialGone {
		d.relayAt = reliability.Never
		r.tryRelay(now, d)
	}
	if r.endCircuit(&id) != 0 && !d.failed {
		d.failed = true // and there is still another way
		return
	}
	d.failed = true
	r.dialFailed(now, d, reason)
}

// dialFailed ends an attempt without a link. d is not valid afterwards.
func (r *Ring) dialFailed(now reliability.Time, d *dial, reason DialError) {
	id, place := d.id, d.place
	if d.kind == dialRandom {
		r.random[d.slot].until = 0
	}
	r.endDial(&id)
	if p := r.pendingOf(&id); p != nil && p.state != pendingIdle {
		r.endPending(now, p)
	}
	r.closeCircuitsTo(&id)
	e := r.heard.at(place)
	e.set(entryWanted, false)
	r.stats.DialsFailed++
	if reason == DialUnreachable && e.lastHeard.age(now) >= freshNews {
		reason = DialTimeout
	}
	if reason == DialTimeout && r.isListed(e.pos) {
		reason = DialUnreachable // neighbors are linked with it, so it lives
	}
	switch reason {
	case DialUnreachable:
		r.stats.Unreachable++
		wait := unreachableFirst
		switch {
		case now < r.massUntil:
			wait = unreachableSoon
		case e.is(entryUnreachable) && !r.isListed(e.pos):
			wait = unreachableAgain
		}
		e.set(entryUnreachable, true)
		e.pauseFor(now, wait, unreachableOther)
	case DialGone:
		r.pause(now, e, causeLeft)
		e.nextRing = coarseOf(now.Add(firstBackoff))
		r.credit(e.informer, false)
	case DialRefused:
		e.pauseFor(now, r.jitter(unreachableAgain), r.jitter(partedPause))
	default:
		r.credit(e.informer, false)
		backoff := firstBackoff
		if len(r.links) == 0 {
			backoff = lonelyBackoff
		}
		for range e.fails {
			backoff = min(backoff*3, maxBackoff)
		}
		e.fails = min(e.fails+1, 8)
		e.failAt = coarseOf(now)
		e.pauseFor(now, backoff, backoff)
	}
	r.recomputeSoon(now)
}

// dialAddrs returns the addresses at which to look for a member: its own and
// those of servers that it said know it. Addresses are dialed rarely, whatever
// the number of names that come with them, so that members who lie about them
// can't turn a group against a victim. Servers of this node's own are exempt and
// those of many neighbors, and so are members that were at that address before.
func (r *Ring) dialAddrs(now reliability.Time, e *entry) []wire.Address {
	var addrs []wire.Address
	introducer := false
	eachAddress(e.addrs, func(a wire.Address) {
		known := a.Origin == wire.OriginRelay && (r.isOwnServer(a.AddrPort) || r.isServerOfMany(a.AddrPort))
		if known || r.mayDial(now, a.AddrPort, e) {
			addrs = append(addrs, a)
			introducer = introducer || a.Origin == wire.OriginRelay
		} else {
			r.stats.AddrsWithheld++
		}
	})
	if !introducer {
		for _, a := range r.own {
			if a.Origin == wire.OriginRelay {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

func (r *Ring) isOwnServer(a netip.AddrPort) bool {
	return slices.ContainsFunc(r.own, func(o wire.Address) bool { return o.Origin == wire.OriginRelay && o.AddrPort == a })
}

const (
	// Of serverLinks neighbors or more, one in serverShare must say that an
	// introducer is theirs for it to be asked freely. A tenth of hostile members
	// is not that many.
	serverLinks = 8
	serverShare = 4
)

// isServerOfMany reports whether many neighbors are with an introducer, by their
// own word.
func (r *Ring) isServerOfMany(server netip.AddrPort) bool {
	if len(r.links) < serverLinks {
		return false
	}
	with := 0
	for _, l := range r.links {
		found := false
		eachAddress(r.heard.at(l.place).addrs, func(a wire.Address) {
			found = found || a.Origin == wire.OriginRelay && a.AddrPort == server
		})
		if found {
			with++
		}
	}
	return with*serverShare >= len(r.links)
}

// dialedAddr remembers that an address was dialed, by short names of it, its
// host and the member. Where two share such a name, one more waits.
type dialedAddr struct {
	addr, host, id uint32
	at             coarse
}

const (
	dialedMemory  = 60 * time.Second
	dialedPerHost = 4
	// maxDialed bounds the memory. When it is full, which needs more attempts a
	// minute than the other limits allow, no further addresses are dialed.
	maxDialed = 256
)

// forgetDialed forgets that an address was dialed for a name, when who is there
// has another.
func (r *Ring) forgetDialed(addr netip.AddrPort, id *PeerID) {
	is := nameDialed(addr, id)
	r.dialed = slices.DeleteFunc(r.dialed, func(d dialedAddr) bool { return d.addr == is.addr && d.id == is.id })
}

func nameDialed(addr netip.AddrPort, id *PeerID) dialedAddr {
	host := hashHost(addr.Addr())
	return dialedAddr{host: host, id: keyOfID(id), addr: host*0x9e3779b1 + uint32(addr.Port())}
}

// mayDial decides whether a member may be looked for at an address, and notes
// that it is: one name a minute at an address, four at a host.
func (r *Ring) mayDial(now reliability.Time, addr netip.AddrPort, e *entry) bool {
	if !addr.IsValid() || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
		return false
	}
	r.dialed = slices.DeleteFunc(r.dialed, func(d dialedAddr) bool { return d.at.age(now) >= dialedMemory })
	made := nameDialed(addr, &e.id)
	made.at = coarseOf(now)
	same := 0
	for i := range r.dialed {
		d := &r.dialed[i]
		if d.addr == made.addr {
			// Its own pauses hold for a member that was there before.
			return d.id == made.id && (e.is(entryVerified) || len(r.links) == 0)
		}
		if d.host == made.host && isPublic(addr.Addr()) {
			same++
		}
	}
	if same >= dialedPerHost && !e.is(entryVerified) || len(r.dialed) >= maxDialed {
		return false
	}
	r.dialed = append(r.dialed, made)
	return true
}

// hashHost is a short name for a host. It takes all bits of the address, in a
// way that no two IPv4 addresses share one.
func hashHost(a netip.Addr) uint32 {
	b := a.Unmap().As16()
	h := uint32(0)
	for i := 0; i < len(b); i += 4 {
		h = h*0x85ebca6b ^ binary.BigEndian.Uint32(b[i:])
	}
	return h
}

// AddNeighbor dials a member at once and keeps the link for a minute, whether
// the slots need it or not.
func (r *Ring) AddNeighbor(now reliability.Time, id PeerID) {
	place := r.hint(now, id)
	if place == noEntry {
		return
	}
	e := r.heard.at(place)
	if e.link != nil {
		e.link.keepUntil = coarseOf(now.Add(addedNeighborKeep))
		return
	}
	e.set(entryWanted, true)
	if !e.is(entryDialing) {
		r.takeToken(now)
		r.startDial(now, place, dialOther)
	}
}

// AddMemberHint tells of a member that is dialed when a slot needs it.
func (r *Ring) AddMemberHint(now reliability.Time, id PeerID) { r.hint(now, id) }

func (r *Ring) hint(now reliability.Time, id PeerID) int {
	if r.leaving || r.isSelf(id) || r.isOtherName(&id) {
		return noEntry
	}
	place := r.remember(now, &id, 0)
	if place == noEntry {
		return noEntry
	}
	e := r.heard.at(place)
	if e.link == nil {
		e.lastHeard = coarseOf(now)
		e.set(entryGone, false)
		// A node without any link has nobody else to turn to, so that pauses
		// which have grown while this one was dead would cost all: a publisher
		// that comes back after a crash. How often is bounded by the pauses of
		// rejoin.
		if len(r.links) == 0 && e.fails > 0 {
			e.nextRing, e.nextOther = min(e.nextRing, coarseOf(now)), min(e.nextOther, coarseOf(now))
		}
	}
	r.recomputeSoon(now)
	return place
}

// HandleMember tells of a member that an introducer, a bootstrap peer or the
// last run's list knows. introducer are the addresses at which it can be asked
// for, and may hold its own too.
func (r *Ring) HandleMember(now reliability.Time, id PeerID, introducer []wire.Address) {
	if place := r.hint(now, id); place != noEntry {
		r.learnAddrs(r.heard.at(place), introducer)
	}
}

// HandleLANMember tells of a member that was heard on the local network.
func (r *Ring) HandleLANMember(now reliability.Time, id PeerID, addrs []wire.Address) {
	place := r.hint(now, id)
	if place == noEntry {
		return
	}
	e := r.heard.at(place)
	r.learnAddrs(e, addrs)
	if e.link == nil && len(r.links) < r.degree() && !e.is(entryDialing) && e.nextRing.time() <= now && r.takeToken(now) {
		r.startDial(now, place, dialOther)
	}
}

// dialFromMemory tries a member that was lost long ago. Halves of a group that
// were parted for longer than members are talked about find each other so.
func (r *Ring) dialFromMemory(now reliability.Time) {
	r.setTimer(timerMemory, now.Add(r.jitter(memoryPeriod)))
	n := 0
	chosen := noEntry
	for _, place := range r.heard.order {
		e := r.heard.at(int(place))
		if e.link != nil || e.is(entryDialing|entryGone) || !e.is(entryVerified) || e.fails == 0 && e.lastHeard.age(now) < r.p.HeardAge {
			continue
		}
		n++
		if r.rand.IntN(n) == 0 {
			chosen = int(place)
		}
	}
	if chosen != noEntry {
		r.startDial(now, chosen, dialOther)
	}
}

// rejoin asks the introducers again for members: with no links soon, else from
// time to time, which joins groups that fell apart.
func (r *Ring) rejoin(now reliability.Time) {
	age := now.Sub(r.started)
	next := now.Add(rejoinPeriod/2 + time.Duration(r.rand.Int64N(int64(rejoinPeriod))))
	lonely := r.heard.Len() < fewKnown
	for _, at := range [...]time.Duration{firstRejoin, 15 * time.Second, 45 * time.Second} {
		if lonely && age < at {
			next = r.started.Add(at)
			break
		}
	}
	if len(r.links) == 0 {
		next = min(next, now.Add(aloneRejoin*time.Duration(1+min(9, r.stats.Rejoins))))
	}
	r.setTimer(timerRejoin, next)
	if lonely || len(r.links) == 0 || age > 60*time.Second || now < r.massUntil {
		r.stats.Rejoins++
		r.act(Action{Kind: ActionRejoin})
	}
}

const (
	rejoinPeriod = 300 * time.Second
	firstRejoin  = 5 * time.Second
	aloneRejoin  = 3 * time.Second
	// fewKnown is how many members a young node must know not to ask again soon.
	fewKnown = 7
)
