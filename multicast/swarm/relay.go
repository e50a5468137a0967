package swarm

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/overlay"
)

// circuit is a way between two members through others that relay its
// datagrams. What the relays pass on are real messages of their cores; the
// handshake and the packets in them are the model's own.
type circuit struct {
	session *session
	number  [2]uint64 // what each end calls it
	buffer  [2][]byte // a message that has come in part, at each end
}

// Heads of the datagrams that go through a circuit.
const (
	relayHello = iota + 1
	relayAnswer
	relayPart // more parts follow
	relayLast
)

// relayPartMax is how much of a message one datagram takes.
const relayPartMax = 1000

// relayHandshake is how many times the hello and its answer are padded to the
// size of a real handshake.
const relayHelloSize = 350

// circuits of a node, by its own number for each.
func (n *Node) circuit(number uint64) *session {
	for _, x := range n.sessions {
		if x.circuit != nil && x.circuit.number[x.side(n)] == number {
			return x
		}
	}
	return nil
}

// openCircuit runs the handshake through a circuit that stands.
func (n *Node) openCircuit(p overlay.PeerID, number uint64) {
	target := n.sim.nodeOf(p)
	if target == nil || n.peers[target.index] != nil {
		return
	}
	if n.dials == nil {
		n.dials = make(map[int32]*dial)
	}
	if n.dials[target.index] == nil {
		n.dials[target.index] = &dial{began: n.sim.now}
	}
	hello := make([]byte, relayHelloSize)
	hello[0] = relayHello
	copy(hello[1:], n.ID[:])
	n.later(number, hello)
}

// later hands a datagram to the core for a circuit, when it is at rest.
func (n *Node) later(number uint64, datagram []byte) {
	n.sim.After(0, func() {
		if n.Core != nil {
			n.Core.SendRelay(n.sim.now, number, datagram)
			n.settle()
		}
	})
}

// circuitData takes a datagram that came out of a circuit. Each end's number
// for the circuit is its own: the far end learns nothing of ours.
func (n *Node) circuitData(number uint64, b []byte) {
	if len(b) < 1 {
		return
	}
	switch b[0] {
	case relayHello, relayAnswer:
		if len(b) < 33 {
			return
		}
		far := n.sim.nodeOf(overlay.PeerID(b[1:33]))
		if far != nil {
			n.circuitShake(number, b[0], far)
		}
	default:
		if x := n.circuit(number); x != nil {
			x.circuit.receive(n, b)
		}
	}
}

func (n *Node) circuitShake(number uint64, head byte, far *Node) {
	s := n.sim
	if head == relayHello {
		if n.peers[far.index] == nil {
			x := &session{end: [2]*Node{far, n}, latency: s.latency(n.place, far.place), circuit: &circuit{}}
			x.circuit.session = x
			x.circuit.number[1] = number
			s.After(0, func() {
				if n.Core != nil && n.peers[far.index] == nil {
					x.open(1)
				}
			})
		}
		answer := make([]byte, relayHelloSize)
		answer[0] = relayAnswer
		copy(answer[1:], n.ID[:])
		n.later(number, answer)
		return
	}
	x := far.peers[n.index]
	if x == nil || x.circuit == nil || x.end[0] != n || x.state[0] != endOpening || n.peers[far.index] != nil {
		return
	}
	x.circuit.number[0] = number
	s.After(0, func() {
		if n.Core != nil && n.peers[far.index] == nil {
			x.open(0)
		}
	})
}

// send sends a message through the circuit: kind, flow, stream, and content,
// cut into datagrams.
func (c *circuit) send(n *Node, kind packetKind, f overlay.Flow, k Key, data []byte) {
	message := append([]byte{byte(kind), byte(f)}, binary.AppendUvarint(nil, uint64(n.sim.keyNumber(k)))...)
	message = append(message, data...)
	number := c.number[c.session.side(n)]
	for len(message) > relayPartMax {
		n.later(number, append([]byte{relayPart}, message[:relayPartMax]...))
		message = message[relayPartMax:]
	}
	n.later(number, append([]byte{relayLast}, message...))
}

// receive takes a datagram of a session through the circuit.
func (c *circuit) receive(n *Node, b []byte) {
	s, side := n.sim, c.session.side(n)
	c.session.way[1-side].last = s.now
	c.buffer[side] = append(c.buffer[side], b[1:]...)
	if b[0] != relayLast {
		return
	}
	message := c.buffer[side]
	c.buffer[side] = nil
	if len(message) < 3 {
		return
	}
	key, used := binary.Uvarint(message[2:])
	if used <= 0 || key > uint64(len(s.keys)) {
		return
	}
	p := s.takePacket()
	p.s, p.side, p.kind, p.flow = c.session, uint8(1-side), packetKind(message[0]), overlay.Flow(message[1])
	p.key, p.data = int32(key), message[2+used:]
	s.After(0, func() {
		if n.Core != nil && c.session.state[side] == endOpen {
			s.deliver(p, c.session.end[1-side], n)
		}
		s.release(p)
	})
}

// drop ends the circuit's session at one end; the far end hears of it from its
// own core.
func (c *circuit) drop(n *Node) {
	side := c.session.side(n)
	c.session.latency = max(c.session.latency, time.Millisecond)
	c.buffer[side] = nil
}

// circuitClosed ends the session of a circuit that is no more.
func (n *Node) circuitClosed(number uint64) {
	x := n.circuit(number)
	if x == nil {
		return
	}
	n.sim.After(0, func() { x.closed(n) })
}
