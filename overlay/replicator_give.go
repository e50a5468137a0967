package overlay

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// usualObject is how large an object is taken to be before one was given.
	usualObject = 64 << 10
	// giveAhead is for how long what waits in a transport should last, giveMost
	// how much that may be at most.
	giveAhead = 20 * time.Millisecond
	giveMost  = 4 << 20
	// lookPause is how long to wait for a transport that is full.
	lookPause = 4 * time.Millisecond
	// answerPatience is how long the application may take for an answer.
	answerPatience = 30 * time.Second
)

// handleRequest queues a neighbor's request.
func (r *Replicator) handleRequest(now reliability.Time, l *objectLink, b []byte) error {
	m, err := owire.ParseRequest(b)
	if err != nil {
		return err
	}
	if !l.asks.take(now, 1, objectAskRate) {
		r.stats.Flooded++
		return nil
	}
	l.idle, l.askedAt = false, now
	r.stats.Requested++
	r.lastID++
	q := &objectQuestion{number: r.lastID, id: m.ID, index: m.Index, link: l, at: now}
	same := func(o *objectQuestion) bool { return o.link == l && o.id == m.ID }
	if !r.have.has(m.Index) || l.queued >= maxQueuedOf || len(r.queue) >= maxQueued || slices.ContainsFunc(r.queue, same) {
		r.deny(q)
		return nil
	}
	for i := range l.shown {
		if s := &l.shown[i]; s.index == m.Index {
			s.asked, s.id = true, m.ID
		}
	}
	if r.isCry(l, m.Index) {
		r.feed(now, l, m.Index)
	}
	l.queued++
	r.queue = append(r.queue, q)
	r.give(now)
	return nil
}

func (r *Replicator) handleCancel(now reliability.Time, l *objectLink, b []byte) error {
	id, err := owire.ParseCancel(b)
	if err != nil {
		return err
	}
	mine := func(q *objectQuestion) bool { return q.link == l && q.id == id }
	if i := slices.IndexFunc(r.queue, mine); i >= 0 {
		r.leave(r.queue[i])
	}
	if i := slices.IndexFunc(r.active, mine); i >= 0 {
		r.leave(r.active[i])
	}
	for i := range l.shown {
		if s := &l.shown[i]; s.asked && s.id == id {
			s.asked, s.at = false, now
		}
	}
	r.give(now)
	return nil
}

// leave takes a request out of the books.
func (r *Replicator) leave(q *objectQuestion) {
	is := func(o *objectQuestion) bool { return o == q }
	before := len(r.queue) + len(r.active)
	r.queue = slices.DeleteFunc(r.queue, is)
	r.active = slices.DeleteFunc(r.active, is)
	q.link.queued -= before - len(r.queue) - len(r.active)
}

func (r *Replicator) deny(q *objectQuestion) {
	r.stats.Denied++
	r.send(q.link, FlowReplication, owire.AppendDeny(nil, q.id))
}

// refuse denies a request that is queued or active.
func (r *Replicator) refuse(q *objectQuestion) {
	r.leave(q)
	r.deny(q)
}

// give asks the application for the objects that can go out now. So those that
// wait are requests, not objects, and who comes first is decided late.
func (r *Replicator) give(now reliability.Time) {
	r.lookAt = reliability.Never
	for _, q := range slices.Clone(r.active) {
		if now.Sub(q.at) >= answerPatience {
			r.refuse(q)
			continue
		}
		r.lookAt = min(r.lookAt, q.at.Add(answerPatience))
	}
	for len(r.queue) > 0 {
		best := r.foremost(now)
		if best == nil {
			r.lookAt = min(r.lookAt, now.Add(lookPause))
			return
		}
		r.queue = slices.DeleteFunc(r.queue, func(q *objectQuestion) bool { return q == best })
		best.at = now
		r.active = append(r.active, best)
		r.lookAt = min(r.lookAt, now.Add(answerPatience))
		r.events.push(ReplicationEvent{Kind: ObjectRequested, Index: best.index, Peer: best.link.Peer, Request: best.number})
	}
}

