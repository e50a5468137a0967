package multicast

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/overlay"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// channelMetadata is what the flows of the server channel carry.
const channelMetadata = "GC"

// How introducers are come back to.
const (
	// reconnectFirst and reconnectMax bound the wait before an introducer
	// that was lost is tried again: short enough that all members are back 30 s
	// after a restart, and at random so that they don't come all at once.
	reconnectFirst = 500 * time.Millisecond
	reconnectMax   = 10 * time.Second
	// connectTimeout is how long an introducer may take to accept.
	connectTimeout = 10 * time.Second
	// serverKeepalive keeps the NAT open towards an introducer, and notices
	// its restart.
	serverKeepalive = 5 * time.Second
	// serverDeadAfter is how long it may leave that unanswered. A server that
	// was restarted knows nothing of the session, so this and the longest
	// keepalive, 15 s, is what members are without it. A group's ring buries a
	// silent member after the same time.
	serverDeadAfter = 10 * time.Second
)

// ServerConfig names an introducer.
type ServerConfig struct {
	// EPD selects the endpoint: its fingerprint, or what any server at that
	// address answers to.
	EPD []byte
	// Addrs are its addresses.
	Addrs []netip.AddrPort
	// URL and App are told to it, as clients of its kind do.
	URL, App string
}

// server is an introducer that the node is or wants to be connected to.
type server struct {
	id       int
	config   ServerConfig
	client   *netconnection.Client // nil between tries
	up       bool
	backoff  time.Duration
	next     reliability.Time // of the next try
	giveUp   reliability.Time // of the present one
	channels []*channel
}

// channel is the server channel of one group at one introducer.
type channel struct {
	server *server
	m      *membership
	out    *rtmfp.SendFlow
	in     *rtmfp.RecvFlow
}

// Connect makes the node a client of an introducer, for all its groups that
// want one. It returns the introducer's number for Disconnect and events, and
// comes back to it for ever.
func (n *Node) Connect(now reliability.Time, c ServerConfig) (int, error) {
	if len(c.EPD) == 0 || len(c.Addrs) == 0 {
		return 0, errors.New("multicast: an introducer needs EPD and Addrs")
	}
	n.lastID++
	s := &server{id: n.lastID, config: c, backoff: reconnectFirst, next: now, giveUp: reliability.Never}
	n.servers = append(n.servers, s)
	n.connect(now, s)
	return s.id, nil
}

// SetServerAddrs changes the addresses of an introducer, which count from the
// next try on: it has moved.
func (n *Node) SetServerAddrs(now reliability.Time, id int, addrs []netip.AddrPort) {
	for _, s := range n.servers {
		if s.id == id && len(addrs) > 0 {
			s.config.Addrs = addrs
			if s.client == nil {
				s.backoff, s.next = reconnectFirst, now
			}
		}
	}
}

func (n *Node) connect(now reliability.Time, s *server) {
	s.next, s.giveUp = reliability.Never, now.Add(connectTimeout)
	client, err := netconnection.NewClient(now, n.endpoint, netconnection.ClientConfig{
		EPD: s.config.EPD, Candidates: s.config.Addrs, URL: s.config.URL, App: s.config.App, Addresses: n.own, KeepaliveMin: serverKeepalive,
	})
	if err != nil {
		n.serverLost(now, s, err)
		return
	}
	s.client = client
	n.clientEvents(now, s)
}

// deadline returns when the server wants to be looked at.
func (s *server) deadline() reliability.Time {
	if s.up {
		return reliability.Never
	}
	return min(s.next, s.giveUp)
}

func (n *Node) serverTimeouts(now reliability.Time) {
	for _, s := range n.servers {
		switch {
		case s.up:
		case s.client == nil && now >= s.next:
			n.connect(now, s)
		case s.client != nil && now >= s.giveUp:
			s.client.Abandon(now)
			n.serverLost(now, s, rtmfp.ErrTimeout)
		}
	}
}

// serverLost waits before the next try.
func (n *Node) serverLost(now reliability.Time, s *server, err error) {
	s.client, s.up, s.channels, s.giveUp = nil, false, nil, reliability.Never
	s.next = now.Add(jitter(n.config.Rand, s.backoff))
	s.backoff = min(2*s.backoff, reconnectMax)
	n.emit(NodeEvent{Kind: NodeServerDown, Server: s.id, Err: err})
	n.updateAddresses(now)
}

// jitter returns d times 0.5 to 1.5.
func jitter(r *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(r.Int64N(int64(d)+1))
}

func (n *Node) isServer(session *rtmfp.Session) bool {
	for _, s := range n.servers {
		if s.client != nil && s.client.Session() == session {
			return true
		}
	}
	return false
}

// serverEvent takes an event to the introducer that it is about. It reports
// whether nobody else need know: the beginning and the end of a session are
// for the groups too, since an introducer may be a member as well.
func (n *Node) serverEvent(now reliability.Time, e rtmfp.Event) bool {
	switch e.Kind {
	case rtmfp.MessageReceived:
		if c, ok := e.Recv.User.(*channel); ok {
			n.channelMessage(now, c, e.Data)
			return true
		}
	case rtmfp.FlowOpened:
		if n.channelOpened(e.Recv) {
			return true
		}
	case rtmfp.FlowEnded:
		if c, ok := e.Recv.User.(*channel); ok {
			c.in = nil
			return true
		}
	case rtmfp.FlowRejected:
		if c, ok := e.Send.User.(*channel); ok {
			// The introducer is full; the ring asks for a rejoin now and then.
			c.out = nil
			return true
		}
	}
	taken := false
	for _, s := range n.servers {
		if s.client != nil && s.client.Session() == e.Session {
			taken = s.client.HandleEvent(now, e) || taken
			n.clientEvents(now, s)
		}
	}
	return taken
}

