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
		{"Loss", p.Loss}, {"Reorder", p.Reorder}, {"Duplicate", p.Duplicate}, {"Corrupt", p.Corrupt},
		{"Bursts.ToBad", p.Bursts.ToBad}, {"Bursts.ToGood", p.Bursts.ToGood},
		{"Bursts.LossGood", p.Bursts.LossGood}, {"Bursts.LossBad", p.Bursts.LossBad},
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

// link is one direction of a link with its state.
type link struct {
	params LinkParams
	rng    rand.PCG
	bad    bool             // state of the Gilbert-Elliott chain
	free   reliability.Time // when all that was accepted has been sent
	last   reliability.Time // latest arrival, so that jitter keeps the order
}

func newLink(params LinkParams, seed1, seed2 uint64) link {
	return link{params: params, rng: *rand.NewPCG(seed1, seed2)}
}

// outcome is what became of a packet on a link.
type outcome struct {
	arrivals [2]reliability.Time
	copies   int // arrivals used: 0 lost, 2 duplicated
	corrupt  uint64
	fate     fate
}

type fate uint8

const (
	fateDelivered fate = iota
	fateLost
	fateQueueFull
	fateTooBig
)

// pass sends an IP packet of size bytes over the link at now. outcome.corrupt
// is a random number that is not zero when a bit is to be turned over.
func (l *link) pass(now reliability.Time, size int) (o outcome, reordered bool) {
	p := &l.params
	if p.MTU > 0 && size > p.MTU {
		o.fate = fateTooBig
		return o, false
	}
	if l.lose() {
		o.fate = fateLost
		return o, false
	}
	o.copies = 1
	if l.chance(p.Duplicate) {
		o.copies = 2
	}
	if l.chance(p.Corrupt) {
		o.corrupt = l.rng.Uint64() | 1<<63
	}
	sent := 0
	for range o.copies {
		left, ok := l.queue(now, size)
		if !ok {
			break
		}
		at, late := l.travel(left)
		reordered = reordered || late
		o.arrivals[sent] = at
		sent++
	}
	if o.copies = sent; sent == 0 {
		o.fate = fateQueueFull
	}
	return o, reordered
}

// queue returns when the last bit of a packet has left, unless it has to wait
// longer than the queue allows.
func (l *link) queue(now reliability.Time, size int) (reliability.Time, bool) {
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
func (l *link) travel(t reliability.Time) (at reliability.Time, reordered bool) {
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

func (l *link) lose() bool {
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

func (l *link) chance(p float64) bool { return p > 0 && l.float() < p }

// float returns a number in [0, 1).
func (l *link) float() float64 { return float64(l.rng.Uint64()>>11) / (1 << 53) }
