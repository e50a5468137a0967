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
	if e.profile.SelectsSelf(c.EPD) {
		e.sendRHello(now, c.Tag, d.From, d.To)
		return
	}
	e.emit(Event{Kind: HelloForOther, Hello: Hello{
		EPD: bytes.Clone(c.EPD), Tag: bytes.Clone(c.Tag), From: wire.Address{AddrPort: d.From, Origin: wire.OriginObserved},
	}})
}

func (e *Endpoint) sendRHello(now Instant, tag []byte, to, from netip.AddrPort) {
	e.stats.HellosAnswered++
	e.sendStartup(now, 0, to, from, func(b []byte) []byte {
		return wire.AppendRHello(b, wire.RHello{TagEcho: tag, Cookie: e.jar.make(now, to), Certificate: e.self.Certificate})
	})
}

// handleIIKeying opens a session as the responder (RFC 7016 section
// 3.5.1.1.2), the cheap checks first.
func (e *Endpoint) handleIIKeying(now Instant, payload []byte, d *Datagram) {
	c, err := wire.ParseIIKeying(payload)
	if err != nil || c.SessionID == 0 {
		e.stats.Malformed++
		return
	}
	switch e.jar.check(now, c.CookieEcho, d.From) {
	case cookieBad:
		e.stats.BadCookies++
		return
	case cookieElsewhere:
		e.sendStartup(now, c.SessionID, d.From, d.To, func(b []byte) []byte {
			return wire.AppendCookieChange(b, wire.CookieChange{Old: c.CookieEcho, New: e.jar.make(now, d.From)})
		})
		return
	}
	far, err := e.profile.Identify(bytes.Clone(c.Certificate))
	if err != nil || bytes.Equal(far.Certificate, e.self.Certificate) {
		e.stats.Malformed++
		return
	}
	if e.resendRIKeying(now, &c, d) || !e.mayRespond(far, d.From) {
		return
	}
	if e.waiting >= maxPending || e.perAddr[d.From] >= maxPerAddress || e.Sessions() >= e.params.Sessions {
		e.stats.Refused++
		return
	}
	e.perAddr[d.From]++
	e.waiting++
	c.Certificate, c.Component, c.Signed, c.Signature = far.Certificate, bytes.Clone(c.Component), bytes.Clone(c.Signed), bytes.Clone(c.Signature)
	c.CookieEcho = nil
	respond := e.profile.Respond(far, c.Component, c.Signed, c.Signature, e.entropy)
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
		if !e.resendRIKeying(now, &c, &from) && e.mayRespond(far, from.From) {
			e.respond(now, far, &c, &from, r.response)
		}
	})
}

// resendRIKeying answers a repeated IIKeying with the same bytes as before.
func (e *Endpoint) resendRIKeying(now Instant, c *wire.IIKeying, d *Datagram) bool {
	s := e.byAddr[d.From]
	if s == nil || s.answered == nil || s.state != StateOpen || s.answered.farID != c.SessionID ||
		!bytes.Equal(s.answered.certificate, c.Certificate) || !bytes.Equal(s.answered.component, c.Component) {
		return false
	}
	s.sendRIKeying(now, d)
	return true
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
		if !o.opensTo(from) {
			continue
		}
		if bytes.Compare(e.self.Certificate, far.Certificate) <= 0 && e.profile.Selects(o.opening.epd, far) {
			return false // we prevail; they will yield to our IIKeying
		}
	}
	return true
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

// respond makes the session.
func (e *Endpoint) respond(now Instant, far Identity, c *wire.IIKeying, d *Datagram, r Response) {
	var lost *Session
	for _, o := range e.openings {
		if o.state == StateKeyingSent && o.opensTo(d.From) && bytes.Equal(o.far.Certificate, far.Certificate) {
			lost = o
		}
	}
	if old := e.byAddr[d.From]; old != nil {
		old.finish(now, ErrReplaced)
	}
	s := e.newSession(StateKeyingSent)
	s.far, s.addr, s.local = far, d.From, d.To
	s.rxID, s.txID = e.newSessionID(), c.SessionID
	e.sessions[s.rxID] = s
	chunk := wire.AppendRIKeying(nil, wire.RIKeying{SessionID: s.rxID, Component: r.Component}, r.AppendSignature)
	s.answered = &answered{c.SessionID, c.Certificate, c.Component, chunk}
	s.sendRIKeying(now, d)
	s.opened(now, r.Keys)
	if lost != nil {
		// Only now, so that whoever waits for it finds the new session.
		lost.fail(now, &MergedError{s})
	}
}
