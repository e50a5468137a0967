package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// packetKind says what is under way.
type packetKind uint8

const (
	kindMessage packetKind = iota // ordered and reliable
	kindMedia                     // a fragment: until its deadline, in the order of arrival
	kindPing                      // answered by kindPong
	kindPong
	kindCloseFlow    // the far end closes or refuses a flow
	kindCloseSession // the far end has let go
	kindAgain        // not under way: the sender has learned that it was lost
	kindNative       // by native multicast: one packet for all who listen
)

// packet is a message, or what stands for one, on its way.
type packet struct {
	s        *session
	next     *packet // in the list of free ones, or of those lost on a way
	data     []byte
	deadline reliability.Time
	departs  reliability.Time // when it left, the last time
	key      int32
	size     int32 // bytes of IP that it takes
	flow     overlay.Flow
	kind     packetKind
	side     uint8 // which end sent it
	tries    uint8 // how often it was lost
	listed   bool  // in the list of those lost
	gen      uint32
}

// Sizes in bytes of IP packets.
const (
	// packetOverhead is what an IP packet costs beside the messages in it: IP
	// and UDP headers, session ID, authentication and padding, packet header
	// and the head of its first chunk. With the 4 to 10 bytes of a fragment's
	// own header a packet with one fragment has about 64 bytes of framing.
	packetOverhead = 58
	// chunkOverhead is what one more message in the same packet costs.
	chunkOverhead = 7
	// ackSize is what an acknowledgement takes by itself, ackChunk in a packet
	// that goes anyway. One is due for ackPackets packets, or at least two with
	// ackBytes.
	ackSize    = 52
	ackChunk   = 12
	ackPackets = 5
	ackBytes   = 3000
	pingSize   = 56
	packetRoom = 1150
	// handshakeFar and handshakeNear are what the responder and the initiator
	// send to open a session.
	handshakeFar, handshakeNear = 700, 1100
)

// Times of the transport.
const (
	delayedAck = 200 * time.Millisecond
	leastWait  = 250 * time.Millisecond
	longWait   = 10 * time.Second
	// helloRetry is when an unanswered hello or keying is repeated.
	helloRetry = time.Second
)

func (s *Sim) takePacket() *packet {
	p := s.free
	if p == nil {
		return new(packet)
	}
	s.free = p.next
	p.next = nil
	return p
}

// release gives a packet back.
func (s *Sim) release(p *packet) {
	if p.kind == kindMedia || p.kind == kindAgain {
		s.ledger.mediaEnded++
	}
	*p = packet{next: s.free, gen: p.gen + 1}
	s.free = p
}

// send sends a message of the core, or what belongs to it, over a session.
func (n *Node) send(x *session, kind packetKind, f overlay.Flow, k Key, data []byte) {
	s := n.sim
	if x.circuit != nil {
		x.circuit.send(n, kind, f, k, data)
		return
	}
	p := s.takePacket()
	p.s, p.side, p.kind, p.flow, p.key, p.data = x, uint8(x.side(n)), kind, f, s.keyNumber(k), data
	size := len(data)
	if kind != kindMessage {
		size = pingSize - packetOverhead
	}
	n.transmit(p, size)
}

// sendMedia sends a fragment.
func (n *Node) sendMedia(m *Media) {
	s := n.sim
	x := n.peer(indexOf(m.Peer))
	n.books.sentFragments++
	n.books.sentBytes += uint64(len(m.Data))
	if x == nil || x.circuit != nil {
		s.ledger.mediaDropped++
		return
	}
	p := s.takePacket()
	p.s, p.side, p.kind, p.flow, p.key = x, uint8(x.side(n)), kindMedia, overlay.FlowMedia, s.keyNumber(m.Key)
	p.data, p.deadline = m.Data, m.Deadline
	s.ledger.mediaBegun++
	s.ledger.checkSend(n, p)
	n.transmit(p, len(m.Data))
}

// transmit puts a packet with size bytes of content on the line, and decides
// what becomes of it.
func (n *Node) transmit(p *packet, size int) {
	s, w := n.sim, &p.s.way[p.side]
	if w.sentAt == s.now && int(w.room) >= size+chunkOverhead {
		w.room -= int16(size + chunkOverhead)
		p.size = int32(size + chunkOverhead)
	} else {
		packets := 1 + (size-1)/packetRoom
		p.size = int32(size + packets*packetOverhead)
		w.room = int16(max(packets*packetRoom-size, 0))
		n.carryAck(p.s, &p.s.way[1-p.side])
	}
	gap := s.now.Sub(w.sentAt)
	w.sentAt = s.now
	s.ledger.sent(n, p, size)
	n.depart(p)
	w.flying += p.size
	if p.kind == kindMedia {
		s.sendOnce(p, gap)
		return
	}
	n.Core.Charge(s.now, int(p.size))
	s.sendOrdered(n, p, gap)
}

