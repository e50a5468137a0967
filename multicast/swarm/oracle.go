package swarm

import (
	"math"
	"slices"
	"time"
)

const oracleSlices = 8

// hopCost is what a hop costs beside the way: handling, and one packet's time
// on the line.
const hopCost = 3 * time.Millisecond

// oracle builds what nobody can build without knowing everything: for each
// slice of the stream one tree over the group's links, the nearest members
// first, within everybody's upload. Its delays have no loss, queue or burst in
// them.
type oracle struct {
	nodes   []*Node
	links   [][]int32 // indexes into nodes
	slots   [][oracleSlices]int
	arrival [][oracleSlices]time.Duration
}

// unreached stands for a member that no tree reaches.
const unreached = time.Duration(math.MaxInt64)

// newOracle looks at the group as it is now.
func newOracle(s *Sim) *oracle {
	o := &oracle{}
	place := make(map[int32]int32)
	for _, n := range s.nodes {
		if n.Core != nil {
			place[n.index] = int32(len(o.nodes))
			o.nodes = append(o.nodes, n)
		}
	}
	o.links = make([][]int32, len(o.nodes))
	for i, n := range o.nodes {
		for _, l := range n.Core.Links() {
			far := s.nodeOf(l.Peer)
			if far == nil || l.Relayed {
				continue
			}
			if j, ok := place[far.index]; ok {
				o.links[i] = append(o.links[i], j)
			}
		}
	}
	o.arrival = make([][oracleSlices]time.Duration, len(o.nodes))
	for i := range o.arrival {
		for k := range oracleSlices {
			o.arrival[i][k] = unreached
		}
	}
	o.share(s)
	for k := range oracleSlices {
		o.grow(s, k)
	}
	return o
}

// share gives each member's upload to few slices, so that all slices have the
// same. The publisher feeds one member of each slice.
func (o *oracle) share(s *Sim) {
	o.slots = make([][oracleSlices]int, len(o.nodes))
	const perSlice = 8 // children of a relay in one slice
	sliceRate := s.sc.Rate / 8 / oracleSlices * 1.07
	order := make([]int, len(o.nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(o.nodes[b].upload - o.nodes[a].upload) })
	var given [oracleSlices]int
	for _, i := range order {
		n := o.nodes[i]
		if n == s.ledger.source {
			for k := range oracleSlices {
				o.slots[i][k] = 1
			}
			continue
		}
		for left := int(0.97 * n.upload / sliceRate); left > 0; {
			least := 0
			for k := range given {
				if given[k] < given[least] {
					least = k
				}
			}
			take := min(left, perSlice)
			o.slots[i][least] += take
			given[least] += take
			left -= take
		}
	}
}

// edge is a way to reach a member.
type edge struct {
	at       time.Duration
	from, to int32
}

// grow builds the tree of one slice: relays first, then the rest.
func (o *oracle) grow(s *Sim, k int) {
	free := make([]int, len(o.nodes))
	for i := range free {
		free[i] = o.slots[i][k]
	}
	var root int32 = -1
	for i, n := range o.nodes {
		if n == s.ledger.source {
			root = int32(i)
		}
	}
	if root < 0 {
		return
	}
	o.arrival[root][k] = 0
	o.attach(s, k, free, []int32{root}, true)
	var inside []int32
	for i := range o.nodes {
		if o.arrival[i][k] != unreached {
			inside = append(inside, int32(i))
		}
	}
	o.attach(s, k, free, inside, false)
}

// attach extends a tree along the links, the earliest arrival first.
func (o *oracle) attach(s *Sim, k int, free []int, inside []int32, relays bool) {
	var heap edgeHeap
	reach := func(i int32) {
		for _, j := range o.links[i] {
			if o.arrival[j][k] == unreached && (!relays || o.slots[j][k] > 0) {
				at := o.arrival[i][k] + s.latency(o.nodes[i].place, o.nodes[j].place) + hopCost
				heap.push(edge{at, i, j})
			}
		}
	}
	for _, i := range inside {
		if free[i] > 0 {
			reach(i)
		}
	}
	for len(heap) > 0 {
		e := heap.pop()
		if free[e.from] == 0 || o.arrival[e.to][k] != unreached {
			continue
		}
		free[e.from]--
		o.arrival[e.to][k] = e.at
		if free[e.to] > 0 {
			reach(e.to)
		}
	}
}

// p99 returns the delay that 99 % of all messages at all members do not
// exceed, and the share of (member, slice) pairs that the trees reach. A
// message of several fragments is there when its last slice is.
func (o *oracle) p99(s *Sim) (delay time.Duration, reached float64) {
	var h Histogram
	pairs, got := 0, 0
	for i, n := range o.nodes {
		if n == s.ledger.source {
			continue
		}
		for k := range oracleSlices {
			pairs++
			if o.arrival[i][k] != unreached {
				got++
			}
		}
		o.weigh(&h, i)
	}
	if pairs == 0 {
		return 0, 0
	}
	return h.Quantile(0.99), float64(got) / float64(pairs)
}

// weigh adds a member's delays in the mix of the stream: 43 audio messages of
// one fragment to 25 frames of four, each beginning in any slice.
func (o *oracle) weigh(h *Histogram, i int) {
	add := func(d time.Duration, times int) {
		for range times {
			if d != unreached {
				h.Add(d)
			}
		}
	}
	for k := range oracleSlices {
		add(o.arrival[i][k], 43)
		worst := time.Duration(0)
		for d := range 4 {
			worst = max(worst, o.arrival[i][(k+d)%oracleSlices])
		}
		add(worst, 25)
	}
}

// edgeHeap is a heap of edges, the earliest first; ties by index.
type edgeHeap []edge

func (e edge) before(f edge) bool {
	if e.at != f.at {
		return e.at < f.at
	}
	if e.to != f.to {
		return e.to < f.to
	}
	return e.from < f.from
}

func (h *edgeHeap) push(e edge) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 && e.before(s[(i-1)/2]) {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = e
}

func (h *edgeHeap) pop() edge {
	s := *h
	first, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	i := 0
	for 2*i+1 < len(s) {
		c := 2*i + 1
		if c+1 < len(s) && s[c+1].before(s[c]) {
			c++
		}
		if !s[c].before(last) {
			break
		}
		s[i] = s[c]
		i = c
	}
	if len(s) > 0 {
		s[i] = last
	}
	return first
}
