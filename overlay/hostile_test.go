package overlay

// hostile is what a member does that means harm.
type hostile struct {
	shy  bool // the introducer does not know it
	deaf bool // answers no hello
	// handle takes a message before the ring does; true keeps it from the ring.
	handle func(s *sim, n *simNode, from PeerID, f Flow, data []byte) bool
	act    func(s *sim, n *simNode)
}
