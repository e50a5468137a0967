package netconnection

import (
	"github.com/ringcast/ringcast/rtmfp"
)

// Bounds of what a peer can make a barrier hold.
const (
	maxBarriers = 64
	maxBacklog  = 4096 // messages of one flow that came before it was held
)

// barriers makes flows of one connection wait for each other (RFC 7425 section
// 5.2: Flow Synchronization): a flow that says so is held until as many have
// said it as it names. The zero value is ready.
type barriers struct {
	list []barrier
}

type barrier struct {
	id    uint32
	left  uint32
	flows []*waiter
}

// waiter is a flow that can be held.
type waiter struct {
	flow *rtmfp.RecvFlow
	// handle takes a message of the flow.
	handle  func(now rtmfp.Instant, data []byte)
	held    int      // barriers that hold it
	backlog [][]byte // messages that were on their way already
	busy    bool     // its backlog is being handled
}

// deliver handles a message, or keeps it while the flow is held.
func (w *waiter) deliver(now rtmfp.Instant, data []byte) {
	if w.held == 0 && !w.busy {
		w.handle(now, data)
		return
	}
	if len(w.backlog) < maxBacklog {
		w.backlog = append(w.backlog, data)
	}
}

// sync takes a synchronization message of w. Flows in network order are only
// counted.
func (b *barriers) sync(now rtmfp.Instant, w *waiter, id, count uint32, ordered bool) {
	i := 0
	for i < len(b.list) && b.list[i].id != id {
		i++
	}
	if i == len(b.list) {
		if count <= 1 || i >= maxBarriers {
			return
		}
		b.list = append(b.list, barrier{id: id, left: count})
	}
	x := &b.list[i]
	if x.left--; x.left == 0 {
		b.release(now, i)
		return
	}
	if ordered {
		w.held++
		w.flow.SetSuspended(now, true)
		x.flows = append(x.flows, w)
	}
}

// gone counts a flow out that has ended: nobody is to wait for it.
func (b *barriers) gone(now rtmfp.Instant, w *waiter) {
	for i := 0; i < len(b.list); {
		x := &b.list[i]
		waits := false
		for _, f := range x.flows {
			waits = waits || f == w
		}
		if !waits {
			x.left--
		}
		if x.left == 0 {
			b.release(now, i)
			i = 0 // what is released may change the list
			continue
		}
		i++
	}
}

func (b *barriers) release(now rtmfp.Instant, i int) {
	flows := b.list[i].flows
	b.list = append(b.list[:i:i], b.list[i+1:]...)
	for _, w := range flows {
		w.held--
	}
	for _, w := range flows {
		w.resume(now)
	}
}

// resume handles what has waited, as far as the flow is not held again.
func (w *waiter) resume(now rtmfp.Instant) {
	if w.busy {
		return
	}
	w.busy = true
	for w.held == 0 && len(w.backlog) > 0 {
		data := w.backlog[0]
		w.backlog = w.backlog[1:]
		w.handle(now, data)
	}
	w.busy = false
	if w.held == 0 {
		w.flow.SetSuspended(now, false)
	}
}
