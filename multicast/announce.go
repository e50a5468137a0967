package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
)

// handleFirst takes the first message on a flow for a stream that is not known
// yet: its announcement.
func (e *Engine) handleFirst(n *neighbor, key StreamKey, b []byte) {
	a, err := wire.ParseAnnouncement(b)
	if err != nil || a.Key != key || a.Name == "" {
		return
	}
	if len(e.streams) >= maxStreams && !e.forgetOne() {
		e.rejects.push(Reject{Peer: n.id, Key: key, Flow: overlay.FlowStream})
		return
	}
	s := e.newStream(key, a.Name, a.StreamParams)
	s.counts.gotControl.add(len(b))
	e.events.push(Event{Kind: EventStreamSeen, Name: s.name, Key: key, Params: s.params})
	s.handleAnnouncement(n)
	e.bind()
}

// handleControl takes a message on the flow of a stream in the plain protocol.
func (s *stream) handleControl(n *neighbor, b []byte) {
	p := &s.peers[n.index]
	if len(b) == 0 {
		s.counts.malformed++
		return
	}
	if !p.is(peerIn) {
		if a, err := wire.ParseAnnouncement(b); err != nil || a.Key != s.key {
			s.counts.malformed++
			return
		}
		s.handleAnnouncement(n)
		return
	}
	switch b[0] {
	case wire.TypeEnd:
		if a, err := wire.ParseAnnouncement(b); err == nil && a.Key == s.key {
			s.handleAnew(n)
			return
		}
		if end, err := wire.ParseEnd(b); err == nil {
			s.handleEnd(n, end)
			return
		}
		s.counts.malformed++
	case wire.TypeMap, wire.TypeMask, wire.TypePull:
		if !s.active {
			return
		}
		if !s.handlePlain(n, b) {
			s.counts.malformed++
		}
	default:
		// Types 24 to 2a are probably used by others; nobody knows for what.
	}
}

// handleAnnouncement notes that a neighbor takes part in the stream, and joins
// in if we do.
func (s *stream) handleAnnouncement(n *neighbor) {
	p := &s.peers[n.index]
	p.flags = p.flags&^(peerRefused|peerHas) | peerIn
	if n.ext {
		p.flags |= peerExt
	} else if p.plain == nil {
		p.plain = &plainPeer{}
	}
	if s.active && !p.is(peerOut) {
		s.announce(n)
	} else if s.active {
		s.greet(n)
	}
}

// handleAnew takes a second announcement: the neighbor's link broke and stands
// again, and we have not heard of it. It knows nothing of what was agreed, and
// perhaps not that we take part.
func (s *stream) handleAnew(n *neighbor) {
	s.dropPeer(n)
	p := &s.peers[n.index]
	said := p.announcedAt
	*p = peer{flags: p.flags & (peerIn | peerOut | peerExt), plain: p.plain, announcedAt: said}
	if said == 0 || s.e.ms.after(said) > announcePause {
		p.flags &^= peerOut
	}
	s.handleAnnouncement(n)
}

// announcePause is how often a neighbor is told again that we take part, in
// milliseconds: two that tell each other anew must come to an end.
const announcePause = 2000

// shouldAnnounce reports whether neighbors are told of the stream unasked: by
// who publishes it or holds any of it.
func (s *stream) shouldAnnounce() bool { return s.publishing || s.win.count > 0 }

// announce tells a neighbor that we take part in the stream.
func (s *stream) announce(n *neighbor) {
	p := &s.peers[n.index]
	if p.is(peerOut) || p.is(peerRefused) || len(s.name) > wire.PortableNameLen && !n.ext {
		return
	}
	p.flags |= peerOut
	p.announcedAt = s.e.ms
	if n.ext {
		p.flags |= peerExt
	} else if p.plain == nil {
		p.plain = &plainPeer{}
	}
	b := wire.AppendAnnouncement(s.e.arena.begin(), wire.Announcement{Name: s.name, Key: s.key, StreamParams: s.params})
	s.send(n, overlay.FlowStream, s.e.arena.end(b))
	if s.end != 0 && !s.publishing {
		s.sendEnd(n)
	}
	s.greet(n)
}

