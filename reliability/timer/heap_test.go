package timer

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ringcast/ringcast/reliability"
)

// listed is a value as the plainest queue keeps it.
type listed struct {
	at     reliability.Time
	seq    int
	value  int
	handle Handle
}

// A heap gives the same as a list that is sorted each time, whatever is put in,
// moved and withdrawn.
func TestHeapAgainstList(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var h Heap[int]
		var list []listed
		var gone []Handle
		now := reliability.Time(0)
		for step := range 3000 {
			switch op := rng.IntN(10); {
			case op < 4:
				at := now + reliability.Time(rng.IntN(50))
				list = append(list, listed{at, step, step, h.Push(at, step)})
			case op < 6 && len(list) > 0:
				e := &list[rng.IntN(len(list))]
				e.at, e.seq = now+reliability.Time(rng.IntN(50)), step
				if !h.Move(e.handle, e.at) {
					t.Fatalf("seed %d: %d cannot be moved", seed, e.value)
				}
			case op < 7 && len(list) > 0:
				i := rng.IntN(len(list))
				if v, ok := h.Remove(list[i].handle); !ok || v != list[i].value {
					t.Fatalf("seed %d: removed %d, %v instead of %d", seed, v, ok, list[i].value)
				}
				gone = append(gone, list[i].handle)
				list = slices.Delete(list, i, i+1)
			default:
				now += reliability.Time(rng.IntN(10))
				slices.SortFunc(list, func(a, b listed) int {
					if a.at != b.at {
						return int(a.at - b.at)
					}
					return a.seq - b.seq
				})
				for len(list) > 0 && list[0].at <= now {
					if h.Next() != list[0].at {
						t.Fatalf("seed %d: next at %d, want %d", seed, h.Next(), list[0].at)
					}
					v, at, ok := h.PopDue(now)
					if !ok || v != list[0].value || at != list[0].at {
						t.Fatalf("seed %d: got %d at %d, %v; want %d at %d", seed, v, at, ok, list[0].value, list[0].at)
					}
					gone = append(gone, list[0].handle)
					list = list[1:]
				}
				if v, _, ok := h.PopDue(now); ok {
					t.Fatalf("seed %d: %d is not due", seed, v)
				}
			}
			if h.Len() != len(list) {
				t.Fatalf("seed %d: %d values, want %d", seed, h.Len(), len(list))
			}
		}
		for _, handle := range append(gone, 0) {
			if _, ok := h.Remove(handle); ok || h.Move(handle, 5) {
				t.Fatalf("seed %d: a handle of what is gone leads somewhere", seed)
			}
		}
	}
}

func TestEmptyHeap(t *testing.T) {
	var h Heap[string]
	if _, _, ok := h.Peek(); ok || h.Next() != reliability.Never || h.Len() != 0 {
		t.Error("an empty heap has something")
	}
	h.Push(7, "a")
	if v, at, ok := h.Peek(); v != "a" || at != 7 || !ok {
		t.Errorf("%q at %d, %v", v, at, ok)
	}
}

func TestHeapDoesNotAllocate(t *testing.T) {
	h, step := busy(1000)
	if n := testing.AllocsPerRun(1000, step); n != 0 || h.Len() != 1000 {
		t.Errorf("%v allocations, %d values", n, h.Len())
	}
}

// busy is a heap of so many values; the step takes the next one out, puts
// another one in and moves a third.
func busy(n int) (*Heap[int], func()) {
	var h Heap[int]
	rng := rand.New(rand.NewPCG(1, 1))
	now := reliability.Time(0)
	handles := make([]Handle, n)
	for i := range handles {
		handles[i] = h.Push(reliability.Time(rng.IntN(n*10)), i)
	}
	return &h, func() {
		i, at, _ := h.PopDue(reliability.Never)
		now = at
		handles[i] = h.Push(now+reliability.Time(rng.IntN(n*10)), i)
		h.Move(handles[rng.IntN(n)], now+reliability.Time(rng.IntN(n*10)))
	}
}

// boxed is what container/heap takes, for comparison.
type boxed []listed

func (b boxed) Len() int { return len(b) }
func (b boxed) Less(i, j int) bool {
	return b[i].at < b[j].at || b[i].at == b[j].at && b[i].seq < b[j].seq
}
func (b boxed) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *boxed) Push(x any)   { *b = append(*b, x.(listed)) }
func (b *boxed) Pop() any {
	old := *b
	x := old[len(old)-1]
	*b = old[:len(old)-1]
	return x
}

// sizes are how many values the benchmarks keep in the heap.
var sizes = []struct {
	name string
	n    int
}{{"1k", 1000}, {"100k", 100_000}}

// BenchmarkHeap takes the next value out and puts one in.
func BenchmarkHeap(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			var h Heap[int]
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range size.n {
				h.Push(reliability.Time(rng.IntN(size.n*10)), i)
			}
			b.ReportAllocs()
			for b.Loop() {
				i, at, _ := h.PopDue(reliability.Never - 1)
				h.Push(at+reliability.Time(rng.IntN(size.n*10)), i)
			}
		})
	}
}

// BenchmarkContainerHeap does the same with the standard library's heap, which
// has no handles.
func BenchmarkContainerHeap(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			var h boxed
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range size.n {
				heap.Push(&h, listed{at: reliability.Time(rng.IntN(size.n * 10)), seq: i})
			}
			seq := size.n
			b.ReportAllocs()
			for b.Loop() {
				e := heap.Pop(&h).(listed)
				seq++
				e.at, e.seq = e.at+reliability.Time(rng.IntN(size.n*10)), seq
				heap.Push(&h, e)
			}
		})
	}
}
