package fragmenter

import (
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Tracks for the order of delivery.
const (
	trackAudio = iota
	trackVideo
	trackOther
	trackCount
)

// trackOf returns the track of a message. What describes the stream keeps its
// place among the pictures, since segments are cut by it.
func trackOf(kind packager.MessageType, class reliability.Class) uint8 {
	switch {
	case kind == packager.MessageAudio:
		return trackAudio
	case kind == packager.MessageVideo, class == reliability.ClassConfig:
		return trackVideo
	}
	return trackOther
}

// state is how far a message has come.
type state uint8

const (
	messageWhole   state = iota
	messagePartial       // a fragment is missing, the last one's number is known
	messageOpen          // a fragment is missing, the last one's number is not known
	messageDead          // a fragment was given up, or they contradict each other
)

// message looks at the message that begins at id and returns its last fragment
// and its state. Of a dead message, last is the last fragment that surely
// belongs to it; of an open one it means nothing.
//
// Countdowns are hints only: it is the end fragment that completes a message,
// since some senders leave countdowns out.
func (r *Reassembler) message(id ID) (last ID, s state) {
	counted := ID(0) // the last fragment by the newest countdown, 0 for none
	for i := id; i-id < MaxFragments; i++ {
		if i > r.top {
			if i <= r.through {
				return r.limit(i-1, counted), messageDead
			}
			return r.partial(i, counted)
		}
		p := r.at(i)
		switch {
		case r.lost(i):
			return r.limit(i, counted), messageDead
		case !p.is(pieceHeld):
			return r.partial(i, counted)
		case i > id && p.is(pieceBegins|pieceDone):
			r.stats.Broken++
			return i - 1, messageDead
		case !p.is(pieceMore):
			return i, messageWhole
		case p.is(pieceCounted):
			counted = min(i+ID(p.countdown), id+MaxFragments-1)
		}
	}
	r.stats.Broken++
	return id + MaxFragments - 1, messageDead
}

// partial returns the state of a message whose fragment i is missing but may
// come.
func (r *Reassembler) partial(i, counted ID) (last ID, s state) {
	if counted < i {
		return 0, messageOpen
	}
	last = r.limit(i, counted)
	for ; i <= min(last, r.top); i++ {
		if r.lost(i) {
			return last, messageDead
		}
	}
	return last, messagePartial
}

// limit returns how far a message reaches that is not whole from fragment i on:
// to the last one by the countdown, or as far as fragments follow that begin
// nothing, but never to one that begins another.
func (r *Reassembler) limit(i, counted ID) ID {
	for i < r.top {
		p := r.at(i + 1)
		if p.is(pieceBegins) || i >= counted && !p.is(pieceHeld) {
			return i
		}
		i++
	}
	return max(i, counted)
}

// finish marks the fragments of a message that has been handed over.
func (r *Reassembler) finish(id, last ID) {
	if r.at(id).class == reliability.ClassKey {
		r.chain.Forget(uint64(id))
	}
	for ; id <= last; id++ {
		r.at(id).flags |= pieceDone
	}
}

// kill drops the message that begins at id, and sees to it that nothing more of
// it is asked for or taken.
func (r *Reassembler) kill(id, last ID) {
	class := r.at(id).class
	r.stats.Lost[class]++
	r.chain.Lose(uint64(id), class)
	if last > r.top {
		r.reach(last)
	}
	for ; id <= min(last, r.top); id++ {
		r.discard(r.at(id))
	}
}

func (r *Reassembler) discard(p *piece) {
	if p.is(pieceHeld) {
		p.flags |= pieceDone
	} else {
		p.flags |= pieceLost
	}
}

// dropOrphan drops a fragment whose message's beginning will not come, and what
// is known to belong to the same message. It returns the number behind them.
func (r *Reassembler) dropOrphan(id ID) ID {
	last := id
	if p := r.at(id); p.is(pieceMore) && p.is(pieceCounted) {
		last = min(r.limit(id, id+ID(p.countdown)), r.top)
	}
	for ; id <= last; id++ {
		if p := r.at(id); !p.is(pieceDone) {
			if p.is(pieceHeld) {
				r.stats.Orphans++
			}
			r.discard(p)
		}
	}
	return last + 1
}

// advance moves past what is done with.
func (r *Reassembler) advance() {
	for r.base <= r.top {
		p := r.at(r.base)
		if !p.is(pieceDone) && !r.lost(r.base) {
			return
		}
		if !p.is(pieceHeld) {
			r.stats.GivenUp++
		}
		*p = piece{}
		r.base++
	}
	if r.through >= r.base {
		r.stats.GivenUp += uint64(r.through - r.base + 1)
		r.base, r.top = r.through+1, r.through
	}
}

// find returns the fragment that begins the message to which id belongs, if it
// has come.
func (r *Reassembler) find(id ID) (begin ID, ok bool) {
	if id < r.base || r.base == 0 {
		return 0, false
	}
	for i := min(id, r.top); i >= r.base && i+MaxFragments > id; i-- {
		p := r.at(i)
		switch {
		case !p.is(pieceHeld):
		case i == id && p.is(pieceBegins):
			return i, true
		case i < id && (!p.is(pieceMore) || p.is(pieceCounted) && i+ID(p.countdown) < id):
			return 0, false // its message ends before
		case p.is(pieceBegins):
			return i, true
		}
	}
	return 0, false
}
