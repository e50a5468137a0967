package rtmfp_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// alive lets time pass with a sign of life from the far end now and then.
func (f *far) alive(d time.Duration) {
	f.st.t.Helper()
	for ; d > 0; d -= 5 * time.Second {
		f.st.run(min(d, 5*time.Second))
		f.send(wire.AppendChunk(nil, 0, nil))
	}
}

func checkWindow(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	st.write(out, 1, 1000, nil)
	f.send(ack(out.ID(), 2, 1)) // room for 2,048 bytes
	st.clear()
	st.do(func() {
		for i := range 10 {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(i)}, 1000), nil)
		}
	})
	st.wantNumbers("with a window of two blocks", "2/1", "3/1", "4/1") // the third begins below the limit
	f.send(ack(out.ID(), 2, 3))
	st.wantNumbers("after two have come", "2/1", "3/1", "4/1", "5/3", "6/3")
	if _, outstanding := f.session.Window(); outstanding > 2048+1100 {
		t.Errorf("%d bytes are outstanding", outstanding)
	}
	// A refused flow may go beyond, to get done.
	f.send(ack(out.ID(), 0, 3))
	st.clear()
	f.send(wire.AppendFlowException(nil, wire.FlowException{FlowID: out.ID(), Code: 5}))
	st.run(4 * time.Second)
	if got := st.numbers(); len(got) < 2 || got[0] != "7AF/3" || got[1] != "7AF/7" {
		t.Errorf("a refused flow with a closed window sends %v, want its end", got)
	}
}

func checkZeroWindow(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	st.write(out, 1, 1000, nil)
	f.send(ack(out.ID(), 0, 1))
	start := st.now
	st.write(out, 2, 1000, nil)
	st.clear()
	f.alive(10 * time.Minute)
	var times []time.Duration
	for _, p := range st.sent {
		if p.has(wire.TypeBufferProbe) {
			times = append(times, p.at.Sub(start))
		}
	}
	if len(times) < 10 || times[0] > time.Second || len(st.userData()) != 0 {
		t.Fatalf("probes after %v", times)
	}
	for i := 2; i < len(times); i++ {
		gap, before := times[i]-times[i-1], times[i-1]-times[i-2]
		if gap < before || gap < time.Second || gap > time.Minute {
			t.Errorf("probe %d comes %v after the one before it, that %v", i, gap, before)
		}
	}
	if last := times[len(times)-1] - times[len(times)-2]; last != time.Minute {
		t.Errorf("at last a probe comes every %v, want 1m", last)
	}
	st.clear()
	f.send(ack(out.ID(), 3, 1))
	st.wantNumbers("when the window opens", "2/1")
	f.send(ack(out.ID(), 3, 2))
	st.clear()
	f.alive(3 * time.Minute)
	if got := len(st.chunks(wire.TypeBufferProbe)); got != 0 {
		t.Errorf("%d probes of an open window", got)
	}
	// A window that closes with nothing waiting is not probed until there is.
	f.send(ack(out.ID(), 0, 2))
	f.alive(time.Minute)
	if got := len(st.chunks(wire.TypeBufferProbe)); got != 0 {
		t.Errorf("%d probes with nothing to send", got)
	}
	st.write(out, 3, 10, nil)
	st.run(1100 * time.Millisecond)
	if got := len(st.chunks(wire.TypeBufferProbe)); got != 1 {
		t.Errorf("%d probes a second after there is something to send, want 1", got)
	}
}

func checkException(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	receipts := make([]rtmfp.Receipt, 20)
	st.do(func() {
		for i := range receipts {
			_ = out.Write(st.now, make([]byte, 1000), &receipts[i])
		}
	})
	sent := st.userData()
	top := sent[len(sent)-1].SequenceNumber
	st.clear()
	refuse := wire.AppendFlowException(nil, wire.FlowException{FlowID: out.ID(), Code: 300})
	for range 3 {
		f.send(refuse, ack(out.ID(), 0, 0))
	}
	if st.count(rtmfp.FlowRejected) != 1 || st.last(rtmfp.FlowRejected).Code != 300 || out.IsOpen() || out.Write(st.now, nil, nil) != rtmfp.ErrClosed {
		t.Errorf("told %d times with code %d", st.count(rtmfp.FlowRejected), st.last(rtmfp.FlowRejected).Code)
	}
	for i := range receipts {
		if !receipts[i].Abandoned() {
			t.Errorf("message %d is not abandoned", i)
		}
	}
	st.run(4 * time.Second)
	got := st.userData()
	if len(got) == 0 || !got[len(got)-1].Final || !got[len(got)-1].Abandoned || len(got[len(got)-1].Data) != 0 || got[len(got)-1].SequenceNumber != top+1 {
		t.Fatalf("the flow ends with %v, want %d, abandoned and final", st.numbers(), top+1)
	}
	f.send(refuse, ack(out.ID(), 0, top+1))
	if st.count(rtmfp.FlowCompleted) != 1 || st.count(rtmfp.FlowRejected) != 1 || out.Queued() != 0 {
		t.Errorf("completed %d times, rejected %d times", st.count(rtmfp.FlowCompleted), st.count(rtmfp.FlowRejected))
	}
	// Also one with nothing under way, and one that was closed already.
	for _, closed := range []bool{false, true} {
		out = f.openFlow(rtmfp.FlowConfig{})
		st.write(out, 1, 10, nil)
		if closed {
			st.do(func() { out.Close(st.now) })
		}
		f.send(ack(out.ID(), 0, 1))
		st.clear()
		f.send(wire.AppendFlowException(nil, wire.FlowException{FlowID: out.ID(), Code: 1}))
		st.run(time.Second)
		if !closed {
			st.wantNumbers("refused when idle", "2AF/2")
		}
		f.send(ack(out.ID(), 0, 2))
		if told := st.count(rtmfp.FlowRejected); (told == 1) == closed || out.IsOpen() {
			t.Errorf("closed %v: rejection told %d times", closed, told)
		}
	}
}

