package overlay

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// sent returns the messages for a peer among actions, with their flows.
func sent(acts []Action, to PeerID) (flows []Flow, messages [][]byte) {
	for _, a := range acts {
		if a.Kind == ActionSend && a.Peer == to {
			flows = append(flows, a.Flow)
			messages = append(messages, a.Data)
		}
	}
	return flows, messages
}

// kinds returns the types of messages.
func kinds(messages [][]byte) (b []byte) {
	for _, m := range messages {
		b = append(b, m[0])
	}
	return b
}

// A peer of another implementation, which announces no extensions, is answered
// in the order that it insists on: connect, 02, 0e, and a report when it is
// ready. Nothing of ours goes to it.
func TestAnswersPlainPeer(t *testing.T) {
	for _, caps := range []uint64{0, CapOverlay | CapMulticast} {
		b := newBare(t, caps)
		id := testID(1)
		b.session(id, 1)
		flows, messages := sent(b.message(id, FlowMember, b.connect(id, 1, 0)), id)
		if !bytes.Equal(kinds(messages), []byte{0x01, 0x02, 0x0e}) || slices.ContainsFunc(flows, func(f Flow) bool { return f != FlowMember }) {
			t.Fatalf("caps %x: answers %x on %v", caps, kinds(messages), flows)
		}
		c, err := owire.ParseConnect(messages[0])
		_, far := nonces(id, 1)
		if err != nil || c.Receiver != id || c.Group != b.ring.group || c.Proof != owire.Proof(b.ring.key, far) || c.Caps != caps {
			t.Errorf("caps %x: connect %+v, %v", caps, c, err)
		}
		if caps == 0 && len(messages[0]) != 137 {
			t.Errorf("a plain connect has %d bytes, want 137", len(messages[0]))
		}
		b.message(id, FlowMember, []byte{0x02})
		if len(b.evts) != 0 {
			t.Errorf("caps %x: %+v before the peer is ready", caps, b.evts)
		}
		flows, messages = sent(b.message(id, FlowMember, []byte{0x0e}), id)
		if !bytes.Equal(kinds(messages), []byte{0x0a}) || flows[0] != FlowMember {
			t.Fatalf("caps %x: readiness is answered with %x on %v", caps, kinds(messages), flows)
		}
		if b.evts[0].Kind != EventNeighborUp || b.evts[0].Link.Peer != id || b.evts[0].Link.Caps != 0 {
			t.Errorf("caps %x: event %+v", caps, b.evts[0])
		}
		m, err := owire.ParseReport(messages[0])
		if err != nil || !m.Seen.IsValid() || m.Seen.Origin != wire.OriginObserved || len(m.Entries) != 1 || m.Entries[0].Peer != id {
			t.Errorf("caps %x: report %+v, %v", caps, m, err)
		}
		// Its own report, sent before it had ours, is no question.
		if acts := b.message(id, FlowMember, owire.AppendReport(nil, owire.Report{Entries: []owire.Entry{{Peer: b.ring.self}}})); len(acts) != 0 {
			t.Errorf("caps %x: both reported first, and the answer is %+v", caps, acts)
		}
		// A later one is, and its answer is none.
		b.pass(6 * time.Second)
		b.ring.links[0].set(linkStarted, false)
		_, messages = sent(b.message(id, FlowMember, owire.AppendReport(nil, owire.Report{})), id)
		if !bytes.Equal(kinds(messages), []byte{0x0a}) {
			t.Errorf("caps %x: a report is answered with %x", caps, kinds(messages))
		}
	}
}

