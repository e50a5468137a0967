package rtmfp

import (
	"bytes"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// tentativeTime is how long a far end of our own kind that has initiated a
// session may take to show that it has the keys. Until then the session has no
// effect on others: whoever saw an IIKeying can send it again, but has no keys.
const tentativeTime = 10 * time.Second

// confirmInterval is after what the initiator asks again for a sign that its
// keys have been seen to work. It knows no round-trip time yet, and has but
// tentativeTime.
const confirmInterval = 500 * time.Millisecond

func (e *Endpoint) addTentative(now Instant, s *Session) {
	s.tentative = now.Add(tentativeTime)
	if all := e.tentative[s.addr]; len(all) >= maxPerAddress {
		all[0].finish(now, ErrTimeout)
	}
	e.tentative[s.addr] = append(e.tentative[s.addr], s)
	s.rearm(now)
}

func (e *Endpoint) forgetTentative(s *Session) {
	if s.tentative == reliability.Never {
		return
	}
	s.tentative = reliability.Never
	left := slices.DeleteFunc(e.tentative[s.addr], func(o *Session) bool { return o == s })
	if len(left) == 0 {
		delete(e.tentative, s.addr)
		return
	}
	e.tentative[s.addr] = left
}

// confirm makes a tentative session one that counts: its initiator has sent a
// valid packet. It reports false if there is no place for it any more.
func (s *Session) confirm(now Instant) bool {
	e := s.e
	here, known := e.byAddr[s.addr], e.identity[string(s.far.EPD)]
	if here != nil && here.state == StateOpen && !bytes.Equal(here.far.Certificate, s.far.Certificate) {
		s.finish(now, ErrReplaced)
		return false
	}
	e.forgetTentative(s)
	s.takeOver(now)
	here.superseded(now)
	if known != here {
		known.superseded(now)
	}
	return true
}

// superseded ends a session, which may be nil, when the far end has opened a
// newer one. The far end is told, in case the session lives there. If we have
// opened it, though, and are the one to initiate, both have opened one, and the
// far end ends its own when it sees ours; or else ours is dead and times out.
func (s *Session) superseded(now Instant) {
	if s != nil && s.state == StateOpen && (!s.initiator || !s.e.prevails(s.far)) {
		s.abort(now, ErrReplaced)
	}
}
