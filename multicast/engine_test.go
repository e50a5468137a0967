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

func TestSwarmOfMixedUpload(t *testing.T) {
	n := newTestNet(t, 1)
	source := n.addNode(10*streamRate, CapMulticast)
	for i := range 100 {
		n.addNode(mixedUpload(i), CapMulticast)
	}
	for _, node := range n.nodes {
		n.mesh(node, 4, 6)
	}
	key := n.publish(source, "live", 1)
	for _, node := range n.nodes[1:] {
		node.engine.Play(n.now, "live", PlayOptions{})
		node.drain()
	}
	for range 15 {
		n.runFor(2 * time.Second)
		if *dumpNodes {
			sliceSummary(t, n, source)
			orphanSummary(t, n, source)
		}
	}
	_, text := n.report(key, source, 14*second, 25*second)
	t.Log(text)
	playing := 0
	for _, node := range n.nodes {
		if node.playable != 0 {
			playing++
		}
	}
	t.Log("playing", playing)
	if *dumpNodes {
		missingEverywhere(t, n, source)
		dump(t, n)
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