// A node that dials speaks first, all three messages at once.
func TestSpeaksFirst(t *testing.T) {
	b := newBare(t, CapOverlay)
	id := testID(1)
	addr := wire.Address{AddrPort: netip.MustParseAddrPort("198.51.100.1:1935"), Origin: wire.OriginRelay}
	b.ring.HandleMember(b.now, id, []wire.Address{addr})
	b.drain()
	b.now = b.ring.PollTimeout()
	b.ring.HandleTimeout(b.now)
	acts := b.drain()
	if len(acts) != 1 || acts[0].Kind != ActionDial || acts[0].Peer != id || !slices.Equal(acts[0].Addrs, []wire.Address{addr}) {
		t.Fatalf("a member is heard of: %+v", acts)
	}
	near, far := nonces(id, 1)
	b.ring.HandleSession(b.now, SessionInfo{Peer: id, Initiator: true, NearNonce: near, FarNonce: far})
	flows, messages := sent(b.drain(), id)
	if !bytes.Equal(kinds(messages), []byte{0x01, 0x02, 0x0e}) || flows[0] != FlowMember {
		t.Fatalf("says %x on %v", kinds(messages), flows)
	}
	if c, err := owire.ParseConnect(messages[0]); err != nil || c.Caps != CapOverlay {
		t.Errorf("connect %+v, %v", c, err)
	}
	b.message(id, FlowMember, b.connect(id, 1, CapOverlay))
	flows, messages = sent(b.message(id, FlowMember, []byte{0x0f}), id)
	if !bytes.Equal(kinds(messages), []byte{0x50, 0x0a}) || flows[0] != FlowOverlay {
		t.Errorf("to one of our kind %x on %v", kinds(messages), flows)
	}
	if l, ok := b.ring.Link(id); !ok || !l.Outbound || !l.Ready || !l.Nearest || l.Caps != CapOverlay || l.Side != 1 {
		t.Errorf("link %+v, %v", l, ok)
	}
	b.pass(50 * time.Millisecond)
	if !b.ring.IsReady() {
		t.Error("with the only member linked the ring is not ready")
	}
}

// A newcomer that comes in over the cap is refused with hints, each kind of peer
// in its own way; one that would be a ring neighbor is not.
func TestRefuses(t *testing.T) {
	b := newBare(t, CapOverlay)
	n := uint32(0)
	next := func(ring bool) PeerID {
		for {
			n++
			if id := testID(n); b.ring.wouldBeRing(id.Address().Top()) == ring {
				return id
			}
		}
	}
	for len(b.ring.links) < 6 {
		b.link(next(true), CapOverlay)
	}
	fill := func() {
		for len(b.ring.links) < b.ring.degreeCap() {
			b.link(next(false), CapOverlay)
		}
	}
	fill()
	id := next(false)
	b.session(id, 1)
	flows, messages := sent(b.message(id, FlowMember, b.connect(id, 1, 0)), id)
	if !bytes.Equal(kinds(messages), []byte{0x01, 0x0a, 0x0c}) || slices.Contains(flows, FlowOverlay) {
		t.Errorf("a plain peer is refused with %x", kinds(messages))
	}
	if m, err := owire.ParseReport(messages[1]); err != nil || len(m.Entries) < 8 {
		t.Errorf("hints %+v, %v", m, err)
	}
	b.pass(refusedLimit)
	if len(b.ring.pending) != 0 {
		t.Error("the refused session is kept")
	}

	fill() // the estimate, and the cap with it, has moved
	id = next(false)
	b.session(id, 1)
	flows, messages = sent(b.message(id, FlowMember, b.connect(id, 1, CapOverlay)), id)
	if !bytes.Equal(kinds(messages), []byte{0x01, 0x52}) || !slices.Equal(flows, []Flow{FlowMember, FlowOverlay}) {
		t.Errorf("one of our kind is refused with %x", kinds(messages))
	}
	b.ring.HandleFlowClosed(b.now, id, FlowMember)
	b.drain()

	size := len(b.ring.links)
	b.link(next(true), CapOverlay)
	if len(b.ring.links) > size {
		t.Errorf("a ring neighbor came in and nobody else went: %d links, then %d", size, len(b.ring.links))
	}
	if st := b.ring.Stats(); st.Refused != 3 {
		t.Errorf("refused %d", st.Refused)
	}
}

