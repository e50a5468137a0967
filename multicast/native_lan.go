package multicast

import (
	"slices"

	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// One member of a LAN passes a stream on there that comes from outside. All
// others depend on what comes to it, in milliseconds.
const (
	// nativeElsewhere is how long after it was due a fragment must be missed to be
	// pulled from a neighbor that is not on the LAN: who passes the stream on may
	// have lost it too, and gets it again by itself.
	nativeElsewhere = 400
	// nativeGrace is for how long who passes a stream on to the LAN goes on while
	// a slice does not come to it from a neighbor: what is pulled meanwhile does
	// as well, and all others there depend on it.
	nativeGrace = 1000
	// maxLANPeers bounds the members of the LAN that are remembered.
	maxLANPeers = 256
)

// SetLAN tells that a member, a neighbor or not, is on the same LAN: from it
// what is lost there is best pulled, and who passes a stream on there has no use
// for what it pushes.
func (e *Engine) SetLAN(now reliability.Time, peer overlay.PeerID) {
	e.enter(now)
	if n := e.neighbor(&peer); n != nil {
		n.lan = true
	}
	known := slices.DeleteFunc(e.native.lan, func(p overlay.PeerID) bool { return p == peer })
	if len(known) == maxLANPeers {
		known = slices.Delete(known, 0, 1)
	}
	e.native.lan = append(known, peer)
}

// passesOn reports whether this node passes the stream on to its LAN.
func (s *stream) passesOn() bool {
	return s.nat != nil && s.nat.election != nil && s.nat.election.Relaying()
}

// couldPassOn reports whether this node gets the stream so that it could pass it
// on to its LAN.
func (s *stream) couldPassOn() bool {
	nat := s.nat
	if nat.on {
		return false
	}
	if s.isWell() {
		nat.wellAt = s.e.ms
		return true
	}
	return s.passesOn() && s.e.ms.after(nat.wellAt) < nativeGrace
}

// seekOutside looks for parents elsewhere for the slices that this node passes
// on to its LAN and gets from a member there: as soon as that one takes a slice
// from the LAN's multicast, each would wait for the other.
func (s *stream) seekOutside() {
	for c := range s.slices {
		sl := &s.slices[c]
		if sl.asking > 0 || sl.needsParent() || !s.e.neighbors[sl.parent].lan {
			continue
		}
		if best, _ := s.bestParent(c, true); best != none {
			s.ask(c, best, false)
		}
	}
}

// noteNativeSender follows who multicasts the stream. It stands at the head of
// the chain of those that a slice comes through, by which it finds out that it
// would get from somebody what it multicasts itself.
func (s *stream) noteNativeSender(tag wire.Tag) {
	nat := s.nat
	if tag == nat.from {
		nat.fromAt = s.e.ms
		return
	}
	if nat.fromAt != 0 && s.e.ms.after(nat.fromAt) < nativeSilence {
		return // two at a time: one of them will give way
	}
	nat.from, nat.fromAt = tag, s.e.ms
	for c := range s.slices {
		if s.slices[c].native {
			above := s.slices[c].tags.Standby()
			s.setNativeTags(c, &above)
		}
	}
}

// feedsSender reports whether a slice goes from here to who multicasts it.
func (s *stream) feedsSender(c int) bool {
	for i := range s.slices[c].children {
		if s.e.neighbors[s.slices[c].children[i].index].tag == s.nat.from {
			return true
		}
	}
	return false
}

// isWell reports whether all slices are pushed by neighbors.
func (s *stream) isWell() bool {
	for c := range s.slices {
		if sl := &s.slices[c]; sl.parent == none || sl.starved != 0 || sl.partial {
			return false
		}
	}
	return true
}

// leavesToLAN reports whether what is missed of a slice is as yet sought on the
// LAN alone: one copy for all comes from elsewhere.
func (s *stream) leavesToLAN(c int, age float32) bool {
	sl := &s.slices[c]
	return sl.native && s.nat.hasLAN && age-sl.lag < nativeElsewhere
}
