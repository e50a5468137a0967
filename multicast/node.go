package multicast

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// Errors of a Node.
var (
	// ErrJoined means that the node is a member of this group already.
	ErrJoined = errors.New("multicast: the group is joined already")
	// ErrTooManyGroups means that the node is in as many groups as it may be.
	ErrTooManyGroups = errors.New("multicast: too many groups")
)

// Defences of a node.
const (
	// maxGroups bounds the groups of one node.
	maxGroups = 64
	// maxUnbound bounds the group flows of one session whose group is not
	// known yet.
	maxUnbound = 16
	// maxStreamFlows bounds the streams on which one neighbor speaks to us in
	// one group.
	maxStreamFlows = 64
	// maxPendingControl bounds the messages that wait for the far end to open
	// the flow that they answer.
	maxPendingControl = 32
	// settleRounds bounds the rounds in which endpoint and groups answer each
	// other within one mutation. More would be a loop of ours.
	settleRounds = 1000
)

// Service is something else on the node's endpoint that takes flows of its own,
// such as the server side of an introducer.
type Service interface {
	// HandleEvent takes an event and reports whether it was the service's
	// alone.
	HandleEvent(now reliability.Time, e rtmfp.Event) bool
}

// NodeConfig is what a Node is made of.
type NodeConfig struct {
	// Endpoint carries everything. Nobody else takes its events.
	Endpoint *rtmfp.Endpoint
	// Alias, if set, is the ID by which those of other makes know the endpoint.
	Alias overlay.PeerID
	// Meets tells that the endpoint is a server too. As such it has no key that
	// those of other makes could link with: they come again, for Alias.
	Meets bool
	// Services are asked first about each event, in this order.
	Services []Service
	// Uplink bounds what the node sends.
	Uplink UplinkParams
	// Rand makes choices among peers, Entropy secrets.
	Rand    *rand.Rand
	Entropy io.Reader
	// FirstSequence numbers the first native multicast datagram: above all that
	// this node has ever used, such as the time in units of 0.1 ms.
	FirstSequence uint64
	// Introduces lets the node help two of its peers to find each other. It
	// should be set on all nodes that others can reach.
	Introduces bool
}

// Node ties a transport endpoint and the groups that are joined over it into
// one protocol core: datagrams and the time go in; datagrams, events and the
// next deadline come out. It has the verbs of rtmfp.Endpoint, so that whatever
// drives an endpoint drives a node.
//
//	n, err := multicast.NewNode(now, config)
//	g, err := n.Join(now, JoinConfig{Spec: spec})
//	id, err := n.Connect(now, ServerConfig{…})      // an introducer
//
// After each call that takes a time, drain PollTransmit and PollWork, then
// PollEvent. Not safe for concurrent use.
type Node struct {
	config   NodeConfig
	endpoint *rtmfp.Endpoint
	uplink   *Uplink
	self     overlay.PeerID

	groups  []*membership // in the order of joining
	peers   map[overlay.PeerID]*contact
	dials   map[*rtmfp.Session]overlay.PeerID // openings for groups
	servers []*server
	lastID  int // of a server
	numbers int // of groups that were ever joined
	// unbound are flows whose group their first message will tell.
	unbound map[*rtmfp.Session]int

	own       []netip.AddrPort // local addresses that others may reach
	public    []netip.AddrPort // given by the user
	events    []NodeEvent
	eventHead int
	stats     NodeStats
}

// NodeStats counts what a node's glue has done; the parts count for themselves.
type NodeStats struct {
	Dials         uint64 // sessions opened for a group
	DialsFailed   uint64
	Introduced    uint64 // hellos of peers helped on to another peer
	FlowsRefused  uint64 // flows with metadata or a group that nobody knows
	MediaDropped  uint64 // fragments given up: no flow, or its queue was full
	ControlLost   uint64 // control messages given up: no flow
	RelayedPieces uint64 // datagrams sent through relays
	NativeSent    uint64 // native multicast datagrams sent
	NativeForeign uint64 // native multicast datagrams of no group of ours
}

// NodeEventKind says what happened at a node.
type NodeEventKind uint8

// The node's events.
const (
	// NodeMember: Group, Member: something happened in a group.
	NodeMember NodeEventKind = iota + 1
	// NodeServerUp: Server: an introducer has accepted us.
	NodeServerUp
	// NodeServerDown: Server, Err: it is gone; the node tries again.
	NodeServerDown
)

// NodeEvent is something that happened at a node.
type NodeEvent struct {
	Kind   NodeEventKind
	Group  *Group
	Member MemberEvent
	Server int
	Err    error
}

// Group is a group that the node has joined.
type Group struct {
	*Member
	node *Node
	id   [32]byte
}

// ID returns the group's ID in hex.
func (g *Group) ID() string { return hex.EncodeToString(g.id[:]) }

// membership is a group with its server flows.
type membership struct {
	group  *Group
	member *Member
	id     [32]byte
	number int // tells its circuits apart from those of other groups
	// serverChannel says that introducers are asked for members. bootstrap are
	// members that are asked for at introducers by name.
	serverChannel bool
	bootstrap     [][32]byte
	extensions    bool
	native        *native // nil without native multicast
}