func (n *Node) clientEvents(now reliability.Time, s *server) {
	for s.client != nil {
		e, ok := s.client.PollEvent()
		if !ok {
			return
		}
		switch e.Kind {
		case netconnection.Connected:
			s.up, s.backoff, s.giveUp = true, reconnectFirst, reliability.Never
			// Introducers forward the hellos of those who want to reach us.
			s.client.Session().SetAcceptForwarded(true)
			s.client.Session().SetDeadAfter(now, serverDeadAfter)
			n.updateAddresses(now)
			for _, m := range n.groups {
				n.joinAt(now, s, m)
			}
			n.emit(NodeEvent{Kind: NodeServerUp, Server: s.id})
		case netconnection.Rejected, netconnection.Disconnected:
			err := e.Err
			if err == nil {
				err = rtmfp.ErrClosed
			}
			n.serverLost(now, s, err)
		}
	}
}

// joinAt joins a group at an introducer, anew if it has been joined before, and
// begins with the members that the groupspec names.
func (n *Node) joinAt(now reliability.Time, s *server, m *membership) {
	if !s.up {
		return
	}
	for _, p := range m.bootstrap {
		m.member.HandleMember(now, overlay.PeerID(p), []wire.Address{s.addr()})
	}
	if !m.serverChannel {
		return
	}
	s.leave(now, m)
	out, err := s.client.Session().OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(channelMetadata), Return: s.client.ControlFlow(), Priority: 5})
	if err != nil {
		return
	}
	c := &channel{server: s, m: m, out: out}
	out.User = c
	s.channels = append(s.channels, c)
	_ = out.Write(now, owire.AppendJoin(nil, m.member.GroupID()), nil)
}

// leave ends the membership of a group at an introducer.
func (s *server) leave(now reliability.Time, m *membership) {
	for i, c := range s.channels {
		if c.m == m {
			closeFlows(now, c.out, c.in)
			s.channels = append(s.channels[:i], s.channels[i+1:]...)
			return
		}
	}
}

// close ends the connection to an introducer.
func (s *server) close(now reliability.Time) {
	if s.client != nil {
		s.client.Close(now)
		s.client, s.up = nil, false
	}
	s.next, s.giveUp = reliability.Never, reliability.Never
}

// Disconnect ends the connection to an introducer for good.
func (n *Node) Disconnect(now reliability.Time, id int) {
	for i, s := range n.servers {
		if s.id == id {
			s.close(now)
			n.servers = append(n.servers[:i], n.servers[i+1:]...)
			n.updateAddresses(now)
			return
		}
	}
}

// channelOpened takes an introducer's flow that answers a join of ours.
func (n *Node) channelOpened(f *rtmfp.RecvFlow) bool {
	back := f.Return()
	if back == nil || string(f.Metadata()) != channelMetadata {
		return false
	}
	c, ok := back.User.(*channel)
	if ok {
		c.in = f
		f.User = c
	}
	return ok
}

// channelMessage takes the name of a member from an introducer.
func (n *Node) channelMessage(now reliability.Time, c *channel, data []byte) {
	id, err := owire.ParseMember(data)
	if err != nil || n.byGroup(c.m.id) != c.m || c.server.client == nil {
		return
	}
	c.m.member.HandleMember(now, overlay.PeerID(id), []wire.Address{c.server.addr()})
}

// addr returns the introducer's address as it is told to others.
func (s *server) addr() wire.Address {
	return wire.Address{AddrPort: s.client.Session().FarAddr(), Origin: wire.OriginRelay}
}

// rejoin joins a group again at all introducers.
func (n *Node) rejoin(now reliability.Time, m *membership) {
	for _, s := range n.servers {
		n.joinAt(now, s, m)
	}
}

// updateAddresses tells the groups by which addresses others find us: the
// introducers first, then what the user has told, then our interfaces. What
// peers have seen us by, the ring knows itself.
func (n *Node) updateAddresses(now reliability.Time) {
	var list []wire.Address
	for _, s := range n.servers {
		if s.up {
			list = append(list, s.addr())
		}
	}
	for _, a := range n.public {
		list = append(list, wire.Address{AddrPort: a, Origin: wire.OriginObserved})
	}
	for _, a := range n.own {
		list = append(list, wire.Address{AddrPort: a, Origin: wire.OriginLocal})
	}
	for _, m := range n.groups {
		m.member.SetOwnAddresses(now, list)
	}
}

// Servers returns the introducers and whether each has accepted us.
func (n *Node) Servers() map[int]bool {
	up := make(map[int]bool, len(n.servers))
	for _, s := range n.servers {
		up[s.id] = s.up
	}
	return up
}

// ServerSession returns the open session with an introducer, or nil.
func (n *Node) ServerSession(id int) *rtmfp.Session {
	for _, s := range n.servers {
		if s.id == id && s.up {
			return s.client.Session()
		}
	}
	return nil
}
