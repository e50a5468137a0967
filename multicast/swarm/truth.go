package swarm

import (
	"bytes"
	"slices"
	"sort"

	"github.com/ringcast/ringcast/overlay"
)

// sideNeighbors is how many ring neighbors a member keeps on each side.
const sideNeighbors = 3

// truth is who is in the group, seen from outside: all members that live and
// have announced that they are ready, in the order of their addresses.
type truth struct {
	members []*Node
}

func (t *truth) find(a overlay.Address) (int, bool) {
	return sort.Find(len(t.members), func(k int) int { return bytes.Compare(a[:], t.members[k].Addr[:]) })
}

func (t *truth) add(n *Node) {
	if at, found := t.find(n.Addr); !found {
		t.members = slices.Insert(t.members, at, n)
	}
}

func (t *truth) remove(n *Node) {
	if at, found := t.find(n.Addr); found {
		t.members = slices.Delete(t.members, at, at+1)
	}
}

// RingState is how right the ring is at a moment.
type RingState struct {
	// Members is how many members are ready.
	Members int
	// First is the share of them that hold their true successor and
	// predecessor as the nearest links on either side, Six the share that hold
	// all their ring neighbors so.
	First, Six float64
	// Alone is how many have no link at all.
	Alone int
}

// Ring compares every member's links with the truth.
func (s *Sim) Ring() RingState {
	state := RingState{Members: len(s.truth.members)}
	if state.Members == 0 {
		return state
	}
	first, six := 0, 0
	for i, n := range s.truth.members {
		a, b, alone := s.ringRight(i, n)
		if a {
			first++
		}
		if b {
			six++
		}
		if alone {
			state.Alone++
		}
	}
	state.First = float64(first) / float64(state.Members)
	state.Six = float64(six) / float64(state.Members)
	return state
}

// ringRight reports whether the nearest links of the member at place i are the
// nearest live members: the first on each side, and all of them. A link to a
// member that is not ready yet is neither right nor wrong.
func (s *Sim) ringRight(i int, n *Node) (first, six, alone bool) {
	links := n.Core.Links()
	count := len(s.truth.members)
	want := min(sideNeighbors, count-1)
	up, down := 0, 0
	at := sort.Search(len(links), func(k int) bool { return bytes.Compare(links[k].Addr[:], n.Addr[:]) > 0 })
	for k, d := 0, 1; k < len(links) && d <= want; k++ {
		l := &links[(at+k)%len(links)]
		if s.skips(l) {
			continue
		}
		if l.Addr != s.truth.members[(i+d)%count].Addr {
			break
		}
		up, d = d, d+1
	}
	for k, d := 0, 1; k < len(links) && d <= want; k++ {
		l := &links[(at-1-k+2*len(links))%len(links)]
		if s.skips(l) {
			continue
		}
		if l.Addr != s.truth.members[(i-d+count)%count].Addr {
			break
		}
		down, d = d, d+1
	}
	enough := min(1, want)
	return up >= enough && down >= enough, up >= want && down >= want, len(links) == 0 && count > 1
}

// skips reports whether a link doesn't count for the order of the ring: one
// under suspicion is not used, and one to a live member that is not ready
// isn't expected.
func (s *Sim) skips(l *overlay.LinkInfo) bool {
	if l.Suspect {
		return true
	}
	n := s.nodeOf(l.Peer)
	return n != nil && n.Core != nil && n.Ready == 0
}

// Parts returns the sizes of the connected parts of the group, the largest
// first, by the links that both ends hold or one end holds to a live member.
func (s *Sim) Parts() []int {
	parent := make([]int32, len(s.nodes))
	for i := range parent {
		parent[i] = int32(i)
	}
	root := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for _, n := range s.nodes {
		if n.Core == nil {
			continue
		}
		for _, l := range n.Core.Links() {
			if m := s.nodeOf(l.Peer); m != nil && m.Core != nil && !l.Suspect {
				parent[root(n.index)] = root(m.index)
			}
		}
	}
	sizes := make([]int, len(s.nodes))
	for _, n := range s.nodes {
		if n.Core != nil && n.Ready != 0 {
			sizes[root(n.index)]++
		}
	}
	sizes = slices.DeleteFunc(sizes, func(k int) bool { return k == 0 })
	slices.SortFunc(sizes, func(a, b int) int { return b - a })
	return sizes
}

// Degrees counts the links of each member.
func (s *Sim) Degrees() *Counts {
	var c Counts
	for _, n := range s.truth.members {
		c.Add(len(n.Core.Links()))
	}
	return &c
}
