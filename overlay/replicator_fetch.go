package overlay

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// planSample is among about how many missing objects the rarest are looked
	// for, planLeast how many of them each neighbor has, and planBlocks in how
	// many blocks of a neighbor's objects they are looked for.
	planSample = 800
	planLeast  = 24
	planBlocks = 16
	// planPause is the least time between two plans. One that things have changed
	// since is used for planAge at most.
	planPause = 20 * time.Millisecond
	planAge   = 200 * time.Millisecond
	// denyPause is for how long an object is not asked again of a neighbor that
	// has denied it.
	denyPause = 5 * time.Second
	// refusePause is the same for one that has given it wrong, where there are
	// more others than one knock reaches.
	refusePause = 60 * time.Second
	// latePause is for how long a neighbor that is too slow is not asked.
	latePause = 60 * time.Second
	// unknownPace is how long a neighbor is expected to take for an object before
	// it has given one.
	unknownPace = 500 * time.Millisecond
	// slowPace is how long an object may take to come from a neighbor that is not
	// called slow.
	slowPace = 4 * time.Second
)

// handleHave notes what a neighbor has. Requests for what it has no longer stand:
// it answers each one, be it by a denial.
func (r *Replicator) handleHave(now reliability.Time, l *objectLink, b []byte) error {
	if !l.haves.take(now, 1, objectHaveRate) {
		r.stats.Flooded++
		return nil
	}
	ranges, kind, err := owire.ParseHave(r.ranges[:0], b)
	if err != nil {
		return err
	}
	r.ranges = ranges
	if kind == owire.HaveReplace {
		l.has = indexSet{}
	}
	for _, objects := range ranges {
		switch {
		case kind == owire.HaveRemove:
			l.has.remove(objects)
		case l.has.size() >= maxObjectBlocks:
			r.stats.Flooded++
		default:
			l.has.add(objects)
		}
	}
	if kind != owire.HaveRemove && len(ranges) > 0 {
		l.grown, l.idle, l.told = now, false, true
		r.noteSpread(now, l, ranges)
	}
	r.stale = true
	r.fetch(now)
	return nil
}

// most returns how many requests a neighbor may have at a time: one until it has
// answered, or if it is slow, and more if only few are quick.
func (r *Replicator) most(now reliability.Time, l *objectLink) int {
	switch {
	case l.Suspect || l.bad >= maxBad || l.has.empty() || l.late > l.got && now.Sub(l.lateAt) < latePause:
		return 0
	case !l.isQuick():
		return 1
	}
	quick := 0
	for _, o := range r.links {
		if o.isQuick() && !o.has.empty() {
			quick++
		}
	}
	return min(max(r.p.PerNeighbor, r.p.InFlight/quick), maxQueuedOf)
}

// isQuick reports whether a neighbor has shown to give objects in good time.
func (l *objectLink) isQuick() bool { return l.got > 0 && l.pace < slowPace }

// underWay counts the requests that take room from others: those that may still
// be answered soon, the objects that are being judged, and all beyond twice the
// number that is allowed.
func (r *Replicator) underWay(now reliability.Time) int {
	n := 0
	for _, q := range r.requests {
		if now.Sub(max(q.asked, q.link.gotAt)) < slowPace {
			n++
		}
	}
	return max(n, len(r.requests)-r.p.InFlight) + len(r.judged)
}

// fetch asks for objects as long as there is room. If nothing is to be had
// anywhere, or nothing comes, it will knock in a while.
func (r *Replicator) fetch(now reliability.Time) {
	r.fill(now)
	if r.want.empty() && len(r.requests) == 0 || len(r.links) == 0 {
		r.knockAt = reliability.Never
		return
	}
	wait := knockAfter
	if len(r.requests)+len(r.judged) > 0 {
		wait = slowPace
	}
	at := max(r.cameAt, r.knockedAt).Add(wait << min(r.knocks, maxKnockShift))
	if at <= now {
		at = now.Add(lookPause)
		if r.knockAt > now {
			at = min(at, r.knockAt) // what comes in does not put it off
		}
	}
	r.knockAt = at
}

// requestsFor returns the requests for an object.
func (r *Replicator) requestsFor(index uint64) (list []*objectRequest) {
	for _, q := range r.requests {
		if q.index == index {
			list = append(list, q)
		}
	}
	return list
}