// JoinConfig says which group to join and how.
type JoinConfig struct {
	Spec *groupspec.Spec
	Ring overlay.RingParams
	// Params are the group's stream settings.
	Params Params
	// Exact, Posting and Replication are those of MemberConfig.
	Exact       bool
	Posting     *overlay.PostingParams
	Replication *overlay.ReplicationParams
	// Extensions announces what goes beyond the protocol that others know.
	// RequireExtensions refuses members that don't.
	Extensions, RequireExtensions bool
}

// NewNode returns a node without groups.
func NewNode(now reliability.Time, config NodeConfig) (*Node, error) {
	if config.Endpoint == nil || config.Rand == nil || config.Entropy == nil {
		return nil, errors.New("multicast: a node needs Endpoint, Rand and Entropy")
	}
	n := &Node{
		config: config, endpoint: config.Endpoint, self: overlay.PeerID(config.Endpoint.Self().Fingerprint),
		peers: make(map[overlay.PeerID]*contact), dials: make(map[*rtmfp.Session]overlay.PeerID), unbound: make(map[*rtmfp.Session]int),
	}
	n.config.Uplink.Transport = transport{n}
	n.uplink = NewUplink(n.config.Uplink)
	return n, nil
}

// Self returns the node's peer ID.
func (n *Node) Self() overlay.PeerID { return n.self }

// Endpoint returns the endpoint that carries the node.
func (n *Node) Endpoint() *rtmfp.Endpoint { return n.endpoint }

// Uplink returns the node's upload queue.
func (n *Node) Uplink() *Uplink { return n.uplink }

// Stats returns the counters.
func (n *Node) Stats() NodeStats { return n.stats }

// Groups returns the groups that are joined, in the order of joining.
func (n *Node) Groups() []*Group {
	list := make([]*Group, len(n.groups))
	for i, m := range n.groups {
		list[i] = m.group
	}
	return list
}

// Join makes the node a member of a group. Members are found through the
// introducers that the node is connected to or will be, the groupspec's
// bootstrap peers, and native multicast if the groupspec names an address.
func (n *Node) Join(now reliability.Time, c JoinConfig) (*Group, error) {
	id := c.Spec.ID()
	switch {
	case n.byGroup(id) != nil:
		return nil, ErrJoined
	case len(n.groups) >= maxGroups:
		return nil, ErrTooManyGroups
	}
	member, err := NewMember(now, MemberConfig{
		Self: n.self, Alias: n.config.Alias, Spec: c.Spec, Ring: c.Ring, Params: c.Params, Rand: n.config.Rand, Entropy: n.config.Entropy,
		Transport: transport{n}, Uplink: n.uplink, Extensions: c.Extensions, RequireExtensions: c.RequireExtensions,
		Exact: c.Exact, Posting: c.Posting, Replication: c.Replication, KeepObjects: true,
	})
	if err != nil {
		return nil, fmt.Errorf("multicast: join: %w", err)
	}
	n.numbers++
	settings := c.Spec.Settings()
	m := &membership{member: member, id: id, number: n.numbers & 0xffff, serverChannel: settings.ServerChannel, bootstrap: settings.BootstrapPeers, extensions: c.Extensions}
	m.group = &Group{Member: member, node: n, id: id}
	n.groups = append(n.groups, m)
	n.openNative(now, m, c.Spec)
	n.updateAddresses(now)
	for _, s := range n.servers {
		n.joinAt(now, s, m)
	}
	for _, p := range n.sortedPeers() {
		member.HandleSession(now, p.info())
	}
	return m.group, nil
}

// Leave ends the membership: neighbors are told, and flows close. Sessions
// that no other group needs are closed.
func (n *Node) Leave(now reliability.Time, g *Group) {
	m := n.byGroup(g.id)
	if m == nil || m.group != g {
		return
	}
	m.member.Leave(now)
	n.memberActions(now, m)
	n.memberEvents(m)
	for _, s := range n.servers {
		s.leave(now, m)
	}
	for _, p := range n.sortedPeers() {
		p.endRelation(now, m)
	}
	n.groups = slices.DeleteFunc(n.groups, func(o *membership) bool { return o == m })
	for _, p := range n.sortedPeers() {
		n.releaseIfIdle(now, p)
	}
}

func (n *Node) byGroup(id [32]byte) *membership {
	for _, m := range n.groups {
		if m.id == id {
			return m
		}
	}
	return nil
}

// SetAddresses tells the node by which addresses others may reach it: those of
// its interfaces, and public ones that the user knows of.
func (n *Node) SetAddresses(now reliability.Time, local, public []netip.AddrPort) {
	n.own, n.public = slices.Clone(local), slices.Clone(public)
	n.updateAddresses(now)
}

// PollEvent returns the next event.
func (n *Node) PollEvent() (NodeEvent, bool) {
	if n.eventHead == len(n.events) {
		n.events, n.eventHead = n.events[:0], 0
		return NodeEvent{}, false
	}
	e := n.events[n.eventHead]
	n.events[n.eventHead] = NodeEvent{}
	n.eventHead++
	return e, true
}

func (n *Node) emit(e NodeEvent) { n.events = append(n.events, e) }

// Close leaves all groups and closes all sessions. What is to be told to
// others comes out of PollTransmit.
func (n *Node) Close(now reliability.Time) {
	for _, m := range slices.Clone(n.groups) {
		n.Leave(now, m.group)
	}
	for _, s := range n.servers {
		s.close(now)
	}
	for _, p := range n.sortedPeers() {
		p.session.Close(now)
	}
}
