package vnet

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

func sendMany(l *Link, n int, gap time.Duration, size int) (delivered, copies int, arrivals []reliability.Time) {
	now := reliability.Start
	for range n {
		o := l.Pass(now, size)
		if o.Copies > 0 {
			delivered++
		}
		copies += o.Copies
		arrivals = append(arrivals, o.Arrivals[:o.Copies]...)
		now = now.Add(gap)
	}
	return delivered, copies, arrivals
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %.4f, want %.4f ± %.4f", what, got, want, tolerance)
	}
}

func TestLinkLosesItsShare(t *testing.T) {
	const n = 100_000
	for _, loss := range []float64{0, 0.01, 0.3, 1} {
		l := newLink(LinkParams{Loss: loss}, 1, 2)
		delivered, _, _ := sendMany(&l, n, time.Millisecond, 1200)
		within(t, "loss", 1-float64(delivered)/n, loss, 0.006)
	}
}

func TestLinkLosesInBursts(t *testing.T) {
	const n = 400_000
	l := newLink(LinkParams{Bursts: BurstLoss(0.05, 8)}, 1, 2)
	lost, bursts, in := 0, 0, false
	for range n {
		o := l.Pass(1, 1200)
		if gone := o.Fate == Lost; gone {
			lost++
			if !in {
				bursts++
			}
			in = true
		} else {
			in = false
		}
	}
	within(t, "loss", float64(lost)/n, 0.05, 0.005)
	within(t, "mean burst", float64(lost)/float64(bursts), 8, 0.5)
}

func TestLinkDuplicates(t *testing.T) {
	l := newLink(LinkParams{Duplicate: 0.1}, 1, 2)
	delivered, copies, _ := sendMany(&l, 100_000, time.Millisecond, 1200)
	within(t, "duplicates", float64(copies-delivered)/float64(delivered), 0.1, 0.005)
}

// Jitter stays within its bounds and keeps the order; only Reorder changes it.
func TestLinkJitterAndReorder(t *testing.T) {
	params := LinkParams{Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond}
	l := newLink(params, 1, 2)
	_, _, arrivals := sendMany(&l, 10_000, time.Millisecond, 1200)
	for i, at := range arrivals {
		d := at.Sub(reliability.Start.Add(time.Duration(i) * time.Millisecond))
		if d < 30*time.Millisecond || d > 70*time.Millisecond {
			t.Fatalf("packet %d took %v, want 30 to 70 ms", i, d)
		}
		if i > 0 && at < arrivals[i-1] {
			t.Fatalf("packet %d overtook its predecessor", i)
		}
	}
	params = LinkParams{Delay: 50 * time.Millisecond, Reorder: 0.1, ReorderDelay: 10 * time.Millisecond}
	l = newLink(params, 1, 2)
	_, _, arrivals = sendMany(&l, 10_000, time.Millisecond, 1200)
	late := 0
	for i := 1; i < len(arrivals); i++ {
		if arrivals[i] < arrivals[i-1] {
			late++
		}
	}
	// One in ten is held back, by more than the gap in nine cases of ten.
	within(t, "overtaken", float64(late)/10_000, 0.085, 0.015)
}

func TestLinkRateAndQueue(t *testing.T) {
	// 1 Mb/s carries 100 packets of 1,250 bytes a second; 200 come.
	l := newLink(LinkParams{Rate: 1e6, Queue: 100 * time.Millisecond}, 1, 2)
	delivered, _, arrivals := sendMany(&l, 2000, 5*time.Millisecond, 1250)
	within(t, "packets through", float64(delivered), 1011, 2)
	for i := 1; i < len(arrivals); i++ {
		if gap := arrivals[i].Sub(arrivals[i-1]); gap < 10*time.Millisecond {
			t.Fatalf("packets %v apart, the link needs 10 ms for each", gap)
		}
	}
}

func TestLinkMTU(t *testing.T) {
	l := newLink(LinkParams{MTU: 1280}, 1, 2)
	if o := l.Pass(1, 1280); o.Copies != 1 {
		t.Error("a packet of the MTU's size does not pass")
	}
	if o := l.Pass(1, 1281); o.Fate != TooBig {
		t.Error("a packet above the MTU passes")
	}
}

func TestLinkParamsValidate(t *testing.T) {
	for field, p := range map[string]LinkParams{
		"Loss":           {Loss: 1.5},
		"Duplicate":      {Duplicate: math.NaN()},
		"Corrupt":        {Corrupt: -1},
		"Bursts.LossBad": {Bursts: GilbertElliott{LossBad: 2}},
		"Delay":          {Delay: -1},
		"Queue":          {Queue: 2 * time.Hour},
		"Rate":           {Rate: -5},
		"MTU":            {MTU: -1},
		"ReorderDelay":   {Reorder: 0.1},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s out of range: got error %v", field, err)
		}
	}
	if err := (LinkParams{}).Validate(); err != nil {
		t.Error(err)
	}
}
