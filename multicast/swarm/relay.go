package swarm

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay"
)

// circuit is a session's way through other members that relay its datagrams.
// What the relays pass on are real messages of their cores; the datagrams are
// the model's own: a hello and its answer, parts of messages in order, and
// their acknowledgements. Relays drop what is more than they allow, so parts
// are sent again until they are acknowledged.
type circuit struct {
	session *session
	end     [2]circuitEnd
}

// circuitEnd is one end of a circuit.
type circuitEnd struct {
	number  uint64              // what this end calls it
	queue   [][]byte            // parts that are not acknowledged, the first is part first
	first   uint16              // number of the first part in queue
	next    uint16              // number of the part that is due from the far end
	early   [relayWindow][]byte // parts that came before that one, by their number
	message []byte              // what has come of a message
	timer   bool                // a repetition is due
}

// Heads of the datagrams that go through a circuit.
const (
	relayHello = iota + 1
	relayAnswer
	relayPart // more parts follow
	relayLast
	relayAck
)

const (
	// relayPartMax is how much of a message one datagram takes.
	relayPartMax = 1000
	// relayHelloSize is about the size of the packets of a handshake.
	relayHelloSize = 350
	// relayWindow is how many parts may be on their way, and relayWait when the
	// first of them is sent again.
	relayWindow = 32
	relayWait   = time.Second
	// relayHellos is how often a hello is repeated.
	relayHellos = 4
)

// circuit returns the session that this node's circuit of a number carries.
func (n *Node) circuit(number uint64) *session {
	for _, x := range n.sessions {
		if x.circuit != nil && x.circuit.end[x.side(n)].number == number {
			return x
		}
	}
	return nil
}

// openCircuit runs the handshake through a circuit.
func (n *Node) openCircuit(p overlay.PeerID, number uint64) {
	target := n.sim.nodeOf(p)
	if target == nil || n.peer(target.index) != nil {
		return
	}
	if n.dials == nil {
		n.dials = make(map[int32]*dial)
	}
	d := n.dials[target.index]
	if d == nil {
		d = &dial{began: n.sim.now}
		n.dials[target.index] = d
	}
	hello := make([]byte, relayHelloSize)
	hello[0] = relayHello
	copy(hello[1:], n.ID[:])
	n.relayHello(d, target, number, hello, relayHellos)
}

