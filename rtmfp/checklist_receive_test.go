package rtmfp_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// fragment returns a User Data chunk of flow 2, whose data is its number.
func fragment(sn, forward wire.SequenceNumber, kind wire.Fragmentation) wire.UserData {
	return wire.UserData{FlowID: 2, SequenceNumber: sn, ForwardSequenceNumber: forward, Fragmentation: kind, Data: fmt.Appendf(nil, "%d ", sn)}
}

// sendFirst sends a chunk with the options of a flow.
func (f *far) sendFirst(u wire.UserData) *rtmfp.RecvFlow {
	f.st.t.Helper()
	u.Options = first("m")
	f.send(data(u))
	return f.st.last(rtmfp.FlowOpened).Recv
}

// messages returns what was delivered, with a ! before what follows a gap.
func (st *stage) messages() (all []string) {
	for _, e := range st.events {
		if e.Kind == rtmfp.MessageReceived {
			s := string(bytes.TrimSpace(e.Data))
			if e.Skipped {
				s = "!" + s
			}
			all = append(all, s)
		}
	}
	return all
}

func checkRejection(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	mine := f.openFlow(rtmfp.FlowConfig{})
	closed := f.openFlow(rtmfp.FlowConfig{})
	st.write(closed, 1, 1, nil)
	st.do(func() { closed.Close(st.now) })
	answer := func(id wire.FlowID) []byte {
		return vlu.AppendOption(nil, 0x0a, vlu.Append(nil, uint64(id)))
	}
	metadata := vlu.AppendOption(nil, 0, []byte("m"))
	for i, c := range []struct {
		name    string
		options []byte
		taken   bool
	}{
		{"no options", nil, false},
		{"no metadata", vlu.AppendMarker(answer(mine.ID())), false},
		{"empty metadata", vlu.AppendMarker(vlu.AppendOption(nil, 0, nil)), true},
		{"an answer to a flow of ours", vlu.AppendMarker(slices.Concat(metadata, answer(mine.ID()))), true},
		{"an answer to none", vlu.AppendMarker(slices.Concat(metadata, answer(4711))), false},
		{"an answer to a closed one", vlu.AppendMarker(slices.Concat(metadata, answer(closed.ID()))), false},
		{"a mandatory option", vlu.AppendMarker(slices.Concat(metadata, vlu.AppendOption(nil, 8191, []byte("?")))), false},
	} {
		st.clear()
		id := wire.FlowID(100 + i)
		f.send(data(wire.UserData{FlowID: id, SequenceNumber: 1, Options: c.options, Data: []byte("x")}))
		if taken := st.count(rtmfp.FlowOpened) == 1; taken != c.taken || len(st.messages()) > 0 != c.taken {
			t.Errorf("%s: taken %v, want %v", c.name, taken, c.taken)
		}
		exceptions := st.chunks(wire.TypeFlowException)
		if c.taken != (len(exceptions) == 0) {
			t.Errorf("%s: %d exception reports", c.name, len(exceptions))
		}
		if len(exceptions) > 0 && !bytes.Equal(exceptions[0].Payload, append(vlu.Append(nil, uint64(id)), 0)) {
			t.Errorf("%s: the report is %x, want flow %d and code 0", c.name, exceptions[0].Payload, id)
		}
		if got := st.lastAck(); got.FlowID != id || got.Cumulative != 1 {
			t.Errorf("%s: acknowledged as %+v", c.name, got)
		}
	}
	if recv := st.last(rtmfp.FlowOpened).Recv; recv != nil && recv.Return() != nil {
		t.Error("an answer without one")
	}
	// A mandatory option on a later chunk of an accepted flow rejects it, too.
	st.clear()
	flow := f.sendFirst(fragment(1, 0, wire.Whole))
	u := fragment(2, 1, wire.Whole)
	u.Options = vlu.AppendMarker(vlu.AppendOption(nil, 8191, nil))
	f.send(data(u))
	if flow.IsOpen() || len(st.chunks(wire.TypeFlowException)) != 1 {
		t.Error("a mandatory option that comes later is ignored")
	}
}

