package rtmfp_test

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
)

// In steady state nothing is allocated for a data packet, neither where it is
// sent nor where it arrives, with any profile; a message that the application
// keeps costs its own memory and no more.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, p := range profiles {
		for _, size := range []int{200, 1000, 16384} {
			for _, borrowed := range []bool{true, false} {
				w := newWire(t, p.make)
				flow, err := w.ends[0].session.OpenFlow(w.now, rtmfp.FlowConfig{Metadata: []byte("x")})
				if err != nil {
					t.Fatal(err)
				}
				w.ends[1].borrow = borrowed
				message := make([]byte, size)
				// Until windows, queues and pools have their size.
				w.transfer(t, flow, message, 3000)
				const messages = 100
				want := 0.0
				if !borrowed {
					want = messages
				}
				got := testing.AllocsPerRun(20, func() { w.transfer(t, flow, message, messages) })
				if got > want {
					t.Errorf("%s, %d messages of %d bytes, borrowed %v: %.0f allocations, want %.0f", p.name, messages, size, borrowed, got, want)
				}
			}
		}
	}
}

// An idle session keeps no more than it needs.
func TestIdleSessionAllocatesNothing(t *testing.T) {
	for _, p := range profiles {
		w := newWire(t, p.make)
		idle := func() {
			for range 50 {
				w.step(time.Second)
			}
		}
		idle()
		if got := testing.AllocsPerRun(10, idle); got > 20 {
			t.Errorf("%s: %.0f allocations in 50 idle seconds at both ends", p.name, got)
		}
	}
}
