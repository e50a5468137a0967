package nettest

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
)

const (
	// growthSpan is the least time from which growth can be told: several
	// collections in each of enough minutes, after the windows, the neighbors
	// and the list of members known have filled up.
	growthSpan = 10 * time.Minute
	// growthWarmUp is the share of the run that is left out.
	growthWarmUp = 0.25
	// growthLimit is the growth that counts as a leak: to double within a day,
	// as a share of the level an hour.
	growthLimit = 1.0 / 24
	// growthSure is how many standard errors the growth must be beyond it.
	growthSure = 2
	// moreGoroutines is what may come on top of those at first: a sample's own
	// connection and a player's request may just be served.
	moreGoroutines = 3
)

// growth is the slope of a level over time, as a share of the level an hour,
// with its standard error. Of each minute the lowest value counts.
func growth(at []time.Duration, level []float64) (slope, sure float64) {
	var x, y []float64
	for i := range at {
		if at[i] < time.Duration(growthWarmUp*float64(at[len(at)-1])) {
			continue
		}
		minute := math.Floor(at[i].Minutes())
		if len(x) == 0 || x[len(x)-1] != minute {
			x, y = append(x, minute), append(y, level[i])
		}
		y[len(y)-1] = min(y[len(y)-1], level[i])
	}
	n := float64(len(x))
	mx, my := mean(x), mean(y)
	var sxx, sxy, rest float64
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	slope = sxy / sxx
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		rest += d * d
	}
	sure = math.Sqrt(rest / (n - 2) / sxx)
	return 60 * slope / my, 60 * sure / my
}

func mean(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// TestGrowth: a leak is told from the ups and downs of collections.
func TestGrowth(t *testing.T) {
	var at []time.Duration
	var flat, leak []float64
	for i := range 240 { // 20 minutes
		d := time.Duration(i) * 5 * time.Second
		at = append(at, d)
		wave := 8e6 + 4e6*float64(i%9)/9 + 1e5*math.Sin(float64(i))
		flat, leak = append(flat, wave), append(leak, wave*(1+d.Hours()/4))
	}
	if slope, sure := growth(at, flat); slope-growthSure*sure > growthLimit {
		t.Errorf("a flat level grows by %.3f ± %.3f an hour", slope, sure)
	}
	if slope, sure := growth(at, leak); slope-growthSure*sure < growthLimit {
		t.Errorf("a level that grows by a quarter an hour: %.3f ± %.3f", slope, sure)
	}
}

// report judges what was seen and prints it.
func (s *soak) report(t *testing.T) {
	t.Helper()
	long := *soakFor >= growthSpan
	t.Logf("%d nodes stayed for %v; of the others %d left and %d were killed", len(s.stay), *soakFor, s.left, s.killed)
	t.Logf("| node | resident MB, first | last | growth %%/h | live heap MB, first | last | growth %%/h | goroutines, first | last | pictures | messages | gaps | dropped | stalls |")
	var stalls int
	for _, w := range s.stay {
		if len(w.at) < 4 { // a quarter is compared with another
			t.Fatalf("%s answered %d times", w.host.Name(), len(w.at))
		}
		quarter := len(w.at) / 4
		ends := func(v []float64) (first, last float64) {
			return middle(v[quarter : 2*quarter]), middle(v[len(v)-quarter:])
		}
		r1, r2 := ends(w.resident)
		h1, h2 := ends(w.heap)
		g1, g2 := ends(w.goroutines)
		var grown [2]float64
		var sure [2]float64
		if long {
			grown[0], sure[0] = growth(w.at, w.resident)
			grown[1], sure[1] = growth(w.at, w.heap)
		}
		name, st := w.host.Name(), w.stream(t)
		t.Logf("| %s | %.1f | %.1f | %.1f ± %.1f | %.1f | %.1f | %.1f ± %.1f | %.0f | %.0f | %d | %d | %d | %d | %d |", name,
			r1/1e6, r2/1e6, 100*grown[0], 100*sure[0], h1/1e6, h2/1e6, 100*grown[1], 100*sure[1], g1, g2, w.play.Pictures, st.ReceivedMessages, st.Gaps, st.DroppedMessages, w.play.Stalls)
		for i, what := range []string{"resident memory", "heap"} {
			if grown[i]-growthSure*sure[i] > growthLimit {
				t.Errorf("%s: %s grows by %.1f ± %.1f %% an hour, want at most %.1f", name, what, 100*grown[i], 100*sure[i], 100*growthLimit)
			}
		}
		if long && g2 > g1+moreGoroutines {
			t.Errorf("%s: goroutines grow from %.0f to %.0f", name, g1, g2)
		}
		if w.play.Stalls > 0 || w.play.Missing > 0 {
			complain := t.Errorf
			if !long { // everybody has just joined, beside whatever else is tested
				complain = t.Logf
			}
			complain("MISSED: %s: its player stalled %d times, %v in all; %d packets missing", name, w.play.Stalls, w.play.Stalled, w.play.Missing)
		}
		stalls += w.play.Stalls
	}
	if !long {
		t.Logf("too short to judge memory, goroutines and stalls, which takes %v", growthSpan)
	}
	t.Logf("%d stalls at %d players; the test's own timer was late by %v at most, %d times by more than a player's buffer", stalls, len(s.stay), s.delayed.Round(time.Millisecond), s.held)
	if *soakPlot != "" {
		if err := os.WriteFile(*soakPlot, s.picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// picture draws memory over time: of all nodes that stayed the middle and the
// largest.
func (s *soak) picture() []byte {
	c := plot.Chart{Title: "Memory of nodes that stay, under churn", X: "time (min)", Y: "MB"}
	line := func(name string, of func(w *watched) []float64, pick func([]float64) float64) {
		l := plot.Line{Name: name}
		for i := range s.stay[0].at {
			var all []float64
			for _, w := range s.stay {
				if v := of(w); i < len(v) {
					all = append(all, v[i]/1e6)
				}
			}
			l.X, l.Y = append(l.X, s.stay[0].at[i].Minutes()), append(l.Y, pick(all))
		}
		c.Lines = append(c.Lines, l)
	}
	largest := func(v []float64) float64 { return slices.Max(v) }
	line("resident, largest", func(w *watched) []float64 { return w.resident }, largest)
	line("resident, middle", func(w *watched) []float64 { return w.resident }, middle)
	line("live heap, middle", func(w *watched) []float64 { return w.heap }, middle)
	// The picture stands alone, so it carries its colours.
	const colours = "svg{--paper:#fff;--ink:#111;--dim:#555;--rule:#ddd;--warn:#b00;--c0:#c2410c;--c1:#1d4ed8;--c2:#15803d;background:#fff}"
	svg := string(c.AppendSVG(nil))
	svg = strings.Replace(svg, "<svg ", `<svg xmlns="http://www.w3.org/2000/svg" `, 1)
	return []byte(strings.Replace(svg, ">", "><style>"+colours+plot.Style+"</style>", 1))
}
