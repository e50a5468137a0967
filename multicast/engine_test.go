package multicast

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var dumpNodes = flag.Bool("dump", false, "print the state of all nodes")

// streamRate is about what testNet.publish makes, in bytes a second.
const streamRate = 125_000.0

// uploads gives members the mix of the reference scenario: half without
// upload, the others with 0.5, 2 and 10 times the stream's rate.
func mixedUpload(i int) float64 {
	switch {
	case i%2 == 0:
		return 8000
	case i%10 == 1:
		return 10 * streamRate
	case i%10 == 3, i%10 == 5:
		return 2 * streamRate
	}
	return 0.5 * streamRate
}

// A hundred viewers of whom half pass nothing on: all play everything, and the
// source sends little more than one copy.
func TestSwarmOfMixedUpload(t *testing.T) {
	s := newSwarm(t, 1, 100, mixedUpload, CapMulticast)
	for range 12 {
		s.runFor(2 * time.Second)
		if *dumpNodes {
			sliceSummary(t, s.testNet, s.source)
			orphanSummary(t, s.testNet, s.source)
		}
	}
	s.check(12*time.Second, 20*time.Second, 0.9999, 1.2)
	if *dumpNodes {
		missingEverywhere(t, s.testNet, s.source)
		dump(t, s.testNet)
	}
}

func dump(t *testing.T, n *testNet) {
	for _, node := range n.nodes {
		if len(node.engine.streams) == 0 {
			continue
		}
		s := node.engine.streams[0]
		if !s.active {
			continue
		}
		lags := ""
		for c := range s.slices {
			l, ok := s.lagOf(c)
			p := -1
			if s.slices[c].parent != none {
				p = n.byID[node.engine.neighbors[s.slices[c].parent].id].index
			}
			if !ok {
				l = -1
			}
			lags += fmt.Sprintf(" %d:%.0f(%d,%d)", p, l, len(s.slices[c].children), s.slices[c].fed())
		}
		t.Logf("%3d up %7.0f K %d/%d used %d q %.0f class %v expired %d holes %d pulls %d known %d |%s", node.index, node.uplink.Rate(), s.slots.k, s.slots.start, s.used, s.slots.queue,
			node.sentBy, node.uplink.stats.Expired, s.win.Missing(), len(s.pulls), s.win.known, lags)
	}
}
