package rtmfp

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Buffered returns the bytes that the session's receive flows hold, for tests
// that watch the bound.
func (s *Session) Buffered() int { return s.buffered }

// Footprint returns how many things the endpoint keeps of sessions and
// openings in all of its tables, for tests that look for leaks.
func (e *Endpoint) Footprint() int {
	return len(e.sessions) + len(e.tags) + len(e.identity) + len(e.byAddr) + len(e.openings) + len(e.timers) +
		len(e.pending) + len(e.perAddr) + e.waiting + len(e.works) + len(e.outgoing) - e.outHead + len(e.events) - e.eventHead
}

// CheckInvariants compares what an endpoint keeps count of with what there is.
func (e *Endpoint) CheckInvariants() error {
	sources := make(map[netip.Prefix]int)
	for _, s := range e.sessions {
		if err := s.checkInvariants(); err != nil {
			return fmt.Errorf("session %x in %v: %w", s.rxID, s.state, err)
		}
		if s.source.IsValid() {
			sources[s.source]++
		}
	}
	if !maps.Equal(sources, e.bySource) {
		return fmt.Errorf("sources have %v sessions, %v are counted", sources, e.bySource)
	}
	return nil
}

func (s *Session) checkInvariants() error {
	outstanding, queued, buffered := 0, 0, 0
	for _, f := range s.sendFlows {
		if err := f.checkInvariants(); err != nil {
			return fmt.Errorf("send flow %d: %w", f.id, err)
		}
		outstanding += f.outstanding
		queued += f.queued
	}
	for _, f := range s.recvFlows {
		if err := f.checkInvariants(); err != nil {
			return fmt.Errorf("receive flow %d: %w", f.id, err)
		}
		buffered += f.buffered
	}
	switch {
	case outstanding != s.outstanding || queued != s.queued || buffered != s.buffered:
		return fmt.Errorf("outstanding %d, %d; queued %d, %d; buffered %d, %d", s.outstanding, outstanding, s.queued, queued, s.buffered, buffered)
	case s.buffered > 2*s.e.params.SessionBuffer:
		return fmt.Errorf("%d bytes buffered", s.buffered)
	case len(s.sendFlows) > maxSendFlows || len(s.recvFlows) > maxRecvFlows || s.chunks > maxControl || len(s.pings) > maxPings:
		return fmt.Errorf("%d and %d flows, %d control chunks, %d pings", len(s.sendFlows), len(s.recvFlows), s.chunks, len(s.pings))
	case s.state == StateOpen && s.outstanding > 0 && s.timeoutAt == reliability.Never:
		return errors.New("data is in flight and no timeout is set")
	}
	return nil
}

func (f *SendFlow) checkInvariants() error {
	outstanding, queued, unacked := 0, 0, 0
	for i := range f.queue.items[f.queue.head:] {
		fr := &f.queue.items[f.queue.head+i]
		queued += len(fr.data)
		if fr.inFlight {
			outstanding += int(fr.size)
		}
		if !fr.acked {
			unacked++
		}
		if fr.acked && fr.inFlight || fr.abandoned && fr.data != nil {
			return fmt.Errorf("fragment %d is %+v", f.queue.first+wire.SequenceNumber(i), fr)
		}
	}
	for i := range f.waiting.items[f.waiting.head:] {
		queued += len(f.waiting.items[f.waiting.head+i].data)
	}
	if outstanding != f.outstanding || queued != f.queued || unacked != f.unacked {
		return fmt.Errorf("outstanding %d, %d; queued %d, %d; unacked %d, %d", f.outstanding, outstanding, f.queued, queued, f.unacked, unacked)
	}
	if end := f.queue.first + wire.SequenceNumber(f.queue.len()); end != f.nextSN {
		return fmt.Errorf("the queue ends before %d, the next number is %d", end, f.nextSN)
	}
	return nil
}

func (f *RecvFlow) checkInvariants() error {
	buffered := 0
	for i := range f.buffer {
		buffered += len(f.buffer[i].data) + fragmentOverhead
		if i > 0 && f.buffer[i].sn <= f.buffer[i-1].sn {
			return fmt.Errorf("the buffer is out of order at %d", f.buffer[i].sn)
		}
	}
	top := f.seen
	for _, r := range f.above {
		if r.From <= top+1 || r.To < r.From {
			return fmt.Errorf("seen up to %d and %v", f.seen, f.above)
		}
		top = r.To
	}
	if buffered != f.buffered || len(f.above) > maxRanges {
		return fmt.Errorf("%d bytes buffered, counted as %d; %d ranges", buffered, f.buffered, len(f.above))
	}
	return nil
}
