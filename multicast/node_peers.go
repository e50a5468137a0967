package multicast

import (
	"bytes"
	"slices"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// contact is an open session with another node, whatever it is for.
type contact struct {
	id        overlay.PeerID
	session   *rtmfp.Session
	foreign   bool // it knows us by our alias
	relations []*relation
}

// relation is what one group has with a peer: its flows.
type relation struct {
	peer    *contact
	m       *membership
	out     [overlay.FlowCount]*rtmfp.SendFlow // but for those of streams
	in      [overlay.FlowCount]*rtmfp.RecvFlow
	streams []*streamFlows
}

// streamFlows are the flows of one stream with one peer.
type streamFlows struct {
	key     StreamKey
	out     [overlay.FlowCount]*rtmfp.SendFlow
	in      [overlay.FlowCount]*rtmfp.RecvFlow
	pending [][]byte // extension messages that wait for in[FlowStream]
}

// inFlow is what a flow of a peer belongs to. Its group is nil until its first
// message has told it, and so is the key of a stream's control flow.
type inFlow struct {
	rel   *relation
	flow  overlay.Flow
	key   StreamKey
	keyed bool
}

// outFlow is what a flow to a peer belongs to.
type outFlow struct {
	rel  *relation
	flow overlay.Flow
	key  StreamKey
}

// isStreamFlow reports whether there is a flow of this kind for each stream.
func isStreamFlow(f overlay.Flow) bool {
	return f == overlay.FlowStream || f == overlay.FlowStreamExt || f == overlay.FlowMedia
}

// priorities of flows within a session, higher first. Control goes before
// media, so that its delay tells of the path and not of the queue.
func priority(f overlay.Flow) int {
	switch f {
	case overlay.FlowMember, overlay.FlowOverlay, overlay.FlowStream, overlay.FlowStreamExt:
		return 6
	case overlay.FlowRoute, overlay.FlowPostKeys, overlay.FlowReplication:
		return 5
	case overlay.FlowMedia:
		return 4
	case overlay.FlowPostValues:
		return 3
	default: // objects have all the time in the world
		return 0
	}
}

func (p *contact) info() overlay.SessionInfo {
	near, far := p.session.Nonces()
	return overlay.SessionInfo{
		Peer: p.id, Initiator: p.session.IsInitiator(), Far: p.session.FarAddr(), NearNonce: near, FarNonce: far,
		Relayed: isCircuit(p.session.FarAddr().Addr()), Foreign: p.foreign,
	}
}

// relation returns the peer's relation with a group, and makes one.
func (p *contact) relation(m *membership) *relation {
	for _, r := range p.relations {
		if r.m == m {
			return r
		}
	}
	r := &relation{peer: p, m: m}
	p.relations = append(p.relations, r)
	return r
}

// find returns the peer's relation with a group, or nil.
func (p *contact) find(m *membership) *relation {
	for _, r := range p.relations {
		if r.m == m {
			return r
		}
	}
	return nil
}

// endRelation closes all flows of a group with the peer.
func (p *contact) endRelation(now reliability.Time, m *membership) {
	r := p.find(m)
	if r == nil {
		return
	}
	p.relations = slices.DeleteFunc(p.relations, func(o *relation) bool { return o == r })
	for _, s := range r.streams {
		s.close(now)
	}
	for f := range r.out {
		// What was written last, such as a farewell, still goes out.
		closeFlows(now, r.out[f], r.in[f])
	}
}

func closeFlows(now reliability.Time, out *rtmfp.SendFlow, in *rtmfp.RecvFlow) {
	if in != nil && in.IsOpen() {
		in.Reject(now, 0)
	}
	if out != nil && out.IsOpen() {
		out.Close(now)
	}
}

func (s *streamFlows) close(now reliability.Time) {
	for f := range s.out {
		closeFlows(now, s.out[f], s.in[f])
	}
}

// stream returns the flows of a stream, and makes a place for them unless there
// are too many.
func (r *relation) stream(key StreamKey, create bool) *streamFlows {
	for _, s := range r.streams {
		if s.key == key {
			return s
		}
	}
	if !create || len(r.streams) >= maxStreamFlows {
		return nil
	}
	s := &streamFlows{key: key}
	r.streams = append(r.streams, s)
	return s
}

// tidy forgets a stream that has no flows left.
func (r *relation) tidy(s *streamFlows) {
	for f := range s.out {
		if s.out[f] != nil || s.in[f] != nil {
			return
		}
	}
	r.streams = slices.DeleteFunc(r.streams, func(o *streamFlows) bool { return o == s })
}

// open returns the flow to the peer for messages of this kind, and opens it if
// need be. It is nil when it can't be opened, or not yet.
func (r *relation) open(now reliability.Time, f overlay.Flow, key StreamKey) *rtmfp.SendFlow {
	place, answers := &r.out[f], r.in[overlay.FlowMember]
	if f == overlay.FlowMember {
		answers = nil // others find their way by fixed offsets and expect none
	}
	if isStreamFlow(f) {
		s := r.stream(key, true)
		if s == nil {
			return nil
		}
		place = &s.out[f]
		if f != overlay.FlowStream {
			// Others find the stream of a fragment by this alone.
			if answers = s.in[overlay.FlowStream]; answers == nil {
				return nil
			}
		}
	}
	if *place != nil {
		return *place
	}
	out, err := r.peer.session.OpenFlow(now, rtmfp.FlowConfig{
		Metadata: f.Metadata(), Return: answers, Priority: priority(f), TimeCritical: f == overlay.FlowMedia,
	})
	if err != nil {
		return nil
	}
	out.User = &outFlow{rel: r, flow: f, key: key}
	*place = out
	return out
}

// send writes a control message to the peer.
func (n *Node) send(now reliability.Time, r *relation, f overlay.Flow, key StreamKey, data []byte) {
	out := r.open(now, f, key)
	if out == nil && f == overlay.FlowStreamExt {
		if s := r.stream(key, true); s != nil && len(s.pending) < maxPendingControl {
			s.pending = append(s.pending, data)
			return
		}
	}
	if out == nil || out.Write(now, data, nil) != nil {
		n.stats.ControlLost++
		return
	}
	if f != overlay.FlowObjects || !n.uplink.IsEstimating() {
		n.uplink.Charge(now, len(data)+messageOverhead)
	}
}

// messageOverhead is about what a message costs beside its bytes: IP, UDP,
// packet and chunk headers, padding and authentication.
const messageOverhead = 64

// sortedPeers returns the peers in the order of their IDs, so that nothing
// depends on the order of a map.
func (n *Node) sortedPeers() []*contact {
	list := make([]*contact, 0, len(n.peers))
	for _, p := range n.peers {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *contact) int { return bytes.Compare(a.id[:], b.id[:]) })
	return list
}

