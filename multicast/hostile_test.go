package multicast

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// loneEngine is an engine with some neighbors that say what a test wants.
type loneEngine struct {
	*Engine
	t         testing.TB
	now       reliability.Time
	transport *fakeTransport
	uplink    *Uplink
	key       StreamKey
	sent      []Send
}

func newLoneEngine(t testing.TB, publisher bool) *loneEngine {
	transport := &fakeTransport{rtt: 40 * time.Millisecond, heard: map[overlay.PeerID]reliability.Time{}}
	u := NewUplink(UplinkParams{Rate: 1e6, Transport: transport})
	p := DefaultParams()
	p.WindowDuration, p.RelayMarginDuration, p.FetchPeriod = 4*time.Second, time.Second, time.Second
	e := &loneEngine{t: t, now: second, transport: transport, uplink: u, key: StreamKey{7, 7, 7}}
	e.Engine = NewEngine(e.now, EngineConfig{
		Self: peerID(100), Params: p, Rand: rand.New(rand.NewPCG(1, 1)), Entropy: entropy{rand.New(rand.NewPCG(1, 2))},
		Transport: transport, Uplink: u, Caps: CapMulticast,
	})
	for i := range 4 {
		caps := uint64(CapMulticast)
		if i == 3 {
			caps = 0
		}
		e.HandleNeighbor(e.now, overlay.LinkInfo{Peer: peerID(i), Addr: peerID(i).Address(), Caps: caps, RTT: 40 * time.Millisecond})
		transport.heard[peerID(i)] = e.now
	}
	if publisher {
		e.key, _ = e.Publish(e.now, "live", PublishOptions{})
	} else {
		e.Play(e.now, "live", PlayOptions{})
	}
	for i := range 4 {
		e.handle(i, overlay.FlowStream, wire.AppendAnnouncement(nil, wire.Announcement{Name: "live", Key: e.key, StreamParams: wire.DefaultStreamParams()}))
	}
	return e
}

func (e *loneEngine) handle(from int, f overlay.Flow, b []byte) {
	e.transport.heard[peerID(from)] = e.now
	e.HandleMessage(e.now, peerID(from), e.key, f, b)
	e.drain()
}

// drain takes everything out and checks what must always hold.
func (e *loneEngine) drain() {
	e.sent = e.sent[:0]
	for s, ok := e.PollSend(); ok; s, ok = e.PollSend() {
		e.sent = append(e.sent, s)
		if len(e.sent) > 2000 {
			e.t.Fatal("one mutation makes more than 2000 messages")
		}
	}
	for _, ok := e.PollReject(); ok; _, ok = e.PollReject() {
	}
	for _, ok := e.PollPing(); ok; _, ok = e.PollPing() {
	}
	for _, ok := e.PollEvent(); ok; _, ok = e.PollEvent() {
	}
	for _, ok := e.uplink.Poll(e.now); ok; _, ok = e.uplink.Poll(e.now) {
	}
	if len(e.streams) > maxStreams {
		e.t.Fatalf("%d streams", len(e.streams))
	}
	for _, s := range e.streams {
		e.check(s)
	}
}

func (e *loneEngine) check(s *stream) {
	if len(s.pulls) > joinInFlight {
		e.t.Fatalf("%d pulls in flight", len(s.pulls))
	}
	if !s.active {
		return
	}
	if span := s.win.known + 1 - s.win.base; s.win.base > 0 && span > 1<<16 {
		e.t.Fatalf("the window spans %d fragments", span)
	}
	used := 0
	for c := range s.slices {
		sl := &s.slices[c]
		if len(sl.children) > len(e.neighbors) {
			e.t.Fatalf("slice %d has %d children of %d neighbors", c, len(sl.children), len(e.neighbors))
		}
		asking := 0
		for i := range s.peers {
			if s.isAsked(c, int16(i)) {
				asking++
			}
			if fed := sl.childIndex(int16(i)) >= 0; fed != (s.peers[i].feeds&(1<<c) != 0) {
				e.t.Fatalf("slice %d: neighbor %d is a child %v, its bit says otherwise", c, i, fed)
			}
			if owns := sl.parent == int16(i); owns != (s.peers[i].owns&(1<<c) != 0) {
				e.t.Fatalf("slice %d: neighbor %d is the parent %v, its bit says otherwise", c, i, owns)
			}
		}
		if asking != int(sl.asking) {
			e.t.Fatalf("slice %d: %d were asked, %d are counted", c, asking, sl.asking)
		}
		for i := range sl.children {
			if ch := &sl.children[i]; ch.stop == 0 && !ch.partial {
				used++
			}
		}
	}
	if used != s.used {
		e.t.Fatalf("%d slots used, %d counted", used, s.used)
	}
}

func (e *loneEngine) pass(d time.Duration) {
	end := e.now.Add(d)
	for e.now < end {
		e.now = min(end, max(e.PollTimeout(), e.now+1))
		e.HandleTimeout(e.now)
		e.drain()
	}
}

