package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// millis is a time in milliseconds. It wraps after 49 days, so two of them are
// compared by their difference, and what is older than minutes is set to 0,
// which stands for never.
type millis uint32

func millisOf(t reliability.Time) millis {
	m := millis(int64(t) / int64(time.Millisecond))
	if m == 0 {
		m = 1
	}
	return m
}

// after returns how many milliseconds lie between earlier and m.
func (m millis) after(earlier millis) int { return int(int32(m - earlier)) }

// until reports whether the time limit is set and still to come at m.
func (limit millis) isAhead(m millis) bool { return limit != 0 && int32(limit-m) > 0 }

// none is the index of no neighbor.
const none = -1

// neighbor is a neighbor as all streams of a group know it.
type neighbor struct {
	id    overlay.PeerID
	index int16
	tag   wire.Tag
	// ext is set if requests and grants are spoken, lan if it shares a local
	// network with native multicast, relayed if the link leads through a third.
	ext, lan, relayed bool
	// rtt is the smoothed round-trip time in milliseconds.
	rtt float32
	// suspect is until when it is not asked for anything; pinged is when it
	// was asked for a sign of life, 0 if it has been heard since.
	suspect, pinged millis
	up              reliability.Time
	port            *port
}

// defaultRTT is taken where none has been measured.
const defaultRTT = 100

// oneWay returns half of the round-trip time in milliseconds.
func (n *neighbor) oneWay() float32 { return n.rtt / 2 }

// silence returns for how long nothing was heard of a neighbor, in
// milliseconds.
func (e *Engine) silence(n *neighbor) int {
	heard := max(e.config.Transport.LastHeard(n.id), n.up)
	return int(e.now.Sub(heard) / time.Duration(time.Millisecond))
}

// peer is a neighbor as one stream knows it. There is one for each neighbor,
// so it is kept small.
type peer struct {
	// What its last status told.
	key         fragmenter.ID // newest key frame's first fragment
	last, first fragmenter.ID // what it holds is between these
	held        [4]uint64     // bit k: last-1-k is held
	lag         [fragmenter.SliceCount]wire.Lag
	lowest      [fragmenter.SliceCount]wire.Value
	statusAt    millis // 0: never
	keyCount    uint16
	slots       uint16
	used        uint16
	queue       uint16 // ms
	lack        float32
	free        uint8

	flags peerFlags
	// owns are the slices that it pushes to us, feeds those that we push to it,
	// asking those that we have asked it for, denied those that we refused it
	// because they did not come, notNow those that it refused us for a reason
	// that passes.
	owns, feeds, asking, denied, notNow uint8

	refused  [fragmenter.SliceCount]millis // not asked for the slice until then
	busy     millis                        // not pulled from until then
	stopSent millis                        // when it was last told to stop
	// announcedAt is when it was last told that we take part.
	announcedAt millis
	mediaAt     millis     // when a fragment last came from it
	pulledAt    millis     // when it was last pulled from
	pullTick    millis     // the tick in which it pulled
	pullCount   uint16     // so much
	assigned    uint16     // to be pulled from it in this round
	plain       *plainPeer // what the plain protocol needs
}

type peerFlags uint16

const (
	// peerIn: it has announced the stream. peerOut: we have announced it to it.
	peerIn peerFlags = 1 << iota
	peerOut
	// peerRefused: it does not want the stream.
	peerRefused
	// peerPublisher: it is the source. peerLeaf: it relays nothing.
	peerPublisher
	peerLeaf
	// peerExt: requests and grants are spoken with it.
	peerExt
	// peerHas: it had announced the stream when we took leave of it.
	peerHas
	// peerNative: it has the stream by native multicast.
	peerNative
)

func (p *peer) is(f peerFlags) bool { return p.flags&f != 0 }

// takesPart reports whether both ends have announced the stream.
func (p *peer) takesPart() bool { return p.flags&(peerIn|peerOut) == peerIn|peerOut }

// relays reports whether the neighbor passes anything on, as far as known.
func (p *peer) relays() bool { return p.slots > 0 && !p.is(peerLeaf) }

// lowestValue returns the lowest value of the neighbor's children.
func (p *peer) lowestValue() wire.Value {
	lowest := wire.Value(wire.NoChild)
	for _, v := range p.lowest {
		lowest = min(lowest, v)
	}
	return lowest
}

// lagOf returns what the neighbor stated for a slice, in milliseconds.
func (p *peer) lagOf(c int) (float32, bool) {
	if p.is(peerPublisher) {
		return 0, true
	}
	if p.statusAt == 0 || p.lag[c] == wire.LagUnknown {
		return 0, false
	}
	return float32(p.lag[c]) * 8, true
}

// hasHeld reports whether the neighbor's last map has the fragment.
func (p *peer) hasHeld(id fragmenter.ID) bool {
	if id >= p.last {
		return id == p.last && id != 0
	}
	k := p.last - 1 - id
	if k >= fragmenter.ID(len(p.held)*64) {
		// Older than what is kept of the map: holes there are rare, and an
		// answer that it is not held costs little.
		return id >= p.first
	}
	return p.held[k/64]&(1<<(k%64)) != 0
}

// setMissing notes that the neighbor does not hold a fragment.
func (p *peer) setMissing(id fragmenter.ID) {
	if id >= p.last {
		return
	}
	if k := p.last - 1 - id; k < fragmenter.ID(len(p.held)*64) {
		p.held[k/64] &^= 1 << (k % 64)
	} else {
		p.first = max(p.first, id+1)
	}
}

// setRunMap takes over the map of a status.
func (p *peer) setRunMap(m wire.RunMap) {
	p.last, p.first = m.Last, m.First
	p.held = [4]uint64{}
	runs := m.Runs()
	for run, ok := runs.Next(); ok; run, ok = runs.Next() {
		if !run.Held {
			continue
		}
		high := min(run.Last, m.Last-1)
		if high < run.First || m.Last-1-high >= fragmenter.ID(len(p.held)*64) {
			continue
		}
		p.setBits(int(m.Last-1-high), int(m.Last-1-run.First))
	}
}

// setBits sets the bits from to to, as far as there are any.
func (p *peer) setBits(from, to int) {
	to = min(to, len(p.held)*64-1)
	for i := from; i <= to; {
		n := min(64-i%64, to-i+1)
		p.held[i/64] |= (^uint64(0) >> (64 - n)) << (i % 64)
		i += n
	}
}
