package node

import (
	"context"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// Post sends a value to all members of the group, in any order with those of
// others. It waits until there is a neighbor to hand it to, or ctx is done. Two
// posts of the same value are one and have the same ID: to say a thing twice,
// put a number into it. It returns overlay.ErrNotPermitted if the group has no
// posting or a password for it that is not known here, and overlay.ErrTooLong
// above 64 KiB.
func (g *Group) Post(ctx context.Context, v Value) (id overlay.PostID, err error) {
	if err := g.WaitNeighbor(ctx); err != nil {
		return id, err
	}
	value := appendValue(v)
	stopped := g.do(func(now reliability.Time) {
		if p := g.core.Posting(); p != nil {
			id, err = p.Post(now, value)
		} else {
			err = overlay.ErrNotPermitted
		}
	})
	if stopped != nil {
		return id, stopped
	}
	return id, err
}

// WaitTaken waits until a neighbor has fetched a post of this node, which it
// then passes on: the post is in the group from then on, also without this
// node. It returns nil as well for a post that is not kept any more.
func (g *Group) WaitTaken(ctx context.Context, id overlay.PostID) error {
	const look = 10 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		taken := true
		err := g.do(func(reliability.Time) {
			if p := g.core.Posting(); p != nil {
				taken = p.IsTaken(id)
			}
		})
		if err != nil || taken {
			return err
		}
		select {
		case <-tick.C:
		case <-g.gone:
			return ErrLeft
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitNeighbor waits until the node is linked with another member.
func (g *Group) WaitNeighbor(ctx context.Context) error {
	return g.wait(ctx, func() bool { return len(g.core.Ring().Links()) > 0 })
}

// WaitReady waits until the node has found its place on the ring: messages that
// are routed by then find whom they are for.
func (g *Group) WaitReady(ctx context.Context) error {
	return g.wait(ctx, func() bool { return g.core.Ring().IsReady() && len(g.core.Ring().Links()) > 0 })
}

// wait waits until a condition holds that changes only with events of the ring.
func (g *Group) wait(ctx context.Context, holds func() bool) error {
	changed := make(chan struct{}, 1)
	done := false
	err := g.do(func(reliability.Time) {
		if done = holds(); !done {
			g.waiters = append(g.waiters, changed)
		}
	})
	if err != nil || done {
		return err
	}
	defer func() { _ = g.do(func(reliability.Time) { g.forget(changed) }) }()
	for {
		select {
		case <-changed:
		case <-g.gone:
			return ErrLeft
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := g.do(func(reliability.Time) { done = holds() }); err != nil || done {
			return err
		}
	}
}

func (g *Group) forget(waiter chan struct{}) {
	for i, w := range g.waiters {
		if w == waiter {
			g.waiters = append(g.waiters[:i], g.waiters[i+1:]...)
			return
		}
	}
}

// ringChanged wakes those who wait for the ring.
func (g *Group) ringChanged() {
	for _, w := range g.waiters {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// handlePost tells of a post of another member.
func (g *Group) handlePost(e *overlay.PostEvent) {
	v, err := parseValue(e.Value)
	if err != nil {
		g.malformed++
		return
	}
	g.tell(Event{Code: overlay.StatusPosting, Peer: e.From, Value: v, PostID: e.ID})
}

// GroupInfo are the counters of NetGroupInfo: what posts, routed messages and
// objects take, in bytes a second over the last few seconds, without what the
// transport adds.
type GroupInfo struct {
	PostingSendDataBytesPerSecond          float64
	PostingSendControlBytesPerSecond       float64
	PostingReceiveDataBytesPerSecond       float64
	PostingReceiveControlBytesPerSecond    float64
	RoutingSendBytesPerSecond              float64
	RoutingReceiveBytesPerSecond           float64
	ObjectReplicationSendBytesPerSecond    float64
	ObjectReplicationReceiveBytesPerSecond float64
}

// infoSpan is the least time over which rates are taken.
const infoSpan = time.Second

// infoCounters are the totals behind a GroupInfo, in the order of its fields.
type infoCounters [8]uint64

func countInfo(m *multicast.Group) (c infoCounters) {
	if p := m.Posting(); p != nil {
		s := p.Stats()
		c[0], c[1], c[2], c[3] = s.DataBytesSent, s.KeyBytesSent, s.DataBytesReceived, s.KeyBytesReceived
	}
	if r := m.Router(); r != nil {
		s := r.Stats()
		c[4], c[5] = s.SentBytes, s.RecvBytes
	}
	if r := m.Replicator(); r != nil {
		s := r.Stats()
		c[6], c[7] = s.AllSent, s.AllReceived
	}
	return c
}

// GroupInfo returns the rates since the call before, which are kept if that was
// less than a second ago.
func (g *Group) GroupInfo() (info GroupInfo) {
	_ = g.do(func(now reliability.Time) {
		elapsed := now.Sub(g.countedAt)
		if g.countedAt == 0 {
			g.counted, g.countedAt = countInfo(g.core), now
		} else if elapsed >= infoSpan {
			c := countInfo(g.core)
			var rates [len(c)]float64
			for i := range c {
				rates[i] = float64(c[i]-g.counted[i]) / elapsed.Seconds()
			}
			g.info = GroupInfo{rates[0], rates[1], rates[2], rates[3], rates[4], rates[5], rates[6], rates[7]}
			g.counted, g.countedAt = c, now
		}
		info = g.info
	})
	return info
}
