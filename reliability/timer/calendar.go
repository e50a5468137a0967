package timer

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/ringcast/ringcast/reliability"
)

// Shape of the calendar. A day of 2^18 ns (262 µs) holds a few hundred events
// of a busy simulation, so that sorting one day is cheap; the ring of days
// covers 0.5 s, which is where packets and short timers lie; the ring of
// months covers the timers of minutes; what is later waits in a heap.
const (
	dayShift   = 18
	dayCount   = 2048
	monthShift = dayShift + 11 // one month is one whole ring of days
	monthCount = 1024
)

// entry is a value with its place in the order: by time and, at one instant,
// by the order in which they were put in.
type entry[T any] struct {
	at    reliability.Time
	seq   uint64
	value T
}

func (e *entry[T]) before(f *entry[T]) bool {
	return e.at < f.at || (e.at == f.at && e.seq < f.seq)
}

func (e entry[T]) compare(f entry[T]) int {
	if e.at != f.at {
		return cmp.Compare(e.at, f.at)
	}
	return cmp.Compare(e.seq, f.seq)
}

// Calendar is a priority queue of values by time: a ring of days that are
// sorted only when they come, a ring of months that are spread over the days
// when they come, and a heap for all that is further away. Values of one
// instant come out in the order in which they were put in. Putting in and
// taking out cost about the same for ten values pending and for a million. The
// zero value is an empty calendar at time zero. Not safe for concurrent use.
type Calendar[T any] struct {
	// today are the events of the day as it was when it came, in order, from
	// next on, and added those that were put in since for the day or earlier.
	today  []entry[T]
	first  int
	added  entryHeap[T]
	day    int64 // number of the day that today holds
	month  int64 // months up to here have been spread over the days
	days   [dayCount][]entry[T]
	months [monthCount][]entry[T]
	later  entryHeap[T]
	// Occupancy bit maps let empty days be jumped over.
	dayUsed   [dayCount / 64]uint64
	monthUsed [monthCount / 64]uint64
	seq       uint64
	size      int
}

// Len returns how many values are pending.
func (c *Calendar[T]) Len() int { return c.size }

// Push puts value in for the instant at. What is put in for the past comes out
// next.
func (c *Calendar[T]) Push(at reliability.Time, value T) {
	c.seq++
	c.size++
	c.place(entry[T]{at: at, seq: c.seq, value: value})
}

func (c *Calendar[T]) place(e entry[T]) {
	day, month := int64(e.at)>>dayShift, int64(e.at)>>monthShift
	switch {
	case day <= c.day:
		c.added.push(e)
	case month <= c.month:
		i := day % dayCount
		c.days[i] = append(c.days[i], e)
		c.dayUsed[i/64] |= 1 << (i % 64)
	case month < c.month+monthCount:
		i := month % monthCount
		c.months[i] = append(c.months[i], e)
		c.monthUsed[i/64] |= 1 << (i % 64)
	default:
		c.later.push(e)
	}
}

// Peek returns when the next value is due, or reliability.Never.
func (c *Calendar[T]) Peek() reliability.Time {
	if e := c.next(); e != nil {
		return e.at
	}
	return reliability.Never
}

// next returns the next event without taking it out. It stays valid until the
// calendar is changed.
func (c *Calendar[T]) next() *entry[T] {
	for c.first == len(c.today) && len(c.added) == 0 {
		if c.size == 0 {
			return nil
		}
		c.turn()
	}
	if c.first < len(c.today) && (len(c.added) == 0 || c.today[c.first].before(&c.added[0])) {
		return &c.today[c.first]
	}
	return &c.added[0]
}

// Pop takes out the next value and returns it with its time, or false if there
// is none.
func (c *Calendar[T]) Pop() (value T, at reliability.Time, ok bool) {
	e := c.next()
	if e == nil {
		return value, reliability.Never, false
	}
	c.size--
	if c.first < len(c.today) && e == &c.today[c.first] {
		c.first++
		value, at = e.value, e.at
		*e = entry[T]{}
		return value, at, true
	}
	top := c.added.pop()
	return top.value, top.at, true
}

// Ahead returns the value that comes i values after the next one, as far as
// that is settled: others may still be put in before it, and the day's last
// values have none ahead. It is for who wants to prepare what is coming.
func (c *Calendar[T]) Ahead(i int) (value T, ok bool) {
	if i += c.first; i < len(c.today) {
		return c.today[i].value, true
	}
	return value, false
}

// turn moves on to the next day that has events. Days of months to come are
// not looked at: the ring of days never holds more than one month.
func (c *Calendar[T]) turn() {
	last := c.month<<(monthShift-dayShift) + dayCount - 1
	if day, ok := nextUsed(c.dayUsed[:], c.day+1, last, dayCount); ok {
		c.day = day
		i := day % dayCount
		c.dayUsed[i/64] &^= 1 << (i % 64)
		c.today, c.days[i] = c.days[i], recycle(c.today)
		c.first = 0
		slices.SortFunc(c.today, entry[T].compare)
		return
	}
	c.turnMonth()
}

// turnMonth spreads the next month that has events over the days.
func (c *Calendar[T]) turnMonth() {
	month, ok := nextUsed(c.monthUsed[:], c.month+1, c.month+monthCount-1, monthCount)
	if len(c.later) > 0 {
		if m := int64(c.later[0].at) >> monthShift; !ok || m < month {
			month = m
		}
	}
	c.month = month
	c.day = month<<(monthShift-dayShift) - 1
	i := month % monthCount
	// Every event of this slot is of this month: the ring holds monthCount-1
	// months, and the slot of the present one has been emptied.
	spread := c.months[i]
	c.months[i] = nil
	c.monthUsed[i/64] &^= 1 << (i % 64)
	for _, e := range spread {
		c.place(e)
	}
	c.months[i] = recycle(spread)
	for len(c.later) > 0 && int64(c.later[0].at)>>monthShift < c.month+monthCount {
		c.place(c.later.pop())
	}
}

// recycle empties s for new events, and lets go of it when a burst has made it
// large. What old values point to must not be kept alive either.
func recycle[T any](s []entry[T]) []entry[T] {
	if cap(s) > 4096 {
		return nil
	}
	clear(s)
	return s[:0]
}

// nextUsed finds the first number in from..to whose slot in the ring of n is
// marked. to-from is less than n.
func nextUsed(used []uint64, from, to, n int64) (int64, bool) {
	for from <= to {
		i := from % n
		word := used[i/64] >> (i % 64)
		if word != 0 {
			at := from + int64(bits.TrailingZeros64(word))
			return at, at <= to
		}
		from += 64 - i%64
	}
	return 0, false
}

// entryHeap is a binary heap, earliest entry first.
type entryHeap[T any] []entry[T]

func (h *entryHeap[T]) push(e entry[T]) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&s[parent]) {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = e
}

func (h *entryHeap[T]) pop() entry[T] {
	s := *h
	first, last := s[0], s[len(s)-1]
	s[len(s)-1] = entry[T]{}
	s = s[:len(s)-1]
	*h = s
	if len(s) > 0 {
		s.sink(0, last)
	}
	return first
}

// sink puts e at i or below.
func (h entryHeap[T]) sink(i int, e entry[T]) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right].before(&h[child]) {
			child = right
		}
		if !h[child].before(&e) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = e
}