// A neighbor that asks to part is let go unless it fills a slot.
func TestDisconnectRequest(t *testing.T) {
	b := newBare(t, 0)
	for n := uint32(1); n <= 7; n++ {
		b.link(testID(n), 0)
	}
	b.pass(time.Second)
	asked := 0
	for n := uint32(1); n <= 7; n++ {
		id := testID(n)
		l, _ := b.ring.Link(id)
		acts := b.message(id, FlowMember, []byte{0x0c})
		released := slices.ContainsFunc(acts, func(a Action) bool { return a.Kind == ActionRelease && a.Peer == id })
		if released == (l.Side != 0) {
			t.Errorf("side %d: released %v", l.Side, released)
		}
		if released {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d of 7 were let go", asked)
	}
}

// A member that comes back on the same session after it closed the relation is
// taken again: the proofs are those of the session.
func TestRelationComesBack(t *testing.T) {
	b := newBare(t, CapOverlay)
	id := testID(1)
	b.link(id, CapOverlay)
	b.ring.HandleFlowClosed(b.now, id, FlowMember)
	b.drain()
	if len(b.ring.links) != 0 || b.evts[0].Kind != EventNeighborDown {
		t.Fatalf("%d links, %+v", len(b.ring.links), b.evts)
	}
	b.link(id, 0)
}

// Half of the members speak the plain protocol only: the ring is right, and none
// of them gets what it does not know.
func TestMixedKinds(t *testing.T) {
	s := newSim(t, simOptions{seed: 31, loss: 0.01, nearest: true, tune: func(i int, c *RingConfig) {
		if i%2 == 0 {
			c.Caps = CapOverlay
		}
	}})
	s.fill(100, 10*time.Millisecond)
	plain := &hostile{handle: func(s *sim, n *simNode, _ PeerID, f Flow, data []byte) bool {
		if f != FlowMember || !slices.Contains([]byte{0x01, 0x02, 0x0a, 0x0c, 0x0e, 0x0f}, data[0]) {
			s.t.Errorf("plain node %d gets %x on %v", n.index, data[0], f)
		}
		return false
	}}
	for i, n := range s.nodes {
		if i%2 == 1 {
			n.hostile = plain
		}
	}
	s.run(60 * time.Second)
	s.check()
	if w := s.honestRing(); w.six != w.nodes {
		t.Errorf("seed 31: %v", w)
	}
}

// FuzzRingHandleMessage plays scripts of what peers may do. Whatever they do,
// the ring keeps to its bounds and holds together.
func FuzzRingHandleMessage(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, owire.AppendReport(nil, owire.Report{Entries: []owire.Entry{{Peer: testID(9), Age: 3}}}))
	f.Add([]byte{0x10, 0x20, 0x31, 0x42, 0x53, 0x64, 0x75}, owire.AppendNeighbors(nil, owire.Neighbors{List: []owire.Neighbor{{Prefix: 5}}}))
	f.Add([]byte{0x80, 0x91, 0xa2, 0xb3}, owire.AppendRelayOpen(nil, owire.RelayOpen{Circuit: 1, Target: testID(2)}))
	f.Add([]byte{0x80, 0x91, 0xa2, 0xb3, 0xc0, 0xd1}, owire.AppendRefuse(nil, owire.Refuse{}))
	f.Fuzz(func(t *testing.T, script, m []byte) {
		b := newBare(t, CapOverlay)
		for n := uint32(1); n <= 8; n++ {
			b.link(testID(n), uint64(n%2)*CapOverlay)
		}
		for _, c := range script[:min(len(script), 64)] {
			id := testID(uint32(c&15) + 1)
			switch c >> 4 {
			case 0, 1, 2:
				b.message(id, FlowMember, m)
			case 3, 4, 5:
				b.message(id, FlowOverlay, m)
			case 6:
				b.session(id, 1)
			case 7:
				b.message(id, FlowMember, b.connect(id, 1, CapOverlay))
			case 8:
				b.message(id, FlowMember, []byte{0x0e})
			case 9:
				b.ring.HandleFlowClosed(b.now, id, FlowMember)
			case 10:
				b.ring.HandleSessionClosed(b.now, id)
			case 11:
				b.ring.HandleDialFailed(b.now, id, DialError(len(m)%5))
			case 12:
				b.ring.AddNeighbor(b.now, id)
			case 13:
				b.ring.HandlePong(b.now, id)
			case 14:
				b.pass(time.Duration(c&15+1) * 200 * time.Millisecond)
			case 15:
				b.ring.SendRelay(b.now, uint64(c&15), m)
				b.message(id, FlowMember, []byte{0x0c})
			}
			b.drain()
		}
		b.pass(3 * time.Second)
		b.ring.Leave(b.now)
		b.drain()
	})
}

