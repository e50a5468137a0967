package netconnection

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Defences: what a client can make grow is bounded by these.
const (
	maxStreamsPerClient = 64
	maxPeerAddresses    = 16
	maxNameLength       = 512
	maxCommandSize      = 64 << 10
)

// ServerParams are a server's settings. Start from DefaultServerParams.
type ServerParams struct {
	// ServerKeepalive and PeerKeepalive are what clients are told to use
	// towards the server and towards each other.
	ServerKeepalive, PeerKeepalive time.Duration
	// Lifetime is how long an inter frame or a sound is worth sending on.
	Lifetime time.Duration
	// NetworkOrder takes the messages of flows whose sender hints that it may
	// be done as they come, in whatever order; they are relayed so.
	NetworkOrder bool
	// NoRelay refuses to publish and play; clients are only introduced.
	NoRelay bool
}

// DefaultServerParams returns the settings that clients expect.
func DefaultServerParams() ServerParams {
	return ServerParams{ServerKeepalive: 15 * time.Second, PeerKeepalive: 10 * time.Second, Lifetime: 3 * time.Second}
}

// ServerStats counts what a server has done.
type ServerStats struct {
	Connected   uint64 // clients that connected
	Introduced  uint64 // hellos answered with an introduction
	Unknown     uint64 // hellos for peers that are not here
	Published   uint64
	Played      uint64
	Relayed     uint64 // messages written to players
	Malformed   uint64
	Unsupported uint64 // commands that are not known
}

// ServerEventKind says what happened at a server.
type ServerEventKind uint8

// The server's events.
const (
	ClientConnected    ServerEventKind = iota + 1 // Session, Name is its application
	ClientDisconnected                            // Session
	PublishStarted                                // Session, Name
	PublishEnded                                  // Session, Name
	PlayStarted                                   // Session, Name
	StreamMessage                                 // Session, Name, Message: media or data published
)

// ServerEvent is something that happened at a server.
type ServerEvent struct {
	Kind    ServerEventKind
	Session *rtmfp.Session
	// Name is application/stream name.
	Name    string
	Message Message
}

// Server is the server side of NetConnection on an endpoint: clients connect,
// publish and play streams, and are introduced to each other.
type Server struct {
	endpoint *rtmfp.Endpoint
	params   ServerParams
	stats    ServerStats
	clients  map[*rtmfp.Session]*client
	streams  map[string]*relay
	events   []ServerEvent
}

// client is a connected client.
type client struct {
	session   *rtmfp.Session
	in        *rtmfp.RecvFlow // its control flow
	out       *rtmfp.SendFlow // ours, in answer
	connected bool
	app       string
	hasInfo   bool // it sent setPeerInfo and can be introduced
	addresses []wire.Address
	streams   map[uint32]*netStream
	lastID    uint32
	sync      barriers
}

// NewServer returns a server on an endpoint.
func NewServer(endpoint *rtmfp.Endpoint, params ServerParams) *Server {
	return &Server{endpoint: endpoint, params: params, clients: make(map[*rtmfp.Session]*client), streams: make(map[string]*relay)}
}

// Stats returns the counters.
func (s *Server) Stats() ServerStats { return s.stats }

// PollEvent returns the next event.
func (s *Server) PollEvent() (ServerEvent, bool) {
	if len(s.events) == 0 {
		return ServerEvent{}, false
	}
	e := s.events[0]
	s.events = s.events[1:]
	return e, true
}

func (s *Server) emit(e ServerEvent) { s.events = append(s.events, e) }

// HandleEvent takes an event of the endpoint. It reports false for events that
// are none of this protocol's business, such as flows with other metadata.
func (s *Server) HandleEvent(now rtmfp.Instant, e rtmfp.Event) bool {
	switch e.Kind {
	case rtmfp.HelloForOther:
		return s.introduce(now, e.Hello)
	case rtmfp.SessionClosed:
		if c := s.clients[e.Session]; c != nil {
			s.disconnect(now, c)
		}
		return false // the session may have carried other things as well
	case rtmfp.FlowOpened:
		return s.flowOpened(now, e.Recv)
	case rtmfp.MessageReceived:
		f, ok := e.Recv.User.(*inFlow)
		if ok {
			f.deliver(now, e.Data)
		}
		return ok
	case rtmfp.FlowEnded:
		f, ok := e.Recv.User.(*inFlow)
		if !ok {
			return false
		}
		f.client.sync.gone(now, &f.waiter)
		if f.client.in == e.Recv {
			s.disconnect(now, f.client)
			e.Session.Close(now)
		}
		return true
	case rtmfp.FlowRejected:
		return s.flowRejected(now, e.Send)
	}
	return false
}

