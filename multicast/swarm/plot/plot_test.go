package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

type drawing interface{ AppendSVG(b []byte) []byte }

// wellFormed parses a picture as XML and returns how many elements of each
// name it has.
func wellFormed(t *testing.T, d drawing) map[string]int {
	t.Helper()
	svg := d.AppendSVG(nil)
	count := map[string]int{}
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	if again := d.AppendSVG(nil); !bytes.Equal(svg, again) {
		t.Error("the same picture is drawn differently the second time")
	}
	return count
}

// Pictures of ordinary and of odd data are sound.
func TestPictures(t *testing.T) {
	ramp := []float64{0, 1, 2, 3}
	tests := []struct {
		name string
		d    drawing
	}{
		{"chart", &Chart{Title: `a "title" <&>`, Lines: []Line{{"first & last", ramp, ramp, false}, {"stairs", ramp, ramp, true}}, Marks: []Mark{{"wanted", 2, false}, {"at", 1, true}}, Area: true}},
		{"chart without data", &Chart{}},
		{"chart of one point", &Chart{Lines: []Line{{"", []float64{1}, []float64{1}, false}}}},
		{"chart with gaps", &Chart{Lines: []Line{{"", ramp, []float64{math.NaN(), 1, math.Inf(1), 2}, false}}}},
		{"logarithmic", &Chart{LogX: true, LogY: true, Lines: []Line{{"", ramp, []float64{0, 1e-5, 1, 10}, false}}}},
		{"bars", &Bars{Names: []string{"0", "1", "2"}, Groups: []BarGroup{{"a", ramp}, {"b", []float64{1}}}, Marks: []Mark{{"mean", 1.5, true}}}},
		{"bars without data", &Bars{}},
		{"ring", &Ring{Nodes: []RingNode{{0, "x", 0}, {0.5, "<y>", 1}, {0.99, "", 7}}, Links: []RingLink{{0, 1, 0}, {2, 0, 1}}, Kinds: []string{"ring", "far"}}},
		{"ring without members", &Ring{}},
		{"tree", &Tree{Parent: []int{-1, 0, 0, 1, -1}, Kind: make([]int, 5), Kinds: []string{"relay"}}},
		{"tree with a loop aside", &Tree{Parent: []int{-1, 2, 1}, Kind: make([]int, 3)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if n := wellFormed(t, tt.d)["svg"]; n != 1 {
				t.Errorf("%d svg elements", n)
			}
		})
	}
}

// A long line keeps its peaks, and its picture stays small.
func TestLongLineIsThinned(t *testing.T) {
	l := Line{Name: "x"}
	for i := range 100_000 {
		y := 1.0
		if i == 54_321 {
			y = 9
		}
		l.X, l.Y = append(l.X, float64(i)), append(l.Y, y)
	}
	c := Chart{Lines: []Line{l}, YMin: 0, YMax: 9}
	svg := string(c.AppendSVG(nil))
	if len(svg) > 20_000 {
		t.Errorf("100,000 points take %d bytes", len(svg))
	}
	if !strings.Contains(svg, " 30L") && !strings.Contains(svg, " 30\"") {
		t.Error("the peak is gone")
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.5", 1234: "1234", 12_345: "12.3k", 2_500_000: "2.5M", 0.00001: "1e-05", -3.25: "-3.25", math.Inf(1): "–",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestTicks(t *testing.T) {
	s := scale{min: 0, max: 0.97}
	if got := s.ticks(5); len(got) != 5 || got[1] != 0.2 {
		t.Errorf("ticks of 0 to 0.97: %v", got)
	}
	s = scale{min: 1e-5, max: 1, log: true}
	if got := s.ticks(5); len(got) < 3 || len(got) > 6 {
		t.Errorf("ticks of 1e-5 to 1: %v", got)
	}
}
