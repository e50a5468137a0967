package rtmfp

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Config is what an endpoint is made of.
type Config struct {
	Params  Params
	Profile Profile
	// Entropy gives the bytes of secrets. It does not fail in the middle.
	Entropy io.Reader
	// Tracer, if not nil, is told of every packet and state.
	Tracer Tracer
}

// Stats counts what an endpoint has done.
type Stats struct {
	Received                                       uint64 // datagrams handled
	Sent                                           uint64 // datagrams built
	Undecipherable                                 uint64 // dropped: unknown session, forged, damaged or repeated
	Malformed                                      uint64 // packets or chunks dropped because of their shape
	BadCookies                                     uint64 // IIKeyings with a cookie that is not ours
	Refused                                        uint64 // dropped because a limit was reached
	HellosAnswered                                 uint64 // IHellos answered with an RHello
	Retransmitted                                  uint64 // fragments sent again
	Abandoned                                      uint64 // messages given up
	Delivered                                      uint64 // messages handed over
	KeysReplaced                                   uint64 // session keys of this end replaced by fresh ones
	SessionsOpened, SessionsFailed, SessionsClosed uint64
}

// Endpoint is one RTMFP endpoint: sessions with others over any number of
// sockets. See the package comment for the law of use. Not safe for concurrent
// use.
type Endpoint struct {
	params  Params
	profile Profile
	entropy io.Reader
	tracer  Tracer
	self    Identity
	startup SessionKey
	jar     *cookieJar
	stats   Stats

	sessions map[wire.SessionID]*Session // by the ID that we receive with
	tags     map[string]*Session         // openings by the tag of their IHello
	identity map[string]*Session         // newest keyed or open session by canonical EPD
	others   map[string]*Session         // open sessions by Identity.OtherEPD
	// selfShown is the number of the profile's own certificate.
	selfShown uint8
	byAddr    map[netip.AddrPort]*Session // open sessions by far address
	openings  []*Session                  // in the order in which they began
	timers    timerHeap

	// ready are sessions that may have something to send, in turn.
	ready     []*Session
	readyHead int
	outgoing  []outgoing
	outHead   int
	events    []Event
	eventHead int

	works    []Work
	nextWork uint64
	pending  map[uint64]pendingWork
	perAddr  map[netip.AddrPort]int // responder keyings in progress
	bySource map[netip.Prefix]int   // sessions that each source has opened
	waiting  int                    // sum of perAddr
	keyings  bucket                 // bounds them in time
	growth   growthLimit            // bounds answers larger than their questions
	// tentative are keyed sessions whose initiators have yet to show that they
	// have the keys, oldest first.
	tentative map[netip.AddrPort][]*Session

	scratch      []byte
	blocks       blockPool
	lent         lending
	pieces       assemblies // of startup packets
	lastPacketID uint64     // of one sent in pieces
	locals       []netip.AddrPort
	// Time-critical traffic: when it was last received, by the session that
	// did last and by any other, and when it was last sent.
	criticalFrom            *Session
	criticalAt, criticalAt2 Instant
	criticalSent            Instant
}

// outgoing is a packet of the startup, already encrypted.
type outgoing struct {
	to, from netip.AddrPort
	data     []byte
}

type pendingWork func(now Instant, value any)

// longAgo is before all that a memory reaches back to.
const longAgo = Instant(-1 << 62)

// NewEndpoint makes an endpoint. It fails if a parameter is out of range or
// entropy cannot be read.
func NewEndpoint(config Config) (*Endpoint, error) {
	if err := config.Params.Validate(); err != nil {
		return nil, err
	}
	jar, err := newCookieJar(config.Entropy)
	if err != nil {
		return nil, fmt.Errorf("rtmfp: read entropy: %w", err)
	}
	growth, err := newGrowthLimit(config.Entropy)
	if err != nil {
		return nil, fmt.Errorf("rtmfp: read entropy: %w", err)
	}
	_, selfShown, _ := config.Profile.Answer(config.Profile.Self().EPD)
	return &Endpoint{
		selfShown: selfShown,
		growth:    growth, blocks: blockPool{most: max(config.Params.DatagramSize, config.Params.DatagramMax)}, tentative: make(map[netip.AddrPort][]*Session),
		params: config.Params, profile: config.Profile, entropy: config.Entropy, tracer: config.Tracer,
		self: config.Profile.Self(), startup: config.Profile.Startup(), jar: jar,
		sessions: make(map[wire.SessionID]*Session), tags: make(map[string]*Session),
		identity: make(map[string]*Session), others: make(map[string]*Session), byAddr: make(map[netip.AddrPort]*Session),
		pending: make(map[uint64]pendingWork), perAddr: make(map[netip.AddrPort]int), bySource: make(map[netip.Prefix]int),
		scratch: make([]byte, 0, 1<<16), criticalAt: longAgo, criticalAt2: longAgo, criticalSent: longAgo,
	}, nil
}

// Self returns the endpoint's identity.
func (e *Endpoint) Self() Identity { return e.self }

// Stats returns the counters.
func (e *Endpoint) Stats() Stats { return e.stats }

// Sessions returns how many sessions there are, open, opening or closing.
func (e *Endpoint) Sessions() int { return len(e.sessions) + len(e.tags) }

// SessionByEPD returns the open session whose far end the discriminator
// selects, be it as others know that end, or nil.
func (e *Endpoint) SessionByEPD(epd []byte) *Session {
	if s := e.identity[string(epd)]; s != nil && s.state == StateOpen {
		return s
	}
	if s := e.others[string(epd)]; s != nil && s.state == StateOpen {
		return s
	}
	return nil
}

