package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// byteKind says what bytes on a line are for.
type byteKind uint8

const (
	bytesPayload byteKind = iota // of fragments, sent the first time
	bytesFraming                 // what a fragment costs beside its payload
	bytesAgain                   // sent again after a loss
	bytesStream                  // control of the stream
	bytesOverlay                 // membership, gossip, lists, relayed datagrams
	bytesApp                     // posts, routed messages, objects
	bytesAck                     // acknowledgements
	bytesShake                   // hellos, handshakes and probes

	byteKinds
)

var byteNames = [byteKinds]string{"payload", "framing", "again", "stream", "overlay", "posts", "acks", "probes"}

// nodeBytes is what one node has sent while the ledger was on.
type nodeBytes struct{ total, relayed uint64 }

// books are what one node has done from its beginning, to hold against what it
// counts itself. Bytes are those of messages.
type books struct {
	sentFragments, sentBytes   uint64
	firstFragments, firstBytes uint64 // that it had not before
	againFragments, againBytes uint64
	sentControl, gotControl    uint64 // bytes on the flows of streams
	messages                   uint64 // handed to the application
}

// ledger counts bytes and deliveries outside the nodes: what the cores say of
// themselves plays no part in it.
type ledger struct {
	sim *Sim
	// on tells that the measurement has begun.
	on    bool
	begun reliability.Time

	bytes     [byteKinds]uint64
	useful    uint64 // payload bytes that a node got for the first time
	duplicate uint64 // payload bytes that it had already
	source    *Node
	egress    []uint64 // bytes that the source sent, for each second
	kinds     [][byteKinds]uint32

	mediaSent, mediaArrived, mediaDied uint64 // fragments that left, arrived, or met nobody
	abandoned, mediaDropped            uint64 // given up, or sent to nobody
	mediaBegun, mediaEnded             uint64 // packets of fragments taken and given back
	dials                              uint64

	media  media
	joins  joins
	native nativeBooks
	viewed []*view // of nodes that are gone
}

func (l *ledger) init(s *Sim) { l.sim = s }

// begin starts the measurement.
func (l *ledger) begin() {
	l.on, l.begun = true, l.sim.now
	l.media.first = len(l.media.messages)
}

// sent books a packet that a core hands to its line; content is its size
// without headers.
func (l *ledger) sent(n *Node, p *packet, content int) {
	switch {
	case p.kind == kindMedia:
		l.mediaSent++
		payload := content - fragmentHead(p.data)
		l.spent(n, payload, bytesPayload)
		l.spent(n, int(p.size)-payload, bytesFraming)
		if l.on {
			n.sent.relayed += uint64(payload)
		}
	default:
		l.spent(n, int(p.size), kindOf(p))
	}
}

func kindOf(p *packet) byteKind {
	switch p.kind {
	case kindPing, kindPong, kindCloseSession:
		return bytesShake
	}
	switch p.flow {
	case overlay.FlowStream, overlay.FlowStreamExt:
		return bytesStream
	case overlay.FlowPostKeys, overlay.FlowPostValues, overlay.FlowRoute, overlay.FlowReplication, overlay.FlowObjects:
		return bytesApp
	}
	return bytesOverlay
}

// spent books bytes on a node's line.
func (l *ledger) spent(n *Node, bytes int, kind byteKind) {
	if !l.on {
		return
	}
	l.bytes[kind] += uint64(bytes)
	n.sent.total += uint64(bytes)
	second := int(l.sim.now.Sub(l.begun) / time.Second)
	for second >= len(l.kinds) {
		l.kinds = append(l.kinds, [byteKinds]uint32{})
		l.egress = append(l.egress, 0)
	}
	l.kinds[second][kind] += uint32(bytes)
	if n == l.source {
		l.egress[second] += uint64(bytes)
	}
}

// received books a fragment that has arrived.
func (l *ledger) received(from, to *Node, p *packet) {
	l.mediaArrived++
	v := to.View
	if v == nil {
		return
	}
	id, ok := fragmentID(p.data)
	if !ok {
		return
	}
	payload := uint64(len(p.data) - fragmentHead(p.data))
	l.media.checkFragment(l.sim, to, id, p.data)
	l.repaired(from, to, payload)
	first := v.fragment(id)
	switch {
	case !l.on:
	case first:
		l.useful += payload
	default:
		l.duplicate += payload
	}
	if first {
		v.from(from, id)
		to.books.firstFragments++
		to.books.firstBytes += uint64(len(p.data))
		return
	}
	to.books.againFragments++
	to.books.againBytes += uint64(len(p.data))
}

// died books a packet that met nobody.
func (l *ledger) died(p *packet) {
	if p.kind == kindMedia {
		l.mediaDied++
	}
}

// checkSend holds a fragment that a node sends against the rules: nothing is
// passed on that is older than window and margin.
func (l *ledger) checkSend(n *Node, p *packet) {
	id, ok := fragmentID(p.data)
	if !ok {
		l.sim.fail("fragments are fragments", "node %d sent one that is none", n.index)
		return
	}
	l.media.checkAge(l.sim, n, id, p.data)
}

func (l *ledger) started(*Node) {}

// gone ends the books of a node.
func (l *ledger) gone(n *Node) {
	if n.View != nil {
		n.View.close(l.sim.now)
		l.viewed = append(l.viewed, n.View)
	}
}

// control returns the bytes that were neither payload nor its framing nor
// repetitions of both.
func (l *ledger) control() (sum uint64) {
	for k := bytesStream; k < byteKinds; k++ {
		sum += l.bytes[k]
	}
	return sum
}

// Flag bits and fields of a fragment's head.
const (
	fragmentBegins = 0x20 // type and timestamp follow
	fragmentMore   = 0x10 // a countdown follows
)

// fragmentID reads a fragment's number.
func fragmentID(b []byte) (id uint64, ok bool) {
	for i := 1; i < len(b) && i < 10; i++ {
		id = id<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return id, true
		}
	}
	return 0, false
}

// fragmentHead returns how many bytes of a fragment come before its payload.
func fragmentHead(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	n := 1
	for n < len(b) && b[n] >= 0x80 {
		n++
	}
	n++
	if b[0]&fragmentMore != 0 {
		n++
	}
	if b[0]&fragmentBegins != 0 {
		n += 5
	}
	return min(n, len(b))
}
