package swarm

import (
	"math"
	"testing"
	"time"
)

// A renewal process that is met at a random moment has the residual life that
// the inspection paradox says: E[X²] / 2E[X].
func TestResidualLife(t *testing.T) {
	w := Weibull{0.59, 41*time.Minute + 54*time.Second}
	r := stream(1, "residual", 0)
	const n = 400_000
	var fresh, residual float64
	for range n {
		fresh += w.draw(r).Minutes() / n
		residual += w.drawResidual(r).Minutes() / n
	}
	scale := w.Scale.Minutes()
	wantFresh := scale * math.Gamma(1+1/w.Shape)
	wantResidual := scale * math.Gamma(1+2/w.Shape) / (2 * math.Gamma(1+1/w.Shape))
	if math.Abs(fresh/wantFresh-1) > 0.02 || math.Abs(w.mean().Minutes()/wantFresh-1) > 1e-6 {
		t.Errorf("mean session %.1f min, want %.1f", fresh, wantFresh)
	}
	if math.Abs(residual/wantResidual-1) > 0.04 {
		t.Errorf("mean residual %.1f min, want %.1f", residual, wantResidual)
	}
}

// Each class gets its share to the peer, and the mean comes out.
func TestUploads(t *testing.T) {
	for _, n := range []int{1, 7, 100, 1000} {
		list := uploads(stream(3, "uploads", 0), MixedUpload(), n)
		if len(list) != n {
			t.Fatalf("%d uploads for %d peers", len(list), n)
		}
		sum := 0.0
		for _, u := range list {
			sum += u
		}
		if mean := sum / float64(n); n >= 100 && math.Abs(mean-1.5) > 0.02 {
			t.Errorf("%d peers have a mean upload of %.3f, want 1.5", n, mean)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.Add(time.Duration(i) * time.Millisecond)
	}
	h.Add(-time.Second)
	h.Add(time.Hour)
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, 500 * time.Microsecond}, {0.5, 499500 * time.Microsecond}, {0.99, 990500 * time.Microsecond}} {
		if got := h.Quantile(tt.q); (got - tt.want).Abs() > 1500*time.Microsecond {
			t.Errorf("quantile %v is %v, want %v", tt.q, got, tt.want)
		}
	}
	if h.Count() != 1002 || h.Max() != time.Hour {
		t.Errorf("count %d, max %v", h.Count(), h.Max())
	}
	x, y := h.Curve()
	if len(x) != len(y) || y[len(y)-1] != 1 {
		t.Errorf("the curve ends at %v", y[len(y)-1])
	}
}
