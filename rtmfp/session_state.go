package rtmfp

// LastHeard returns when an authentic packet last came from the far end.
func (s *Session) LastHeard() Instant { return s.lastReceived }

// Queued returns how many bytes of messages wait in all flows to be sent or
// acknowledged.
func (s *Session) Queued() int { return s.queued }

// SetDatagramSize bounds the datagrams of this session below the endpoint's
// own limit, in bytes, for a path that is known to carry less: 576 or more. No
// larger ones are tried.
func (s *Session) SetDatagramSize(size int) {
	s.datagram = max(min(size, s.e.params.DatagramSize), 576)
	s.pmtu = newPathMTU(s.datagram, s.datagram)
}

// WasRedirected reports whether an introducer or redirector answered the
// opening: then it was the endpoint itself that did not.
func (s *Session) WasRedirected() bool { return s.status.Redirects > 0 }
