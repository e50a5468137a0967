package overlay

import (
	"math"
	"slices"
	"sort"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// A node that brings many objects into the group shows each of them to one
// neighbor only, so that each leaves it about once and the others pass it on.
// To whom the next one goes follows from who has spread those before: a
// neighbor has a window of objects that no other neighbor is known to have yet,
// which grows with each that spreads. Neighbors that never tell what they have
// get one object to show that they pass it on, and then none. Who gets nothing
// anywhere asks for what it is not shown, see Replicator.knock, and is fed.

const (
	// showPatience is how long a neighbor may leave an object that it is shown
	// without asking for it, and idlePatience how long one that asks for nothing
	// at all.
	showPatience = 20 * time.Second
	idlePatience = 5 * time.Second
	// lastPatience is the same for one that has never asked, once all others are
	// shown nothing more.
	lastPatience = time.Second
	// restless is how long a neighbor that has taken part may ask for nothing of
	// what it is shown before it is taken to want something else.
	restless = 3 * time.Second
	// disinterest is how long one may be idle that has never asked for anything,
	// before it is shown all there is.
	disinterest = 10 * time.Second
	// seedPeriod is how often a seed looks after what it shows, and seedScan at
	// how many objects it then looks.
	seedPeriod = time.Second
	// showPause is how long to wait for one that was shown something too often.
	showPause = 50 * time.Millisecond
	seedScan  = 16384
	// showScan is among how many objects one is looked for that a neighbor lacks.
	showScan = 64
	// tellPatience is how long a neighbor may take to tell that it has an object
	// that was given to it, lentPatience how long until some other one has it too.
	// Then the seed gives it to one more, when there is nothing else to give.
	tellPatience = 3 * time.Second
	lentPatience = 20 * time.Second
	// spreadTime is for how long what a neighbor has to spread should last, at the
	// pace that it has shown. It is about as long as it takes to see it spread.
	spreadTime = 2 * time.Second
	// helpShare is what part of all a seed that has nothing else to do sends once
	// more as fast as it can, of what only those have who don't pass it on; the
	// rest goes out one by one.
	helpShare = 12
	// maxLent bounds the objects that are watched.
	maxLent = 4096
	// fedMemory is for how long after its last cry for help a neighbor gets twice
	// as much with the next one, fedMost how much at most.
	fedMemory = 10 * time.Second
	fedMost   = 256
)

// objectShown is an object that a neighbor alone is shown.
type objectShown struct {
	index uint64
	at    reliability.Time
	asked bool
	id    uint64 // of the request
}

// objectLent is an object of the seed that has left, and that no other neighbor
// is known to have.
type objectLent struct {
	index uint64
	link  *objectLink
	at    reliability.Time
}

// mayBeShown reports whether objects may be shown to a neighbor, one by one.
func (l *objectLink) mayBeShown() bool { return !l.idle && !l.shownAll && !l.Suspect }

// window returns how many objects a neighbor may have that no other one is known
// to have. One that has told nothing has one try.
func (r *Replicator) window(l *objectLink) int {
	switch {
	case !l.told:
		return 1 - l.tries + l.lent
	case l.spread == 0:
		return 1
	case l.stuck:
		return 1
	}
	return r.p.Reveal + int(l.pace2*spreadTime.Seconds())
}

// showMore shows neighbors what their windows let them, and beyond that, to
// those who spread best, as much as keeps the uplink busy.
func (r *Replicator) showMore(now reliability.Time) {
	if r.unshown.empty() && r.again.empty() {
		return
	}
	sets := make([]indexSet, len(r.links))
	waiting := len(r.queue) + len(r.active)
	for i, l := range r.links {
		if l.hears = l.mayBeShown() && l.shows.has(now, 1, showRate); !l.hears {
			if l.mayBeShown() {
				r.showAt = min(r.showAt, now.Add(showPause))
			}
			continue
		}
		for room := r.window(l) - l.lent - len(l.shown); room > 0 && r.showOne(now, l, &sets[i]); room-- {
		}
	}
	// What is shown need not be asked for soon, so it does not count.
	most, load := r.eagerness()
	for ; waiting < most; waiting++ {
		i := r.bestSpreader(most, load)
		if i < 0 || !r.showOne(now, r.links[i], &sets[i]) {
			break
		}
	}
	for i, l := range r.links {
		if !sets[i].empty() {
			l.shows.take(now, 1, showRate)
			r.sendHave(l, owire.HaveAdd, &sets[i])
		}
	}
}

// eagerness tells how many requests keep the uplink busy, and how full windows
// may get for that.
func (r *Replicator) eagerness() (most int, load float64) {
	open, told := 0, 0
	for _, l := range r.links {
		if l.mayBeShown() {
			open++
			if l.told {
				told++
			}
		}
	}
	most = r.p.Reveal + int(r.pace/2)
	switch {
	case open == 1 || told == 1: // there is nobody to spread anything to
		return max(most, r.p.InFlight), math.Inf(1)
	case told == 0: // they may have had no time to tell
		return most, 1
	}
	return most, 2
}

// bestSpreader returns which neighbor has the least to spread for what it can,
// or -1. Those that have told nothing count only if nobody has, and none that
// leaves things lying or whose window is filled to load.
func (r *Replicator) bestSpreader(most int, load float64) int {
	best, told := -1, slices.ContainsFunc(r.links, func(l *objectLink) bool { return l.told && l.mayBeShown() })
	for i, l := range r.links {
		if !l.hears || told && !l.told || len(l.shown) >= most {
			continue
		}
		if full := float64(l.lent+len(l.shown)) / float64(max(r.window(l), 1)); full < load {
			best, load = i, full
		}
	}
	return best
}

// showOne shows a neighbor an object that no other one is shown, first of those
// that have never left; what is given once more goes to those who pass it on. It
// reports whether there was one.
func (r *Replicator) showOne(now reliability.Time, l *objectLink, set *indexSet) bool {
	index, ok := r.takeFor(&r.unshown, l)
	if !ok && !(l.isSlow() && slices.ContainsFunc(r.links, func(o *objectLink) bool { return o.mayBeShown() && o.told && !o.isSlow() })) {
		if index, ok = r.takeFor(&r.again, l); ok && r.Copies(index) > 0 {
			r.helped++
		}
	}
	if ok {
		l.shown = append(l.shown, objectShown{index: index, at: now})
		set.add(owire.Range{First: index, Last: index})
	}
	return ok
}

// takeFor takes the first object out of a set that a neighbor does not have.
// Those that enough others have fall out of it.
func (r *Replicator) takeFor(from *indexSet, l *objectLink) (index uint64, ok bool) {
	var spread []uint64
	looked := 0
	from.ranges(func(objects owire.Range) bool {
		for i := objects.First; i <= objects.Last && looked < showScan; i++ {
			looked++
			if r.goodCopies(i) > 1 {
				spread = append(spread, i)
			} else if !l.has.has(i) {
				index, ok = i, true
				return false
			}
		}
		return looked < showScan
	})
	for _, i := range spread {
		from.remove(owire.Range{First: i, Last: i})
	}
	if ok {
		from.remove(owire.Range{First: index, Last: index})
	}
	return index, ok
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
	if !r.hidden.has(index) || l.fed.has(index) {
		return
	}
	l.shown = slices.DeleteFunc(l.shown, func(s objectShown) bool { return s.index == index })
	one := owire.Range{First: index, Last: index}
	r.unshown.remove(one)
	r.again.remove(one)
	if len(r.lent) == maxLent {
		r.lent[0].link.lent--
		r.lent = slices.Delete(r.lent, 0, 1)
	}
	r.lent = append(r.lent, objectLent{index, l, now})
	l.lent++
	if !l.told {
		l.tries++
	}
	r.showMore(now)
}

// noteSpread takes what a neighbor has told that it has: what was lent to others
// has spread.
func (r *Replicator) noteSpread(now reliability.Time, l *objectLink, ranges []owire.Range) {
	if r.hidden.empty() {
		return
	}
	r.lent = slices.DeleteFunc(r.lent, func(o objectLent) bool {
		if o.link == l {
			return false
		}
		i := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last >= o.index })
		if i == len(ranges) || ranges[i].First > o.index {
			return false
		}
		o.link.lent--
		o.link.spread++
		o.link.stuck = false
		return true
	})
	r.showMore(now)
}

