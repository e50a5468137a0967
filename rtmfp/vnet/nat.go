package vnet

import (
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// Dependence says on how much of the far address a NAT's mapping or filtering
// depends (RFC 4787 sections 4.1 and 5).
type Dependence uint8

// The three kinds of dependence.
const (
	// EndpointIndependent: the far address does not matter.
	EndpointIndependent Dependence = iota
	// AddressDependent: the far IP address matters.
	AddressDependent
	// AddressAndPortDependent: the far IP address and port matter.
	AddressAndPortDependent
)

// NATParams is how a NAT behaves. The zero value is a full cone without
// hairpinning whose mappings live for 30 s.
type NATParams struct {
	// Mapping says for which far addresses one inside address and port keeps
	// the same outside port.
	Mapping Dependence
	// Filtering says which far addresses may send to an outside port: those
	// to which something was sent through it before.
	Filtering Dependence
	// Hairpin lets inside hosts reach each other by outside addresses.
	Hairpin bool
	// Timeout is how long a mapping and a filter entry live after the last
	// packet from inside; 0 means 30 s.
	Timeout time.Duration
	// InboundRefresh lets packets from outside prolong a mapping too.
	InboundRefresh bool
}

const (
	defaultNATTimeout = 30 * time.Second
	// A NAT with more mappings than this refuses new ones, as a real one with
	// a full table does.
	maxMappings = 16384
	firstPort   = 20000
	portCount   = 65536 - firstPort
)

// FullCone returns the NAT that lets everybody in by a mapping once made. The
// four usual NATs go by the names of RFC 3489 section 5.
func FullCone() NATParams { return NATParams{} }

// AddressRestricted returns the cone that lets in whoever's address was sent to.
func AddressRestricted() NATParams { return NATParams{Filtering: AddressDependent} }

// PortRestricted returns the cone that lets in whoever's address and port were
// sent to.
func PortRestricted() NATParams { return NATParams{Filtering: AddressAndPortDependent} }

// Symmetric returns the NAT with an outside port of its own for each far
// address and port.
func Symmetric() NATParams {
	return NATParams{Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent}
}

// String returns the NAT's usual name.
func (p NATParams) String() string {
	switch {
	case p.Mapping != EndpointIndependent:
		return "symmetric"
	case p.Filtering == EndpointIndependent:
		return "full cone"
	case p.Filtering == AddressDependent:
		return "address restricted"
	}
	return "port restricted"
}

func (d Dependence) key(far netip.AddrPort) netip.AddrPort {
	switch d {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(far.Addr(), 0)
	}
	return far
}

type mappingKey struct{ inside, far netip.AddrPort }

type mapping struct {
	key     mappingKey
	port    uint16
	expires reliability.Time
	// allowed holds, for each far address as far as filtering looks at it,
	// until when it may send. Empty for endpoint-independent filtering.
	allowed map[netip.AddrPort]reliability.Time
}

// nat is a NAT with its table.
type nat struct {
	params   NATParams
	outside  netip.Addr
	byInside map[mappingKey]*mapping
	byPort   map[uint16]*mapping
	ports    Link // its random source chooses ports
	swept    reliability.Time
}

func newNAT(params NATParams, outside netip.Addr, seed1, seed2 uint64) *nat {
	if params.Timeout == 0 {
		params.Timeout = defaultNATTimeout
	}
	return &nat{
		params: params, outside: outside,
		byInside: make(map[mappingKey]*mapping), byPort: make(map[uint16]*mapping),
		ports: newLink(LinkParams{}, seed1, seed2),
	}
}

// outbound translates the source of a packet from inside to far.
func (n *nat) outbound(now reliability.Time, inside, far netip.AddrPort) (netip.AddrPort, bool) {
	n.sweep(now)
	key := mappingKey{inside, n.params.Mapping.key(far)}
	m := n.byInside[key]
	if m == nil || m.expires <= now {
		n.drop(m)
		if m = n.add(key); m == nil {
			return netip.AddrPort{}, false
		}
	}
	m.expires = now.Add(n.params.Timeout)
	if n.params.Filtering != EndpointIndependent {
		m.allowed[n.params.Filtering.key(far)] = m.expires
	}
	return netip.AddrPortFrom(n.outside, m.port), true
}

// inbound translates the destination of a packet from far to an outside port.
func (n *nat) inbound(now reliability.Time, far netip.AddrPort, port uint16) (netip.AddrPort, bool) {
	m := n.byPort[port]
	if m == nil || m.expires <= now {
		return netip.AddrPort{}, false
	}
	if n.params.Filtering != EndpointIndependent {
		if m.allowed[n.params.Filtering.key(far)] <= now {
			return netip.AddrPort{}, false
		}
	}
	if n.params.InboundRefresh {
		m.expires = now.Add(n.params.Timeout)
		if m.allowed != nil {
			m.allowed[n.params.Filtering.key(far)] = m.expires
		}
	}
	return m.key.inside, true
}

func (n *nat) add(key mappingKey) *mapping {
	if len(n.byInside) >= maxMappings {
		return nil
	}
	// Not even a cone keeps the inside port: nothing may rely on it.
	port := uint16(firstPort + n.ports.rng.Uint64()%portCount)
	for n.byPort[port] != nil {
		port = firstPort + (port-firstPort+1)%portCount
	}
	m := &mapping{key: key, port: port}
	if n.params.Filtering != EndpointIndependent {
		m.allowed = make(map[netip.AddrPort]reliability.Time)
	}
	n.byInside[key], n.byPort[port] = m, m
	return m
}

func (n *nat) drop(m *mapping) {
	if m != nil {
		delete(n.byInside, m.key)
		delete(n.byPort, m.port)
	}
}

// sweep forgets what has expired, once in a timeout. The order in which a map
// is walked does not matter here: each entry is judged by itself.
func (n *nat) sweep(now reliability.Time) {
	if now < n.swept.Add(n.params.Timeout) {
		return
	}
	n.swept = now
	for _, m := range n.byInside {
		if m.expires <= now {
			n.drop(m)
			continue
		}
		for far, until := range m.allowed {
			if until <= now {
				delete(m.allowed, far)
			}
		}
	}
}

// reset forgets every mapping, as a router that was restarted does.
func (n *nat) reset() {
	clear(n.byInside)
	clear(n.byPort)
}
