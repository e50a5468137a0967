package overlay

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// outbox is a queue of what a core hands out.
type outbox[T any] struct {
	items []T
	head  int
}

func (q *outbox[T]) push(item T) { q.items = append(q.items, item) }

// poll returns the next item. An empty queue lets go of its memory if it once
// was long.
func (q *outbox[T]) poll() (item T, ok bool) {
	if q.head == len(q.items) {
		q.items, q.head = reuse(q.items), 0
		return item, false
	}
	item, q.items[q.head] = q.items[q.head], item
	q.head++
	return item, true
}

// allowance bounds how much of something is done for a neighbor: so much at
// once, then so much a second. It is a defence.
type allowance struct {
	left float64
	at   reliability.Time // when left was right
}

// rate is the size of an allowance.
type rate struct{ burst, perSecond float64 }

// full returns an allowance of which nothing was taken.
func (r rate) full(now reliability.Time) allowance { return allowance{r.burst, now} }

// has reports whether there is enough for n.
func (a *allowance) has(now reliability.Time, n float64, r rate) bool {
	a.left = min(r.burst, a.left+r.perSecond*now.Sub(a.at).Seconds())
	a.at = now
	return a.left >= n
}

// take takes n and reports whether there was enough.
func (a *allowance) take(now reliability.Time, n float64, r rate) bool {
	if !a.has(now, n, r) {
		return false
	}
	a.left -= n
	return true
}

// linkSet is a set of links, by the numbers that a core has given them.
type linkSet [4]uint64

// maxSetLinks is how many links a linkSet can tell apart. A ring has no more
// than about 80; those beyond are left out.
const maxSetLinks = len(linkSet{}) * 64

func (s *linkSet) has(number uint8) bool { return s[number>>6]>>(number&63)&1 != 0 }
func (s *linkSet) add(number uint8)      { s[number>>6] |= 1 << (number & 63) }
func (s *linkSet) remove(number uint8)   { s[number>>6] &^= 1 << (number & 63) }

// freeNumber returns the lowest number that no link has.
func freeNumber[L any](links []L, number func(L) uint8) (uint8, bool) {
	var taken linkSet
	for _, l := range links {
		taken.add(number(l))
	}
	for i := range maxSetLinks {
		if !taken.has(uint8(i)) {
			return uint8(i), true
		}
	}
	return 0, false
}

// answerTime is how long an answer of a neighbor may take before it is asked
// of another one: three round trips, but not less than least.
func answerTime(t Transport, p PeerID, least time.Duration) time.Duration {
	rtt, _ := t.RTT(p)
	return max(least, 3*rtt)
}
