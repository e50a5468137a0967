package rtmfp_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
)

// streamKind says what is promised of a stream of messages.
type streamKind byte

const (
	ordered     streamKind = iota // reliable, in order
	anyOrder                      // reliable, as they come
	mayExpire                     // with deadlines, in order
	mayExpire2                    // with deadlines, as they come
	streamKinds = 4
)

// stream is a flow under test with its messages.
type stream struct {
	w                *world
	id               uint32
	kind             streamKind
	flow             *rtmfp.SendFlow
	items            []*item
	left             int // messages still to be written
	blocked          bool
	next             uint32 // the lowest that may come in order
	completed, ended bool
}

// item is one message.
type item struct {
	size    int
	receipt *rtmfp.Receipt
	got     bool
}

// Every message is full of units that name it, so that any piece of more than
// two units tells which message it is of.
const unitSize = 16

var unitMark = []byte{0xc5, 'R', 'C', 0x9a}

func (s *stream) message(n uint32, size int) []byte {
	unit := append([]byte{}, unitMark...)
	unit = binary.BigEndian.AppendUint32(unit, s.id)
	unit = binary.BigEndian.AppendUint32(unit, n)
	unit = binary.BigEndian.AppendUint32(unit, uint32(size))
	return bytes.Repeat(unit, (size+unitSize-1)/unitSize)[:size]
}

// itemOf finds the message that a piece of data belongs to.
func (w *world) itemOf(data []byte) (*stream, *item) {
	i := bytes.Index(data, unitMark)
	if i < 0 || len(data)-i < unitSize {
		return nil, nil
	}
	id, n := binary.BigEndian.Uint32(data[i+4:]), binary.BigEndian.Uint32(data[i+8:])
	if int(id) >= len(w.streams) || int(n) >= len(w.streams[id].items) {
		w.fail("data names message %d of stream %d, which there is not", n, id)
	}
	return w.streams[id], w.streams[id].items[n]
}

// addStreams opens a few flows on a session, from either end.
func (w *world) addStreams(p *node, s *rtmfp.Session) {
	w.t.Helper()
	far, back := w.back(p, s)
	if back == nil {
		w.fail("the far end of an open session has none")
	}
	for range 1 + w.rng.IntN(5) {
		at, session := p, s
		if w.rng.IntN(2) == 0 {
			at, session = far, back
		}
		at.do(func(now rtmfp.Instant) {
			x := &stream{w: w, id: uint32(len(w.streams)), kind: streamKind(w.rng.IntN(streamKinds)), left: 5 + w.rng.IntN(120)}
			metadata := append([]byte{'c', byte(x.kind)}, byte(x.id))
			var err error
			x.flow, err = session.OpenFlow(now, rtmfp.FlowConfig{Metadata: metadata, Priority: w.rng.IntN(3), TimeCritical: w.rng.IntN(3) == 0})
			if err != nil {
				w.t.Fatal(err)
			}
			x.flow.User = x
			w.streams = append(w.streams, x)
		})
	}
}

// write writes all messages of all streams in the course of time.
func (w *world) write() {
	for more := true; more; {
		more = false
		for _, s := range w.streams {
			if s.left == 0 {
				continue
			}
			more = true
			for range 1 + w.rng.IntN(6) {
				if s.left > 0 && !s.blocked {
					s.writeOne()
				}
			}
		}
		w.net.Run(time.Duration(w.rng.Int64N(int64(w.pause))))
	}
}

func (s *stream) writeOne() {
	w := s.w
	for _, n := range append([]*node{w.server}, w.nodes()...) {
		if n.Self().Fingerprint == s.flow.Session().Far().Fingerprint {
			continue
		}
		if far := n.SessionByEPD(s.flow.Session().Far().EPD); far == s.flow.Session() {
			n.do(func(now rtmfp.Instant) { s.writeAt(now) })
			return
		}
	}
	w.fail("the session of stream %d is %v", s.id, s.flow.Session().State())
}

func (s *stream) writeAt(now rtmfp.Instant) {
	w, r := s.w, s.w.rng
	size := unitSize + r.IntN(900)
	if r.IntN(8) == 0 {
		size = unitSize + r.IntN(8000)
	}
	x := &item{size: size, receipt: &rtmfp.Receipt{Priority: r.IntN(2)}}
	if s.kind >= mayExpire {
		within := func() rtmfp.Instant { return now.Add(time.Duration(1+r.IntN(2000)) * time.Millisecond) }
		switch r.IntN(6) {
		case 0:
			x.receipt.StartBy = within()
		case 1:
			x.receipt.FinishBy = within()
		case 2:
			x.receipt.NoRetransmit = true
		case 3:
			if n := len(s.items); n > 0 {
				x.receipt.Parent = s.items[r.IntN(n)].receipt
			}
		case 4:
			// Given up by the application at some time, or not at all.
			receipt := x.receipt
			w.net.After(time.Duration(r.IntN(3000))*time.Millisecond, func(rtmfp.Instant) {
				if !receipt.Delivered() {
					receipt.Abandon()
				}
			})
		}
	}
	n := uint32(len(s.items))
	s.items = append(s.items, x)
	if err := s.flow.Write(now, s.message(n, size), x.receipt); err != nil {
		w.fail("writing message %d of stream %d: %v", n, s.id, err)
	}
	if s.left--; s.left == 0 {
		s.flow.Close(now)
	}
}