// fill asks for what neighbors have.
func (r *Replicator) fill(now reliability.Time) {
	r.replanAt = reliability.Never
	for !r.want.empty() && r.underWay(now) < r.p.InFlight {
		if r.stale && now.Sub(r.planned) >= planAge {
			r.makePlan(now)
		}
		index, l := r.next(now)
		if l == nil {
			if !r.stale {
				return
			}
			if again := r.planned.Add(planPause); r.planned != 0 && now < again {
				r.replanAt = again
				return
			}
			r.makePlan(now)
			if index, l = r.next(now); l == nil {
				return
			}
		}
		r.ask(now, index, l)
	}
}

// next takes out of the plan what is asked for next, and of whom: of the neighbor
// that is likely to be the quickest, the first thing in the plan that it has.
func (r *Replicator) next(now reliability.Time) (uint64, *objectLink) {
	free := r.free(now)
	r.rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	slices.SortStableFunc(free, func(a, b *objectLink) int { return cmp.Compare(a.wait(now), b.wait(now)) })
	for _, l := range free {
		for i, index := range r.plan {
			if l.has.has(index) && r.want.has(index) && !l.isPaused(now, index) {
				r.plan = slices.Delete(r.plan, i, i+1)
				return index, l
			}
		}
	}
	return 0, nil
}

// free lists the neighbors that may be asked for one more.
func (r *Replicator) free(now reliability.Time) (list []*objectLink) {
	for _, l := range r.links {
		if l.out < r.most(now, l) {
			list = append(list, l)
		}
	}
	return list
}

// wait is about how long another object will take to come from a neighbor.
func (l *objectLink) wait(now reliability.Time) time.Duration {
	pace := l.pace
	if pace == 0 {
		pace = unknownPace
	}
	if l.out > 0 {
		pace = max(pace, now.Sub(max(l.gotAt, l.busyAt)))
	}
	return pace * time.Duration(l.out+1)
}

func (l *objectLink) isPaused(now reliability.Time, index uint64) bool {
	return slices.ContainsFunc(l.denied, func(p objectPause) bool { return p.index == index && p.until > now })
}

// pause keeps an object from being asked of a neighbor for a while.
func (l *objectLink) pause(now reliability.Time, index uint64, d time.Duration) {
	l.denied = slices.DeleteFunc(l.denied, func(p objectPause) bool { return p.until <= now })
	if len(l.denied) >= maxDenied {
		l.denied = l.denied[1:]
	}
	l.denied = append(l.denied, objectPause{index, now.Add(d)})
}

// refusePause returns for how long a neighbor is not asked again for an object
// that it has given wrong. Where few are left to ask, it may be the only one that
// has it at all, and the fault may have been anybody's on the way.
func (r *Replicator) refusePause() time.Duration {
	if len(r.links) <= knockSame {
		return denyPause
	}
	return refusePause
}

// makePlan lists what to ask for next, of what those neighbors have that may be
// asked.
func (r *Replicator) makePlan(now reliability.Time) {
	r.stale = false
	r.plan = r.plan[:0]
	free := r.free(now)
	for _, l := range free {
		for _, p := range l.denied {
			if p.until > now {
				r.replanAt = min(r.replanAt, p.until)
			}
		}
		var spans [][2]uint64
		r.want.common(&l.has, func(first, last uint64) bool {
			spans = append(spans, [2]uint64{first, last})
			return true
		})
		if r.p.Strategy == ReplicationLowestFirst {
			r.planLowest(l, spans)
		} else {
			r.planSome(l, spans, max(planSample/len(free), planLeast))
		}
	}
	if len(r.plan) > 0 {
		r.planned = now
	}
	slices.Sort(r.plan)
	r.plan = slices.Compact(r.plan)
	if r.p.Strategy == ReplicationRarestFirst {
		r.rarestFirst()
	}
}

// rarestFirst orders the plan by how few neighbors have an object. The order of
// equals is random, so that not all members choose the same.
func (r *Replicator) rarestFirst() {
	r.rand.Shuffle(len(r.plan), func(i, j int) { r.plan[i], r.plan[j] = r.plan[j], r.plan[i] })
	copies := make(map[uint64]int, len(r.plan))
	for _, index := range r.plan {
		copies[index] = r.Copies(index)
	}
	slices.SortStableFunc(r.plan, func(a, b uint64) int { return cmp.Compare(copies[a], copies[b]) })
}

