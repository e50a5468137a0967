package swarm

import (
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// appsCore is a member with everything of the overlay but streams: the ring,
// directed routing and posting.
type appsCore struct {
	*overlay.Ring
	router  *overlay.Router
	posting *overlay.Posting
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
		return &appsCore{
			Ring:   ring,
			router: overlay.NewRouter(overlay.RouterConfig{Self: n.ID, Enabled: true, View: ring, Transport: n, Rand: n.Rand}),
			posting: overlay.NewPosting(overlay.PostingConfig{
				Spec: spec, Params: overlay.DefaultPostingParams(), Rand: n.Rand, Transport: n,
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
}

// PollTimeout implements Core.
func (c *appsCore) PollTimeout() reliability.Time {
	return min(c.Ring.PollTimeout(), c.router.PollTimeout(), c.posting.PollTimeout())
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
	return Action{Action: overlay.Action{Kind: overlay.ActionSend, Peer: m.Peer, Flow: m.Flow, Data: m.Data}}, ok
}

// PollMedia implements Core.
func (c *appsCore) PollMedia(reliability.Time) (Media, bool) { return Media{}, false }

// Charge implements Core.
func (c *appsCore) Charge(reliability.Time, int) {}

// Observe implements Core.
func (c *appsCore) Observe(now reliability.Time, n *Node) {
	for e, ok := c.Ring.PollEvent(); ok; e, ok = c.Ring.PollEvent() {
		switch e.Kind {
		case overlay.EventNeighborUp, overlay.EventNeighborChanged:
			c.router.HandleLink(now, e.Link)
			c.posting.HandleLink(now, e.Link)
		case overlay.EventNeighborDown:
			c.router.HandleLinkDown(now, e.Link.Peer)
			c.posting.HandleLinkDown(now, e.Link.Peer)
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
}

// apps is who watches what the members' overlay brings them.
type apps struct {
	routed func(n *Node, c *appsCore, e *overlay.RouterEvent)
	posted func(n *Node, e *overlay.PostEvent)
	// values counts posts that arrived, again or not.
	values uint64
}
