package rtmfp_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

func checkSessionIDs(t *testing.T) {
	st := newStage(t, nil)
	seen := map[wire.SessionID]bool{}
	for i := range 200 {
		f := st.accept(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1), "P"+string(rune('A'+i)))
		if f.peer == 0 || seen[f.peer] {
			t.Fatalf("session ID %x is zero or taken", f.peer)
		}
		seen[f.peer] = true
	}
	// Packets of unknown sessions and of less than eight bytes are dropped.
	before := st.Stats().Undecipherable
	for n := range 12 {
		st.do(func() { st.HandleDatagrams(st.now, []rtmfp.Datagram{{Data: make([]byte, n), From: farAddr}}) })
	}
	st.inject(farAddr, 0x12345678, []byte{1})
	if got := st.Stats().Undecipherable - before; got != 13 || len(st.sent) != 0 {
		t.Errorf("%d of 13 datagrams are dropped, %d answers", got, len(st.sent))
	}
	// A peer that calls its session zero is not answered.
	f := st.newFar(farAddr, "Pzero")
	cookie := f.cookie()
	f.id = 0
	st.clear()
	st.startup(farAddr, 0, f.keying(cookie, 1))
	if len(st.sent) != 0 {
		t.Error("a session with the far ID 0 is opened")
	}
}

func checkModes(t *testing.T) {
	ping := wire.AppendChunk(nil, wire.TypePing, []byte("q"))
	hello := wire.AppendIHello(nil, wire.IHello{EPD: anyServer, Tag: []byte("tag")})
	for _, initiator := range []bool{false, true} {
		st := newStage(t, nil)
		var f *far
		if initiator {
			f = st.open(farAddr, "Pa")
		} else {
			f = st.accept(farAddr, "Pa")
		}
		for mode := range wire.Mode(4) {
			st.clear()
			f.sendWith(wire.Header{Mode: mode}, hello, ping)
			if got := len(st.chunks(wire.TypePingReply)); (got == 1) != (mode == f.mode) || len(st.chunks(wire.TypeRHello)) != 0 {
				t.Errorf("initiator %v: %d answers in mode %d, the far end's is %d", initiator, got, mode, f.mode)
			}
			for _, p := range st.sent {
				if p.header.Mode == f.mode || p.header.Mode == wire.ModeStartup {
					t.Errorf("sent in mode %d", p.header.Mode)
				}
			}
		}
	}
	// Startup chunks in another mode, and others in the startup.
	st := newStage(t, nil)
	for mode := range wire.Mode(3) {
		st.inject(farAddr, 0, append([]byte{byte(mode)}, hello...))
	}
	st.startup(farAddr, 0, ping, wire.AppendChunk(nil, wire.TypeCloseRequest, nil), data(wire.UserData{FlowID: 2, SequenceNumber: 1, Options: first("m")}))
	if len(st.sent) != 0 {
		t.Errorf("answered with %+v", st.sent)
	}
	st.startup(farAddr, 0, ping, hello)
	if len(st.chunks(wire.TypeRHello)) != 1 {
		t.Error("a chunk of the wrong mode spoils those after it")
	}
}

func checkPadding(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	ping := wire.AppendChunk(nil, wire.TypePing, []byte("q"))
	for _, c := range []struct {
		name    string
		before  []byte
		after   []byte
		answers int
	}{
		{"nothing", nil, nil, 1},
		{"one byte", nil, []byte{0xff}, 1},
		{"two bytes", nil, []byte{1, 0}, 1},
		{"a long run of ff", nil, bytes.Repeat([]byte{0xff}, 15), 1},
		{"a length beyond the end", nil, []byte{1, 0, 9, 'x'}, 1},
		{"padding chunks before", slices.Concat(wire.AppendChunk(nil, 0, make([]byte, 9)), wire.AppendChunk(nil, 0xff, make([]byte, 40))), nil, 1},
		{"a length beyond the end before", []byte{1, 0xff, 0xff}, nil, 0},
	} {
		st.clear()
		f.send(c.before, ping, c.after)
		if got := len(st.chunks(wire.TypePingReply)); got != c.answers {
			t.Errorf("%s: %d answers, want %d", c.name, got, c.answers)
		}
	}
}

func checkChunks(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	ping := wire.AppendChunk(nil, wire.TypePing, []byte("q"))
	for _, kind := range []byte{wire.TypeUserData, wire.TypeNextUserData, wire.TypeAckRanges, wire.TypeAckBitmap, wire.TypeBufferProbe, wire.TypeFlowException, wire.TypeFIHello, wire.TypePacketFragment} {
		for _, payload := range [][]byte{nil, {0x80}, {0x00, 0x80, 0x80}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
			st.clear()
			f.send(wire.AppendChunk(nil, kind, payload), ping)
			if got := len(st.chunks(wire.TypePingReply)); got != 1 {
				t.Errorf("%d answers after a chunk of type %#x with %x", got, kind, payload)
			}
		}
	}
	for kind := range 256 {
		switch kind {
		case wire.TypeCloseRequest, wire.TypeCloseAck, wire.TypePing:
			continue
		}
		st.clear()
		f.send(wire.AppendChunk(nil, byte(kind), []byte{9, 9, 9}), ping)
		if got := len(st.chunks(wire.TypePingReply)); got != 1 {
			t.Errorf("%d answers after a chunk of type %#x", got, kind)
		}
	}
}

// The echo is there only when it has changed. The timestamp always is, since
// part of the deployed peers needs it.
func checkTimestamps(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	ping := wire.AppendChunk(nil, wire.TypePing, nil)
	answer := func(h wire.Header) wire.Header {
		st.clear()
		f.sendWith(h, ping)
		return st.sent[len(st.sent)-1].header
	}
	tick := func() uint16 { return uint16(int64(st.now) / 4e6) }
	if h := answer(wire.Header{Mode: f.mode}); !h.HasTimestamp || h.Timestamp != tick() || h.HasEcho {
		t.Errorf("without any timestamp the answer has %+v", h)
	}
	if h := answer(wire.Header{Mode: f.mode, HasTimestamp: true, Timestamp: 0xfff0}); !h.HasEcho || h.Echo != 0xfff0 {
		t.Errorf("a new timestamp is answered by %+v", h)
	}
	if h := answer(wire.Header{Mode: f.mode, HasTimestamp: true, Timestamp: 0xfff0}); h.HasEcho || !h.HasTimestamp {
		t.Errorf("the same again is answered by %+v", h)
	}
	st.run(100 * time.Millisecond)
	if h := answer(wire.Header{Mode: f.mode}); !h.HasEcho || h.Echo != 0x0009 {
		t.Errorf("100 ms later the echo is %04x, want 0009: it advances by what it was held", h.Echo)
	}
	// Both fields, and an echo alone.
	if h := answer(wire.Header{Mode: f.mode, HasTimestamp: true, Timestamp: 7, HasEcho: true, Echo: tick() - 10}); h.Echo != 7 {
		t.Errorf("echo %04x, want 0007", h.Echo)
	}
	if rtt, known := f.session.RTT(); !known || rtt != 40*time.Millisecond {
		t.Errorf("round trip %v by an echo of 10 ticks, want 40 ms", rtt)
	}
	answer(wire.Header{Mode: f.mode, HasEcho: true, Echo: tick() - 12})
	if rtt, _ := f.session.RTT(); rtt != 41*time.Millisecond {
		t.Errorf("round trip %v after one of 48 ms, want 41 ms", rtt)
	}
}
