package multicast

import (
	"testing"
	"time"
)

// A newcomer that knows only a relay whose slots are taken gets its place from
// leaves that know another relay, though those two have never met. What the
// full relay gives the other one stays: that passes it on.
func TestLeavesMakeRoom(t *testing.T) {
	for seed := range uint64(8) {
		n := newTestNet(t, 21+seed)
		n.loss = 0
		s := &swarm{testNet: n, source: n.addNode(10*streamRate, CapMulticast)}
		full, free := n.addNode(2*streamRate, CapMulticast), n.addNode(5*streamRate, CapMulticast)
		n.link(s.source, full)
		n.link(s.source, free)
		n.link(full, free)
		leaves := []*testNode{n.addNode(-1, CapMulticast), n.addNode(-1, CapMulticast)}
		for _, leaf := range leaves {
			n.link(leaf, full)
		}
		s.key = n.publish(s.source, "live", 1)
		for _, node := range n.nodes[1:] {
			node.play()
		}
		s.runFor(6 * time.Second)
		for _, leaf := range leaves {
			n.link(leaf, free)
		}
		before := s.slicesFrom(leaves[0], full) + s.slicesFrom(leaves[1], full)
		s.runFor(6 * time.Second)
		newcomer := n.addNode(-1, CapMulticast)
		n.link(newcomer, full)
		newcomer.play()
		s.runFor(6 * time.Second)
		left, got := s.slicesFrom(leaves[0], full)+s.slicesFrom(leaves[1], full), s.slicesFrom(newcomer, full)
		if before < 4 || left > 2 || got < sliceCount-2 {
			t.Errorf("seed %d: the leaves had %d slices of the full relay and have %d, the newcomer has %d; want it to have nearly all, and them at most 2", n.seed, before, left, got)
		}
	}
}

// A stream wishes for more neighbors while it has nobody to ask, and not once
// it is fed.
func TestWishForNeighbors(t *testing.T) {
	s := newSwarm(t, 22, 20, fixedUpload(2), CapMulticast)
	s.runFor(8 * time.Second)
	leaf := s.addNode(-1, CapMulticast)
	s.link(leaf, s.nodes[1])
	leaf.play()
	s.runFor(time.Second)
	for _, p := range s.nodes[1:21] {
		p.engine.TakeWish()
	}
	lonely := s.addNode(-1, CapMulticast)
	s.link(lonely, leaf) // who passes nothing on
	lonely.play()
	s.runFor(2 * time.Second)
	if lonely.engine.TakeWish() == 0 {
		t.Error("a viewer that knows only a leaf wishes for nobody")
	}
	for _, p := range s.nodes[1:21] {
		if p.engine.TakeWish() != 0 {
			t.Errorf("node %d, which is fed, wishes for more neighbors", p.index)
		}
	}
}

// A viewer that reaches none of those who have slots left is fed by the source,
// until it does.
func TestSourceFeedsWhoFindsNobody(t *testing.T) {
	s := newSwarm(t, 23, 20, fixedUpload(2), CapMulticast)
	s.runFor(8 * time.Second)
	apart := s.addNode(-1, CapMulticast)
	s.link(apart, s.source)
	apart.play()
	s.runFor(5 * time.Second)
	if fed := s.slicesFrom(apart, s.source); fed != sliceCount {
		t.Errorf("the source feeds %d slices of a viewer that knows nobody else, want all", fed)
	}
	if spare := s.stream().spareSlots(); spare < spareWanted {
		t.Fatalf("the source sees only %d slots left; the test wants it to see some", spare)
	}
	for _, p := range s.nodes[1:11] {
		s.link(apart, p)
	}
	s.runFor(15 * time.Second)
	if fed := s.slicesFrom(apart, s.source); fed > 0 {
		t.Errorf("the source still feeds %d slices of a viewer that knows ten relays", fed)
	}
	s.check(13*time.Second, 24*time.Second, 1, 0)
}
