package swarm

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
)

// event is one thing that will happen: a packet, a node's deadline, or a call.
type event struct {
	p *packet
	// node is the node that wants to be woken or that native multicast reaches,
	// or ^index of a call.
	node int32
	gen  uint32
}

// Sim is a group of simulated members and the network between them. All that
// happens follows from the scenario and its seed. Not safe for concurrent use.
type Sim struct {
	sc     *Scenario
	now    reliability.Time
	events timer.Calendar[event]
	calls  []func()
	idle   []int32 // free places in calls
	done   uint64  // events that have happened
	hash   uint64
	free   *packet // packets to be used again
	// action and media are what a core that is being drained asks for: one place
	// for all of them, since a variable of its own would cost an allocation each.
	action Action
	media  Media

	nodes []*Node // every node there ever was, by index
	truth truth   // who lives, in the order of the ring
	intro introducer
	net   network
	// newCore makes the core of a node.
	newCore func(s *Sim, n *Node) (Core, error)

	ledger   ledger
	churn    churn
	fault    faults
	apps     apps
	keys     []Key // of the streams, by the number that packets carry
	breaches []breach
	// nativeDown is until when there is no native multicast.
	nativeDown reliability.Time
}

// New returns a group that is about to begin: nobody has joined yet.
func New(sc *Scenario, newCore func(s *Sim, n *Node) (Core, error)) *Sim {
	s := &Sim{sc: sc, now: reliability.Start, hash: 14695981039346656037, newCore: newCore}
	s.net.init(sc)
	s.intro.init(s)
	s.churn.init(s)
	s.ledger.init(s)
	return s
}

// Now returns the time in the simulation.
func (s *Sim) Now() reliability.Time { return s.now }

// Elapsed returns the simulated time since the beginning.
func (s *Sim) Elapsed() time.Duration { return s.now.Sub(reliability.Start) }

// Events returns how many events have happened.
func (s *Sim) Events() uint64 { return s.done }

// Hash returns a digest of everything that has arrived anywhere: what, where
// and when. The same scenario and seed give the same hash.
func (s *Sim) Hash() uint64 { return s.hash }

// Nodes returns all nodes that there ever were, in the order of their birth.
func (s *Sim) Nodes() []*Node { return s.nodes }

// At calls f at t, or after what is due now if t has passed.
func (s *Sim) At(t reliability.Time, f func()) {
	i := int32(len(s.calls))
	if k := len(s.idle); k > 0 {
		i, s.idle = s.idle[k-1], s.idle[:k-1]
		s.calls[i] = f
	} else {
		s.calls = append(s.calls, f)
	}
	s.events.Push(max(t, s.now), event{node: ^i})
}

// After calls f after d.
func (s *Sim) After(d time.Duration, f func()) { s.At(s.now.Add(d), f) }

// Every calls f each d, the first time after d, until it returns false.
func (s *Sim) Every(d time.Duration, f func() bool) {
	s.After(d, func() {
		if f() {
			s.Every(d, f)
		}
	})
}

// Step lets the next thing happen and reports whether there was one.
func (s *Sim) Step() bool {
	e, at, ok := s.events.Pop()
	if !ok {
		return false
	}
	s.now = max(s.now, at)
	s.done++
	if len(s.nodes) > aheadNodes {
		s.prepare()
	}
	switch {
	case e.p != nil && e.p.kind == kindNative:
		s.arriveNative(e.p, s.nodes[e.node])
	case e.p != nil:
		s.arrive(e.p)
	case e.node >= 0:
		s.wake(s.nodes[e.node], e.gen)
	default:
		i := ^e.node
		f := s.calls[i]
		s.calls[i] = nil
		s.idle = append(s.idle, i)
		f()
	}
	return true
}

// RunUntil lets everything happen that is due by t, and sets the clock to t.
func (s *Sim) RunUntil(t reliability.Time) {
	for s.events.Peek() <= t && t != reliability.Never {
		s.Step()
	}
	s.now = max(s.now, t)
}

// Run lets d pass.
func (s *Sim) Run(d time.Duration) { s.RunUntil(s.now.Add(d)) }

// mix adds v to the digest (FNV-1a over words).
func (s *Sim) mix(v uint64) { s.hash = (s.hash ^ v) * 1099511628211 }

// breach is one invariant that did not hold, and where it first showed.
type breach struct {
	rule  string
	first string
	count int
}

// fail notes that an invariant did not hold. The run goes on, so that all of
// them show.
func (s *Sim) fail(rule, format string, args ...any) {
	for i := range s.breaches {
		if s.breaches[i].rule == rule {
			s.breaches[i].count++
			return
		}
	}
	first := fmt.Sprintf("at %.3f s ", s.Elapsed().Seconds()) + fmt.Sprintf(format, args...)
	s.breaches = append(s.breaches, breach{rule, first, 1})
}

// Broken returns the invariants that did not hold: how often, and the first
// time.
func (s *Sim) Broken() []string {
	var list []string
	for _, b := range s.breaches {
		list = append(list, fmt.Sprintf("%s: %d times, first %s", b.rule, b.count, b.first))
	}
	return list
}

// keyNumber returns the number of a stream for packets, 0 for none.
func (s *Sim) keyNumber(k Key) int32 {
	if k == (Key{}) {
		return 0
	}
	for i := len(s.keys) - 1; i >= 0; i-- {
		if s.keys[i] == k {
			return int32(i + 1)
		}
	}
	s.keys = append(s.keys, k)
	return int32(len(s.keys))
}

// key is the inverse of keyNumber.
func (s *Sim) key(number int32) Key {
	if number == 0 {
		return Key{}
	}
	return s.keys[number-1]
}

// nodeOf returns the node with a peer ID, or nil if nobody ever had it.
func (s *Sim) nodeOf(p overlay.PeerID) *Node {
	i := indexOf(p)
	if i < 0 || int(i) >= len(s.nodes) || s.nodes[i].ID != p {
		return nil
	}
	return s.nodes[i]
}
