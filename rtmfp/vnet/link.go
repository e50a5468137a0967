package vnet

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// GilbertElliott is loss that comes in bursts: a chain of two states, each
// with its own loss. All four are probabilities for one packet, 0 to 1. The
// zero value never loses anything.
type GilbertElliott struct {
	// ToBad is the chance to go from the good state to the bad one.
	ToBad float64
	// ToGood is the chance to come back; 1/ToGood is the mean length of a
	// bad spell in packets.
	ToGood float64
	// LossGood and LossBad are the loss in either state.
	LossGood, LossBad float64
}

// BurstLoss returns the chain in which a share loss of all packets, 0 to below
// 1, is lost in bursts of burst packets on average, at least 1.
func BurstLoss(loss, burst float64) GilbertElliott {
	out := 1 / burst
	return GilbertElliott{ToBad: min(out*loss/(1-loss), 1), ToGood: out, LossBad: 1}
}

// LinkParams is how one direction of a link treats packets. The zero value is
// a perfect link: no delay, no loss, no limit.
type LinkParams struct {
	// Delay is the time a packet is under way after it has left the queue.
	Delay time.Duration
	// Jitter is the largest deviation from Delay either way, evenly
	// distributed. By itself it never changes the order of packets.
	Jitter time.Duration
	// Loss is the share of packets lost independently of each other, 0 to 1.
	Loss float64
	// Bursts adds loss in bursts.
	Bursts GilbertElliott
	// Reorder is the share of packets, 0 to 1, that are held back by up to
	// ReorderDelay and so overtaken by later ones.
	Reorder      float64
	ReorderDelay time.Duration
	// Duplicate is the share of packets that arrive twice, 0 to 1.
	Duplicate float64
	// Corrupt is the share of packets in which one bit is turned over.
	Corrupt float64
	// Rate is the link's speed in bits per second of IP packets; 0 is
	// unlimited.
	Rate float64
	// Queue is how much traffic may wait for a link with a Rate, in time; a
	// packet that would have to wait longer is dropped. 0 means 200 ms.
	Queue time.Duration
	// MTU is the largest IP packet in bytes; larger ones are dropped. 0 means
	// no limit.
	MTU int
}

const defaultQueue = 200 * time.Millisecond

