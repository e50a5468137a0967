package rtmfp

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// opening is what an initiator keeps until its session is open.
type opening struct {
	epd        []byte
	tag        []byte
	giveUp     Instant
	candidates []candidate
	hellos     int  // most IHellos to each candidate; 0 is no limit
	busy       bool // slow work is being done

	keying        InitiatorKeying // nil until it has been computed
	chunk         []byte          // the IIKeying
	verifying     bucket          // bounds the RIKeyings that are looked at
	cookie        []byte
	cookieChanged bool
	next          Instant // when the IIKeying is sent again
	keyingSent    Instant // when it was sent last, keyings how often
	keyings       int
	interval      time.Duration
	early         []early // packets that overtook the RIKeying
}

// candidate is an address at which the endpoint may be.
type candidate struct {
	addr     netip.AddrPort
	next     Instant // Never when no more is sent to it
	interval time.Duration
	sent     int
	gone     bool // it says that the endpoint is not there any more
}

// OpenConfig says which session to open and where to look for its far end.
type OpenConfig struct {
	// EPD is the endpoint discriminator that selects the far end.
	EPD []byte
	// Candidates are addresses at which it, or somebody who knows it, may be.
	Candidates []netip.AddrPort
	// Via are open sessions with endpoints that know the far end and are asked
	// to introduce it: introducers and forwarders.
	Via []*Session
	// Timeout is how long to try; 0 means the 95 s of the standard.
	Timeout time.Duration
	// Hellos is the most IHellos sent to each candidate, so that an address
	// that somebody has made up is not pestered; 0 means no limit.
	Hellos int
}

// OpeningStatus tells how far an opening has come, also after it has failed.
type OpeningStatus struct {
	// Hellos is how many IHellos were sent.
	Hellos int
	// Redirects is how many redirects came: an introducer knows the far end.
	Redirects int
	// Gone tells that an introducer has said that the far end is not there.
	Gone bool
	// Answered tells that the far end itself has answered.
	Answered bool
}

type early struct {
	from, to netip.AddrPort
	data     []byte
}

// Open opens a session with the endpoint that epd selects, trying all the
// candidates. If there is an open one already, it is returned. Otherwise the
// result is a session that is opening; SessionOpened or SessionFailed tells
// what came of it, the latter with a *MergedError if it has become another
// session.
func (e *Endpoint) Open(now Instant, epd []byte, candidates []netip.AddrPort) (*Session, error) {
	return e.OpenWith(now, OpenConfig{EPD: epd, Candidates: candidates})
}

// OpenWith is Open with more to say.
func (e *Endpoint) OpenWith(now Instant, config OpenConfig) (*Session, error) {
	if s := e.SessionByEPD(config.EPD); s != nil {
		return s, nil
	}
	if e.Sessions() >= e.params.Sessions {
		return nil, ErrLimit
	}
	if config.Timeout <= 0 {
		config.Timeout = openTimeout
	}
	s := e.newSession(StateIHelloSent)
	s.initiator = true
	s.opening = &opening{
		epd: bytes.Clone(config.EPD), tag: e.random(tagSize), giveUp: now.Add(config.Timeout), next: reliability.Never, hellos: config.Hellos,
	}
	for _, addr := range config.Candidates {
		s.opening.add(now, addr, maxCandidates)
	}
	for _, via := range config.Via {
		if via.state == StateOpen {
			s.opening.add(now, via.addr, maxCandidates)
		}
	}
	e.tags[string(s.opening.tag)] = s
	e.openings = append(e.openings, s)
	s.sendHellos(now)
	s.rearm(now)
	return s, nil
}

func (o *opening) deadline(state SessionState) Instant {
	at := o.giveUp
	if state == StateKeyingSent {
		return min(at, o.next)
	}
	if o.busy {
		return at
	}
	for i := range o.candidates {
		at = min(at, o.candidates[i].next)
	}
	return at
}

func (s *Session) openingTimeout(now Instant) {
	o := s.opening
	switch {
	case now >= o.giveUp:
		s.fail(now, ErrTimeout)
	case s.state == StateKeyingSent && now >= o.next:
		s.sendKeying(now)
	case s.state == StateIHelloSent && !o.busy:
		s.sendHellos(now)
	}
}

// minHello is the size of our IHello's plain packet, which makes a datagram of
// 324 bytes: no answer of ours is larger than the question, so that nobody can
// be made to multiply traffic.
const minHello = 318

