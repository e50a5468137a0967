package swarm

import (
	"io"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// streamName is the stream that is published and played.
const streamName = "live"

// memberCore is a whole member of a group: overlay and streams, with an uplink
// of its own.
type memberCore struct {
	*multicast.Member
	uplink *multicast.Uplink
	// scope is what the mutation that is being drained can have touched, and
	// memberAt the deadline of all but the uplink when it has touched no more
	// than that. Most mutations are fragments and the pace of the uplink: to ask
	// all the other parts each time costs more than they do.
	scope    scope
	memberAt reliability.Time
}

// scope is a part of a member.
type scope uint8

const (
	scopeAll     scope = iota
	scopeStreams       // streams and uplink
	scopeUplink
)

// memberMaker returns a maker of members. Those that give nothing say so; the
// others know what their line carries.
func memberMaker(spec *groupspec.Spec) coreMaker {
	scratch := new(overlay.Scratch)
	return func(s *Sim, n *Node) (Core, error) {
		params := multicast.DefaultParams()
		params.WindowDuration, params.RelayMarginDuration = s.sc.Window, s.sc.Margin
		params.FetchPeriod = min(params.FetchPeriod, s.sc.Window)
		params.FragmentSize = s.sc.FragmentSize
		params.UploadLimit = int64(n.upload)
		if n.upload == 0 {
			params.UploadLimit = multicast.UploadNone
		}
		rate := n.upload
		if rate == 0 {
			rate = n.line
		}
		uplink := multicast.NewUplink(multicast.UplinkParams{Rate: rate, Transport: n})
		member, err := multicast.NewMember(s.now, multicast.MemberConfig{
			Self: n.ID, Spec: spec, Ring: overlay.DefaultRingParams(), Params: params, Rand: n.Rand, Entropy: entropy{n},
			Transport: n, Uplink: uplink, Extensions: true, KeepMedia: true, Scratch: scratch,
		})
		if err != nil {
			return nil, err
		}
		if n.native.on = s.hasNative(n); n.native.on {
			member.Engine().SetNative(s.now, true, false, 0)
		}
		if n != s.ledger.source {
			n.View = newView(s, n)
			member.Engine().Play(s.now, streamName, multicast.PlayOptions{OmitBody: true})
		}
		return &memberCore{Member: member, uplink: uplink}, nil
	}
}

// entropy makes keys of a node's source of chance: in a simulation they must
// follow from the seed.
type entropy struct{ n *Node }

var _ io.Reader = entropy{}

func (e entropy) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e.n.Rand.Uint32())
	}
	return len(b), nil
}

// HandleMessage implements Core.
func (c *memberCore) HandleMessage(now reliability.Time, from overlay.PeerID, ch Channel, b []byte) {
	if ch.Flow == overlay.FlowMedia || isStream(ch.Flow) {
		c.scope = scopeStreams
		c.Engine().HandleMessage(now, from, ch.Key, ch.Flow, b)
		return
	}
	c.Member.HandleMessage(now, from, multicast.Channel(ch), b)
}

// HandleTimeout implements Core.
func (c *memberCore) HandleTimeout(now reliability.Time) {
	if c.memberAt = c.Member.PollTimeout(); c.memberAt > now {
		c.scope = scopeUplink
		return
	}
	c.Member.HandleTimeout(now)
}

// HandleChannelClosed implements Core.
func (c *memberCore) HandleChannelClosed(now reliability.Time, from overlay.PeerID, ch Channel) {
	c.Member.HandleChannelClosed(now, from, multicast.Channel(ch))
}

// PollTimeout implements Core. It ends the draining. After a message on a stream
// it leaves the other deadlines out: the node is armed for them already.
func (c *memberCore) PollTimeout() reliability.Time {
	was := c.scope
	c.scope = scopeAll
	switch was {
	case scopeUplink:
		return min(c.memberAt, c.uplink.PollTimeout())
	case scopeStreams:
		return min(c.Engine().PollTimeout(), c.uplink.PollTimeout())
	}
	return min(c.Member.PollTimeout(), c.uplink.PollTimeout())
}

// PollAction implements Core.
func (c *memberCore) PollAction() (Action, bool) {
	if c.scope == scopeUplink {
		return Action{}, false
	}
	if c.scope == scopeStreams {
		a, ok := c.Engine().PollAction()
		return Action(a), ok
	}
	a, ok := c.Member.PollAction()
	return Action(a), ok
}

// PollMedia implements Core.
func (c *memberCore) PollMedia(now reliability.Time) (Media, bool) {
	p, ok := c.uplink.Poll(now)
	return Media{Peer: p.Peer, Key: p.Key, Data: p.Data, Deadline: p.Deadline}, ok
}

// Charge implements Core.
func (c *memberCore) Charge(now reliability.Time, bytes int) { c.uplink.Charge(now, bytes) }

// Links implements Core.
func (c *memberCore) Links() []overlay.LinkInfo { return c.Ring().Links() }

// Observe implements Core.
func (c *memberCore) Observe(_ reliability.Time, n *Node) bool {
	switch c.scope {
	case scopeUplink:
		return false
	case scopeStreams:
		c.pollNative(n)
		for e, ok := c.Engine().PollEvent(); ok; e, ok = c.Engine().PollEvent() {
			n.stream(&e)
		}
		return false
	}
	c.pollNative(n)
	for e, ok := c.PollEvent(); ok; e, ok = c.PollEvent() {
		switch {
		case e.Kind == multicast.MemberRing:
			n.ringEvent(e.Ring)
		case e.Kind == multicast.MemberStream:
			n.stream(&e.Stream)
		}
	}
	return false
}

// stream takes note of what happened in the node's streams.
func (n *Node) stream(e *multicast.Event) {
	if e.Kind == multicast.EventMessage && n.View != nil {
		n.View.handOver(&e.Message)
	}
}

// publish begins the stream at the publisher.
func (s *Sim) publish() {
	n := s.ledger.source
	n.Do(func(now reliability.Time, c Core) {
		engine := c.(*memberCore).Engine()
		key, err := engine.Publish(now, streamName, multicast.PublishOptions{})
		if err != nil {
			s.fail("the stream begins", "publish: %v", err)
			return
		}
		s.startSource(func(m packager.Message) {
			n.Do(func(now reliability.Time, _ Core) {
				if err := engine.Write(now, key, m); err != nil {
					s.fail("the stream is written", "write: %v", err)
				}
			})
		})
	})
}
