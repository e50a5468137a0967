package multicast

import (
	"testing"
	"time"
)

// newMixedSwarm links members of which some speak the plain protocol alone.
func newMixedSwarm(t testing.TB, seed uint64, viewers int, times float64, isPlain func(i int) bool) *swarm {
	n := newTestNet(t, seed)
	caps := func(i int) uint64 {
		if isPlain(i) {
			return 0
		}
		return CapMulticast
	}
	s := &swarm{testNet: n, source: n.addNode(10*streamRate, caps(0))}
	for i := range viewers {
		n.addNode(times*streamRate, caps(i+1))
	}
	for _, node := range n.nodes {
		n.mesh(node, 5, 9)
	}
	s.key = n.publish(s.source, "live", 1)
	for _, node := range n.nodes[1:] {
		node.play()
	}
	return s
}

// Members that all speak the plain protocol play by maps, masks and pulls.
func TestPlainGroup(t *testing.T) {
	s := newMixedSwarm(t, 1, 30, 3, func(int) bool { return true })
	s.runFor(20 * time.Second)
	s.check(8*time.Second, 15*time.Second, 0.999, 0)
}

// Members of both kinds play in one group, whoever publishes, and the source is
// spared where its neighbors can be told whom to ask.
func TestMixedGroup(t *testing.T) {
	for _, tt := range []struct {
		name    string
		isPlain func(i int) bool
		egress  float64
	}{
		{"half of them plain", func(i int) bool { return i%2 == 1 }, 2.6},
		{"a few plain", func(i int) bool { return i%10 == 1 }, 2.6},
		{"all but a few plain", func(i int) bool { return i%10 != 0 }, 5.7},
		{"a plain publisher", func(i int) bool { return i == 0 }, 0},
	} {
		s := newMixedSwarm(t, 2, 40, 3, tt.isPlain)
		s.runFor(20 * time.Second)
		t.Log(tt.name)
		s.check(8*time.Second, 15*time.Second, 0.999, tt.egress)
	}
}

// Plain neighbors are pushed to no more than the limit says, and who may relay
// nothing is not asked by them.
func TestPlainLimits(t *testing.T) {
	s := newMixedSwarm(t, 3, 12, 20, func(int) bool { return true })
	s.runFor(8 * time.Second)
	for _, n := range s.nodes {
		st := n.engine.byKey[s.key]
		for c := range st.slices {
			if got := len(st.slices[c].children); got > n.engine.config.Params.PushNeighborLimit {
				s.fail("node %d pushes slice %d to %d neighbors", n.index, c, got)
			}
		}
	}
}
