package multicast

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/ringcast/ringcast/multicast/ipm"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// localHops keeps datagrams on the LAN.
const localHops = 1

// native is a group's part on native IP multicast: members that look for each
// other on the LAN, and streams. All addresses of the group carry the same.
type native struct {
	m         *membership
	addrs     []netip.AddrPort
	sender    *ipm.Sender
	receiver  *ipm.Receiver
	discovery *ipm.Discovery // nil if the groupspec does not want it
	available bool           // this machine takes part
	relay     bool           // streams may be passed on to the LAN
	told      nativeView

	datagram []byte
	size     int
	hops     int
	next     int // of addrs, for the datagram
}

// openNative begins what a groupspec says of native multicast.
func (n *Node) openNative(now reliability.Time, m *membership, spec *groupspec.Spec) {
	settings := spec.Settings()
	if len(settings.Addresses) == 0 {
		return
	}
	keys := ipm.KeysOf(spec.Identity())
	self := ipm.TagOf(n.self)
	c := &native{
		m: m, receiver: ipm.NewReceiver(keys, self), datagram: make([]byte, ipm.MaxDatagram),
		sender: ipm.NewSender(ipm.SenderConfig{
			Keys: keys, Self: self, FirstSequence: n.config.FirstSequence, Entropy: n.config.Entropy, DatagramSize: ipm.DefaultDatagramSize,
		}),
	}
	for _, a := range settings.Addresses {
		c.addrs = append(c.addrs, a.Group)
	}
	if settings.MemberUpdates && !settings.PeerToPeerDisabled {
		c.discovery = ipm.NewDiscovery(self, n.config.Rand)
	}
	m.native = c
	n.updateNative(now, m)
}

// SetNative tells which native multicast addresses work at present, because the
// sockets of this machine take part in them, and whether the node may pass
// streams on to its LAN.
func (n *Node) SetNative(now reliability.Time, g *Group, available, relay bool) {
	m := n.byGroup(g.id)
	if m == nil || m.native == nil {
		return
	}
	c := m.native
	if available && !c.available && c.discovery != nil {
		c.discovery.Start(now)
	}
	c.available, c.relay = available, relay
	n.updateNative(now, m)
}

// NativeStats is what a node counts of a group's native multicast.
type NativeStats struct {
	Sent     ipm.SenderStats
	Received ipm.ReceiverStats
}

// NativeStats returns the counters of native multicast, which are zero in a
// group without.
func (g *Group) NativeStats() (s NativeStats) {
	if m := g.node.byGroup(g.id); m != nil && m.native != nil {
		s.Sent, s.Received = m.native.sender.Stats(), m.native.receiver.Stats()
	}
	return s
}

func (n *Node) updateNative(now reliability.Time, m *membership) {
	c := m.native
	rank := 0
	if c.discovery != nil {
		rank = c.discovery.Below(now)
	}
	if state := (nativeView{c.available, c.relay, rank}); state != c.told {
		c.told = state
		m.member.Engine().SetNative(now, c.available, c.relay, rank)
	}
}

// nativeView is what the streams have been told of native multicast.
type nativeView struct {
	available, relay bool
	rank             int
}

func (c *native) pollTimeout() reliability.Time {
	if c == nil || c.discovery == nil {
		return reliability.Never
	}
	return c.discovery.PollTimeout()
}

// handleNative takes a datagram that came to a multicast address. Groups on one
// address tell theirs by its tag.
func (n *Node) handleNative(now reliability.Time, d *rtmfp.Datagram) {
	for _, m := range n.groups {
		if m.native == nil {
			continue
		}
		p, err := m.native.receiver.Open(now, d.Data)
		if errors.Is(err, ipm.ErrForeign) {
			continue
		}
		if err == nil {
			n.handlePacket(now, m, &p, d.From)
		}
		return
	}
	n.stats.NativeForeign++
}

