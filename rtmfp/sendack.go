package rtmfp

import (
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// transmitted notes that a fragment goes out in the packet tsn.
func (f *SendFlow) transmitted(sn wire.SequenceNumber, tsn uint64, size int) {
	fr := f.queue.at(sn)
	if fr.sent {
		f.s.e.stats.Retransmitted++
	}
	fr.inFlight, fr.sent, fr.sentAbandoned = true, true, fr.abandoned
	fr.tsn, fr.size, fr.naks = tsn, int32(size), 0
	if fr.receipt != nil {
		fr.receipt.started = true
	}
	f.outstanding += size
	f.s.outstanding += size
	f.s.inFlight = append(f.s.inFlight, flightRef{f, sn, tsn})
	if sn == f.unsent {
		f.unsent++
	}
}

// landed takes a fragment out of flight, acknowledged or lost.
func (f *SendFlow) landed(fr *fragment) {
	fr.inFlight = false
	f.outstanding -= int(fr.size)
	f.s.outstanding -= int(fr.size)
}

// lost makes a fragment that was in flight one to be sent again.
func (f *SendFlow) lost(sn wire.SequenceNumber, fr *fragment) {
	f.landed(fr)
	fr.naks = 0
	f.lostFrom = min(f.lostFrom, sn)
	if fr.receipt != nil && fr.receipt.NoRetransmit {
		f.abandon(fr)
	}
}

// handleAck takes an acknowledgement and returns how many bytes it frees.
func (f *SendFlow) handleAck(now Instant, a *wire.Ack) (freed int) {
	f.options = nil
	f.window = int(min(a.Blocks, 1<<40) * 1024)
	freed = f.ackRange(f.queue.first, a.Cumulative, a.Cumulative)
	var reader wire.RangeReader
	for {
		r, ok := reader.Next(a)
		if !ok {
			break
		}
		freed += f.ackRange(r.From, r.To, a.Cumulative)
	}
	f.trim(now)
	f.armProbe(now)
	if f.state == flowClosing && f.queue.len() == 0 && f.waiting.len() == 0 {
		f.complete(now)
	}
	return freed
}

func (f *SendFlow) ackRange(from, to, cumulative wire.SequenceNumber) (freed int) {
	from, to = max(from, f.queue.first), min(to, f.nextSN-1)
	for sn := from; sn <= to; sn++ {
		fr := f.queue.at(sn)
		if fr == nil {
			break
		}
		if !fr.sent || fr.acked {
			continue
		}
		if fr.inFlight {
			freed += int(fr.size)
			f.landed(fr)
			f.s.maxTSNAck = max(f.s.maxTSNAck, fr.tsn)
		}
		f.release(fr)
		if fr.receipt != nil {
			fr.receipt.left--
			fr.receipt = nil
		}
		if f.unacked == 1 && cumulative < sn {
			// It came, but what was given up before it is still waited for:
			// the last number says that there is no use.
			fr.abandoned = true
			continue
		}
		fr.acked = true
		f.unacked--
	}
	return freed
}

// armProbe makes sure that a closed window is asked about as long as something
// waits for it, and an open one is not.
func (f *SendFlow) armProbe(now Instant) {
	switch {
	case f.window > 0 || f.exception || f.queue.len()+f.waiting.len() == 0 || f.s.keys.NoProbes:
		f.probeAt = reliability.Never
	case f.probeAt == reliability.Never:
		f.probeAt = now.Add(probeFirst)
		f.probeWait = max(f.s.rtt.ERTO(), probeFirst)
		f.s.rearm(now)
	}
}

// deadline returns when the flow needs to be looked after.
func (f *SendFlow) deadline() Instant { return min(f.probeAt, f.lingerEnd) }

func (f *SendFlow) handleTimeout(now Instant) {
	if now >= f.lingerEnd {
		f.state = flowClosed
	}
	if now >= f.probeAt {
		// A closed window may have been opened by an ack that got lost.
		f.s.addControl(wire.TypeBufferProbe, vlu.Append(nil, uint64(f.id)))
		f.probeAt = now.Add(f.probeWait)
		f.probeWait = min(f.probeWait*1414/1000, max(probeMax, f.s.rtt.ERTO()))
	}
}
