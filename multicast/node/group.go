package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// ErrLeft means that the group has been left, or the node has stopped.
var ErrLeft = errors.New("node: the group has been left")

// JoinOptions say how a group is joined.
type JoinOptions struct {
	Introducers []Introducer
	// Ring and Params are the settings of the overlay and of streams; nil
	// takes the defaults.
	Ring   *overlay.RingParams
	Params *multicast.Params
	// Posting and Replication are those of posts and objects; nil takes the
	// defaults.
	Posting     *overlay.PostingParams
	Replication *overlay.ReplicationParams
	// ReceiveMode says which routed messages the node takes; "" is
	// overlay.ReceiveNearest, without which the group can't route by address.
	ReceiveMode overlay.ReceiveMode
	// RelayToLAN lets the node pass streams on by native multicast that reach
	// its LAN otherwise, if it is the one of the LAN to do so.
	RelayToLAN bool
	// Plain leaves out what goes beyond the protocol that other
	// implementations know. RequireExtensions refuses members that leave it
	// out.
	Plain, RequireExtensions bool
}

// Group is a group that the node is a member of.
type Group struct {
	node *Node
	core *multicast.Group
	spec *groupspec.Spec

	// Guarded by the driver's mutex.
	plays     map[string]*Subscription
	listeners []*listener
	servers   []*introducerState
	left      bool
	gone      chan struct{} // closed when the group has been left
	waiters   []chan struct{}
	asked     map[uint64]chan answerOrError
	fetches   map[uint64][]chan []byte
	answerers workers[overlay.RouterEvent]
	stores    workers[overlay.ReplicationEvent]
	receivers workers[overlay.ReplicationEvent]
	malformed uint64 // values that can't be read
	info      GroupInfo
	counted   infoCounters
	countedAt reliability.Time

	relayToLAN bool
	nativeSaid bool // that native multicast does not work
}

// listener is somebody who wants to know what happens.
type listener struct{ f func(Event) }

// Event is something that happened in a group.
type Event struct {
	// Code is its name as a NetStatus code, such as
	// "NetGroup.Neighbor.Connect".
	Code string
	Time time.Time
	// Peer is the neighbor that it is about, the neighbor that a post or an
	// object came from, or who routed a message.
	Peer overlay.PeerID
	// Stream is set for what is about a stream.
	Stream string
	// Value is a post or a routed message, and PostID the ID of the post.
	Value  Value
	PostID overlay.PostID
	// From is the address of the neighbor or member that a routed message came
	// from. FromLocal is set if it is for this node, as far as is known here.
	From      overlay.Address
	FromLocal bool
	// Question is set for a message whose sender waits for an answer: give both
	// Peer and Number to Group.Answer. Hops is over how many links it has come.
	Question bool
	Number   uint64
	Hops     int
	// Index is that of an object, and Object what has been fetched if it is bytes
	// or a string. It must not be changed.
	Index  uint64
	Object []byte
}

// HasIndex reports whether the event is about an object.
func (e *Event) HasIndex() bool {
	switch e.Code {
	case overlay.StatusFetchSend, overlay.StatusFetchResult, overlay.StatusFetchFailed, overlay.StatusReplicationRequest:
		return true
	}
	return false
}

// Join makes the node a member of a group. It returns as soon as the search
// for members has begun; Group.WaitReady waits for neighbors. An introducer
// whose name can't be looked up for now is looked up again by Run; one whose
// name nobody has is an error.
func (n *Node) Join(ctx context.Context, spec *groupspec.Spec, o JoinOptions) (*Group, error) {
	servers, failures, err := n.resolveAll(ctx, o.Introducers)
	if err != nil {
		return nil, err
	}
	join := multicast.JoinConfig{
		Spec: spec, Ring: overlay.DefaultRingParams(), Params: multicast.DefaultParams(),
		Extensions: !o.Plain, RequireExtensions: o.RequireExtensions,
		Exact: o.ReceiveMode == overlay.ReceiveExact, Posting: o.Posting, Replication: o.Replication,
	}
	if o.Ring != nil {
		join.Ring = *o.Ring
	}
	if o.Params != nil {
		join.Params = *o.Params
	}
	g := &Group{
		node: n, spec: spec, plays: make(map[string]*Subscription), gone: make(chan struct{}),
		asked: make(map[uint64]chan answerOrError), fetches: make(map[uint64][]chan []byte),
	}
	g.stores.undone = func(now reliability.Time, e overlay.ReplicationEvent) { g.core.Replicator().Deny(now, e.Request) }
	g.receivers.undone = func(now reliability.Time, e overlay.ReplicationEvent) {
		_ = g.core.Replicator().RemoveWant(now, overlay.ObjectRange{First: e.Index, Last: e.Index})
	}
	stopped := n.do(func(now reliability.Time) {
		if g.core, err = n.core.Join(now, join); err != nil {
			return
		}
		n.groups = append(n.groups, g)
		if n.meet != nil {
			n.meet.JoinLocal(spec.ID(), n.core.Self(), n.alias)
		}
		for i, c := range servers {
			s, failed := n.connect(now, o.Introducers[i], c, failures[i])
			if failed != nil {
				err = failed
				return
			}
			g.servers = append(g.servers, s)
		}
	})
	if err = errors.Join(stopped, err); err != nil {
		return nil, err
	}
	g.relayToLAN = o.RelayToLAN
	n.refreshNative(g)
	return g, nil
}

