package rtmfp

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/congestion"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

const (
	// maxRun is how many datagrams go out in one run.
	maxRun = 16
	// A packet at most this much shorter than the first of a run is padded,
	// so that the run goes on.
	runSlack = 32
	// Pacing lets a little more out than the window would in a round trip,
	// and never makes up for more than paceBurst at once.
	paceGain  = 1.25
	paceBurst = 2 * time.Millisecond
	paceGrain = time.Millisecond
	// A round trip of less than the timestamps' grain is taken for this: there
	// the acknowledgements set the pace.
	paceRTT = 250 * time.Microsecond
	// minRoom is the least room in a packet that is worth starting on one
	// more fragment.
	minRoom = 64
)

// room returns the length of the largest plain packet.
func (s *Session) room() int { return s.keys.Key.Room(s.datagram) }

// transmit fills buf with the next run of packets, back to back and equal in
// size but for the last. It returns 0 when there is nothing to send.
func (s *Session) transmit(now Instant, buf []byte) (n, segment int) {
	if s.state == StateIHelloSent || s.state == StateKeyingSent || s.state == StateClosed {
		return 0, 0
	}
	if s.rekeying.key != nil && s.rekeying.key.Sealed() >= updatePackets && !s.updateKeys(now) {
		return 0, 0
	}
	s.refill(now)
	room := s.room()
	for range maxRun {
		if len(buf)-n < max(s.e.params.DatagramSize, s.e.params.DatagramMax)+64 {
			break
		}
		head := s.keys.Key.Head()
		size, plain := s.build(now, buf[n:], room, n > 0)
		if size == 0 {
			break
		}
		n += size
		if segment == 0 {
			if segment = size; plain > room {
				break // a large one goes alone
			}
			room = plain
		} else if size < segment {
			break
		}
		if s.keys.Key.Head() != head {
			break // the next one would be longer at equal content
		}
	}
	return n, segment
}

// burst is how many data packets may always go out between two
// acknowledgements. Our own kind acknowledges whole runs at once.
func (s *Session) burst() float64 {
	if s.keys.Own {
		return maxRun
	}
	return burstPackets
}

// release lets data out that takes the place of what was acknowledged. On a way
// that is shorter than the timestamps can tell, that is all of it: then it is
// the acknowledgements that set the pace.
func (s *Session) release(acked int) {
	s.budget = max(s.budget, s.burst())
	packets := float64(acked / s.datagram)
	if srtt, known := s.rtt.Smoothed(); !known || srtt >= timestampTick {
		packets = min(packets, maxRun)
	}
	s.budget = max(s.budget, packets)
}

// refill adds what time has brought to the budget of data packets.
func (s *Session) refill(now Instant) {
	elapsed := now.Sub(s.budgetAt)
	s.budgetAt = now
	srtt, known := s.rtt.Smoothed()
	if !known || elapsed <= 0 {
		return
	}
	// Packets a second: the window once in a round trip, and a bit.
	rate := paceGain * float64(s.cc.Window()) / float64(s.datagram) / max(srtt, paceRTT).Seconds()
	most := max(s.burst(), rate*paceBurst.Seconds())
	s.budget = max(min(s.budget+rate*elapsed.Seconds(), most), s.budget)
}

// build writes one datagram to b: a plain packet of at most room bytes. With
// pad, a packet that is a little shorter is filled up to room. It returns the
// datagram's size and that of the plain packet, or 0.
func (s *Session) build(now Instant, b []byte, room int, pad bool) (size, plain int) {
	head := s.keys.Key.Head()
	start := 4 + head
	limit := start + room
	echo := s.echo
	p := s.appendHeader(now, b[:start])
	empty := len(p)
	flow, sn := s.nextFragment(now)
	s.oversized = false
	p = s.appendControl(p, limit)
	if !s.onlyControl && (s.ackNow || flow != nil || len(p) > empty) {
		p = s.appendAcks(p, limit, flow == nil && len(p) == empty)
	}
	if flow != nil {
		p = s.appendData(now, p, start, limit, flow, sn, !pad && len(p) == empty)
	}
	if len(p) == empty {
		s.echo = echo // it has not been sent after all
		return 0, 0
	}
	if pad && limit-len(p) <= runSlack {
		for len(p) < limit {
			p = append(p, 0xff)
		}
	}
	plain = len(p) - start
	if s.e.tracer != nil {
		s.e.tracer.TracePacket(now, TracedPacket{Sent: true, Far: wire.Address{AddrPort: s.addr}, Session: s.rxID, Plain: p[start:], Size: len(p)})
	}
	sealed := s.keys.Key.Seal(p[4:])
	binary.BigEndian.PutUint32(b, uint32(wire.Scramble(s.txID, sealed)))
	s.e.stats.Sent++
	return 4 + len(sealed), plain
}

