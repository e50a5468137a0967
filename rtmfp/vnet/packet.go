package vnet

import (
	"math/bits"
	"net/netip"
)

// packet is a UDP datagram under way.
type packet struct {
	from, to netip.AddrPort
	data     []byte // its own memory, from the pool
	size     int    // nominal size of the IP packet in bytes
	hops     uint8
	island   int32 // partition of the sender
	// fragmented packets pass links with a smaller MTU.
	fragmented bool
}

// Sizes of IPv4 or IPv6 header and UDP header together, in bytes.
const (
	overheadIPv4 = 20 + 8
	overheadIPv6 = 40 + 8
	// maxHops ends a packet that goes in circles through nested networks.
	maxHops = 32
	// maxPayload is the largest UDP payload over IPv4.
	maxPayload = 65507
)

// packetPool keeps packets for reuse by the power of two of their memory, so
// that a running simulation allocates nothing for them.
type packetPool struct {
	free [17][]*packet
}

// maxFree bounds the packets kept in one size class.
const maxFree = 1 << 16

func (p *packetPool) class(n int) int { return max(bits.Len(uint(max(n, 1)-1)), 6) }

func (p *packetPool) take(n int) *packet {
	class := p.class(n)
	if list := p.free[class]; len(list) > 0 {
		pkt := list[len(list)-1]
		p.free[class] = list[:len(list)-1]
		pkt.data = pkt.data[:n]
		return pkt
	}
	return &packet{data: make([]byte, n, 1<<class)}
}

func (p *packetPool) clone(pkt *packet) *packet {
	c := p.take(len(pkt.data))
	data := c.data
	copy(data, pkt.data)
	*c = *pkt
	c.data = data
	return c
}

func (p *packetPool) release(pkt *packet) {
	class := p.class(cap(pkt.data))
	if len(p.free[class]) < maxFree {
		p.free[class] = append(p.free[class], pkt)
	}
}
