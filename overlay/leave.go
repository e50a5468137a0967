package overlay

import "github.com/ringcast/ringcast/reliability"

// Leave takes leave of all neighbors by closing the relation with each, so that
// they know at once and need not find out. Nothing happens afterwards.
func (r *Ring) Leave(now reliability.Time) {
	if r.leaving {
		return
	}
	// From here on this node answers for nothing: links that end below would
	// make it the nearest to everything.
	r.leaving = true
	for len(r.links) > 0 {
		l := r.links[len(r.links)-1]
		id := r.id(l)
		r.unlink(now, l, causeLeft)
		r.act(Action{Kind: ActionRelease, Peer: id})
	}
	for len(r.pending) > 0 {
		p := r.pending[0]
		r.endDial(&p.id)
		r.endPending(now, p)
	}
	for len(r.dials) > 0 {
		r.endDial(&r.dials[0].id)
	}
	r.wake = reliability.Never
}
