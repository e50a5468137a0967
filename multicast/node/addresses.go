package node

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// addressPeriod is how often the interfaces are looked at, for a laptop that is
// carried away.
const addressPeriod = 5 * time.Second

// watchAddresses keeps the core informed of the addresses of this machine.
func (n *Node) watchAddresses(ctx context.Context) {
	ticker := time.NewTicker(addressPeriod)
	defer ticker.Stop()
	var last []netip.AddrPort
	for {
		now := n.ownAddresses()
		if !slices.Equal(now, last) {
			last = now
			_ = n.do(func(at reliability.Time) {
				n.local = now
				n.core.SetAddresses(at, now, append(slices.Clone(n.config.Public), n.observed...))
			})
			var groups []*Group
			_ = n.do(func(reliability.Time) { groups = slices.Clone(n.groups) })
			for _, g := range groups {
				n.refreshNative(g)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// OwnAddrs returns the addresses of this machine by which others on the same
// network reach the node.
func (n *Node) OwnAddrs() []netip.AddrPort { return n.ownAddresses() }

// ownAddresses lists by which addresses others on the same network reach the
// node: those its sockets are bound to, the unspecified one being all of the
// machine's but loopback.
func (n *Node) ownAddresses() []netip.AddrPort {
	interfaces, _ := net.InterfaceAddrs()
	var own []netip.Addr
	for _, i := range interfaces {
		p, err := netip.ParsePrefix(i.String())
		if err != nil {
			continue
		}
		a := p.Addr().Unmap()
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			own = append(own, a)
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	var list []netip.AddrPort
	for _, bound := range n.driver.LocalAddrs() {
		if !bound.Addr().IsUnspecified() {
			list = append(list, bound)
			continue
		}
		for _, a := range own {
			if a.Is4() == bound.Addr().Is4() {
				list = append(list, netip.AddrPortFrom(a, bound.Port()))
			}
		}
	}
	// What a report can carry.
	const most = 6
	return list[:min(len(list), most)]
}
