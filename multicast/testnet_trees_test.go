package multicast

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

func missingEverywhere(t *testing.T, n *testNet, src *testNode) {
	s := src.engine.streams[0]
	line := ""
	for id := s.win.live; id <= s.win.known; id++ {
		c := 0
		for _, node := range n.nodes {
			if node != src && node.up && node.engine.streams[0].win != nil && node.engine.streams[0].win.Has(id) {
				c++
			}
		}
		if c < len(n.nodes)*9/10 && s.e.ms.after(s.win.at(id).known) > 1000 {
			line += fmt.Sprintf(" %d(s%d):%d", id, id%8, c)
		}
	}
	t.Log("poor:", line)
	for c := range s.slices {
		for _, ch := range s.slices[c].children {
			t.Logf("slice %d child %d first %v start %d stop %d value %d", c, n.byID[s.e.neighbors[ch.index].id].index, ch.first, ch.start, ch.stop, ch.value)
		}
	}
}

func sliceSummary(t *testing.T, n *testNet, src *testNode) {
	line := ""
	for c := range 8 {
		orph, relays, cnt, stopped, depthBad := 0, 0, 0, 0, 0
		sum, worst := 0.0, 0.0
		roots := map[int]int{}
		for _, node := range n.nodes {
			if node == src || !node.up || len(node.engine.streams) == 0 || !node.engine.streams[0].active {
				continue
			}
			s := node.engine.streams[0]
			sl := &s.slices[c]
			if sl.parent == none {
				orph++
			} else if sl.stop != 0 {
				stopped++
			}
			// walk
			x, d := node, 0
			for d < 30 && x != src {
				sx := x.engine.streams[0]
				if sx.slices[c].parent == none {
					break
				}
				x = n.byID[sx.e.neighbors[sx.slices[c].parent].id]
				d++
			}
			if x != src {
				depthBad++
				roots[x.index]++
			}
			if sl.fed() > 0 {
				relays++
			}
			if l, ok := s.lagOf(c); ok {
				cnt++
				sum += float64(l)
				worst = max(worst, float64(l))
			}
		}
		hop := -1
		if h := src.engine.streams[0].slices[c].hop(); h != nil {
			hop = n.byID[src.engine.neighbors[h.index].id].index
		}
		line += fmt.Sprintf(" | hop %d orph %d stop %d cut %d relays %d lag %.0f max %.0f", hop, orph, stopped, depthBad, relays, sum/float64(max(cnt, 1)), worst)
		for _, r := range slices.Sorted(maps.Keys(roots)) {
			if roots[r] > 5 {
				line += fmt.Sprintf(" ROOT %d:%d", r, roots[r])
			}
		}
	}
	t.Logf("%v%s", time.Duration(n.now), line)
}

func orphanSummary(t *testing.T, n *testNet, src *testNode) {
	slots, used, need := 0, 0, 0
	for _, node := range n.nodes {
		if node == src || len(node.engine.streams) == 0 || !node.engine.streams[0].active {
			continue
		}
		s := node.engine.streams[0]
		slots += s.slots.k
		used += s.used
		for c := range s.slices {
			sl := &s.slices[c]
			if sl.parent != none {
				continue
			}
			need++
			if need > 12 {
				continue
			}
			relays, known, free, refused, actual := 0, 0, 0, 0, ""
			for i := range s.peers {
				p := &s.peers[i]
				if !p.takesPart() || p.is(peerPublisher) || p.slots == 0 {
					continue
				}
				relays++
				other := n.byID[s.e.neighbors[i].id].engine.streams[0]
				if _, k := p.lagOf(c); k {
					known++
					if p.free&(1<<c) != 0 {
						free++
					}
					if p.refused[c].isAhead(s.e.ms) {
						refused++
					}
				}
				actual += fmt.Sprintf(" %d:%d/%d,%v", n.byID[s.e.neighbors[i].id].index, other.used, other.slots.k, other.slices[c].parent != none)
			}
			t.Logf("   node %d slice %d ran %v orphan %d asked %d refusals %d: relays %d known %d free %d refused %d |%s", node.index, c, sl.ran, s.e.ms.after(sl.orphan), sl.asking, sl.refusals, relays, known, free, refused, actual)
		}
	}
	t.Logf("   slots %d used %d orphan slices %d", slots, used, need)
}
