package swarm

import (
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// ringCore is a member that has the overlay and nothing else.
type ringCore struct {
	*overlay.Ring
}

// ringMaker returns a maker of such members. They share their working memory,
// since only one of them ever runs.
func ringMaker(spec *groupspec.Spec) coreMaker {
	scratch := new(overlay.Scratch)
	return func(s *Sim, n *Node) (Core, error) {
		ring, err := overlay.NewRing(s.now, overlay.RingConfig{
			Self: n.ID, Spec: spec, Params: overlay.DefaultRingParams(), Rand: n.Rand, Transport: n,
			Caps: overlay.CapOverlay | overlay.CapReplication, Scratch: scratch,
		})
		if err != nil {
			return nil, err
		}
		return &ringCore{ring}, nil
	}
}

// HandleMessage implements Core.
func (c *ringCore) HandleMessage(now reliability.Time, from overlay.PeerID, ch Channel, b []byte) {
	c.Ring.HandleMessage(now, from, ch.Flow, b)
}

// HandleChannelClosed implements Core.
func (c *ringCore) HandleChannelClosed(now reliability.Time, from overlay.PeerID, ch Channel) {
	c.Ring.HandleFlowClosed(now, from, ch.Flow)
}

// PollAction implements Core.
func (c *ringCore) PollAction() (Action, bool) {
	a, ok := c.Ring.PollAction()
	return Action{Action: a}, ok
}

// PollMedia implements Core.
func (c *ringCore) PollMedia(reliability.Time) (Media, bool) { return Media{}, false }

// Charge implements Core.
func (c *ringCore) Charge(reliability.Time, int) {}

// Observe implements Core.
func (c *ringCore) Observe(_ reliability.Time, n *Node) bool {
	for e, ok := c.Ring.PollEvent(); ok; e, ok = c.Ring.PollEvent() {
		n.ringEvent(e)
	}
	return false
}
