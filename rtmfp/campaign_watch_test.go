package rtmfp_test

import (
	"slices"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// watcher looks at every packet that a node sends and receives, and checks
// what the standard forbids a sender.
type watcher struct {
	w     *world
	node  *node
	flows map[watchKey]*watched
}

type watchKey struct {
	session wire.SessionID
	flow    wire.FlowID
}

// watched is what is known of a flow that the node sends.
type watched struct {
	highest wire.SequenceNumber
	forward wire.SequenceNumber
	final   wire.SequenceNumber
	// out are the numbers that were sent with data and not acknowledged.
	out []sentNumber
}

type sentNumber struct {
	sn   wire.SequenceNumber
	item *item // nil if the piece was too small to tell
}

func newWatcher(w *world, n *node) *watcher {
	return &watcher{w: w, node: n, flows: make(map[watchKey]*watched)}
}

// TraceState implements rtmfp.Tracer.
func (x *watcher) TraceState(rtmfp.Instant, *rtmfp.Session, rtmfp.SessionState, rtmfp.SessionState) {}

// TracePacket implements rtmfp.Tracer.
func (x *watcher) TracePacket(now rtmfp.Instant, p rtmfp.TracedPacket) {
	h, n, err := wire.ParseHeader(p.Plain)
	if err != nil || h.Mode == wire.ModeStartup {
		return
	}
	var last wire.UserData
	chained := false
	options := map[wire.FlowID]bool{}
	for rest := p.Plain[n:]; ; {
		c, n, ok := wire.ParseChunk(rest)
		if !ok {
			return
		}
		rest = rest[n:]
		switch {
		case p.Sent && (c.Type == wire.TypeUserData || c.Type == wire.TypeNextUserData):
			u, err := wire.ParseUserData(c.Payload)
			if c.Type == wire.TypeNextUserData {
				if !chained {
					x.w.fail("Next User Data without a predecessor")
				}
				u, err = wire.ParseNextUserData(c.Payload, &last)
			}
			if err != nil {
				x.w.fail("sends malformed user data: %x", c.Payload)
			}
			last, chained = u, true
			x.sent(now, p.Session, &u, options)
		case !p.Sent && (c.Type == wire.TypeAckRanges || c.Type == wire.TypeAckBitmap):
			if a, err := wire.ParseAck(c.Type, c.Payload); err == nil {
				x.acked(p.Session, &a)
			}
		}
	}
}

func (x *watcher) sent(now rtmfp.Instant, session wire.SessionID, u *wire.UserData, options map[wire.FlowID]bool) {
	w := x.w
	key := watchKey{session, u.FlowID}
	f := x.flows[key]
	if f == nil {
		f = &watched{}
		x.flows[key] = f
		if u.Options == nil {
			w.fail("flow %d begins without options", u.FlowID)
		}
	}
	if u.Options != nil && options[u.FlowID] {
		w.fail("flow %d has options twice in a packet", u.FlowID)
	}
	options[u.FlowID] = true
	switch {
	case u.ForwardSequenceNumber > u.SequenceNumber, u.ForwardSequenceNumber == u.SequenceNumber && !u.Abandoned:
		w.fail("number %d with forward number %d, abandoned %v", u.SequenceNumber, u.ForwardSequenceNumber, u.Abandoned)
	case u.ForwardSequenceNumber < f.forward:
		w.fail("the forward number goes back from %d to %d", f.forward, u.ForwardSequenceNumber)
	case u.Final && f.final != 0 && u.SequenceNumber != f.final:
		w.fail("flow %d has the final numbers %d and %d", u.FlowID, f.final, u.SequenceNumber)
	case f.final != 0 && u.SequenceNumber > f.final:
		w.fail("flow %d goes on to %d after its end %d", u.FlowID, u.SequenceNumber, f.final)
	case u.Abandoned && len(u.Data) > 0:
		w.fail("an abandoned fragment has data")
	}
	if u.Final {
		f.final = u.SequenceNumber
	}
	// Nothing that is still wanted may be forgone.
	f.forward = u.ForwardSequenceNumber
	f.out = slices.DeleteFunc(f.out, func(s sentNumber) bool {
		if s.sn > u.ForwardSequenceNumber {
			return false
		}
		if s.item != nil && !s.item.receipt.Abandoned() {
			w.fail("the forward number %d covers number %d, which is neither acknowledged nor abandoned", u.ForwardSequenceNumber, s.sn)
		}
		return true
	})
	f.highest = max(f.highest, u.SequenceNumber)
	if u.Abandoned {
		return
	}
	s, it := w.itemOf(u.Data)
	if it != nil && it.receipt.Abandoned() {
		w.fail("a fragment of an abandoned message of stream %d is sent", s.id)
	}
	if it != nil && it.receipt.FinishBy != 0 && now > it.receipt.FinishBy {
		w.fail("a fragment of a message of stream %d is sent after its time", s.id)
	}
	if i, found := slices.BinarySearchFunc(f.out, u.SequenceNumber, compareNumbers); !found {
		f.out = slices.Insert(f.out, i, sentNumber{u.SequenceNumber, it})
	}
}

func compareNumbers(s sentNumber, sn wire.SequenceNumber) int {
	switch {
	case s.sn < sn:
		return -1
	case s.sn > sn:
		return 1
	}
	return 0
}

func (x *watcher) acked(session wire.SessionID, a *wire.Ack) {
	f := x.flows[watchKey{session, a.FlowID}]
	if f == nil {
		return
	}
	in := []wire.Range{{From: 0, To: a.Cumulative}}
	var reader wire.RangeReader
	for {
		r, ok := reader.Next(a)
		if !ok {
			break
		}
		in = append(in, r)
	}
	f.out = slices.DeleteFunc(f.out, func(s sentNumber) bool {
		return slices.ContainsFunc(in, func(r wire.Range) bool { return r.From <= s.sn && s.sn <= r.To })
	})
}
