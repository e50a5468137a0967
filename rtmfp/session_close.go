package rtmfp

import (
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Close closes the session in an orderly way: the far end is told, again and
// again if need be. All flows end at once.
func (s *Session) Close(now Instant) {
	switch s.state {
	case StateOpen:
		s.endFlows()
		s.setState(now, StateNearClose)
		s.closeAt, s.closeEnd = now.Add(closeResend), now.Add(nearCloseTimeout)
		s.timeoutAt, s.delayedAck, s.paceAt = reliability.Never, reliability.Never, reliability.Never
		s.addControl(wire.TypeCloseRequest, nil)
		s.e.stats.SessionsClosed++
		s.e.emit(Event{Kind: SessionClosed, Session: s})
		s.rearm(now)
	case StateIHelloSent, StateKeyingSent:
		s.fail(now, ErrClosed)
	}
}

// Abort closes the session at once, with one packet to tell the far end that
// may get lost.
func (s *Session) Abort(now Instant) {
	if s.state != StateOpen {
		s.Close(now)
		return
	}
	s.abort(now, nil)
}

func (s *Session) abort(now Instant, err error) {
	s.sendLast(now, wire.TypeCloseAck)
	s.finish(now, err)
}

// sendLast sends a packet of one chunk for a session that is about to be
// forgotten.
func (s *Session) sendLast(now Instant, kind byte) {
	s.sendAside(now, wire.AppendChunk(nil, kind, nil), Datagram{From: s.addr, To: s.local})
}

// finish ends a session for good.
func (s *Session) finish(now Instant, err error) {
	e := s.e
	// Whether the application knows already, or has never heard of it.
	told := s.state != StateOpen || s.tentative != reliability.Never
	s.endFlows()
	s.setState(now, StateClosed)
	delete(e.sessions, s.rxID)
	e.forgetTentative(s)
	e.leaveSource(s)
	if e.identity[string(s.far.EPD)] == s {
		delete(e.identity, string(s.far.EPD))
		if s.older != nil && s.older.state == StateOpen {
			e.identity[string(s.far.EPD)] = s.older
		}
	}
	if e.others[string(s.far.OtherEPD)] == s {
		delete(e.others, string(s.far.OtherEPD))
		if s.older != nil && s.older.state == StateOpen {
			e.others[string(s.far.OtherEPD)] = s.older
		}
	}
	if e.byAddr[s.addr] == s {
		delete(e.byAddr, s.addr)
		if s.older != nil && s.older.state == StateOpen && s.older.addr == s.addr {
			e.byAddr[s.addr] = s.older
		}
	}
	s.older = nil
	if e.criticalFrom == s {
		e.criticalFrom = nil
	}
	s.control, s.chunks = nil, 0
	e.timers.set(s, reliability.Never, true)
	if !told {
		e.stats.SessionsClosed++
		e.emit(Event{Kind: SessionClosed, Session: s, Err: err})
	}
}

// endFlows lets go of all flows. The application learns of it by the event of
// the session.
func (s *Session) endFlows() {
	for _, f := range s.sendFlows {
		f.state = flowClosed
		f.giveUp()
	}
	for _, f := range s.recvFlows {
		f.state = recvClosed
		f.discard()
	}
	s.sendFlows, s.recvFlows, s.inFlight, s.flightHead = nil, nil, nil, 0
	s.sendByID, s.recvByID = map[wire.FlowID]*SendFlow{}, map[wire.FlowID]*RecvFlow{}
	s.outstanding, s.queued, s.ackNow, s.pings = 0, 0, false, nil
	s.timeoutAt, s.delayedAck, s.paceAt = reliability.Never, reliability.Never, reliability.Never
}
