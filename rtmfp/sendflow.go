package rtmfp

import (
	"bytes"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
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
	// Return is the flow of the far end that this one answers, or nil. It has
	// to be open still, since the far end refuses answers to flows that are
	// closed.
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
	waiting  queue[message]
	queued   int                 // bytes in both queues
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
	probeWait   time.Duration
	lingerEnd   Instant
}

// OpenFlow opens a flow. The far end learns of it with its first message.
func (s *Session) OpenFlow(_ Instant, config FlowConfig) (*SendFlow, error) {
	switch {
	case s.state != StateOpen:
		return nil, ErrClosed
	case len(s.sendFlows) >= maxSendFlows:
		return nil, ErrLimit
	case len(config.Metadata) > metadataMax:
		return nil, ErrLimit
	case config.Return != nil && (config.Return.s != s || config.Return.state != recvOpen):
		return nil, ErrClosed // the far end would refuse it
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
func (f *SendFlow) Write(now Instant, data []byte, r *Receipt) error {
	if !f.IsOpen() {
		return ErrClosed
	}
	// Empty messages cost, too.
	limit := f.s.e.params.SendQueue
	if f.queued > 0 && f.queued+len(data) > limit || f.queue.len()+f.waiting.len() >= limit/fragmentOverhead {
		f.full = true
		return ErrQueueFull
	}
	if r != nil {
		r.uncut++
		f.s.ranked = f.s.ranked || r.Priority != 0
	}
	f.queued += len(data)
	f.s.queued += len(data)
	f.waiting.push(message{data: data, receipt: r})
	if f.window == 0 {
		f.armProbe(now)
	}
	f.s.e.wake(f.s)
	return nil
}

// Close ends the flow after what has been written.
func (f *SendFlow) Close(now Instant) {
	if f.state != flowOpen {
		return
	}
	f.state = flowClosing
	if f.nextSN == 1 && f.waiting.len() == 0 {
		// Nobody ever heard of it.
		f.complete(now)
		return
	}
	if f.waiting.len() == 0 {
		f.setFinal()
	}
	f.s.e.wake(f.s)
}

// setFinal makes the last number the final one: that of the last fragment, or
// of an empty one if the last has gone out without saying so.
func (f *SendFlow) setFinal() {
	if last := f.queue.at(f.nextSN - 1); last == nil || last.sent {
		f.push(fragment{abandoned: true})
	}
	f.final = f.nextSN - 1
}

// refuse ends the flow because the far end does not want it.
func (f *SendFlow) refuse(now Instant, code uint64) {
	if f.exception {
		return
	}
	open := f.state == flowOpen
	f.dropWaiting()
	f.Close(now)
	if f.state == flowClosing && f.final == 0 {
		f.setFinal()
	}
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
	f.given(fr.receipt)
}

// given notes that a message is given up.
func (f *SendFlow) given(r *Receipt) {
	if r == nil {
		return
	}
	r.abandoned = true
	if !r.counted {
		r.counted = true
		f.s.e.stats.Abandoned++
	}
}

// giveUp ends the flow at once: no message will be acknowledged any more.
func (f *SendFlow) giveUp() {
	for i := range f.queue.items[f.queue.head:] {
		if fr := &f.queue.items[f.queue.head+i]; !fr.acked {
			f.given(fr.receipt)
		}
	}
	f.queue.clear()
	f.dropWaiting()
	f.queued = 0
}

// release lets go of a fragment's data.
func (f *SendFlow) release(fr *fragment) {
	f.drained(len(fr.data))
	fr.data = nil
}

// drained notes that n bytes wait no more.
func (f *SendFlow) drained(n int) {
	f.queued -= n
	f.s.queued -= n
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
