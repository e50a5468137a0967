package congestion

import (
	"math"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

func TestRTTVectors(t *testing.T) {
	r := NewRTT()
	if r.ERTO() != 3*time.Second {
		t.Errorf("at first the timeout is %v, want 3 s", r.ERTO())
	}
	for _, c := range []struct{ sample, srtt, erto float64 }{
		{100, 100, 500},
		{100, 100, 450},
		{120, 102.5, 435},
		{60, 97.1875, 439.0625},
		{400, 135.0390625, 744.2578125},
		{8, 119.15918, 753.112305},
		{0, 104.264282, 748.888306},
	} {
		r.Update(time.Duration(c.sample * 1e6))
		srtt, known := r.Smoothed()
		if !known || math.Abs(srtt.Seconds()*1e3-c.srtt) > 1e-4 || math.Abs(r.ERTO().Seconds()*1e3-c.erto) > 1e-4 {
			t.Errorf("after %v ms: %v and %v, want %v and %v ms", c.sample, srtt, r.ERTO(), c.srtt, c.erto)
		}
	}
	backs := func(r RTT, want ...float64) {
		for i, w := range want {
			r.BackOff()
			if got := r.ERTO().Seconds() * 1e3; math.Abs(got-w) > 0.05 {
				t.Errorf("back-off %d gives %.3f ms, want %.3f", i, got, w)
			}
		}
	}
	backs(NewRTT(), 4242.6, 5999.885, 8485.037, 10000, 10000)
	backs(RTT{mrto: 350e6, erto: 350e6}, 494.97, 699.987, 989.921, 1399.946, 1979.804, 2799.839, 3959.532, 5599.570, 7918.912, 10000)
}

// The published trace, line by line.
func TestWindowTrace(t *testing.T) {
	c := NewController()
	now := reliability.Start
	check := func(name string, window, threshold, accumulator int) {
		t.Helper()
		if c.window != window || c.threshold != threshold || c.accumulator != accumulator {
			t.Errorf("%s: window %d, threshold %d, accumulator %d; want %d, %d, %d", name, c.window, c.threshold, c.accumulator, window, threshold, accumulator)
		}
		c.recover = 0 // the trace takes each loss as a new event
	}
	const inf = math.MaxInt
	ack := func(outstanding, acked int, elsewhere bool) {
		c.HandlePacket(now, Packet{Outstanding: outstanding, Acked: acked, Acks: true}, elsewhere)
	}
	lose := func(outstanding, acked int, elsewhere bool) {
		c.HandlePacket(now, Packet{Outstanding: outstanding, Acked: acked, Acks: true, Loss: true, Naks: true}, elsewhere)
	}
	ack(4380, 1400, false)
	check("slow start", 5780, inf, 0)
	ack(5780, 2800, false)
	check("slow start", 7240, inf, 0)
	ack(3000, 1400, false)
	check("window not full", 7240, inf, 0)
	c.HandlePacket(now, Packet{Outstanding: 8000, Acked: 1400, Acks: true, Naks: true}, false)
	check("naks", 7240, inf, 0)
	lose(8000, 1400, false)
	check("loss", 4380, 4380, 0)
	ack(4400, 2800, false)
	check("additive", 4860, 4380, 70)
	ack(4900, 2800, false)
	check("additive", 5292, 4380, 143)
	c.ReverseReceived(now)
	ack(5300, 2800, false)
	check("yielding", 5484, 4380, 303)
	c.TimeCriticalSent(now)
	c.reverse = long
	ack(5500, 2800, true)
	check("time critical", 5700, 4380, 25)
	lose(6000, 0, true)
	check("loss of time critical", 5250, 5250, 0)
	c.critical = long
	c.window, c.threshold = 80000, 70000
	ack(80000, 9600, false)
	check("scalable", 80096, 70000, 0)
	lose(80000, 0, false)
	check("loss of a large window", 70000, 70000, 0)
	c.HandleTimeout(true)
	check("timeout with loss", 1460, 70000, 0)
	ack(1460, 1460, false)
	check("slow start again", 4380, 70000, 0)
	c.HandleTimeout(false)
	check("idle timeout", 4380, 70000, 0)
}

// The losses of one event cut the window once.
func TestOneEventCutsOnce(t *testing.T) {
	c := NewController()
	c.window = 100_000
	lose := Packet{Outstanding: 60_000, Acked: 1000, Acks: true, Loss: true, Naks: true}
	c.HandlePacket(1, lose, false)
	after := c.Window()
	c.HandlePacket(1, lose, false)
	if c.Window() != after || after != 30_000 {
		t.Errorf("window %d, then %d; want 30000 and no second cut", after, c.Window())
	}
	for range 60 {
		c.HandlePacket(1, Packet{Outstanding: 20_000, Acked: 1000, Acks: true}, false)
	}
	c.HandlePacket(1, Packet{Outstanding: 20_000, Loss: true}, false)
	if c.Window() != 10_000 {
		t.Errorf("window %d after a later loss, want 10000", c.Window())
	}
}

func TestResetForgetsThePath(t *testing.T) {
	c := NewController()
	c.window, c.threshold = 9, 9
	c.TimeCriticalSent(5)
	c.Reset()
	if c.Window() != Initial || c.critical != 5 {
		t.Errorf("%+v", c)
	}
}