// seed looks after what the node has brought into the group: what a neighbor
// leaves lying goes to another one, and so does what does not spread.
func (r *Replicator) seed(now reliability.Time) {
	r.seedAt = now.Add(seedPeriod)
	r.pace, r.given = float64(r.stats.Given-r.given), r.stats.Given
	for _, l := range r.links {
		l.pace2 = (l.pace2 + float64(l.spread-l.spreadBefore)) / 2
		l.spreadBefore = l.spread
		r.reviewShown(now, l)
	}
	r.reviewLent(now)
	r.findRare()
	r.showMore(now)
	told := slices.ContainsFunc(r.links, func(l *objectLink) bool { return l.told })
	for _, l := range r.links {
		// Among neighbors of which none passes anything on, all is for all.
		mute := !told && l.tries > 0 && now.Sub(l.askedAt) >= tellPatience
		if mute || l.idle && now.Sub(l.idleAt) >= disinterest {
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
	switch {
	case l.askedAt != 0:
		patience = restless
	case r.unshown.empty() && r.again.empty():
		patience = lastPatience // others wait for this
	}
	quiet := now.Sub(max(l.grown, l.askedAt)) >= patience
	back := r.takeBack(l, func(s objectShown) bool {
		age := now.Sub(s.at)
		return !s.asked && (age >= showPatience || quiet && age >= patience)
	})
	switch {
	case !quiet || back == 0:
	case l.askedAt != 0 && l.told:
		r.showRest(l)
	case l.askedAt != 0:
		l.tries++ // it has that already, and does not tell
	case !l.idle:
		l.idle, l.idleAt = true, now
	}
}

// reviewLent lists among what is to be shown again what has left some time ago
// and has not spread since, because who got it keeps it or is slow.
func (r *Replicator) reviewLent(now reliability.Time) {
	r.lent = slices.DeleteFunc(r.lent, func(o objectLent) bool {
		age, copies := now.Sub(o.at), r.Copies(o.index)
		mute := age >= tellPatience && !o.link.told && copies == 0
		if !mute && age < lentPatience {
			return false
		}
		o.link.lent--
		if copies < 2 {
			o.link.kept++
			o.link.stuck = true
			if copies == 0 && r.hidden.has(o.index) {
				r.again.add(owire.Range{First: o.index, Last: o.index})
			}
		}
		return true
	})
}

// isSlow reports whether a neighbor keeps more of what the seed gives it to
// itself than it passes on.
func (l *objectLink) isSlow() bool { return l.kept+l.lent > l.spread }

// goodCopies returns how many neighbors have an object that pass things on.
func (r *Replicator) goodCopies(index uint64) (count int) {
	for _, l := range r.links {
		if l.told && !l.isSlow() && l.has.has(index) {
			count++
		}
	}
	return count
}

// showRest shows a neighbor all that it has not been shown.
func (r *Replicator) showRest(l *objectLink) {
	if !l.shownAll {
		l.shownAll = true
		r.sendHave(l, owire.HaveAdd, &r.hidden)
	}
}

// findRare lists among what is to be shown again, when all has left, what no
// neighbor has any more, and some of what only those have who don't pass it on.
func (r *Replicator) findRare() {
	if !r.unshown.empty() || !r.again.empty() {
		return
	}
	looked, few, next := 0, 0, uint64(0)
	most := r.p.Reveal
	if r.helped >= int(r.hidden.count()/helpShare) {
		most = 1
	}
	r.hidden.ranges(func(objects owire.Range) bool {
		for i := max(objects.First, r.seedCursor); i <= objects.Last; i++ {
			if looked++; looked > seedScan {
				next = i // go on there the next time
				return false
			}
			switch {
			case r.Copies(i) == 0:
			case few < most && r.goodCopies(i) == 0:
				few++
			default:
				continue
			}
			r.again.add(owire.Range{First: i, Last: i})
		}
		return true
	})
	r.seedCursor = next
	// What has just left is nobody's yet.
	for _, o := range r.lent {
		r.again.remove(owire.Range{First: o.index, Last: o.index})
	}
	for _, l := range r.links {
		for _, s := range l.shown {
			r.again.remove(owire.Range{First: s.index, Last: s.index})
		}
	}
}

// feed answers the cry for help of a neighbor that asks for what it has not been
// shown: it is shown some more from there on, twice as much each time. It is
// not expected to pass that on.
func (r *Replicator) feed(now reliability.Time, l *objectLink, index uint64) {
	if l.fedMore == 0 || now.Sub(l.fedAt) > fedMemory {
		l.fedMore = 1
	} else {
		l.fedMore = min(2*l.fedMore, fedMost)
	}
	l.fedAt = now
	l.fed.add(owire.Range{First: index, Last: index})
	var set indexSet
	left := l.fedMore - 1
	r.hidden.ranges(func(objects owire.Range) bool {
		first := max(objects.First, index+1)
		if left == 0 || first > objects.Last {
			return left > 0
		}
		some := owire.Range{First: first, Last: min(objects.Last, first+uint64(left)-1)}
		left -= int(some.Last - some.First + 1)
		set.add(some)
		l.fed.add(some)
		return true
	})
	r.sendHave(l, owire.HaveAdd, &set)
}

// isCry reports whether a request is for something that the neighbor was not
// shown.
func (r *Replicator) isCry(l *objectLink, index uint64) bool {
	return r.hidden.has(index) && !l.shownAll && !l.fed.has(index) &&
		!slices.ContainsFunc(l.shown, func(s objectShown) bool { return s.index == index })
}
