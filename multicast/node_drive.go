package multicast

import (
	"fmt"
	"net/netip"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// HandleDatagrams takes a batch of datagrams, which are decrypted in place.
// Those that came by native multicast are told by the address they came to.
func (n *Node) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	start := 0
	for i := range batch {
		if !batch[i].To.Addr().IsMulticast() {
			continue
		}
		if start < i {
			n.endpoint.HandleDatagrams(now, batch[start:i])
		}
		n.handleNative(now, &batch[i])
		start = i + 1
	}
	if start < len(batch) {
		n.endpoint.HandleDatagrams(now, batch[start:])
	}
}

// HandleTimeout does what is due.
func (n *Node) HandleTimeout(now reliability.Time) {
	if n.endpoint.PollTimeout() <= now {
		n.endpoint.HandleTimeout(now)
	}
	for _, m := range n.groups {
		if m.member.PollTimeout() <= now {
			m.member.HandleTimeout(now)
		}
	}
	n.serverTimeouts(now)
	n.nativeTimeouts(now)
}

// HandleWork takes the result of a Work.
func (n *Node) HandleWork(now reliability.Time, r rtmfp.WorkResult) { n.endpoint.HandleWork(now, r) }

// PollWork returns the next slow computation to be done.
func (n *Node) PollWork() (rtmfp.Work, bool) { return n.endpoint.PollWork() }

// PollTransmit writes the next run of datagrams to buf, which holds at least
// 64 KiB. Between runs the groups answer what has come in.
func (n *Node) PollTransmit(now reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	for range settleRounds {
		size, t, ok := n.endpoint.PollTransmit(now, buf)
		switch {
		case ok && isCircuit(t.To.Addr()):
			n.sendRelayed(now, t, buf[:size])
			continue
		case ok:
			return size, t, true
		}
		if size, t, ok = n.pollNative(now, buf); ok {
			return size, t, true
		}
		if !n.settle(now) {
			return 0, rtmfp.Transmit{}, false
		}
	}
	panic(fmt.Sprintf("multicast: a node with %d groups and %d peers doesn't come to rest", len(n.groups), len(n.peers)))
}

// PollTimeout returns the next deadline.
func (n *Node) PollTimeout() reliability.Time {
	at := n.endpoint.PollTimeout()
	for _, m := range n.groups {
		at = min(at, m.member.PollTimeout())
		at = min(at, m.native.pollTimeout())
	}
	for _, s := range n.servers {
		at = min(at, s.deadline())
	}
	return min(at, n.uplink.PollTimeout())
}

// settle moves what the endpoint has to the groups and back, one round, and
// reports whether there was anything.
func (n *Node) settle(now reliability.Time) bool {
	busy := false
	for {
		e, ok := n.endpoint.PollEvent()
		if !ok {
			break
		}
		busy = true
		n.handleEvent(now, e)
	}
	for _, m := range n.groups {
		busy = n.memberActions(now, m) || busy
		n.memberEvents(m)
	}
	return n.sendMedia(now) || busy
}

// memberEvents hands the events of a group on.
func (n *Node) memberEvents(m *membership) {
	for {
		e, ok := m.member.PollEvent()
		if !ok {
			return
		}
		n.emit(NodeEvent{Kind: NodeMember, Group: m.group, Member: e})
	}
}

// circuitPrefix begins the addresses that stand for relayed circuits: a unique
// local prefix that no interface has.
var circuitPrefix = [6]byte{0xfd, 'r', 'i', 'n', 'g', 0}

// circuitAddr returns the address that stands for a circuit of a group.
func circuitAddr(group int, circuit uint64) netip.AddrPort {
	var a [16]byte
	copy(a[:], circuitPrefix[:])
	a[6], a[7] = byte(group>>8), byte(group)
	for i := range 8 {
		a[8+i] = byte(circuit >> (56 - 8*i))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a), 1)
}

func isCircuit(a netip.Addr) bool {
	if !a.Is6() || a.Is4In6() {
		return false
	}
	b := a.As16()
	return [6]byte(b[:6]) == circuitPrefix
}

// circuitOf is the inverse of circuitAddr.
func circuitOf(a netip.Addr) (group int, circuit uint64) {
	b := a.As16()
	group = int(b[6])<<8 | int(b[7])
	for _, c := range b[8:] {
		circuit = circuit<<8 | uint64(c)
	}
	return group, circuit
}
