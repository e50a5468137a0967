package rtmfp_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// bulk is a session in which the endpoint sends as much as it may over a path
// of 40 ms without loss. step acknowledges all that was sent in one packet for
// every second one, as receivers do, and returns how much the window has grown
// by and how many bytes were acknowledged.
type bulk struct {
	st  *stage
	f   *far
	out *rtmfp.SendFlow
	top wire.SequenceNumber
}

func newBulk(t *testing.T, config rtmfp.FlowConfig) *bulk {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	b := &bulk{st: st, f: f, out: f.openFlow(config)}
	st.do(func() {
		for range 200 {
			if err := b.out.Write(st.now, make([]byte, 50_000), nil); err != nil {
				t.Fatal(err)
			}
		}
	})
	return b
}

func (b *bulk) step(h wire.Header) (grown, acked int) {
	b.st.t.Helper()
	all := b.st.userData()
	b.st.clear()
	b.st.run(40 * time.Millisecond) // may let more out
	before, _ := b.f.session.Window()
	h.Mode, h.HasEcho, h.Echo = b.f.mode, true, b.st.tick()-10
	for i := range all {
		acked += len(all[i].Data) + 12
		b.top = all[i].SequenceNumber
		if i%2 == 1 || i == len(all)-1 {
			b.f.sendWith(h, ack(b.out.ID(), 60000, b.top))
		}
	}
	after, outstanding := b.f.session.Window()
	if outstanding > after+1200 {
		b.st.t.Errorf("%d bytes are outstanding with a window of %d", outstanding, after)
	}
	return after - before, acked
}

func checkCongestionWindow(t *testing.T) {
	b := newBulk(t, rtmfp.FlowConfig{})
	if limit, outstanding := b.f.session.Window(); outstanding < limit || outstanding > limit+1200 {
		t.Errorf("%d bytes go out at once with a window of %d", outstanding, limit)
	}
	for i := range 6 {
		grown, acked := b.step(wire.Header{})
		if grown > acked {
			t.Errorf("round trip %d: the window grows by %d for %d bytes acknowledged", i, grown, acked)
		}
		if grown < acked/2 && i > 1 {
			t.Errorf("round trip %d: the window grows by %d for %d bytes acknowledged: that is no slow start", i, grown, acked)
		}
	}
	// A loss halves it, or takes an eighth of a large one; a timeout shuts it.
	limit, outstanding := b.f.session.Window()
	b.f.send(ack(b.out.ID(), 60000, b.top, wire.Range{From: b.top + 2, To: b.top + 3}))
	b.f.send(ack(b.out.ID(), 60000, b.top, wire.Range{From: b.top + 2, To: b.top + 4}))
	b.f.send(ack(b.out.ID(), 60000, b.top, wire.Range{From: b.top + 2, To: b.top + 5}))
	if after, _ := b.f.session.Window(); after > outstanding*7/8+10 || after < outstanding/3 {
		t.Errorf("a loss with %d bytes outstanding takes the window from %d to %d", outstanding, limit, after)
	}
	b.st.run(5 * time.Second)
	if after, outstanding := b.f.session.Window(); after > 1460 || outstanding > 1460+1200 {
		t.Errorf("after a timeout the window is %d with %d bytes outstanding", after, outstanding)
	}
}

func checkCriticalFlags(t *testing.T) {
	st := newStage(t, nil)
	a, b := st.accept(farAddr, "Pa"), st.accept(otherAddr, "Pb")
	ping := wire.AppendChunk(nil, wire.TypePing, nil)
	flags := func(f *far) (tc, tcr bool) {
		st.clear()
		f.send(ping)
		h := st.sent[len(st.sent)-1].header
		return h.TimeCritical, h.TimeCriticalReverse
	}
	critical, plain := a.openFlow(rtmfp.FlowConfig{TimeCritical: true}), a.openFlow(rtmfp.FlowConfig{})
	for _, c := range []struct {
		flow *rtmfp.SendFlow
		want bool
	}{{critical, true}, {plain, false}} {
		st.clear()
		st.write(c.flow, 1, 10, nil)
		if got := st.sent[0].header.TimeCritical; got != c.want {
			t.Errorf("time-critical data %v goes out with TC %v", c.want, got)
		}
	}
	if tc, tcr := flags(a); tc || tcr {
		t.Errorf("a packet without such data has TC %v, TCR %v", tc, tcr)
	}
	a.sendWith(wire.Header{Mode: a.mode, TimeCritical: true}, ping)
	for _, c := range []struct {
		after      time.Duration
		own, other bool
	}{{0, false, true}, {700 * time.Millisecond, false, true}, {200 * time.Millisecond, false, false}} {
		st.run(c.after)
		if _, tcr := flags(a); tcr != c.own {
			t.Errorf("the sender of time-critical data is told to yield to itself")
		}
		if _, tcr := flags(b); tcr != c.other {
			t.Errorf("another sender is told to yield: %v, want %v", tcr, c.other)
		}
	}
	// With two that send such data each yields to the other.
	for _, f := range []*far{a, b, a} {
		f.sendWith(wire.Header{Mode: f.mode, TimeCritical: true}, ping)
	}
	for _, f := range []*far{a, b} {
		if _, tcr := flags(f); !tcr {
			t.Error("one of two senders of time-critical data is not told of the other")
		}
	}
}

