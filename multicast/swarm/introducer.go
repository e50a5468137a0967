package swarm

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// introducer is the meeting point. It knows who has joined, in the order of
// the ring.
type introducer struct {
	sim     *Sim
	place   place
	members []*Node
	rand    *rand.Rand
	down    reliability.Time // until then it does not answer
	// tree, if set, names the one member that a newcomer is told of.
	tree func(n *Node) *Node
}

const (
	// introducerTimeout is when an introducer notices that a member has
	// vanished.
	introducerTimeout = 20 * time.Second
	introducerRetry   = time.Second
)

func (i *introducer) init(s *Sim) {
	i.sim = s
	i.place = place{x: 0.5, y: 0.5, end: s.sc.AccessDelay}
	i.rand = stream(s.sc.Seed, "introducer", 0)
}

// connect lets a node find the introducer: the handshake, and the join with
// its last packet.
func (i *introducer) connect(n *Node) {
	s := i.sim
	way := s.latency(n.place, i.place)
	n.spend(handshakeNear+handshakeHello, bytesShake)
	delay := time.Duration(float64(2*way) * s.sc.BootRTT)
	for range 3 {
		if s.net.losesOnce() {
			delay += helloRetry
		}
	}
	s.After(delay, func() {
		if n.Core == nil {
			return
		}
		if i.down > s.now || n.island != 0 {
			s.After(introducerRetry, func() { i.connect2(n) })
			return
		}
		n.Do(func(now reliability.Time, c Core) { c.SetOwnAddresses(now, []wire.Address{introducerAddr}) })
		i.join(n)
	})
}

func (i *introducer) connect2(n *Node) {
	if n.Core != nil {
		i.connect(n)
	}
}

// rejoin joins again over the session that stands.
func (i *introducer) rejoin(n *Node) {
	s := i.sim
	way := s.latency(n.place, i.place)
	n.spend(packetOverhead+40, bytesShake)
	s.After(2*way, func() {
		if n.Core != nil && n.Joined != 0 && i.down <= s.now && n.island == 0 {
			i.join(n)
		}
	})
}

// join tells a newcomer of its ring neighbors and of some others.
func (i *introducer) join(n *Node) {
	if n.Core == nil {
		return
	}
	chosen := i.choose(n)
	at, found := i.find(n.Addr)
	if !found {
		i.members = slices.Insert(i.members, at, n)
	}
	if n.Joined == 0 {
		n.Joined = i.sim.now
	}
	n.Do(func(now reliability.Time, c Core) {
		for _, m := range chosen {
			c.HandleMember(now, m.ID, []wire.Address{introducerAddr})
		}
	})
}

func (i *introducer) find(a overlay.Address) (int, bool) {
	return sort.Find(len(i.members), func(k int) int { return bytes.Compare(a[:], i.members[k].Addr[:]) })
}

// choose picks the nearest members on each side and some at random.
func (i *introducer) choose(n *Node) []*Node {
	if i.tree != nil {
		if m := i.tree(n); m != nil {
			return []*Node{m}
		}
		return nil
	}
	near, random := i.sim.sc.IntroduceNear, i.sim.sc.IntroduceRandom
	at, found := i.find(n.Addr)
	up := at
	if found {
		up++
	}
	count := len(i.members)
	var chosen []*Node
	add := func(m *Node) {
		if m != n && !slices.Contains(chosen, m) {
			chosen = append(chosen, m)
		}
	}
	for k := range min(near, count) {
		add(i.members[(up+k)%count])
		add(i.members[(at-1-k+2*count)%count])
	}
	for range random {
		if count > 0 {
			add(i.members[i.rand.IntN(count)])
		}
	}
	return chosen
}

// left takes a member off the list after a while.
func (i *introducer) left(n *Node, after time.Duration) {
	i.sim.After(after, func() {
		if at, found := i.find(n.Addr); found {
			i.members = slices.Delete(i.members, at, at+1)
		}
	})
}

// serves reports whether the introducer can introduce n to the target.
func (i *introducer) serves(n, target *Node) bool {
	if i.down > i.sim.now || n.Joined == 0 || target.Joined == 0 || n.island != 0 || target.island != 0 {
		return false
	}
	_, known := i.find(target.Addr)
	return known
}