func checkOptionalOption(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	for i, kind := range []uint64{8192, 8193, 1 << 40} {
		u := fragment(1, 0, wire.Whole)
		u.FlowID = wire.FlowID(2 + i)
		u.Options = vlu.AppendMarker(vlu.AppendOption(vlu.AppendOption(nil, 0, []byte("m")), kind, []byte("?")))
		f.send(data(u))
	}
	if st.count(rtmfp.FlowOpened) != 3 || len(st.chunks(wire.TypeFlowException)) != 0 || len(st.messages()) != 3 {
		t.Errorf("%d of 3 flows with an unknown option are taken", st.count(rtmfp.FlowOpened))
	}
}

// at returns after which time the next acknowledgement goes out, if any does
// within a second.
func (st *stage) ackAfter(f func()) time.Duration {
	st.t.Helper()
	st.clear()
	start := st.now
	f()
	st.run(time.Second)
	for _, p := range st.sent {
		if p.has(wire.TypeAckRanges) {
			return p.at.Sub(start)
		}
	}
	return -1
}

func checkAckTimes(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	want := func(name string, want time.Duration, do func()) {
		t.Helper()
		if got := st.ackAfter(do); got != want {
			t.Errorf("%s: acknowledged after %v, want %v", name, got, want)
		}
	}
	next := wire.SequenceNumber(0)
	whole := func() wire.UserData {
		next++
		return fragment(next, next-1, wire.Whole)
	}
	const delayed = 200 * time.Millisecond
	want("first chunk of a flow", 0, func() { f.sendFirst(whole()) })
	want("one packet", delayed, func() { f.send(data(whole())) })
	want("two packets", 0, func() { f.send(data(whole())); f.send(data(whole())) })
	want("three chunks in one packet", delayed, func() { f.send(data(whole()), data(whole()), data(whole())) })
	want("another packet with nothing", -1, func() { f.send(wire.AppendChunk(nil, 0, nil)) })
	want("a gap", 0, func() { next++; f.send(data(fragment(next+1, next-1, wire.Whole))) })
	want("what fills it", 0, func() { f.send(data(fragment(next, next-1, wire.Whole))) })
	next++
	want("a repetition", 0, func() { f.send(data(fragment(next, next-1, wire.Whole))) })
	want("a buffer probe", 0, func() { f.send(wire.AppendBufferProbe(nil, 2)) })
	want("a probe of an unknown flow", -1, func() { f.send(wire.AppendBufferProbe(nil, 999)) })
	want("an abandoned fragment", 0, func() {
		next++
		f.send(data(wire.UserData{FlowID: 2, SequenceNumber: next, ForwardSequenceNumber: next, Abandoned: true}))
	})
	want("with something of ours", 0, func() {
		f.send(data(whole()))
		st.do(func() { f.session.Ping(st.now) })
	})
	want("the final one", 0, func() { u := whole(); u.Final = true; f.send(data(u)) })
	want("after the end", 0, func() { f.send(data(fragment(next, next-1, wire.Whole))) })
	// The early one by another flow's data.
	out := f.openFlow(rtmfp.FlowConfig{})
	f.send(data(wire.UserData{FlowID: 3, SequenceNumber: 1, Options: first("n")}))
	want("with data of ours", 0, func() {
		f.send(data(wire.UserData{FlowID: 3, SequenceNumber: 2, ForwardSequenceNumber: 1}))
		st.write(out, 1, 10, nil)
	})
	// One with a nearly full buffer, and a rejected one.
	st = newStage(t, func(p *rtmfp.Params) { p.ReceiveBuffer = 16 << 10 })
	f = st.accept(farAddr, "Pa")
	flow := f.sendFirst(fragment(1, 0, wire.Whole))
	st.do(func() { flow.SetSuspended(st.now, true) })
	big := make([]byte, 1000)
	for sn := wire.SequenceNumber(2); sn <= 15; sn++ {
		f.send(data(wire.UserData{FlowID: 2, SequenceNumber: sn, ForwardSequenceNumber: sn - 1, Data: big}))
	}
	if blocks := st.lastAck().Blocks; blocks > 1 {
		t.Fatalf("%d blocks are left", blocks)
	}
	want("nearly full", 0, func() {
		f.send(data(wire.UserData{FlowID: 2, SequenceNumber: 16, ForwardSequenceNumber: 15, Data: big[:1]}))
	})
	st = newStage(t, nil)
	f = st.accept(farAddr, "Pa")
	flow = f.sendFirst(fragment(1, 0, wire.Whole))
	st.do(func() { flow.Reject(st.now, 1) })
	want("rejected", 0, func() { f.send(data(fragment(2, 1, wire.Whole))) })
}