// refreshNative joins the group's native multicast addresses on the interfaces
// that there are, and tells the core whether there is one.
func (n *Node) refreshNative(g *Group) {
	addrs := g.spec.Settings().Addresses
	if len(addrs) == 0 {
		return
	}
	available := false
	var failed error
	for _, a := range addrs {
		err := n.driver.JoinMulticast(a.Group, a.Source)
		available = available || err == nil
		failed = errors.Join(failed, err)
	}
	_ = g.do(func(now reliability.Time) {
		if failed != nil && !g.nativeSaid {
			n.log.Warn("no native multicast", "group", g.ID()[:16], "err", failed)
		}
		g.nativeSaid = failed != nil
		n.core.SetNative(now, g.core, available, g.relayToLAN)
	})
}

// Spec returns the group's groupspec.
func (g *Group) Spec() *groupspec.Spec { return g.spec }

// ID returns the group's ID in hex.
func (g *Group) ID() string { return g.core.ID() }

// do calls f with the cores at rest, unless the group has been left.
func (g *Group) do(f func(now reliability.Time)) error {
	left := false
	err := g.node.do(func(now reliability.Time) {
		if left = g.left; !left {
			f(now)
		}
	})
	if left {
		return ErrLeft
	}
	return err
}

// Leave ends the membership.
func (g *Group) Leave() error {
	return g.do(func(now reliability.Time) {
		g.node.core.Leave(now, g.core)
		if g.node.meet != nil {
			g.node.meet.LeaveLocal(g.spec.ID(), g.node.core.Self())
		}
		for _, s := range g.servers {
			g.node.disconnect(now, s)
		}
		for _, a := range g.spec.Settings().Addresses {
			g.node.driver.LeaveMulticast(a.Group, a.Source)
		}
		g.node.groups = slices.DeleteFunc(g.node.groups, func(o *Group) bool { return o == g })
		g.finish()
	})
}

// finish tells all users of the group that it is over.
func (g *Group) finish() {
	if g.left {
		return
	}
	g.left = true
	close(g.gone)
	g.tell(Event{Code: overlay.StatusConnectClosed})
	for _, s := range g.plays {
		s.end()
	}
}

// Listen calls f for each event of the group until the returned function is
// called. f must not block and must not call the node.
func (g *Group) Listen(f func(Event)) (stop func()) {
	l := &listener{f}
	_ = g.do(func(reliability.Time) { g.listeners = append(g.listeners, l) })
	return func() {
		_ = g.do(func(reliability.Time) {
			g.listeners = slices.DeleteFunc(g.listeners, func(o *listener) bool { return o == l })
		})
	}
}

func (g *Group) tell(e Event) {
	e.Time = time.Now()
	for _, l := range g.listeners {
		l.f(e)
	}
}

// handle takes an event of the core.
func (g *Group) handle(now reliability.Time, e multicast.MemberEvent) {
	switch e.Kind {
	case multicast.MemberRing:
		if code := overlay.StatusOf(e.Ring.Kind); code != "" {
			g.tell(Event{Code: code, Peer: e.Ring.Link.Peer})
		}
		g.ringChanged()
	case multicast.MemberPost:
		g.handlePost(&e.Post)
	case multicast.MemberRoute:
		g.handleRoute(&e.Route)
	case multicast.MemberObject:
		g.handleObject(now, &e.Object)
	case multicast.MemberStream:
		g.handleStream(now, &e.Stream)
	}
}

func (g *Group) handleStream(_ reliability.Time, e *multicast.Event) {
	s := g.plays[e.Name]
	switch e.Kind {
	case multicast.EventStreamSeen:
		g.tell(Event{Code: overlay.StatusStreamPublish, Stream: e.Name})
	case multicast.EventStreamGone:
		g.tell(Event{Code: overlay.StatusStreamUnpublish, Stream: e.Name})
	case multicast.EventReset:
		g.tell(Event{Code: overlay.StatusStreamReset, Stream: e.Name})
		if s != nil && s.handler.Reset != nil {
			s.handler.Reset()
		}
	case multicast.EventPlayable:
		g.tell(Event{Code: overlay.StatusPlayPublish, Stream: e.Name})
		if s != nil && s.handler.Playable != nil {
			s.handler.Playable()
		}
	case multicast.EventMessage:
		if s != nil {
			s.handler.Message(e.Message)
		}
	case multicast.EventGap:
		if s != nil && s.handler.Gap != nil {
			s.handler.Gap(e.Fragments)
		}
	case multicast.EventEnd:
		g.tell(Event{Code: overlay.StatusPlayUnpublish, Stream: e.Name})
		if s != nil && s.handler.End != nil {
			s.handler.End()
		}
	}
}

