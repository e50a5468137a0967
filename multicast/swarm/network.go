package swarm

import (
	"math"
	"math/rand/v2"
	"time"
)

// place is where a node is: in the unit square, behind an access line with a
// delay of its own.
type place struct {
	x, y float32
	end  time.Duration
	row  int32 // in the latency matrix, if there is one
}

// network is the world between the nodes: how far, how lossy, and who can
// connect to whom.
type network struct {
	sc     *Scenario
	places *rand.Rand
	// chance decides losses.
	chance rand.PCG
	loss   float64 // extra loss by a fault, 0 to 1
	seed   uint64
	mean   float64
	toBad  float64
	toGood float64
}

func (w *network) init(sc *Scenario) {
	w.sc = sc
	w.places = stream(sc.Seed, "places", 0)
	w.chance = *rand.NewPCG(scramble(sc.Seed), 0x6c6f7373)
	w.seed = scramble(sc.Seed ^ 0x70616972)
	w.setLoss(sc.Loss)
}

// setLoss makes a two-state chain in which a share loss of the packets is lost
// in bursts of sc.LossBurst on average. In its bad state it loses all.
func (w *network) setLoss(loss float64) {
	w.mean = loss
	w.toGood = 1 / max(w.sc.LossBurst, 1)
	w.toBad = 0
	if loss > 0 {
		w.toBad = math.Min(w.toGood*loss/(1-loss), 1)
	}
}

func (w *network) float() float64 { return float64(w.chance.Uint64()>>11) / (1 << 53) }

func (w *network) newPlace(n *Node) place {
	return place{
		x: w.places.Float32(), y: w.places.Float32(),
		end: w.sc.AccessDelay + exponential(w.places, w.sc.AccessJitter),
		row: n.index,
	}
}

// latency returns the one-way delay between two places.
func (s *Sim) latency(a, b place) time.Duration {
	if m := s.sc.Latency; len(m) > 0 {
		return m[int(a.row)%len(m)][int(b.row)%len(m)]
	}
	d := math.Hypot(float64(a.x-b.x), float64(a.y-b.y))
	return time.Duration(d*float64(s.sc.SquareDelay)) + a.end + b.end
}

// reachable reports whether two nodes can connect directly.
func (s *Sim) reachable(a, b *Node) bool {
	if a.lan != 0 && a.lan == b.lan {
		return true
	}
	if len(s.sc.NAT) > 0 {
		return punches(s.natOf(a), s.natOf(b))
	}
	return unit(pairHash(s.net.seed, a.index, b.index)) >= s.sc.Unreachable
}

// NATKind is how a node's NAT treats strangers.
type NATKind uint8

// The kinds, from the most to the least open.
const (
	// NATOpen is no NAT, or one that anybody gets through.
	NATOpen NATKind = iota
	// NATCone maps a port the same for all, and lets in who was written to.
	NATCone
	// NATSymmetric maps a port for each destination.
	NATSymmetric
)

// NATShare is a share of the peers that are behind one kind of NAT.
type NATShare struct {
	Share float64
	Kind  NATKind
}

func (s *Sim) natOf(n *Node) NATKind {
	u := unit(scramble(s.net.seed ^ scramble(uint64(uint32(n.index))+77)))
	for _, c := range s.sc.NAT {
		if u -= c.Share; u < 0 {
			return c.Kind
		}
	}
	return NATOpen
}

// punches reports whether an introduction gets two nodes through their NATs.
func punches(a, b NATKind) bool {
	return a == NATOpen || b == NATOpen || a == NATCone && b == NATCone
}

// lose decides the fate of one packet; bad is the state of its way, and gap the
// time since the packet before. A spell of loss is over after a while even if
// nothing is sent: else it would take all probes of a quiet link.
func (w *network) lose(bad *bool, gap time.Duration) bool {
	if w.loss > 0 && w.float() < w.loss {
		return true
	}
	switch {
	case w.toBad == 0:
		*bad = false
	case gap > spell:
		*bad = w.float() < w.mean
	case *bad:
		*bad = w.float() >= w.toGood
	default:
		*bad = w.float() < w.toBad
	}
	return *bad
}

// spell is after which silence a way's state is drawn anew.
const spell = 150 * time.Millisecond

// losesOnce decides by the mean loss, for packets that have no way yet and for
// repetitions.
func (w *network) losesOnce() bool {
	p := w.loss + w.mean
	return p > 0 && w.float() < p
}