func checkAckContent(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	f.sendFirst(fragment(1, 0, wire.Whole))
	f.send(data(fragment(2, 0, wire.Whole)))
	// What a strict peer acknowledges is the published trace.
	for _, c := range []struct {
		u    wire.UserData
		want string // cumulative number and ranges
	}{
		{fragment(4, 2, wire.Whole), "2 [{4 4}]"},
		{fragment(6, 2, wire.Whole), "2 [{4 4} {6 6}]"},
		{fragment(7, 2, wire.Whole), "2 [{4 4} {6 7}]"},
		{fragment(10, 2, wire.Whole), "2 [{4 4} {6 7} {10 10}]"},
		{wire.UserData{FlowID: 2, SequenceNumber: 9, ForwardSequenceNumber: 9, Abandoned: true}, "10 []"},
		{fragment(20, 15, wire.Whole), "15 [{20 20}]"},
		{fragment(17, 16, wire.Whole), "17 [{20 20}]"},
		{fragment(19, 2, wire.Whole), "17 [{19 20}]"},
		{fragment(18, 2, wire.Whole), "20 []"},
	} {
		f.send(data(c.u))
		a := st.lastAck()
		if got := fmt.Sprint(a.Cumulative, " ", a.ranges); got != c.want {
			t.Errorf("after %d with %d: acknowledged %s, want %s", c.u.SequenceNumber, c.u.ForwardSequenceNumber, got, c.want)
		}
	}
}

func checkRejectedAcks(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	flow := f.sendFirst(fragment(1, 0, wire.Whole))
	f.send(data(fragment(3, 0, wire.Whole)))
	st.clear()
	st.do(func() { flow.Reject(st.now, 300) })
	f.send(data(fragment(4, 0, wire.Whole)))
	f.send(data(fragment(2, 0, wire.Whole)))
	u := wire.UserData{FlowID: 2, SequenceNumber: 5, ForwardSequenceNumber: 5, Abandoned: true, Final: true}
	f.send(data(u))
	f.send(data(u))
	acks := 0
	for _, p := range st.sent {
		for i, c := range p.chunks {
			if c.Type != wire.TypeAckRanges {
				continue
			}
			acks++
			if i == 0 || p.chunks[i-1].Type != wire.TypeFlowException || !bytes.Equal(p.chunks[i-1].Payload, vlu.Append([]byte{2}, 300)) {
				t.Errorf("acknowledgement %d does not follow a report: %+v", acks, p.chunks)
			}
		}
	}
	if acks != 5 || st.lastAck().Cumulative != 5 || len(st.messages()) != 0 || st.count(rtmfp.FlowEnded) != 0 {
		t.Errorf("%d acknowledgements up to %d, %v delivered", acks, st.lastAck().Cumulative, st.messages())
	}
	// A rejected flow whose end never comes is forgotten in the end.
	g := st.accept(otherAddr, "Pb")
	g.send(data(fragment(1, 0, wire.Whole))) // no metadata
	for range 100 {
		g.alive(100 * time.Second)
		g.send(data(fragment(1, 0, wire.Whole)))
	}
	st.clear()
	g.alive(130 * time.Second)
	g.send(wire.AppendBufferProbe(nil, 2))
	if len(st.acks()) != 0 {
		t.Error("a rejected flow is remembered for ever")
	}
}