// A peer that learned the receive mode from the proof is told when it changes
// before the link stands, and a node that leaves answers for nothing more.
func TestModeChangesWhileConnecting(t *testing.T) {
	b := newBare(t, CapOverlay)
	b.ring.SetNearest(b.now, true)
	b.pass(readyPatience - time.Second/2)
	id := testID(1)
	b.session(id, 1)
	_, messages := sent(b.message(id, FlowMember, b.connect(id, 1, CapOverlay)), id)
	if !bytes.Equal(kinds(messages), []byte{0x01, 0x02, 0x0e}) {
		t.Fatalf("before it is ready the node answers %x", kinds(messages))
	}
	b.pass(time.Second)
	if !b.ring.TakesNearest() {
		t.Fatal("the node is not ready in time")
	}
	flows, messages := sent(b.message(id, FlowMember, owire.AppendReady(nil, false)), id)
	told := false
	for i, m := range messages {
		told = told || flows[i] == FlowMember && m[0] == owire.TypeReadyNearest
	}
	if !told {
		t.Errorf("the neighbor is told %x on %v, and never of the mode NEAREST", kinds(messages), flows)
	}
	b.ring.Leave(b.now)
	b.drain()
	if b.ring.TakesNearest() {
		t.Error("a node that has left is the nearest to everything")
	}
}

// A node without any link looks at once for a member that an introducer names,
// however long its pause has become: a publisher comes back so.
func TestLonelyNodeBelievesIntroducer(t *testing.T) {
	b := newBare(t, CapOverlay)
	id := testID(1)
	addr := wire.Address{AddrPort: netip.MustParseAddrPort("198.51.100.1:1935"), Origin: wire.OriginRelay}
	dialed := func(within time.Duration) bool {
		for end := b.now.Add(within); b.ring.PollTimeout() <= end; {
			b.now = max(b.now, b.ring.PollTimeout())
			b.ring.HandleTimeout(b.now)
			if slices.ContainsFunc(b.drain(), func(a Action) bool { return a.Kind == ActionDial && a.Peer == id }) {
				return true
			}
		}
		return false
	}
	b.ring.HandleMember(b.now, id, []wire.Address{addr})
	for i := range 5 {
		if !dialed(10 * time.Minute) {
			t.Fatalf("attempt %d is not made", i)
		}
		b.ring.HandleDialFailed(b.now, id, DialTimeout)
		b.drain()
	}
	if dialed(time.Minute) {
		t.Fatal("after five failures the pause is under a minute")
	}
	b.ring.HandleMember(b.now, id, []wire.Address{addr})
	if !dialed(time.Second) {
		t.Error("a member that the introducer names is left alone")
	}
}

// Members of a group may be with several introducers. They learn of each other's
// by gossip and ask there for whom they want; but not freely at one that only
// few neighbors name, which may be a victim.
func TestIntroducersOfOthers(t *testing.T) {
	own := wire.Address{AddrPort: netip.MustParseAddrPort("198.51.100.1:1935"), Origin: wire.OriginRelay}
	other := wire.Address{AddrPort: netip.MustParseAddrPort("198.51.100.2:1935"), Origin: wire.OriginRelay}
	for _, c := range []struct {
		name  string
		with  uint32 // neighbors of 12 that are with the other introducer
		asked int    // members looked for there in a moment
	}{{"a third of the neighbors", 4, 4}, {"one neighbor", 1, 1}, {"nobody", 0, 1}} {
		b := newBare(t, CapOverlay)
		b.ring.SetOwnAddresses(b.now, []wire.Address{own})
		const neighbors = 12
		for n := uint32(1); n <= neighbors; n++ {
			b.link(testID(n), CapOverlay)
			m := owire.Report{Own: []wire.Address{own}}
			if n <= c.with {
				m.Own[0] = other
			}
			b.message(testID(n), FlowMember, owire.AppendReport(nil, m))
		}
		// The nearest members on the ring are with the other one.
		near := makeFakes(1000).near(b.ring.pos, 2)
		m := owire.Report{}
		for _, id := range near {
			m.Entries = append(m.Entries, owire.Entry{Peer: id, Age: 1, Addrs: []wire.Address{other}})
		}
		b.message(testID(neighbors), FlowMember, owire.AppendReport(nil, m))
		asked := 0
		for range 10 {
			b.ring.HandleTimeout(b.now)
			for _, a := range b.drain() {
				if a.Kind == ActionDial && slices.Contains(near, a.Peer) && slices.Contains(a.Addrs, other) {
					asked++
				}
			}
			b.now = b.now.Add(20 * time.Millisecond)
		}
		if asked != c.asked {
			t.Errorf("%s with the other introducer: %d members are looked for there, want %d", c.name, asked, c.asked)
		}
	}
}
