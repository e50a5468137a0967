package node

import (
	"context"
	"errors"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// ErrWrongObject is what the function of Receive returns for an object that is
// not the right one: it is then fetched from another member.
var ErrWrongObject = errors.New("node: wrong object")

// replicate calls f with the group's object replication.
func (g *Group) replicate(f func(now reliability.Time, r *overlay.Replicator) error) error {
	err := overlay.ErrNotPermitted
	stopped := g.do(func(now reliability.Time) {
		if r := g.core.Replicator(); r != nil {
			err = f(now, r)
		}
	})
	if stopped != nil {
		return stopped
	}
	return err
}

// AddHave offers the objects first to last to the group. Who asks for them gets
// them from Serve. Indexes end at overlay.MaxObjectIndex.
func (g *Group) AddHave(first, last uint64) error { return g.addHave(first, last, false) }

// AddOriginal is AddHave for objects that this node brings into the group. If
// they are many, each is shown to one neighbor at first, so that it leaves this
// node about once.
func (g *Group) AddOriginal(first, last uint64) error { return g.addHave(first, last, true) }

func (g *Group) addHave(first, last uint64, original bool) error {
	return g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		return r.AddHave(now, overlay.ObjectRange{First: first, Last: last}, original)
	})
}

// RemoveHave takes an offer back.
func (g *Group) RemoveHave(first, last uint64) error {
	return g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		return r.RemoveHave(now, overlay.ObjectRange{First: first, Last: last})
	})
}

// AddWant has the objects first to last fetched. Receive gets them; without it
// they are told of by events alone, overlay.StatusFetchResult.
func (g *Group) AddWant(first, last uint64) error {
	return g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		return r.AddWant(now, overlay.ObjectRange{First: first, Last: last})
	})
}

// RemoveWant ends the search for objects.
func (g *Group) RemoveWant(first, last uint64) error {
	return g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		return r.RemoveWant(now, overlay.ObjectRange{First: first, Last: last})
	})
}

// Copies returns how many neighbors are known to have an object.
func (g *Group) Copies(index uint64) (count int) {
	_ = g.replicate(func(_ reliability.Time, r *overlay.Replicator) error {
		count = r.Copies(index)
		return nil
	})
	return count
}

// Offered returns which of the objects first to last neighbors are known to
// have, in order, up to most of them.
func (g *Group) Offered(first, last uint64, most int) (list []uint64) {
	_ = g.replicate(func(_ reliability.Time, r *overlay.Replicator) error {
		list = r.Offered(overlay.ObjectRange{First: first, Last: last}, most)
		return nil
	})
	return list
}

// Replication returns the counters of the object replication.
func (g *Group) Replication() (s overlay.ReplicationStats) {
	_ = g.replicate(func(_ reliability.Time, r *overlay.Replicator) error {
		s = r.Stats()
		return nil
	})
	return s
}

// Serve has f give the objects that others ask for, until ctx is done or the
// group is left. f is called by one goroutine at a time, Serve's own, and may
// read from a disk; it returns false for an object that it doesn't have. Several
// may run: they are asked in turn. Without any, all requests are denied.
func (g *Group) Serve(ctx context.Context, f func(index uint64) ([]byte, bool)) error {
	var head [16]byte
	return work(ctx, g, &g.stores, task[overlay.ReplicationEvent]{do: func(e overlay.ReplicationEvent) bool {
		object, ok := f(e.Index)
		if !ok {
			return false
		}
		_ = g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
			return r.Give(now, e.Request, amf0.AppendBytesHead(head[:0], len(object)), object)
		})
		return true
	}})
}

// Fetch gets one object from whoever has it. It waits until somebody does, or
// ctx is done. What it is meant to be is for the caller to check.
func (g *Group) Fetch(ctx context.Context, index uint64) ([]byte, error) {
	came := make(chan []byte, 1)
	err := g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		if err := r.AddWant(now, overlay.ObjectRange{First: index, Last: index}); err != nil {
			return err
		}
		g.fetches[index] = append(g.fetches[index], came)
		return nil
	})
	if err != nil {
		return nil, err
	}
	select {
	case object := <-came:
		return object, nil
	case <-g.gone:
		return nil, ErrLeft
	case <-ctx.Done():
		g.endFetch(index, came)
		return nil, ctx.Err()
	}
}