func (n *Node) handlePacket(now reliability.Time, m *membership, p *ipm.Packet, from netip.AddrPort) {
	for {
		chunk, ok := p.Next()
		if !ok {
			return
		}
		switch chunk.Type {
		case ipm.TypeMemberQuery, ipm.TypeMemberInfo:
			n.nativeMember(now, m, p.Sender, chunk)
		case ipm.TypeFragment:
			if key, fragment, err := ipm.ParseFragment(chunk.Body); err == nil {
				m.member.HandleNative(now, [8]byte(key), fragment, tagBytes(p.Sender))
			}
		case ipm.TypeStreamInfo:
			if info, err := ipm.ParseStreamInfo(chunk.Body); err == nil {
				m.member.HandleNativeInfo(now, info.Announcement, info.Relayed, tagBytes(p.Sender))
			}
		}
	}
}

// nativeMember takes what a member on the LAN says of itself.
func (n *Node) nativeMember(now reliability.Time, m *membership, sender ipm.Tag, chunk ipm.Chunk) {
	member, err := ipm.ParseMember(chunk.Body)
	c := m.native
	if err != nil || c.discovery == nil || !c.discovery.HandleMember(now, sender, chunk.Type, &member) {
		return
	}
	m.member.HandleLANMember(now, overlay.PeerID(member.Peer), member.Addresses)
	m.member.Engine().SetLAN(now, overlay.PeerID(member.Peer))
	n.updateNative(now, m)
}

// nativeTimeouts does what is due on native multicast.
func (n *Node) nativeTimeouts(now reliability.Time) {
	for _, m := range n.groups {
		if c := m.native; c != nil && c.discovery != nil && c.discovery.PollTimeout() <= now {
			c.discovery.HandleTimeout(now)
			n.updateNative(now, m)
		}
	}
}

// pollNative returns the next datagram for native multicast: each goes to all
// addresses of its group.
func (n *Node) pollNative(now reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	for _, m := range n.groups {
		c := m.native
		if c == nil || !c.available {
			continue
		}
		if c.size == 0 && !n.fillNative(now, c) {
			continue
		}
		size := copy(buf, c.datagram[:c.size])
		t := rtmfp.Transmit{To: c.addrs[c.next], SegmentSize: size, HopLimit: c.hops}
		if c.next++; c.next == len(c.addrs) {
			c.next, c.size = 0, 0
		}
		n.stats.NativeSent++
		return size, t, true
	}
	return 0, rtmfp.Transmit{}, false
}

// fillNative makes the group's next datagram.
func (n *Node) fillNative(_ reliability.Time, c *native) bool {
	if c.discovery != nil {
		for {
			kind, ok := c.discovery.PollSend()
			if !ok {
				break
			}
			c.sender.AddMember(kind, ipm.Member{Peer: n.self, Addresses: n.localAddresses()})
		}
	}
	for {
		out, ok := c.m.member.PollNative()
		if !ok {
			break
		}
		if out.Fragment != nil {
			c.sender.AddFragment(ipm.KeyPrefix(out.Key[:8]), out.Fragment)
		} else {
			c.sender.AddStreamInfo(ipm.StreamInfo{Announcement: out.Announcement, Relayed: out.Relayed})
		}
	}
	size, local, ok := c.sender.PollTransmit(c.datagram)
	if !ok {
		return false
	}
	c.size, c.hops = size, 0
	if local {
		c.hops = localHops
	}
	return true
}

// localAddresses are those by which members on the LAN reach this node.
func (n *Node) localAddresses() []wire.Address {
	list := make([]wire.Address, 0, len(n.own))
	for _, a := range n.own {
		list = append(list, wire.Address{AddrPort: a, Origin: wire.OriginLocal})
	}
	return list
}

func tagBytes(t ipm.Tag) (b [4]byte) {
	binary.BigEndian.PutUint32(b[:], uint32(t))
	return b
}