func checkFlowClose(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	// The last one has not gone out yet: it is the final one.
	out := f.openFlow(rtmfp.FlowConfig{})
	st.do(func() {
		_ = out.Write(st.now, []byte("a"), nil)
		_ = out.Write(st.now, []byte("b"), nil)
		out.Close(st.now)
	})
	st.wantNumbers("closed before sending", "1/0", "2F/0")
	f.send(ack(out.ID(), enough, 1))
	if st.count(rtmfp.FlowCompleted) != 0 {
		t.Error("complete before the end is acknowledged")
	}
	f.send(ack(out.ID(), enough, 2))
	if st.count(rtmfp.FlowCompleted) != 1 || out.Write(st.now, nil, nil) != rtmfp.ErrClosed {
		t.Errorf("completed %d times", st.count(rtmfp.FlowCompleted))
	}
	// It has: an empty one is.
	st.clear()
	out = f.openFlow(rtmfp.FlowConfig{})
	st.write(out, 1, 10, nil)
	st.do(func() { out.Close(st.now); out.Close(st.now) })
	st.wantNumbers("closed after sending", "1/0", "2AF/0")
	f.send(ack(out.ID(), enough, 2))
	// The end is told again until it is acknowledged.
	out = f.openFlow(rtmfp.FlowConfig{})
	st.write(out, 1, 10, nil)
	f.send(ack(out.ID(), enough, 1))
	st.clear()
	st.do(func() { out.Close(st.now) })
	f.alive(10 * time.Second)
	if got := st.numbers(); len(got) < 2 || slices.ContainsFunc(got, func(s string) bool { return s != "2AF/2" }) {
		t.Errorf("the end goes out as %v", got)
	}
	f.send(ack(out.ID(), enough, 2))
	// A number is not used again for 130 s.
	ended, used := st.now, map[wire.FlowID]bool{out.ID(): true}
	for st.now.Sub(ended) < 129*time.Second {
		next := f.openFlow(rtmfp.FlowConfig{})
		if used[next.ID()] {
			t.Fatalf("flow number %d is used again after %v", next.ID(), st.now.Sub(ended))
		}
		used[next.ID()] = true
		st.do(func() { next.Close(st.now) })
		f.alive(5 * time.Second)
	}
	st.clear()
	f.send(ack(out.ID(), enough, 2), wire.AppendFlowException(nil, wire.FlowException{FlowID: out.ID()}))
	if len(st.events) != 0 {
		t.Errorf("a completed flow tells %+v", st.events)
	}
	// One that nobody has heard of ends silently.
	st.clear()
	silent := f.openFlow(rtmfp.FlowConfig{})
	st.do(func() { silent.Close(st.now) })
	if len(st.userData()) != 0 || st.count(rtmfp.FlowCompleted) != 1 {
		t.Errorf("a flow without messages sends %v", st.numbers())
	}
}

func checkAckForms(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	_, outstanding := f.session.Window()
	if outstanding != 0 {
		t.Fatalf("%d bytes outstanding at first", outstanding)
	}
	send := func(n int) *rtmfp.SendFlow {
		out := f.openFlow(rtmfp.FlowConfig{})
		for i := range n {
			st.write(out, byte(i), 100, nil)
		}
		return out
	}
	out := send(6)
	f.send(wire.AppendAckBitmap(nil, wire.Ack{FlowID: out.ID(), Blocks: enough, Cumulative: 1}, []wire.Range{{From: 3, To: 4}, {From: 6, To: 6}}))
	if out.Queued() != 200 {
		t.Errorf("%d bytes are left after a bit map for 1, 3, 4 and 6 of 6, want 200", out.Queued())
	}
	out = send(8)
	cut := wire.AppendChunk(nil, wire.TypeAckRanges, []byte{byte(out.ID()), 0x7f, 1, 0, 1, 0, 0x83}) // 3 and 4, then half a pair
	f.send(cut)
	if out.Queued() != 500 {
		t.Errorf("%d bytes are left after 1, 3, 4 and a pair that is cut off, want 500", out.Queued())
	}
	// Numbers that were never sent.
	out = send(2)
	f.send(ack(out.ID(), enough, 1<<40, wire.Range{From: 1<<40 + 5, To: 1<<40 + 9}))
	if out.Queued() != 0 {
		t.Errorf("%d bytes left", out.Queued())
	}
	st.clear()
	st.write(out, 9, 100, nil)
	st.wantNumbers("after an optimistic acknowledgement", "3/2")
	if out.Queued() != 100 {
		t.Errorf("%d bytes are taken for unacknowledged, want 100", out.Queued())
	}
	f.send(ack(999, enough, 1)) // of no flow
	TestLateAcknowledgement(t)
}

// What was taken for lost and is acknowledged after all is not sent again.
func TestLateAcknowledgement(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	for i := range 4 {
		st.write(out, byte(i), 1000, nil)
	}
	st.run(4 * time.Second)
	st.clear()
	f.send(ack(out.ID(), enough, 4))
	f.alive(time.Minute)
	st.wantNumbers("after all was acknowledged")
	if _, outstanding := f.session.Window(); out.Queued() != 0 || outstanding != 0 {
		t.Errorf("%d bytes queued, %d outstanding", out.Queued(), outstanding)
	}
}
