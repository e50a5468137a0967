package rtmfp

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Bounds of packets that come in pieces (RFC 7016 section 2.3.1).
const (
	fragmentPatience = time.Second      // between pieces
	fragmentLifetime = 60 * time.Second // of the whole
	maxReassembled   = 1 << 16          // bytes of one packet
	maxPieces        = 64               // of one packet
	maxAssemblies    = 64               // at once before there are sessions
	maxSessionPieces = 4                // packets at once in one session
	// What may be sent in pieces to one far end in 200 ms.
	maxSentPieces     = 4
	maxSentPieceBytes = 4380
)

// assembly is a packet of which some pieces have come.
type assembly struct {
	from        netip.AddrPort // of startup packets; a session's may move
	id          uint64
	mode        wire.Mode
	begun, last Instant
	pieces      [][]byte // nil where one is missing
	got         int
	size        int
	final       int // number of the last piece; -1 while unknown
}

// assemblies are packets that are being put together. Their number is bounded,
// and what makes no progress goes first.
type assemblies struct {
	list []assembly
}

// insert takes a piece and returns the packet when it is the last one missing.
// It reports false when the piece is refused.
func (a *assemblies) insert(now Instant, limit int, from netip.AddrPort, mode wire.Mode, p wire.PacketFragment) (packet []byte, ok bool) {
	a.list = slices.DeleteFunc(a.list, func(x assembly) bool {
		return now.Sub(x.last) > fragmentPatience || now.Sub(x.begun) > fragmentLifetime
	})
	i := slices.IndexFunc(a.list, func(x assembly) bool { return x.id == p.PacketID && x.from == from })
	if i < 0 {
		if len(a.list) >= limit {
			return nil, false
		}
		i = len(a.list)
		a.list = append(a.list, assembly{from: from, id: p.PacketID, mode: mode, begun: now, last: now, final: -1})
	}
	x := &a.list[i]
	if !x.insert(now, mode, p) {
		return nil, false
	}
	if x.final < 0 || x.got <= x.final {
		return nil, true
	}
	packet = bytes.Join(x.pieces, nil)
	a.list = slices.Delete(a.list, i, i+1)
	return packet, true
}

func (x *assembly) insert(now Instant, mode wire.Mode, p wire.PacketFragment) bool {
	n := int(min(p.Number, maxPieces))
	switch {
	case mode != x.mode, n >= maxPieces, x.size+len(p.Data) > maxReassembled:
		return false
	case x.final >= 0 && (n > x.final || !p.More && n != x.final):
		return false
	case !p.More && n < len(x.pieces)-1:
		return false // pieces beyond the last one
	}
	for len(x.pieces) <= n {
		x.pieces = append(x.pieces, nil)
	}
	if !p.More {
		x.final = n
	}
	if x.pieces[n] == nil {
		x.pieces[n] = bytes.Clone(p.Data)
		x.size += len(p.Data)
		x.got++
		x.last = now
	}
	return true
}

// handleFragment takes a piece of a packet of s, or of the startup if s is
// nil, and returns the whole packet if it is complete now.
func (e *Endpoint) handleFragment(now Instant, s *Session, mode wire.Mode, payload []byte, d *Datagram) []byte {
	p, err := wire.ParsePacketFragment(payload)
	if err != nil {
		e.stats.Malformed++
		return nil
	}
	from, list, limit := d.From, &e.pieces, maxAssemblies
	if s != nil {
		from, list, limit = netip.AddrPort{}, &s.pieces, maxSessionPieces
	}
	packet, ok := list.insert(now, limit, from, mode, p)
	if !ok {
		e.stats.Refused++
	}
	return packet
}

// splitStartup calls send with packets in pieces of at most room bytes that
// make up the plain packet b.
func (e *Endpoint) splitStartup(b []byte, room int, send func(b []byte)) {
	const head = wire.HeaderMax + wire.ChunkHeader + 1 + 10 + 2
	size := room - head
	if len(b) > maxSentPieceBytes || (len(b)+size-1)/size > maxSentPieces {
		e.stats.Refused++
		return
	}
	e.lastPacketID++
	for n := uint64(0); len(b) > 0; n++ {
		k := min(size, len(b))
		p := wire.PacketFragment{More: k < len(b), PacketID: e.lastPacketID, Number: n, Data: b[:k]}
		b = b[k:]
		send(wire.AppendPacketFragment(nil, p))
	}
}