// HandleDatagrams takes a batch of datagrams, which it decrypts in place.
func (e *Endpoint) HandleDatagrams(now Instant, batch []Datagram) {
	for i := range batch {
		e.stats.Received++
		e.handleDatagram(now, &batch[i])
	}
}

func (e *Endpoint) handleDatagram(now Instant, d *Datagram) {
	if len(d.Data) < 5 || !d.From.IsValid() {
		e.stats.Undecipherable++
		return
	}
	body := d.Data[4:]
	id := wire.Scramble(wire.SessionID(binary.BigEndian.Uint32(d.Data)), body)
	if id == 0 {
		if plain, ok := e.startup.Open(body); ok {
			e.traceReceived(now, d, id, plain)
			e.handleStartup(now, nil, plain, d)
			return
		}
		e.stats.Undecipherable++
		return
	}
	s := e.sessions[id]
	switch {
	case s == nil:
		e.stats.Undecipherable++
	case s.state == StateKeyingSent:
		s.handleWhileKeying(now, d, body)
	default:
		plain, ok := s.keys.Key.Open(body)
		if !ok {
			e.stats.Undecipherable++
			return
		}
		e.traceReceived(now, d, id, plain)
		if s.rekeying.key != nil {
			s.noteRekeyed(now)
		}
		if s.tentative == reliability.Never || s.confirm(now) {
			s.handlePacket(now, plain, d)
		}
	}
}

func (e *Endpoint) traceReceived(now Instant, d *Datagram, id wire.SessionID, plain []byte) {
	if e.tracer != nil {
		e.tracer.TracePacket(now, TracedPacket{Far: wire.Address{AddrPort: d.From}, Session: id, Plain: plain, Size: len(d.Data)})
	}
}

// HandleTimeout does what is due.
func (e *Endpoint) HandleTimeout(now Instant) {
	for len(e.timers) > 0 && e.timers[0].deadline <= now {
		s := e.timers[0]
		s.handleTimeout(now)
		s.rearm(now)
	}
}

// PollTimeout returns the next deadline.
func (e *Endpoint) PollTimeout() Instant {
	if len(e.timers) == 0 {
		return reliability.Never
	}
	return e.timers[0].deadline
}

// HandleWork takes the result of a Work.
func (e *Endpoint) HandleWork(now Instant, r WorkResult) {
	f := e.pending[r.ID]
	delete(e.pending, r.ID)
	if f != nil {
		f(now, r.Value)
	}
}

// PollWork returns the next slow computation to be done.
func (e *Endpoint) PollWork() (Work, bool) {
	if len(e.works) == 0 {
		return Work{}, false
	}
	w := e.works[0]
	e.works = e.works[1:]
	return w, true
}

func (e *Endpoint) work(compute func() any, then pendingWork) {
	e.nextWork++
	e.pending[e.nextWork] = then
	e.works = append(e.works, Work{ID: e.nextWork, Compute: compute})
}

// PollTransmit writes the next run of datagrams to buf, which holds at least
// 64 KiB.
func (e *Endpoint) PollTransmit(now Instant, buf []byte) (n int, t Transmit, ok bool) {
	if e.outHead < len(e.outgoing) {
		o := e.outgoing[e.outHead]
		e.outgoing[e.outHead] = outgoing{}
		e.outHead++
		e.stats.Sent++
		n = copy(buf, o.data)
		return n, Transmit{To: o.to, From: o.from, SegmentSize: n}, true
	}
	e.outgoing, e.outHead = e.outgoing[:0], 0
	for e.readyHead < len(e.ready) {
		s := e.ready[e.readyHead]
		n, segment := s.transmit(now, buf)
		if n > 0 {
			// Everybody's turn comes before the same session's next run.
			e.ready[e.readyHead] = nil
			e.readyHead++
			e.ready = append(e.ready, s)
			e.compactReady()
			return n, Transmit{To: s.addr, From: s.local, SegmentSize: segment, MayFragment: s.oversized}, true
		}
		e.ready[e.readyHead] = nil
		e.readyHead++
		s.isReady = false
		s.rearm(now)
	}
	e.ready, e.readyHead = e.ready[:0], 0
	return 0, Transmit{}, false
}

// compactReady moves the queue to the front of its memory now and then.
func (e *Endpoint) compactReady() {
	if e.readyHead > 64 && e.readyHead > len(e.ready)/2 {
		n := copy(e.ready, e.ready[e.readyHead:])
		clear(e.ready[n:])
		e.ready, e.readyHead = e.ready[:n], 0
	}
}

// wake puts s into the queue of those that may have something to send. What
// PollTransmit finds decides.
func (e *Endpoint) wake(s *Session) {
	if !s.isReady {
		s.isReady = true
		e.ready = append(e.ready, s)
	}
}

// sendable reports whether anything may be sent to an address that somebody
// else has named.
func sendable(to netip.AddrPort) bool {
	a := to.Addr()
	return to.IsValid() && to.Port() != 0 && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// ticks returns the protocol's timestamp: 250 Hz, 16 bits.
func ticks(now Instant) uint16 { return uint16(int64(now) / int64(timestampTick)) }

// newSessionID returns an unused ID that is not zero.
func (e *Endpoint) newSessionID() wire.SessionID {
	for {
		id := wire.SessionID(binary.BigEndian.Uint32(e.random(4)))
		if id != 0 && e.sessions[id] == nil {
			return id
		}
	}
}

// random returns n secret bytes. An endpoint that has none left cannot go on.
func (e *Endpoint) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(e.entropy, b); err != nil {
		panic(fmt.Sprintf("rtmfp: entropy failed: %v", err))
	}
	return b
}
