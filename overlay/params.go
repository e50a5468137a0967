package overlay

import (
	"fmt"
	"time"
)

// RingParams are the settings of a Ring. The defaults were chosen by simulation
// with up to 10,000 members, a tenth of which leave or crash each few minutes,
// and 30 % of all pairs unable to reach each other. Members with different
// settings get along.
type RingParams struct {
	// HeardLimit is how many members a node keeps in mind. More make no
	// difference from 100 on; less than 64 leaves no room for lies. An entry
	// takes about 130 bytes.
	HeardLimit int
	// HeardAge is how long ago somebody must have spoken with a member for it to
	// be dialed or passed on. Other implementations use 300 s as well.
	HeardAge time.Duration
	// MemoryAge is how much longer a quarter of the members that this node has
	// spoken to are remembered. Groups that fell apart find each other by them.
	MemoryAge time.Duration
	// PrefixLimit is how many members with addresses of one provider (/16, or
	// /32 of IPv6) are kept in mind beside the linked ones, so that names made up
	// at one place can't fill the list. It does not hold for private networks
	// nor while fewer than 32 members are known.
	PrefixLimit int

	// GossipFast and GossipSlow are the shortest and longest time between two
	// exchanges that a node starts: fast while young and just after its ring
	// neighbors changed, then slowing down. Slower is less traffic, and changes
	// hardly anything else, since news of the ring go out at once.
	GossipFast, GossipSlow time.Duration

	// ProbeFirst is how long the nearest neighbor on either side may be silent
	// before it is probed, ProbeRing the same for the second and third, ProbeLink
	// for all other links. Shorter finds the dead sooner and costs bytes.
	ProbeFirst, ProbeRing, ProbeLink time.Duration
	// BuryAfter is how long a suspect may be silent until its link is closed.
	BuryAfter time.Duration

	// RingDialLimit is how long to wait for a member that would be a ring
	// neighbor, DialLimit for any other.
	RingDialLimit, DialLimit time.Duration
	// RingDials is how many members of the first kind may be waited for.
	RingDials int
	// DialRate is how many others a node may dial a second, DialBurst how many
	// at once.
	DialRate  float64
	DialBurst int

	// DegreeSlack is c in the number of links to aim at, 2 log2(n) + c. With
	// c >= 10 a group is connected but for one chance in 20,000.
	DegreeSlack int
	// DegreeCap is how many times that number a node has at most. Only ring
	// neighbors are accepted beyond.
	DegreeCap float64
	// PrefixLinks is how many links opened by members with addresses of one
	// provider are accepted.
	PrefixLinks int

	// RelayRate is how many bytes a second a node passes on for each pair of
	// neighbors that can't reach each other, RelayMember for how many pairs with
	// one and the same opener, and RelayCircuits for how many in all.
	RelayRate     int
	RelayMember   int
	RelayCircuits int
}

// DefaultRingParams returns the defaults.
func DefaultRingParams() RingParams {
	return RingParams{
		HeardLimit: 400, HeardAge: 300 * time.Second, MemoryAge: time.Hour, PrefixLimit: 8,
		GossipFast: time.Second, GossipSlow: 20 * time.Second,
		ProbeFirst: time.Second, ProbeRing: 2 * time.Second, ProbeLink: 15 * time.Second, BuryAfter: 10 * time.Second,
		RingDialLimit: 1500 * time.Millisecond, DialLimit: 4500 * time.Millisecond, RingDials: 8, DialRate: 1, DialBurst: 16,
		DegreeSlack: 13, DegreeCap: 1.5, PrefixLinks: 4,
		RelayRate: 2000, RelayMember: 6, RelayCircuits: 64,
	}
}

// Validate returns an error that names the first setting out of range.
func (p RingParams) Validate() error {
	for _, c := range []struct {
		name           string
		value, low, up float64
	}{
		{"HeardLimit", float64(p.HeardLimit), 32, maxHeard},
		{"HeardAge", p.HeardAge.Seconds(), 30, 3600},
		{"MemoryAge", p.MemoryAge.Seconds(), 0, 86400},
		{"PrefixLimit", float64(p.PrefixLimit), 1, maxHeard},
		{"GossipFast", p.GossipFast.Seconds(), 0.1, 60},
		{"GossipSlow", p.GossipSlow.Seconds(), p.GossipFast.Seconds(), 100},
		{"ProbeFirst", p.ProbeFirst.Seconds(), 0.2, 60},
		{"ProbeRing", p.ProbeRing.Seconds(), 0.2, 60},
		{"ProbeLink", p.ProbeLink.Seconds(), 1, 120},
		{"BuryAfter", p.BuryAfter.Seconds(), 3, 120},
		{"RingDialLimit", p.RingDialLimit.Seconds(), 0.2, 60},
		{"DialLimit", p.DialLimit.Seconds(), 0.2, 100},
		{"RingDials", float64(p.RingDials), 2, 32},
		{"DialRate", p.DialRate, 0.01, 100},
		{"DialBurst", float64(p.DialBurst), 1, 64},
		{"DegreeSlack", float64(p.DegreeSlack), 6, 64},
		{"DegreeCap", p.DegreeCap, 1.1, 8},
		{"PrefixLinks", float64(p.PrefixLinks), 1, 1000},
		{"RelayRate", float64(p.RelayRate), 0, 1e6},
		{"RelayMember", float64(p.RelayMember), 0, 64},
		{"RelayCircuits", float64(p.RelayCircuits), 0, 1000},
	} {
		if !(c.value >= c.low && c.value <= c.up) {
			return fmt.Errorf("overlay: %s is %v, want %v to %v", c.name, c.value, c.low, c.up)
		}
	}
	return nil
}
