package overlay

import (
	"slices"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// showPatience is how long a neighbor may leave an object that it is shown
	// without asking for it, and idlePatience how long one that asks for nothing
	// at all.
	showPatience = 20 * time.Second
	idlePatience = 5 * time.Second
	// seedPeriod is how often a seed looks after what it shows, and seedScan at
	// how many objects it then looks.
	seedPeriod = time.Second
	seedScan   = 16384
	// lentPatience is how long after an object has left a second neighbor may take
	// to have it; if none has by then, the seed gives it to one more.
	lentPatience = 20 * time.Second
	// mutePatience is how long a neighbor may take to tell that it has an object
	// that was given to it. One that does not offers nothing to others.
	mutePatience = 3 * time.Second
	// A neighbor that has taken part and asks for nothing more is shown all after
	// starvation: it wants something else than it was shown. So is one whose part
	// does not grow when everything has left the seed, after longStarvation if it
	// never tells what it has, and one that has never asked after disinterest.
	starvation     = 3 * time.Second
	longStarvation = 15 * time.Second
	disinterest    = 10 * time.Second
)

// objectShown is an object that a neighbor alone is shown.
type objectShown struct {
	index uint64
	at    reliability.Time
	asked bool
	id    uint64 // of the request
}

// objectLent is an object of the seed that has left.
type objectLent struct {
	index uint64
	link  *objectLink
	at    reliability.Time
}

// findMute finds which neighbors keep what they are given to themselves,
// and has that given to others.
func (r *Replicator) findMute(now reliability.Time) {
	for lent := range r.lent.all() {
		age := now.Sub(lent.at)
		if age < mutePatience {
			break
		}
		l := lent.link
		if age < mutePatience+2*seedPeriod && !l.mute && !l.has.has(lent.index) && now.Sub(l.grown) >= mutePatience {
			l.mute = true
		}
		if l.mute && r.hidden.has(lent.index) && r.Copies(lent.index) == 0 {
			r.unshown.add(owire.Range{First: lent.index, Last: lent.index})
		}
	}
}

// greet tells a new neighbor what this node has.
func (r *Replicator) greet(now reliability.Time, l *objectLink) {
	if r.p.NoUpload || r.have.empty() {
		return
	}
	open := r.have
	if !r.hidden.empty() {
		open = indexSet{}
		r.have.ranges(func(objects owire.Range) bool {
			open.add(objects)
			return true
		})
		r.hidden.ranges(func(objects owire.Range) bool {
			open.remove(objects)
			return true
		})
	}
	r.sendHave(l, owire.HaveReplace, &open)
	r.show(now, l)
}

// sendHave sends a set to a neighbor, in as many messages as it takes.
func (r *Replicator) sendHave(l *objectLink, kind owire.HaveKind, set *indexSet) {
	ranges := r.ranges[:0]
	flush := func() {
		r.send(l, FlowReplication, owire.AppendHave(nil, kind, ranges))
		ranges = ranges[:0]
		if kind == owire.HaveReplace {
			kind = owire.HaveAdd
		}
	}
	set.ranges(func(objects owire.Range) bool {
		objects.Last = min(objects.Last, owire.MaxIndex)
		if ranges = append(ranges, objects); len(ranges) == owire.MaxRanges {
			flush()
		}
		return true
	})
	if len(ranges) > 0 {
		flush()
	}
	r.ranges = ranges[:0]
}

// tell tells all neighbors what this node has and no longer has.
func (r *Replicator) tell() {
	r.tellAt = reliability.Never
	for _, l := range r.links {
		r.sendHave(l, owire.HaveRemove, &r.removed)
		r.sendHave(l, owire.HaveAdd, &r.added)
	}
	r.added, r.removed = indexSet{}, indexSet{}
}

// showAll shows objects that nobody was shown to all neighbors that have asked
// for those they were shown before.
func (r *Replicator) showAll(now reliability.Time) {
	if r.unshown.empty() {
		return
	}
	for _, l := range r.links {
		r.show(now, l)
	}
}

// show shows a neighbor some objects that no other one is shown.
func (r *Replicator) show(now reliability.Time, l *objectLink) {
	if l.idle || l.shownAll || r.unshown.empty() {
		return
	}
	most := r.mostShown(l)
	var set indexSet
	for len(l.shown) < most {
		index, ok := r.unshown.first()
		if !ok {
			break
		}
		one := owire.Range{First: index, Last: index}
		r.unshown.remove(one)
		if r.Copies(index) > 1 || l.has.has(index) {
			continue // enough have it already
		}
		l.shown = append(l.shown, objectShown{index: index, at: now})
		set.add(one)
	}
	r.sendHave(l, owire.HaveAdd, &set)
}

