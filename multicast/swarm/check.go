package swarm

import (
	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
)

// isStream reports whether a flow carries a stream's control.
func isStream(f overlay.Flow) bool { return f == overlay.FlowStream || f == overlay.FlowStreamExt }

// checkEnds holds that each fragment sent has ended exactly once, but for those
// that are still under way: arrived, given up after its deadline, or met
// nobody.
func (s *Sim) checkEnds() {
	l := &s.ledger
	ended := l.mediaArrived + l.abandoned + l.mediaDied
	if ended != l.mediaEnded || l.mediaBegun != l.mediaSent || ended > l.mediaSent {
		s.fail("a fragment that is sent ends once", "of %d sent %d arrived, %d were given up, %d met nobody, and %d of %d have ended",
			l.mediaSent, l.mediaArrived, l.abandoned, l.mediaDied, l.mediaEnded, l.mediaBegun)
	}
}

// checkQueues holds the cores' queues to their bounds.
func (s *Sim) checkQueues() {
	const most = 8192 // packets in the upload queue
	for _, n := range s.nodes {
		c, ok := n.Core.(*memberCore)
		if ok && c.uplink.Len() > most {
			s.fail("queues are bounded", "node %d has %d packets in its upload queue", n.index, c.uplink.Len())
		}
		const dials = 200
		if n.Core != nil && len(n.dials) > dials {
			s.fail("dials are bounded", "node %d has %d openings", n.index, len(n.dials))
		}
	}
}

// checkBooks holds what the members count of the stream against the ledger's
// books. It is for runs without churn: a member that knows nothing of the
// stream yet, or no more, does not count what comes.
func (s *Sim) checkBooks() {
	for _, n := range s.nodes {
		c, ok := n.Core.(*memberCore)
		if !ok {
			continue
		}
		s.checkCounters(n, c.Engine().Stats(streamName))
	}
}

func (s *Sim) checkCounters(n *Node, i multicast.Info) {
	b := &n.books
	rows := []struct {
		what       string
		says, real uint64
	}{
		{"fragments sent", i.FragmentsPushedToPeers + i.FragmentsRequestedByPeers, b.sentFragments},
		{"bytes of fragments sent", i.BytesPushedToPeers + i.BytesRequestedByPeers, b.sentBytes},
		{"fragments received", i.FragmentsPushedFromPeers + i.FragmentsRequestedFromPeers, b.firstFragments},
		{"bytes of fragments received", i.BytesPushedFromPeers + i.BytesRequestedFromPeers, b.firstBytes},
		{"duplicates", i.Duplicates, b.againFragments},
		{"bytes of duplicates", i.DuplicateBytes, b.againBytes},
		{"control sent", i.BytesSentControl, b.sentControl},
		{"control received", i.BytesReceivedControl, b.gotControl},
		{"messages", i.Messages, b.messages},
	}
	for _, r := range rows {
		if r.says != r.real {
			s.fail("the counters say what happened: "+r.what, "node %d says %d, it was %d", n.index, r.says, r.real)
		}
	}
}
