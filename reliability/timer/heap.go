package timer

import "github.com/ringcast/ringcast/reliability"

// Handle names a value in a [Heap] from when it is put in until it is taken
// out. The zero Handle names none.
type Handle uint64

// handleOf makes a handle of a place's index and how often it was used.
func handleOf(index int, generation uint32) Handle {
	return Handle(uint64(generation)<<32 | uint64(uint32(index)))
}

func (h Handle) split() (index int, generation uint32) { return int(uint32(h)), uint32(h >> 32) }

// Heap is a priority queue of values by time, for some thousand deadlines that
// are often moved or withdrawn: every value can be reached by its handle.
// Values of one instant come out in the order in which they were put in or
// last moved. It has four children at each node, so that it is half as deep as
// a binary one and a node's children share a cache line or two. The zero value
// is an empty heap. Not safe for concurrent use.
type Heap[T any] struct {
	items  []heapItem[T]
	places []place
	free   int // index plus one of the first free place, 0 for none
	seq    uint64
}

type heapItem[T any] struct {
	at    reliability.Time
	seq   uint64
	place int
	value T
}

// place is what a handle leads to: where the value is, or the next free place.
type place struct {
	index      int // in items, or index plus one of the next free place
	generation uint32
	used       bool
}

// Len returns how many values are in the heap.
func (h *Heap[T]) Len() int { return len(h.items) }

// Push puts a value in for the instant at.
func (h *Heap[T]) Push(at reliability.Time, value T) Handle {
	i := h.free - 1
	if i >= 0 {
		h.free = h.places[i].index
	} else {
		i = len(h.places)
		h.places = append(h.places, place{})
	}
	p := &h.places[i]
	p.generation++
	p.used = true
	h.seq++
	h.items = append(h.items, heapItem[T]{})
	h.up(len(h.items)-1, heapItem[T]{at, h.seq, i, value})
	return handleOf(i, p.generation)
}

// Peek returns the next value with its time, or false if there is none.
func (h *Heap[T]) Peek() (value T, at reliability.Time, ok bool) {
	if len(h.items) == 0 {
		return value, reliability.Never, false
	}
	return h.items[0].value, h.items[0].at, true
}

// Next returns the time of the next value, or Never.
func (h *Heap[T]) Next() reliability.Time {
	if len(h.items) == 0 {
		return reliability.Never
	}
	return h.items[0].at
}

// PopDue takes out the next value whose time has come, or returns false if
// there is none.
func (h *Heap[T]) PopDue(now reliability.Time) (value T, at reliability.Time, ok bool) {
	if len(h.items) == 0 || h.items[0].at > now {
		return value, reliability.Never, false
	}
	item := h.take(0)
	return item.value, item.at, true
}

// Move gives a value another time. It reports false if it has been taken out.
func (h *Heap[T]) Move(handle Handle, at reliability.Time) bool {
	i, ok := h.find(handle)
	if !ok {
		return false
	}
	item := h.items[i]
	h.seq++
	item.seq = h.seq
	earlier := at < item.at
	if item.at = at; earlier {
		h.up(i, item)
	} else {
		h.down(i, item)
	}
	return true
}

// Remove takes a value out before its time. It reports false if it has been
// taken out.
func (h *Heap[T]) Remove(handle Handle) (value T, ok bool) {
	i, ok := h.find(handle)
	if !ok {
		return value, false
	}
	return h.take(i).value, true
}

func (h *Heap[T]) find(handle Handle) (index int, ok bool) {
	i, generation := handle.split()
	if i >= len(h.places) || !h.places[i].used || h.places[i].generation != generation {
		return 0, false
	}
	return h.places[i].index, true
}

func (h *Heap[T]) take(i int) heapItem[T] {
	item, n := h.items[i], len(h.items)-1
	last := h.items[n]
	h.items[n] = heapItem[T]{}
	h.items = h.items[:n]
	if i < n {
		if i > 0 && last.before(&h.items[(i-1)/4]) {
			h.up(i, last)
		} else {
			h.down(i, last)
		}
	}
	p := &h.places[item.place]
	p.index, p.used = h.free, false
	h.free = item.place + 1
	return item
}

func (a *heapItem[T]) before(b *heapItem[T]) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *Heap[T]) put(i int, item heapItem[T]) {
	h.items[i] = item
	h.places[item.place].index = i
}

// up puts item at i or above.
func (h *Heap[T]) up(i int, item heapItem[T]) {
	for i > 0 {
		parent := (i - 1) / 4
		if !item.before(&h.items[parent]) {
			break
		}
		h.put(i, h.items[parent])
		i = parent
	}
	h.put(i, item)
}

// down puts item at i or below.
func (h *Heap[T]) down(i int, item heapItem[T]) {
	for {
		child := 4*i + 1
		if child >= len(h.items) {
			break
		}
		for other := child + 1; other < min(4*i+5, len(h.items)); other++ {
			if h.items[other].before(&h.items[child]) {
				child = other
			}
		}
		if !h.items[child].before(&item) {
			break
		}
		h.put(i, h.items[child])
		i = child
	}
	h.put(i, item)
}
