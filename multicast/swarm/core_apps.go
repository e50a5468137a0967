package swarm

import (
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// appsCore is a member with everything of the overlay but streams: the ring,
// directed routing, posting and object replication.
type appsCore struct {
	*overlay.Ring
	router     *overlay.Router
	posting    *overlay.Posting
	replicator *overlay.Replicator
}

// appsMaker returns a maker of such members.
func appsMaker(spec *groupspec.Spec) coreMaker {
	rings := ringMaker(spec)
	return func(s *Sim, n *Node) (Core, error) {
		core, err := rings(s, n)
		if err != nil {
			return nil, err
		}
		ring := core.(*ringCore).Ring
		ring.SetNearest(s.now, true)
		replication := overlay.DefaultReplicationParams()
		replication.NoUpload = n.upload == 0
		return &appsCore{
			Ring:   ring,
			router: overlay.NewRouter(overlay.RouterConfig{Self: n.ID, Enabled: true, View: ring, Transport: n, Rand: n.Rand}),
			posting: overlay.NewPosting(overlay.PostingConfig{
				Spec: spec, Params: overlay.DefaultPostingParams(), Rand: n.Rand, Transport: n,
			}),
			replicator: overlay.NewReplicator(overlay.ReplicationConfig{
				Spec: spec, Params: replication, Rand: n.Rand, Transport: n, KeepData: true,
			}),
		}, nil
	}
}

// HandleMessage implements Core.
func (c *appsCore) HandleMessage(now reliability.Time, from overlay.PeerID, ch Channel, b []byte) {
	switch ch.Flow {
	case overlay.FlowRoute:
		c.router.HandleMessage(now, from, ch.Flow, b)
	case overlay.FlowPostKeys, overlay.FlowPostValues:
		c.posting.HandleMessage(now, from, ch.Flow, b)
	case overlay.FlowReplication, overlay.FlowObjects:
		c.replicator.HandleMessage(now, from, ch.Flow, b)
	default:
		c.Ring.HandleMessage(now, from, ch.Flow, b)
	}
}

// HandleChannelClosed implements Core.
func (c *appsCore) HandleChannelClosed(now reliability.Time, from overlay.PeerID, ch Channel) {
	c.Ring.HandleFlowClosed(now, from, ch.Flow)
}

// HandleTimeout implements Core.
func (c *appsCore) HandleTimeout(now reliability.Time) {
	if c.Ring.PollTimeout() <= now {
		c.Ring.HandleTimeout(now)
	}
	if c.router.PollTimeout() <= now {
		c.router.HandleTimeout(now)
	}
	if c.posting.PollTimeout() <= now {
		c.posting.HandleTimeout(now)
	}
	if c.replicator.PollTimeout() <= now {
		c.replicator.HandleTimeout(now)
	}
}

// PollTimeout implements Core.
func (c *appsCore) PollTimeout() reliability.Time {
	return min(c.Ring.PollTimeout(), c.router.PollTimeout(), c.posting.PollTimeout(), c.replicator.PollTimeout())
}

// PollAction implements Core.
func (c *appsCore) PollAction() (Action, bool) {
	if a, ok := c.Ring.PollAction(); ok {
		return Action{Action: a}, true
	}
	m, ok := c.router.PollSend()
	if !ok {
		m, ok = c.posting.PollSend()
	}
	if !ok {
		m, ok = c.replicator.PollSend()
	}
	return Action{Action: overlay.Action{Kind: overlay.ActionSend, Peer: m.Peer, Flow: m.Flow, Data: m.Data}}, ok
}

// PollMedia implements Core.
func (c *appsCore) PollMedia(reliability.Time) (Media, bool) { return Media{}, false }

// Charge implements Core.
func (c *appsCore) Charge(reliability.Time, int) {}

// Observe implements Core.
func (c *appsCore) Observe(now reliability.Time, n *Node) bool {
	linked := false
	for e, ok := c.Ring.PollEvent(); ok; e, ok = c.Ring.PollEvent() {
		linked = true
		switch e.Kind {
		case overlay.EventNeighborUp, overlay.EventNeighborChanged:
			c.router.HandleLink(now, e.Link)
			c.posting.HandleLink(now, e.Link)
			c.replicator.HandleLink(now, e.Link)
		case overlay.EventNeighborDown:
			c.router.HandleLinkDown(now, e.Link.Peer)
			c.posting.HandleLinkDown(now, e.Link.Peer)
			c.replicator.HandleLinkDown(now, e.Link.Peer)
		}
		n.ringEvent(e)
	}
	apps := n.sim.apps
	for e, ok := c.router.PollEvent(); ok; e, ok = c.router.PollEvent() {
		if apps.routed != nil {
			apps.routed(n, c, &e)
		}
	}
	for e, ok := c.posting.PollEvent(); ok; e, ok = c.posting.PollEvent() {
		if apps.posted != nil {
			apps.posted(n, &e)
		}
	}
	return linked || c.observeObjects(now, n)
}

// observeObjects serves as the application that has and wants objects: it finds
// all that comes right, and gives what it has. It reports whether there was
// anything.
func (c *appsCore) observeObjects(now reliability.Time, n *Node) bool {
	busy := false
	for e, ok := c.replicator.PollEvent(); ok; e, ok = c.replicator.PollEvent() {
		busy = true
		switch e.Kind {
		case overlay.ObjectCame:
			if len(e.Value) != len(n.sim.apps.object) {
				n.sim.fail("objects arrive whole", "node %d got %d bytes of object %d", n.index, len(e.Value), e.Index)
			}
			c.replicator.Judge(now, e.Index, true)
			n.sim.apps.came(n)
		case overlay.ObjectRequested:
			if n == n.sim.ledger.source {
				n.sim.apps.seeded += uint64(len(n.sim.apps.object) - 5)
			}
			if err := c.replicator.Give(now, e.Request, n.sim.apps.object); err != nil {
				n.sim.fail("objects are given", "node %d: %v", n.index, err)
			}
		}
	}
	return busy
}

// apps is who watches what the members' overlay brings them.
type apps struct {
	routed func(n *Node, c *appsCore, e *overlay.RouterEvent)
	posted func(n *Node, e *overlay.PostEvent)
	// object is the value of all objects, and came is called for each that has
	// come.
	object []byte
	came   func(n *Node)
	// seeded is how many bytes of objects the publisher has sent.
	seeded uint64
	// values counts posts that arrived, again or not.
	values uint64
}