// depart queues a packet on the node's line. Objects wait for all else.
func (n *Node) depart(p *packet) {
	took := n.lineTime(int(p.size))
	n.free = max(n.free, n.sim.now).Add(took)
	p.departs = n.free
	if p.flow != overlay.FlowObjects {
		n.urgent = min(max(n.urgent, n.sim.now).Add(took), n.free)
		p.departs = n.urgent
	}
}

func (n *Node) lineTime(bytes int) time.Duration {
	return time.Duration(float64(bytes) / n.line * float64(time.Second))
}

// spend takes the line for bytes that the transport sends by itself.
func (n *Node) spend(bytes int, kind byteKind) {
	if n.Core == nil {
		return
	}
	s := n.sim
	took := n.lineTime(bytes)
	n.free = max(n.free, s.now).Add(took)
	n.urgent = min(max(n.urgent, s.now).Add(took), n.free)
	n.Core.Charge(s.now, bytes)
	s.ledger.spent(n, bytes, kind)
}

// sendOnce sends a fragment. If it is lost, the sender learns of it when a
// later packet of the same way gets through, or when the timeout passes.
func (s *Sim) sendOnce(p *packet, gap time.Duration) {
	x, w := p.s, &p.s.way[p.side]
	if s.cut(x) || s.net.lose(&w.bad, gap) {
		p.listed = true
		tail := &w.lost
		for *tail != nil {
			tail = &(*tail).next
		}
		*tail = p
		gen := p.gen
		wait := min(timeout(x)<<min(p.tries, 6), longWait)
		s.At(p.departs.Add(wait), func() {
			if p.gen == gen && p.listed {
				s.unlist(w, p)
				s.sendAgain(p)
			}
		})
		return
	}
	s.events.Push(p.departs.Add(x.latency), event{p: p})
	known := p.departs.Add(2 * x.latency)
	for w.lost != nil {
		q := w.lost
		s.unlist(w, q)
		q.kind = kindAgain
		s.events.Push(known, event{p: q})
	}
}

// timeout is the transport's retransmission timeout on a session.
func timeout(x *session) time.Duration { return max(2*x.latency+delayedAck, leastWait) }

// unlist takes a packet out of the list of those lost.
func (s *Sim) unlist(w *way, p *packet) {
	for at := &w.lost; *at != nil; at = &(*at).next {
		if *at == p {
			*at = p.next
			break
		}
	}
	p.next, p.listed = nil, false
}

// abandon gives up what was lost on a way.
func (s *Sim) abandon(w *way) {
	for w.lost != nil {
		p := w.lost
		s.unlist(w, p)
		s.ledger.abandoned++
		s.release(p)
	}
}

// sendAgain repeats a fragment that was lost, unless its time has passed.
func (s *Sim) sendAgain(p *packet) {
	n := p.s.end[p.side]
	if n.Core == nil || p.s.state[p.side] != endOpen || s.now > p.deadline {
		p.s.way[p.side].flying -= p.size
		s.ledger.abandoned++
		s.release(p)
		return
	}
	p.kind = kindMedia
	p.tries = min(p.tries+1, 200)
	n.depart(p)
	n.Core.Charge(s.now, int(p.size))
	s.ledger.spent(n, int(p.size), bytesAgain)
	s.sendOnce(p, 0)
}

// sendOrdered sends what arrives for certain and in order, if the far end
// lives: the repetitions that loss calls for are decided at once. gap is the
// time since the packet before, a guess at when the next one goes.
func (s *Sim) sendOrdered(n *Node, p *packet, gap time.Duration) {
	x, w := p.s, &p.s.way[p.side]
	once := p.kind == kindPing || p.kind == kindPong
	if s.cut(x) {
		if once {
			s.lostForGood(p)
			return
		}
		p.departs = s.fault.healed(s.now).Add(timeout(x))
	}
	// The first repetition comes when a later packet shows the gap. By then,
	// and all the more after a timeout, a spell of loss has mostly passed.
	wait := min(timeout(x), 2*x.latency+gap)
	for lost := s.net.lose(&w.bad, gap); lost; lost = s.net.losesOnce() {
		if once {
			s.lostForGood(p)
			return
		}
		p.departs = p.departs.Add(wait)
		wait = min(max(wait, timeout(x))*3/2, longWait)
		s.ledger.spent(n, min(int(p.size), packetRoom+packetOverhead), bytesAgain)
		if p.tries++; p.tries > 20 {
			break
		}
	}
	at := p.departs.Add(x.latency)
	switch {
	case once:
	case p.flow == overlay.FlowObjects:
		at = max(at, w.bulk)
		w.bulk = at
	default:
		at = max(at, w.order)
		w.order = at
	}
	s.events.Push(at, event{p: p})
}

