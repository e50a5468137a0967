package multicast

import (
	"errors"
	"slices"

	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// handleEvent takes an event of the endpoint to whom it concerns.
func (n *Node) handleEvent(now reliability.Time, e rtmfp.Event) {
	if n.serverEvent(now, e) {
		return
	}
	for _, s := range n.config.Services {
		if s.HandleEvent(now, e) {
			return
		}
	}
	switch e.Kind {
	case rtmfp.SessionOpened:
		n.peerOpened(now, e.Session)
	case rtmfp.SessionFailed:
		n.dialFailed(now, e)
	case rtmfp.SessionClosed:
		n.peerClosed(now, e.Session)
	case rtmfp.AddressChanged:
		if p := n.peers[overlay.PeerID(e.Session.Far().Fingerprint)]; p != nil && p.session == e.Session {
			for _, m := range n.groups {
				m.member.HandleSession(now, p.info())
			}
		}
	case rtmfp.HelloForOther:
		n.introduce(now, e.Hello)
	case rtmfp.PingAnswered:
		id := overlay.PeerID(e.Session.Far().Fingerprint)
		for _, m := range n.groups {
			m.member.HandlePong(now, id)
		}
	case rtmfp.FlowOpened:
		n.flowOpened(now, e.Recv)
	case rtmfp.MessageReceived:
		n.messageReceived(now, e.Recv, e.Data)
	case rtmfp.FlowEnded:
		n.inClosed(now, e.Recv)
	case rtmfp.FlowRejected:
		n.outRejected(now, e.Send)
	}
}

func (n *Node) peerOpened(now reliability.Time, s *rtmfp.Session) {
	id := overlay.PeerID(s.Far().Fingerprint)
	delete(n.dials, s)
	if n.isVisitor(s) {
		return
	}
	if old := n.peers[id]; old != nil && old.session != s {
		if old.session.State() == rtmfp.StateOpen && old.session.IsByOther() != s.IsByOther() {
			// It takes our two names for two members. One link is enough.
			s.Close(now)
			return
		}
		// The far end has come back: what hung on the old session is gone.
		n.forgetPeer(now, old)
	}
	p := &contact{id: id, session: s, foreign: n.isForeign(s)}
	n.peers[id] = p
	if isCircuit(s.FarAddr().Addr()) {
		s.SetDatagramSize(circuitDatagram)
	}
	// Neighbors hand on the hellos of those who want to reach us; before they
	// are neighbors, their word is worth nothing.
	s.SetForwardPolicy(rtmfp.ForwardIgnore)
	if n.isServer(s) {
		s.SetForwardPolicy(rtmfp.ForwardAnswer)
	}
	for _, m := range n.groups {
		m.member.HandleSession(now, p.info())
	}
}

// isForeign reports whether the far end is not of our own kind, to whom we have
// another name.
func (n *Node) isForeign(s *rtmfp.Session) bool {
	return n.config.Alias != overlay.PeerID{} && !s.IsOwn()
}

// isVisitor reports whether the far end of a session is of another make and has
// come to us as a server. It understands no flows of groups there.
func (n *Node) isVisitor(s *rtmfp.Session) bool {
	return n.config.Meets && n.isForeign(s) && !s.IsInitiator() && !s.IsByOther()
}

func (n *Node) dialFailed(now reliability.Time, e rtmfp.Event) {
	id, ours := n.dials[e.Session]
	if !ours {
		return
	}
	delete(n.dials, e.Session)
	var merged *rtmfp.MergedError
	if errors.As(e.Err, &merged) {
		return // the session that it became tells for itself
	}
	n.stats.DialsFailed++
	reason := overlay.DialTimeout
	if e.Session.WasRedirected() {
		reason = overlay.DialUnreachable
	}
	for _, m := range n.groups {
		m.member.HandleDialFailed(now, id, reason)
	}
}

func (n *Node) peerClosed(now reliability.Time, s *rtmfp.Session) {
	delete(n.unbound, s)
	p := n.peers[overlay.PeerID(s.Far().Fingerprint)]
	if p != nil && p.session == s {
		n.forgetPeer(now, p)
	}
}

func (n *Node) forgetPeer(now reliability.Time, p *contact) {
	delete(n.peers, p.id)
	p.relations = nil
	for _, m := range n.groups {
		m.member.HandleSessionClosed(now, p.id)
	}
}

// introduce helps somebody to a peer of ours who asks for it, as long as we
// share a group with that peer: both then get through their NATs.
func (n *Node) introduce(now reliability.Time, h rtmfp.Hello) {
	if !n.config.Introduces {
		return
	}
	s := n.endpoint.SessionByEPD(h.EPD)
	if s == nil || isCircuit(s.FarAddr().Addr()) {
		return
	}
	p := n.peers[overlay.PeerID(s.Far().Fingerprint)]
	if p == nil || p.session != s || len(p.relations) == 0 {
		return
	}
	n.stats.Introduced++
	n.endpoint.Introduce(now, h, s, nil)
}

// flowOpened finds out whom a new flow of a peer belongs to.
func (n *Node) flowOpened(now reliability.Time, f *rtmfp.RecvFlow) {
	kind, known := overlay.FlowByMetadata(f.Metadata())
	if !known {
		n.refuse(now, f)
		return
	}
	if kind == overlay.FlowMember {
		if n.unbound[f.Session()] >= maxUnbound {
			n.refuse(now, f)
			return
		}
		n.unbound[f.Session()]++
		f.User = &inFlow{flow: kind}
		return
	}
	rel, key, keyed := n.answered(f)
	if rel == nil {
		n.refuse(now, f)
		return
	}
	in := &inFlow{rel: rel, flow: kind, key: key, keyed: keyed}
	f.User = in
	switch {
	case kind == overlay.FlowStream:
		in.keyed = false // its announcement names the stream
	case isStreamFlow(kind):
		s := rel.stream(key, true)
		if !keyed || s == nil {
			f.User = nil
			n.refuse(now, f)
			return
		}
		s.in[kind] = f
		if kind == overlay.FlowMedia {
			f.SetNetworkOrder(true)
		}
	default:
		rel.in[kind] = f
	}
}

func (n *Node) refuse(now reliability.Time, f *rtmfp.RecvFlow) {
	n.stats.FlowsRefused++
	f.Reject(now, 0)
}

// answered finds the group, and the stream if there is one, of a flow by the
// flow of ours that it answers. Some leave that out on group flows: then the
// group is known if there is only one.
func (n *Node) answered(f *rtmfp.RecvFlow) (rel *relation, key StreamKey, keyed bool) {
	if back := f.Return(); back != nil {
		if o, ok := back.User.(*outFlow); ok {
			return o.rel, o.key, isStreamFlow(o.flow)
		}
		return nil, key, false
	}
	p := n.peers[overlay.PeerID(f.Session().Far().Fingerprint)]
	if p == nil || p.session != f.Session() || len(p.relations) != 1 {
		return nil, key, false
	}
	return p.relations[0], key, false
}

func (n *Node) messageReceived(now reliability.Time, f *rtmfp.RecvFlow, data []byte) {
	in, ok := f.User.(*inFlow)
	if !ok {
		return
	}
	switch {
	case in.rel == nil:
		if !n.bind(now, f, in, data) {
			n.refuse(now, f)
			f.User = nil
			return
		}
	case in.flow == overlay.FlowStream && !in.keyed:
		if !n.bindStream(now, f, in, data) {
			n.refuse(now, f)
			f.User = nil
			return
		}
	}
	if in.rel.peer.find(in.rel.m) != in.rel {
		return // the group has been left
	}
	in.rel.m.member.HandleMessage(now, in.rel.peer.id, Channel{in.flow, in.key}, data)
}

// bind finds the group of a membership flow by its first message.
func (n *Node) bind(_ reliability.Time, f *rtmfp.RecvFlow, in *inFlow, data []byte) bool {
	if n.unbound[f.Session()]--; n.unbound[f.Session()] <= 0 {
		delete(n.unbound, f.Session())
	}
	p := n.peers[overlay.PeerID(f.Session().Far().Fingerprint)]
	id, err := owire.PeekGroup(data)
	if err != nil || p == nil || p.session != f.Session() {
		return false
	}
	m := n.byGroup(id)
	if m == nil {
		return false
	}
	in.rel = p.relation(m)
	in.rel.in[overlay.FlowMember] = f
	return true
}

// bindStream finds the stream of a control flow by its announcement.
func (n *Node) bindStream(now reliability.Time, f *rtmfp.RecvFlow, in *inFlow, data []byte) bool {
	a, err := wire.ParseAnnouncement(data)
	if err != nil {
		return false
	}
	s := in.rel.stream(StreamKey(a.Key), true)
	if s == nil || s.in[overlay.FlowStream] != nil && s.in[overlay.FlowStream] != f && s.in[overlay.FlowStream].IsOpen() {
		return false
	}
	in.key, in.keyed = s.key, true
	s.in[overlay.FlowStream] = f
	waiting := s.pending
	s.pending = nil
	for _, data := range waiting {
		n.send(now, in.rel, overlay.FlowStreamExt, s.key, data)
	}
	return true
}

// inClosed takes the end of a flow of a peer.
func (n *Node) inClosed(now reliability.Time, f *rtmfp.RecvFlow) {
	in, ok := f.User.(*inFlow)
	if !ok {
		return
	}
	f.User = nil
	if in.rel == nil {
		n.unbound[f.Session()]--
		return
	}
	r := in.rel
	if isStreamFlow(in.flow) {
		s := r.stream(in.key, false)
		if s == nil || s.in[in.flow] != f {
			return
		}
		s.in[in.flow] = nil
		r.tidy(s)
	} else {
		if r.in[in.flow] != f {
			return
		}
		r.in[in.flow] = nil
	}
	if r.peer.find(r.m) == r {
		r.m.member.HandleChannelClosed(now, r.peer.id, Channel{in.flow, in.key})
	}
}

// outRejected takes a peer's refusal of a flow of ours.
func (n *Node) outRejected(now reliability.Time, f *rtmfp.SendFlow) {
	out, ok := f.User.(*outFlow)
	if !ok {
		return
	}
	r := out.rel
	if isStreamFlow(out.flow) {
		s := r.stream(out.key, false)
		if s == nil || s.out[out.flow] != f {
			return
		}
		s.out[out.flow] = nil
		r.tidy(s)
	} else {
		if r.out[out.flow] != f {
			return
		}
		r.out[out.flow] = nil
	}
	if r.peer.find(r.m) == r {
		r.m.member.HandleChannelClosed(now, r.peer.id, Channel{out.flow, out.key})
	}
}

// isClient reports whether the far end of a session is a client of a service
// of ours.
func (n *Node) isClient(s *rtmfp.Session) bool {
	return slices.ContainsFunc(n.config.Services, func(service Service) bool {
		h, ok := service.(interface{ Serves(*rtmfp.Session) bool })
		return ok && h.Serves(s)
	})
}