// handle takes the events of a node.
func (w *world) handle(n *node, now rtmfp.Instant, e rtmfp.Event) {
	switch e.Kind {
	case rtmfp.SessionOpened:
		w.opened[e.Session] = true
	case rtmfp.SessionClosed:
		w.closed[e.Session]++
	case rtmfp.FlowOpened:
		w.flowOpened(n, now, e.Recv)
	case rtmfp.MessageReceived:
		w.messageReceived(e)
		if got := e.Session.Buffered(); got > 2*w.buffers[n] {
			w.fail("a session has %d bytes in its buffers, want twice %d at most", got, w.buffers[n])
		}
	case rtmfp.FlowEnded:
		if s := e.Recv.User.(*stream); s.ended {
			w.fail("the end of stream %d is told twice", s.id)
		} else {
			s.ended = true
		}
	case rtmfp.FlowCompleted:
		e.Send.User.(*stream).completed = true
	case rtmfp.FlowRejected:
		w.fail("stream %d was rejected with %d", e.Send.User.(*stream).id, e.Code)
	}
}

func (w *world) flowOpened(n *node, now rtmfp.Instant, f *rtmfp.RecvFlow) {
	m := f.Metadata()
	if len(m) != 3 || m[0] != 'c' || int(m[2]) >= len(w.streams) || w.streams[m[2]].kind != streamKind(m[1]) {
		w.fail("a flow opens with metadata %x", m)
	}
	s := w.streams[m[2]]
	f.User = s
	f.SetNetworkOrder(s.kind == anyOrder || s.kind == mayExpire2)
	if w.rng.IntN(4) > 0 {
		return
	}
	// The application takes breaks.
	f.SetSuspended(now, true)
	var resume func(rtmfp.Instant)
	resume = func(rtmfp.Instant) {
		n.do(func(now rtmfp.Instant) { f.SetSuspended(now, false) })
		if w.rng.IntN(3) == 0 && f.IsOpen() {
			n.do(func(now rtmfp.Instant) { f.SetSuspended(now, true) })
			w.net.After(time.Duration(w.rng.IntN(3000))*time.Millisecond, resume)
		}
	}
	w.net.After(time.Duration(w.rng.IntN(3000))*time.Millisecond, resume)
}

func (w *world) messageReceived(e rtmfp.Event) {
	s := e.Recv.User.(*stream)
	if len(e.Data) < unitSize {
		w.fail("a message of %d bytes", len(e.Data))
	}
	n := binary.BigEndian.Uint32(e.Data[8:])
	if int(n) >= len(s.items) || !bytes.Equal(e.Data, s.message(n, s.items[n].size)) {
		w.fail("stream %d delivers what was never sent: message %d", s.id, n)
	}
	x := s.items[n]
	if x.got {
		w.fail("stream %d delivers message %d twice", s.id, n)
	}
	x.got = true
	switch {
	case s.ended:
		w.fail("stream %d delivers message %d after its end", s.id, n)
	case s.kind == ordered && (n != s.next || e.Skipped):
		w.fail("stream %d delivers message %d (skipped %v) when %d is due", s.id, n, e.Skipped, s.next)
	case s.kind == mayExpire && n < s.next:
		w.fail("stream %d delivers message %d after %d", s.id, n, s.next-1)
	case s.kind == mayExpire && (n != s.next) != e.Skipped:
		w.fail("stream %d delivers message %d when %d could be due, and says that something is missing: %v", s.id, n, s.next, e.Skipped)
	}
	s.next = n + 1
}

// settle checks what became of each message.
func (s *stream) settle() {
	for n, x := range s.items {
		abandoned, delivered := x.receipt.Abandoned(), x.receipt.Delivered()
		switch {
		case abandoned == delivered:
			s.w.fail("message %d of stream %d: abandoned %v, delivered %v", n, s.id, abandoned, delivered)
		case delivered && !x.got:
			s.w.fail("message %d of stream %d is said to be delivered", n, s.id)
		case s.kind < mayExpire && !x.got:
			s.w.fail("message %d of the reliable stream %d never came", n, s.id)
		}
	}
	if i := slices.IndexFunc(s.items, func(x *item) bool { return !x.got }); i >= 0 && s.kind < mayExpire {
		s.w.fail("message %d of stream %d is missing", i, s.id)
	}
}