func checkAckTruncation(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	// 500 gaps of some distance take 3 to 4 bytes each: more than a packet.
	f.sendFirst(fragment(1, 0, wire.Whole))
	for i := range wire.SequenceNumber(450) {
		f.send(data(fragment(1+200*(i+1), 0, wire.Whole)))
	}
	last := st.lastAck()
	if n := len(last.ranges); n >= 450 || n < 300 || last.ranges[0] != (wire.Range{From: 201, To: 201}) {
		t.Errorf("an acknowledgement that does not fit has %d ranges", n)
	}
	for _, p := range st.sent {
		if p.size+8 > 1200 {
			t.Fatalf("a datagram of %d bytes", p.size+8)
		}
	}
	// With data of ours in the packet it is left out, and follows alone.
	out := f.openFlow(rtmfp.FlowConfig{})
	st.clear()
	st.do(func() {
		_ = out.Write(st.now, make([]byte, 1000), nil)
		st.HandleDatagrams(st.now, []rtmfp.Datagram{{Data: datagram(f.peer, append([]byte{byte(f.mode)}, wire.AppendBufferProbe(nil, 2)...)), From: farAddr}})
	})
	with := 0
	for _, p := range st.sent {
		if p.has(wire.TypeUserData) && p.has(wire.TypeAckRanges) {
			with++
		}
	}
	if with != 0 || len(st.acks()) != 1 || len(st.userData()) != 1 {
		t.Errorf("%d packets with both, %d acknowledgements", with, len(st.acks()))
	}
	// Neither is a second acknowledgement cut in a packet with another.
	f.send(data(wire.UserData{FlowID: 3, SequenceNumber: 1, Options: first("n")}))
	st.clear()
	f.send(wire.AppendBufferProbe(nil, 3), wire.AppendBufferProbe(nil, 2))
	for _, p := range st.sent {
		if n := len(p.chunks); n != 1 {
			t.Errorf("%d chunks in one packet", n)
		}
	}
	if len(st.acks()) != 2 {
		t.Errorf("%d acknowledgements of two flows", len(st.acks()))
	}
}

func checkAdvertisedWindow(t *testing.T) {
	st := newStage(t, func(p *rtmfp.Params) { p.ReceiveBuffer = 16 << 10 })
	f := st.accept(farAddr, "Pa")
	f.sendFirst(fragment(1, 0, wire.Whole))
	if got := st.lastAck().Blocks; got != 16 {
		t.Errorf("an empty buffer of 16 KiB advertises %d blocks", got)
	}
	// Full because something is missing: one block, so that it can come.
	big := make([]byte, 1000)
	for sn := wire.SequenceNumber(3); sn < 30; sn++ {
		f.send(data(wire.UserData{FlowID: 2, SequenceNumber: sn, ForwardSequenceNumber: 1, Data: big}))
	}
	if got := st.lastAck(); got.Blocks != 1 || got.Cumulative != 1 {
		t.Errorf("a full buffer with a gap advertises %d blocks", got.Blocks)
	}
	f.send(data(wire.UserData{FlowID: 2, SequenceNumber: 2, ForwardSequenceNumber: 1, Data: big}))
	if got := st.lastAck(); got.Blocks != 16 || got.Cumulative < 16 {
		t.Errorf("after the missing one: %d blocks, up to %d", got.Blocks, got.Cumulative)
	}
	// Full because the application holds it: closed, until it takes it.
	g := st.accept(otherAddr, "Pb")
	flow := g.sendFirst(fragment(1, 0, wire.Whole))
	st.do(func() { flow.SetSuspended(st.now, true) })
	sn := wire.SequenceNumber(2)
	for ; st.lastAck().Blocks > 0 && sn < 30; sn++ {
		g.send(data(wire.UserData{FlowID: 2, SequenceNumber: sn, ForwardSequenceNumber: sn - 1, Data: big}))
	}
	if got := st.lastAck(); got.Blocks != 0 || got.Cumulative != sn-1 {
		t.Fatalf("a buffer that is held and full advertises %d blocks, up to %d of %d", got.Blocks, got.Cumulative, sn-1)
	}
	st.clear()
	st.do(func() { flow.SetSuspended(st.now, false) })
	if got := st.lastAck(); got.Blocks != 16 || len(st.messages()) != int(sn)-2 {
		t.Errorf("when it is taken: %d blocks, %d messages of %d", got.Blocks, len(st.messages()), sn-2)
	}
	// The end waits for what is held.
	st.do(func() { flow.SetSuspended(st.now, true) })
	u := wire.UserData{FlowID: 2, SequenceNumber: sn, ForwardSequenceNumber: sn - 1, Data: []byte("end"), Final: true}
	g.send(data(u))
	g.alive(5 * time.Minute)
	st.clear()
	if !flow.IsOpen() {
		t.Error("a flow with messages held back is not open any more")
	}
	st.do(func() { flow.SetSuspended(st.now, false) })
	if got := st.messages(); !slices.Equal(got, []string{"end"}) || st.count(rtmfp.FlowEnded) != 1 || flow.IsOpen() {
		t.Errorf("got %v, ended %d times", got, st.count(rtmfp.FlowEnded))
	}
}

