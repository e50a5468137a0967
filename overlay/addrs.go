package overlay

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

const (
	// maxKnownAddrs is how many addresses of a member are kept. Known peers send
	// seven and that of a server.
	maxKnownAddrs = 8
	// maxOwnAddresses is how many of its own a node tells, likewise.
	maxOwnAddresses = 8
	// maxObserved is how many addresses are kept that neighbors see this node at.
	maxObserved = 7
	// privatePrefix stands for members without a public address.
	privatePrefix = 1
)

// eachAddress calls f for the addresses of an entry.
func eachAddress(addrs string, f func(wire.Address)) {
	for len(addrs) > 0 {
		a, n, err := wire.ParseAddress([]byte(addrs[:min(len(addrs), 19)]))
		if err != nil {
			return
		}
		f(a)
		addrs = addrs[n:]
	}
}

// isPublic reports whether an address may be that of a host elsewhere.
func isPublic(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !a.Is4In6()
}

// prefixOf returns what tells the providers of addresses apart: the upper 16
// bits of IPv4, or 32 of IPv6.
func prefixOf(a netip.Addr) uint32 {
	a = a.Unmap()
	if !isPublic(a) {
		return privatePrefix
	}
	if a.Is4() {
		four := a.As4()
		return 1<<16 | uint32(binary.BigEndian.Uint16(four[:]))
	}
	sixteen := a.As16()
	return 1<<31 | binary.BigEndian.Uint32(sixteen[:])
}

// keyOfID is a short name for a peer, where two that share it do no harm. It is
// not 0.
func keyOfID(id *PeerID) uint32 { return max(1, binary.LittleEndian.Uint32(id[8:12])) }

func (r *Ring) keyOf(l *link) uint32 { return keyOfID(&r.heard.at(l.place).id) }

// learnAddrs adds addresses that others tell of a member to those known.
func (r *Ring) learnAddrs(e *entry, addrs []wire.Address) {
	list := r.scratch.addrs[:0]
	eachAddress(e.addrs, func(a wire.Address) { list = append(list, a) })
	known := len(list)
	for _, a := range addrs {
		list = addAddr(list, a)
	}
	if len(list) > known {
		r.setAddrs(e, list)
	}
	r.scratch.addrs = list[:0]
}

// addAddr appends an address unless it is there or there are too many.
func addAddr(list []wire.Address, a wire.Address) []wire.Address {
	if len(list) >= maxKnownAddrs || !a.IsValid() || a.Port() == 0 ||
		slices.ContainsFunc(list, func(b wire.Address) bool { return a.AddrPort == b.AddrPort }) {
		return list
	}
	return append(list, a)
}

// setAddrs replaces the addresses of a member.
func (r *Ring) setAddrs(e *entry, addrs []wire.Address) {
	b := r.scratch.bytes[:0]
	prefix := uint32(0)
	for _, a := range addrs {
		b = wire.AppendAddress(b, a)
		if p := prefixOf(a.Addr()); a.Origin != wire.OriginRelay && p > prefix && prefix <= privatePrefix {
			prefix = p
		}
	}
	if string(b) != e.addrs {
		e.addrs = string(b)
	}
	e.prefix = prefix
	r.scratch.bytes = b[:0]
}

// noteFar adds the address that a member was seen at to those known of it. The
// provider of that address is what counts.
func (r *Ring) noteFar(e *entry, s *session) {
	if s.relayed || !s.far.IsValid() {
		return
	}
	r.learnAddrs(e, []wire.Address{{AddrPort: s.far, Origin: wire.OriginObserved}})
	e.prefix = prefixOf(s.far.Addr())
}

// ownAddrs returns what reports say about this node: servers, what neighbors
// see, then the rest that was set, eight at most.
func (r *Ring) ownAddrs() []wire.Address {
	list := r.scratch.own[:0]
	for _, a := range r.own {
		if a.Origin == wire.OriginRelay {
			list = addAddr(list, a)
		}
	}
	for _, a := range r.observed {
		list = addAddr(list, a)
	}
	for _, a := range r.own {
		list = addAddr(list, a)
	}
	r.scratch.own = list
	return list
}

// noteSeen takes the address that a neighbor sees this node at.
func (r *Ring) noteSeen(a wire.Address) {
	if !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
		return
	}
	a.Origin = wire.OriginObserved
	i := slices.IndexFunc(r.observed, func(o wire.Address) bool { return o.AddrPort == a.AddrPort })
	if i == 0 {
		return
	}
	fresh := i < 0
	if fresh {
		i = len(r.observed)
		if i < maxObserved {
			r.observed = append(r.observed, a)
		} else {
			i--
		}
	}
	copy(r.observed[1:i+1], r.observed[:i])
	r.observed[0] = a
	r.judgeOwn()
	if fresh {
		r.tell(EventOwnAddress, nil)
	}
}

// judgeOwn finds out whether this node is on a public network. On a private one
// all members may have addresses of one kind.
func (r *Ring) judgeOwn() {
	public := func(a wire.Address) bool { return a.Origin != wire.OriginRelay && isPublic(a.Addr()) }
	r.selfPublic = slices.ContainsFunc(r.own, public) || slices.ContainsFunc(r.observed, public)
}

// prefixLimit returns how many unlinked members of a prefix are kept, 0 for any
// number.
func (r *Ring) prefixLimit(prefix uint32) int {
	if prefix > privatePrefix {
		return r.p.PrefixLimit
	}
	if r.selfPublic {
		return 4 * r.p.PrefixLimit
	}
	return 0
}
