package rtmfp

import (
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/congestion"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// packetState is what the chunks of one packet add up to.
type packetState struct {
	last    wire.UserData // the last fragment, for Next User Data
	hasLast bool
	data    bool
	cc      congestion.Packet
	mode    wire.Mode
	pieced  bool // it came in pieces
}

// handlePacket takes a decrypted packet of an open or closing session.
func (s *Session) handlePacket(now Instant, plain []byte, d *Datagram) {
	s.handlePlain(now, plain, d, packetState{})
}

func (s *Session) handlePlain(now Instant, plain []byte, d *Datagram, p packetState) {
	h, n, err := wire.ParseHeader(plain)
	own := wire.ModeResponder
	if s.initiator {
		own = wire.ModeInitiator
	}
	// Our own packets, sent back to us, are not theirs.
	if err != nil || h.Mode == wire.ModeStartup || h.Mode == own || p.pieced && h.Mode != p.mode {
		s.e.stats.Malformed++
		return
	}
	s.handleHeader(now, &h)
	s.heard(now)
	p.mode, p.cc.Outstanding = h.Mode, s.outstanding
	for rest := plain[n:]; s.state != StateClosed; {
		c, n, ok := wire.ParseChunk(rest)
		if !ok {
			break
		}
		rest = rest[n:]
		if s.state == StateOpen {
			s.handleChunk(now, c, &p, d)
		}
		s.handleClosing(now, c)
	}
	if s.state == StateOpen {
		s.packetHandled(now, plain, &p, d)
	}
	if s.state != StateClosed {
		s.rearm(now)
	}
}

// measured takes a round-trip time. With the first one a timeout that was set
// without any, three seconds ahead, is brought forward: a packet that is lost
// just after the handshake need not wait that long.
func (s *Session) measured(now Instant, rtt time.Duration) {
	_, known := s.rtt.Smoothed()
	s.rtt.Update(rtt)
	if !known && s.timeoutAt != reliability.Never {
		s.timeoutAt = min(s.timeoutAt, now.Add(s.rtt.ERTO()))
	}
}

// handleHeader takes the timestamps and the time-critical notifications.
func (s *Session) handleHeader(now Instant, h *wire.Header) {
	if h.HasTimestamp && (!s.echo.rxKnown || h.Timestamp != s.echo.rx) {
		s.echo.rx, s.echo.rxTime, s.echo.rxKnown = h.Timestamp, now, true
	}
	if h.HasEcho && (!s.echo.echoRxOk || h.Echo != s.echo.echoRx) {
		s.echo.echoRx, s.echo.echoRxOk = h.Echo, true
		if elapsed := ticks(now) - h.Echo; elapsed <= 32767 {
			s.measured(now, time.Duration(elapsed)*timestampTick)
		}
	}
	if h.TimeCritical {
		e := s.e
		if e.criticalFrom != s {
			e.criticalAt2 = e.criticalAt
			e.criticalFrom = s
		}
		e.criticalAt, s.criticalRx = now, now
	}
	if h.TimeCriticalReverse {
		s.cc.ReverseReceived(now)
	}
}

func (s *Session) handleChunk(now Instant, c wire.Chunk, p *packetState, d *Datagram) {
	var err error
	switch c.Type {
	case wire.TypeUserData:
		var u wire.UserData
		if u, err = wire.ParseUserData(c.Payload); err == nil {
			s.handleUserData(now, u, p)
		}
	case wire.TypeNextUserData:
		if p.hasLast {
			var u wire.UserData
			if u, err = wire.ParseNextUserData(c.Payload, &p.last); err == nil {
				s.handleUserData(now, u, p)
			}
		}
	case wire.TypeAckRanges, wire.TypeAckBitmap:
		var a wire.Ack
		if a, err = wire.ParseAck(c.Type, c.Payload); err == nil {
			p.cc.Acks = true
			if f := s.sendByID[a.FlowID]; f != nil {
				p.cc.Acked += f.handleAck(now, &a)
			}
		}
	case wire.TypeBufferProbe:
		var id wire.FlowID
		if id, err = wire.ParseBufferProbe(c.Payload); err == nil {
			if f := s.recvByID[id]; f != nil {
				f.ackNow()
			}
		}
	case wire.TypeFlowException:
		var x wire.FlowException
		if x, err = wire.ParseFlowException(c.Payload); err == nil {
			if f := s.sendByID[x.FlowID]; f != nil {
				f.refuse(now, x.Code)
			}
		}
	case wire.TypePing:
		if len(c.Payload) <= maxPingMessage {
			s.addControl(wire.TypePingReply, c.Payload)
		}
	case wire.TypePingReply:
		s.handlePingReply(now, c.Payload, d)
	case wire.TypeFIHello:
		s.handleFIHello(now, c.Payload)
	case wire.TypePacketFragment:
		if !p.pieced {
			if whole := s.e.handleFragment(now, s, p.mode, c.Payload, d); whole != nil {
				s.handlePlain(now, whole, d, packetState{mode: p.mode, pieced: true})
			}
		}
	}
	if err != nil {
		s.e.stats.Malformed++
	}
}

func (s *Session) handleUserData(now Instant, u wire.UserData, p *packetState) {
	p.last, p.hasLast, p.data = u, true, true
	p.last.Options, p.last.Data = nil, nil
	f := s.recvByID[u.FlowID]
	if f == nil {
		if f = s.acceptFlow(now, &u); f == nil {
			return
		}
	}
	f.handleData(now, &u)
}

// handleClosing takes the two chunks that end a session, which count in every
// state (RFC 7016 section 3.5.5).
func (s *Session) handleClosing(now Instant, c wire.Chunk) {
	switch c.Type {
	case wire.TypeCloseRequest:
		if s.state == StateOpen {
			s.endFlows()
			s.setState(now, StateFarCloseLinger)
			s.closeEnd = now.Add(farCloseLinger)
			s.control, s.chunks = nil, 0
			s.e.stats.SessionsClosed++
			s.e.emit(Event{Kind: SessionClosed, Session: s, Err: ErrClosed})
		}
		s.addControl(wire.TypeCloseAck, nil)
	case wire.TypeCloseAck:
		s.finish(now, ErrClosed)
	}
}

// packetHandled draws the conclusions from a whole packet, plain.
func (s *Session) packetHandled(now Instant, plain []byte, p *packetState, d *Datagram) {
	if p.cc.Acks {
		s.handleNaks(&p.cc)
		s.pmtu.silent = 0
		s.rate.acked(now, p.cc.Acked, s.outstanding > 0)
		s.cc.HandlePacket(now, p.cc, now.Sub(s.e.criticalSent) <= congestion.Memory)
		s.release(p.cc.Acked)
		if s.timeoutAt != reliability.Never {
			s.timeoutAt = now.Add(s.rtt.ERTO())
			if s.outstanding == 0 {
				s.timeoutAt = reliability.Never
			}
		}
		s.e.wake(s)
	}
	if p.data {
		s.rxPackets++
		s.rxBytes += len(plain)
		if s.owesAck() {
			s.ackNow = true
		}
	}
	if s.ackNow {
		s.e.wake(s)
	}
	if d.From != s.addr && now.Sub(s.mobilitySent) >= mobilityInterval {
		s.probeAddress(now, d)
	}
}

// owesAck reports whether what has come since the last acknowledgement calls for
// one at once, instead of within the 200 ms for which any may be delayed.
//
// Deviation: RFC 7016 section 3.6.3.4 wants one for each second packet. Our own
// kind gets it for ackPackets or ackBytes, which still come well before its
// smallest window is used up: a stream from eight parents is some 20 small
// packets a second from each, and an acknowledgement for every two of them is
// 4 % of the stream. Gaps are told at once, as ever.
func (s *Session) owesAck() bool {
	if !s.keys.Own {
		return s.rxPackets >= 2
	}
	return s.rxPackets >= ackPackets || s.rxPackets >= 2 && s.rxBytes >= ackBytes
}

// flightRef is a fragment that was sent in the packet tsn.
type flightRef struct {
	f   *SendFlow
	sn  wire.SequenceNumber
	tsn uint64
}

// fragment returns the fragment if it is still in flight with that packet.
func (r *flightRef) fragment() *fragment {
	if fr := r.f.queue.at(r.sn); fr != nil && fr.inFlight && fr.tsn == r.tsn {
		return fr
	}
	return nil
}

// handleNaks counts, for each fragment in flight, the packets that were sent
// later and acknowledged. The order of sending decides, across all flows.
//
// Deviation: a fragment of a time-critical flow is taken for lost after fewer
// than three of them where there are not many in flight (as RFC 5827 does for
// TCP). A packet each 60 ms would otherwise be missed for a fifth of a second
// on every hop.
func (s *Session) handleNaks(p *congestion.Packet) {
	kept := s.flightHead
	i := s.flightHead
	few := min(max(len(s.inFlight)-s.flightHead-1, 1), lossNaks)
	for ; i < len(s.inFlight) && s.inFlight[i].tsn < s.maxTSNAck; i++ {
		ref := s.inFlight[i]
		fr := ref.fragment()
		if fr == nil {
			continue
		}
		p.Naks = true
		limit := lossNaks
		if ref.f.config.TimeCritical {
			limit = few
		}
		if fr.naks++; int(fr.naks) >= limit {
			p.Loss = true
			ref.f.lost(ref.sn, fr)
			continue
		}
		s.inFlight[kept] = ref
		kept++
	}
	// Close the gap from behind, so that the queue's head moves on.
	for j := kept - 1; j >= s.flightHead; j-- {
		i--
		s.inFlight[i] = s.inFlight[j]
	}
	s.flightHead = i
	for s.flightHead < len(s.inFlight) && s.inFlight[s.flightHead].fragment() == nil {
		s.flightHead++
	}
	if s.flightHead == len(s.inFlight) {
		s.inFlight, s.flightHead = s.inFlight[:0], 0
	} else if s.flightHead > 256 && s.flightHead > len(s.inFlight)/2 {
		n := copy(s.inFlight, s.inFlight[s.flightHead:])
		s.inFlight, s.flightHead = s.inFlight[:n], 0
	}
}

// retransmissionTimeout takes everything in flight for lost (RFC 7016 section
// 3.6.2.6.2).
func (s *Session) retransmissionTimeout(now Instant) {
	s.timeoutAt = reliability.Never
	loss := false
	for i := range s.inFlight[s.flightHead:] {
		ref := s.inFlight[s.flightHead+i]
		if fr := ref.fragment(); fr != nil {
			ref.f.lost(ref.sn, fr)
			loss = true
		}
	}
	s.inFlight, s.flightHead = s.inFlight[:0], 0
	if loss {
		s.rtt.BackOff()
		s.pmtuSilence(now)
	}
	s.cc.HandleTimeout(loss)
	s.rate.busy = false
	s.budget = max(s.budget, s.burst())
	s.e.wake(s)
	if s.pingAt == reliability.Never && now.Sub(s.lastReceived) > s.rtt.ERTO() {
		// Data without an answer is a question, too: silence now counts.
		s.ask(now, s.rtt.ERTO())
	}
}
