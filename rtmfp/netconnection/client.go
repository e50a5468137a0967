package netconnection

import (
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// ClientEventKind says what happened at a client.
type ClientEventKind uint8

// The client's events.
const (
	Connected        ClientEventKind = iota + 1 // the server has accepted
	Rejected                                    // Code, Err: it has not, or did not answer
	Disconnected                                // Err
	StreamReady                                 // Stream was created
	Status                                      // Stream, Code: an onStatus
	MessageArrived                              // Stream, Message
	KeepaliveChanged                            // the server has set Client.PeerKeepalive
)

// ClientEvent is something that happened at a client.
type ClientEvent struct {
	Kind    ClientEventKind
	Stream  *Stream
	Code    string
	Message Message
	Err     error
}

// ClientConfig says where to connect to.
type ClientConfig struct {
	// EPD is the server's endpoint discriminator.
	EPD []byte
	// Candidates are its addresses.
	Candidates []netip.AddrPort
	// URL and App are told to the server.
	URL, App string
	// Addresses are the client's own, by which peers on its network can reach
	// it.
	Addresses []netip.AddrPort
	// KeepaliveMin is the shortest keepalive that the server may ask for; it
	// should be 5 s or more.
	KeepaliveMin time.Duration
	// NetworkOrder takes the messages of flows whose sender hints that it may
	// be done as they come, in whatever order.
	NetworkOrder bool
}

// Client is the client side of a NetConnection on an endpoint.
type Client struct {
	endpoint  *rtmfp.Endpoint
	config    ClientConfig
	session   *rtmfp.Session
	out       *rtmfp.SendFlow
	in        *rtmfp.RecvFlow // the server's control flow
	connected bool
	closed    bool
	nextID    float64
	calls     map[float64]*Stream // createStream calls under way
	streams   map[uint32]*Stream
	events    []ClientEvent
	sync      barriers
	// PeerKeepalive is what the server asks for towards other peers; 0 until
	// it has said so.
	PeerKeepalive time.Duration
}

// Stream is a NetStream of a client.
type Stream struct {
	// User is the application's own.
	User any

	client       *Client
	id           uint32
	status       *rtmfp.SendFlow
	audio, video *rtmfp.SendFlow
}

// ID returns the stream's number at the server; 0 before StreamReady.
func (s *Stream) ID() uint32 { return s.id }

// NewClient begins to connect.
func NewClient(now rtmfp.Instant, endpoint *rtmfp.Endpoint, config ClientConfig) (*Client, error) {
	c := &Client{endpoint: endpoint, config: config, nextID: 1, calls: make(map[float64]*Stream), streams: make(map[uint32]*Stream)}
	s, err := endpoint.Open(now, config.EPD, config.Candidates)
	if err != nil {
		return nil, err
	}
	c.session = s
	if s.State() == rtmfp.StateOpen {
		c.opened(now)
	}
	return c, nil
}

// ControlFlow returns the server's control flow, which other flows to the
// server answer; nil before the server has opened it.
func (c *Client) ControlFlow() *rtmfp.RecvFlow { return c.in }

// Abandon gives up a connection that has not come about. An open session stays
// if others use it.
func (c *Client) Abandon(now rtmfp.Instant) {
	c.closed = true
	if c.session.State() != rtmfp.StateOpen {
		c.session.Abort(now)
	} else if c.out != nil {
		c.out.Close(now)
	}
}

// Session returns the session with the server.
func (c *Client) Session() *rtmfp.Session { return c.session }

// PollEvent returns the next event.
func (c *Client) PollEvent() (ClientEvent, bool) {
	if len(c.events) == 0 {
		return ClientEvent{}, false
	}
	e := c.events[0]
	c.events = c.events[1:]
	return e, true
}

func (c *Client) emit(e ClientEvent) { c.events = append(c.events, e) }

// HandleEvent takes an event of the endpoint. It reports whether the event was
// about a flow of the connection: the beginning and the end of a session are
// the business of all who use it, and so are flows with other metadata.
func (c *Client) HandleEvent(now rtmfp.Instant, e rtmfp.Event) bool {
	if e.Session != c.session {
		return false
	}
	switch e.Kind {
	case rtmfp.SessionOpened:
		c.opened(now)
	case rtmfp.SessionFailed:
		c.closed = true
		c.emit(ClientEvent{Kind: Rejected, Err: e.Err})
	case rtmfp.SessionClosed:
		c.disconnect(e.Err)
	case rtmfp.FlowOpened:
		return c.flowOpened(now, e.Recv)
	case rtmfp.MessageReceived:
		f, ok := e.Recv.User.(*clientFlow)
		if ok {
			f.deliver(now, e.Data)
		}
		return ok
	case rtmfp.FlowEnded:
		f, ours := e.Recv.User.(*clientFlow)
		if ours {
			c.sync.gone(now, &f.waiter)
		}
		if e.Recv == c.in {
			c.disconnect(nil)
			c.session.Close(now)
		}
		return ours
	case rtmfp.FlowRejected:
		if e.Send == c.out {
			c.disconnect(rtmfp.ErrClosed)
			c.session.Close(now)
			return true
		}
		_, ours := e.Send.User.(*Stream)
		return ours
	}
	return false
}

func (c *Client) disconnect(err error) {
	if !c.closed {
		c.closed = true
		c.emit(ClientEvent{Kind: Disconnected, Err: err})
	}
}

// opened says hello to the server.
func (c *Client) opened(now rtmfp.Instant) {
	out, err := c.session.OpenFlow(now, rtmfp.FlowConfig{Metadata: AppendMetadata(nil, Metadata{}), Priority: 5})
	if err != nil {
		return
	}
	c.out = out
	text := func(name, value string) amf0.Property { return amf0.Property{Name: name, Value: amf0.String(value)} }
	number := func(name string, value float64) amf0.Property {
		return amf0.Property{Name: name, Value: amf0.Number(value)}
	}
	c.call(now, "connect", amf0.Object(
		text("app", c.config.App), text("flashVer", "LNX 11,2,0,0"), text("tcUrl", c.config.URL),
		amf0.Property{Name: "fpad", Value: amf0.Bool(false)}, number("capabilities", 235), number("audioCodecs", 3575),
		number("videoCodecs", 252), number("videoFunction", 1), number("objectEncoding", 0),
	))
}

// call sends a command that will be answered.
func (c *Client) call(now rtmfp.Instant, name string, args ...amf0.Value) (id float64) {
	id = c.nextID
	c.nextID++
	_ = c.out.Write(now, commandMessage(Command{Name: name, ID: id, Args: args}), nil)
	return id
}

func (c *Client) flowOpened(now rtmfp.Instant, f *rtmfp.RecvFlow) bool {
	if !IsMetadata(f.Metadata()) {
		return false
	}
	m, err := ParseMetadata(f.Metadata())
	if err == nil && m.StreamID == 0 && f.Return() == nil {
		return false // it is a client of ours as well: its control flow answers none
	}
	stream := c.streams[m.StreamID]
	if err != nil || m.StreamID != 0 && stream == nil {
		f.Reject(now, 0)
		return true
	}
	if m.StreamID == 0 && c.in == nil {
		c.in = f
	}
	in := &clientFlow{stream: stream, ordered: true}
	in.flow, in.handle = f, func(now rtmfp.Instant, data []byte) { c.handleMessage(now, in, data) }
	if m.NetworkOrder && c.config.NetworkOrder {
		in.ordered = false
		f.SetNetworkOrder(true)
	}
	f.User = in
	return true
}

// clientFlow is a flow of the server.
type clientFlow struct {
	waiter
	stream  *Stream // nil for the connection's own
	ordered bool
}

func (c *Client) handleMessage(now rtmfp.Instant, f *clientFlow, data []byte) {
	s := f.stream
	m, err := ParseMessage(data)
	if err != nil {
		return
	}
	switch m.Type {
	case TypeCommand, TypeCommandExtended:
		if command, err := ParseCommand(m); err == nil {
			c.handleCommand(now, s, &command)
		}
	case TypeUserControl:
		event, v, ok := parseUserControl(m.Payload)
		switch {
		case ok && event == EventFlowSync:
			c.sync.sync(now, &f.waiter, v[0], v[1], f.ordered)
		case ok && event == EventSetKeepalive:
			shortest := max(c.config.KeepaliveMin, 5*time.Second)
			c.session.SetKeepalive(now, max(time.Duration(v[0])*time.Millisecond, shortest))
			c.PeerKeepalive = max(time.Duration(v[1])*time.Millisecond, shortest)
			c.emit(ClientEvent{Kind: KeepaliveChanged})
		}
	case TypeAudio, TypeVideo, TypeData, TypeDataExtended:
		c.emit(ClientEvent{Kind: MessageArrived, Stream: s, Message: m})
	}
}

func (c *Client) handleCommand(now rtmfp.Instant, s *Stream, command *Command) {
	value := command.arg(1)
	switch command.Name {
	case "_result", "_error":
		if command.ID == 1 {
			c.handleConnect(now, command.Name == "_result", value.Text("code"))
			return
		}
		stream := c.calls[command.ID]
		delete(c.calls, command.ID)
		if stream == nil {
			return
		}
		if command.Name == "_error" || value.Kind != amf0.KindNumber || value.Number < 1 || value.Number > 1<<24 {
			c.emit(ClientEvent{Kind: Status, Stream: stream, Code: "NetConnection.Call.Failed"})
			return
		}
		stream.id = uint32(value.Number)
		c.streams[stream.id] = stream
		c.emit(ClientEvent{Kind: StreamReady, Stream: stream})
	case "onStatus":
		c.emit(ClientEvent{Kind: Status, Stream: s, Code: value.Text("code")})
	}
}

func (c *Client) handleConnect(now rtmfp.Instant, ok bool, code string) {
	if c.connected || c.closed {
		return
	}
	if !ok {
		c.closed = true
		c.emit(ClientEvent{Kind: Rejected, Code: code})
		c.session.Close(now)
		return
	}
	c.connected = true
	// Without this command, even an empty one, servers introduce nobody.
	args := []amf0.Value{amf0.Null()}
	for _, a := range c.config.Addresses {
		args = append(args, amf0.String(a.String()))
	}
	_ = c.out.Write(now, commandMessage(Command{Name: "setPeerInfo", Args: args}), nil)
	c.emit(ClientEvent{Kind: Connected, Code: code})
}

// CreateStream asks the server for a stream; StreamReady tells of it.
func (c *Client) CreateStream(now rtmfp.Instant) (*Stream, error) {
	if !c.connected || c.closed {
		return nil, rtmfp.ErrClosed
	}
	s := &Stream{client: c}
	c.calls[c.call(now, "createStream", amf0.Null())] = s
	return s, nil
}

// flow opens a flow of the stream to the server.
func (s *Stream) flow(now rtmfp.Instant, priority int) (*rtmfp.SendFlow, error) {
	f, err := s.client.session.OpenFlow(now, rtmfp.FlowConfig{
		Metadata: AppendMetadata(nil, Metadata{StreamID: s.id}), Return: s.client.in, Priority: priority, TimeCritical: priority > 0,
	})
	if err == nil {
		f.User = s
	}
	return f, err
}

func (s *Stream) command(now rtmfp.Instant, name string, args ...amf0.Value) error {
	if s.id == 0 || s.client.closed {
		return rtmfp.ErrClosed
	}
	if s.status == nil {
		f, err := s.flow(now, 5)
		if err != nil {
			return err
		}
		s.status = f
	}
	return s.status.Write(now, commandMessage(Command{Name: name, Args: append([]amf0.Value{amf0.Null()}, args...)}), nil)
}

// Publish offers the stream to others under a name. A Status with
// NetStream.Publish.Start tells when to begin.
func (s *Stream) Publish(now rtmfp.Instant, name string) error {
	return s.command(now, "publish", amf0.String(name), amf0.String("live"))
}

// Play asks for a stream.
func (s *Stream) Play(now rtmfp.Instant, name string) error {
	return s.command(now, "play", amf0.String(name), amf0.Number(-2))
}

// Write sends a message of a published stream. r may be nil.
func (s *Stream) Write(now rtmfp.Instant, m Message, r *rtmfp.Receipt) (err error) {
	if s.status == nil {
		return rtmfp.ErrClosed
	}
	to := &s.status
	switch m.Type {
	case TypeAudio:
		to = &s.audio
	case TypeVideo:
		to = &s.video
	}
	if *to == nil {
		if *to, err = s.flow(now, 4); err != nil {
			return err
		}
	}
	return (*to).Write(now, AppendMessage(make([]byte, 0, messageHeader+len(m.Payload)), m), r)
}

// Close gives the stream back to the server.
func (s *Stream) Close(now rtmfp.Instant) {
	for _, f := range []*rtmfp.SendFlow{s.status, s.audio, s.video} {
		if f != nil {
			f.Close(now)
		}
	}
	if s.id != 0 && !s.client.closed {
		delete(s.client.streams, s.id)
		_ = s.client.out.Write(now, commandMessage(Command{Name: "deleteStream", Args: []amf0.Value{amf0.Null(), amf0.Number(float64(s.id))}}), nil)
	}
}

// Close ends the connection.
func (c *Client) Close(now rtmfp.Instant) {
	c.closed = true
	c.session.Close(now)
}
