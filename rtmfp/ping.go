package rtmfp

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// maxPingWait is the longest pause between the pings of a silent far end.
const maxPingWait = 10 * time.Second

// sentPing is a question of the application: 'P', u64 number.
type sentPing struct {
	number uint64
	at     Instant
}

const pingMark = 'P'

// SetKeepalive changes after which silence the far end is pinged.
func (s *Session) SetKeepalive(now Instant, d time.Duration) {
	s.keepalive = max(d, time.Second)
	s.rearm(now)
}

// SetDeadAfter changes how long the far end may be silent though it was asked
// for a sign of life, which Params.DeadAfter is at first: for a far end that is
// cheap to come back to, such as a server that may have been restarted and knows
// nothing of the session. At least a second.
func (s *Session) SetDeadAfter(now Instant, d time.Duration) {
	s.deadAfter = max(d, time.Second)
	s.rearm(now)
}

// Ping asks the far end for a sign of life. PingAnswered with the number that
// is returned tells of the answer. Until anything comes, the session goes on
// asking by itself, more and more slowly, and gives up in the end (SetDeadAfter).
// It returns 0 if the session is not open.
func (s *Session) Ping(now Instant) (number uint64) {
	if s.state != StateOpen {
		return 0
	}
	s.lastPing++
	if len(s.pings) == maxPings {
		s.pings = slices.Delete(s.pings, 0, 1)
	}
	s.pings = append(s.pings, sentPing{s.lastPing, now})
	s.ask(now, s.rtt.ERTO())
	s.addControl(wire.TypePing, binary.BigEndian.AppendUint64([]byte{pingMark}, s.lastPing))
	s.rearm(now)
	return s.lastPing
}

// ask notes that the far end was asked for a sign of life and is to be asked
// again after wait.
func (s *Session) ask(now Instant, wait time.Duration) {
	s.askedAt = min(s.askedAt, now)
	s.pingAt, s.pingWait = now, wait
}

// heard notes that something valid came.
func (s *Session) heard(now Instant) {
	s.lastReceived, s.pingAt, s.askedAt, s.confirming = now, reliability.Never, reliability.Never, false
}

// keepaliveAt returns when the far end is to be pinged next, or given up.
func (s *Session) keepaliveAt() Instant {
	if s.pingAt != reliability.Never {
		return min(s.pingAt.Add(s.pingWait), s.askedAt.Add(s.deadAfter))
	}
	wait := s.keepalive
	if !s.initiator {
		wait += time.Second // so that both ends do not ping each other at once
	}
	return s.lastReceived.Add(wait)
}

func (s *Session) keepAlive(now Instant) {
	if s.askedAt != reliability.Never && now >= s.askedAt.Add(s.deadAfter) {
		s.sendLast(now, wire.TypeCloseAck)
		s.finish(now, ErrTimeout)
		return
	}
	if s.confirming {
		s.ask(now, s.pingWait)
	} else if s.pingAt != reliability.Never {
		s.ask(now, min(s.pingWait*3/2, maxPingWait))
	} else {
		s.ask(now, s.rtt.ERTO())
	}
	s.addControl(wire.TypePing, nil)
}

// handlePingReply takes the answer to a ping of any kind.
func (s *Session) handlePingReply(now Instant, message []byte, d *Datagram) {
	switch {
	case len(message) == 1+8 && message[0] == pingMark:
		s.pingAnswered(now, binary.BigEndian.Uint64(message[1:]))
	case len(message) == 0 && len(s.pings) > 0:
		// Part of the deployed peers answers every ping with an empty one.
		s.pingAnswered(now, s.pings[0].number)
	case len(message) == rekeySize && message[0] == rekeyMark:
		s.handleRekeyReply(now, message)
	case len(message) == 3 && message[0] == pmtuMark:
		s.pmtuAnswered(now, int(binary.BigEndian.Uint16(message[1:])))
	case len(message) == mobilitySize && message[0] == mobilityMark:
		s.handleMobilityReply(now, message, d)
	}
}

func (s *Session) pingAnswered(now Instant, number uint64) {
	i := slices.IndexFunc(s.pings, func(p sentPing) bool { return p.number == number })
	if i < 0 {
		return // answered before, or never asked
	}
	elapsed := now.Sub(s.pings[i].at)
	s.pings = slices.Delete(s.pings, i, i+1)
	s.e.emit(Event{Kind: PingAnswered, Session: s, Code: number, Elapsed: elapsed})
}