// inFlow is what a flow of a client belongs to.
type inFlow struct {
	waiter
	client  *client
	stream  uint32
	ordered bool
}

func (s *Server) flowOpened(now rtmfp.Instant, f *rtmfp.RecvFlow) bool {
	if !IsMetadata(f.Metadata()) {
		return false
	}
	m, err := ParseMetadata(f.Metadata())
	if err != nil {
		s.stats.Malformed++
		f.Reject(now, 0)
		return true
	}
	c := s.clients[f.Session()]
	switch {
	case c == nil && m.StreamID == 0:
		out, err := f.Session().OpenFlow(now, rtmfp.FlowConfig{Metadata: AppendMetadata(nil, Metadata{}), Return: f, Priority: 5})
		if err != nil {
			f.Reject(now, 0)
			return true
		}
		c = &client{session: f.Session(), in: f, out: out, streams: make(map[uint32]*netStream)}
		s.clients[f.Session()] = c
	case c == nil || m.StreamID != 0 && c.streams[m.StreamID] == nil:
		f.Reject(now, 0)
		return true
	}
	in := &inFlow{client: c, stream: m.StreamID, ordered: true}
	in.flow, in.handle = f, func(now rtmfp.Instant, data []byte) { s.handleMessage(now, in, data) }
	if m.NetworkOrder && s.params.NetworkOrder {
		in.ordered = false
		f.SetNetworkOrder(true)
	}
	f.User = in
	return true
}

// flowRejected takes a client's refusal of a flow of ours.
func (s *Server) flowRejected(now rtmfp.Instant, f *rtmfp.SendFlow) bool {
	c := s.clients[f.Session()]
	if c == nil {
		return false
	}
	if f == c.out {
		s.disconnect(now, c)
		c.session.Close(now)
		return true
	}
	for _, id := range c.ids() {
		if ns := c.streams[id]; ns.owns(f) {
			// A flow of a stream that is not wanted is not opened again.
			if f == ns.status {
				s.stopPlaying(now, ns)
			}
			return true
		}
	}
	return false
}

// Serves reports whether the far end of a session is a client.
func (s *Server) Serves(session *rtmfp.Session) bool { return s.clients[session] != nil }

// disconnect forgets a client and all that it published or played.
func (s *Server) disconnect(now rtmfp.Instant, c *client) {
	if s.clients[c.session] != c {
		return
	}
	delete(s.clients, c.session)
	for _, id := range c.ids() {
		s.deleteStream(now, c, id)
	}
	c.out.Close(now)
	if c.connected {
		s.emit(ServerEvent{Kind: ClientDisconnected, Session: c.session})
	}
}

