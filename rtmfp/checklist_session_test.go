package rtmfp_test

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

func (st *stage) tick() uint16 { return uint16(int64(st.now) / 4e6) }

// The published trace of round trips, by way of echoes; then what is no sample.
func checkRoundTrips(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	ping := wire.AppendChunk(nil, wire.TypePing, nil)
	st.run(time.Minute)
	echo := func(ms int) time.Duration {
		st.run(4 * time.Millisecond) // so that no two echoes are equal
		f.sendWith(wire.Header{Mode: f.mode, HasEcho: true, Echo: st.tick() - uint16(ms/4)}, ping)
		rtt, _ := f.session.RTT()
		return rtt
	}
	for _, c := range []struct {
		sample int
		want   float64
	}{{100, 100}, {100, 100}, {120, 102.5}, {60, 97.1875}, {400, 135.0390625}, {8, 119.15918}, {0, 104.264282}} {
		if got := echo(c.sample); math.Abs(got.Seconds()*1e3-c.want) > 1e-4 {
			t.Errorf("after a sample of %d ms the round trip is %v, want %v ms", c.sample, got, c.want)
		}
	}
	before, _ := f.session.RTT()
	f.sendWith(wire.Header{Mode: f.mode, HasEcho: true, Echo: st.tick() + 2}, ping) // 65,534 ticks ago
	if after, _ := f.session.RTT(); after != before {
		t.Errorf("an echo from the future makes the round trip %v", after)
	}
	// The same echo again is no new sample.
	echo(200)
	before, _ = f.session.RTT()
	f.sendWith(wire.Header{Mode: f.mode, HasEcho: true, Echo: st.tick() - 50}, ping)
	if after, _ := f.session.RTT(); after != before {
		t.Errorf("a repeated echo makes the round trip %v", after)
	}
	// What was received more than 128 s ago is not echoed any more.
	f.sendWith(wire.Header{Mode: f.mode, HasTimestamp: true, Timestamp: 99}, ping)
	for range 8 {
		st.run(15 * time.Second)
		f.send(wire.AppendChunk(nil, 0, nil)) // a sign of life without a timestamp
	}
	st.run(7 * time.Second)
	st.clear()
	f.send(ping)
	if !st.sent[0].header.HasEcho {
		t.Error("no echo of what came 127 s ago")
	}
	st.run(2 * time.Second)
	st.clear()
	f.send(ping)
	if st.sent[0].header.HasEcho {
		t.Error("an echo of what came 129 s ago")
	}
}

func checkPings(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	for _, message := range [][]byte{nil, {0}, []byte("some message"), bytes.Repeat([]byte{'M'}, 25), make([]byte, 500)} {
		st.clear()
		f.send(wire.AppendChunk(nil, wire.TypePing, message))
		got := st.chunks(wire.TypePingReply)
		if len(got) != 1 || !bytes.Equal(got[0].Payload, message) || st.sent[0].at != st.now {
			t.Errorf("a ping of %d bytes is answered by %+v", len(message), got)
		}
	}
	st.clear()
	for _, message := range [][]byte{nil, []byte("unasked"), bytes.Repeat([]byte{'M'}, 25), append([]byte{'P'}, make([]byte, 8)...)} {
		f.send(wire.AppendChunk(nil, wire.TypePingReply, message))
	}
	if len(st.sent) != 0 || len(st.events) != 0 || f.session.FarAddr() != farAddr {
		t.Errorf("answers to no question cause %+v and %+v", st.sent, st.events)
	}
	TestPingsAreAnswered(t)
	st.do(func() { f.session.Close(st.now) })
	st.clear()
	f.send(wire.AppendChunk(nil, wire.TypePing, []byte("late")))
	if len(st.chunks(wire.TypePingReply)) != 0 {
		t.Error("a closing session answers pings")
	}
}