// mostShown returns how many objects a neighbor may be shown: fewer of those that
// keep what they get to themselves, or are slow to pass it on.
func (r *Replicator) mostShown(l *objectLink) int {
	busy := 0
	for _, o := range r.links {
		if !o.idle && !o.mute {
			busy++
		}
	}
	most := max(r.p.Reveal, r.p.InFlight/max(busy, 1))
	switch {
	case busy <= 1:
	case l.mute, l.kept > l.spread+2*r.p.Reveal:
		return 0
	case l.kept > l.spread:
		return 1
	}
	return most
}

// takeBack lets others be shown what a neighbor was shown, if end agrees. The
// neighbor is told.
func (r *Replicator) takeBack(l *objectLink, end func(s objectShown) bool) (count int) {
	var set indexSet
	l.shown = slices.DeleteFunc(l.shown, func(s objectShown) bool {
		if !end(s) {
			return false
		}
		count++
		if r.hidden.has(s.index) {
			one := owire.Range{First: s.index, Last: s.index}
			set.add(one)
			r.unshown.add(one)
		}
		return true
	})
	r.sendHave(l, owire.HaveRemove, &set)
	return count
}

// gave notes that an object is on its way to a neighbor, which is shown the
// next one.
func (r *Replicator) gave(now reliability.Time, l *objectLink, index uint64) {
	if !r.hidden.has(index) {
		return
	}
	l.shown = slices.DeleteFunc(l.shown, func(s objectShown) bool { return s.index == index })
	r.unshown.remove(owire.Range{First: index, Last: index})
	r.lent.push(objectLent{index, l, now})
	r.show(now, l)
}

// seed looks after what the node has brought into the group: what a neighbor
// leaves lying goes to another one, and when everything has been sent once, the
// node becomes a member like any other for what is still rare, and for those who
// get nothing elsewhere.
func (r *Replicator) seed(now reliability.Time) {
	r.seedAt = now.Add(seedPeriod)
	under := false
	for _, l := range r.links {
		r.reviewShown(now, l)
		under = under || len(l.shown) > 0
	}
	r.findMute(now)
	r.findRare(now)
	r.showAll(now)
	seeded := !under && r.unshown.empty()
	if !seeded {
		r.seededAt = now
	}
	for _, l := range r.links {
		patience := starvation
		if l.mute {
			patience = longStarvation
		}
		starves := seeded && now.Sub(l.grown) >= patience && now.Sub(r.seededAt) >= patience
		if starves || l.idle && now.Sub(l.idleAt) >= disinterest {
			r.showRest(l)
		}
	}
	if r.hidden.empty() {
		r.seedAt = reliability.Never
	}
}

// reviewShown takes back what a neighbor has left lying. One that has taken part
// and now does nothing lacks something else, and is shown all.
func (r *Replicator) reviewShown(now reliability.Time, l *objectLink) {
	patience := idlePatience
	if l.askedAt != 0 {
		patience = starvation
	}
	quiet := now.Sub(max(l.grown, l.askedAt)) >= patience
	back := r.takeBack(l, func(s objectShown) bool {
		age := now.Sub(s.at)
		return !s.asked && (age >= showPatience || quiet && age >= patience)
	})
	switch {
	case !quiet || back == 0:
	case l.askedAt != 0:
		r.showRest(l)
	case !l.idle:
		l.idle, l.idleAt = true, now
	}
}

// showRest shows a neighbor all that it has not been shown.
func (r *Replicator) showRest(l *objectLink) {
	if !l.shownAll {
		l.shownAll = true
		r.sendHave(l, owire.HaveAdd, &r.hidden)
	}
}

// findRare lists among what is to be shown again: what no neighbor has any more,
// and what has left some time ago and has not spread since, because who got it
// is slow.
func (r *Replicator) findRare(now reliability.Time) {
	for r.lent.len() > 0 && now.Sub(r.lent.front().at) >= lentPatience {
		lent := r.lent.front()
		switch {
		case !r.hidden.has(lent.index):
		case r.Copies(lent.index) < 2:
			lent.link.kept++
			r.unshown.add(owire.Range{First: lent.index, Last: lent.index})
		default:
			lent.link.spread++
		}
		r.lent.pop()
	}
	if !r.unshown.empty() {
		return
	}
	looked := 0
	next := uint64(0)
	r.hidden.ranges(func(objects owire.Range) bool {
		for i := max(objects.First, r.seedCursor); i <= objects.Last; i++ {
			if looked++; looked > seedScan {
				next = i // go on there the next time
				return false
			}
			if r.Copies(i) == 0 {
				r.unshown.add(owire.Range{First: i, Last: i})
			}
		}
		return true
	})
	r.seedCursor = next
	// What has just left is nobody's yet.
	for l := range r.lent.all() {
		r.unshown.remove(owire.Range{First: l.index, Last: l.index})
	}
	for _, l := range r.links {
		for _, s := range l.shown {
			r.unshown.remove(owire.Range{First: s.index, Last: s.index})
		}
	}
}