// relayHello sends a hello through a circuit, and again while nobody answers.
func (n *Node) relayHello(d *dial, target *Node, number uint64, hello []byte, left int) {
	if n.Core == nil || n.dials[target.index] != d {
		return
	}
	n.later(number, hello)
	if left > 0 {
		n.sim.After(relayWait, func() { n.relayHello(d, target, number, hello, left-1) })
	}
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
	switch {
	case len(b) < 3:
	case b[0] == relayHello || b[0] == relayAnswer:
		if len(b) < 33 {
			return
		}
		if far := n.sim.nodeOf(overlay.PeerID(b[1:33])); far != nil {
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
		n.answerRelayed(number, far)
		return
	}
	x := far.peer(n.index)
	if x == nil || x.circuit == nil || x.end[0] != n || x.state[0] != endOpening || n.peer(far.index) != nil {
		return
	}
	x.circuit.end[0].number = number
	s.After(0, func() {
		if n.Core != nil && n.peer(far.index) == nil {
			x.open(0)
		}
	})
}

// answerRelayed is the responder's part of a handshake through a circuit. A
// hello that comes again is answered again.
func (n *Node) answerRelayed(number uint64, far *Node) {
	s := n.sim
	x := n.peer(far.index)
	if x.stands(far) {
		return // the two have found each other on another way
	}
	if x == nil || x.circuit == nil || x.end[1] != n || x.circuit.end[1].number != number {
		x = &session{end: [2]*Node{far, n}, latency: s.latency(n.place, far.place), circuit: &circuit{}}
		x.circuit.session = x
		x.circuit.end[1].number = number
		s.After(0, func() {
			if n.Core != nil && !n.peer(far.index).stands(far) {
				x.open(1)
			}
		})
	}
	answer := make([]byte, relayHelloSize)
	answer[0] = relayAnswer
	copy(answer[1:], n.ID[:])
	n.later(number, answer)
}

// send queues a message for the circuit: kind, flow, stream and content, cut
// into parts.
func (c *circuit) send(n *Node, kind packetKind, f overlay.Flow, k Key, data []byte) {
	message := append([]byte{byte(kind), byte(f)}, binary.AppendUvarint(nil, uint64(n.sim.keyNumber(k)))...)
	message = append(message, data...)
	e := &c.end[c.session.side(n)]
	for head := byte(relayPart); head != relayLast; {
		size := min(len(message), relayPartMax)
		if size == len(message) {
			head = relayLast
		}
		part := append([]byte{head, 0, 0}, message[:size]...)
		binary.BigEndian.PutUint16(part[1:], e.first+uint16(len(e.queue)))
		e.queue = append(e.queue, part)
		if len(e.queue) <= relayWindow {
			n.later(e.number, part)
		}
		message = message[size:]
	}
	c.arm(n)
}

// arm has what is not acknowledged sent again after a while.
func (c *circuit) arm(n *Node) {
	side := c.session.side(n)
	e := &c.end[side]
	if e.timer || len(e.queue) == 0 {
		return
	}
	e.timer = true
	first := e.first
	n.sim.After(relayWait, func() {
		e.timer = false
		if n.Core == nil || c.session.state[side] == endClosed {
			return
		}
		if e.first == first && len(e.queue) > 0 {
			n.later(e.number, e.queue[0])
		}
		c.arm(n)
	})
}

// receive takes a part or an acknowledgement of the session in the circuit.
func (c *circuit) receive(n *Node, b []byte) {
	side := c.session.side(n)
	e := &c.end[side]
	c.session.way[1-side].last = n.sim.now
	number := binary.BigEndian.Uint16(b[1:])
	if b[0] == relayAck {
		c.acknowledged(n, e, number)
		return
	}
	if ahead := number - e.next; ahead < relayWindow {
		e.early[number%relayWindow] = b
	}
	for part := e.early[e.next%relayWindow]; part != nil; part = e.early[e.next%relayWindow] {
		e.early[e.next%relayWindow] = nil
		e.next++
		e.message = append(e.message, part[3:]...)
		if part[0] == relayLast {
			c.take(n, side, e.message)
			e.message = nil
		}
	}
	ack := []byte{relayAck, 0, 0}
	binary.BigEndian.PutUint16(ack[1:], e.next)
	n.later(e.number, ack)
}

// acknowledged lets go of the parts before number, and sends the next ones.
func (c *circuit) acknowledged(n *Node, e *circuitEnd, number uint16) {
	done := int(number - e.first)
	if done <= 0 || done > len(e.queue) {
		return
	}
	sent := min(len(e.queue), relayWindow)
	e.queue = slices.Delete(e.queue, 0, done)
	e.first = number
	for k := sent - done; k < min(len(e.queue), relayWindow); k++ {
		n.later(e.number, e.queue[k])
	}
}

// take hands a message that has come through the circuit to the core.
func (c *circuit) take(n *Node, side int, message []byte) {
	s := n.sim
	if len(message) < 3 {
		return
	}
	key, used := binary.Uvarint(message[2:])
	if used <= 0 || key > uint64(len(s.keys)) {
		return
	}
	kind, channel := packetKind(message[0]), Channel{overlay.Flow(message[1]), s.key(int32(key))}
	data := message[2+used:]
	s.After(0, func() {
		if n.Core == nil || c.session.state[side] != endOpen {
			return
		}
		p := packet{s: c.session, side: uint8(1 - side), kind: kind, flow: channel.Flow, key: int32(key), data: data}
		s.deliver(&p, c.session.end[1-side], n)
	})
}

// drop ends the circuit's session at one end; the far end hears of it from its
// own core.
func (c *circuit) drop(n *Node) {
	e := &c.end[c.session.side(n)]
	e.queue, e.message, e.early = nil, nil, [relayWindow][]byte{}
}

// circuitClosed ends the session of a circuit that is no more.
func (n *Node) circuitClosed(number uint64) {
	x := n.circuit(number)
	if x == nil {
		return
	}
	n.sim.After(0, func() { x.closed(n) })
}
