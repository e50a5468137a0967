package swarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// calm is a world without chance in it: two members and an introducer, all
// with a delay of 2 ms to the middle.
func calm(t *testing.T, nodes int) (*Scenario, *Sim) {
	t.Helper()
	sc := reference()
	sc.Name, sc.Nodes, sc.Loss, sc.Unreachable, sc.Churn.On, sc.AccessJitter = "steady", nodes, 0, 0, false, 0
	sc.SquareDelay = 0
	s := New(sc, newToy)
	for range nodes {
		s.AddNode(1e6)
	}
	s.ledger.source = s.nodes[0]
	s.ledger.media.windowSize, s.ledger.media.margin = 4*time.Second, 2*time.Second
	return sc, s
}

func start(t *testing.T, s *Sim) {
	t.Helper()
	for _, n := range s.nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

func toyOf(n *Node) *toy { return n.Core.(*toy) }

// fragment makes a fragment with a number and some payload.
func fragment(id byte, payload int) []byte {
	return append([]byte{0, id}, make([]byte, payload)...)
}

// A session takes the way by the introducer and three more ways, and both ends
// learn of it at their own time.
func TestDialTimes(t *testing.T) {
	_, s := calm(t, 2)
	start(t, s)
	s.Run(time.Second)
	a, b := toyOf(s.nodes[0]), toyOf(s.nodes[1])
	if len(a.opened) != 1 || len(b.opened) != 1 {
		t.Fatalf("sessions at the ends: %d and %d, want one each", len(a.opened), len(b.opened))
	}
	// 4 ms to the introducer: named after 2.5 round trips, 20 ms; the hello
	// takes 8 ms by the introducer, and the keys 2 ways of 4 ms.
	at := func(x *toy) time.Duration { return x.opened[0].Sub(reliability.Start) }
	first, second := min(at(a), at(b)), max(at(a), at(b))
	if (first-36*time.Millisecond).Abs() > time.Millisecond || (second-first-4*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("the responder has its keys after %v, the initiator %v later; want 36 ms and 4 ms", first, second-first)
	}
}

// Everything that is sent over lossy ways arrives: messages in order, and
// fragments as long as their deadline allows.
func TestLossIsRepaired(t *testing.T) {
	sc, s := calm(t, 2)
	start(t, s)
	s.Run(time.Second)
	sc.Loss = 0.2
	s.net.setLoss(sc.Loss)
	a, b := s.nodes[0], s.nodes[1]
	toyOf(b).flood = false
	const many = 1000
	for i := range many {
		s.After(time.Duration(i)*3*time.Millisecond, func() {
			a.Do(func(reliability.Time, Core) {
				toyOf(a).now = s.now
				toyOf(a).do(overlay.Action{Kind: overlay.ActionSend, Peer: b.ID, Flow: overlay.FlowMember, Data: []byte(fmt.Sprint(i))})
				toyOf(a).send(append([]byte{0, 0x80 | byte(i>>7), byte(i & 0x7f)}, make([]byte, 500)...), overlay.PeerID{})
			})
		})
	}
	s.Run(20 * time.Second)
	next, media := 0, 0
	for _, m := range toyOf(b).got {
		if m[0] == 0 {
			media++
			continue
		}
		if m != fmt.Sprint(next) {
			t.Fatalf("message %q comes where %d is due", m, next)
		}
		next++
	}
	if next != many || media != many {
		t.Errorf("%d messages and %d fragments arrived, want %d of each", next, media, many)
	}
	if l := &s.ledger; l.mediaSent != l.mediaArrived+l.abandoned+l.mediaDied {
		t.Errorf("of %d fragments %d arrived, %d were abandoned, %d died", l.mediaSent, l.mediaArrived, l.abandoned, l.mediaDied)
	}
	if w := s.nodes[0].sessions[0].way; w[0].flying != 0 || w[1].flying != 0 {
		t.Errorf("%d and %d bytes are still in flight", w[0].flying, w[1].flying)
	}
}

// Loss has the share and the bursts that were asked for.
func TestLossRate(t *testing.T) {
	_, s := calm(t, 1)
	s.net.sc.LossBurst = 3
	s.net.setLoss(0.01)
	var bad bool
	lost, bursts := 0, 0
	const n = 2_000_000
	for range n {
		was := bad
		if s.net.lose(&bad, 0) {
			lost++
			if !was {
				bursts++
			}
		}
	}
	if share := float64(lost) / n; share < 0.009 || share > 0.011 {
		t.Errorf("%.4f of the packets are lost, want 0.01", share)
	}
	if mean := float64(lost) / float64(bursts); mean < 2.85 || mean > 3.15 {
		t.Errorf("%.2f packets in a burst, want 3", mean)
	}
	lost = 0
	for range n {
		if s.net.lose(&bad, time.Second) {
			lost++
		}
	}
	if share := float64(lost) / n; share < 0.009 || share > 0.011 {
		t.Errorf("%.4f of the packets of a quiet way are lost, want 0.01", share)
	}
}

// A line carries what its rate allows and no more.
func TestLineRate(t *testing.T) {
	_, s := calm(t, 2)
	start(t, s)
	s.Run(time.Second)
	a, b := s.nodes[0], s.nodes[1]
	begin := s.now
	a.Do(func(reliability.Time, Core) {
		toyOf(a).now = s.now
		for i := range 100 {
			toyOf(a).send(fragment(byte(i), 1000), overlay.PeerID{})
		}
	})
	s.Run(200 * time.Millisecond)
	// 106 kB at 1 MB/s, and 4 ms of way.
	if got := b.sessions[0].way[b.sessions[0].side(a)].last.Sub(begin); got < 105*time.Millisecond || got > 115*time.Millisecond {
		t.Errorf("100 fragments took %v, want about 110 ms", got)
	}
}

// Far ends learn of a polite leave at once, and of a crash when the transport
// gives up; a crash of the sender doesn't call back what is under way.
func TestLeaveAndCrash(t *testing.T) {
	_, s := calm(t, 3)
	start(t, s)
	s.Run(time.Second)
	watcher := toyOf(s.nodes[0])
	s.nodes[1].Leave()
	s.Run(10 * time.Millisecond)
	if len(watcher.closed) != 1 || watcher.closed[0] != s.nodes[1].ID {
		t.Fatalf("after a polite leave %d sessions are closed, want 1", len(watcher.closed))
	}
	s.nodes[2].Crash()
	s.Run(59 * time.Second)
	if len(watcher.closed) != 1 {
		t.Error("a crash shows before the transport can know")
	}
	s.Run(2 * time.Second)
	if len(watcher.closed) != 2 {
		t.Error("a crash never shows")
	}
	if _, known := s.intro.find(s.nodes[2].Addr); known {
		t.Error("the introducer still names the one that crashed")
	}
}

// Pings are answered after a round trip, and count as a sign of life.
func TestPing(t *testing.T) {
	_, s := calm(t, 2)
	start(t, s)
	s.Run(time.Second)
	a, b := s.nodes[0], s.nodes[1]
	at := s.now
	a.Do(func(reliability.Time, Core) {
		toyOf(a).do(overlay.Action{Kind: overlay.ActionPing, Peer: b.ID})
	})
	s.Run(time.Second)
	pongs := toyOf(a).pongs
	if len(pongs) != 1 || (pongs[0].Sub(at)-8*time.Millisecond).Abs() > time.Millisecond {
		t.Fatalf("pongs %v after a ping at %v, want one 8 ms later", pongs, at)
	}
	if heard := a.LastHeard(b.ID); heard != pongs[0] {
		t.Errorf("last heard at %v, want at the pong's %v", heard, pongs[0])
	}
	if rtt, ok := a.RTT(b.ID); !ok || rtt != 8*time.Millisecond {
		t.Errorf("RTT %v, want 8 ms", rtt)
	}
}

// Acknowledgements are signs of life of a peer that sends nothing itself, and
// none comes from one that is gone.
func TestAcknowledgementsAreHeard(t *testing.T) {
	_, s := calm(t, 2)
	start(t, s)
	s.Run(10 * time.Second)
	a, b := s.nodes[0], s.nodes[1]
	toyOf(b).flood = false
	for i := range 100 {
		s.After(time.Duration(i)*20*time.Millisecond, func() {
			a.Do(func(now reliability.Time, _ Core) {
				toyOf(a).now = now
				toyOf(a).send(fragment(byte(i), 100), overlay.PeerID{})
			})
		})
	}
	s.Run(1900 * time.Millisecond)
	if quiet := s.now.Sub(a.LastHeard(b.ID)); quiet > 100*time.Millisecond {
		t.Errorf("the receiver of 50 fragments a second was last heard %v ago", quiet)
	}
	b.Crash()
	s.Run(3 * time.Second)
	if quiet := s.now.Sub(a.LastHeard(b.ID)); quiet < 2900*time.Millisecond {
		t.Errorf("one that crashed 3 s ago was heard %v ago", quiet)
	}
	if bytes, _ := a.Backlog(b.ID); bytes == 0 {
		t.Error("nothing waits for a receiver that is gone")
	}
}

// Pairs that can't connect never do, and the cut between two parts of a
// network holds until it heals.
func TestUnreachableAndSplit(t *testing.T) {
	sc, s := calm(t, 100)
	sc.Unreachable = 0.3
	blocked := 0
	for i := range 100 {
		for j := range i {
			if !s.reachable(s.nodes[i], s.nodes[j]) {
				blocked++
			}
			if s.reachable(s.nodes[i], s.nodes[j]) != s.reachable(s.nodes[j], s.nodes[i]) {
				t.Fatal("reachable one way only")
			}
		}
	}
	if share := float64(blocked) / (100 * 99 / 2); share < 0.27 || share > 0.33 {
		t.Errorf("%.3f of the pairs are blocked, want 0.3", share)
	}

	_, s = calm(t, 2)
	start(t, s)
	s.Run(time.Second)
	a, b := s.nodes[0], s.nodes[1]
	b.island = 1
	s.fault.splitEnd = s.now.Add(5 * time.Second)
	s.After(5*time.Second, func() { b.island = 0 })
	a.Do(func(reliability.Time, Core) {
		toyOf(a).do(overlay.Action{Kind: overlay.ActionSend, Peer: b.ID, Flow: overlay.FlowMember, Data: []byte("hello")})
		toyOf(a).do(overlay.Action{Kind: overlay.ActionPing, Peer: b.ID})
	})
	s.Run(4900 * time.Millisecond)
	if len(toyOf(b).got) != 0 || len(toyOf(a).pongs) != 0 {
		t.Error("something got through the cut")
	}
	s.Run(2 * time.Second)
	if len(toyOf(b).got) != 1 {
		t.Errorf("%d messages after the cut healed, want 1", len(toyOf(b).got))
	}
}

// The same seed gives the same run, another seed another one.
func TestTraceHash(t *testing.T) {
	play := func(seed uint64) (uint64, uint64) {
		sc := reference()
		sc.Name, sc.Nodes, sc.Seed = "steady", 40, seed
		sc.Churn.Session.Scale = 5 * time.Second
		s := New(sc, newToy)
		s.populate()
		s.ledger.media.windowSize, s.ledger.media.margin = 4*time.Second, 2*time.Second
		s.launch()
		id := 0
		s.Every(50*time.Millisecond, func() bool {
			n := s.nodes[0]
			n.Do(func(now reliability.Time, _ Core) {
				toyOf(n).now = now
				toyOf(n).send(append([]byte{0, 0x80 | byte(id>>7), byte(id & 0x7f)}, make([]byte, 900)...), overlay.PeerID{})
			})
			id++
			return true
		})
		s.Run(20 * time.Second)
		return s.Hash(), s.Events()
	}
	h1, e1 := play(7)
	h2, e2 := play(7)
	h3, _ := play(8)
	if h1 != h2 || e1 != e2 {
		t.Errorf("seed 7 gives %x after %d events, then %x after %d", h1, e1, h2, e2)
	}
	if h1 == h3 {
		t.Error("seeds 7 and 8 give the same run")
	}
}