// ids returns the client's streams in order.
func (c *client) ids() []uint32 {
	ids := make([]uint32, 0, len(c.streams))
	for id := range c.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// introduce helps somebody to a peer that is connected here and wants to be
// found (RFC 7425 section 5.4).
func (s *Server) introduce(now rtmfp.Instant, h rtmfp.Hello) bool {
	target := s.endpoint.SessionByEPD(h.EPD)
	if target == nil || s.clients[target] == nil || !s.clients[target].hasInfo {
		s.stats.Unknown++
		return false
	}
	s.stats.Introduced++
	s.endpoint.Introduce(now, h, target, s.clients[target].addresses)
	return true
}

func (s *Server) handleMessage(now rtmfp.Instant, f *inFlow, data []byte) {
	m, err := ParseMessage(data)
	if err != nil {
		s.stats.Malformed++
		return
	}
	switch m.Type {
	case TypeCommand, TypeCommandExtended:
		if len(data) > maxCommandSize {
			s.stats.Malformed++
			return
		}
		command, err := ParseCommand(m)
		if err != nil {
			s.stats.Malformed++
			return
		}
		s.handleCommand(now, f, &command)
	case TypeUserControl:
		if event, v, ok := parseUserControl(m.Payload); ok && event == EventFlowSync {
			f.client.sync.sync(now, &f.waiter, v[0], v[1], f.ordered)
		}
	case TypeAudio, TypeVideo, TypeData, TypeDataExtended:
		if ns := f.client.streams[f.stream]; ns != nil && ns.publishing != nil {
			s.relay(now, ns.publishing, m, data)
		}
	}
}

func (s *Server) handleCommand(now rtmfp.Instant, f *inFlow, command *Command) {
	c := f.client
	if command.Name == "connect" && !c.connected {
		s.connect(now, c, command)
		return
	}
	if !c.connected {
		s.stats.Unsupported++
		return
	}
	switch command.Name {
	case "setPeerInfo":
		s.setPeerInfo(c, command)
	case "createStream":
		s.createStream(now, c, command)
	case "deleteStream":
		// Some clients leave the command object out.
		for _, a := range command.Args {
			if a.Kind == amf0.KindNumber {
				s.deleteStream(now, c, uint32(a.Number))
			}
		}
	case "publish":
		s.publish(now, c, f.stream, command.text(1))
	case "play":
		s.play(now, c, f.stream, command.text(1))
	case "closeStream":
		if ns := c.streams[f.stream]; ns != nil {
			s.stopPublishing(now, ns)
			s.stopPlaying(now, ns)
		}
	case "receiveAudio", "receiveVideo", "releaseStream", "FCPublish", "FCUnpublish", "FCSubscribe", "pause", "connect":
		// Known, and nothing to do.
	default:
		s.stats.Unsupported++
		if command.ID != 0 {
			s.reply(now, c, "_error", command.ID, info("error", "NetConnection.Call.Failed", "Method not found ("+clip(command.Name)+")."))
		}
	}
}

func clip(s string) string { return s[:min(len(s), 64)] }

// reply answers a command on the control flow.
func (s *Server) reply(now rtmfp.Instant, c *client, name string, id float64, value amf0.Value) {
	_ = c.out.Write(now, commandMessage(Command{Name: name, ID: id, Args: []amf0.Value{amf0.Null(), value}}), nil)
}

func (s *Server) connect(now rtmfp.Instant, c *client, command *Command) {
	object := command.arg(0)
	c.app = object.Text("app")
	if len(c.app) > maxNameLength {
		s.reply(now, c, "_error", command.ID, info("error", "NetConnection.Connect.Rejected", "Application name is too long."))
		return
	}
	c.connected = true
	s.stats.Connected++
	success := info("status", "NetConnection.Connect.Success", "Connection succeeded.")
	success.Properties = append(success.Properties, amf0.Property{Name: "objectEncoding", Value: amf0.Number(0)})
	s.reply(now, c, "_result", command.ID, success)
	_ = c.out.Write(now, userControl(EventSetKeepalive, uint32(s.params.ServerKeepalive.Milliseconds()), uint32(s.params.PeerKeepalive.Milliseconds())), nil)
	s.emit(ServerEvent{Kind: ClientConnected, Session: c.session, Name: c.app})
}

// setPeerInfo takes the addresses that a client knows of itself. Clients leave
// the null before them out or not.
func (s *Server) setPeerInfo(c *client, command *Command) {
	c.hasInfo, c.addresses = true, nil
	for _, a := range command.Args {
		if a.Kind != amf0.KindString || len(c.addresses) == maxPeerAddresses {
			continue
		}
		addr, err := netip.ParseAddrPort(a.String)
		if err != nil || addr.Port() == 0 || addr.Addr().IsLoopback() || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
			continue
		}
		c.addresses = append(c.addresses, wire.Address{AddrPort: addr, Origin: wire.OriginLocal})
	}
}

func (s *Server) createStream(now rtmfp.Instant, c *client, command *Command) {
	if len(c.streams) >= maxStreamsPerClient {
		s.reply(now, c, "_error", command.ID, info("error", "NetConnection.Call.Failed", "Too many streams."))
		return
	}
	c.lastID++
	c.streams[c.lastID] = &netStream{client: c, id: c.lastID}
	s.reply(now, c, "_result", command.ID, amf0.Number(float64(c.lastID)))
}

func (s *Server) deleteStream(now rtmfp.Instant, c *client, id uint32) {
	ns := c.streams[id]
	if ns == nil {
		return
	}
	s.stopPublishing(now, ns)
	s.stopPlaying(now, ns)
	if ns.status != nil {
		ns.status.Close(now)
	}
	delete(c.streams, id)
}
