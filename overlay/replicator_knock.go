package overlay

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

const (
	// knockAfter is how long nothing may be to be had before a node asks for what
	// nobody has shown, and maxKnockShift how many times that doubles while
	// nothing comes.
	knockAfter    = 2 * time.Second
	maxKnockShift = 4
	// knockSame is how many neighbors a knock asks for the same object. Few have
	// what nobody shows, so that copies are rare, and denials are small.
	knockSame = 8
)

// knock asks neighbors for what they have not told to have, in turn: for what
// nobody shows, and what is long in coming. Somebody who brings objects into the
// group shows them to few, and does not know who gets them from nobody.
func (r *Replicator) knock(now reliability.Time) {
	r.knocks++
	r.knockedAt = now
	doors := slices.DeleteFunc(slices.Clone(r.links), func(l *objectLink) bool { return l.Suspect || l.bad >= maxBad })
	r.rand.Shuffle(len(doors), func(i, j int) { doors[i], doors[j] = doors[j], doors[i] })
	slices.SortStableFunc(doors, func(a, b *objectLink) int { return cmp.Compare(a.knockedAt, b.knockedAt) })
	room := max(2*r.p.InFlight-len(r.requests)-len(r.judged), 0)
	wanted := r.knockFor(now, min(len(doors), room))
	room = min(room, knockSame*len(wanted))
	times := make([]int, len(wanted))
	for i, l := range doors {
		if room == 0 {
			return
		}
		// Each is asked for something else, as long as there is anything.
		for j := range wanted {
			k := (i + j) % len(wanted)
			if index := wanted[k]; times[k] < knockSame && r.mayKnock(now, l, index) {
				times[k]++
				room--
				l.knockedAt = now
				r.ask(now, index, l)
				break
			}
		}
	}
}

// knockFor returns up to some objects to knock for.
func (r *Replicator) knockFor(now reliability.Time, most int) (wanted []uint64) {
	r.want.ranges(func(objects ObjectRange) bool {
		for i := objects.First; i <= objects.Last && len(wanted) < most; i++ {
			wanted = append(wanted, i)
		}
		return len(wanted) < most
	})
	for _, q := range r.requests {
		if len(wanted) < most && now.Sub(q.asked) >= slowPace && !slices.Contains(wanted, q.index) {
			wanted = append(wanted, q.index)
		}
	}
	return wanted
}

// mayKnock reports whether a neighbor can be asked for an object in that way.
// Who has told of it is asked in the usual one.
func (r *Replicator) mayKnock(now reliability.Time, l *objectLink, index uint64) bool {
	return !l.has.has(index) && !l.isPaused(now, index) &&
		!slices.ContainsFunc(r.requests, func(q *objectRequest) bool { return q.index == index && q.link == l })
}
