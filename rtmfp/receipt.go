package rtmfp

// Receipt follows one message through a flow and limits how long it is worth
// sending. The zero value is a message that is sent until it arrives.
type Receipt struct {
	// StartBy abandons the message if none of it has been sent by then.
	// Zero means no limit.
	StartBy Instant
	// FinishBy abandons the message if it has not been acknowledged by then.
	// Zero means no limit.
	FinishBy Instant
	// NoRetransmit abandons the message when any of it is lost.
	NoRetransmit bool
	// Priority is added to the flow's priority while the message is the
	// flow's next to go.
	Priority int
	// Parent is a message without which this one is useless: it is abandoned
	// with it. Chains are followed to maxParents.
	Parent *Receipt

	started, abandoned, counted bool
	uncut                       int // messages not yet cut into fragments
	left                        int // fragments not yet acknowledged
}

// maxParents is how far a chain of parents is followed.
const maxParents = 64

// Abandon gives the message up, as soon as the flow is next looked at. It
// cannot be taken back.
func (r *Receipt) Abandon() { r.abandoned = true }

// Abandoned reports whether the message has been given up.
func (r *Receipt) Abandoned() bool { return r.abandoned }

// Delivered reports whether all of the message has been acknowledged.
func (r *Receipt) Delivered() bool { return r.started && r.left == 0 && r.uncut == 0 && !r.abandoned }

// expired reports whether the message is to be given up, and remembers it.
func (r *Receipt) expired(now Instant) bool {
	if r.Delivered() {
		return false
	}
	late := r.late(now)
	p := r.Parent
	for range maxParents {
		if late || p == nil {
			break
		}
		late = p.late(now)
		p = p.Parent
	}
	r.abandoned = late
	return late
}

// late reports whether the message is given up or past its own deadline.
func (r *Receipt) late(now Instant) bool {
	if r.abandoned || r.Delivered() {
		return r.abandoned
	}
	r.abandoned = r.FinishBy != 0 && now > r.FinishBy || r.StartBy != 0 && !r.started && now > r.StartBy
	return r.abandoned
}
