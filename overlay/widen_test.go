package overlay

import (
	"testing"
	"time"
)

// A node that asks for more neighbors gets them, but not more than a node may
// have.
func TestWiden(t *testing.T) {
	s := newSim(t, simOptions{seed: 61, caps: CapOverlay})
	s.fill(100, 50*time.Millisecond)
	s.run(20 * time.Second)
	n := s.nodes[7]
	before := len(n.ring.links)
	n.ring.Widen(s.now, 5)
	s.drain(n)
	s.run(2 * time.Second)
	if got := len(n.ring.links); got < before+3 {
		t.Errorf("%d links became %d, want about 5 more", before, got)
	}
	for range 40 {
		n.ring.Widen(s.now, 5)
		s.drain(n)
		s.run(100 * time.Millisecond)
	}
	ringNeighbors := 2 * ringSide
	if got, most := len(n.ring.links), n.ring.degreeCap()+ringNeighbors; got > most {
		t.Errorf("%d links, want at most %d", got, most)
	}
	n.ring.Leave(s.now)
	s.drain(n)
	dials := n.ring.stats.Dials
	n.ring.Widen(s.now, 5)
	if n.ring.stats.Dials != dials {
		t.Error("a node that leaves dials")
	}
}
