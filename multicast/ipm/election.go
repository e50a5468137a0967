package ipm

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// The rules by which one member of a LAN passes a stream on to the others.
const (
	// InfoPeriod is how often who multicasts a stream says so.
	InfoPeriod = 250 * time.Millisecond
	// relayTimeout is after which silence the next one takes over.
	relayTimeout = 750 * time.Millisecond
	// rankDelay is how much longer a member waits for each other one with a
	// lower tag, at most rankMax of them, since those should take over.
	rankDelay = 100 * time.Millisecond
	rankMax   = 10
	// settled is how long a member must get the stream well before it takes the
	// place of one with a higher tag: each change costs duplicates.
	settled = 2 * time.Second
)

// Election decides whether this node multicasts a stream to its LAN that
// reaches the LAN from outside. Of those that could, it is the one with the
// lowest tag; the publisher's own multicast goes before all. Members that do
// not hear each other may each do it, which is right: they are not on one LAN.
type Election struct {
	self      Tag
	able      bool
	ableSince reliability.Time
	rank      int
	relaying  bool
	// other is who was last heard to pass the stream on.
	other      Tag
	otherAt    reliability.Time // 0: nobody was
	publishing reliability.Time // when the publisher was last heard; 0: never
	infoAt     reliability.Time // when to say so next, while relaying
	changes    uint64
}

// NewElection returns an Election in which this node has not yet got the
// stream.
func NewElection(self Tag) *Election { return &Election{self: self} }

// Relaying reports whether this node is to multicast the stream.
func (e *Election) Relaying() bool { return e.relaying }

// Changes counts how often this node began or stopped.
func (e *Election) Changes() uint64 { return e.changes }

// SetAble tells whether this node could: it gets the stream over other ways
// than the LAN's multicast, without loss. rank is how many members with a
// lower tag are on the LAN (see Discovery.Below).
func (e *Election) SetAble(now reliability.Time, able bool, rank int) {
	if able && !e.able {
		e.ableSince = now
	}
	e.able, e.rank = able, min(max(rank, 0), rankMax)
	e.decide(now)
}

// HandleInfo takes the news that a member multicasts the stream, passing it on
// or not.
func (e *Election) HandleInfo(now reliability.Time, from Tag, relayed bool) {
	switch {
	case from == e.self:
	case !relayed:
		e.publishing = now
	case e.otherAt == 0 || from <= e.other || now.Sub(e.otherAt) >= relayTimeout:
		e.other, e.otherAt = from, now
	}
	e.decide(now)
}

// HandleTimeout goes on when the time has come.
func (e *Election) HandleTimeout(now reliability.Time) { e.decide(now) }

// PollInfo reports whether it is time to say that this node multicasts the
// stream; it then counts as said.
func (e *Election) PollInfo(now reliability.Time) bool {
	if !e.relaying || now < e.infoAt {
		return false
	}
	e.infoAt = now.Add(InfoPeriod)
	return true
}

// PollTimeout returns when HandleTimeout or PollInfo has something to do, or
// Never.
func (e *Election) PollTimeout() reliability.Time {
	switch {
	case e.relaying:
		return e.infoAt
	case !e.able:
		return reliability.Never
	}
	return e.start()
}

// start returns from when on this node may begin: after the silence of all
// that go before it.
func (e *Election) start() reliability.Time {
	delay := time.Duration(e.rank) * rankDelay
	at := e.ableSince.Add(relayTimeout + delay)
	if e.publishing != 0 {
		at = max(at, e.publishing.Add(relayTimeout+delay))
	}
	if e.otherAt == 0 {
		return at
	}
	free := e.otherAt.Add(relayTimeout + delay)
	if e.self < e.other {
		// It need not fall silent: it will give way.
		free = min(free, e.ableSince.Add(settled))
	}
	return max(at, free)
}

// yields reports whether another goes before this node now.
func (e *Election) yields(now reliability.Time) bool {
	if e.publishing != 0 && now.Sub(e.publishing) < relayTimeout {
		return true
	}
	return e.otherAt != 0 && e.other < e.self && now.Sub(e.otherAt) < relayTimeout
}

func (e *Election) decide(now reliability.Time) {
	relaying := e.able && !e.yields(now) && (e.relaying || now >= e.start())
	if relaying != e.relaying {
		e.relaying = relaying
		e.infoAt = now
		e.changes++
	}
}