// FuzzEngine throws a script of messages at an engine: whatever neighbors send,
// its books stay right and what it keeps is bounded.
func FuzzEngine(f *testing.F) {
	add := func(messages ...[]byte) { f.Add(bytes.Join(messages, nil)) }
	step := func(op, from byte, b []byte) []byte { return append([]byte{op, from, byte(len(b))}, b...) }
	hold := NewWindow(DefaultWindowParams())
	for id := fragmenter.ID(1); id < 20; id++ {
		hold.Insert(second, id, []byte{0, byte(id), 1}, SourcePush)
	}
	status := wire.AppendStatus(nil, wire.Status{Slots: 9, KeyFrame: 3, KeyFragments: 2, Free: 255, HasClock: true}, hold, 200)
	var tags wire.Tags
	tags.Add(5)
	add(step(1, 0, status), step(0, 0, nil), step(1, 0, wire.AppendAccept(nil, &wire.Accept{Slice: 3, Start: 20, Ancestors: tags})),
		step(2, 0, append([]byte{0x20, 27, 8, 0, 0, 0, 1}, 0xaf, 1, 9)), step(1, 0, wire.AppendEvict(nil, wire.Evict{Slice: 3, Stop: 30})))
	add(step(1, 1, status), step(1, 1, wire.AppendRequest(nil, wire.Request{Slice: 2, Start: 5, Value: 9, Urgent: true})),
		step(1, 1, wire.AppendPullList(nil, []fragmenter.ID{1, 2, 3})), step(1, 1, wire.AppendStop(nil, wire.Stop{Slice: 2})))
	add(step(3, 3, wire.AppendMap(nil, hold)), step(0, 9, nil), step(3, 3, wire.AppendMask(nil, wire.MaskOf(255))), step(3, 3, wire.AppendPull(nil, 4)))
	add(step(1, 2, wire.AppendNotHeld(nil, []fragmenter.ID{9})), step(1, 2, wire.AppendBusy(nil, time.Second, nil)),
		step(1, 2, wire.AppendLost(nil, []wire.Range{{First: 3, Last: 9}})), step(3, 1, wire.AppendEnd(nil, 99)), step(4, 1, nil), step(5, 2, nil), step(6, 2, nil))
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, publisher := range []bool{false, true} {
			e := newLoneEngine(t, publisher)
			if publisher {
				for i := range 20 {
					e.Write(e.now, e.key, packager.NewMessage(packager.MessageAudio, uint32(i), []byte{0xaf, 1, byte(i)}))
					e.drain()
				}
			}
			e.run(script)
			e.pass(300 * time.Millisecond)
		}
	})
}

// run carries out a script: operation, neighbor, length, bytes.
func (e *loneEngine) run(script []byte) {
	for n := 0; len(script) >= 3 && n < 200; n++ {
		op, from, size := script[0]%8, int(script[1]%4), min(int(script[2]), len(script)-3)
		b := script[3 : 3+size]
		script = script[3+size:]
		switch op {
		case 0:
			e.pass(time.Duration(from+1) * 70 * time.Millisecond)
		case 1:
			e.handle(from, overlay.FlowStreamExt, b)
		case 2:
			e.handle(from, overlay.FlowMedia, b)
		case 3:
			e.handle(from, overlay.FlowStream, b)
		case 4:
			e.HandleStreamClosed(e.now, peerID(from), e.key, overlay.FlowStream)
			e.drain()
		case 5:
			e.HandleNeighborGone(e.now, peerID(from))
			e.drain()
		case 6:
			e.HandleNeighbor(e.now, overlay.LinkInfo{Peer: peerID(from), Addr: peerID(from).Address(), Caps: CapMulticast * uint64(len(b)%2)})
			e.drain()
		case 7:
			e.HandleStreamClosed(e.now, peerID(from), e.key, overlay.FlowMedia)
			e.drain()
		}
	}
}

// A single fragment with a number from far away neither moves the window nor
// makes the stream wait.
func TestFarNumbersAreNotBelieved(t *testing.T) {
	e := newLoneEngine(t, false)
	hold := NewWindow(DefaultWindowParams())
	for id := fragmenter.ID(1000); id < 1020; id++ {
		hold.Insert(second, id, []byte{0, byte(id), 1}, SourcePush)
	}
	e.handle(0, overlay.FlowStreamExt, wire.AppendStatus(nil, wire.Status{Slots: 9, KeyFrame: 1000, KeyFragments: 2}, hold, 200))
	s := e.byKey[e.key]
	known := s.win.known
	if known != 1019 {
		t.Fatalf("joined at %d", known)
	}
	far := func(id fragmenter.ID) []byte {
		f := fragmenter.Fragment{ID: id, Kind: fragmenter.KindWhole, Type: packager.MessageAudio, Payload: []byte{0xaf, 1, 2}}
		return fragmenter.AppendFragment(nil, &f)
	}
	for _, id := range []fragmenter.ID{1 << 40, 1 << 61, 9999, 1} {
		e.handle(1, overlay.FlowMedia, far(id))
	}
	e.handle(1, overlay.FlowStream, wire.AppendEnd(nil, 1<<50))
	if s.win.known != known || s.end != 0 || s.counts.outOfWindow < 4 {
		t.Errorf("known %d, end %d, %d refused", s.win.known, s.end, s.counts.outOfWindow)
	}
	e.handle(1, overlay.FlowMedia, far(1020))
	if !s.win.Has(1020) {
		t.Error("the next fragment was not taken")
	}
}
