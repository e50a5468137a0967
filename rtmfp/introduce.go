package rtmfp

import (
	"bytes"
	"net/netip"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Redirect answers a Hello with the addresses at which the endpoint may be.
func (e *Endpoint) Redirect(now Instant, h Hello, to []wire.Address) {
	if len(to) > wire.MaxRedirects {
		to = to[:wire.MaxRedirects]
	}
	if h.Size > 0 {
		// The answer to one of our own kind, whose questions are padded, is
		// never larger than the question, and nobody else gets more than they.
		const rest = 48 // all else in the answer, with a tag of 16 bytes
		room := min(h.Size, minHello) - rest
		if h.Size < minHello {
			room = min(int(growthMax*float64(h.Size)), minHello) - rest
		}
		for i, a := range to {
			if room -= a.Len(); room < 0 {
				to = to[:i]
				break
			}
		}
	}
	e.sendLimited(now, 0, h.From.AddrPort, netip.AddrPort{}, h.Size, func(b []byte) []byte {
		return wire.AppendRedirect(b, wire.Redirect{TagEcho: h.Tag, Destinations: to})
	})
}

// Introduce makes the two ends of a Hello find each other: the one who asks
// gets the address of target's session and others that target has named, and
// target learns who asks, so that both can open their NATs (RFC 7016 section
// 3.5.1.6).
func (e *Endpoint) Introduce(now Instant, h Hello, target *Session, others []wire.Address) {
	if target.state != StateOpen {
		return
	}
	// The redirect goes first, to give the hellos that it causes a head start.
	e.Redirect(now, h, append([]wire.Address{{AddrPort: target.addr, Origin: wire.OriginObserved}}, others...))
	e.Forward(now, h, target)
}

// Forward tells target who asks for it, and nothing to the one who asks: what
// an endpoint does that is no introducer, but has a session with the one that
// is wanted (RFC 7016 section 3.5.1.5).
func (e *Endpoint) Forward(_ Instant, h Hello, target *Session) {
	if target.state != StateOpen {
		return
	}
	chunk := wire.AppendFIHello(nil, wire.FIHello{EPD: h.EPD, Reply: h.From, Tag: h.Tag})
	target.addControl(wire.TypeFIHello, chunk[wire.ChunkHeader:])
}

// AnswerHello answers a Hello for this endpoint, as if it had come directly.
func (e *Endpoint) AnswerHello(now Instant, h Hello) {
	if certificate, shown, ok := e.profile.Answer(h.EPD); ok {
		e.sendRHello(now, h.Tag, certificate, shown, h.From.AddrPort, netip.AddrPort{}, h.Size)
	}
}

// ForwardPolicy says what to do when the far end of a session hands on a
// stranger's wish to reach this endpoint (FIHello). Whoever may make us answer
// can aim our packets at others: only chosen introducers should.
type ForwardPolicy uint8

// The policies.
const (
	ForwardIgnore   ForwardPolicy = iota // nothing
	ForwardAnswer                        // answer the stranger
	ForwardRedirect                      // let it ask once more, here: our certificate stays with us until then
	ForwardAsk                           // HelloForwarded asks the application
)

// SetForwardPolicy says what to do with what the far end hands on.
func (s *Session) SetForwardPolicy(p ForwardPolicy) { s.forwarding = p }

// SetAcceptForwarded says whether the far end, as an introducer, may make this
// endpoint answer others: ForwardAnswer or ForwardIgnore.
func (s *Session) SetAcceptForwarded(accept bool) {
	s.forwarding = ForwardIgnore
	if accept {
		s.forwarding = ForwardAnswer
	}
}

// handleFIHello takes a stranger's hello that an introducer hands on.
func (s *Session) handleFIHello(now Instant, payload []byte) {
	c, err := wire.ParseFIHello(payload)
	if err != nil || len(c.Tag) == 0 {
		s.e.stats.Malformed++
		return
	}
	if s.forwarding == ForwardIgnore {
		return
	}
	if _, _, ok := s.e.profile.Answer(c.EPD); !ok {
		return
	}
	h := Hello{EPD: bytes.Clone(c.EPD), Tag: bytes.Clone(c.Tag), From: c.Reply}
	switch s.forwarding {
	case ForwardAnswer:
		s.e.AnswerHello(now, h)
	case ForwardRedirect:
		s.e.Redirect(now, h, nil)
	case ForwardAsk:
		s.e.emit(Event{Kind: HelloForwarded, Session: s, Hello: h})
	}
}
