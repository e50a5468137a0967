package node

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
	"github.com/ringcast/ringcast/rtmfp"
)

// Faults make a node's network worse than it is, for measurements on one
// machine: what comes in is late, and some of it is lost.
type Faults struct {
	// Delay and Jitter are how late a datagram is: Delay, more or less up to
	// Jitter, without overtaking those before it from the same address.
	Delay, Jitter time.Duration
	// Loss is the share that is lost, 0 to 1.
	Loss float64
}

// maxHeld bounds the datagrams that are under way to one node.
const maxHeld = 1 << 16

// held is a datagram under way.
type held struct {
	data     []byte
	from, to netip.AddrPort
}

// faulty is a core behind a bad network.
type faulty struct {
	*multicast.Node
	faults Faults
	rand   *rand.Rand
	queue  timer.Heap[held]
	last   map[netip.AddrPort]reliability.Time
	batch  []rtmfp.Datagram
}

func newFaulty(core *multicast.Node, f Faults) *faulty {
	return &faulty{Node: core, faults: f, rand: newRand(), last: make(map[netip.AddrPort]reliability.Time)}
}

// HandleDatagrams holds what comes back for a while.
func (f *faulty) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	for i := range batch {
		if f.rand.Float64() < f.faults.Loss || f.queue.Len() >= maxHeld {
			continue
		}
		d := &batch[i]
		at := now.Add(f.faults.Delay)
		if f.faults.Jitter > 0 {
			at = at.Add(time.Duration(f.rand.Int64N(int64(2*f.faults.Jitter))) - f.faults.Jitter)
		}
		at = max(at, f.last[d.From])
		f.last[d.From] = at
		f.queue.Push(at, held{append([]byte(nil), d.Data...), d.From, d.To})
	}
}

// HandleTimeout hands over what is due, and does what the node has to do.
func (f *faulty) HandleTimeout(now reliability.Time) {
	f.batch = f.batch[:0]
	for {
		h, _, ok := f.queue.PopDue(now)
		if !ok {
			break
		}
		f.batch = append(f.batch, rtmfp.Datagram{Data: h.data, From: h.from, To: h.to})
	}
	if len(f.batch) > 0 {
		f.Node.HandleDatagrams(now, f.batch)
	}
	if f.Node.PollTimeout() <= now {
		f.Node.HandleTimeout(now)
	}
}

// PollTimeout returns the next deadline.
func (f *faulty) PollTimeout() reliability.Time {
	return min(f.Node.PollTimeout(), f.queue.Next())
}