// appendHeader appends the header of a packet. Part of the deployed peers want
// a timestamp in every packet; our own kind gets it when it has changed.
func (s *Session) appendHeader(now Instant, b []byte) []byte {
	h := wire.Header{Mode: wire.ModeResponder, HasTimestamp: true, Timestamp: ticks(now)}
	if s.keys.Own {
		h.HasTimestamp = !s.echo.sentOnce || h.Timestamp != s.echo.sent
	}
	s.echo.sent, s.echo.sentOnce = h.Timestamp, true
	if s.initiator {
		h.Mode = wire.ModeInitiator
	}
	if s.echo.rxKnown {
		held := now.Sub(s.echo.rxTime)
		if held > echoValid {
			s.echo.rxKnown, s.echo.txKnown = false, false
		} else if echo := s.echo.rx + uint16(held/timestampTick); !s.echo.txKnown || echo != s.echo.tx {
			s.echo.tx, s.echo.txKnown = echo, true
			h.HasEcho, h.Echo = true, echo
		}
	}
	other := s.e.criticalAt
	if s.e.criticalFrom == s {
		other = s.e.criticalAt2
	}
	h.TimeCriticalReverse = now.Sub(other) <= congestion.Memory
	return wire.AppendHeader(b, h)
}

// appendControl appends the waiting control chunks as far as they fit.
func (s *Session) appendControl(p []byte, limit int) []byte {
	for len(s.control) > 0 {
		_, n, ok := wire.ParseChunk(s.control)
		if !ok || n > limit-len(p) {
			break
		}
		p = append(p, s.control[:n]...)
		s.control = s.control[n:]
		s.chunks--
	}
	if len(s.control) == 0 {
		s.control, s.chunks = nil, 0
	}
	return p
}

// appendAcks appends the acknowledgements that are due. The first one may be
// cut short if there is nothing else in the packet.
func (s *Session) appendAcks(p []byte, limit int, cut bool) []byte {
	left := false
	for _, f := range s.recvFlows {
		if !f.shouldAck {
			continue
		}
		var ok bool
		if p, ok = f.appendAck(p, limit-len(p), cut); !ok {
			left = true
		}
		cut = false
	}
	if !left {
		s.ackNow, s.rxPackets, s.rxBytes, s.delayedAck = false, 0, 0, reliability.Never
	}
	return p
}

// nextFragment chooses the flow whose turn it is: the highest priority first,
// in turn among equals. It returns nil when nothing may be sent now.
func (s *Session) nextFragment(now Instant) (*SendFlow, wire.SequenceNumber) {
	if s.outstanding >= s.cc.Window() || s.state != StateOpen || s.onlyControl {
		return nil, 0
	}
	choose := s.firstFragment
	if s.ranked {
		choose = s.foremostFragment
	}
	f, sn := choose(now)
	if f == nil {
		return nil, 0
	}
	if s.budget < 1 {
		s.paceLater(now)
		return nil, 0
	}
	s.turn++
	return f, sn
}

// firstFragment chooses by the flows' priorities, in whose order they are.
func (s *Session) firstFragment(now Instant) (*SendFlow, wire.SequenceNumber) {
	for i := 0; i < len(s.sendFlows); {
		j := i + 1
		for j < len(s.sendFlows) && s.sendFlows[j].config.Priority == s.sendFlows[i].config.Priority {
			j++
		}
		for k := range j - i {
			f := s.sendFlows[i+(k+s.turn)%(j-i)]
			if sn := f.next(now); sn != 0 {
				return f, sn
			}
		}
		i = j
	}
	return nil, 0
}

