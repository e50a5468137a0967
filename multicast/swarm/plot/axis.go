package plot

import (
	"math"
	"strconv"
)

// scale maps values to places on an axis.
type scale struct {
	min, max float64 // of the values
	from, to float64 // of the places
	log      bool
}

func (s *scale) place(v float64) float64 {
	lo, hi := s.min, s.max
	if s.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(max(v, s.min))
	}
	if hi == lo {
		return s.from
	}
	return s.from + (v-lo)/(hi-lo)*(s.to-s.from)
}

// ticks returns round values along the axis, at most about n of them.
func (s *scale) ticks(n int) []float64 {
	if s.log {
		return s.decades(n)
	}
	step := niceStep((s.max - s.min) / float64(n))
	if step <= 0 || math.IsInf(step, 0) || math.IsNaN(step) {
		return []float64{s.min}
	}
	var list []float64
	for k := math.Ceil(s.min/step - 1e-9); k*step <= s.max+step*1e-9; k++ {
		list = append(list, k*step)
	}
	return list
}

func (s *scale) decades(n int) []float64 {
	first, last := math.Ceil(math.Log10(s.min)-1e-9), math.Floor(math.Log10(s.max)+1e-9)
	step := max(1, math.Ceil((last-first+1)/float64(n)))
	var list []float64
	for e := first; e <= last; e += step {
		list = append(list, math.Pow(10, e))
	}
	if len(list) == 0 {
		list = []float64{s.min}
	}
	return list
}

// niceStep rounds a step up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	if raw <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= raw*(1-1e-9) {
			return m * unit
		}
	}
	return 10 * unit
}

// span widens min and max to include v.
func span(lo, hi, v float64) (float64, float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return lo, hi
	}
	return min(lo, v), max(hi, v)
}

// Number writes v with as many digits as a reader needs.
func Number(v float64) string {
	a := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 1e9:
		return trim(v/1e9, 1) + "G"
	case a >= 1e6:
		return trim(v/1e6, 1) + "M"
	case a >= 1e4:
		return trim(v/1e3, 1) + "k"
	case a >= 100:
		return trim(v, 0)
	case a >= 10:
		return trim(v, 1)
	case a >= 1:
		return trim(v, 2)
	case a >= 0.01:
		return trim(v, 3)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// trim writes v with at most digits decimals, without zeros at the end.
func trim(v float64, digits int) string {
	p := math.Pow(10, float64(digits))
	return strconv.FormatFloat(math.Round(v*p)/p, 'f', -1, 64)
}
