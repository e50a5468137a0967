package overlay

import "github.com/ringcast/ringcast/reliability"

// Widen dials up to n members at random that no slot calls for: a stream has
// too few neighbors to choose from. Links that carry nothing in the end are let
// go as all others are. It does nothing when there are as many links as a node
// may have.
func (r *Ring) Widen(now reliability.Time, n int) {
	if r.leaving {
		return
	}
	n = min(n, r.degreeCap()-len(r.links)-len(r.dials))
	known := r.heard.Len()
	for range widenLooks * max(n, 0) {
		if n <= 0 || known == 0 {
			return
		}
		place := r.heard.ranked(r.rand.IntN(known))
		if !r.dialable(now, r.heard.at(place)) {
			continue
		}
		if !r.startDial(now, place, dialOther) {
			return
		}
		n--
	}
}

// widenLooks is among how many members one is sought that can be dialed.
const widenLooks = 4