func checkYielding(t *testing.T) {
	for _, c := range []struct {
		name     string
		critical bool
		reverse  bool
		// limits of what the window grows by in a round trip, for one that
		// begins with 4,380 bytes
		from, to float64
	}{
		{"nobody else", false, false, 0.4, 1.01},
		{"yields", false, true, 0.001, 0.11}, // 384 of 4,380 bytes
		{"both critical", true, true, 0.1, 0.4},
	} {
		b := newBulk(t, rtmfp.FlowConfig{TimeCritical: c.critical})
		for i := range 4 {
			before, _ := b.f.session.Window()
			grown, _ := b.step(wire.Header{TimeCriticalReverse: c.reverse})
			if share := float64(grown) / float64(before); i > 1 && (share < c.from || share > c.to) {
				t.Errorf("%s: round trip %d lets the window grow by %.3f of itself, want %.3f to %.3f", c.name, i, share, c.from, c.to)
			}
		}
		if c.reverse && !c.critical {
			// 800 ms later nobody has to yield any more.
			b.st.run(900 * time.Millisecond)
			b.f.send(ack(b.out.ID(), 60000, b.top))
		}
	}
}

// At most six packets of data go out before the first acknowledgement; later
// more do, but paced.
func checkBursts(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	out := f.openFlow(rtmfp.FlowConfig{})
	st.do(func() {
		for i := range 20 {
			_ = out.Write(st.now, bytes.Repeat([]byte{byte(i)}, 500), &rtmfp.Receipt{})
			// Each in a packet of its own.
			n, _, ok := st.PollTransmit(st.now, st.buf)
			if ok != (i < 6) {
				t.Errorf("packet %d of %d bytes goes out: %v", i, n, ok)
			}
		}
	})
	// An acknowledgement lets six more out.
	st.clear()
	f.send(ack(out.ID(), enough, 3))
	if got := len(st.sent); got == 0 || got > 6 {
		t.Errorf("%d packets after an acknowledgement", got)
	}
	b := newBulk(t, rtmfp.FlowConfig{})
	for range 8 {
		b.step(wire.Header{})
	}
	// With a wide window open at once, a small part of it goes out at once.
	limit, outstanding := b.f.session.Window()
	all := b.st.userData()
	b.st.clear()
	b.f.send(ack(b.out.ID(), 60000, all[len(all)-1].SequenceNumber))
	size := 0
	for _, p := range b.st.sent {
		size += p.size
	}
	if limit < 100_000 || outstanding < 100_000 || size == 0 || size > limit/8 {
		t.Errorf("%d bytes go out at once with a window of %d", size, limit)
	}
	b.st.run(40 * time.Millisecond)
	if _, outstanding := b.f.session.Window(); outstanding < limit/2 {
		t.Errorf("a round trip later only %d bytes are out with a window of %d", outstanding, limit)
	}
}

// What the old family of peers needs of the packets that an endpoint sends,
// beside what the profile does for it.
func checkOldPeers(t *testing.T) {
	st := newStage(t, nil)
	f := st.open(farAddr, "Pa")
	g := st.accept(otherAddr, "Pb")
	for _, s := range []*far{f, g} {
		out := s.openFlow(rtmfp.FlowConfig{})
		if out.ID() != 2 {
			t.Errorf("the first flow is number %d, want 2", out.ID())
		}
		st.write(out, 1, 5000, nil)
		s.send(data(wire.UserData{FlowID: 2, SequenceNumber: 3, Options: first("m")}))
		st.run(30 * time.Second)
	}
	for _, p := range st.sent {
		if !p.header.HasTimestamp {
			t.Errorf("a packet without a timestamp: %+v", p)
		}
		if p.has(wire.TypeAckBitmap) || p.has(0) || p.has(0xff) || p.has(wire.TypeBufferProbe) {
			t.Errorf("a packet with a chunk that old peers do not take: %+v", p.chunks)
		}
	}
	// A cookie of any length is echoed.
	for _, size := range []int{1, 64, 65, 255} {
		st.begin(st.farEPD("Pc"+string(rune('a'+size%20))), farAddr)
		cookie := bytes.Repeat([]byte{9}, size)
		h := st.newFar(farAddr, "Pc"+string(rune('a'+size%20)))
		h.answerHello(cookie)
		if got := st.iikeying().CookieEcho; !bytes.Equal(got, cookie) {
			t.Errorf("a cookie of %d bytes comes back as %x", size, got)
		}
	}
}
