package overlay

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// nearestTo returns who of the living is nearest to an address.
func (s *sim) nearestTo(a Address) *simNode {
	var best *simNode
	for _, n := range s.living() {
		if best == nil || nearer(n.id.Address(), best.id.Address(), a) {
			best = n
		}
	}
	return best
}

// Questions to random places are answered by the member nearest to each, in
// fewer hops than a third of log2 n, and their answers find the way back.
func TestRouteToNearest(t *testing.T) {
	s := newSim(t, simOptions{seed: 11, caps: CapOverlay, loss: 0.01, unreachable: 0.3, nearest: true, routing: true})
	const nodes, questions = 200, 1000
	s.fill(nodes, 10*time.Millisecond)
	s.run(40 * time.Second)
	want := map[uint64]*simNode{}
	for range questions {
		n := s.nodes[s.r.IntN(nodes)]
		target := randomAddress(s.r)
		number, result := n.router.Ask(s.now, target, []byte("who?"))
		if result != RouteSent {
			t.Fatalf("Ask gives %v", result)
		}
		want[number] = s.nearestTo(target)
		s.drain(n)
		s.run(10 * time.Millisecond)
	}
	s.run(15 * time.Second)
	right, wrong, failed, hops, counted := 0, 0, 0, uint64(0), uint64(0)
	for _, n := range s.nodes {
		for _, e := range n.routed {
			switch {
			case e.Kind == RouterFailed:
				failed++
			case e.Kind != RouterAnswer:
			case e.Origin == want[e.Number].id && bytes.Equal(e.Data, e.Origin[:]):
				right++
			default:
				wrong++
			}
		}
		st := n.router.Stats()
		hops += st.Hops
		counted += st.Arrived
	}
	mean := float64(hops) / float64(counted)
	t.Logf("%d right, %d wrong, %d failed, %.2f hops", right, wrong, failed, mean)
	if right != questions {
		t.Errorf("seed 11: %d of %d questions were answered right, %d wrong, %d failed", right, questions, wrong, failed)
	}
	if limit := math.Log2(nodes)/3 + 0.2; mean > limit {
		t.Errorf("%.2f hops, want %.2f at most", mean, limit)
	}
}

// While members crash and others come, a question finds its way by repeats.
func TestRouteUnderChurn(t *testing.T) {
	s := newSim(t, simOptions{seed: 12, caps: CapOverlay, loss: 0.01, unreachable: 0.2, nearest: true, routing: true})
	s.fill(120, 10*time.Millisecond)
	s.run(30 * time.Second)
	asked := map[uint64]*simNode{}
	for i := range 300 {
		if i%10 == 0 {
			list := s.living()
			s.crash(list[s.r.IntN(len(list))])
			s.add()
		}
		list := s.living()
		n := list[s.r.IntN(len(list))]
		if n.ring.IsReady() {
			number, _ := n.router.Ask(s.now, randomAddress(s.r), nil)
			asked[number] = n
			s.drain(n)
		}
		s.run(200 * time.Millisecond)
	}
	s.run(15 * time.Second)
	answered, lost := 0, 0
	for number, n := range asked {
		if slices.ContainsFunc(n.routed, func(e RouterEvent) bool { return e.Kind == RouterAnswer && e.Number == number }) {
			answered++
		} else if n.alive {
			lost++
		}
	}
	t.Logf("%d answered, %d lost", answered, lost)
	if lost > 3 || answered < 250 {
		t.Errorf("seed 12: %d answered, %d lost", answered, lost)
	}
}

// fixedView is a ring that stays as it is.
type fixedView struct {
	links   []LinkInfo
	lists   map[PeerID][]Prefix
	nearest bool
}

func (v *fixedView) Links() []LinkInfo                     { return v.links }
func (v *fixedView) NeighborsOf(p PeerID) []Prefix         { return v.lists[p] }
func (v *fixedView) TakesNearest() bool                    { return v.nearest }
func (v *fixedView) LastHeard(PeerID) (t reliability.Time) { return 0 }
func (v *fixedView) RTT(PeerID) (time.Duration, bool)      { return 0, false }
func (v *fixedView) Backlog(PeerID) (int, float64)         { return 0, 0 }

// newView has count neighbors, all of our kind and in mode NEAREST.
func newView(count int) *fixedView {
	v := &fixedView{nearest: true, lists: map[PeerID][]Prefix{}}
	for i := range count {
		id := testID(uint32(i) + 1)
		v.links = append(v.links, LinkInfo{Peer: id, Addr: id.Address(), Ready: true, Nearest: true, Caps: CapOverlay})
	}
	slices.SortFunc(v.links, func(a, b LinkInfo) int { return a.Addr.Compare(b.Addr) })
	return v
}

func newTestRouter(v *fixedView) *Router {
	return NewRouter(RouterConfig{Self: testID(0), Enabled: true, View: v, Transport: v, Rand: rand.New(rand.NewPCG(1, 1))})
}

var hello = []byte{2, 0, 5, 'h', 'e', 'l', 'l', 'o'}

