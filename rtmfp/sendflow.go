package rtmfp

import (
	"bytes"
	"slices"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

type flowState uint8

const (
	flowOpen     flowState = iota
	flowClosing            // closed or refused, not yet acknowledged to the end
	flowComplete           // lingers, so that its ID is not reused too early
	flowClosed
)

// FlowConfig says what a flow is for.
type FlowConfig struct {
	// Metadata tells the receiver; at most 512 bytes.
	Metadata []byte
	// Return is the flow of the far end that this one answers, or nil.
	Return *RecvFlow
	// Priority orders flows of a session, higher first.
	Priority int
	// TimeCritical asks others who send to the same receiver to yield.
	TimeCritical bool
}

// SendFlow is a flow of messages to the far end of a session (RFC 7016 section
// 3.6.2).
type SendFlow struct {
	// User is the application's own.
	User any

	s        *Session
	id       wire.FlowID
	state    flowState
	config   FlowConfig
	options  []byte // until the first acknowledgement
	queue    fragmentQueue
	queued   int                 // bytes in the queue
	unacked  int                 // fragments in the queue that are not acknowledged
	full     bool                // a Write was refused
	nextSN   wire.SequenceNumber // of the next fragment
	lostFrom wire.SequenceNumber // none below is lost
	unsent   wire.SequenceNumber // the first that was never sent
	final    wire.SequenceNumber // 0 until closed

	outstanding int
	window      int // last advertised, in bytes
	exception   bool
	probeAt     Instant
	probeWait   int64
	lingerEnd   Instant
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
	items []fragment
	head  int
	first wire.SequenceNumber // of items[head]
}

func (q *fragmentQueue) len() int { return len(q.items) - q.head }

func (q *fragmentQueue) at(sn wire.SequenceNumber) *fragment {
	if sn < q.first || uint64(sn-q.first) >= uint64(q.len()) {
		return nil
	}
	return &q.items[q.head+int(sn-q.first)]
}

func (q *fragmentQueue) push(f fragment) {
	if q.head > 64 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, f)
}

func (q *fragmentQueue) pop() {
	q.items[q.head] = fragment{}
	q.head++
	q.first++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
}

func (q *fragmentQueue) clear() { *q = fragmentQueue{first: q.first} }

// OpenFlow opens a flow. The far end learns of it with its first message.
func (s *Session) OpenFlow(_ Instant, config FlowConfig) (*SendFlow, error) {
	switch {
	case s.state != StateOpen:
		return nil, ErrClosed
	case len(s.sendFlows) >= maxSendFlows:
		return nil, ErrLimit
	case len(config.Metadata) > metadataMax:
		return nil, ErrLimit
	}
	for s.sendByID[s.nextFlow] != nil {
		s.nextFlow++
	}
	options := wire.FlowOptions{Metadata: config.Metadata}
	if config.Return != nil {
		options.ReturnFlow, options.HasReturnFlow = config.Return.id, true
	}
	f := &SendFlow{
		s: s, id: s.nextFlow, config: config, options: wire.AppendFlowOptions(nil, options),
		queue: fragmentQueue{first: 1}, nextSN: 1, lostFrom: 1, unsent: 1, window: 65536,
		probeAt: reliability.Never, lingerEnd: reliability.Never,
	}
	f.config.Metadata = bytes.Clone(config.Metadata)
	s.nextFlow++
	s.sendByID[f.id] = f
	// The flows are kept in the order of their priority.
	i, _ := slices.BinarySearchFunc(s.sendFlows, f, func(a, b *SendFlow) int {
		if a.config.Priority >= b.config.Priority {
			return -1
		}
		return 1
	})
	s.sendFlows = slices.Insert(s.sendFlows, i, f)
	return f, nil
}

// Session returns the flow's session.
func (f *SendFlow) Session() *Session { return f.s }

// ID returns the flow's number.
func (f *SendFlow) ID() wire.FlowID { return f.id }

// Metadata returns what the flow was opened with.
func (f *SendFlow) Metadata() []byte { return f.config.Metadata }

// IsOpen reports whether messages can be written.
func (f *SendFlow) IsOpen() bool { return f.state == flowOpen && f.s.state == StateOpen }

// Queued returns how many bytes wait to be sent or acknowledged.
func (f *SendFlow) Queued() int { return f.queued }

