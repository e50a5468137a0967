package overlay

import (
	"testing"
	"time"
)

// A group that comes up within seconds forms the true ring.
func TestRingForms(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 50, 300} {
		s := newSim(t, simOptions{nodes: n, seed: uint64(n), caps: CapOverlay, nearest: true, loss: 0.01})
		for range n {
			s.add()
			s.run(20 * time.Millisecond)
		}
		for sec := range 20 {
			s.run(time.Second)
			t.Logf("n %d, %d s: %v, %d islands", n, sec+1, s.rightness(), s.islands())
		}
		if w := s.rightness(); w.six != n {
			t.Errorf("seed %d: %v", s.o.seed, w)
		}
	}
}
