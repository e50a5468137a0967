package overlay

import (
	"slices"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// A node of our own kind has two names: its peer ID, and the ID of the short
// certificate by which members of other makes know it, since they would not
// understand the full one. Members of other makes must hear of it by the latter
// only, or they take it for two members and link with both. And we must not
// link a second time with those whom they or their servers name to us.

// otherName returns the name that the far end of a session does not know this
// node by, for its connect; zero if there is none, or the peer would not
// understand it.
func (r *Ring) otherName(s *session) PeerID {
	switch {
	case r.alias == PeerID{}:
		return PeerID{}
	case !s.foreign:
		return r.alias
	case r.caps != 0:
		return r.self
	}
	return PeerID{}
}

// meetAgain notes the other name of a peer that has proved to be a member. It
// reports true if the peer turns out to be of our own kind on a session by the
// cryptography of other makes: then it is parted with, and linked with by its
// own name.
func (r *Ring) meetAgain(now reliability.Time, p *pending, other PeerID) bool {
	if (other == PeerID{}) || other == p.id || r.isSelf(other) {
		return false
	}
	if !p.session.foreign {
		if !r.isOfOurKind(&other) {
			p.other = other
		}
		return false
	}
	if r.caps == 0 {
		return false // it can't know that we are of its kind
	}
	dialed := p.state == pendingSent
	r.endDial(&p.id)
	r.forgetName(&p.id)
	if dialed {
		r.endPending(now, p)
	} else {
		// It learns our own name by our connect, and leaves.
		r.sendProof(p)
		p.state, p.deadline, p.connectAt = pendingRefused, now.Add(refusedLimit), reliability.Never
		r.wakeBy(p.deadline)
	}
	place := r.remember(now, &other, 0)
	if place == noEntry {
		return true
	}
	e := r.heard.at(place)
	if e.link != nil {
		return true
	}
	e.lastHeard = coarseOf(now)
	e.set(entryGone, false)
	r.forgetDialed(p.session.far, &p.id)
	r.learnAddrs(e, []wire.Address{{AddrPort: p.session.far, Origin: wire.OriginObserved}})
	if dialed && !e.is(entryDialing) {
		r.startDial(now, place, dialOther)
	}
	r.recomputeSoon(now)
	return true
}

// isOfOurKind reports whether a member has proved that the ID is its own name,
// and so not that by which members of other makes know somebody else: what peers
// say of themselves must not cost others their links.
func (r *Ring) isOfOurKind(id *PeerID) bool {
	place := r.heard.find(id)
	return place != noEntry && r.heard.at(place).is(entryVerified) && !r.heard.at(place).is(entryForeign)
}

// forgetOther forgets the other name of a new neighbor, by which it may have
// been heard of, or even be linked.
func (r *Ring) forgetOther(now reliability.Time, l *link) {
	if (l.other == PeerID{}) {
		return
	}
	if twin := r.linkOf(&l.other); twin != nil && twin.session.foreign {
		r.unlink(now, twin, causeReplaced)
		r.act(Action{Kind: ActionRelease, Peer: l.other})
	}
	r.forgetName(&l.other)
}

// forgetName forgets a name, unless something is under way with it.
func (r *Ring) forgetName(id *PeerID) {
	if place := r.heard.find(id); place != noEntry && r.heard.at(place).link == nil && !r.heard.at(place).is(entryDialing) {
		r.heard.remove(place)
	}
}

// isOtherName reports whether an ID is the other name of a neighbor.
func (r *Ring) isOtherName(id *PeerID) bool {
	if (r.alias == PeerID{}) {
		return false // then nobody has told one
	}
	return slices.ContainsFunc(r.links, func(l *link) bool { return l.other == *id })
}

// isNameable reports whether members of other makes can be told of a member.
func (e *entry) isNameable() bool {
	return e.is(entryForeign) || e.link != nil && e.link.other != PeerID{}
}

// nameOf returns the name by which the receiver of the report being composed
// knows a member.
func (r *Ring) nameOf(e *entry) [32]byte {
	if r.scratch.foreign && e.link != nil && (e.link.other != PeerID{}) {
		return [32]byte(e.link.other)
	}
	return [32]byte(e.id)
}