// Write queues a message. data is kept, not copied: it must never change
// again. r, which may be nil, limits and follows it. It returns ErrClosed when
// the flow is closed or refused, and ErrQueueFull when too much waits already;
// FlowWritable then tells when to go on.
func (f *SendFlow) Write(_ Instant, data []byte, r *Receipt) error {
	if !f.IsOpen() {
		return ErrClosed
	}
	// Empty messages cost, too.
	limit := f.s.e.params.SendQueue
	if f.queued > 0 && f.queued+len(data) > limit || f.queue.len() >= limit/fragmentOverhead {
		f.full = true
		return ErrQueueFull
	}
	if r != nil && r.Priority != 0 {
		f.s.ranked = true
	}
	kind := wire.Begin
	for first := true; ; first = false {
		n := min(len(data), f.fragmentSize())
		if n == len(data) {
			if kind = wire.End; first {
				kind = wire.Whole
			}
		} else if !first {
			kind = wire.Middle
		}
		f.push(fragment{data: data[:n:n], receipt: r, kind: kind})
		if data = data[n:]; len(data) == 0 {
			break
		}
	}
	f.s.e.wake(f.s)
	return nil
}

func (f *SendFlow) push(fr fragment) {
	if fr.receipt != nil {
		fr.receipt.left++
	}
	f.queued += len(fr.data)
	f.s.queued += len(fr.data)
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

// Close ends the flow after what has been written.
func (f *SendFlow) Close(now Instant) {
	if f.state != flowOpen {
		return
	}
	f.state = flowClosing
	if last := f.queue.at(f.nextSN - 1); last == nil || last.sent {
		if f.nextSN == 1 {
			// Nobody ever heard of it.
			f.complete(now)
			return
		}
		f.push(fragment{abandoned: true})
	}
	f.final = f.nextSN - 1
	f.s.e.wake(f.s)
}

// refuse ends the flow because the far end does not want it.
func (f *SendFlow) refuse(now Instant, code uint64) {
	if f.exception {
		return
	}
	open := f.state == flowOpen
	f.Close(now)
	f.exception = true
	for sn := f.queue.first; f.queue.at(sn) != nil; sn++ {
		f.abandon(f.queue.at(sn))
	}
	if open {
		f.s.e.emit(Event{Kind: FlowRejected, Session: f.s, Send: f, Code: code})
	}
	f.s.e.wake(f.s)
}

func (f *SendFlow) abandon(fr *fragment) {
	if fr.abandoned || fr.acked {
		return
	}
	fr.abandoned = true
	f.release(fr)
	if r := fr.receipt; r != nil {
		r.abandoned = true
		if !r.counted {
			r.counted = true
			f.s.e.stats.Abandoned++
		}
	}
}

// giveUp ends the flow at once: no message will be acknowledged any more.
func (f *SendFlow) giveUp() {
	for i := range f.queue.items[f.queue.head:] {
		fr := &f.queue.items[f.queue.head+i]
		if r := fr.receipt; r != nil && !fr.acked {
			r.abandoned = true
		}
	}
	f.queue.clear()
	f.queued = 0
}

// release lets go of a fragment's data.
func (f *SendFlow) release(fr *fragment) {
	f.queued -= len(fr.data)
	f.s.queued -= len(fr.data)
	fr.data = nil
	if f.full && f.queued <= f.s.e.params.SendQueue/2 {
		f.full = false
		f.s.e.emit(Event{Kind: FlowWritable, Session: f.s, Send: f})
	}
}

func (f *SendFlow) complete(now Instant) {
	f.state = flowComplete
	f.lingerEnd = now.Add(sendFlowLinger)
	f.probeAt = reliability.Never
	f.s.e.emit(Event{Kind: FlowCompleted, Session: f.s, Send: f})
	f.s.rearm(now)
}

// trim drops what need not be sent any more from the head of the queue.
func (f *SendFlow) trim(now Instant) {
	for f.queue.len() > 0 {
		head := &f.queue.items[f.queue.head]
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
	head := &f.queue.items[f.queue.head]
	if !head.abandoned || head.inFlight && !head.sentAbandoned {
		return f.queue.first - 1
	}
	return f.queue.first
}

// next returns the number of the next fragment to be sent, or 0.
func (f *SendFlow) next(now Instant) wire.SequenceNumber {
	f.trim(now)
	if f.queue.len() == 0 || !f.exception && f.window <= f.outstanding {
		return 0
	}
	if f.eligible(now, f.queue.first) {
		return f.queue.first
	}
	for ; f.lostFrom < f.unsent; f.lostFrom++ {
		if f.eligible(now, f.lostFrom) {
			return f.lostFrom
		}
	}
	for f.queue.at(f.unsent) != nil {
		if f.eligible(now, f.unsent) {
			return f.unsent
		}
		f.unsent++
		f.lostFrom = f.unsent
	}
	return 0
}

func (f *SendFlow) eligible(now Instant, sn wire.SequenceNumber) bool {
	fr := f.queue.at(sn)
	if fr == nil || fr.inFlight || fr.acked {
		return false
	}
	f.check(now, fr)
	return !fr.abandoned || sn == f.queue.first || sn == f.final
}

// transmitted notes that a fragment goes out in the packet tsn.
func (f *SendFlow) transmitted(sn wire.SequenceNumber, tsn uint64, size int) {
	fr := f.queue.at(sn)
	if fr.sent {
		f.s.e.stats.Retransmitted++
	}
	fr.inFlight, fr.sent, fr.sentAbandoned = true, true, fr.abandoned
	fr.tsn, fr.size, fr.naks = tsn, int32(size), 0
	if fr.receipt != nil {
		fr.receipt.started = true
	}
	f.outstanding += size
	f.s.outstanding += size
	f.s.inFlight = append(f.s.inFlight, flightRef{f, sn, tsn})
	if sn == f.unsent {
		f.unsent++
	}
}

// landed takes a fragment out of flight, acknowledged or lost.
func (f *SendFlow) landed(fr *fragment) {
	fr.inFlight = false
	f.outstanding -= int(fr.size)
	f.s.outstanding -= int(fr.size)
}

// lost makes a fragment that was in flight one to be sent again.
func (f *SendFlow) lost(sn wire.SequenceNumber, fr *fragment) {
	f.landed(fr)
	fr.naks = 0
	f.lostFrom = min(f.lostFrom, sn)
	if fr.receipt != nil && fr.receipt.NoRetransmit {
		f.abandon(fr)
	}
}

// handleAck takes an acknowledgement and returns how many bytes it frees.
func (f *SendFlow) handleAck(now Instant, a *wire.Ack) (freed int) {
	f.options = nil
	f.window = int(min(a.Blocks, 1<<40) * 1024)
	freed = f.ackRange(f.queue.first, a.Cumulative, a.Cumulative)
	var reader wire.RangeReader
	for {
		r, ok := reader.Next(a)
		if !ok {
			break
		}
		freed += f.ackRange(r.From, r.To, a.Cumulative)
	}
	f.trim(now)
	if f.window > 0 || f.exception {
		f.probeAt = reliability.Never
	} else if f.probeAt == reliability.Never && f.queue.len() > 0 && !f.s.keys.NoProbes {
		f.probeWait = int64(max(f.s.rtt.ERTO(), 1e9))
		f.probeAt = now.Add(1e9)
	}
	if f.state == flowClosing && f.queue.len() == 0 {
		f.complete(now)
	}
	return freed
}

func (f *SendFlow) ackRange(from, to, cumulative wire.SequenceNumber) (freed int) {
	from, to = max(from, f.queue.first), min(to, f.nextSN-1)
	for sn := from; sn <= to; sn++ {
		fr := f.queue.at(sn)
		if fr == nil {
			break
		}
		if !fr.sent || fr.acked {
			continue
		}
		if fr.inFlight {
			freed += int(fr.size)
			f.landed(fr)
			f.s.maxTSNAck = max(f.s.maxTSNAck, fr.tsn)
		}
		f.release(fr)
		if fr.receipt != nil {
			fr.receipt.left--
			fr.receipt = nil
		}
		if f.unacked == 1 && cumulative < sn {
			// It came, but what was given up before it is still waited for:
			// the last number says that there is no use.
			fr.abandoned = true
			continue
		}
		fr.acked = true
		f.unacked--
	}
	return freed
}

// deadline returns when the flow needs to be looked after.
func (f *SendFlow) deadline() Instant { return min(f.probeAt, f.lingerEnd) }

func (f *SendFlow) handleTimeout(now Instant) {
	if now >= f.lingerEnd {
		f.state = flowClosed
	}
	if now >= f.probeAt {
		// A closed window may have been opened by an ack that got lost.
		f.s.addControl(wire.TypeBufferProbe, vlu.Append(nil, uint64(f.id)))
		f.probeWait = min(f.probeWait*1414/1000, int64(max(probeMax, f.s.rtt.ERTO())))
		f.probeAt = now + Instant(f.probeWait)
	}
}
