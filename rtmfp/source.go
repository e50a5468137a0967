package rtmfp

import "net/netip"

// SourceOf returns what counts as one source of requests: an IPv4 address, or
// the /64 of an IPv6 one, since that is what a single host commonly has. It is
// the zero Prefix for loopback addresses, which nobody can flood from afar.
func SourceOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}

// isFull reports whether a source has opened as many sessions as it may.
func (e *Endpoint) isFull(a netip.Addr) bool {
	source := SourceOf(a)
	return source.IsValid() && e.bySource[source] >= e.params.SessionsPerAddress
}

// enterSource counts a session for the source that has opened it, where it
// stays until its end even if its far end moves to another address.
func (e *Endpoint) enterSource(s *Session) {
	if s.source = SourceOf(s.addr.Addr()); s.source.IsValid() {
		e.bySource[s.source]++
	}
}

func (e *Endpoint) leaveSource(s *Session) {
	if !s.source.IsValid() {
		return
	}
	if e.bySource[s.source]--; e.bySource[s.source] == 0 {
		delete(e.bySource, s.source)
	}
	s.source = netip.Prefix{}
}