// greet sends the first state or map to a neighbor that takes part.
func (s *stream) greet(n *neighbor) {
	p := &s.peers[n.index]
	switch {
	case n.ext:
		s.sendStatus(n) // if it has announced the stream too
	case s.shouldAnnounce():
		s.sendMap(n)
	}
	if s.publishing {
		s.source.dirty = true
	}
	if p.is(peerIn) && s.end != 0 && s.publishing {
		s.sendEnd(n)
	}
}

// announceAll tells all neighbors of the stream that were not told yet.
func (s *stream) announceAll() {
	for _, n := range s.e.neighbors {
		if n != nil {
			s.announce(n)
		}
	}
}

// handleEnd is told by a neighbor that the stream ends before a fragment.
func (s *stream) handleEnd(_ *neighbor, end fragmenter.ID) {
	switch {
	case s.publishing || end == 0 || s.end != 0:
		return
	case !s.active:
		s.end, s.endedAt = end, s.e.ms
		return
	case end > s.win.known+1+s.ahead() && s.win.known != 0:
		s.counts.outOfWindow++
		return
	case end < s.win.Newest():
		s.counts.malformed++ // there is more of the stream than that
		return
	case end == s.win.Newest():
		end++ // others have sent the last number itself
	}
	s.end, s.endedAt = end, s.e.ms
	for i := range s.peers {
		if s.peers[i].takesPart() {
			s.sendEnd(s.e.neighbors[i])
		}
	}
}

// doubtEnd takes an end back that a single neighbor has told: a parent pushes
// what comes after it.
func (s *stream) doubtEnd(id fragmenter.ID) {
	if s.end != 0 && id >= s.end && !s.publishing && !s.done {
		s.end, s.endedAt = 0, 0
		s.counts.malformed++
	}
}

// endSettle is how long after the last fragment a stream that is said to have
// ended is taken to have, in milliseconds.
const endSettle = 300

func (s *stream) sendEnd(n *neighbor) {
	s.send(n, overlay.FlowStream, s.e.arena.end(wire.AppendEnd(s.e.arena.begin(), s.end)))
}

// handleExt takes a message of the extension.
func (s *stream) handleExt(n *neighbor, b []byte) {
	if len(b) == 0 {
		s.counts.malformed++
		return
	}
	var err error
	switch b[0] {
	case wire.TypeStatus:
		s.handleStatus(n, b)
	case wire.TypeRequest:
		var m wire.Request
		if m, err = wire.ParseRequest(b); err == nil {
			s.handleRequest(n, m)
		}
	case wire.TypeAccept:
		var m wire.Accept
		if m, err = wire.ParseAccept(b); err == nil {
			s.handleAccept(n, &m)
		}
	case wire.TypeRefuse:
		var m wire.Refuse
		if m, err = wire.ParseRefuse(b); err == nil {
			s.handleRefuse(n, m)
		}
	case wire.TypeStop:
		var m wire.Stop
		if m, err = wire.ParseStop(b); err == nil && s.active {
			s.handleStop(n, m)
		}
	case wire.TypeEvict:
		var m wire.Evict
		if m, err = wire.ParseEvict(b); err == nil {
			s.handleEvict(n, m)
		}
	case wire.TypeAncestors:
		var m wire.Ancestors
		if m, err = wire.ParseAncestors(b); err == nil {
			s.handleAncestors(n, &m)
		}
	default:
		err = s.handleList(n, b)
	}
	if err != nil {
		s.counts.malformed++
	}
}

// handleList takes a message of the extension that is a list of fragments.
func (s *stream) handleList(n *neighbor, b []byte) (err error) {
	ids := s.e.scratch.ids[:0]
	switch b[0] {
	case wire.TypePullList:
		if ids, err = wire.ParsePullList(ids, b); err == nil {
			s.handlePull(n, ids)
		}
	case wire.TypeNotHeld:
		if ids, err = wire.ParseNotHeld(ids, b); err == nil {
			s.handleDenied(n, ids, false)
		}
	case wire.TypeBusy:
		pause := busyLimit
		if ids, pause, err = wire.ParseBusy(ids, b); err == nil {
			s.peers[n.index].busy = s.e.ms + millis(min(pause, busyLimit).Milliseconds())
			s.handleDenied(n, ids, true)
		}
	case wire.TypeLost:
		if s.e.scratch.ranges, err = wire.ParseLost(s.e.scratch.ranges[:0], b); err == nil {
			s.handleLost(n, s.e.scratch.ranges)
		}
	default:
		s.counts.malformed++
	}
	return err
}