// foremostFragment chooses by the priorities of the messages that would be
// next.
func (s *Session) foremostFragment(now Instant) (best *SendFlow, bestSN wire.SequenceNumber) {
	rank, n := 0, len(s.sendFlows)
	for k := range n {
		f := s.sendFlows[(k+s.turn)%n]
		sn := f.next(now)
		if sn == 0 {
			continue
		}
		r := f.config.Priority
		if receipt := f.queue.at(sn).receipt; receipt != nil {
			r += receipt.Priority
		}
		if best == nil || r > rank {
			best, bestSN, rank = f, sn, r
		}
	}
	return best, bestSN
}

// paceLater asks to be woken when the budget allows one more burst.
func (s *Session) paceLater(now Instant) {
	if _, known := s.rtt.Smoothed(); known && s.paceAt == reliability.Never {
		s.paceAt = now.Add(paceGrain)
	}
}

// appendData appends fragments of a flow, from sn on, as many as fit. The
// first of them carries the flow's options until they have been acknowledged;
// if it is alone in the packet, it may be larger than the path is now.
func (s *Session) appendData(now Instant, p []byte, start, limit int, f *SendFlow, sn wire.SequenceNumber, alone bool) []byte {
	tsn := s.nextTSN + 1
	forward := f.forward()
	var previous wire.SequenceNumber
	for sn != 0 {
		fr := f.queue.at(sn)
		u := wire.UserData{
			Fragmentation: fr.kind, Abandoned: fr.abandoned, Final: sn == f.final,
			FlowID: f.id, SequenceNumber: sn, ForwardSequenceNumber: forward, Data: fr.data,
		}
		if fr.abandoned {
			u.Data = nil
		}
		before := len(p)
		if previous == 0 {
			u.Options = f.options
		}
		if previous != 0 && sn == previous+1 {
			if u.NextLen() > limit-len(p) {
				break
			}
			p = wire.AppendNextUserData(p, &u)
		} else {
			if u.Len() > limit-len(p) {
				if !alone {
					break
				}
				// It was cut when the path was wider, and cannot be any more.
				s.oversized = true
			}
			alone = false
			p = wire.AppendUserData(p, &u)
		}
		previous = sn
		f.transmitted(sn, tsn, len(p)-before)
		if limit-len(p) < minRoom || f.exceeded() {
			break
		}
		// Trimming would move the forward number that this packet carries;
		// next only trims what is acknowledged or given up.
		sn = f.next(now)
		if sn != 0 && f.forward() != forward {
			break
		}
	}
	if previous != 0 {
		s.nextTSN = tsn
		s.dataSent(now, p, start, f)
		s.pmtuData(now, len(p))
	}
	return p
}

// exceeded reports whether the session's window is full.
func (f *SendFlow) exceeded() bool { return f.s.outstanding >= f.s.cc.Window() }

// dataSent notes that a packet with data of f goes out.
func (s *Session) dataSent(now Instant, p []byte, start int, f *SendFlow) {
	s.budget--
	s.rate.sent(now)
	if s.timeoutAt == reliability.Never || s.timeoutAt < now.Add(s.rtt.ERTO()) {
		s.timeoutAt = now.Add(s.rtt.ERTO())
	}
	if f.config.TimeCritical {
		p[start] |= 0x80
		s.cc.TimeCriticalSent(now)
		s.e.criticalSent = now
	}
}

// sendAside sends a packet with one chunk outside the queue, to an address of
// its own or for a session that is about to be forgotten.
func (s *Session) sendAside(now Instant, chunk []byte, d Datagram) {
	s.sendSized(now, chunk, d, s.datagram)
}

// sendSized is sendAside of a datagram that may be of a size.
func (s *Session) sendSized(now Instant, chunk []byte, d Datagram, datagram int) {
	e := s.e
	if len(e.outgoing)-e.outHead >= maxOutgoing {
		e.stats.Refused++
		return
	}
	control, chunks, ack := s.control, s.chunks, s.ackNow
	s.control, s.chunks, s.ackNow, s.onlyControl = chunk, 1, false, true
	buf := make([]byte, datagram+64)
	if n, _ := s.build(now, buf, s.keys.Key.Room(datagram), false); n > 0 {
		e.outgoing = append(e.outgoing, outgoing{to: d.From, from: d.To, data: buf[:n]})
	}
	s.control, s.chunks, s.ackNow, s.onlyControl = control, chunks, ack, false
}
