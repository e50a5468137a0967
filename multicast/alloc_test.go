package multicast

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
)

// relayBench is a relay in steady state: neighbor 0 pushes all slices to it, and
// it pushes each to three others.
type relayBench struct {
	*loneEngine
	id   fragmenter.ID
	data []byte
	from overlay.PeerID
}

func newRelayBench(t testing.TB) *relayBench {
	e := newLoneEngine(t, false)
	e.uplink.SetRate(1e9)
	for i := 10; i < 46; i++ {
		e.HandleNeighbor(e.now, overlay.LinkInfo{Peer: peerID(i), Addr: peerID(i).Address(), Caps: CapMulticast, RTT: 40 * time.Millisecond})
		e.transport.heard[peerID(i)] = e.now
		e.handle(i, overlay.FlowStream, wire.AppendAnnouncement(nil, wire.Announcement{Name: "live", Key: e.key, StreamParams: wire.DefaultStreamParams()}))
	}
	b := &relayBench{loneEngine: e, id: 1000, from: peerID(0)}
	hold := NewWindow(DefaultWindowParams())
	for id := fragmenter.ID(990); id < b.id; id++ {
		hold.Insert(second, id, []byte{0, byte(id), 1}, SourcePush)
	}
	status := wire.AppendStatus(nil, wire.Status{Slots: 30, KeyFrame: 995, KeyFragments: 2, Free: 255, HasClock: true}, hold, 200)
	for i := range 40 {
		if i == 3 || i > 3 && i < 10 {
			continue
		}
		b.handle(i, overlay.FlowStreamExt, status)
	}
	for c := range sliceCount {
		b.handle(0, overlay.FlowStreamExt, wire.AppendAccept(nil, &wire.Accept{Slice: uint8(c), Start: b.id}))
		for i := 10; i < 13; i++ {
			b.handle(i, overlay.FlowStreamExt, wire.AppendRequest(nil, wire.Request{Slice: uint8(c), Start: b.id, Value: 8, Urgent: true}))
		}
	}
	if s := b.byKey[b.key]; s.used < 3*sliceCount {
		t.Fatalf("%d children", s.used)
	}
	for range 2000 {
		b.push()
	}
	return b
}

// push hands the next fragment in and sends it on.
func (b *relayBench) push() {
	f := fragmenter.Fragment{ID: b.id, Kind: fragmenter.KindWhole, Type: packager.MessageAudio, Timestamp: uint32(b.id * 7)}
	b.data = fragmenter.AppendFragment(b.data[:0], &f)
	b.data = append(b.data, 0xaf, 1)
	b.data = b.data[:min(cap(b.data), 960)]
	if len(b.data) < 960 {
		b.data = append(b.data, make([]byte, 960-len(b.data))...)
	}
	b.id++
	b.now = b.now.Add(7 * time.Millisecond)
	b.HandleMessage(b.now, b.from, b.key, overlay.FlowMedia, b.data)
	b.collect()
}

// hearAll makes it as if all neighbors had just been heard.
func (b *relayBench) hearAll() {
	for _, n := range b.neighbors {
		if n != nil {
			n.up = b.now
		}
	}
}

func (b *relayBench) collect() (packets int) {
	for _, ok := b.PollSend(); ok; _, ok = b.PollSend() {
	}
	for _, ok := b.PollEvent(); ok; _, ok = b.PollEvent() {
	}
	for _, ok := b.uplink.Poll(b.now); ok; _, ok = b.uplink.Poll(b.now) {
		packets++
	}
	return packets
}

// Taking a fragment in, choosing whom to push it to and sending it on allocates
// only what is handed to the application and, now and then, a slab.
func TestRelayingDoesNotAllocate(t *testing.T) {
	b := newRelayBench(t)
	s := b.byKey[b.key]
	s.play, s.assembler = nil, nil // a relay without an application
	for range 300 {
		b.push()
	}
	if got := testing.AllocsPerRun(2000, b.push); got > 0.1 {
		t.Errorf("%.2f allocations a fragment", got)
	}
}

// Choosing whom to pull from allocates nothing.
func TestPullChoiceDoesNotAllocate(t *testing.T) {
	b := newRelayBench(t)
	s := b.byKey[b.key]
	b.enter(b.now)
	s.win.Know(b.now, b.id+40)
	id := b.id
	got := testing.AllocsPerRun(1000, func() {
		s.win.at(id).mark = 0
		if s.holderFor(id, none) == 99 {
			t.Fatal("no such neighbor")
		}
	})
	if got != 0 {
		t.Errorf("%.2f allocations a choice", got)
	}
}

// A tick in which nothing happens allocates nothing but the state it sends.
func TestQuietTicksDoNotAllocate(t *testing.T) {
	b := newRelayBench(t)
	got := testing.AllocsPerRun(200, func() {
		b.now = b.now.Add(tick)
		b.hearAll()
		b.HandleTimeout(b.now)
		b.collect()
	})
	if got > 0.5 {
		t.Errorf("%.2f allocations a tick", got)
	}
}

func BenchmarkRelay(b *testing.B) {
	r := newRelayBench(b)
	s := r.byKey[r.key]
	s.play, s.assembler = nil, nil
	b.ReportAllocs()
	b.SetBytes(960)
	for b.Loop() {
		r.push()
	}
}

func BenchmarkPlay(b *testing.B) {
	r := newRelayBench(b)
	b.ReportAllocs()
	b.SetBytes(960)
	for b.Loop() {
		r.push()
	}
}

func BenchmarkTick(b *testing.B) {
	r := newRelayBench(b)
	b.ReportAllocs()
	for b.Loop() {
		r.now = r.now.Add(tick)
		r.hearAll()
		r.HandleTimeout(r.now)
		r.collect()
	}
}

func BenchmarkPullChoice(b *testing.B) {
	r := newRelayBench(b)
	s := r.byKey[r.key]
	r.enter(r.now)
	s.win.Know(r.now, r.id+40)
	b.ReportAllocs()
	for b.Loop() {
		s.holderFor(r.id, none)
	}
}

func BenchmarkHandleStatus(b *testing.B) {
	r := newRelayBench(b)
	status := wire.AppendStatus(nil, wire.Status{Slots: 30, KeyFrame: 995, KeyFragments: 2, Free: 255, HasClock: true}, r.byKey[r.key].win, statusLimit)
	from := peerID(11)
	b.ReportAllocs()
	for b.Loop() {
		r.HandleMessage(r.now, from, r.key, overlay.FlowStreamExt, status)
		r.collect()
	}
}
