package multicast

import (
	"math"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// parts are what a group can do besides streams, each of them nil if its
// groupspec does not have it.
type parts struct {
	posting    *overlay.Posting
	router     *overlay.Router
	replicator *overlay.Replicator
}

func newParts(c *MemberConfig, settings groupspec.Settings, ring *overlay.Ring) (parts, error) {
	var p parts
	if settings.Posting {
		params := overlay.DefaultPostingParams()
		if c.Posting != nil {
			params = *c.Posting
		}
		if err := params.Validate(); err != nil {
			return p, err
		}
		p.posting = overlay.NewPosting(overlay.PostingConfig{Spec: c.Spec, Params: params, Rand: c.Rand, Transport: c.Transport})
	}
	if settings.Routing {
		p.router = overlay.NewRouter(overlay.RouterConfig{Self: c.Self, Enabled: true, View: ring, Transport: c.Transport, Rand: c.Rand})
	}
	if settings.ObjectReplication && c.Extensions {
		params := overlay.DefaultReplicationParams()
		if c.Replication != nil {
			params = *c.Replication
		}
		if c.Params.UploadLimit == UploadNone {
			params.NoUpload = true
		}
		if err := params.Validate(); err != nil {
			return p, err
		}
		p.replicator = overlay.NewReplicator(overlay.ReplicationConfig{
			Spec: c.Spec, Params: params, Rand: c.Rand, Transport: objectTransport{c.Transport, c.Uplink}, KeepData: c.KeepObjects,
		})
	}
	return p, nil
}

// objectTransport lets objects wait for media: to the replicator all ways look
// full while fragments are queued.
type objectTransport struct {
	overlay.Transport
	uplink *Uplink
}

// Backlog implements overlay.Transport.
func (t objectTransport) Backlog(id overlay.PeerID) (int, float64) {
	if t.uplink != nil && t.uplink.Len() > 0 {
		return math.MaxInt32, 0
	}
	return t.Transport.Backlog(id)
}

// Posting returns the posts, nil in a group without. After calls that take a
// time the member is drained.
func (m *Member) Posting() *overlay.Posting { return m.parts.posting }

// Router returns the directed routing, nil in a group without. After its calls
// the member is drained.
func (m *Member) Router() *overlay.Router { return m.parts.router }

// Replicator returns the object replication, nil in a group without and where
// extensions are switched off. After calls that take a time the member is
// drained.
func (m *Member) Replicator() *overlay.Replicator { return m.parts.replicator }

// handleLink tells all parts of a neighbor that is up or has changed.
func (p *parts) handleLink(now reliability.Time, l overlay.LinkInfo) {
	if p.posting != nil {
		p.posting.HandleLink(now, l)
	}
	if p.router != nil {
		p.router.HandleLink(now, l)
	}
	if p.replicator != nil {
		p.replicator.HandleLink(now, l)
	}
}

// handleLinkDown tells all parts of a neighbor that is none any more.
func (p *parts) handleLinkDown(now reliability.Time, id overlay.PeerID) {
	if p.posting != nil {
		p.posting.HandleLinkDown(now, id)
	}
	if p.router != nil {
		p.router.HandleLinkDown(now, id)
	}
	if p.replicator != nil {
		p.replicator.HandleLinkDown(now, id)
	}
}

// handleMessage takes a message to the part that it is for.
func (p *parts) handleMessage(now reliability.Time, from overlay.PeerID, f overlay.Flow, b []byte) {
	switch f {
	case overlay.FlowPostKeys, overlay.FlowPostValues:
		if p.posting != nil {
			p.posting.HandleMessage(now, from, f, b)
		}
	case overlay.FlowRoute:
		if p.router != nil {
			p.router.HandleMessage(now, from, f, b)
		}
	case overlay.FlowReplication, overlay.FlowObjects:
		if p.replicator != nil {
			p.replicator.HandleMessage(now, from, f, b)
		}
	}
}

func (p *parts) handleTimeout(now reliability.Time) {
	if p.posting != nil && p.posting.PollTimeout() <= now {
		p.posting.HandleTimeout(now)
	}
	if p.router != nil && p.router.PollTimeout() <= now {
		p.router.HandleTimeout(now)
	}
	if p.replicator != nil && p.replicator.PollTimeout() <= now {
		p.replicator.HandleTimeout(now)
	}
}

func (p *parts) pollTimeout() reliability.Time {
	at := reliability.Never
	if p.posting != nil {
		at = min(at, p.posting.PollTimeout())
	}
	if p.router != nil {
		at = min(at, p.router.PollTimeout())
	}
	if p.replicator != nil {
		at = min(at, p.replicator.PollTimeout())
	}
	return at
}

func (p *parts) pollSend() (s overlay.Send, ok bool) {
	if p.posting != nil {
		if s, ok = p.posting.PollSend(); ok {
			return s, true
		}
	}
	if p.router != nil {
		if s, ok = p.router.PollSend(); ok {
			return s, true
		}
	}
	if p.replicator != nil {
		s, ok = p.replicator.PollSend()
	}
	return s, ok
}

func (p *parts) pollEvent() (e MemberEvent, ok bool) {
	if p.posting != nil {
		if e.Post, ok = p.posting.PollEvent(); ok {
			e.Kind = MemberPost
			return e, true
		}
	}
	if p.router != nil {
		if e.Route, ok = p.router.PollEvent(); ok {
			e.Kind = MemberRoute
			return e, true
		}
	}
	if p.replicator != nil {
		if e.Object, ok = p.replicator.PollEvent(); ok {
			e.Kind = MemberObject
			return e, true
		}
	}
	return MemberEvent{}, false
}
