package timer

import (
	"encoding/binary"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// The calendar agrees with a sorted list, whatever is put in and taken out.
func TestCalendarAgreesWithSortedList(t *testing.T) {
	spans := []time.Duration{0, time.Microsecond, time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 10 * time.Minute, 3 * time.Hour}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var c Calendar[int]
		var model []entry[int]
		var now reliability.Time
		var seq uint64
		for range 4000 {
			if rng.IntN(3) > 0 {
				at := now.Add(time.Duration(rng.Int64N(int64(spans[rng.IntN(len(spans))]) + 1)))
				seq++
				c.Push(at, int(seq))
				model = append(model, entry[int]{at: at, seq: seq, value: int(seq)})
				continue
			}
			now = takeBoth(t, seed, &c, &model, now)
		}
		for len(model) > 0 {
			now = takeBoth(t, seed, &c, &model, now)
		}
		if _, _, ok := c.Pop(); ok || c.Len() != 0 || c.Peek() != reliability.Never {
			t.Fatalf("seed %d: the calendar is not empty at the end", seed)
		}
	}
}

func takeBoth(t *testing.T, seed uint64, c *Calendar[int], model *[]entry[int], now reliability.Time) reliability.Time {
	t.Helper()
	m := *model
	if len(m) == 0 {
		return now
	}
	first := 0
	for i := range m {
		if m[i].before(&m[first]) {
			first = i
		}
	}
	want := m[first]
	if at := c.Peek(); at != want.at {
		t.Fatalf("seed %d: peek says %d, want %d", seed, at, want.at)
	}
	got, at, ok := c.Pop()
	if !ok || got != want.value || at != want.at {
		t.Fatalf("seed %d: took %d at %d, want %d at %d", seed, got, at, want.value, want.at)
	}
	m[first] = m[len(m)-1]
	*model = m[:len(m)-1]
	return max(now, at)
}

func FuzzCalendar(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		var c Calendar[int]
		var times []reliability.Time
		for len(script) >= 6 {
			var b [8]byte
			copy(b[1:], script[:6])
			at := reliability.Time(binary.LittleEndian.Uint64(b[:]) >> 1)
			c.Push(at, len(times))
			times = append(times, at)
			script = script[6:]
		}
		sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
		last, lastAt := 0, reliability.Time(-1)
		for i, want := range times {
			v, at, ok := c.Pop()
			if !ok || at != want {
				t.Fatalf("value %d is at %d, want %d", i, at, want)
			}
			if at == lastAt && v < last {
				t.Fatalf("ties are not in the order of insertion")
			}
			last, lastAt = v, at
		}
	})
}

func BenchmarkCalendar(b *testing.B) {
	for _, pending := range []int{10, 10_000, 1_000_000} {
		b.Run(map[int]string{10: "10", 10_000: "10k", 1_000_000: "1M"}[pending], func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var c Calendar[int]
			spread := func(now reliability.Time) reliability.Time {
				if rng.IntN(4) == 0 {
					return now.Add(time.Duration(rng.Int64N(int64(10 * time.Second))))
				}
				return now.Add(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
			}
			for range pending {
				c.Push(spread(0), 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, at, _ := c.Pop()
				c.Push(spread(at), 0)
			}
		})
	}
}

// What Ahead tells comes out in that order, unless something is put in between.
func TestCalendarTellsWhatIsAhead(t *testing.T) {
	var c Calendar[int]
	start := reliability.Time(10 << dayShift)
	for i := range 20 {
		c.Push(start+reliability.Time(19-i), 19-i)
	}
	if _, ok := c.Ahead(0); ok {
		t.Error("the day has not come, and something is ahead")
	}
	c.Peek()
	for want := range 20 {
		for k := range 20 - want {
			if got, ok := c.Ahead(k); !ok || got != want+k {
				t.Fatalf("with %d next, %d ahead of it is %d, %v", want, k, got, ok)
			}
		}
		if _, ok := c.Ahead(20 - want); ok {
			t.Fatal("more is ahead than was put in")
		}
		if got, _, _ := c.Pop(); got != want {
			t.Fatalf("took %d, want %d", got, want)
		}
	}
}
