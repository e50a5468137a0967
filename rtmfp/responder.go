package rtmfp

import (
	"bytes"
	"net/netip"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// answered is what a responder keeps to recognise and answer a repeated
// IIKeying.
type answered struct {
	farID       wire.SessionID
	certificate []byte
	component   []byte
	chunk       []byte // the RIKeying
}

// handleStartup takes a packet under the default key: to no session, or to s
// that is being keyed.
func (e *Endpoint) handleStartup(now Instant, s *Session, plain []byte, d *Datagram) {
	h, n, err := wire.ParseHeader(plain)
	if err != nil || h.Mode != wire.ModeStartup {
		e.stats.Malformed++
		return
	}
	e.handleStartupChunks(now, s, plain[n:], d, true)
}

// handleStartupChunks takes the chunks of a startup packet; pieces are put
// together in packets that came whole.
func (e *Endpoint) handleStartupChunks(now Instant, s *Session, rest []byte, d *Datagram, pieces bool) {
	for hellos := 0; ; {
		c, n, ok := wire.ParseChunk(rest)
		if !ok {
			return
		}
		rest = rest[n:]
		switch {
		case s == nil && c.Type == wire.TypeIHello && hellos == 0:
			hellos++ // one answer for one packet
			e.handleIHello(now, c.Payload, d)
		case s == nil && c.Type == wire.TypeRHello:
			e.handleRHello(now, c.Payload, d)
		case s == nil && c.Type == wire.TypeRedirect:
			e.handleRedirect(now, c.Payload, d)
		case s == nil && c.Type == wire.TypeIIKeying:
			e.handleIIKeying(now, c.Payload, d)
		case s != nil && s.state == StateKeyingSent && c.Type == wire.TypeRIKeying:
			s.handleRIKeying(now, c.Payload)
		case s != nil && s.state == StateKeyingSent && c.Type == wire.TypeCookieChange:
			s.handleCookieChange(now, c.Payload)
		case c.Type == wire.TypePacketFragment && pieces:
			whole := e.handleFragment(now, nil, wire.ModeStartup, c.Payload, d)
			if h, n, err := wire.ParseHeader(whole); err == nil && h.Mode == wire.ModeStartup {
				e.handleStartupChunks(now, s, whole[n:], d, false)
			}
		}
	}
}

// handleIHello answers whoever asks for us, and keeps nothing.
func (e *Endpoint) handleIHello(now Instant, payload []byte, d *Datagram) {
	c, err := wire.ParseIHello(payload)
	if err != nil || len(c.Tag) == 0 {
		e.stats.Malformed++
		return
	}
	if certificate, shown, ok := e.profile.Answer(c.EPD); ok {
		e.sendRHello(now, c.Tag, certificate, shown, d.From, d.To, len(d.Data))
		return
	}
	e.emit(Event{Kind: HelloForOther, Hello: Hello{
		EPD: bytes.Clone(c.EPD), Tag: bytes.Clone(c.Tag), Size: len(d.Data),
		From: wire.Address{AddrPort: d.From, Origin: wire.OriginObserved},
	}})
}

// sendRHello answers a hello that was asked bytes long, or 0 if that is not
// known.
func (e *Endpoint) sendRHello(now Instant, tag, certificate []byte, shown uint8, to, from netip.AddrPort, asked int) {
	answer := func(b []byte) []byte {
		return wire.AppendRHello(b, wire.RHello{TagEcho: tag, Cookie: e.jar.make(now, shown, to), Certificate: certificate})
	}
	if e.sendLimited(now, 0, to, from, asked, answer) {
		e.stats.HellosAnswered++
	}
}

// handleIIKeying opens a session as the responder (RFC 7016 section
// 3.5.1.1.2), the cheap checks first.
func (e *Endpoint) handleIIKeying(now Instant, payload []byte, d *Datagram) {
	c, err := wire.ParseIIKeying(payload)
	if err != nil || c.SessionID == 0 {
		e.stats.Malformed++
		return
	}
	shown, verdict := e.jar.check(now, c.CookieEcho, d.From)
	switch verdict {
	case cookieBad:
		e.stats.BadCookies++
		return
	case cookieElsewhere:
		e.sendStartup(now, c.SessionID, d.From, d.To, func(b []byte) []byte {
			return wire.AppendCookieChange(b, wire.CookieChange{Old: c.CookieEcho, New: e.jar.make(now, shown, d.From)})
		})
		return
	}
	far, err := e.profile.Identify(bytes.Clone(c.Certificate))
	if err != nil || e.isSelf(far) {
		e.stats.Malformed++
		return
	}
	if e.resendRIKeying(now, &c, d) || !e.mayRespond(far, d.From) {
		return
	}
	if e.waiting >= maxPending || e.perAddr[d.From] >= maxPerAddress || e.Sessions() >= e.params.Sessions ||
		e.isFull(d.From.Addr()) || !e.keyings.take(now, keyingsInAll) {
		e.stats.Refused++
		return
	}
	e.perAddr[d.From]++
	e.waiting++
	c.Certificate, c.Component, c.Signed, c.Signature = far.Certificate, bytes.Clone(c.Component), bytes.Clone(c.Signed), bytes.Clone(c.Signature)
	c.CookieEcho = nil
	id := e.newSessionID()
	respond := e.profile.Respond(Request{
		Far: far, Shown: shown, SessionID: id, Component: c.Component, Signed: c.Signed, Signature: c.Signature,
	}, e.entropy)
	from := Datagram{From: d.From, To: d.To}
	e.work(func() any {
		response, err := respond()
		return keyingOutcome{response: response, err: err}
	}, func(now Instant, value any) {
		if e.waiting--; e.perAddr[from.From] > 1 {
			e.perAddr[from.From]--
		} else {
			delete(e.perAddr, from.From)
		}
		r := value.(keyingOutcome)
		if r.err != nil {
			e.stats.Malformed++
			return
		}
		// Things may have changed in the meantime.
		if e.isFull(from.From.Addr()) {
			e.stats.Refused++
			return
		}
		if e.sessions[id] == nil && !e.resendRIKeying(now, &c, &from) && e.mayRespond(far, from.From) {
			e.respond(now, id, far, shown, &c, &from, r.response)
		}
	})
}

// shownTo returns the number of the certificate that this endpoint shows as an
// initiator.
func (e *Endpoint) shownTo(far Identity) uint8 {
	near, err := e.profile.Identify(e.profile.CertificateFor(far))
	if err != nil {
		return 0
	}
	_, number, _ := e.profile.Answer(near.EPD)
	return number
}

// isSelf reports whether a far end shows a certificate of ours.
func (e *Endpoint) isSelf(far Identity) bool {
	return bytes.Equal(far.Certificate, e.profile.CertificateFor(far))
}

// resendRIKeying answers a repeated IIKeying with the same bytes as before.
func (e *Endpoint) resendRIKeying(now Instant, c *wire.IIKeying, d *Datagram) bool {
	for s := e.byAddr[d.From]; s != nil; s = s.older {
		if s.addr == d.From && s.isAnswerTo(c) {
			s.sendRIKeying(now, d)
			return true
		}
	}
	for _, s := range e.tentative[d.From] {
		if s.isAnswerTo(c) {
			s.sendRIKeying(now, d)
			return true
		}
	}
	return false
}

func (s *Session) isAnswerTo(c *wire.IIKeying) bool {
	return s.answered != nil && s.state == StateOpen && s.answered.farID == c.SessionID &&
		bytes.Equal(s.answered.certificate, c.Certificate) && bytes.Equal(s.answered.component, c.Component)
}

func (s *Session) sendRIKeying(now Instant, d *Datagram) {
	s.e.sendStartup(now, s.txID, d.From, d.To, func(b []byte) []byte { return append(b, s.answered.chunk...) })
}

// mayRespond decides whether a new session with far may be opened from the
// address: not when a session with somebody else is open there, and not when
// we are the ones to initiate (glare).
func (e *Endpoint) mayRespond(far Identity, from netip.AddrPort) bool {
	if s := e.byAddr[from]; s != nil && s.state == StateOpen && !bytes.Equal(s.far.Certificate, far.Certificate) {
		return false
	}
	for _, o := range e.openings {
		if o.opensTo(from) && e.prevails(far) && e.profile.Selects(o.opening.epd, far) {
			return false // they will yield to our IIKeying
		}
	}
	return true
}

// prevails reports whether this end stays the initiator when both it and far
// want to be: the one whose certificate comes first.
func (e *Endpoint) prevails(far Identity) bool {
	return bytes.Compare(e.profile.CertificateFor(far), far.Certificate) <= 0
}

// opensTo reports whether an opening sends to the address.
func (s *Session) opensTo(addr netip.AddrPort) bool {
	if s.state == StateKeyingSent {
		return s.addr == addr
	}
	for _, c := range s.opening.candidates {
		if c.addr == addr {
			return true
		}
	}
	return false
}

// lostOpening returns the opening that has come to nothing because the far end
// has opened a session itself, or nil. It is found by the address unless the
// far end has proven who it is.
func (e *Endpoint) lostOpening(far Identity, from netip.AddrPort, proven bool) (lost *Session) {
	for _, o := range e.openings {
		if o.state == StateKeyingSent && (o.opensTo(from) || proven) && bytes.Equal(o.far.Certificate, far.Certificate) {
			lost = o
		}
	}
	return lost
}

// respond makes the session.
func (e *Endpoint) respond(now Instant, id wire.SessionID, far Identity, shown uint8, c *wire.IIKeying, d *Datagram, r Response) {
	s := e.newSession(StateKeyingSent)
	s.far, s.shown, s.addr, s.local = far, shown, d.From, d.To
	s.rxID, s.txID = id, c.SessionID
	e.sessions[s.rxID] = s
	e.enterSource(s)
	chunk := wire.AppendRIKeying(nil, wire.RIKeying{SessionID: s.rxID, Component: r.Component, Signature: r.Signature}, nil)
	s.answered = &answered{c.SessionID, c.Certificate, c.Component, chunk}
	s.sendRIKeying(now, d)
	s.keyed(now, r.Keys)
	if r.Keys.Own {
		e.addTentative(now, s)
		return
	}
	s.replace(now)
}

// replace makes a session that the far end has initiated take the place of
// what there was: of the one with the same certificates at both ends. One who
// has asked for another name of ours takes us for somebody else, and uses both.
func (s *Session) replace(now Instant) {
	for old := s.e.byAddr[s.addr]; old != nil; old = old.older {
		if old.addr == s.addr && old.shown == s.shown {
			old.finish(now, ErrReplaced)
			break
		}
	}
	s.takeOver(now)
}

// takeOver opens a session that the far end has initiated, and ends an opening
// of ours with the same far end.
func (s *Session) takeOver(now Instant) {
	lost := s.e.lostOpening(s.far, s.addr, s.keys.Own)
	s.opened(now)
	if lost != nil {
		// Only now, so that whoever waits for it finds the new session.
		lost.fail(now, &MergedError{s})
	}
}