func (s *Sim) lostForGood(p *packet) {
	p.s.way[p.side].flying -= p.size
	s.release(p)
}

// cut reports whether the ends of a session are in different parts of a
// divided network.
func (s *Sim) cut(x *session) bool { return x.end[0].island != x.end[1].island }

// arrive hands a packet to the node at the far end.
func (s *Sim) arrive(p *packet) {
	if p.kind == kindAgain {
		s.sendAgain(p)
		return
	}
	x := p.s
	from, to := x.end[p.side], x.end[1-p.side]
	w := &x.way[p.side]
	switch {
	case to.Core == nil || from.Core == nil && p.departs > from.Gone && p.kind != kindCloseSession:
		// Nobody is there, or it never left: the sender was gone by then. Who takes
		// leave stays until the farewells are out.
		s.ledger.died(p)
		s.release(p)
		return
	case to.frozen > s.now:
		s.events.Push(to.frozen, event{p: p})
		return
	case s.cut(x) && p.kind != kindMedia:
		// The network was divided while the packet was under way.
		p.departs = s.fault.healed(s.now)
		s.events.Push(p.departs.Add(timeout(x)), event{p: p})
		return
	}
	switch x.state[1-p.side] {
	case endOpening:
		x.early = append(x.early, p)
		return
	case endClosed:
		w.flying -= p.size
		s.ledger.died(p)
		s.release(p)
		return
	}
	w.flying -= p.size
	s.mix(uint64(s.now))
	s.mix(uint64(to.index)<<40 | uint64(p.kind)<<32 | uint64(uint32(p.size)))
	s.heard(w, to, x, p)
	s.deliver(p, from, to)
	s.release(p)
}

// heard notes that something arrived, and has the transport acknowledge it: so
// many packets or bytes at once, what is less after a while. An acknowledgement
// that was due by itself is booked with the next packet.
func (s *Sim) heard(w *way, to *Node, x *session, p *packet) {
	w.last = s.now
	if p.kind > kindMedia {
		return
	}
	if w.unacked > 0 && s.now >= w.ackDue {
		w.unacked, w.unackedBytes = 0, 0
		to.spend(ackSize, bytesAck)
	}
	if w.unacked == 0 {
		w.ackDue = s.now.Add(delayedAck)
		if w.ackAt <= s.now {
			w.ackWas = w.ackAt
			w.ackAt = w.ackDue.Add(x.latency)
		}
	}
	w.unacked++
	w.unackedBytes += p.size
	if w.unacked < ackPackets && (w.unacked < 2 || w.unackedBytes < ackBytes) {
		return
	}
	to.spend(ackSize, bytesAck)
	s.acknowledged(w, x)
}

// acknowledged notes that an acknowledgement of a way leaves now.
func (s *Sim) acknowledged(w *way, x *session) {
	w.unacked, w.unackedBytes = 0, 0
	w.ackAt = min(w.ackAt, s.now.Add(x.latency))
}

// carryAck has a packet to the far end take along the acknowledgement that it is
// owed.
func (n *Node) carryAck(x *session, w *way) {
	s := n.sim
	if w.unacked == 0 {
		return
	}
	size := ackChunk
	if s.now >= w.ackDue {
		size = ackSize // it has left by itself
	}
	n.spend(size, bytesAck)
	s.acknowledged(w, x)
}

func (s *Sim) deliver(p *packet, from, to *Node) {
	channel := Channel{p.flow, s.key(p.key)}
	switch p.kind {
	case kindMedia:
		s.ledger.received(from, to, p)
		to.Core.HandleMessage(s.now, from.ID, channel, p.data)
	case kindMessage:
		switch {
		case isStream(p.flow):
			to.books.gotControl += uint64(len(p.data))
		case p.flow == overlay.FlowPostValues:
			s.apps.values++
		}
		to.Core.HandleMessage(s.now, from.ID, channel, p.data)
	case kindPing:
		to.send(p.s, kindPong, 0, Key{}, nil)
		return
	case kindPong:
		to.Core.HandlePong(s.now, from.ID)
	case kindCloseFlow:
		to.Core.HandleChannelClosed(s.now, from.ID, channel)
	case kindCloseSession:
		p.s.closed(to)
		return
	}
	to.settle()
}
