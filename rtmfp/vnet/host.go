package vnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ringcast/ringcast/reliability"
)

// Receiver is what a host does with what the network brings it. Drive makes
// one of a protocol core.
type Receiver interface {
	// HandleArrival takes a datagram that arrived at the local address to.
	// data is borrowed for the call.
	HandleArrival(now reliability.Time, from, to netip.AddrPort, data []byte)
	// HandleWake is called at the instant asked for with Host.WakeAt.
	HandleWake(now reliability.Time)
}

// Host is a machine with one or more network interfaces, each of them bound to
// one address and port. Not safe for concurrent use.
type Host struct {
	net      *Net
	id       int32
	ports    []*port
	receiver Receiver
	island   int32
	off      bool
	// wakeAt is the pending timer event that counts; wakeGen tells it from
	// older ones.
	wakeAt  reliability.Time
	wakeGen uint32
	wanted  reliability.Time
}

// port is an interface of a host.
type port struct {
	host     *Host
	id       int32
	lan      *LAN
	addr     netip.AddrPort
	up, down Link
	bound    bool
}

// AddHost makes a host without interfaces.
func (n *Net) AddHost() *Host {
	h := &Host{net: n, id: int32(len(n.hosts)), wakeAt: reliability.Never, wanted: reliability.Never}
	n.hosts = append(n.hosts, h)
	return h
}

// AddInterface attaches h to lan, or to the core if lan is nil, and binds the
// address and port addr there. up and down are the cable from and to the
// host. It fails if the address is taken or a parameter is out of range.
func (h *Host) AddInterface(lan *LAN, addr netip.AddrPort, up, down LinkParams) error {
	for _, p := range []LinkParams{up, down} {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	if !addr.IsValid() || addr.Port() == 0 || addr.Addr().IsMulticast() {
		return fmt.Errorf("vnet: %v is no address a host can bind", addr)
	}
	if lan == nil {
		lan = h.net.core
	}
	p := &port{
		host: h, id: int32(len(h.net.ports)), lan: lan, addr: addr,
		up: h.net.newLink(up), down: h.net.newLink(down), bound: true,
	}
	if err := lan.claim(addr.Addr(), route{port: p}); err != nil {
		return err
	}
	h.net.ports = append(h.net.ports, p)
	h.ports = append(h.ports, p)
	return nil
}

// Rebind moves the interface that has the address from to the address to and
// to another LAN, as a laptop does that is carried away; the links stay as
// they are. What is still under way to the old address is dropped.
func (h *Host) Rebind(from netip.AddrPort, lan *LAN, to netip.AddrPort) error {
	old := h.port(from)
	if old == nil {
		return fmt.Errorf("vnet: the host has no interface %v", from)
	}
	h.detach(old)
	return h.AddInterface(lan, to, old.up.params, old.down.params)
}

func (h *Host) detach(p *port) {
	p.lan.unclaim(p.addr.Addr())
	p.bound = false
	h.ports = slices.DeleteFunc(h.ports, func(q *port) bool { return q == p })
	for group, members := range p.lan.groups {
		p.lan.groups[group] = slices.DeleteFunc(members, func(q *port) bool { return q == p })
	}
}

// Addrs returns the addresses that h has bound, in the order of AddInterface.
func (h *Host) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(h.ports))
	for i, p := range h.ports {
		addrs[i] = p.addr
	}
	return addrs
}

// SetReceiver says who gets what arrives at h. nil drops it.
func (h *Host) SetReceiver(r Receiver) { h.receiver = r }

// SetLinks gives the cable of the interface local new parameters.
func (h *Host) SetLinks(local netip.AddrPort, up, down LinkParams) error {
	p := h.port(local)
	if p == nil {
		return fmt.Errorf("vnet: the host has no interface %v", local)
	}
	for _, params := range []LinkParams{up, down} {
		if err := params.Validate(); err != nil {
			return err
		}
	}
	p.up.params, p.down.params = up, down
	return nil
}

// SetPlugged unplugs the host from all its networks, or plugs it in again.
func (h *Host) SetPlugged(plugged bool) { h.off = !plugged }

// SetPartition puts h into a partition: packets pass only between hosts of
// equal partitions. All hosts start in partition 0.
func (h *Host) SetPartition(partition int) { h.island = int32(partition) }

