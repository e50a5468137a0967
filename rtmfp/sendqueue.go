package rtmfp

import (
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// message is one that is not yet cut into fragments, or the rest of it.
type message struct {
	data    []byte
	receipt *Receipt
	begun   bool
}

// queue is a first-in-first-out queue in one slice.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

// front returns the item at the head of a queue that is not empty.
func (q *queue[T]) front() *T { return &q.items[q.head] }

func (q *queue[T]) push(item T) {
	if q.head > 64 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *queue[T]) pop() {
	var none T
	q.items[q.head] = none
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}

// fragment is one sequence number of a flow.
type fragment struct {
	data          []byte
	receipt       *Receipt
	tsn           uint64
	size          int32 // of the chunk when it was last sent
	kind          wire.Fragmentation
	naks          uint8
	inFlight      bool
	sent          bool
	acked         bool
	abandoned     bool
	sentAbandoned bool
}

// fragmentQueue is a queue of fragments with consecutive numbers.
type fragmentQueue struct {
	queue[fragment]
	first wire.SequenceNumber // of the one at the front
}

func (q *fragmentQueue) at(sn wire.SequenceNumber) *fragment {
	if sn < q.first || uint64(sn-q.first) >= uint64(q.len()) {
		return nil
	}
	return &q.items[q.head+int(sn-q.first)]
}

func (q *fragmentQueue) pop() {
	q.queue.pop()
	q.first++
}

func (q *fragmentQueue) clear() { *q = fragmentQueue{first: q.first} }

// idle reports whether a fragment is given up and not under way.
func (fr *fragment) idle() bool { return fr.abandoned && !fr.inFlight && !fr.acked }

// cut makes the next fragment of the first waiting message: of a size that
// fits the path as it is now. A message that is given up by then still takes a
// number, so that the far end sees that something is missing. It reports false
// when no message waits.
func (f *SendFlow) cut(now Instant) bool {
	if f.waiting.len() == 0 {
		return false
	}
	m := f.waiting.front()
	switch size := f.fragmentSize(); {
	case m.receipt != nil && m.receipt.expired(now):
		f.drained(len(m.data))
		f.given(m.receipt)
		if !m.begun {
			f.push(fragment{abandoned: true})
		}
		f.cutWhole(m.receipt)
	case len(m.data) <= size:
		kind := wire.Whole
		if m.begun {
			kind = wire.End
		}
		f.push(fragment{data: m.data, receipt: m.receipt, kind: kind})
		f.cutWhole(m.receipt)
	default:
		kind := wire.Begin
		if m.begun {
			kind = wire.Middle
		}
		f.push(fragment{data: m.data[:size:size], receipt: m.receipt, kind: kind})
		m.data, m.begun = m.data[size:], true
	}
	return true
}

// cutWhole takes the first waiting message, of which nothing is left to cut,
// out of its queue.
func (f *SendFlow) cutWhole(r *Receipt) {
	if r != nil {
		r.uncut--
	}
	f.waiting.pop()
	if f.state == flowClosing && f.waiting.len() == 0 {
		f.setFinal()
	}
}

// dropWaiting gives up all messages that are not cut yet.
func (f *SendFlow) dropWaiting() {
	for f.waiting.len() > 0 {
		m := f.waiting.front()
		f.drained(len(m.data))
		f.given(m.receipt)
		if m.receipt != nil {
			m.receipt.uncut--
		}
		f.waiting.pop()
	}
}

func (f *SendFlow) push(fr fragment) {
	if fr.receipt != nil {
		fr.receipt.left++
	}
	f.unacked++
	f.queue.push(fr)
	f.nextSN++
}

// fragmentSize returns how much data fits into a packet with the largest
// header that its chunk can have.
func (f *SendFlow) fragmentSize() int {
	const offset = 3 // bytes of the distance to the forward sequence number
	used := wire.HeaderMax + wire.ChunkHeader + 1 + vlu.Len(uint64(f.id)) + vlu.Len(uint64(f.nextSN)+1) + offset
	return max(f.s.room()-used-len(f.options), 64)
}

// trim drops what need not be sent any more from the head of the queue.
func (f *SendFlow) trim(now Instant) {
	for f.queue.len() > 0 {
		head := f.queue.front()
		f.check(now, head)
		if !head.acked {
			// The last one must stay: it tells the far end that there is
			// nothing to wait for.
			if f.unacked < 2 || head.inFlight || !head.abandoned {
				break
			}
			f.unacked--
		}
		f.queue.pop()
	}
	f.lostFrom, f.unsent = max(f.lostFrom, f.queue.first), max(f.unsent, f.queue.first)
}

// check abandons a fragment whose message has had its time.
func (f *SendFlow) check(now Instant, fr *fragment) {
	if fr.receipt != nil && !fr.abandoned && !fr.acked && fr.receipt.expired(now) {
		f.abandon(fr)
	}
}

// forward returns the forward sequence number: nothing up to it will be sent
// again. The queue is trimmed and not empty.
func (f *SendFlow) forward() wire.SequenceNumber {
	head := f.queue.front()
	if !head.abandoned || head.inFlight && !head.sentAbandoned {
		return f.queue.first - 1
	}
	return f.queue.first
}

// next returns the number of the next fragment to be sent, or 0.
func (f *SendFlow) next(now Instant) wire.SequenceNumber {
	f.trim(now)
	if f.queue.len() == 0 && f.waiting.len() == 0 || !f.exception && f.window <= f.outstanding {
		return 0
	}
	for f.unacked == 1 && f.queue.front().idle() && f.cut(now) {
		f.trim(now) // what comes next says it all
	}
	if f.eligible(now, f.queue.first) {
		return f.queue.first
	}
	for ; f.lostFrom < f.unsent; f.lostFrom++ {
		if f.eligible(now, f.lostFrom) {
			return f.lostFrom
		}
	}
	for {
		for f.queue.at(f.unsent) != nil {
			if f.eligible(now, f.unsent) {
				return f.unsent
			}
			f.unsent++
			f.lostFrom = f.unsent
		}
		if !f.cut(now) {
			return 0
		}
		// What was cut may be a number for a message that is given up, and
		// then the first one in the queue may have to go again.
		f.trim(now)
		if f.eligible(now, f.queue.first) {
			return f.queue.first
		}
	}
}

func (f *SendFlow) eligible(now Instant, sn wire.SequenceNumber) bool {
	fr := f.queue.at(sn)
	if fr == nil || fr.inFlight || fr.acked {
		return false
	}
	f.check(now, fr)
	return !fr.abandoned || sn == f.queue.first || sn == f.final
}
