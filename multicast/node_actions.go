package multicast

import (
	"errors"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/overlay"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// A dial's outer bounds; the ring gives up sooner by itself. Not more than a
// few hellos go to an address that somebody may have made up.
const (
	dialTimeout = 10 * time.Second
	dialHellos  = 3
)

// circuitDatagram is the largest datagram that goes through a relay, in bytes.
const circuitDatagram = owire.MaxRelayData

// memberActions does what a group asks for, and reports whether it asked.
func (n *Node) memberActions(now reliability.Time, m *membership) bool {
	any := false
	for {
		a, ok := m.member.PollAction()
		if !ok {
			return any
		}
		any = true
		n.act(now, m, &a)
	}
}

func (n *Node) act(now reliability.Time, m *membership, a *Action) {
	p := n.peers[a.Peer]
	switch a.Kind {
	case overlay.ActionDial:
		n.dial(now, m, &a.Action)
	case overlay.ActionCancelDial:
		n.cancelDial(now, a.Peer)
	case overlay.ActionSend:
		if p == nil {
			n.stats.ControlLost++
			return
		}
		n.send(now, p.relation(m), a.Flow, a.Key, a.Data)
	case overlay.ActionPing:
		if p != nil {
			p.session.Ping(now)
		}
	case overlay.ActionCloseFlow:
		if p != nil {
			refuseStreamFlow(now, p, m, a)
		}
	case overlay.ActionCloseLink:
		if p != nil {
			p.endRelation(now, m)
		}
	case overlay.ActionRelease:
		if p != nil {
			p.endRelation(now, m)
			n.releaseIfIdle(now, p)
		}
	case overlay.ActionRejoin:
		n.rejoin(now, m)
	case overlay.ActionRelaySession:
		n.openCircuit(now, m, &a.Action)
	case overlay.ActionRelayData:
		from := circuitAddr(m.number, a.Circuit)
		// The endpoint decrypts in place; the message's bytes are ours.
		n.endpoint.HandleDatagrams(now, []rtmfp.Datagram{{Data: a.Data, From: from, To: from}})
	case overlay.ActionRelayClosed:
		addr := circuitAddr(m.number, a.Circuit)
		for _, p := range n.sortedPeers() {
			if p.session.FarAddr() == addr {
				p.session.Abort(now)
			}
		}
	}
}

// refuseStreamFlow refuses a stream's flow from a peer. Our own to it stay: the
// peer ends them in turn.
func refuseStreamFlow(now reliability.Time, p *contact, m *membership, a *Action) {
	r := p.find(m)
	if r == nil {
		return
	}
	s := r.stream(a.Key, false)
	if s == nil || s.in[a.Flow] == nil {
		return
	}
	s.in[a.Flow].User = nil
	closeFlows(now, nil, s.in[a.Flow])
	s.in[a.Flow] = nil
	r.tidy(s)
}

// dial opens a session with a member.
func (n *Node) dial(now reliability.Time, m *membership, a *overlay.Action) {
	if p := n.peers[a.Peer]; p != nil {
		m.member.HandleSession(now, p.info())
		return
	}
	open := rtmfp.OpenConfig{EPD: profileEPD(a.Peer), Timeout: dialTimeout, Hellos: dialHellos}
	for _, addr := range a.Addrs {
		open.Candidates = append(open.Candidates, addr.AddrPort)
	}
	for _, via := range a.Via {
		if p := n.peers[via]; p != nil && !isCircuit(p.session.FarAddr().Addr()) {
			open.Via = append(open.Via, p.session)
		}
	}
	if len(open.Candidates)+len(open.Via) == 0 {
		m.member.HandleDialFailed(now, a.Peer, overlay.DialUnreachable)
		return
	}
	if s := n.dialing(a.Peer); s != nil {
		s.AddCandidates(now, open.Candidates)
		return
	}
	s, err := n.endpoint.OpenWith(now, open)
	if err != nil {
		m.member.HandleDialFailed(now, a.Peer, overlay.DialRefused)
		return
	}
	n.stats.Dials++
	if s.State() == rtmfp.StateOpen {
		n.dialedOpen(now, m, s, a.Peer)
		return
	}
	n.dials[s] = a.Peer
}

// dialedOpen takes an open session that was found for a dial.
func (n *Node) dialedOpen(now reliability.Time, m *membership, s *rtmfp.Session, id overlay.PeerID) {
	p := n.peers[overlay.PeerID(s.Far().Fingerprint)]
	switch {
	case p != nil && p.session == s: // we know the peer by another ID
		m.member.HandleDialFailed(now, id, overlay.DialRefused)
		if p.find(m) == nil {
			m.member.HandleSession(now, p.info())
		}
	case n.isVisitor(s): // it has been told of us, and calls
		m.member.HandleDialFailed(now, id, overlay.DialRefused)
	default:
		n.peerOpened(now, s)
	}
}

// dialing returns the opening of a session with a peer, or nil.
func (n *Node) dialing(id overlay.PeerID) *rtmfp.Session {
	for s, dialed := range n.dials {
		if dialed == id {
			return s // there is never more than one
		}
	}
	return nil
}

// cancelDial gives an opening up.
func (n *Node) cancelDial(now reliability.Time, id overlay.PeerID) {
	if s := n.dialing(id); s != nil {
		delete(n.dials, s)
		s.Abort(now)
	}
}

// profileEPD returns the discriminator that selects a peer: its fingerprint.
func profileEPD(id overlay.PeerID) []byte { return append([]byte{0x21, 0x0f}, id[:]...) }

// openCircuit runs a session through a relay.
func (n *Node) openCircuit(now reliability.Time, m *membership, a *overlay.Action) {
	if n.peers[a.Peer] != nil {
		return
	}
	through := []netip.AddrPort{circuitAddr(m.number, a.Circuit)}
	if s := n.dialing(a.Peer); s != nil {
		s.AddCandidates(now, through)
		return
	}
	s, err := n.endpoint.OpenWith(now, rtmfp.OpenConfig{EPD: profileEPD(a.Peer), Candidates: through, Timeout: dialTimeout})
	if err != nil {
		m.member.HandleDialFailed(now, a.Peer, overlay.DialRefused)
		return
	}
	if s.State() != rtmfp.StateOpen {
		n.dials[s] = a.Peer
	}
}

// sendRelayed hands datagrams for a circuit to its group.
func (n *Node) sendRelayed(now reliability.Time, t rtmfp.Transmit, run []byte) {
	group, circuit := circuitOf(t.To.Addr())
	for _, m := range n.groups {
		if m.number != group {
			continue
		}
		for len(run) > 0 {
			size := min(t.SegmentSize, len(run))
			n.stats.RelayedPieces++
			m.member.SendRelay(now, circuit, run[:size])
			run = run[size:]
		}
	}
}

// sendMedia writes the fragments whose turn it is, and reports whether there
// were any.
func (n *Node) sendMedia(now reliability.Time) bool {
	any := false
	for {
		k, ok := n.uplink.Poll(now)
		if !ok {
			return any
		}
		any = true
		p := n.peers[k.Peer]
		if p == nil {
			n.stats.MediaDropped++
			continue
		}
		n.sendFragment(now, p, &k)
	}
}

func (n *Node) sendFragment(now reliability.Time, p *contact, k *Packet) {
	for _, r := range p.relations {
		s := r.stream(k.Key, false)
		if s == nil {
			continue
		}
		out := r.open(now, overlay.FlowMedia, k.Key)
		if out == nil {
			break
		}
		err := out.Write(now, k.Data, &rtmfp.Receipt{FinishBy: k.Deadline, NoRetransmit: k.NoRetransmit})
		if errors.Is(err, rtmfp.ErrQueueFull) || err != nil {
			break
		}
		return
	}
	n.stats.MediaDropped++
}