// Publication is a stream that this node publishes.
type Publication struct {
	group *Group
	name  string
	key   multicast.StreamKey
}

// Publish offers a stream to the group. params, if not nil, are the stream's
// own settings.
func (g *Group) Publish(name string, params *multicast.Params) (*Publication, error) {
	p := &Publication{group: g, name: name}
	var err error
	stopped := g.do(func(now reliability.Time) {
		p.key, err = g.core.Engine().Publish(now, name, multicast.PublishOptions{Params: params})
	})
	if err = errors.Join(stopped, err); err != nil {
		return nil, err
	}
	return p, nil
}

// Write sends the next message of the stream. Its payload must not be changed
// afterwards.
func (p *Publication) Write(m packager.Message) error {
	var err error
	stopped := p.group.do(func(now reliability.Time) { err = p.group.core.Engine().Write(now, p.key, m) })
	if stopped != nil {
		return stopped
	}
	return err
}

// Name returns the stream's name.
func (p *Publication) Name() string { return p.name }

// Close ends the stream: all members are told.
func (p *Publication) Close() error {
	return p.group.do(func(now reliability.Time) { p.group.core.Engine().EndPublish(now, p.key) })
}

// Handler takes what a subscription brings. Functions are called with the
// cores locked: they must not block and must not call the node. All but
// Message may be nil.
type Handler struct {
	// Message takes the next message, in the order of publishing.
	Message func(packager.Message)
	// Playable is called before the first message.
	Playable func()
	// Gap tells that fragments were given up before the next message.
	Gap func(fragments int)
	// Reset tells that another stream of the same name follows.
	Reset func()
	// End tells that the stream has ended, or the group was left.
	End func()
}

// Subscription is a stream that is played.
type Subscription struct {
	group   *Group
	name    string
	handler Handler
}

// Play subscribes to the stream of that name, now or when it is published.
func (g *Group) Play(name string, h Handler) (*Subscription, error) {
	s := &Subscription{group: g, name: name, handler: h}
	taken := false
	err := g.do(func(now reliability.Time) {
		if taken = g.plays[name] != nil; !taken {
			g.plays[name] = s
			g.core.Engine().Play(now, name, multicast.PlayOptions{})
		}
	})
	if taken {
		return nil, fmt.Errorf("node: %q is played already", name)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() error {
	return s.group.do(func(now reliability.Time) {
		if s.group.plays[s.name] == s {
			delete(s.group.plays, s.name)
			s.group.core.Engine().StopPlay(now, s.name)
		}
	})
}

func (s *Subscription) end() {
	if s.handler.End != nil {
		s.handler.End()
	}
}

// Streams lists the streams that are known in the group.
func (g *Group) Streams() (list []multicast.StreamInfo) {
	_ = g.do(func(reliability.Time) { list = g.core.Engine().Streams() })
	return list
}

// Info returns the counters of the stream of that name.
func (g *Group) Info(name string) (info multicast.Info) {
	_ = g.do(func(reliability.Time) { info = g.core.Engine().Stats(name) })
	return info
}

// Neighbors lists the members that the node is linked with, in the order of
// the ring.
func (g *Group) Neighbors() (list []overlay.LinkInfo) {
	_ = g.do(func(reliability.Time) { list = slices.Clone(g.core.Ring().Links()) })
	return list
}

// RingInfo is what a node knows of its place in a group.
type RingInfo struct {
	Address            overlay.Address
	Ready              bool
	EstimatedMembers   float64
	Heard              int
	CoverFrom, CoverTo overlay.Address
	Stats              overlay.RingStats
}

// Ring returns what the node knows of its place in the group.
func (g *Group) Ring() (r RingInfo) {
	_ = g.do(func(reliability.Time) {
		ring := g.core.Ring()
		r = RingInfo{
			Address: g.node.core.Self().Address(), Ready: ring.IsReady(), EstimatedMembers: ring.EstimatedMembers(), Heard: ring.Heard(), Stats: ring.Stats(),
		}
		r.CoverFrom, r.CoverTo = ring.Coverage()
	})
	return r
}

// Links lists what is pushed over the links at present.
func (g *Group) Links() (list []multicast.LinkSlices) {
	_ = g.do(func(reliability.Time) { list = g.core.Engine().Links() })
	return list
}
