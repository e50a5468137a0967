package timer

import (
	"math/rand/v2"
	"testing"

	"github.com/ringcast/ringcast/reliability"
)

type testTimer uint8

// A table gives the same as looking through all timers each time.
func TestTableAgainstArray(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var table Table[testTimer]
		var plain [TableSize]reliability.Time
		now := reliability.Start
		earliest := func() (id int, at reliability.Time) {
			at = reliability.Never
			for i, other := range plain {
				if other != 0 && other < at {
					id, at = i, other
				}
			}
			return id, at
		}
		for range 2000 {
			id := testTimer(rng.IntN(TableSize))
			at := now + reliability.Time(rng.IntN(30))
			switch rng.IntN(8) {
			case 0, 1, 2:
				table.Set(id, at)
				plain[id] = at
			case 3:
				table.SetEarlier(id, at)
				if plain[id] == 0 || at < plain[id] {
					plain[id] = at
				}
			case 4:
				table.Stop(id)
				plain[id] = 0
			case 5:
				table.Set(id, reliability.Never)
				plain[id] = 0
			default:
				now += reliability.Time(rng.IntN(10))
				for {
					want, at := earliest()
					got, ok := table.PopDue(now)
					if ok != (at <= now) || ok && int(got) != want {
						t.Fatalf("seed %d: got %d, %v; want %d at %d", seed, got, ok, want, at)
					}
					if !ok {
						break
					}
					plain[want] = 0
				}
			}
			if _, at := earliest(); table.Next() != at {
				t.Fatalf("seed %d: next at %d, want %d", seed, table.Next(), at)
			}
			if table.IsSet(id) != (plain[id] != 0) || table.IsSet(id) && table.At(id) != plain[id] || !table.IsSet(id) && table.At(id) != reliability.Never {
				t.Fatalf("seed %d: timer %d is at %d, want %d", seed, id, table.At(id), plain[id])
			}
		}
	}
}

// A timer for the time before all time is due at once.
func TestTableTakesEarlyTimes(t *testing.T) {
	var table Table[testTimer]
	table.Set(3, -5)
	if id, ok := table.PopDue(reliability.Start); id != 3 || !ok || table.Next() != reliability.Never {
		t.Errorf("got %d, %v", id, ok)
	}
}

func BenchmarkTable(b *testing.B) {
	var table Table[testTimer]
	now := reliability.Start
	b.ReportAllocs()
	for b.Loop() {
		now++
		table.Set(testTimer(now%8), now+5)
		table.PopDue(now)
	}
}