// missing returns what of a block is wanted and a neighbor has.
func (r *Replicator) missing(l *objectLink, block uint64) (b blockBits) {
	b.or(&l.has, block)
	b.and(&r.want, block)
	return b
}

// planLowest plans the lowest objects that a neighbor has. spans are the blocks
// in which some may be.
func (r *Replicator) planLowest(l *objectLink, spans [][2]uint64) {
	enough := len(r.plan) + r.p.InFlight
	for _, span := range spans {
		for n := span[0]; n <= span[1]; n++ {
			b := r.missing(l, n)
			for i, ok := b.next(0, true); ok; i, ok = b.next(i+1, true) {
				if r.plan = append(r.plan, n<<blockShift|i); len(r.plan) >= enough {
					return
				}
			}
		}
	}
}

// planSome plans some objects that a neighbor has, any of them.
func (r *Replicator) planSome(l *objectLink, spans [][2]uint64, most int) {
	blocks := r.sampleBlocks(spans)
	found := make([]blockBits, len(blocks))
	total := 0
	for i, n := range blocks {
		found[i] = r.missing(l, n)
		total += found[i].count()
	}
	var places []int // among all that were found; nil for all
	if total > most {
		for range most {
			places = append(places, r.rand.IntN(total))
		}
		slices.Sort(places)
		places = slices.Compact(places)
	}
	seen := 0
	for i, n := range blocks {
		for j, ok := found[i].next(0, true); ok; j, ok = found[i].next(j+1, true) {
			if total <= most {
				r.plan = append(r.plan, n<<blockShift|j)
			} else if seen == places[0] {
				r.plan = append(r.plan, n<<blockShift|j)
				if places = places[1:]; len(places) == 0 {
					return
				}
			}
			seen++
		}
	}
}

// sampleBlocks chooses blocks in spans: all if they are few.
func (r *Replicator) sampleBlocks(spans [][2]uint64) (blocks []uint64) {
	total := uint64(0)
	for _, s := range spans {
		total += s[1] - s[0] + 1
	}
	if total <= planBlocks {
		for _, s := range spans {
			for n := s[0]; n <= s[1]; n++ {
				blocks = append(blocks, n)
			}
		}
		return blocks
	}
	for range planBlocks {
		place := r.rand.Uint64N(total)
		for _, s := range spans {
			if length := s[1] - s[0] + 1; place >= length {
				place -= length
				continue
			}
			blocks = append(blocks, s[0]+place)
			break
		}
	}
	slices.Sort(blocks)
	return slices.Compact(blocks)
}

// ask asks a neighbor for an object.
func (r *Replicator) ask(now reliability.Time, index uint64, l *objectLink) {
	r.lastID++
	r.want.remove(ObjectRange{First: index, Last: index})
	r.requests = append(r.requests, &objectRequest{id: r.lastID, index: index, link: l, asked: now, at: now})
	r.slowAt = min(r.slowAt, now.Add(r.p.Patience))
	if l.out == 0 {
		l.busyAt = now
	}
	l.out++
	r.stats.Asked++
	r.send(l, FlowReplication, owire.AppendRequest(nil, owire.Request{ID: r.lastID, Index: index}))
	r.events.push(ReplicationEvent{Kind: ObjectAsked, Index: index, Peer: l.Peer})
}

// end takes a request out of the books.
func (r *Replicator) end(q *objectRequest) {
	q.link.out--
	r.stale = true
	r.requests = slices.DeleteFunc(r.requests, func(o *objectRequest) bool { return o == q })
}

// fail ends a request without an object, which is wanted again.
func (r *Replicator) fail(now reliability.Time, q *objectRequest) {
	r.end(q)
	if len(r.requestsFor(q.index)) > 0 {
		return // it may still come from another one
	}
	r.stats.Failed++
	r.want.add(ObjectRange{First: q.index, Last: q.index})
	r.events.push(ReplicationEvent{Kind: ObjectFailed, Index: q.index, Peer: q.link.Peer})
}

func (r *Replicator) request(l *objectLink, id uint64) *objectRequest {
	for _, q := range r.requests {
		if q.id == id && q.link == l {
			return q
		}
	}
	return nil
}

func (r *Replicator) handleDeny(now reliability.Time, l *objectLink, b []byte) error {
	id, err := owire.ParseDeny(b)
	if err != nil {
		return err
	}
	q := r.request(l, id)
	if q == nil {
		return nil
	}
	l.pause(now, q.index, denyPause)
	r.fail(now, q)
	r.fetch(now)
	return nil
}

