package overlay

import (
	"fmt"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
)

// PostingParams are the settings of Posting. Members with different settings
// get along.
type PostingParams struct {
	// Coalesce is how long a new key waits for others, so that they go out
	// together. Longer is slower by as much at each hop and saves little.
	Coalesce time.Duration
	// BusyRate is how many new posts a second make the group a busy one. Keys
	// then go to BusyRing ring neighbors, for coverage, and to BusyRandom
	// others, for speed, which stay the same for BusyKeep, and wait for
	// BusyCoalesce: half the keys at a third more delay.
	BusyRate             float64
	BusyRing, BusyRandom int
	BusyKeep             time.Duration
	BusyCoalesce         time.Duration
	// Patience is how long at least to wait for a post that was asked for
	// before another neighbor is asked, up to Attempts of them. Shorter brings
	// more posts twice.
	Patience time.Duration
	Attempts int
	// KeyAge is how long a post is known again, ValueAge how long it is kept
	// for others.
	KeyAge, ValueAge time.Duration
	// NewcomerAge is how old a post may be for a new neighbor to be told of it.
	NewcomerAge time.Duration
	// Keys and Bytes bound what is kept; the oldest goes first.
	Keys, Bytes int
	// MaxLen is the longest post of this node, in bytes. Those of others may
	// have wire.MaxPostLen.
	MaxLen int
}

// DefaultPostingParams returns the defaults.
func DefaultPostingParams() PostingParams {
	return PostingParams{
		Coalesce: 20 * time.Millisecond,
		BusyRate: 20, BusyRing: 4, BusyRandom: 12, BusyKeep: time.Minute, BusyCoalesce: 100 * time.Millisecond,
		Patience: 400 * time.Millisecond, Attempts: 4,
		KeyAge: 5 * time.Minute, ValueAge: 2 * time.Minute, NewcomerAge: 10 * time.Second,
		Keys: 4096, Bytes: 4 << 20, MaxLen: 64 << 10,
	}
}

// Validate returns an error that names the first setting out of range.
func (p PostingParams) Validate() error {
	for _, c := range []struct {
		name           string
		value, low, up float64
	}{
		{"Coalesce", p.Coalesce.Seconds(), 0, 1},
		{"BusyRate", p.BusyRate, 1, 1e6},
		{"BusyRing", float64(p.BusyRing), 2, 2 * ringSide},
		{"BusyRandom", float64(p.BusyRandom), 0, 256},
		{"BusyKeep", p.BusyKeep.Seconds(), 1, 3600},
		{"BusyCoalesce", p.BusyCoalesce.Seconds(), p.Coalesce.Seconds(), 1},
		{"Patience", p.Patience.Seconds(), 0.05, 60},
		{"Attempts", float64(p.Attempts), 1, maxAnnouncers},
		{"KeyAge", p.KeyAge.Seconds(), 10, 3600},
		{"ValueAge", p.ValueAge.Seconds(), 5, p.KeyAge.Seconds()},
		{"NewcomerAge", p.NewcomerAge.Seconds(), 0, p.ValueAge.Seconds()},
		{"Keys", float64(p.Keys), 64, 1 << 20},
		{"Bytes", float64(p.Bytes), owire.MaxPostLen, 1 << 30},
		{"MaxLen", float64(p.MaxLen), 1, owire.MaxPostLen},
	} {
		if !(c.value >= c.low && c.value <= c.up) {
			return fmt.Errorf("overlay: posting: %s is %v, want %v to %v", c.name, c.value, c.low, c.up)
		}
	}
	return nil
}