// The three ways to send a bare message choose the neighbors that the original
// API describes, and say so in its words.
func TestBareMessages(t *testing.T) {
	v := newView(5)
	r := newTestRouter(v)
	sent := func() (to []PeerID) {
		for s, ok := r.PollSend(); ok; s, ok = r.PollSend() {
			if s.Flow != FlowRoute || !bytes.Equal(s.Data, hello) {
				t.Errorf("%v %x goes out", s.Flow, s.Data)
			}
			to = append(to, s.Peer)
		}
		return to
	}
	above, _ := slices.BinarySearchFunc(v.links, r.addr, func(l LinkInfo, a Address) int { return l.Addr.Compare(a) })
	next, last := v.links[above%5], v.links[(above+4)%5]

	if got := r.SendToNeighbor(NextIncreasing, hello); got.String() != "sent" || !slices.Equal(sent(), []PeerID{next.Peer}) {
		t.Errorf("next increasing: %v", got)
	}
	if got := r.SendToNeighbor(NextDecreasing, hello); got != RouteSent || !slices.Equal(sent(), []PeerID{last.Peer}) {
		t.Errorf("next decreasing: %v", got)
	}
	if got := r.SendToAllNeighbors(hello); got != RouteSent || len(sent()) != 5 {
		t.Errorf("all: %v", got)
	}
	if got := r.SendToNearest(next.Addr.Add(Address{31: 1}), hello); got != RouteSent || !slices.Equal(sent(), []PeerID{next.Peer}) {
		t.Errorf("nearest: %v", got)
	}
	if got := r.SendToNearest(r.addr.Add(Address{31: 1}), hello); got != RouteSent || sent() != nil {
		t.Errorf("nearest is this node: %v", got)
	}
	if e, ok := r.PollEvent(); !ok || e.Kind != RouterMessage || !e.FromLocal || e.From != r.addr || !bytes.Equal(e.Data, hello) {
		t.Errorf("event %+v", e)
	}
	v.nearest = false
	for i := range v.links {
		v.links[i].Nearest = false
	}
	if got := r.SendToNearest(next.Addr, hello); got != RouteSent || !slices.Equal(sent(), []PeerID{next.Peer}) {
		t.Errorf("exact: %v", got)
	}
	if got := r.SendToNearest(next.Addr.Add(Address{31: 1}), hello); got.String() != "no route" || sent() != nil {
		t.Errorf("nobody takes it: %v", got)
	}
	if got := r.SendToNearest(next.Addr, []byte{0x40}); got.String() != "error" {
		t.Errorf("no value: %v", got)
	}
	v.links = nil
	if got := r.SendToAllNeighbors(hello); got != RouteNone {
		t.Errorf("without neighbors: %v", got)
	}
	if got := r.SendToNeighbor(NextIncreasing, hello); got != RouteNone {
		t.Errorf("without neighbors: %v", got)
	}
	r.c.Enabled = false
	if got := r.SendToAllNeighbors(hello); got != RouteError {
		t.Errorf("not permitted: %v", got)
	}
}

// A message that a neighbor leaves without a sign of life goes another way, and
// what comes twice arrives once.
func TestRouteAroundTheDead(t *testing.T) {
	v := newView(20)
	v.nearest = false
	r := newTestRouter(v)
	now := reliability.Start
	target := v.links[3].Addr.Add(Address{31: 1})
	if _, got := r.Route(now, target, hello); got != RouteSent {
		t.Fatalf("Route gives %v", got)
	}
	tried := map[PeerID]bool{}
	for range maxExcluded + 1 {
		s, ok := r.PollSend()
		if !ok || tried[s.Peer] {
			t.Fatalf("after %d tries: to %v, %v", len(tried), s.Peer.Short(), ok)
		}
		tried[s.Peer] = true
		now = r.PollTimeout()
		r.HandleTimeout(now)
	}
	if st := r.Stats(); st.Rerouted != maxExcluded || st.Dropped != 1 {
		t.Errorf("%+v", st)
	}
	if !tried[v.links[3].Peer] {
		t.Error("the nearest was not tried")
	}

	v.nearest = true
	m := owire.Routed{Origin: testID(99), Target: r.addr, Number: 7, Payload: hello}
	for range 2 {
		r.HandleMessage(now, v.links[0].Peer, FlowRoute, owire.AppendRouted(nil, m))
	}
	arrived := 0
	for _, ok := r.PollEvent(); ok; _, ok = r.PollEvent() {
		arrived++
	}
	if arrived != 1 || r.Stats().Duplicates != 1 {
		t.Errorf("arrived %d times, %+v", arrived, r.Stats())
	}
}

// Whatever comes in, the router holds no more than its bounds.
func FuzzRouterHandleMessage(f *testing.F) {
	f.Add(hello, []byte{1})
	f.Add(owire.AppendRouted(nil, owire.Routed{Kind: owire.RoutedQuestion, Origin: testID(5), Target: testID(6).Address(), Payload: hello}), []byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, b, script []byte) {
		v := newView(8)
		r := newTestRouter(v)
		now := reliability.Start
		for _, c := range script {
			v.nearest = c&1 != 0
			r.HandleMessage(now, v.links[c>>1&7].Peer, FlowRoute, b)
			if c&0x40 != 0 {
				now = now.Add(time.Second)
				r.HandleTimeout(now)
			}
			if c&0x80 != 0 {
				r.HandleLinkDown(now, v.links[c>>1&7].Peer)
			}
			for _, ok := r.PollSend(); ok; _, ok = r.PollSend() {
			}
			for _, ok := r.PollEvent(); ok; _, ok = r.PollEvent() {
			}
		}
		if len(r.flying) > maxInFlight || len(r.seen) > maxSeen {
			t.Errorf("%d in flight, %d seen", len(r.flying), len(r.seen))
		}
		if at := r.PollTimeout(); at < now {
			t.Errorf("deadline in the past")
		}
	})
}
