package overlay

import "iter"

// queue is first in, first out, with a look at all that is in it.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) front() T { return q.items[q.head] }

func (q *queue[T]) push(item T) {
	if q.head > 64 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *queue[T]) pop() {
	var none T
	q.items[q.head] = none
	q.head++
}

// filter leaves what keep approves of.
func (q *queue[T]) filter(keep func(T) bool) {
	n := 0
	for _, item := range q.items[q.head:] {
		if keep(item) {
			q.items[n] = item
			n++
		}
	}
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}

// all gives what is in the queue, oldest first.
func (q *queue[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, item := range q.items[q.head:] {
			if !yield(item) {
				return
			}
		}
	}
}