func checkMobility(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	ping := wire.AppendChunk(nil, wire.TypePing, nil)
	probe := func() []byte {
		var found []byte
		for _, p := range st.sent {
			if p.to == otherAddr && p.has(wire.TypePing) {
				found = p.chunks[slices.IndexFunc(p.chunks, func(c wire.Chunk) bool { return c.Type == wire.TypePing })].Payload
			}
		}
		return found
	}
	f.addr = otherAddr
	for range 20 {
		f.send(ping)
	}
	message := probe()
	if message == nil || f.session.FarAddr() != farAddr {
		t.Fatalf("no question at the new address, or moved to %v without an answer", f.session.FarAddr())
	}
	if got := len(st.chunks(wire.TypePing)); got != 1 {
		t.Errorf("%d questions within a second, want 1", got)
	}
	// An answer from elsewhere, one that is altered, and at last the true one.
	reply := wire.AppendChunk(nil, wire.TypePingReply, message)
	f.addr = stageAddr
	f.send(reply)
	f.addr = otherAddr
	forged := bytes.Clone(reply)
	forged[len(forged)-1] ^= 1
	f.send(forged)
	if f.session.FarAddr() != farAddr {
		t.Fatalf("moved to %v by a forged answer", f.session.FarAddr())
	}
	f.send(reply)
	if f.session.FarAddr() != otherAddr || st.count(rtmfp.AddressChanged) != 1 {
		t.Fatalf("the far end is still taken to be at %v", f.session.FarAddr())
	}
	// A replay does not bring it back, and too old an answer counts for nothing.
	f.addr = farAddr
	st.run(1100 * time.Millisecond)
	st.clear()
	f.send(ping)
	back := st.chunks(wire.TypePing)[0].Payload
	f.send(reply)
	st.run(121 * time.Second)
	f.send(wire.AppendChunk(nil, wire.TypePingReply, back))
	if f.session.FarAddr() != otherAddr {
		t.Errorf("moved to %v by an old answer", f.session.FarAddr())
	}
	// A packet that is not authentic asks nothing.
	st.clear()
	spoiled := datagram(f.peer, append([]byte{byte(f.mode)}, ping...))
	spoiled[len(spoiled)-1] ^= 1
	st.do(func() { st.HandleDatagrams(st.now, []rtmfp.Datagram{{Data: spoiled, From: stageAddr}}) })
	if len(st.sent) != 0 {
		t.Error("a damaged packet from elsewhere is followed up")
	}
}

func checkClose(t *testing.T) {
	request, done := wire.AppendChunk(nil, wire.TypeCloseRequest, nil), wire.AppendChunk(nil, wire.TypeCloseAck, []byte("extra payload"))
	// We close: requests every 5 s until 90 s.
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	st.do(func() { f.session.Close(st.now) })
	if f.session.State() != rtmfp.StateNearClose || st.last(rtmfp.SessionClosed).Err != nil {
		t.Fatalf("the session is %v", f.session.State())
	}
	st.clear()
	f.send(request) // both close at once
	if len(st.chunks(wire.TypeCloseAck)) != 1 || f.session.State() != rtmfp.StateNearClose {
		t.Errorf("a request while we close leaves %v", f.session.State())
	}
	st.clear()
	st.run(89 * time.Second)
	if got := len(st.chunks(wire.TypeCloseRequest)); got != 17 {
		t.Errorf("%d more requests in 89 s, want 17", got)
	}
	st.run(2 * time.Second)
	if f.session.State() != rtmfp.StateClosed || st.Sessions() != 0 {
		t.Errorf("after 91 s the session is %v", f.session.State())
	}
	// Answered at once.
	f = st.accept(farAddr, "Pa")
	st.do(func() { f.session.Close(st.now) })
	f.send(done)
	if f.session.State() != rtmfp.StateClosed {
		t.Errorf("after the answer the session is %v", f.session.State())
	}
	// The far end closes: answered for 19 s.
	f = st.accept(farAddr, "Pa")
	for range 3 {
		st.clear()
		f.send(request)
		if len(st.chunks(wire.TypeCloseAck)) != 1 || f.session.State() != rtmfp.StateFarCloseLinger {
			t.Errorf("a request is answered by %+v in %v", st.sent, f.session.State())
		}
		st.run(5 * time.Second)
	}
	f.send(wire.AppendChunk(nil, wire.TypePing, nil), data(wire.UserData{FlowID: 2, SequenceNumber: 1, Options: first("m")}))
	if st.run(3 * time.Second); f.session.State() != rtmfp.StateFarCloseLinger || len(st.acks()) != 0 {
		t.Errorf("after 18 s the session is %v", f.session.State())
	}
	st.run(2 * time.Second)
	if f.session.State() != rtmfp.StateClosed {
		t.Errorf("after 20 s the session is %v", f.session.State())
	}
	// The far end is gone without asking.
	f = st.accept(farAddr, "Pa")
	f.send(done)
	if f.session.State() != rtmfp.StateClosed || st.last(rtmfp.SessionClosed).Err == nil {
		t.Errorf("a bare acknowledgement leaves %v", f.session.State())
	}
	// We go without asking.
	f = st.accept(farAddr, "Pa")
	st.do(func() { f.session.Abort(st.now) })
	if len(st.chunks(wire.TypeCloseAck)) != 1 || f.session.State() != rtmfp.StateClosed {
		t.Errorf("an abrupt close sends %+v", st.sent)
	}
}

