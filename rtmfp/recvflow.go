package rtmfp

import (
	"bytes"
	"slices"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

type recvState uint8

const (
	recvOpen     recvState = iota
	recvRejected           // acknowledged to its end, but nothing is kept
	recvComplete           // lingers, so that late repetitions do not open it again
	recvClosed
)

// RecvFlow is a flow of messages from the far end of a session (RFC 7016
// section 3.6.3).
type RecvFlow struct {
	// User is the application's own.
	User any

	s        *Session
	id       wire.FlowID
	state    recvState
	metadata []byte
	ret      *SendFlow
	network  bool // deliver in network order
	borrowed bool // messages belong to the endpoint
	held     bool // suspended by the application
	rejected bool
	ended    bool // FlowEnded was told, or is not wanted

	seen       wire.SequenceNumber // all up to it have come or never will
	above      []wire.Range        // what has come above, with gaps
	final      wire.SequenceNumber // 0 until known
	buffer     recvBuffer
	buffered   int
	delivered  wire.SequenceNumber // last number of the last message delivered
	code       uint64
	shouldAck  bool
	lastBlocks int // last window advertised; -1 at first
	lingerEnd  Instant
}

// fragmentOverhead is what a stored fragment costs beside its data, in bytes.
const fragmentOverhead = 64

// Session returns the flow's session.
func (f *RecvFlow) Session() *Session { return f.s }

// ID returns the flow's number.
func (f *RecvFlow) ID() wire.FlowID { return f.id }

// Metadata returns what the flow's sender says it is for. It must not be
// changed.
func (f *RecvFlow) Metadata() []byte { return f.metadata }

// Return returns the flow of ours that this one answers, or nil.
func (f *RecvFlow) Return() *SendFlow { return f.ret }

// IsOpen reports whether messages may still come.
func (f *RecvFlow) IsOpen() bool { return f.state != recvClosed && !f.ended && f.s.state == StateOpen }

// SetNetworkOrder makes messages come as soon as they are complete, in
// whatever order, instead of in the order of their sending.
func (f *RecvFlow) SetNetworkOrder(network bool) {
	f.network = network
	f.deliver()
}

// SetBorrowed makes the messages that come borrowed: their bytes are valid until
// the endpoint's next mutation, and what is kept of them must be copied. That
// saves the memory that each would otherwise get for itself.
func (f *RecvFlow) SetBorrowed(borrowed bool) { f.borrowed = borrowed }

// Reject refuses the flow with a code for the application at the far end.
func (f *RecvFlow) Reject(now Instant, code uint64) {
	if f.state != recvOpen {
		return
	}
	f.state, f.code, f.rejected, f.ended = recvRejected, code, true, true
	f.discard()
	// One whose end never comes is not remembered for ever.
	f.lingerEnd = now.Add(recvFlowLinger)
	f.ackNow()
	f.checkComplete(now)
	f.s.rearm(now)
}

// SetSuspended holds messages back, which fills the flow's buffer and so stops
// its sender, or lets them come again.
func (f *RecvFlow) SetSuspended(now Instant, suspended bool) {
	if f.held == suspended {
		return
	}
	f.held = suspended
	if suspended {
		return
	}
	f.deliver()
	f.checkEnded()
	if f.lastBlocks >= 0 && f.lastBlocks < 2 && (f.state == recvOpen || f.state == recvComplete) {
		f.ackNow() // the window is open again: tell
	}
	f.s.rearm(now)
}

// discard forgets all that is buffered.
func (f *RecvFlow) discard() {
	f.s.buffered -= f.buffered
	for i := range f.buffer {
		f.s.e.blocks.release(f.buffer[i].data)
	}
	f.buffer, f.buffered = nil, 0
}

func (f *RecvFlow) ackNow() {
	f.shouldAck, f.s.ackNow = true, true
	f.s.e.wake(f.s)
}

// acceptFlow makes the flow that a first chunk opens, or refuses it.
func (s *Session) acceptFlow(now Instant, u *wire.UserData) *RecvFlow {
	if len(s.recvFlows) >= maxRecvFlows {
		s.e.stats.Refused++
		return nil
	}
	f := &RecvFlow{s: s, id: u.FlowID, lastBlocks: -1, lingerEnd: reliability.Never}
	s.recvFlows = append(s.recvFlows, f)
	s.recvByID[f.id] = f
	options, err := wire.ParseFlowOptions(u.Options)
	f.metadata = bytes.Clone(options.Metadata)
	refused := err != nil || options.Metadata == nil || options.Unsupported
	if options.HasReturnFlow {
		f.ret = s.sendByID[options.ReturnFlow]
		refused = refused || f.ret == nil || f.ret.state != flowOpen
	}
	s.ackNow = true
	if refused {
		f.Reject(now, 0)
		return f
	}
	s.e.emit(Event{Kind: FlowOpened, Session: s, Recv: f})
	return f
}

// handleData takes a fragment (RFC 7016 section 3.6.3.2).
func (f *RecvFlow) handleData(now Instant, u *wire.UserData) {
	f.shouldAck = true
	s := f.s
	if f.state == recvRejected {
		f.lingerEnd = now.Add(recvFlowLinger)
	}
	fresh := !f.has(u.SequenceNumber)
	if f.state == recvOpen && u.Options != nil && f.lastBlocks >= 0 {
		if o, err := wire.ParseFlowOptions(u.Options); err != nil || o.Unsupported {
			f.Reject(now, 0)
		}
	}
	if f.state != recvOpen || f.lastBlocks >= 0 && f.lastBlocks < 2 || u.Abandoned || len(f.above) > 0 || !fresh {
		s.ackNow = true
	}
	if fresh && f.final != 0 && u.SequenceNumber > f.final {
		return // beyond the end: undefined, so dropped
	}
	if fresh && u.Final && f.final == 0 {
		f.final, s.ackNow = u.SequenceNumber, true
	}
	wanted := fresh && f.state == recvOpen && !u.Abandoned
	if wanted && !f.hasRoom(u) {
		f.skipTo(u.ForwardSequenceNumber)
		s.ackNow = true
		return // it must come again
	}
	f.skipTo(u.ForwardSequenceNumber)
	if f.insert(u.SequenceNumber) && wanted {
		f.take(u)
	}
	if len(f.above) > 0 || f.blocks() < 2 {
		s.ackNow = true
	}
	if !s.ackNow && s.delayedAck == reliability.Never {
		s.delayedAck = now.Add(delayedAck)
		s.rearm(now)
	}
	f.deliver()
	f.checkComplete(now)
}

// has reports whether a number has come or never will.
func (f *RecvFlow) has(sn wire.SequenceNumber) bool {
	if sn <= f.seen {
		return true
	}
	i, _ := slices.BinarySearchFunc(f.above, sn, func(r wire.Range, sn wire.SequenceNumber) int {
		if r.To < sn {
			return -1
		}
		return 1
	})
	return i < len(f.above) && f.above[i].From <= sn
}

// skipTo notes that nothing up to sn is missing any more.
func (f *RecvFlow) skipTo(sn wire.SequenceNumber) {
	if sn > f.seen {
		f.seen = sn
		f.merge()
	}
}

// merge takes up what now touches the contiguous part.
func (f *RecvFlow) merge() {
	n := 0
	for n < len(f.above) && f.above[n].From <= f.seen+1 {
		f.seen = max(f.seen, f.above[n].To)
		n++
	}
	f.above = slices.Delete(f.above, 0, n)
}

// insert notes that a number has come. It reports false if there are too many
// gaps to keep account of it.
func (f *RecvFlow) insert(sn wire.SequenceNumber) bool {
	if sn <= f.seen {
		return true
	}
	if sn == f.seen+1 {
		f.seen = sn
		f.merge()
		return true
	}
	i, _ := slices.BinarySearchFunc(f.above, sn, func(r wire.Range, sn wire.SequenceNumber) int {
		if r.To+1 < sn {
			return -1
		}
		return 1
	})
	switch {
	case i < len(f.above) && f.above[i].From <= sn+1:
		r := &f.above[i]
		r.From, r.To = min(r.From, sn), max(r.To, sn)
		if i+1 < len(f.above) && f.above[i+1].From <= r.To+1 {
			r.To = f.above[i+1].To
			f.above = slices.Delete(f.above, i+1, i+2)
		}
	case len(f.above) >= maxRanges:
		return false
	default:
		f.above = slices.Insert(f.above, i, wire.Range{From: sn, To: sn})
	}
	return true
}

// hasRoom reports whether a fragment may be kept.
func (f *RecvFlow) hasRoom(u *wire.UserData) bool {
	limit, all := f.s.e.params.ReceiveBuffer, f.s.e.params.SessionBuffer
	if u.SequenceNumber == f.seen+1 && !f.held {
		// The one that is waited for gets in as long as it can do any good.
		limit, all = 2*limit, 2*all
	}
	size := len(u.Data) + fragmentOverhead
	if f.buffered+size > limit || f.s.buffered+size > all {
		f.s.e.stats.Refused++
		return false
	}
	return true
}

// take keeps a fragment, or hands it over if it is a message whose turn it is.
func (f *RecvFlow) take(u *wire.UserData) {
	if u.Fragmentation == wire.Whole && !f.held && (f.network || len(f.buffer) == 0 && u.SequenceNumber <= f.seen) {
		data := f.memory(len(u.Data))
		copy(data, u.Data)
		f.handOver(u.SequenceNumber, u.SequenceNumber, data)
		return
	}
	size := len(u.Data) + fragmentOverhead
	f.buffered += size
	f.s.buffered += size
	f.buffer.insert(rxFragment{sn: u.SequenceNumber, data: f.s.e.blocks.clone(u.Data), kind: u.Fragmentation})
}

// memory returns room for a message.
func (f *RecvFlow) memory(n int) []byte {
	if f.borrowed {
		return f.s.e.lent.take(n)
	}
	return make([]byte, n)
}

// drop forgets n fragments of the buffer from the i-th on.
func (f *RecvFlow) drop(i, n int) {
	for _, fr := range f.buffer[i : i+n] {
		f.buffered -= len(fr.data) + fragmentOverhead
		f.s.buffered -= len(fr.data) + fragmentOverhead
		f.s.e.blocks.release(fr.data)
	}
	f.buffer = slices.Delete(f.buffer, i, i+n)
}

// deliver hands over the messages that are complete and whose turn it is.
func (f *RecvFlow) deliver() {
	if f.held {
		return
	}
	for i := 0; i < len(f.buffer); {
		head := f.buffer[i]
		if head.sn > f.seen && !f.network {
			return
		}
		n, complete := f.buffer.run(i)
		last := f.buffer[i+n-1].sn
		switch {
		case complete:
			data := f.join(i, n)
			f.drop(i, n)
			f.handOver(head.sn, last, data)
		case head.kind != wire.Begin && head.sn <= f.seen:
			f.drop(i, n) // its beginning never came and never will
		case head.kind == wire.Begin && last < f.seen:
			f.drop(i, n) // what should follow has been given up
		case f.network:
			i += n
		default:
			return
		}
	}
}

// join makes one message of n fragments from the i-th on.
func (f *RecvFlow) join(i, n int) []byte {
	size := 0
	for _, fr := range f.buffer[i : i+n] {
		size += len(fr.data)
	}
	data := f.memory(size)
	at := 0
	for _, fr := range f.buffer[i : i+n] {
		at += copy(data[at:], fr.data)
	}
	return data
}

// handOver gives the application a message of the fragments first to last.
func (f *RecvFlow) handOver(first, last wire.SequenceNumber, data []byte) {
	skipped := first != f.delivered+1
	if f.network {
		skipped = first > f.seen+1
	}
	f.delivered = max(f.delivered, last)
	f.s.e.stats.Delivered++
	f.s.e.emit(Event{Kind: MessageReceived, Session: f.s, Recv: f, Data: data, Skipped: skipped})
}

// checkComplete ends the flow when its last number has come and all before.
func (f *RecvFlow) checkComplete(now Instant) {
	if f.final == 0 || f.seen < f.final || f.state > recvRejected {
		return
	}
	f.state = recvComplete
	f.lingerEnd = now.Add(recvFlowLinger)
	f.ackNow()
	f.checkEnded()
	f.s.rearm(now)
}

// checkEnded tells that nothing more will come, when all that is complete has
// been handed over.
func (f *RecvFlow) checkEnded() {
	if f.ended || f.held || f.state != recvComplete {
		return
	}
	f.ended = true
	f.discard()
	f.s.e.emit(Event{Kind: FlowEnded, Session: f.s, Recv: f})
}

// linger forgets the flow when its time is up, and reports whether it has.
// What the application holds back stays until it has taken it.
func (f *RecvFlow) linger(now Instant) bool {
	if now < f.lingerEnd {
		return false
	}
	if f.s.recvByID[f.id] == f {
		delete(f.s.recvByID, f.id)
	}
	if !f.ended && f.state == recvComplete {
		f.lingerEnd = now.Add(recvFlowLinger)
		return false
	}
	f.state = recvClosed
	return true
}

// blocks returns the window to advertise, in units of 1,024 bytes: at least
// one, so that what is waited for can come, unless the application holds the
// flow back.
func (f *RecvFlow) blocks() int {
	room := max(min(f.s.e.params.ReceiveBuffer-f.buffered, f.s.e.params.SessionBuffer-f.s.buffered), 0)
	blocks := (room + 1023) / 1024
	if f.held && room < heldRoom && !f.s.keys.NoProbes {
		return 0
	}
	return max(blocks, 1)
}

// heldRoom is how much room there must be in a flow that is held back for its
// window to be open: whatever comes has to fit in.
const heldRoom = 4096

// appendAck appends the flow's acknowledgement in at most limit bytes, cut
// short if cut allows it. It reports false if it does not fit.
func (f *RecvFlow) appendAck(b []byte, limit int, cut bool) ([]byte, bool) {
	start := len(b)
	if f.rejected {
		b = wire.AppendFlowException(b, wire.FlowException{FlowID: f.id, Code: f.code})
	}
	a := wire.Ack{FlowID: f.id, Blocks: uint64(f.blocks()), Cumulative: f.seen}
	b, n := wire.AppendAckRanges(b, a, f.above, limit-(len(b)-start))
	if n < 0 || n < len(f.above) && !cut {
		return b[:start], false
	}
	f.shouldAck = false
	f.lastBlocks = int(a.Blocks)
	return b, true
}