// releaseIfIdle closes a session that nobody needs any more.
func (n *Node) releaseIfIdle(now reliability.Time, p *contact) {
	if len(p.relations) > 0 || n.isServer(p.session) || n.isClient(p.session) {
		return
	}
	p.session.Close(now)
}

// Pending returns how many bytes are queued for other nodes or on their way to
// them unacknowledged. A node that wants to leave waits until there are none,
// so that what it said last is heard.
func (n *Node) Pending() int {
	bytes := n.uplink.Bytes()
	for _, p := range n.peers {
		bytes += p.session.Queued()
	}
	return bytes
}

// transport is what the groups may ask about sessions.
type transport struct{ n *Node }

// LastHeard implements overlay.Transport.
func (t transport) LastHeard(id overlay.PeerID) reliability.Time {
	if p := t.n.peers[id]; p != nil {
		return p.session.LastHeard()
	}
	return 0
}

// RTT implements overlay.Transport.
func (t transport) RTT(id overlay.PeerID) (time.Duration, bool) {
	if p := t.n.peers[id]; p != nil {
		return p.session.RTT()
	}
	return 0, false
}

// Backlog implements overlay.Transport.
func (t transport) Backlog(id overlay.PeerID) (int, float64) {
	p := t.n.peers[id]
	if p == nil {
		return 0, 0
	}
	return p.session.Queued(), p.session.SendRate()
}