// sendHellos sends an IHello to each candidate whose time has come.
func (s *Session) sendHellos(now Instant) {
	o := s.opening
	for i := range o.candidates {
		c := &o.candidates[i]
		if c.next > now {
			continue
		}
		c.next = now.Add(c.interval)
		c.interval += helloGrowth
		s.status.Hellos++
		if c.sent++; c.sent == o.hellos {
			c.next = reliability.Never
		}
		s.e.sendStartup(now, 0, c.addr, netip.AddrPort{}, func(b []byte) []byte {
			b = wire.AppendIHello(b, wire.IHello{EPD: o.epd, Tag: o.tag})
			for len(b) < minHello {
				b = append(b, 0xff)
			}
			return b
		})
	}
}

// fail ends an opening.
func (s *Session) fail(now Instant, err error) {
	e := s.e
	delete(e.tags, string(s.opening.tag))
	if s.state == StateKeyingSent {
		delete(e.sessions, s.rxID)
		if e.identity[string(s.far.EPD)] == s {
			delete(e.identity, string(s.far.EPD))
		}
	}
	e.openings = slices.DeleteFunc(e.openings, func(o *Session) bool { return o == s })
	s.setState(now, StateClosed)
	e.timers.set(s, reliability.Never, true)
	e.stats.SessionsFailed++
	e.emit(Event{Kind: SessionFailed, Session: s, Err: err})
}

// handleRedirect takes other addresses for an opening (RFC 7016 section
// 3.5.1.1.1).
func (e *Endpoint) handleRedirect(now Instant, payload []byte, d *Datagram) {
	c, err := wire.ParseRedirect(payload)
	if err != nil {
		e.stats.Malformed++
		return
	}
	s := e.tags[string(c.TagEcho)]
	if s == nil || s.state != StateIHelloSent {
		return
	}
	o := s.opening
	s.status.Redirects++
	if len(c.Destinations) == 0 {
		// Implied: here, where this comes from.
		c.Destinations = []wire.Address{{AddrPort: d.From}}
	}
	somewhere := false
	for _, dst := range c.Destinations {
		somewhere = somewhere || sendable(dst.AddrPort)
		o.add(now, dst.AddrPort, redirectThreshold)
	}
	if !somewhere {
		// Some introducers say so of one whose session has ended.
		s.status.Gone = true
		if o.forget(d.From) {
			s.fail(now, ErrGone)
			return
		}
	}
	s.sendHellos(now)
	s.rearm(now)
}

// add takes one more address to try, if there are less than limit.
func (o *opening) add(now Instant, addr netip.AddrPort, limit int) {
	known := slices.ContainsFunc(o.candidates, func(c candidate) bool { return c.addr == addr })
	if !known && len(o.candidates) < limit && sendable(addr) {
		o.candidates = append(o.candidates, candidate{addr: addr, next: now, interval: helloFirst})
	}
}

// forget notes that the endpoint is not to be found by way of addr, and
// reports whether that was the last hope.
func (o *opening) forget(addr netip.AddrPort) bool {
	last := true
	for i := range o.candidates {
		c := &o.candidates[i]
		if c.addr == addr {
			c.gone, c.next = true, reliability.Never
		}
		last = last && c.gone
	}
	return last
}

// Opening returns how far an opening has come, or came before it succeeded or
// failed.
func (s *Session) Opening() OpeningStatus { return s.status }

// AddCandidates gives an opening more addresses to try.
func (s *Session) AddCandidates(now Instant, addrs []netip.AddrPort) {
	if s.state != StateIHelloSent {
		return
	}
	for _, addr := range addrs {
		s.opening.add(now, addr, maxCandidates)
	}
	s.sendHellos(now)
	s.rearm(now)
}

// handleRHello goes on with an opening that an endpoint has answered.
func (e *Endpoint) handleRHello(now Instant, payload []byte, d *Datagram) {
	c, err := wire.ParseRHello(payload)
	if err != nil {
		e.stats.Malformed++
		return
	}
	s := e.tags[string(c.TagEcho)]
	if s == nil || s.state != StateIHelloSent || len(c.Cookie) == 0 || len(c.Cookie) > 1024 {
		return
	}
	far, err := e.profile.Identify(bytes.Clone(c.Certificate))
	if err != nil || !e.profile.Selects(s.opening.epd, far) || e.isSelf(far) {
		return
	}
	if other := e.identity[string(far.EPD)]; other != nil && other != s && (other.state == StateKeyingSent || other.state == StateOpen) {
		s.fail(now, &MergedError{other})
		return
	}
	initiate, err := e.profile.Initiate(far, e.entropy)
	if err != nil {
		return
	}
	o := s.opening
	o.cookie, s.status.Answered = bytes.Clone(c.Cookie), true
	s.far, s.shown, s.addr, s.local = far, e.shownTo(far), d.From, d.To
	s.rxID = e.newSessionID()
	delete(e.tags, string(o.tag))
	e.sessions[s.rxID] = s
	e.identity[string(far.EPD)] = s
	s.setState(now, StateKeyingSent)
	o.interval = helloFirst
	e.work(func() any {
		keying, err := initiate()
		return keyingOutcome{keying: keying, err: err}
	}, func(now Instant, value any) {
		if s.state == StateKeyingSent {
			s.initiate(now, value.(keyingOutcome))
		}
	})
	s.rearm(now)
}