// The published traces of reassembly.
func checkOrderedDelivery(t *testing.T) {
	w, b, m, e := wire.Whole, wire.Begin, wire.Middle, wire.End
	for _, c := range []struct {
		arrivals []wire.UserData
		want     []string
	}{
		{[]wire.UserData{fragment(1, 0, w), fragment(3, 0, w), fragment(2, 0, w)}, []string{"1", "2", "3"}},
		{[]wire.UserData{fragment(1, 0, b), fragment(3, 0, e), fragment(2, 0, m)}, []string{"1 2 3"}},
		{[]wire.UserData{fragment(1, 0, b), fragment(2, 0, m), fragment(4, 3, w)}, []string{"!4"}},
		{[]wire.UserData{fragment(2, 1, m), fragment(3, 1, e), fragment(4, 1, w)}, []string{"!4"}},
		{[]wire.UserData{fragment(1, 0, b), fragment(2, 0, e)}, []string{"1 2"}},
		{[]wire.UserData{fragment(5, 4, w)}, []string{"!5"}},
		{[]wire.UserData{fragment(2, 0, w), {FlowID: 2, SequenceNumber: 1, ForwardSequenceNumber: 1, Abandoned: true}}, []string{"!2"}},
		{[]wire.UserData{fragment(1, 0, b), fragment(2, 0, w), fragment(3, 2, e), fragment(4, 3, w)}, []string{"!2", "!4"}},
		{[]wire.UserData{fragment(1, 0, w), fragment(2, 0, w), fragment(1, 0, w), fragment(2, 0, w)}, []string{"1", "2"}},
		{[]wire.UserData{fragment(3, 0, w), fragment(2, 0, b), fragment(1, 0, w), fragment(9, 8, w)}, []string{"1", "!3", "!9"}},
		// Data of an abandoned fragment counts for nothing.
		{[]wire.UserData{{FlowID: 2, SequenceNumber: 1, Abandoned: true, Data: []byte("no")}, fragment(2, 1, w)}, []string{"!2"}},
	} {
		st := newStage(t, nil)
		f := st.accept(farAddr, "Pa")
		for i, u := range c.arrivals {
			if i == 0 {
				f.sendFirst(u)
			} else {
				f.send(data(u))
			}
		}
		if got := st.messages(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: delivered %q, want %q", c.arrivals, got, c.want)
		}
	}
}

func checkNetworkOrder(t *testing.T) {
	w, b, m, e := wire.Whole, wire.Begin, wire.Middle, wire.End
	for _, c := range []struct {
		arrivals []wire.UserData
		want     []string
	}{
		{[]wire.UserData{fragment(1, 0, b), fragment(3, 0, w)}, []string{"!3"}},
		{[]wire.UserData{fragment(1, 0, b), fragment(3, 0, w), fragment(2, 0, e)}, []string{"!3", "1 2"}},
		{[]wire.UserData{fragment(3, 0, w), fragment(2, 0, w), fragment(1, 0, w), fragment(3, 0, w)}, []string{"!3", "!2", "1"}},
		{[]wire.UserData{fragment(7, 0, e), fragment(5, 0, b), fragment(6, 0, m), fragment(5, 0, b), fragment(7, 0, e)}, []string{"!5 6 7"}},
		{[]wire.UserData{fragment(2, 0, m), fragment(3, 0, e), fragment(4, 1, w)}, []string{"4"}},
	} {
		st := newStage(t, nil)
		f := st.accept(farAddr, "Pa")
		for i, u := range c.arrivals {
			if i > 0 {
				f.send(data(u))
				continue
			}
			u.Options = first("m")
			st.do(func() {
				plain := append([]byte{byte(f.mode)}, data(u)...)
				st.HandleDatagrams(st.now, []rtmfp.Datagram{{Data: datagram(f.peer, plain), From: farAddr}})
				e, _ := st.PollEvent()
				e.Recv.SetNetworkOrder(true)
			})
		}
		if got := st.messages(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: delivered %q, want %q", c.arrivals, got, c.want)
		}
	}
}

