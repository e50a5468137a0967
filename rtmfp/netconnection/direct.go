package netconnection

import (
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Direct is streams straight from peer to peer (RFC 7425 section 5.5), without
// a server but for the introduction. A subscriber opens a flow that answers
// none, with a stream number that is not zero, and asks to play; the publisher
// answers on flows of its own with the same number.
//
// It is a protocol core on top of an endpoint, like Client and Server. Where
// there are several, the endpoint's events go to a Client first and to a Server
// last, which refuses flows of streams that are not its own.
type Direct struct {
	endpoint *rtmfp.Endpoint
	offers   map[string]*Offer
	subs     map[*rtmfp.SendFlow]*Subscription
	opening  map[*rtmfp.Session][]*Subscription
	events   []DirectEvent
	lastID   uint32
	// Keepalive is what new sessions with peers use, as the server has asked
	// for (Client.PeerKeepalive); 0 is the endpoint's own.
	Keepalive time.Duration
}

// Streams between peers have numbers above this one, so that no server's is
// taken for one.
const directStreams = 2_000_000

const maxSubscribers = 256 // of one offer

// DirectEventKind says what happened.
type DirectEventKind uint8

// The events.
const (
	SubscriberJoined  DirectEventKind = iota + 1 // Offer, Session
	SubscriberLeft                               // Offer, Session
	DirectStatus                                 // Subscription, Code: an onStatus
	DirectMessage                                // Subscription, Message
	SubscriptionEnded                            // Subscription, Err
)

// DirectEvent is something that happened to a stream between peers.
type DirectEvent struct {
	Kind         DirectEventKind
	Offer        *Offer
	Subscription *Subscription
	Session      *rtmfp.Session
	Message      Message
	Code         string
	Err          error
}

// Offer is a stream that this peer publishes.
type Offer struct {
	d           *Direct
	name        string
	subscribers []*subscriber
	metadata    []byte
	configs     [2][]byte
}

// subscriber is a far end's wish to play.
type subscriber struct {
	waiter
	d      *Direct
	id     uint32
	offer  *Offer
	stream *netStream
}

// Subscription is a stream that this peer plays from another.
type Subscription struct {
	// User is the application's own.
	User any

	d       *Direct
	name    string
	session *rtmfp.Session
	out     *rtmfp.SendFlow
	sync    barriers
	ended   bool
}

// directFlow is a flow of a publisher.
type directFlow struct {
	waiter
	sub *Subscription
}

// NewDirect returns what handles the streams between peers on an endpoint.
func NewDirect(endpoint *rtmfp.Endpoint) *Direct {
	return &Direct{
		endpoint: endpoint, offers: make(map[string]*Offer), subs: make(map[*rtmfp.SendFlow]*Subscription),
		opening: make(map[*rtmfp.Session][]*Subscription), lastID: directStreams,
	}
}

// PollEvent returns the next event.
func (d *Direct) PollEvent() (DirectEvent, bool) {
	if len(d.events) == 0 {
		return DirectEvent{}, false
	}
	e := d.events[0]
	d.events = d.events[1:]
	return e, true
}

func (d *Direct) emit(e DirectEvent) { d.events = append(d.events, e) }

// Publish offers a stream under a name, which nobody else offers here.
func (d *Direct) Publish(name string) (*Offer, error) {
	if d.offers[name] != nil {
		return nil, rtmfp.ErrLimit
	}
	o := &Offer{d: d, name: name}
	d.offers[name] = o
	return o, nil
}

// Play asks the peer that epd selects for a stream. candidates are where it,
// or an introducer that knows it, may be.
func (d *Direct) Play(now rtmfp.Instant, epd []byte, candidates []netip.AddrPort, name string) (*Subscription, error) {
	session, err := d.endpoint.Open(now, epd, candidates)
	if err != nil {
		return nil, err
	}
	s := &Subscription{d: d, name: name, session: session}
	if session.State() == rtmfp.StateOpen {
		return s, s.begin(now, session)
	}
	d.opening[session] = append(d.opening[session], s)
	return s, nil
}

// begin asks for the stream in an open session.
func (s *Subscription) begin(now rtmfp.Instant, session *rtmfp.Session) error {
	d := s.d
	d.lastID++
	s.session = session
	if d.Keepalive != 0 {
		session.SetKeepalive(now, d.Keepalive)
	}
	out, err := session.OpenFlow(now, rtmfp.FlowConfig{Metadata: AppendMetadata(nil, Metadata{StreamID: d.lastID}), Priority: 5})
	if err != nil {
		return err
	}
	s.out = out
	d.subs[out] = s
	return out.Write(now, commandMessage(Command{Name: "play", Args: []amf0.Value{amf0.Null(), amf0.String(s.name)}}), nil)
}

// Session returns the session that the stream comes over, or is to come over.
func (s *Subscription) Session() *rtmfp.Session { return s.session }

// Close ends the subscription.
func (s *Subscription) Close(now rtmfp.Instant) {
	if s.out != nil {
		delete(s.d.subs, s.out)
		s.out.Close(now)
	}
	s.ended = true
}

func (s *Subscription) end(err error) {
	if s.out != nil {
		delete(s.d.subs, s.out)
	}
	if !s.ended {
		s.ended = true
		s.d.emit(DirectEvent{Kind: SubscriptionEnded, Subscription: s, Session: s.session, Err: err})
	}
}

// HandleEvent takes an event of the endpoint. It reports whether it was about
// a flow of a stream between peers.
func (d *Direct) HandleEvent(now rtmfp.Instant, e rtmfp.Event) bool {
	switch e.Kind {
	case rtmfp.SessionOpened, rtmfp.SessionFailed:
		d.opened(now, e)
	case rtmfp.SessionClosed:
		d.closed(now, e)
	case rtmfp.FlowOpened:
		return d.flowOpened(e.Recv)
	case rtmfp.MessageReceived:
		switch f := e.Recv.User.(type) {
		case *subscriber:
			f.deliver(now, e.Data)
			return true
		case *directFlow:
			f.deliver(now, e.Data)
			return true
		}
	case rtmfp.FlowEnded:
		switch f := e.Recv.User.(type) {
		case *subscriber:
			f.leave(now)
			return true
		case *directFlow:
			f.sub.sync.gone(now, &f.waiter)
			return true
		}
	case rtmfp.FlowRejected:
		if s := d.subs[e.Send]; s != nil {
			s.end(rtmfp.ErrClosed)
			return true
		}
	}
	return false
}

// opened goes on with what waits for a session, or for the one that it has
// become.
func (d *Direct) opened(now rtmfp.Instant, e rtmfp.Event) {
	waiting := d.opening[e.Session]
	delete(d.opening, e.Session)
	session := e.Session
	if merged, ok := e.Err.(*rtmfp.MergedError); ok {
		session = merged.Session
	}
	for _, s := range waiting {
		switch {
		case session.State() == rtmfp.StateOpen:
			if err := s.begin(now, session); err != nil {
				s.end(err)
			}
		case session != e.Session:
			s.session = session
			d.opening[session] = append(d.opening[session], s)
		default:
			s.end(e.Err)
		}
	}
}

// closed ends what went over a session.
func (d *Direct) closed(now rtmfp.Instant, e rtmfp.Event) {
	var ended []*Subscription
	for _, s := range d.subs {
		if s.session == e.Session {
			ended = append(ended, s)
		}
	}
	sortSubscriptions(ended)
	for _, s := range ended {
		s.end(e.Err)
	}
	for _, o := range d.sortedOffers() {
		for i := len(o.subscribers) - 1; i >= 0; i-- {
			if sub := o.subscribers[i]; sub.flow.Session() == e.Session {
				sub.leave(now)
			}
		}
	}
}

// flowOpened takes a subscriber's control flow, or a flow of a stream that is
// played.
func (d *Direct) flowOpened(f *rtmfp.RecvFlow) bool {
	if !IsMetadata(f.Metadata()) {
		return false
	}
	m, err := ParseMetadata(f.Metadata())
	if err != nil {
		return false
	}
	if f.Return() != nil {
		s := d.subs[f.Return()]
		if s == nil {
			return false
		}
		in := &directFlow{sub: s}
		in.flow, in.handle = f, func(now rtmfp.Instant, data []byte) { s.handle(now, in, data, !m.NetworkOrder) }
		f.User = in
		return true
	}
	if m.StreamID == 0 {
		return false
	}
	sub := &subscriber{d: d, id: m.StreamID}
	sub.flow, sub.handle = f, sub.handleMessage
	f.User = sub
	return true
}