// initiate goes on with an opening whose component has been made.
func (s *Session) initiate(now Instant, r keyingOutcome) {
	if r.err != nil {
		s.fail(now, r.err)
		return
	}
	s.opening.keying = r.keying
	s.makeKeying()
	s.sendKeying(now)
	s.rearm(now)
}

// makeKeying makes the IIKeying for the cookie.
func (s *Session) makeKeying() {
	o := s.opening
	o.chunk = wire.AppendIIKeying(nil, wire.IIKeying{
		SessionID: s.rxID, CookieEcho: o.cookie, Certificate: s.e.profile.CertificateFor(s.far), Component: o.keying.Component(),
	}, o.keying.AppendSignature)
}

// sendKeying sends the IIKeying, each time the same.
func (s *Session) sendKeying(now Instant) {
	o := s.opening
	o.next = now.Add(o.interval)
	o.interval += helloGrowth
	o.keyingSent = now
	o.keyings++
	s.e.sendStartup(now, 0, s.addr, s.local, func(b []byte) []byte { return append(b, o.chunk...) })
}

// handleWhileKeying takes a packet to a session that has no keys yet. What is
// not under the default key may have overtaken the RIKeying.
func (s *Session) handleWhileKeying(now Instant, d *Datagram, body []byte) {
	kept := early{d.From, d.To, bytes.Clone(d.Data)}
	if plain, ok := s.e.startup.Open(body); ok {
		s.e.traceReceived(now, d, s.rxID, plain)
		s.e.handleStartup(now, s, plain, d)
		return
	}
	o := s.opening
	if len(o.early) == maxEarly {
		o.early = append(o.early[:0], o.early[1:]...)
	}
	o.early = append(o.early, kept)
}

// handleCookieChange takes a cookie for the address that we are seen from.
func (s *Session) handleCookieChange(now Instant, payload []byte) {
	c, err := wire.ParseCookieChange(payload)
	o := s.opening
	if err != nil || o.keying == nil || o.busy || o.cookieChanged || !bytes.Equal(c.Old, o.cookie) || len(c.New) == 0 || len(c.New) > 1024 {
		return
	}
	o.cookie, o.cookieChanged, o.interval = bytes.Clone(c.New), true, helloFirst
	s.makeKeying()
	s.sendKeying(now)
	s.rearm(now)
}

// handleRIKeying finishes an opening.
func (s *Session) handleRIKeying(now Instant, payload []byte) {
	c, err := wire.ParseRIKeying(payload)
	o := s.opening
	if err != nil || o.keying == nil || o.busy || !o.verifying.take(now, answersVerified) {
		return
	}
	finish := o.keying.Finish(bytes.Clone(c.Component), bytes.Clone(c.Signed), bytes.Clone(c.Signature))
	o.busy = true
	if _, known := s.rtt.Smoothed(); o.keyings == 1 && !known {
		// The answer's cryptography is in it too, so it is rather too long.
		s.measured(now, now.Sub(o.keyingSent))
	}
	id := c.SessionID
	s.e.work(func() any { return outcome(finish()) }, func(now Instant, value any) {
		if s.state != StateKeyingSent {
			return
		}
		s.opening.busy = false
		if r := value.(keyingOutcome); r.err == nil {
			s.finishOpening(now, id, r.keys)
		}
	})
}

// keyingOutcome is what slow keying work results in.
type keyingOutcome struct {
	keying   InitiatorKeying
	keys     Keys
	response Response
	err      error
}

func outcome(keys Keys, err error) keyingOutcome { return keyingOutcome{keys: keys, err: err} }

func (s *Session) finishOpening(now Instant, id wire.SessionID, keys Keys) {
	e := s.e
	kept := s.opening.early
	s.txID = id
	e.openings = slices.DeleteFunc(e.openings, func(o *Session) bool { return o == s })
	s.keyed(now, keys)
	s.opened(now)
	if keys.Own {
		// The first packet shows the responder that we have the keys. It is
		// sent again until there is an answer.
		s.confirming = true
		s.ask(now, confirmInterval)
		s.addControl(wire.TypePing, nil)
		s.rearm(now)
	}
	for _, k := range kept {
		if s.state == StateOpen {
			e.handleDatagram(now, &Datagram{Data: k.data, From: k.from, To: k.to})
		}
	}
}