// endFetch gives a Fetch up. Nobody else may have wanted the object.
func (g *Group) endFetch(index uint64, came chan []byte) {
	_ = g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
		list := g.fetches[index]
		for i, c := range list {
			if c == came {
				list = append(list[:i:i], list[i+1:]...)
			}
		}
		if g.fetches[index] = list; len(list) > 0 {
			return nil
		}
		delete(g.fetches, index)
		if len(g.receivers.list) > 0 {
			return nil
		}
		return r.RemoveWant(now, overlay.ObjectRange{First: index, Last: index})
	})
}

// Receive fetches objects that the node does not have and hands each to f, until
// all are there, or ctx is done. f is called by one goroutine at a time,
// Receive's own, and may write to a disk: what it has not taken holds back what
// is asked for. It returns nil for an object that is right, which the node then
// offers to others (see Serve); ErrWrongObject for one that is not, which is
// fetched again from another member; any other error ends Receive with it. What
// is not there by then is no longer wanted.
func (g *Group) Receive(ctx context.Context, objects []overlay.ObjectRange, f func(index uint64, object []byte) error) error {
	left := uint64(0)
	for _, o := range objects {
		left += o.Last - o.First + 1
	}
	if left == 0 {
		return nil
	}
	defer func() {
		for _, o := range objects {
			_ = g.RemoveWant(o.First, o.Last)
		}
	}()
	var failed error
	receive := func(e overlay.ReplicationEvent) bool {
		if !contains(objects, e.Index) {
			return false
		}
		verdict := ErrWrongObject
		if object, ok := amf0.ParseBytes(e.Value); ok {
			verdict = f(e.Index, object)
		}
		switch {
		case verdict == nil:
			left--
		case !errors.Is(verdict, ErrWrongObject):
			failed = verdict
		}
		_ = g.replicate(func(now reliability.Time, r *overlay.Replicator) error {
			r.Judge(now, e.Index, verdict == nil)
			return nil
		})
		return true
	}
	return work(ctx, g, &g.receivers, task[overlay.ReplicationEvent]{
		do: receive, ended: func() (bool, error) { return failed != nil || left == 0, failed },
		begin: func() error {
			for _, o := range objects {
				if err := g.AddWant(o.First, o.Last); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func contains(objects []overlay.ObjectRange, index uint64) bool {
	for _, o := range objects {
		if o.First <= index && index <= o.Last {
			return true
		}
	}
	return false
}

// handleObject takes what happened to objects.
func (g *Group) handleObject(now reliability.Time, e *overlay.ReplicationEvent) {
	r := g.core.Replicator()
	event := Event{Peer: e.Peer, Index: e.Index}
	switch e.Kind {
	case overlay.ObjectAsked:
		event.Code = overlay.StatusFetchSend
	case overlay.ObjectFailed:
		event.Code = overlay.StatusFetchFailed
	case overlay.ObjectRequested:
		event.Code = overlay.StatusReplicationRequest
		if !g.stores.give(*e) {
			r.Deny(now, e.Request)
		}
	case overlay.ObjectCame:
		event.Code = overlay.StatusFetchResult
		if !g.fetched(now, e) && !g.receivers.give(*e) {
			// It is nobody's: it counts as neither there nor wanted.
			_ = r.RemoveWant(now, overlay.ObjectRange{First: e.Index, Last: e.Index})
		}
		event.Object, _ = amf0.ParseBytes(e.Value)
	}
	g.tell(event)
}

// fetched gives an object to those who fetch it alone, and reports whether that
// was all.
func (g *Group) fetched(now reliability.Time, e *overlay.ReplicationEvent) bool {
	list := g.fetches[e.Index]
	if len(list) == 0 {
		return false
	}
	object, ok := amf0.ParseBytes(e.Value)
	if !ok {
		g.core.Replicator().Judge(now, e.Index, false)
		return true
	}
	delete(g.fetches, e.Index)
	for _, c := range list {
		c <- object
	}
	if len(g.receivers.list) > 0 {
		return false
	}
	_ = g.core.Replicator().RemoveWant(now, overlay.ObjectRange{First: e.Index, Last: e.Index})
	return true
}