func checkEndOfFlows(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(st *stage, f *far)
	}{
		{"near close", func(st *stage, f *far) { st.do(func() { f.session.Close(st.now) }) }},
		{"abort", func(st *stage, f *far) { st.do(func() { f.session.Abort(st.now) }) }},
		{"far close", func(_ *stage, f *far) { f.send(wire.AppendChunk(nil, wire.TypeCloseRequest, nil)) }},
		{"far abort", func(_ *stage, f *far) { f.send(wire.AppendChunk(nil, wire.TypeCloseAck, nil)) }},
		{"silence", func(st *stage, _ *far) { st.run(3 * time.Minute) }},
	} {
		st := newStage(t, nil)
		f := st.accept(farAddr, "Pa")
		out := f.openFlow(rtmfp.FlowConfig{})
		var r rtmfp.Receipt
		st.write(out, 1, 5000, &r)
		f.send(data(wire.UserData{FlowID: 2, SequenceNumber: 2, Options: first("m"), Data: []byte("x")}))
		in := st.last(rtmfp.FlowOpened).Recv
		c.end(st, f)
		if st.count(rtmfp.SessionClosed) != 1 || out.IsOpen() || in.IsOpen() || !r.Abandoned() || f.session.Queued() != 0 {
			t.Errorf("%s: told %d times; flows open %v, %v; message given up %v", c.name, st.count(rtmfp.SessionClosed), out.IsOpen(), in.IsOpen(), r.Abandoned())
		}
		if err := out.Write(st.now, nil, nil); err != rtmfp.ErrClosed {
			t.Errorf("%s: writing returns %v", c.name, err)
		}
		if _, err := f.session.OpenFlow(st.now, rtmfp.FlowConfig{}); err != rtmfp.ErrClosed {
			t.Errorf("%s: opening a flow returns %v", c.name, err)
		}
		st.run(2 * time.Minute)
		st.clear()
		f.send(wire.AppendChunk(nil, wire.TypePing, nil))
		if len(st.sent) != 0 || st.Sessions() != 0 || st.PollTimeout() != reliability.Never {
			t.Errorf("%s: %d answers and %d sessions long after the end", c.name, len(st.sent), st.Sessions())
		}
	}
}

func checkKeepalive(t *testing.T) {
	st := newStage(t, nil)
	f := st.open(farAddr, "Pa")
	start := st.now
	st.run(69 * time.Second)
	var times []time.Duration
	for _, p := range st.sent {
		if p.has(wire.TypePing) {
			times = append(times, p.at.Sub(start))
		}
	}
	if len(times) < 5 || times[0] != 10*time.Second {
		t.Fatalf("pings after %v, want the first after 10 s", times)
	}
	previous := 250 * time.Millisecond // the least timeout: the handshake took no time here
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap < previous {
			t.Errorf("ping %d comes %v after the one before, want %v or more", i, gap, previous)
		} else {
			previous = gap
		}
	}
	if f.session.State() != rtmfp.StateOpen {
		t.Fatal("given up before a minute of unanswered questions")
	}
	st.run(2 * time.Second)
	if f.session.State() != rtmfp.StateClosed || st.last(rtmfp.SessionClosed).Err != rtmfp.ErrTimeout {
		t.Errorf("the session is %v after 71 s of silence", f.session.State())
	}
	// Any packet is a sign of life.
	f = st.open(farAddr, "Pa")
	for range 100 {
		st.run(9 * time.Second)
		f.send(wire.AppendChunk(nil, 0, nil))
	}
	if got := len(st.chunks(wire.TypePing)); got != 0 || f.session.State() != rtmfp.StateOpen {
		t.Errorf("%d pings to a far end that is heard of", got)
	}
	TestLongKeepaliveAsksFirst(t)
}