// Validate reports the first field that is out of range.
func (p LinkParams) Validate() error {
	for _, share := range []struct {
		name  string
		value float64
	}{
		{"Loss", p.Loss},
		{"Reorder", p.Reorder},
		{"Duplicate", p.Duplicate},
		{"Corrupt", p.Corrupt},
		{"Bursts.ToBad", p.Bursts.ToBad},
		{"Bursts.ToGood", p.Bursts.ToGood},
		{"Bursts.LossGood", p.Bursts.LossGood},
		{"Bursts.LossBad", p.Bursts.LossBad},
	} {
		if !(share.value >= 0 && share.value <= 1) {
			return fmt.Errorf("vnet: link %s is %v, want 0 to 1", share.name, share.value)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Delay", p.Delay}, {"Jitter", p.Jitter}, {"ReorderDelay", p.ReorderDelay}, {"Queue", p.Queue}} {
		if d.value < 0 || d.value > time.Hour {
			return fmt.Errorf("vnet: link %s is %v, want 0 to 1h", d.name, d.value)
		}
	}
	if !(p.Rate >= 0) || (p.Rate > 0 && p.Rate < 1) {
		return fmt.Errorf("vnet: link Rate is %v bit/s, want 0 or at least 1", p.Rate)
	}
	if p.MTU < 0 {
		return fmt.Errorf("vnet: link MTU is %d bytes, want 0 or more", p.MTU)
	}
	if p.Reorder > 0 && p.ReorderDelay == 0 {
		return fmt.Errorf("vnet: link Reorder is %v without ReorderDelay", p.Reorder)
	}
	return nil
}

// Link is one direction of a link with its state. It knows times and sizes
// only: whoever drives it keeps the packets. Not safe for concurrent use.
type Link struct {
	params LinkParams
	rng    rand.PCG
	bad    bool             // state of the Gilbert-Elliott chain
	free   reliability.Time // when all that was accepted has been sent
	last   reliability.Time // latest arrival, so that jitter keeps the order
}

// NewLink returns a link whose chance comes from the seed. It does not check
// params: see LinkParams.Validate.
func NewLink(params LinkParams, seed uint64) *Link {
	l := newLink(params, seed, 1)
	return &l
}

func newLink(params LinkParams, seed1, seed2 uint64) Link {
	return Link{params: params, rng: *rand.NewPCG(seed1, seed2)}
}

// Params returns the link's parameters.
func (l *Link) Params() LinkParams { return l.params }

// SetParams changes the link's parameters for packets to come.
func (l *Link) SetParams(params LinkParams) { l.params = params }

// Passage is what becomes of a packet on a link.
type Passage struct {
	// Arrivals holds the instants at which the packet arrives, Copies of
	// them: none when it is dropped, two when it is duplicated.
	Arrivals [2]reliability.Time
	Copies   int
	// Fate says why a packet is dropped.
	Fate Fate
	// Reordered tells that a copy is held back, so that others overtake it.
	Reordered bool
	// Corrupt is not zero when one bit is to be turned over: the bit with
	// this number modulo the packet's length in bits.
	Corrupt uint64
}

// Fate is whether and why a link drops a packet.
type Fate uint8

// The fates of a packet.
const (
	Delivered Fate = iota
	Lost           // at random
	QueueFull      // it would have to wait too long
	TooBig         // larger than the MTU
)

// Pass sends an IP packet of size bytes over the link at now, which never goes
// back from one call to the next.
func (l *Link) Pass(now reliability.Time, size int) (o Passage) {
	p := &l.params
	if p.MTU > 0 && size > p.MTU {
		o.Fate = TooBig
		return o
	}
	if l.lose() {
		o.Fate = Lost
		return o
	}
	copies := 1
	if l.chance(p.Duplicate) {
		copies = 2
	}
	if l.chance(p.Corrupt) {
		o.Corrupt = l.rng.Uint64() | 1<<63
	}
	for range copies {
		left, ok := l.queue(now, size)
		if !ok {
			break
		}
		at, late := l.travel(left)
		o.Reordered = o.Reordered || late
		o.Arrivals[o.Copies] = at
		o.Copies++
	}
	if o.Copies == 0 {
		o.Fate = QueueFull
	}
	return o
}

// queue returns when the last bit of a packet has left, unless it has to wait
// longer than the queue allows.
func (l *Link) queue(now reliability.Time, size int) (reliability.Time, bool) {
	if l.params.Rate == 0 {
		return now, true
	}
	l.free = max(l.free, now)
	limit := l.params.Queue
	if limit == 0 {
		limit = defaultQueue
	}
	if l.free.Sub(now) > limit {
		return 0, false
	}
	l.free = l.free.Add(time.Duration(float64(size*8) / l.params.Rate * float64(time.Second)))
	return l.free, true
}

// travel returns when a packet that left at t arrives.
func (l *Link) travel(t reliability.Time) (at reliability.Time, reordered bool) {
	p := &l.params
	d := p.Delay
	if p.Jitter > 0 {
		d = max(d+time.Duration((2*l.float()-1)*float64(p.Jitter)), 0)
	}
	at = max(t.Add(d), l.last)
	if l.chance(p.Reorder) {
		// One that is held back does not hold up those behind it.
		return at.Add(1 + time.Duration(l.float()*float64(p.ReorderDelay))), true
	}
	l.last = at
	return at, false
}

func (l *Link) lose() bool {
	if l.chance(l.params.Loss) {
		return true
	}
	b := &l.params.Bursts
	if b.ToBad == 0 && b.LossGood == 0 && !l.bad {
		return false
	}
	if l.bad {
		l.bad = !l.chance(b.ToGood)
	} else {
		l.bad = l.chance(b.ToBad)
	}
	if l.bad {
		return l.chance(b.LossBad)
	}
	return l.chance(b.LossGood)
}

func (l *Link) chance(p float64) bool { return p > 0 && l.float() < p }

// float returns a number in [0, 1).
func (l *Link) float() float64 { return float64(l.rng.Uint64()>>11) / (1 << 53) }
