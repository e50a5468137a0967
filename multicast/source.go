package multicast

import (
	"io"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Limits of what a source sends. It gives each slice to one neighbor and has
// the rest served by others.
const (
	// bucketShare is the part of the stream's rate that may go into answers to
	// pulls, bucketDepth how much of it may be saved up, in bytes.
	bucketShare = 0.02
	bucketDepth = 30_000
	// plainShare is the same for neighbors of the plain protocol, which cannot
	// be told whom to ask instead.
	plainShare = 0.25
	// spareWanted is how many slots the neighbors must have left for the source
	// to send others to them.
	spareWanted = 3
	// fewRelays is with how many relaying neighbors the source still helps out
	// itself.
	fewRelays = 4
	// helpTime is for how long the source feeds one that has found nobody else,
	// in milliseconds.
	helpTime = 3000
	// helpMax is how many the source helps so at a time, helpShare for which
	// part of the time one of them, and helpSaved how much of that may be saved
	// up, in milliseconds.
	helpMax = 2
	// helpMost is how many of those that have sought in vain are helped at a
	// time in a group in which more than smallGroup neighbors pass the stream on.
	helpMost, smallGroup = sliceCount, 12
	helpShare            = 0.15
	helpSaved            = 8000
	// hopQuiet is the silence beyond the round trip after which a first hop is
	// asked, hopPing how much longer than a round trip its answer may take, in
	// milliseconds.
	hopQuiet, hopPing = 300, 150
	// hopRepeat is how much is sent again to the next first hop beyond what was
	// in flight when the last one was heard, in milliseconds.
	hopRepeat = 450
	// hopCheck is how often first hops are chosen anew where there are better
	// ones, in milliseconds, and hopGain how much better these must be.
	hopCheck = 1000
	// hopMove is for how long a first hop that is replaced is still served, in
	// milliseconds, and hopsMoving how many are at a time. Most neighbors it
	// could ask are below it, and until it has found another all of them depend
	// on it. If it has not by then it stays, and the new one, which has fewer
	// below it, looks for another; hopHold is when the next try is made.
	hopMove    = 4000
	hopsMoving = 2
	hopHold    = 30_000
	// hopSettle is how long the source waits for news of its first neighbors
	// before it gives slices away, in milliseconds.
	hopSettle = 250
	hopGain   = 1.5
	// hopSpread makes slices go to different neighbors.
	hopSpread = 0.15
	// hopIdle is after what time a first hop that feeds nobody counts for little.
	hopIdle = 2000
)

// source is what only the publisher of a stream has.
type source struct {
	cutter *fragmenter.Fragmenter
	// dirty is set when neighbors have come or told news of themselves.
	dirty bool
	// resend is from where on the next first hop of a slice is served, 0 for
	// what comes next.
	resend [sliceCount]fragmenter.ID
	// bucket and plainBucket are bytes that may be spent on pulls.
	bucket, plainBucket float32
	help                float32 // time for which a neighbor may be helped, in ms
	checkedAt           millis
	// moved is when the first hop of a slice was last replaced, held until when
	// it is not replaced again.
	moved, held [sliceCount]millis
	lastHop     [sliceCount]int16
	firstAt     millis // when the first neighbor took part
	thinning    thinning
}

// Publish begins a stream. Everything of it is sent with Write.
func (e *Engine) Publish(now reliability.Time, name string, o PublishOptions) (StreamKey, error) {
	e.enter(now)
	if name == "" || len(name) > wire.MaxNameLen {
		return StreamKey{}, ErrName
	}
	if len(e.streams) >= maxStreams && !e.forgetOne() {
		return StreamKey{}, ErrTooManyStreams
	}
	var key StreamKey
	if _, err := io.ReadFull(e.config.Entropy, key[:]); err != nil {
		return StreamKey{}, err
	}
	p := e.config.Params
	if o.Params != nil {
		if err := o.Params.Validate(); err != nil {
			return StreamKey{}, err
		}
		p = *o.Params
	}
	params := wire.DefaultStreamParams()
	params.WindowDuration, params.UpdatePeriod, params.FetchPeriod = p.WindowDuration, p.AvailabilityUpdatePeriod, p.FetchPeriod
	params.SendToAll = p.AvailabilitySendToAll
	s := e.newStream(key, name, params)
	s.publishing = true
	cut := fragmenter.DefaultParams()
	cut.FragmentSize = p.FragmentSize
	s.source = &source{cutter: fragmenter.New(cut), bucket: bucketDepth, plainBucket: bucketDepth, help: helpSaved, thinning: thinning{felt: 1}}
	s.activate()
	e.events.push(Event{Kind: EventStreamSeen, Name: name, Key: key, Params: s.params})
	s.announceAll()
	e.bind()
	return key, nil
}

// Write sends the next message of a published stream. It returns ErrNoStream,
// or a *fragmenter.TooLargeError for a message that cannot be carried.
func (e *Engine) Write(now reliability.Time, key StreamKey, m packager.Message) error {
	e.enter(now)
	s := e.byKey[key]
	if s == nil || !s.publishing || s.end != 0 {
		return ErrNoStream
	}
	s.clock.publish(e.ms, m.Timestamp)
	if s.leaveOut(&m) {
		return nil
	}
	fragments, err := s.source.cutter.Split(e.scratch.fragments[:0], &m)
	if err != nil {
		return err
	}
	for i := range fragments {
		s.publish(&fragments[i])
	}
	clear(fragments) // lets go of the payload
	e.scratch.fragments = fragments[:0]
	s.deliver()
	return nil
}

// publish keeps a new fragment and sends it to the first hop of its slice.
func (s *stream) publish(f *fragmenter.Fragment) {
	if s.win.InsertFragment(s.e.now, f) != Inserted {
		panic("multicast: a published fragment was not taken")
	}
	s.progress = s.e.ms
	s.rates.add(f.Len())
	if s.assembler != nil {
		s.assembler.Insert(f)
	}
	s.classify(f)
	s.relay(f, none)
	s.nativeOut(f.ID)
}

// EndPublish ends a published stream. What is in the window is still given to
// those who ask for it.
func (e *Engine) EndPublish(now reliability.Time, key StreamKey) {
	e.enter(now)
	if s := e.byKey[key]; s != nil && s.publishing && s.end == 0 {
		s.finish()
	}
}

func (s *stream) finish() {
	s.end, s.endedAt = s.source.cutter.Next(), s.e.ms
	for i := range s.peers {
		if s.peers[i].takesPart() {
			s.sendEnd(s.e.neighbors[i])
		}
	}
	s.deliver()
}

// tickSource looks after the first hops.
func (s *stream) tickSource() {
	src := s.source
	perTick := s.rates.bytes * float32(tickMillis) / 1000
	src.bucket = min(src.bucket+bucketShare*perTick, bucketDepth)
	src.help = min(src.help+(helpShare-float32(s.helped()))*float32(tickMillis), helpSaved)
	src.plainBucket = min(src.plainBucket+plainShare*perTick, bucketDepth)
	s.watchHops()
	check := s.e.ms.after(src.checkedAt) >= hopCheck
	if check || src.dirty {
		src.dirty = false
		s.assignHops()
	}
	if check {
		src.checkedAt = s.e.ms
		s.thin()
		s.improveHops()
		s.takeBackHelp()
	}
}

// watchHops asks first hops that are silent for a sign of life, and replaces
// those that give none.
func (s *stream) watchHops() {
	for i := range s.peers {
		if s.peers[i].feeds == 0 || !s.isHop(int16(i)) {
			continue
		}
		n := s.e.neighbors[i]
		silence := s.e.silence(n)
		if silence <= int(n.rtt)+hopQuiet {
			continue
		}
		if s.e.unanswered(n, silence) > int(n.rtt)+hopPing {
			s.e.declareDead(n)
			s.source.dirty = true
			continue
		}
		s.e.ping(n)
	}
}

// isHop reports whether a neighbor is first hop of any slice.
func (s *stream) isHop(index int16) bool {
	for c := range s.slices {
		if ch := s.slices[c].child(index); ch != nil && ch.first && ch.stop == 0 {
			return true
		}
	}
	return false
}

func (s *stream) isFirstHop(c, i int) bool { return s.slices[c].children[i].first }

// hop returns the first hop of a slice, or nil.
func (sl *slice) hop() *child {
	for i := range sl.children {
		if ch := &sl.children[i]; ch.first && ch.stop == 0 {
			return ch
		}
	}
	return nil
}

// hopLeft notes what the next first hop of a slice has to be sent again: all
// that the one that left has perhaps not got. Every loss there is one for all,
// also when it leaves politely.
func (s *stream) hopLeft(c int, index int16) {
	ch := s.slices[c].child(index)
	if ch == nil || !ch.first || ch.stop != 0 {
		return
	}
	n := s.e.neighbors[index]
	ago := s.e.silence(n) + int(n.rtt) + hopRepeat
	id := s.win.known + 1
	for s.win.contains(id-1) && s.e.ms.after(s.win.at(id-1).known) <= ago {
		id--
	}
	if old := s.source.resend[c]; old == 0 || id < old {
		s.source.resend[c] = id
	}
	s.source.dirty = true
}

// assignHops gives each slice that has no first hop to the best neighbor.
func (s *stream) assignHops() {
	src := s.source
	if src.firstAt == 0 {
		for i := range s.peers {
			if s.peers[i].takesPart() {
				src.firstAt = s.e.ms
				break
			}
		}
	}
	if src.firstAt == 0 || s.e.ms.after(src.firstAt) < hopSettle {
		src.dirty = true
		return
	}
	for c := range s.slices {
		hop := s.slices[c].hop()
		if hop != nil && s.peers[hop.index].relays() {
			continue
		}
		best, _ := s.bestHop(c, none)
		switch {
		case best == none, hop != nil && !s.peers[best].relays():
			continue
		case hop != nil:
			// Who passes nothing on was first hop for want of another. Nobody else
			// would ever get the slice; it stays a child like those that are helped.
			hop.first, hop.value, hop.since = false, 0, s.e.ms
		}
		s.giveSlice(c, s.e.neighbors[best])
	}
}

// hopScore says how good a neighbor is as a first hop for one more slice than
// it has.
func (s *stream) hopScore(index int16, has int) float32 {
	p, n := &s.peers[index], s.e.neighbors[index]
	k := float32(0)
	if p.relays() {
		k = float32(p.slots)
	}
	value := k / float32(relayCount(int(k)))
	latency := n.oneWay()
	if n.relayed {
		latency += relayedCost
	}
	if k == 0 {
		return 0.01 / (30 + latency) / float32(1+has)
	}
	// Slices go to several neighbors, so that not all are lost with one, but
	// above all to those that can feed many.
	return (value + 0.1*k + 1) / (30 + latency) / ((1 + hopSpread*float32(has)) * (1 + float32(has*sliceCount)/k))
}

// bestHop returns the neighbor that should get a slice next, other than one.
func (s *stream) bestHop(c int, except int16) (best int16, score float32) {
	best = none
	for i := range s.peers {
		p := &s.peers[i]
		if int16(i) == except || !p.takesPart() || p.is(peerNative) || !p.is(peerExt) || p.statusAt == 0 || p.refused[c].isAhead(s.e.ms) || s.e.neighbors[i].suspect.isAhead(s.e.ms) {
			continue
		}
		if sc := s.hopScore(int16(i), s.hopsOf(int16(i))); best == none || sc > score {
			best, score = int16(i), sc
		}
	}
	return best, score
}

// hopsOf counts the slices of which a neighbor is first hop.
func (s *stream) hopsOf(index int16) int {
	n := 0
	for c := range s.slices {
		if ch := s.slices[c].hop(); ch != nil && ch.index == index {
			n++
		}
	}
	return n
}

// giveSlice makes a neighbor the first hop of a slice.
func (s *stream) giveSlice(c int, n *neighbor) {
	start := s.source.resend[c]
	if start == 0 {
		start = s.win.known + 1
	}
	s.source.resend[c] = 0
	s.slices[c].changed = s.e.ms
	s.addChild(c, child{index: n.index, value: wire.NoChild - 1, first: true, start: start})
	s.sendExt(n, wire.AppendAccept(s.e.arena.begin(), &wire.Accept{Slice: uint8(c), Start: start}))
	s.catchUp(n, c)
}

// improveHops moves one slice to a neighbor that is far better than its first
// hop: the one that came first need not be the one that can feed most.
func (s *stream) improveHops() {
	s.settleHops()
	if s.hopsLeaving() >= hopsMoving {
		return
	}
	random := s.e.config.Rand.IntN(sliceCount)
	for i := range sliceCount {
		c := (random + i) % sliceCount
		hop := s.slices[c].hop()
		if hop == nil || s.source.held[c].isAhead(s.e.ms) {
			continue
		}
		index := hop.index
		best, score := s.bestHop(c, index)
		present := s.hopScore(index, s.hopsOf(index)-1)
		if p := &s.peers[index]; p.lowest[c] == wire.NoChild && p.statusAt.after(s.slices[c].changed) > hopIdle {
			present /= 4
		}
		if best == none || score < hopGain*present {
			continue
		}
		s.retireHop(c, hop)
		s.source.moved[c], s.source.lastHop[c] = s.e.ms, index
		s.source.resend[c] = s.win.known + 1 + s.rates.idsIn(s.e.neighbors[best].rtt)
		s.giveSlice(c, s.e.neighbors[best])
		return
	}
}

// retireHop tells a first hop to look for another parent.
func (s *stream) retireHop(c int, hop *child) {
	hop.stop = s.win.known + s.rates.idsIn(2*hopMove) + fragmenter.SliceCount
	s.sendExt(s.e.neighbors[hop.index], wire.AppendEvict(s.e.arena.begin(), wire.Evict{Slice: uint8(c), Stop: hop.stop}))
	s.countUsed()
}

// settleHops takes back replacements that did not work out.
func (s *stream) settleHops() {
	for c := range s.slices {
		old := s.slices[c].leavingHop()
		hop := s.slices[c].hop()
		if old == nil || hop == nil || s.e.ms.after(s.source.moved[c]) < hopMove || s.source.held[c].isAhead(s.e.ms) {
			continue
		}
		s.source.held[c] = s.e.ms + hopHold
		old.stop = 0
		s.sendExt(s.e.neighbors[old.index], wire.AppendAccept(s.e.arena.begin(), &wire.Accept{Slice: uint8(c), Start: s.win.known + 1}))
		s.retireHop(c, hop)
	}
}

// leavingHop returns the former first hop of a slice that has not found another
// parent yet, or nil.
func (sl *slice) leavingHop() *child {
	for i := range sl.children {
		if ch := &sl.children[i]; ch.first && ch.stop != 0 {
			return ch
		}
	}
	return nil
}

// hopsLeaving counts the former first hops that have not found another parent
// yet.
func (s *stream) hopsLeaving() int {
	n := 0
	for c := range s.slices {
		if s.slices[c].leavingHop() != nil {
			n++
		}
	}
	return n
}

// handleSourceRequest answers a neighbor that wants a slice from the source
// itself. Only while few others could pass the stream on, or for one that has
// found nobody, does it feed more than its first hops.
func (s *stream) handleSourceRequest(n *neighbor, m wire.Request) {
	c := int(m.Slice)
	if m.Start == parkedStart {
		s.parkHop(n, c, &m)
		return
	}
	s.peers[n.index].refused[c] = 0 // it wants slices again
	if s.e.native.available && s.slices[c].hop() == nil && s.peers[n.index].takesPart() {
		s.source.resend[c] = m.Start
		s.giveSlice(c, n)
		return
	}
	ch := s.slices[c].child(n.index)
	known := ch != nil && ch.first && ch.stop == 0
	if src := s.source; !known && m.Urgent && src.lastHop[c] == n.index && s.e.ms.after(src.moved[c]) < hopBack && src.moved[c] != 0 {
		// It found a parent, and lost it again, with a tree below it.
		s.addChild(c, child{index: n.index, first: true, start: m.Start, stop: s.win.known + s.rates.idsIn(2*hopMove) + fragmenter.SliceCount})
		s.sendExt(n, wire.AppendAccept(s.e.arena.begin(), &wire.Accept{Slice: m.Slice, Start: m.Start}))
		s.retireHop(c, s.slices[c].child(n.index))
		s.catchUp(n, c)
		return
	}
	parked := ch != nil && ch.isParked() // it may count on it
	if !s.peers[n.index].takesPart() || !known && !parked && !s.mayHelp(&m) {
		reason := wire.RefusePolicy
		if m.Urgent {
			reason = wire.RefuseFull // perhaps later
		}
		s.sendExt(n, wire.AppendRefuse(s.e.arena.begin(), wire.Refuse{Slice: m.Slice, Reason: reason}))
		return
	}
	value := m.Value
	if known {
		value = ch.value
	}
	s.addChild(c, child{index: n.index, value: value, first: known, start: m.Start})
	s.sendExt(n, wire.AppendAccept(s.e.arena.begin(), &wire.Accept{Slice: m.Slice, Start: m.Start}))
	s.catchUp(n, c)
}

// mayHelp reports whether the source feeds one that is no first hop: while few
// others could, one that passes the slice on, and one that has sought in vain.
// What slots its neighbors have left is no use to who does not reach them, and
// delivery comes before a low egress.
func (s *stream) mayHelp(m *wire.Request) bool {
	if !m.Urgent || s.used >= s.slots.k {
		return false
	}
	helped := s.helped()
	if m.PartialOK && (helped < helpMost || s.isShort() || s.relayingNeighbors() <= smallGroup) {
		return true
	}
	return s.spareSlots() < spareWanted || helped < helpMax && s.source.help > helpTime && m.Value > 0
}

// takeBackHelp gives a child away that the source took while there were few
// others, now that there are more.
func (s *stream) takeBackHelp() {
	spare := s.spareSlots()
	if spare < spareWanted {
		return
	}
	left := 1 + spare/takeBackSpare
	keep := s.helped() <= helpMost || s.isShort() || s.relayingNeighbors() <= smallGroup
	for c := range s.slices {
		for i := range s.slices[c].children {
			ch := &s.slices[c].children[i]
			if ch.first || ch.plain || ch.isParked() || ch.stop != 0 || s.e.ms.after(ch.since) < helpTime {
				continue
			}
			if p := &s.peers[ch.index]; keep && p.is(peerLeaf) && (p.free&(1<<c) == 0 || s.e.ms.after(p.statusAt) > othersFresh) {
				continue // it sees nobody else
			}
			s.evict(c, i)
			if left--; left == 0 {
				return
			}
		}
	}
}

// takeBackSpare is how many spare slots there must be for each child more that
// is given away at a time.
const takeBackSpare = 8

// spareSlots counts the slots that neighbors have left, by their last word.
func (s *stream) spareSlots() int {
	spare := 0
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) && p.relays() && !s.e.neighbors[i].suspect.isAhead(s.e.ms) {
			spare += max(int(p.slots)-int(p.used), 0)
		}
	}
	return spare
}

// relayingNeighbors counts the neighbors that could pass the stream on.
func (s *stream) relayingNeighbors() int {
	n := 0
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) && p.relays() && !s.e.neighbors[i].suspect.isAhead(s.e.ms) {
			n++
		}
	}
	return n
}

// helped counts the children by grant that are no first hops.
func (s *stream) helped() int {
	n := 0
	for c := range s.slices {
		for i := range s.slices[c].children {
			if ch := &s.slices[c].children[i]; !ch.first && !ch.plain && !ch.isParked() && ch.stop == 0 {
				n++
			}
		}
	}
	return n
}

// mayAnswer reports whether the source answers a pull, and pays for it.
func (src *source) mayAnswer(s *stream, n *neighbor, id fragmenter.ID, size int) bool {
	if ch := s.slices[id.Slice()].child(n.index); ch != nil && ch.first {
		return true
	}
	if s.relayingNeighbors() < fewRelays {
		return true
	}
	bucket := &src.bucket
	if !n.ext {
		bucket = &src.plainBucket
	}
	if *bucket < float32(size) {
		return false
	}
	*bucket -= float32(size)
	return true
}
