package node

import (
	"context"
	"slices"

	"github.com/ringcast/ringcast/reliability"
)

// workers take work of a kind one after the other until one of them does it.
// They are guarded by the driver's mutex.
type workers[T any] struct {
	list []*worker[T]
	// undone takes what none of them does.
	undone func(now reliability.Time, item T)
}

// worker is somebody who works.
type worker[T any] struct {
	queue []T
	more  chan struct{}
}

// maxWork bounds what waits for one worker: a defence against those who ask
// faster than the answers can be found.
const maxWork = 256

// give hands work to the first worker, and reports whether there is one that
// has room for it.
func (w *workers[T]) give(item T) bool { return w.pass(item, 0) }

// pass hands work to the i-th worker.
func (w *workers[T]) pass(item T, i int) bool {
	if i >= len(w.list) || len(w.list[i].queue) >= maxWork {
		return false
	}
	k := w.list[i]
	k.queue = append(k.queue, item)
	select {
	case k.more <- struct{}{}:
	default:
	}
	return true
}

// task is what a worker does.
type task[T any] struct {
	// do does one piece of work, with the cores free, and reports whether it was
	// for this worker. What is not goes to the next one.
	do func(item T) bool
	// begin, if set, is called when the worker is there.
	begin func() error
	// ended, if set, reports after each piece whether that was all.
	ended func() (bool, error)
}

// work does what is given to w, in this goroutine, until ctx is done or the
// group is left, or the task has ended.
func work[T any](ctx context.Context, g *Group, w *workers[T], t task[T]) error {
	k := &worker[T]{more: make(chan struct{}, 1)}
	if err := g.do(func(reliability.Time) { w.list = append(w.list, k) }); err != nil {
		return err
	}
	pass := func(items []T) {
		_ = g.do(func(now reliability.Time) {
			next := slices.Index(w.list, k) + 1
			for _, item := range items {
				if !w.pass(item, next) && w.undone != nil {
					w.undone(now, item)
				}
			}
		})
	}
	defer func() {
		pass(k.take(g))
		_ = g.do(func(reliability.Time) {
			w.list = slices.DeleteFunc(w.list, func(o *worker[T]) bool { return o == k })
		})
	}()
	if t.begin != nil {
		if err := t.begin(); err != nil {
			return err
		}
	}
	for {
		select {
		case <-k.more:
		case <-g.gone:
			return ErrLeft
		case <-ctx.Done():
			return ctx.Err()
		}
		items := k.take(g)
		for i, item := range items {
			if !t.do(item) {
				pass(items[i : i+1])
			}
			if t.ended == nil {
				continue
			}
			if over, err := t.ended(); over {
				pass(items[i+1:])
				return err
			}
		}
	}
}

// take takes all that waits for a worker.
func (k *worker[T]) take(g *Group) (items []T) {
	_ = g.do(func(reliability.Time) { items, k.queue = k.queue, nil })
	return items
}
