package multicast

import (
	"slices"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// A group can have less upload than its stream needs. Then somebody has no
// parent for some slice, whoever it is, and an eighth of everything is missing
// there: hardly a picture is whole. The remedy is the publisher's, who leaves
// out what is worth least, the same for all (see reliability.Thinner). For that
// it has to know. Every member measures how much of what it needs nobody gives
// it, averages that with what its neighbors state, and states the result. So it
// spreads through the group like heat, and the publisher reads it off its
// neighbors.
const (
	// lackCheck is how often the lack is measured, lackSettle how long after its
	// beginning a member does not count, in milliseconds: it is still looking.
	lackCheck, lackSettle = 500, 5000
	// lackWeight is the weight of the present in a member's own lack, lackOwn
	// that of its own in what it states.
	lackWeight, lackOwn = 0.25, 0.25
	// lackFresh is how long a neighbor's statement counts, in milliseconds.
	lackFresh = 8000
	// lackDistrust is the part of the neighbors, inverted, whose statements are not
	// believed as far as they are higher than all others.
	lackDistrust = 8
	// lackRelays is how many relaying neighbors one must have whose lack is that
	// of the group: who reaches fewer may just not have met them.
	lackRelays = 4

	// thinFrom is the lack from which on the publisher leaves out more, thinTo
	// below which it dares to leave out less.
	thinFrom, thinTo = 0.015, 0.006
	// thinLag is how long leaving out more takes to show in the lack that it
	// hears of: places must open, be found, and be told of. thinCalm is how long
	// nothing may be lacking before it leaves out less, by thinStep. The calm that
	// it wants doubles up to thinCalmMost when more was lacking within thinTrial
	// after that. All in milliseconds.
	thinLag                = 8000
	thinCalm, thinCalmMost = 8000, 128_000
	thinTrial              = 20_000
	thinStep               = 0.03
	// thinSpare is the share of free places among the neighbors with which it
	// does not leave out more: who lacks something has only to find them.
	// With twice as many it dares to leave out less after thinSoon already, in
	// milliseconds, and by thinGain of what they can feed.
	thinSpare, thinSoon, thinGain = 0.06, 3000, 0.7
	// thinMembers is up to how many neighbors may be all that there are.
	thinMembers = 2 * smallGroup
	// thinLeast is the least share of a stream that is sent.
	thinLeast = 0.2
)

// lack is what a node knows of the demand that is not met.
type lack struct {
	checkedAt millis
	own       float32 // share of the slices that nobody feeds us, smoothed
	all       float32 // the same of the members around
}

// thinning is how the publisher reacts.
type thinning struct {
	thinner reliability.Thinner
	felt    float64 // the share that what is known of the lack comes from
	calm    millis  // since when nothing is lacking
	wait    int     // how long that must last, in ms
	dared   millis  // when it last left out less

	leftOut, leftOutBytes uint64 // messages
}

// measureLack finds out what is lacking here and around.
func (s *stream) measureLack() {
	l := &s.lack
	if s.e.ms.after(l.checkedAt) < lackCheck {
		return
	}
	l.checkedAt = s.e.ms
	around, heard := s.lackAround()
	if s.publishing {
		l.all = around
		return
	}
	l.own += lackWeight * (s.ownLack() - l.own)
	l.all = l.own
	if heard {
		l.all = lackOwn*l.own + (1-lackOwn)*around
	}
}

// lackAround returns the mean of what neighbors state. The highest of their
// statements count as much as the one below them, so that a few who lie cannot
// make a stream thin.
func (s *stream) lackAround() (mean float32, heard bool) {
	var stated [64]float32
	n := 0
	for i := range s.peers {
		p := &s.peers[i]
		if n == len(stated) {
			break
		}
		if p.takesPart() && p.is(peerExt) && !p.is(peerPublisher) && p.statusAt != 0 && s.e.ms.after(p.statusAt) < lackFresh {
			stated[n] = p.lack
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	slices.Sort(stated[:n])
	most := stated[n-1-n/lackDistrust]
	for _, lack := range stated[:n] {
		mean += min(lack, most) / float32(n)
	}
	return mean, true
}

// ownLack returns the share of the slices that nobody feeds us though we have
// looked for long enough.
func (s *stream) ownLack() float32 {
	if !s.join.placed || s.e.ms.after(s.join.placedAt) < lackSettle || s.relayingNeighbors() < lackRelays {
		return 0
	}
	n := 0
	for c := range s.slices {
		sl := &s.slices[c]
		if !sl.native && (sl.parent == none || sl.partial || sl.starved != 0) && !s.seesFree(c) {
			n++
		}
	}
	return float32(n) / float32(sliceCount)
}

// seesFree reports whether a neighbor states that it has a place in a slice.
func (s *stream) seesFree(c int) bool {
	for i := range s.peers {
		if p := &s.peers[i]; p.free&(1<<c) != 0 && s.isCandidate(p, int16(i), c) {
			return true
		}
	}
	return false
}

// thin has the publisher leave out more of a stream of which more is demanded
// than met, or less.
func (s *stream) thin() {
	if !s.e.config.Params.Policy.Thins || s.canHelpAll() {
		return
	}
	t, now := &s.source.thinning, s.e.ms
	share := t.thinner.Share()
	t.felt += (share - t.felt) * hopCheck / thinLag
	lacking, spare := float64(s.lack.all), s.spareShare()
	plenty := spare > 2*thinSpare
	switch {
	case lacking > thinFrom && spare <= thinSpare:
		t.calm = now
		less := max(t.felt*(1-lacking), thinLeast)
		if less >= share {
			return
		}
		if t.dared != 0 && now.after(t.dared) < thinTrial {
			t.wait = min(2*t.wait, thinCalmMost)
		}
		share = less
	case lacking > thinTo && !plenty:
		t.calm = now
		return
	case share < 1 && (now.after(t.calm) > max(t.wait, thinCalm) || plenty && now.after(t.calm) > thinSoon):
		t.wait = max(t.wait, thinCalm)
		t.calm, t.dared = now, now
		share = min(share+thinStep+share*max(spare-thinSpare, 0)*thinGain, 1)
	default:
		return
	}
	t.thinner.SetShare(share)
}

// canHelpAll reports whether the group is so small that the publisher reaches
// each member itself, and has upload left.
func (s *stream) canHelpAll() bool {
	n := 0
	for i := range s.peers {
		if s.peers[i].takesPart() {
			n++
		}
	}
	return n <= thinMembers && s.used < s.slots.k
}

// spareShare returns which part of the places that neighbors have is free, by
// their last word.
func (s *stream) spareShare() float64 {
	used, slots := 0, 0
	for i := range s.peers {
		if p := &s.peers[i]; p.takesPart() && p.is(peerExt) && p.relays() && !s.e.neighbors[i].suspect.isAhead(s.e.ms) {
			used += int(p.used)
			slots += int(p.slots)
		}
	}
	return 1 - min(float64(used)/float64(max(slots, 1)), 1)
}

// isShort reports whether the group cannot carry the whole stream.
func (s *stream) isShort() bool {
	return s.source.thinning.thinner.Share() < 1 || s.lack.all > thinFrom
}

// leaveOut reports whether a message is not sent. Whoever plays the stream at
// the publisher itself gets it all the same.
func (s *stream) leaveOut(m *packager.Message) bool {
	if s.source.thinning.thinner.Keep(fragmenter.ClassOf(m), m.Len()) {
		return false
	}
	s.source.thinning.leftOut++
	s.source.thinning.leftOutBytes += uint64(m.Len())
	if s.play != nil && s.playable {
		own := *m
		if s.play.options.OmitBody {
			own.Payload = nil
		}
		s.e.events.push(Event{Kind: EventMessage, Name: s.name, Key: s.key, Message: own, First: s.source.cutter.Next()})
	}
	return true
}
