package rtmfp

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// naiveRun counts the fragments of one message from the i-th on, one by one.
func naiveRun(b recvBuffer, i int) (n int, complete bool) {
	first := b[i].kind
	for n = 1; i+n < len(b) && follows(&b[i+n-1], &b[i+n]); n++ {
	}
	last := b[i+n-1].kind
	return n, first == wire.Whole || first == wire.Begin && last == wire.End
}

// In whatever order fragments come and whatever kinds they claim to be, the
// runs are those that counting finds.
func TestRunsOfFragments(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rng.IntN(60)
		kinds := make([]wire.Fragmentation, n)
		for i := range kinds {
			kinds[i] = wire.Fragmentation(rng.IntN(4))
			if rng.IntN(3) > 0 {
				kinds[i] = wire.Middle
			}
		}
		var b recvBuffer
		for _, i := range rng.Perm(n) {
			if rng.IntN(10) == 0 {
				continue // never comes
			}
			b.insert(rxFragment{sn: wire.SequenceNumber(i + 1), kind: kinds[i]})
			for at := 0; at < len(b); {
				want, whole := naiveRun(b, at)
				got, complete := b.run(at)
				if got != want || complete != whole {
					t.Fatalf("seed %d: run of %d at %d, complete %v; want %d, %v", seed, got, at, complete, want, whole)
				}
				if at > 0 && rng.IntN(8) == 0 {
					// Taken out, as a message that is handed over.
					b = append(b[:at], b[at+got:]...)
					break
				}
				at += got
			}
		}
	}
}

func TestBlocksAreUsedAgain(t *testing.T) {
	p := blockPool{most: 1200}
	data := bytes.Repeat([]byte("x"), 1200)
	for _, n := range []int{0, 1, 128, 129, 500, 1024, 1025, 1200} {
		a := p.clone(data[:n])
		p.release(a)
		b := p.clone(data[:n])
		if &a[:1][0] != &b[:1][0] || len(b) != n || cap(b) > max(2*n, 128) {
			t.Errorf("%d bytes: a block of %d", n, cap(b))
		}
	}
	large := p.clone(make([]byte, 5000))
	p.release(large)
	for i := range p.free {
		if len(large) != 5000 || len(p.free[i]) > 1 {
			t.Errorf("%d blocks of size %d are kept", len(p.free[i]), p.size(i))
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		p.release(p.clone(data))
	}); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}