// handleObject takes an object: one that was asked for, also if it was given up
// meanwhile and has not come from another neighbor.
func (r *Replicator) handleObject(now reliability.Time, l *objectLink, b []byte) error {
	m, err := owire.ParseObject(b)
	if err != nil {
		return err
	}
	q := r.request(l, m.Request)
	switch {
	case q != nil && q.index != m.Index:
		r.fail(now, q)
		r.fetch(now)
		return owire.ErrMalformed
	case q != nil:
		r.end(q)
		l.took(now.Sub(max(q.asked, l.gotAt)))
	default:
		i := slices.IndexFunc(l.dropped, func(q *objectRequest) bool { return q.id == m.Request && q.index == m.Index })
		if i < 0 || !r.takeLate(m.Index) {
			r.stats.Unasked++
			return nil
		}
		l.dropped = slices.Delete(l.dropped, i, i+1)
	}
	l.got++
	l.gotAt = now
	r.knocks, r.cameAt = 0, now
	r.withdraw(m.Index)
	r.stats.Received++
	r.stats.BytesReceived += uint64(len(m.Value))
	r.judged = append(r.judged, objectCame{m.Index, l})
	value := m.Value
	if !r.keep {
		value = bytes.Clone(value)
	}
	r.events.push(ReplicationEvent{Kind: ObjectCame, Index: m.Index, Peer: l.Peer, Value: value})
	r.fetch(now)
	return nil
}

// took notes how long an object has taken to come.
func (l *objectLink) took(d time.Duration) {
	d = max(d, 1)
	if l.pace == 0 {
		l.pace = d
	}
	l.pace += (d - l.pace) / 4
}

// takeLate reports whether an object that was given up is still missing, and
// ends the search for it.
func (r *Replicator) takeLate(index uint64) bool {
	if r.want.has(index) {
		r.want.remove(ObjectRange{First: index, Last: index})
		return true
	}
	return r.withdraw(index)
}

// withdraw ends all requests for an object, and reports whether there were any.
func (r *Replicator) withdraw(index uint64) bool {
	list := r.requestsFor(index)
	for _, q := range list {
		r.end(q)
		r.send(q.link, FlowReplication, owire.AppendCancel(nil, q.id))
	}
	return len(list) > 0
}

// Judge tells whether an object that came is right. If it is, the node has it
// from now on; if not, it is wanted again, from another neighbor.
func (r *Replicator) Judge(now reliability.Time, index uint64, right bool) {
	i := slices.IndexFunc(r.judged, func(c objectCame) bool { return c.index == index })
	if i < 0 {
		return // not wanted any more
	}
	l := r.judged[i].link
	r.judged = slices.Delete(r.judged, i, i+1)
	objects := ObjectRange{First: index, Last: index}
	if right {
		r.gain(now, objects, false)
	} else {
		r.stats.Refused++
		l.bad++
		l.has.remove(objects)
		l.pause(now, index, r.refusePause())
		r.want.add(objects)
		r.stale = true
	}
	r.fetch(now)
}

// hasten gives up requests that take too long if another neighbor can be asked.
func (r *Replicator) hasten(now reliability.Time) {
	r.slowAt = reliability.Never
	free := r.free(now)
	r.rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	for _, q := range slices.Clone(r.requests) {
		// Of those that wait behind each other only the first is slow.
		since := max(q.at, q.link.gotAt)
		if now.Sub(since) < r.p.Patience {
			r.slowAt = min(r.slowAt, since.Add(r.p.Patience))
			continue
		}
		q.at = now
		i := slices.IndexFunc(free, func(l *objectLink) bool {
			return l != q.link && l.out < r.most(now, l) && l.has.has(q.index) && !l.isPaused(now, q.index)
		})
		if i < 0 {
			r.slowAt = min(r.slowAt, now.Add(r.p.Patience))
			continue
		}
		if now.Sub(q.link.lateAt) >= r.p.Patience || q.link.lateAt == 0 {
			q.link.late++
			q.link.lateAt = now
		}
		r.stats.Reassigned++
		r.end(q)
		r.send(q.link, FlowReplication, owire.AppendCancel(nil, q.id))
		if len(q.link.dropped) >= maxDropped {
			q.link.dropped = q.link.dropped[1:]
		}
		q.link.dropped = append(q.link.dropped, q)
		r.ask(now, q.index, free[i])
	}
}