func checkFlowEnd(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	flow := f.sendFirst(fragment(1, 0, wire.Whole))
	end := fragment(3, 0, wire.Whole)
	end.Final = true
	f.send(data(end))
	if st.count(rtmfp.FlowEnded) != 0 || !flow.IsOpen() {
		t.Error("ended with a number missing")
	}
	later := fragment(9, 0, wire.Whole)
	later.Final = true
	f.send(data(later)) // beyond the end
	f.send(data(fragment(2, 0, wire.Whole)))
	if got := st.messages(); !slices.Equal(got, []string{"1", "2", "3"}) || st.count(rtmfp.FlowEnded) != 1 || flow.IsOpen() ||
		st.events[len(st.events)-1].Kind != rtmfp.FlowEnded || st.lastAck().Cumulative != 3 {
		t.Errorf("delivered %v, ended %d times, acknowledged %+v", got, st.count(rtmfp.FlowEnded), st.lastAck())
	}
	st.clear()
	for range 11 {
		f.alive(10 * time.Second)
		f.send(data(end), data(fragment(1, 0, wire.Whole)))
	}
	if len(st.events) != 0 || len(st.acks()) != 11 || st.lastAck().Cumulative != 3 || len(st.chunks(wire.TypeFlowException)) != 0 {
		t.Errorf("repetitions within 110 s: %+v, %d acknowledgements", st.events, len(st.acks()))
	}
	st.clear()
	f.alive(15 * time.Second)
	f.send(data(end)) // looks like a new flow without metadata
	if len(st.chunks(wire.TypeFlowException)) != 1 || len(st.messages()) != 0 {
		t.Error("a repetition after the flow is forgotten is not refused")
	}
}

// Whatever a peer sends, an endpoint does not keep more than it says.
func checkMemory(t *testing.T) {
	st := newStage(t, func(p *rtmfp.Params) {
		p.ReceiveBuffer, p.SessionBuffer = 64<<10, 256<<10
	})
	f := st.accept(farAddr, "Pa")
	grown := func(limit int, do func()) {
		t.Helper()
		heap := func() int {
			st.clear()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before := heap()
		do()
		if got := heap() - before; got > limit {
			t.Errorf("the heap has grown by %d bytes, want %d at most", got, limit)
		}
		runtime.KeepAlive(st)
	}
	big := make([]byte, 1100)
	grown(1<<20, func() {
		// Fragments of messages that never end, on many flows.
		for id := wire.FlowID(2); id < 202; id++ {
			for sn := wire.SequenceNumber(1); sn < 80; sn++ {
				u := wire.UserData{FlowID: id, SequenceNumber: 2 * sn, Fragmentation: wire.Begin, Data: big}
				if sn == 1 {
					u.Options = first("m")
				}
				f.send(data(u))
				st.clear()
			}
		}
	})
	grown(1<<20, func() {
		// More flows than are allowed.
		for id := wire.FlowID(1000); id < 6000; id++ {
			f.send(data(wire.UserData{FlowID: id, SequenceNumber: 1, Options: first("m")}))
			st.clear()
		}
	})
	if st.Stats().Refused == 0 {
		t.Error("nothing was refused")
	}
	g := st.accept(otherAddr, "Pb")
	grown(1<<18, func() {
		// More gaps than are remembered, pings, pieces of packets, hellos.
		for sn := wire.SequenceNumber(1); sn < 5000; sn++ {
			u := wire.UserData{FlowID: 2, SequenceNumber: 3 * sn, Fragmentation: wire.Middle}
			if sn == 1 {
				u.Options = first("m")
			}
			g.send(data(u))
			st.clear()
		}
		for i := range 1000 {
			g.send(wire.AppendPacketFragment(nil, wire.PacketFragment{More: true, PacketID: uint64(i), Number: 60, Data: []byte("x")}))
		}
		for range 1000 {
			st.do(func() {
				var batch []rtmfp.Datagram
				for range 100 {
					plain := append([]byte{byte(g.mode)}, wire.AppendChunk(nil, wire.TypePing, make([]byte, 512))...)
					batch = append(batch, rtmfp.Datagram{Data: datagram(g.peer, plain), From: otherAddr})
				}
				st.HandleDatagrams(st.now, batch)
			})
			st.clear()
		}
		for i := range 2000 {
			st.startup(otherAddr, 0, wire.AppendPacketFragment(nil, wire.PacketFragment{More: true, PacketID: uint64(i), Number: 60, Data: []byte("x")}))
		}
	})
	// All is forgotten with the sessions.
	st.do(func() { f.session.Abort(st.now); g.session.Abort(st.now) })
	st.run(time.Minute)
	if st.Sessions() != 0 || st.PollTimeout() != reliability.Never {
		t.Errorf("%d sessions are left", st.Sessions())
	}
}
