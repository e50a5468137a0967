package overlay

import (
	"math"
	"slices"
)

// fewMembers is up to how many members are counted and not estimated.
const fewMembers = 2 * ringSide

// estimate returns about how many members there are, from how far apart members
// are: around this node, and around all neighbors that told whom they are linked
// with. With 40 of those it is right within 15 %, while one's own six neighbors
// alone say 0.57 to 2.29 times the truth.
func (r *Ring) estimate() float64 {
	last := ringSide - 1
	if len(r.links) <= fewMembers || r.up[last] == nil || r.down[last] == nil {
		if known := r.countMembers(); known <= fewMembers || r.up[last] == nil || r.down[last] == nil {
			return float64(known)
		}
	}
	arcs := r.scratch.arcs[:0]
	arcs = append(arcs, float64(r.up[last].pos-r.down[last].pos))
	for _, l := range r.links {
		if l.arc != 0 && l.usable() {
			arcs = append(arcs, float64(l.arc)*(1<<32))
		}
	}
	r.scratch.arcs = arcs
	mean := trimmedMean(arcs) / (2 * ringSide)
	return max(float64(len(r.links)+1), math.Exp2(64)/mean)
}

// countMembers counts those that are linked or were spoken to not long ago.
func (r *Ring) countMembers() int {
	known := 1
	for _, place := range r.heard.order {
		if e := r.heard.at(int(place)); e.link != nil || e.fails == 0 && e.flags&(entryGone|entryVerified) == entryVerified {
			known++
		}
	}
	return known
}

// trimmedMean leaves the outer tenth out, so that a few liars move the result
// little. It sorts values.
func trimmedMean(values []float64) float64 {
	slices.Sort(values)
	cut := (len(values) + 10) / 20
	values = values[cut : len(values)-cut]
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// PlainEstimate returns how many members a node believes there are that knows
// only the second member below and above itself, given as the upper 64 bits of
// their addresses. It is what other implementations show.
func PlainEstimate(below, above uint64) float64 {
	return math.Exp2(64)/(float64(above-below)/4) + 1
}

// updateCoverage finds the arc of addresses that this node is nearest to among
// the neighbors that take messages for others, and tells of changes.
func (r *Ring) updateCoverage() {
	self := r.addr
	one := Address{31: 1}
	from, to := self, self
	if r.nearest && r.ready {
		opposite := self.Add(Fraction(1))
		from, to = opposite.Add(one), opposite
		if up, down := r.owner(1), r.owner(-1); up != nil {
			to = self.Add(half(r.id(up).Address().Sub(self)))
			below := r.id(down).Address()
			from = below.Add(half(self.Sub(below))).Add(one)
		}
	}
	if from == r.coverageFrom && to == r.coverageTo {
		return
	}
	first := r.coverageFrom == r.coverageTo && r.coverageTo == (Address{})
	r.coverageFrom, r.coverageTo = from, to
	if !first {
		r.tell(EventCoverage, nil)
	}
}

// owner returns the next neighbor in a direction that takes messages for
// addresses near to it.
func (r *Ring) owner(step int) *link {
	n := len(r.links)
	i := r.linkRank(r.pos)
	if step < 0 {
		i--
	}
	for range n {
		i = (i + n) % n
		if l := r.links[i]; l.usable() && l.is(linkNearest) {
			return l
		}
		i += step
	}
	return nil
}

// half returns a/2, rounded down.
func half(a Address) Address {
	carry := byte(0)
	for i, c := range a {
		a[i] = c>>1 | carry
		carry = c << 7
	}
	return a
}
