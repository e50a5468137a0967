package rtmfp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/congestion"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// SessionState is a session's state (RFC 7016 section 3.5).
//
//	IHelloSent -> KeyingSent -> Open -> NearClose -> Closed
//	                             |  \-> FarCloseLinger -> Closed
//	   (responder: starts here) -/
type SessionState uint8

// The states.
const (
	StateIHelloSent SessionState = iota
	StateKeyingSent
	StateOpen
	StateNearClose
	StateFarCloseLinger
	StateClosed
)

// String returns the state's name in the standard.
func (s SessionState) String() string {
	names := [...]string{"S_IHELLO_SENT", "S_KEYING_SENT", "S_OPEN", "S_NEARCLOSE", "S_FARCLOSE_LINGER", "S_CLOSED"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// MergedError says that an opening has come to nothing because there is a
// session with the same endpoint already.
type MergedError struct{ Session *Session }

// Error implements error.
func (e *MergedError) Error() string { return "rtmfp: there is a session with this endpoint already" }

// Session is a session with one far endpoint, or the opening of one.
type Session struct {
	// User is the application's own.
	User any

	e         *Endpoint
	state     SessionState
	initiator bool
	far       Identity
	shown     uint8          // the number of the certificate that the far end knows us by
	addr      netip.AddrPort // of the far end
	local     netip.AddrPort // ours, as far as known
	rxID      wire.SessionID
	txID      wire.SessionID
	keys      Keys
	opening   *opening     // before Open
	answered  *answered    // as a responder
	source    netip.Prefix // what has opened it, as a responder
	// tentative is until when the far end must have shown that it has the
	// keys; Never when it has, or need not.
	tentative Instant
	// confirming: as the initiator, nothing has come from the far end that
	// shows that it knows that we have the keys.
	confirming bool
	older      *Session // with the same far end, should this one end first
	rekeying   rekeying

	rtt  congestion.RTT
	cc   congestion.Controller
	rate deliveryRate
	echo echoState

	control     []byte // chunks that go out as soon as possible
	chunks      int    // how many of them
	onlyControl bool   // the packet being built holds nothing else

	sendFlows []*SendFlow // in the order of opening
	recvFlows []*RecvFlow
	sendByID  map[wire.FlowID]*SendFlow
	recvByID  map[wire.FlowID]*RecvFlow
	nextFlow  wire.FlowID
	turn      int // for fairness among flows of one priority

	pieces      assemblies
	buffered    int    // bytes in the buffers of the receive flows
	queued      int    // bytes of messages that are not acknowledged or given up
	ranked      bool   // a message with a priority of its own was written
	outstanding int    // bytes in flight
	nextTSN     uint64 // of the next packet with data
	maxTSNAck   uint64
	inFlight    []flightRef // fragments in the order of their sending
	flightHead  int
	budget      float64 // data packets that may go out now
	budgetAt    Instant

	ackNow     bool
	rxPackets  int     // data packets since the last ack
	rxBytes    int     // and their bytes
	delayedAck Instant // Never unless set
	timeoutAt  Instant // of retransmission; Never unless data is in flight
	paceAt     Instant // Never unless waiting for budget

	lastReceived Instant
	askedAt      Instant // since when the far end owes a sign of life; Never if it does not
	pingAt       Instant // of the last unanswered ping; Never if none
	pingWait     time.Duration
	pings        []sentPing // the application's, not answered yet
	lastPing     uint64     // number of the last of them
	keepalive    time.Duration
	deadAfter    time.Duration
	criticalRx   Instant // last packet with TC
	closeAt      Instant // the next thing to do in closing
	closeEnd     Instant
	mobilitySent Instant
	mobilityGot  Instant
	mobilityKey  []byte
	forwarding   ForwardPolicy
	datagram     int // the largest to send, in bytes
	pmtu         pathMTU
	oversized    bool // the packet being built is larger than the path is taken to carry
	status       OpeningStatus

	deadline  Instant
	heapIndex int
	isReady   bool
}

// echoState is what the header timestamps need (RFC 7016 section 3.5.2.2).
type echoState struct {
	rx       uint16 // last timestamp received, and when
	rxTime   Instant
	rxKnown  bool
	tx       uint16 // last echo sent
	txKnown  bool
	sent     uint16 // last timestamp sent
	sentOnce bool
	echoRx   uint16 // last echo received
	echoRxOk bool
}

func (e *Endpoint) newSession(state SessionState) *Session {
	s := &Session{
		e: e, state: state, rtt: congestion.NewRTT(), cc: congestion.NewController(), budget: burstPackets,
		delayedAck: reliability.Never, timeoutAt: reliability.Never, paceAt: reliability.Never, pingAt: reliability.Never, askedAt: reliability.Never, tentative: reliability.Never,
		closeAt: reliability.Never, closeEnd: reliability.Never, criticalRx: longAgo, mobilitySent: longAgo, mobilityGot: longAgo,
		heapIndex: -1, deadline: reliability.Never, nextFlow: 2, keepalive: e.params.Keepalive, deadAfter: e.params.DeadAfter, datagram: e.params.DatagramSize,
		pmtu: newPathMTU(e.params.DatagramSize, e.params.DatagramMax),
	}
	s.SetAcceptForwarded(e.params.AcceptForwarded)
	return s
}

// State returns the session's state.
func (s *Session) State() SessionState { return s.state }

// Far returns the far end's identity; the zero value before keying.
func (s *Session) Far() Identity { return s.far }

// ReceiveID returns the session ID that the far end sends to.
func (s *Session) ReceiveID() wire.SessionID { return s.rxID }

// FarAddr returns the far end's present address.
func (s *Session) FarAddr() netip.AddrPort { return s.addr }

// LocalAddr returns the local address that the session uses, if known.
func (s *Session) LocalAddr() netip.AddrPort { return s.local }

// IsInitiator reports whether this end initiated the session.
func (s *Session) IsInitiator() bool { return s.initiator }

// RTT returns the smoothed round-trip time and whether it is known.
func (s *Session) RTT() (time.Duration, bool) { return s.rtt.Smoothed() }

// Window returns the most bytes that may be in flight, and how many are.
func (s *Session) Window() (limit, outstanding int) { return s.cc.Window(), s.outstanding }

// SendRate returns how many bytes a second congestion control lets out: the
// window once in a round trip; 0 while the round trip is not known.
func (s *Session) SendRate() float64 {
	srtt, known := s.rtt.Smoothed()
	if !known {
		return 0
	}
	return float64(s.cc.Window()) / max(srtt, paceGrain).Seconds()
}

// DeliveryRate returns how many bytes a second have been acknowledged lately,
// while there was something under way; 0 before the first acknowledgements.
func (s *Session) DeliveryRate() float64 { return s.rate.value }

// Nonces returns the near and the far nonce of an open session.
func (s *Session) Nonces() (near, far []byte) { return s.keys.NearNonce, s.keys.FarNonce }

// Describe names the algorithms of an open session.
func (s *Session) Describe() string {
	if s.keys.Key == nil {
		return ""
	}
	return s.keys.Key.Describe()
}

func (s *Session) setState(now Instant, to SessionState) {
	if s.state == to {
		panic(fmt.Sprintf("rtmfp: session goes from %v to the same state", to))
	}
	if s.e.tracer != nil {
		s.e.tracer.TraceState(now, s, s.state, to)
	}
	s.state = to
}

// Export derives n bytes, at most 8,160, from the session's secrets for a
// purpose that is named; the far end gets the same. It reports false if the
// session has no such secrets.
func (s *Session) Export(name string, n int) ([]byte, bool) {
	if s.keys.Export == nil {
		return nil, false
	}
	return s.keys.Export(name, n), true
}

// IsByOther reports whether the far end knows this endpoint by another
// certificate than that of Profile.Self.
func (s *Session) IsByOther() bool { return s.shown != s.e.selfShown }

// IsOwn reports whether the far end of an open session is of our own kind.
func (s *Session) IsOwn() bool { return s.keys.Own }

// keyed gives s its keys; with them it can send and receive.
func (s *Session) keyed(now Instant, keys Keys) {
	s.keys = keys
	s.rekeying.begin(now, keys.Key)
	s.opening = nil
	s.budget = s.burst()
	s.setState(now, StateOpen)
	s.lastReceived = now
	s.sendByID = make(map[wire.FlowID]*SendFlow)
	s.recvByID = make(map[wire.FlowID]*RecvFlow)
	s.mobilityKey = s.e.random(16)
}

// opened makes a keyed session one that the application knows of.
func (s *Session) opened(now Instant) {
	e := s.e
	if old := e.identity[string(s.far.EPD)]; old != nil && old != s && old.state == StateOpen {
		s.older = old
	}
	e.identity[string(s.far.EPD)] = s
	if s.far.OtherEPD != nil {
		e.enterOther(s)
	}
	e.byAddr[s.addr] = s
	e.stats.SessionsOpened++
	e.emit(Event{Kind: SessionOpened, Session: s})
	s.rearm(now)
	// Openings that want the same endpoint need not go on.
	for _, o := range slices.Clone(e.openings) {
		if o != s && o.state == StateIHelloSent && e.profile.Selects(o.opening.epd, s.far) {
			o.fail(now, &MergedError{s})
		}
	}
}

// enterOther lets a session be found by the far end's other name. The far end
// says it in its certificate, and proves nothing by which it would be its own:
// so it takes it from nobody who was there before.
func (e *Endpoint) enterOther(s *Session) {
	name := string(s.far.OtherEPD)
	if o := e.others[name]; o == nil || o.state != StateOpen || bytes.Equal(o.far.Certificate, s.far.Certificate) {
		e.others[name] = s
	}
}

// addControl queues a chunk to be sent as soon as possible.
func (s *Session) addControl(kind byte, payload []byte) {
	if s.chunks >= maxControl {
		s.e.stats.Refused++
		return
	}
	s.control = wire.AppendChunk(s.control, kind, payload)
	s.chunks++
	s.e.wake(s)
}

// rearm computes when the session needs to be looked after next.
func (s *Session) rearm(now Instant) {
	at := reliability.Never
	switch s.state {
	case StateIHelloSent, StateKeyingSent:
		at = s.opening.deadline(s.state)
	case StateOpen:
		at = min(s.delayedAck, s.timeoutAt, s.paceAt, s.pmtu.next, s.keepaliveAt(), s.tentative, s.rekeying.deadline())
		for _, f := range s.sendFlows {
			at = min(at, f.deadline())
		}
		for _, f := range s.recvFlows {
			at = min(at, f.lingerEnd)
		}
	case StateNearClose, StateFarCloseLinger:
		at = min(s.closeAt, s.closeEnd)
	}
	at = max(at, now)
	s.e.timers.set(s, at, at == reliability.Never)
}

// handleTimeout does what is due at now.
func (s *Session) handleTimeout(now Instant) {
	switch s.state {
	case StateIHelloSent, StateKeyingSent:
		s.openingTimeout(now)
	case StateOpen:
		s.openTimeout(now)
	case StateNearClose:
		if now >= s.closeEnd {
			s.finish(now, nil)
		} else if now >= s.closeAt {
			s.closeAt = now.Add(closeResend)
			s.addControl(wire.TypeCloseRequest, nil)
		}
	case StateFarCloseLinger:
		if now >= s.closeEnd {
			s.finish(now, nil)
		}
	}
}

func (s *Session) openTimeout(now Instant) {
	if now >= s.tentative {
		s.abort(now, ErrTimeout)
		return
	}
	if now >= s.rekeying.deadline() && !s.updateKeys(now) {
		return
	}
	if now >= s.pmtu.next {
		s.pmtuTimeout(now)
	}
	if now >= s.delayedAck {
		s.delayedAck, s.ackNow = reliability.Never, true
		s.e.wake(s)
	}
	if now >= s.timeoutAt {
		s.retransmissionTimeout(now)
	}
	if now >= s.paceAt {
		s.paceAt = reliability.Never
		s.e.wake(s)
	}
	for _, f := range s.sendFlows {
		f.handleTimeout(now)
	}
	s.sendFlows = slices.DeleteFunc(s.sendFlows, func(f *SendFlow) bool {
		if f.state == flowClosed {
			delete(s.sendByID, f.id)
		}
		return f.state == flowClosed
	})
	s.recvFlows = slices.DeleteFunc(s.recvFlows, func(f *RecvFlow) bool { return f.linger(now) })
	if now >= s.keepaliveAt() {
		s.keepAlive(now)
	}
}
