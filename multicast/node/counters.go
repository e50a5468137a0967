package node

import (
	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// Counters is what a node counts of one group, besides its streams. All are
// totals since it was joined.
type Counters struct {
	Ring overlay.RingStats
	// Posting, Routing and Replication are zero in a group that lacks them.
	Posting     overlay.PostingStats
	Routing     overlay.RouterStats
	Replication overlay.ReplicationStats
	// Native is zero without native multicast.
	Native multicast.NativeStats
	// Values counts posts, messages and objects whose value can't be read.
	Values uint64
}

// Counters returns the group's counters; zeros after it was left.
func (g *Group) Counters() (c Counters) {
	_ = g.do(func(reliability.Time) {
		c.Ring, c.Native, c.Values = g.core.Ring().Stats(), g.core.NativeStats(), g.malformed
		if p := g.core.Posting(); p != nil {
			c.Posting = p.Stats()
		}
		if r := g.core.Router(); r != nil {
			c.Routing = r.Stats()
		}
		if r := g.core.Replicator(); r != nil {
			c.Replication = r.Stats()
		}
	})
	return c
}
