package multicast

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
)

// A link that breaks and stands again at one end only, so that the neighbor is
// told of the stream a second time, ends nothing: an announcement and an end
// have the same type.
func TestSecondAnnouncementIsNoEnd(t *testing.T) {
	s := newSwarm(t, 12, 20, fixedUpload(2), CapMulticast)
	s.runFor(8 * time.Second)
	for _, n := range s.nodes[1:6] {
		for _, p := range n.peers {
			l := n.links[p].latency
			n.engine.HandleNeighborGone(s.now, p.id)
			n.engine.HandleNeighbor(s.now, overlay.LinkInfo{Peer: p.id, Addr: p.id.Address(), Since: s.now, Ready: true, Caps: n.caps & p.caps, RTT: 2 * l})
			n.drain()
		}
		s.runFor(2 * time.Second)
		for _, p := range n.peers {
			a, b := n.engine.byKey[s.key], p.engine.byKey[s.key]
			if a.end != 0 || b.end != 0 {
				t.Fatalf("node %d or %d believes that the stream has ended", n.index, p.index)
			}
			if !a.peers[n.engine.neighbor(&p.id).index].takesPart() || !b.peers[p.engine.neighbor(&n.id).index].takesPart() {
				t.Errorf("nodes %d and %d have not found together again", n.index, p.index)
			}
		}
	}
	s.runFor(4 * time.Second)
	s.check(7*time.Second, 17*time.Second, 1, 0)
}

// A neighbor that says falsely that the stream has ended stops nobody: it goes
// on coming.
func TestFalseEndIsNotBelieved(t *testing.T) {
	s := newSwarm(t, 13, 20, fixedUpload(2), CapMulticast)
	s.runFor(8 * time.Second)
	for _, n := range s.nodes[1:4] {
		newest := n.engine.byKey[s.key].win.Newest()
		for _, end := range []fragmenter.ID{1, newest / 2, newest, newest + 1, newest + 20} {
			for _, p := range n.peers[:3] {
				p.engine.HandleMessage(s.now, n.id, s.key, overlay.FlowStream, wire.AppendEnd(nil, end))
				p.drain()
			}
			s.runFor(400 * time.Millisecond)
		}
	}
	s.runFor(6 * time.Second)
	for _, n := range s.nodes[1:] {
		if n.ended > 0 || n.engine.byKey[s.key].end != 0 {
			t.Errorf("node %d: %d ends", n.index, n.ended)
		}
	}
	s.check(7*time.Second, 14*time.Second, 1, 0)
}
