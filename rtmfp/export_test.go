package rtmfp

// Buffered returns the bytes that the session's receive flows hold, for tests
// that watch the bound.
func (s *Session) Buffered() int { return s.buffered }

// Footprint returns how many things the endpoint keeps of sessions and
// openings in all of its tables, for tests that look for leaks.
func (e *Endpoint) Footprint() int {
	return len(e.sessions) + len(e.tags) + len(e.identity) + len(e.byAddr) + len(e.openings) + len(e.timers) +
		len(e.pending) + len(e.perAddr) + e.waiting + len(e.works) + len(e.outgoing) - e.outHead + len(e.events) - e.eventHead
}
