package vnet

import (
	"fmt"
	"net/netip"
	"time"
)

// LANParams describes a network of hosts that is attached to another one.
type LANParams struct {
	// NAT translates between the LAN and the network it is attached to. nil
	// means plain routing: the hosts' own addresses are known outside.
	NAT *NATParams
	// Outside is the address of the NAT on the outer network. Required with a
	// NAT, meaningless without.
	Outside netip.Addr
	// Up and Down are the LAN's link to the outer network, shared by all of
	// its hosts.
	Up, Down LinkParams
	// NoMulticast makes a LAN that carries no multicast.
	NoMulticast bool
}

// LAN is a network of hosts: the core, or one attached to the core or to
// another LAN, by way of a NAT or not. Hosts of one LAN reach each other
// directly, and share its multicast. Not safe for concurrent use.
type LAN struct {
	net      *Net
	id       int32
	parent   *LAN
	nat      *nat
	up, down Link
	routes   map[netip.Addr]route
	// members of each multicast group, in the order in which they joined.
	groups      map[netip.Addr][]*port
	noMulticast bool
	// path adds delay to packets that come onto the LAN; the core only.
	path func(from, to netip.Addr) time.Duration
}

// route is the way to an address from within a LAN: a port of a host on it,
// or another LAN attached to it.
type route struct {
	port *port
	lan  *LAN
}

// AddLAN attaches a new LAN to the core. It fails if params are out of range
// or the outside address is taken.
func (n *Net) AddLAN(params LANParams) (*LAN, error) { return n.core.AddLAN(params) }

// AddLAN attaches a new LAN to l, as for a NAT behind a NAT.
func (l *LAN) AddLAN(params LANParams) (*LAN, error) {
	for _, p := range []LinkParams{params.Up, params.Down} {
		if err := p.Validate(); err != nil {
			return nil, err
		}
	}
	n := l.net
	child := n.newLAN(l)
	child.up, child.down = n.newLink(params.Up), n.newLink(params.Down)
	child.noMulticast = params.NoMulticast
	if params.NAT != nil {
		if !params.Outside.IsValid() {
			return nil, fmt.Errorf("vnet: LAN with a NAT needs an outside address")
		}
		if err := l.claim(params.Outside, route{lan: child}); err != nil {
			return nil, err
		}
		a, b := n.seeds()
		child.nat = newNAT(*params.NAT, params.Outside, a, b)
	}
	return child, nil
}

// Outside returns the address of l's NAT on the outer network, or the zero
// address if l has no NAT.
func (l *LAN) Outside() netip.Addr {
	if l.nat == nil {
		return netip.Addr{}
	}
	return l.nat.outside
}

// ResetNAT makes l's NAT forget all mappings, as a restarted router does.
func (l *LAN) ResetNAT() {
	if l.nat != nil {
		l.nat.reset()
	}
}

// SetLinks gives l's link to the outer network new parameters. Packets under
// way are not touched.
func (l *LAN) SetLinks(up, down LinkParams) error {
	for _, p := range []LinkParams{up, down} {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	l.up.params, l.down.params = up, down
	return nil
}

// claim makes addr known on l and on the outer networks up to the first NAT.
func (l *LAN) claim(addr netip.Addr, r route) error {
	if _, taken := l.routes[addr]; taken {
		return fmt.Errorf("vnet: address %v is taken", addr)
	}
	if l.parent != nil && l.nat == nil {
		if err := l.parent.claim(addr, route{lan: l}); err != nil {
			return err
		}
	}
	l.routes[addr] = r
	return nil
}

func (l *LAN) unclaim(addr netip.Addr) {
	delete(l.routes, addr)
	if l.parent != nil && l.nat == nil {
		l.parent.unclaim(addr)
	}
}

// forward carries a packet that is on l one step further.
func (l *LAN) forward(pkt *packet) {
	n := l.net
	if pkt.hops++; pkt.hops > maxHops {
		n.drop(pkt, &n.stats.NoRoute)
		return
	}
	if pkt.to.Addr().IsMulticast() {
		l.flood(pkt)
		return
	}
	if l.nat != nil && pkt.to.Addr() == l.nat.outside {
		l.hairpin(pkt)
		return
	}
	if r, ok := l.routes[pkt.to.Addr()]; ok {
		if r.port != nil {
			n.send(&r.port.down, evDeliver, r.port.id, pkt)
		} else {
			n.send(&r.lan.down, evInbound, r.lan.id, pkt)
		}
		return
	}
	if l.parent == nil {
		n.drop(pkt, &n.stats.NoRoute)
		return
	}
	if l.nat != nil && !l.translateOut(pkt) {
		return
	}
	n.send(&l.up, evForward, l.parent.id, pkt)
}

// enter takes a packet that comes from the outer network.
func (l *LAN) enter(pkt *packet) {
	if l.nat != nil && !l.translateIn(pkt) {
		return
	}
	l.forward(pkt)
}

// hairpin turns a packet from inside to the outside address back in.
func (l *LAN) hairpin(pkt *packet) {
	if !l.nat.params.Hairpin {
		l.net.drop(pkt, &l.net.stats.Filtered)
		return
	}
	if l.translateOut(pkt) && l.translateIn(pkt) {
		l.forward(pkt)
	}
}

func (l *LAN) translateOut(pkt *packet) bool {
	from, ok := l.nat.outbound(l.net.now, pkt.from, pkt.to)
	if !ok {
		l.net.drop(pkt, &l.net.stats.NATFull)
		return false
	}
	pkt.from = from
	return true
}

func (l *LAN) translateIn(pkt *packet) bool {
	to, ok := l.nat.inbound(l.net.now, pkt.from, pkt.to.Port())
	if !ok || pkt.to.Addr() != l.nat.outside {
		l.net.drop(pkt, &l.net.stats.Filtered)
		return false
	}
	pkt.to = to
	return true
}

// flood hands a multicast packet to each member on the LAN but its sender. It
// goes no further: no router forwards multicast here.
func (l *LAN) flood(pkt *packet) {
	n := l.net
	if !l.noMulticast {
		for _, member := range l.groups[pkt.to.Addr()] {
			if member.addr != pkt.from {
				n.stats.Multicast++
				n.send(&member.down, evDeliver, member.id, n.pool.clone(pkt))
			}
		}
	}
	n.drop(pkt, &n.stats.Flooded)
}