// Join makes the interface local a member of a multicast group on its LAN.
func (h *Host) Join(local netip.AddrPort, group netip.Addr) error {
	p := h.port(local)
	if p == nil || !group.IsMulticast() {
		return fmt.Errorf("vnet: cannot join %v on %v", group, local)
	}
	if members := p.lan.groups[group]; !slices.Contains(members, p) {
		p.lan.groups[group] = append(members, p)
	}
	return nil
}

// Leave ends a membership.
func (h *Host) Leave(local netip.AddrPort, group netip.Addr) {
	if p := h.port(local); p != nil {
		p.lan.groups[group] = slices.DeleteFunc(p.lan.groups[group], func(q *port) bool { return q == p })
	}
}

// Send sends a datagram from the interface that has the address from, or,
// when from is not valid, from the first interface of to's address family.
// data is copied. A datagram that cannot be sent is counted and dropped, as a
// socket without a route does.
func (h *Host) Send(from, to netip.AddrPort, data []byte) { h.send(from, to, data, false) }

// SendFragmented sends a datagram that links with a smaller MTU pass all the
// same, as if it were cut and put together again.
func (h *Host) SendFragmented(from, to netip.AddrPort, data []byte) { h.send(from, to, data, true) }

func (h *Host) send(from, to netip.AddrPort, data []byte, fragmented bool) {
	n := h.net
	n.stats.Sent++
	p := h.port(from)
	if p == nil {
		i := slices.IndexFunc(h.ports, func(q *port) bool { return q.addr.Addr().Is4() == to.Addr().Is4() })
		if from.IsValid() || i < 0 {
			n.stats.NoRoute++
			return
		}
		p = h.ports[i]
	}
	size := n.nominal(data)
	if to.Addr().Is4() {
		size += overheadIPv4
	} else {
		size += overheadIPv6
	}
	n.stats.SentBytes += uint64(size)
	switch {
	case h.off:
		n.stats.Unplugged++
		return
	case len(data) > maxPayload:
		n.stats.TooBig++
		return
	}
	pkt := n.pool.take(len(data))
	copy(pkt.data, data)
	pkt.from, pkt.to, pkt.size, pkt.hops, pkt.island, pkt.fragmented = p.addr, to, size, 0, h.island, fragmented
	n.send(&p.up, evForward, p.lan.id, pkt)
}

// WakeAt asks for one call of Receiver.HandleWake at t, in place of any asked
// for before. Never asks for none.
func (h *Host) WakeAt(t reliability.Time) {
	h.wanted = t
	if t == reliability.Never || t >= h.wakeAt {
		// The pending event comes early enough; it re-arms itself.
		return
	}
	h.arm(t)
}

func (h *Host) arm(t reliability.Time) {
	h.wakeAt = max(t, h.net.now)
	h.wakeGen++
	h.net.events.Push(h.wakeAt, event{kind: evWake, what: h.id, arg: h.wakeGen})
}

// wake handles a timer event.
func (h *Host) wake(gen uint32) {
	if gen != h.wakeGen {
		return
	}
	h.wakeAt = reliability.Never
	switch {
	case h.wanted == reliability.Never:
	case h.wanted > h.net.now:
		h.arm(h.wanted)
	default:
		h.wanted = reliability.Never
		if h.receiver != nil {
			h.receiver.HandleWake(h.net.now)
		}
	}
}

func (h *Host) port(addr netip.AddrPort) *port {
	for _, p := range h.ports {
		if p.addr == addr {
			return p
		}
	}
	return nil
}

// deliver hands a packet that came over the cable to the host.
func (p *port) deliver(pkt *packet) {
	h, n := p.host, p.host.net
	switch {
	case h.off || !p.bound:
		n.drop(pkt, &n.stats.Unplugged)
		return
	case h.island != pkt.island:
		n.drop(pkt, &n.stats.Partitioned)
		return
	case !pkt.to.Addr().IsMulticast() && pkt.to != p.addr:
		n.drop(pkt, &n.stats.NoRoute) // another port: nobody listens
		return
	}
	n.stats.Delivered++
	n.mix(uint64(n.now))
	n.mix(uint64(p.id)<<32 | uint64(len(pkt.data)))
	if h.receiver != nil {
		h.receiver.HandleArrival(n.now, pkt.from, pkt.to, pkt.data)
	}
	n.pool.release(pkt)
}
