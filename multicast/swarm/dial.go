package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// dial is an opening that has not ended.
type dial struct {
	began reliability.Time
	// introduced tells that some introducer has passed the hello on.
	introduced bool
}

// openTimeout is when the transport gives an opening up by itself.
const openTimeout = 95 * time.Second

// dial opens a session with a member: by an introducer that both know, by a
// common neighbor, whichever is nearer.
func (n *Node) dial(a *Action) {
	s := n.sim
	to := indexOf(a.Peer)
	if x := n.peer(to); x != nil {
		s.After(0, func() {
			if n.peer(to) == x && n.Core != nil {
				x.open(x.side(n))
			}
		})
		return
	}
	if n.dials == nil {
		n.dials = make(map[int32]*dial)
	}
	d := n.dials[to]
	if d == nil {
		d = &dial{began: s.now}
		n.dials[to] = d
		s.After(openTimeout, func() { n.dialTimeout(d, a.Peer) })
	}
	s.ledger.dials++
	n.spend(handshakeHello*max(1, len(a.Addrs)+len(a.Via)), bytesShake)
	target := s.nodeOf(a.Peer)
	if target == nil {
		return
	}
	if target.lan != 0 && target.lan == n.lan {
		n.hello(d, target, s.latency(n.place, target.place))
		return
	}
	if delay, ok := n.introduction(a, target); ok {
		n.hello(d, target, delay)
	}
}

// handshakeHello is the size of a hello.
const handshakeHello = 330

// introduction returns how long a hello takes to the target by the quickest
// way, or false if there is none.
func (n *Node) introduction(a *Action, target *Node) (time.Duration, bool) {
	s := n.sim
	best, found := time.Duration(0), false
	try := func(d time.Duration) {
		if !found || d < best {
			best, found = d, true
		}
	}
	for _, addr := range a.Addrs {
		if addr.Origin == wire.OriginRelay && s.intro.serves(n, target) {
			try(s.latency(n.place, s.intro.place) + s.latency(s.intro.place, target.place))
		}
	}
	for _, via := range a.Via {
		x := n.peer(indexOf(via))
		if x == nil || x.circuit != nil {
			continue
		}
		v := x.end[1-x.side(n)]
		y := v.peer(target.index)
		if v.Core == nil || s.cut(x) || y == nil || y.circuit != nil || y.state[y.side(v)] != endOpen {
			continue
		}
		try(x.latency + y.latency)
	}
	return best, found
}

func (n *Node) dialTimeout(d *dial, p overlay.PeerID) {
	to := indexOf(p)
	if n.dials[to] != d || n.Core == nil {
		return
	}
	delete(n.dials, to)
	why := overlay.DialTimeout
	if d.introduced {
		why = overlay.DialUnreachable
	}
	n.Core.HandleDialFailed(n.sim.now, p, why)
	n.settle()
}

// hello lets a hello arrive at the target after delay, and the handshake
// follow. Each of its packets that is lost costs a repetition.
func (n *Node) hello(d *dial, target *Node, delay time.Duration) {
	s := n.sim
	for range 3 {
		for range 5 { // one loss in a row is what matters
			if !s.net.losesOnce() {
				break
			}
			delay += helloRetry
		}
	}
	s.After(delay, func() { s.answerHello(n, target, d) })
}

// answerHello is the target's part: from the hello that has arrived to keys.
func (s *Sim) answerHello(n, target *Node, d *dial) {
	if n.Core == nil || target.Core == nil || n.dials[target.index] != d || n.island != target.island {
		return
	}
	d.introduced = true
	if !s.reachable(n, target) {
		target.spend(handshakeHello, bytesShake)
		return
	}
	latency := s.latency(n.place, target.place)
	target.spend(handshakeFar, bytesShake)
	s.After(2*latency, func() {
		n.spend(handshakeNear, bytesShake)
		if target.Core == nil || n.Core == nil || n.peer(target.index) != nil || target.peer(n.index).stands(n) {
			return // gone, or a dial of the other one was quicker
		}
		x := &session{end: [2]*Node{n, target}, latency: latency}
		s.meet(x, n.dials[target.index] == d)
	})
}

// meet opens a session at the responder, and after one more way at the
// initiator, unless that has given up.
func (s *Sim) meet(x *session, wanted bool) {
	n := x.end[0]
	x.open(1)
	s.After(x.latency, func() {
		if !wanted || n.Core == nil || x.state[0] == endClosed || n.dials[x.end[1].index] == nil && n.peer(x.end[1].index) == nil {
			x.state[0] = endClosed
			x.drop()
			return
		}
		x.open(0)
	})
}

// drop throws away what came early, and lets the responder find out that
// nobody is there.
func (x *session) drop() {
	s := x.end[0].sim
	for _, p := range x.early {
		s.release(p)
	}
	x.early = nil
	s.After(deadAfter, func() { x.closed(x.end[1]) })
}
