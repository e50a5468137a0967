package wire

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
)

// collect writes down a run map, newest run first.
func collect(m RunMap) (text string, held []fragmenter.ID) {
	for runs := m.Runs(); ; {
		run, ok := runs.Next()
		if !ok {
			slices.Sort(held)
			return text, held
		}
		sign := "-"
		if run.Held {
			sign = "+"
			for id := run.First; id <= run.Last; id++ {
				held = append(held, id)
			}
		}
		text += fmt.Sprintf("%s%d..%d ", sign, run.First, run.Last)
	}
}

func TestStatus(t *testing.T) {
	full := Status{
		Leaf: true, Publisher: true, Slots: 66, Used: 12, Queue: 40 * time.Millisecond, KeyFrame: 290, KeyFragments: 25,
		Lag: [8]Lag{0, 1, 2, 3, 4, 5, 254, LagUnknown}, Free: 0x81,
		LowestChild: [8]Value{NoChild, 0, 1, 2, 3, 4, 5, 6},
	}
	h := holdRange(285, 300)
	h.without(299)
	h.without(290)
	short := Status{Slots: 1, Publisher: true, Lack: 9}
	timed := Status{Slots: 1, HasClock: true, Stratum: 3, Clock: 0x01020304}
	for _, c := range []struct {
		name string
		s    Status
		h    *holding
		want string
		runs string
	}{
		{"all fields", full, h, "60 03 42 0c 28 8222 19 00010203 0405feff 81 ff000102 03040506 | 822c 0f 00 01 08 01 05", "+300..300 -299..299 +291..298 -290..290 +285..289 "},
		{"with a clock", timed, hold(1, 1), "60 04 01 00 00 00 00 0000000000000000 00 0000000000000000 03 01020304 | 01 00", "+1..1 "},
		{"natively", Status{Native: true}, hold(1), "60 08 00 00 00 00 00 0000000000000000 00 0000000000000000 | 00 00", ""},
		{"with a lack", short, hold(1, 1), "60 8112 01 00 00 00 00 0000000000000000 00 0000000000000000 | 01 00", "+1..1 "},
		{"nothing held", Status{}, hold(1), "60 00 00 00 00 00 00 0000000000000000 00 0000000000000000 | 00 00", ""},
		{"one held", Status{}, hold(1, 1), "60 00 00 00 00 00 00 0000000000000000 00 0000000000000000 | 01 00", "+1..1 "},
		{"all held", Status{}, holdRange(1, 10), "60 00 00 00 00 00 00 0000000000000000 00 0000000000000000 | 0a 09 09", "+1..10 "},
		{"missing at the old end", Status{}, hold(1, 10), "60 00 00 00 00 00 00 0000000000000000 00 0000000000000000 | 0a 09 00 09", "+10..10 -1..9 "},
	} {
		want := unhex(t, string(bytes.ReplaceAll([]byte(c.want), []byte("|"), nil)))
		got := AppendStatus([]byte{9}, c.s, c.h, 1000)
		if !bytes.Equal(got[1:], want) {
			t.Errorf("%s: got %x, want %x", c.name, got[1:], want)
		}
		s, m, err := ParseStatus(want)
		text, held := collect(m)
		if err != nil || s != c.s || text != c.runs || !slices.Equal(held, c.h.all()) {
			t.Errorf("%s: parses as %+v with %s, %v", c.name, s, text, err)
		}
		for i := range want {
			if _, _, err := ParseStatus(want[:i]); err == nil {
				t.Errorf("%s: %x parses", c.name, want[:i])
			}
		}
		if _, _, err := ParseStatus(append(want, 1)); err == nil {
			t.Errorf("%s: a byte too many is not noticed", c.name)
		}
	}
}

func TestBadRunMaps(t *testing.T) {
	head := AppendStatus(nil, Status{}, hold(1), 0)
	head = head[:len(head)-2]
	for _, bad := range []string{
		"0a 0a 0a",              // down to 0
		"0a 0b",                 // below 0
		"00 01 01",              // nothing held, but something told
		"0a 09 0a",              // a run too long
		"0a 09 04",              // runs end early
		"0a 09 04 00 05",        // an empty run in between
		"0a 09 09 01",           // a run too many
		"cfffffffffffffff7f 00", // a number out of range
	} {
		if _, m, err := ParseStatus(append(slices.Clone(head), unhex(t, bad)...)); err == nil {
			text, _ := collect(m)
			t.Errorf("%q parses as %s", bad, text)
		}
	}
	long := []byte{0x81, 0x80, 0x00, 0xff, 0x7f} // 16384, down to 1
	for range MaxRuns + 1 {
		long = append(long, 1)
	}
	if _, _, err := ParseStatus(append(slices.Clone(head), long...)); err != ErrLimit {
		t.Errorf("too many runs: %v", err)
	}
}

// A map that would not fit tells of the newest fragments alone, and what is
// told is true.
func TestStatusIsCutToItsLimit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		h := hold(1, 2000)
		for id := fragmenter.ID(1); id < 2000; id++ {
			if rng.IntN(3) > 0 {
				h.held[id] = true
			}
		}
		limit := 65 + rng.IntN(300)
		b := AppendStatus(nil, Status{Slots: 3}, h, limit)
		if len(b) > limit {
			t.Fatalf("%d bytes with a limit of %d", len(b), limit)
		}
		_, m, err := ParseStatus(b)
		if err != nil {
			t.Fatal(err)
		}
		_, held := collect(m)
		if !slices.Equal(held, h.between(m.First, 2000)) || limit > 70 && m.First == m.Last {
			t.Fatalf("limit %d: told of %d..%d", limit, m.First, m.Last)
		}
	}
}

// Both kinds of map tell the same for any holdings.
func TestMapsAgreeWithHoldings(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		oldest := 1 + fragmenter.ID(rng.IntN(1000))
		h := hold(oldest)
		held := rng.IntN(2) == 0
		for id := oldest; id < oldest+fragmenter.ID(rng.IntN(400)); id++ {
			if rng.IntN(1+rng.IntN(20)) == 0 {
				held = !held
			}
			if held {
				h.held[id] = true
				h.newest = id
			}
		}
		_, m, err := ParseStatus(AppendStatus(nil, Status{}, h, 1<<16))
		_, told := collect(m)
		if err != nil || !slices.Equal(told, h.all()) {
			t.Fatalf("run map tells %v, %v; want %v", told, err, h.all())
		}
		if h.newest == 0 {
			continue
		}
		plain, err := ParseMap(AppendMap(nil, h))
		if err != nil {
			t.Fatal(err)
		}
		for id := fragmenter.ID(1); id < h.newest+10; id++ {
			if plain.Has(id) != h.held[id] {
				t.Fatalf("map tells %v of %d", plain.Has(id), id)
			}
		}
	}
}

func TestLack(t *testing.T) {
	for _, c := range []struct {
		share float64
		lack  Lack
		back  float64
	}{
		{0, 0, 0},
		{-1, 0, 0},
		{math.NaN(), 0, 0},
		{0.001, 0, 0},
		{1.0 / 128, 1, 1.0 / 128},
		{0.25, 11, 0.25},
		{0.5, 13, 0.5},
		{1, 15, 1},
		{7, 15, 1},
	} {
		got := LackOf(c.share)
		if got != c.lack || math.Abs(got.Float()-c.back) > 1e-9 {
			t.Errorf("LackOf(%v) is %d, which is %v; want %d and %v", c.share, got, got.Float(), c.lack, c.back)
		}
	}
}
