package overlay

import (
	"fmt"
	"time"
)

// ReplicationParams are the settings of a Replicator. Members with different
// settings get along.
type ReplicationParams struct {
	// Strategy chooses what is asked for next. ReplicationRarestFirst is half as
	// long again for all together than ReplicationLowestFirst, which serves those
	// who read from the start.
	Strategy ReplicationStrategy
	// PerNeighbor is how many objects are asked of one neighbor at a time, more if
	// few have anything, and InFlight how many of all. More do not help, a third
	// of it costs a fifth of the speed.
	PerNeighbor, InFlight int
	// Patience is how long to wait for an object before another neighbor that has
	// it is asked.
	Patience time.Duration
	// Coalesce is how long news of objects that this node has may wait for
	// others.
	Coalesce time.Duration
	// Reveal is how many objects a node that brought many into the group shows to
	// each neighbor at a time, as long as nobody else has them. So each of them
	// leaves it about once, instead of four times. 0 shows all to everybody.
	Reveal int
	// NoUpload keeps the node from offering what it has.
	NoUpload bool
	// Rate is how many bytes of objects a second may leave; 0 is as fast as the
	// transport takes them.
	Rate float64
}

// DefaultReplicationParams returns the defaults.
func DefaultReplicationParams() ReplicationParams {
	return ReplicationParams{
		Strategy: ReplicationRarestFirst, PerNeighbor: 3, InFlight: 24, Patience: 10 * time.Second,
		Coalesce: 100 * time.Millisecond, Reveal: 4,
	}
}

// Validate returns an error that names the first setting out of range.
func (p ReplicationParams) Validate() error {
	if p.Strategy != ReplicationLowestFirst && p.Strategy != ReplicationRarestFirst {
		return fmt.Errorf("overlay: replication: Strategy is %q, want %q or %q", p.Strategy, ReplicationLowestFirst, ReplicationRarestFirst)
	}
	for _, c := range []struct {
		name           string
		value, low, up float64
	}{
		{"PerNeighbor", float64(p.PerNeighbor), 1, maxQueuedOf},
		{"InFlight", float64(p.InFlight), float64(p.PerNeighbor), 1024},
		{"Patience", p.Patience.Seconds(), 1, 600},
		{"Coalesce", p.Coalesce.Seconds(), 0, 10},
		{"Reveal", float64(p.Reveal), 0, 64},
		{"Rate", p.Rate, 0, 1e12},
	} {
		if !(c.value >= c.low && c.value <= c.up) {
			return fmt.Errorf("overlay: replication: %s is %v, want %v to %v", c.name, c.value, c.low, c.up)
		}
	}
	return nil
}