// objectSize is how large the next object will be, about.
func (r *Replicator) objectSize() int {
	if r.size == 0 {
		return usualObject
	}
	return r.size
}

// foremost chooses the request that is answered next: of those who pass on what
// they get before others, then what the fewest have, then the oldest. It is nil
// as long as what was given before has not left.
func (r *Replicator) foremost(now reliability.Time) (best *objectQuestion) {
	size := r.objectSize()
	if r.p.Rate > 0 && !r.sent.has(now, float64(size), r.rate()) {
		return nil
	}
	all := len(r.active) * size
	room := 2 * size
	for _, l := range r.links {
		if l.queued == 0 {
			continue
		}
		waits, speed := r.tr.Backlog(l.Peer)
		rtt, _ := r.tr.RTT(l.Peer)
		pipe := min(int(speed*(rtt+giveAhead).Seconds()), giveMost)
		for _, q := range r.active {
			if q.link == l {
				waits += size
			}
		}
		all += waits
		room += max(pipe-2*size, 0)
		l.open = waits < max(pipe, 2*size)
	}
	if all >= room {
		return nil
	}
	var bestScore, bestCopies int
	for _, q := range r.queue {
		if !q.link.open {
			continue
		}
		score, copies := q.link.worth(), r.Copies(q.index)
		if best == nil || cmp.Or(cmp.Compare(bestScore, score), cmp.Compare(copies, bestCopies), cmp.Compare(q.at, best.at)) < 0 {
			best, bestScore, bestCopies = q, score, copies
		}
	}
	return best
}

// worth tells how much a neighbor passes on, in powers of eight.
func (l *objectLink) worth() int {
	if !l.told {
		return 0
	}
	return (bits.Len(uint(l.got+l.spread)) + 2) / 3
}

func (r *Replicator) rate() rate {
	return rate{burst: max(r.p.Rate/10, 2*float64(r.objectSize())), perSecond: r.p.Rate}
}

func (r *Replicator) question(number uint64) *objectQuestion {
	for _, q := range r.active {
		if q.number == number {
			return q
		}
	}
	return nil
}

// Give answers the request of that number with an object: an AMF0 value, in one
// piece or several, which may be changed afterwards. It returns ErrTooLong for
// one that cannot be carried; the request is then denied.
func (r *Replicator) Give(now reliability.Time, request uint64, value ...[]byte) error {
	q := r.question(request)
	if q == nil {
		return nil // withdrawn meanwhile
	}
	r.leave(q)
	size := 0
	for _, piece := range value {
		size += len(piece)
	}
	if size > owire.MaxObjectLen || size == 0 {
		r.deny(q)
		r.give(now)
		return fmt.Errorf("object %d: %w: %d bytes, want 1 to %d", q.index, ErrTooLong, size, owire.MaxObjectLen)
	}
	r.size = size
	if r.p.Rate > 0 {
		r.sent.take(now, float64(size), r.rate())
	}
	r.stats.Given++
	r.stats.BytesGiven += uint64(size)
	b := owire.AppendObject(make([]byte, 0, size+32), owire.Object{Request: q.id, Index: q.index})
	for _, piece := range value {
		b = append(b, piece...)
	}
	r.send(q.link, FlowObjects, b)
	r.gave(now, q.link, q.index)
	r.spare(now, q.index)
	r.give(now)
	return nil
}

// spare has a node whose line takes long for an object give it only once while
// others wait for it: who got it gives it to them sooner, and they ask this node
// for something else.
func (r *Replicator) spare(now reliability.Time, index uint64) {
	slow := now.Sub(r.gaveAt) >= slowPace && r.gaveAt != 0 && r.wasBusy
	r.gaveAt, r.wasBusy = now, len(r.queue) > 0
	if !slow {
		return
	}
	for _, q := range slices.Clone(r.queue) {
		if q.index == index {
			r.refuse(q)
		}
	}
}

// Deny refuses the request of that number.
func (r *Replicator) Deny(now reliability.Time, request uint64) {
	if q := r.question(request); q != nil {
		r.refuse(q)
		r.give(now)
	}
}
