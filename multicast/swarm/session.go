package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// session is the transport between two nodes: from the moment when the
// responder has its keys until both ends have let go.
type session struct {
	end     [2]*Node
	state   [2]endState
	latency time.Duration
	way     [2]way // way[i] carries what end[i] sends
	// circuit is not nil for a session that runs through a third member.
	circuit *circuit
	early   []*packet // came before the initiator had its keys
}

type endState uint8

const (
	endOpening endState = iota
	endOpen
	endClosed
)

// way is one direction of a session.
type way struct {
	last   reliability.Time // when the last packet arrived
	ackAt  reliability.Time // when an acknowledgement comes back to the sender
	ackWas reliability.Time // and when the one before did
	order  reliability.Time // arrival of the last ordered message
	bulk   reliability.Time // arrival of the last object, which hold up nothing else
	sentAt reliability.Time // when the last packet was handed to the line
	lost   *packet          // sent and lost, in the order of sending; nobody knows yet
	flying int32            // bytes sent and not arrived
	// unackedBytes are those of the packets that unacked counts.
	unackedBytes int32
	room         int16            // bytes that still fit into the packet of sentAt
	ackDue       reliability.Time // when the acknowledgement that is owed leaves by itself
	unacked      uint8            // data packets since the last acknowledgement
	bad          bool             // the way is in a spell of loss
}

// side returns which end n is.
func (s *session) side(n *Node) int {
	if s.end[1] == n {
		return 1
	}
	return 0
}

// lastHeard returns when the end side last got anything from the far end: a
// packet of its own, or an acknowledgement.
func (s *session) lastHeard(side int, now reliability.Time) reliability.Time {
	own := &s.way[side]
	ack := own.ackWas
	if own.ackAt <= now {
		ack = own.ackAt
	}
	return max(s.way[1-side].last, ack)
}

// stands reports whether there is a session that the far end n holds open too.
// One that it has let go of, or never got to hold, gives way to another.
func (s *session) stands(n *Node) bool { return s != nil && s.state[s.side(n)] == endOpen }

// open makes a session known to one of its ends and tells its core.
func (s *session) open(side int) {
	n := s.end[side]
	if n.Core == nil || s.state[side] == endClosed {
		return
	}
	if old := n.peer(s.end[1-side].index); old != nil {
		old.forget(n)
		n.Core.HandleSessionClosed(n.sim.now, s.end[1-side].ID)
		n.settle()
	}
	s.state[side] = endOpen
	far := s.end[1-side]
	n.sessions, n.fars = append(n.sessions, s), append(n.fars, far.index)
	delete(n.dials, far.index)
	for i := range s.way {
		s.way[i].last = max(s.way[i].last, n.sim.now)
	}
	info := overlay.SessionInfo{Peer: far.ID, Initiator: side == 0, Far: far.far, Relayed: s.circuit != nil}
	info.NearNonce, info.FarNonce = s.nonce(side), s.nonce(1-side)
	n.Core.HandleSession(n.sim.now, info)
	n.settle()
	if side == 0 {
		early := s.early
		s.early = nil
		for _, p := range early {
			n.sim.arrive(p)
		}
	}
}

// nonce stands for what the handshake gives each end to prove itself with.
func (s *session) nonce(side int) []byte {
	b := make([]byte, 32)
	copy(b, s.end[side].ID[:16])
	copy(b[16:], s.end[1-side].ID[16:])
	return b
}

// leave ends the session at one end, which knows it.
func (s *session) leave(n *Node) {
	s.forget(n)
	if c := s.circuit; c != nil {
		c.drop(n)
	}
}

// forget takes the session out of a node's tables.
func (s *session) forget(n *Node) {
	side := s.side(n)
	if s.state[side] == endClosed {
		return
	}
	s.state[side] = endClosed
	for i, x := range n.sessions {
		if x == s {
			last := len(n.sessions) - 1
			n.sessions[i] = n.sessions[last]
			n.sessions[last] = nil
			n.fars[i] = n.fars[last]
			n.sessions, n.fars = n.sessions[:last], n.fars[:last]
			break
		}
	}
	n.sim.abandon(&s.way[side])
}

// closed ends the session at one end because the far end is gone.
func (s *session) closed(n *Node) {
	side := s.side(n)
	was := s.state[side]
	s.leave(n)
	if was == endOpen && n.Core != nil {
		n.Core.HandleSessionClosed(n.sim.now, s.end[1-side].ID)
		n.settle()
	}
}
