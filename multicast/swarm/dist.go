package swarm

import (
	"math"
	"math/rand/v2"
	"time"
)

// stream returns a source of chance of its own for each purpose, so that one
// more draw in one place changes nothing in another.
func stream(seed uint64, purpose string, n uint64) *rand.Rand {
	h := seed ^ 0x9e3779b97f4a7c15
	for i := range len(purpose) {
		h = scramble(h ^ uint64(purpose[i]))
	}
	h = scramble(h ^ n)
	return rand.New(rand.NewPCG(h, scramble(h^0x72696e67)))
}

// scramble spreads the bits of a number (the finisher of splitmix64).
func scramble(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// pairHash is a number for a pair of nodes that does not depend on their
// order.
func pairHash(seed uint64, a, b int32) uint64 {
	if a > b {
		a, b = b, a
	}
	return scramble(seed ^ scramble(uint64(uint32(a))<<32|uint64(uint32(b))))
}

// unit makes a number in [0, 1) of a hash.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// exponential draws from an exponential distribution.
func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

// between draws evenly from [from, to).
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// Weibull is a distribution of session lengths. A shape below 1 means that who
// has stayed long will stay longer.
type Weibull struct {
	Shape float64
	Scale time.Duration
}

// draw returns the length of a new session.
func (w Weibull) draw(r *rand.Rand) time.Duration {
	return scaled(w.Scale, math.Pow(r.ExpFloat64(), 1/w.Shape))
}

// drawResidual returns how much longer a session lasts that is met at a random
// moment of the steady state: long sessions are met more often, in proportion
// to their length, at any point of theirs.
func (w Weibull) drawResidual(r *rand.Rand) time.Duration {
	whole := math.Pow(gamma(r, 1+1/w.Shape), 1/w.Shape)
	return scaled(w.Scale, whole*r.Float64())
}

// mean returns the mean length of a session.
func (w Weibull) mean() time.Duration {
	return scaled(w.Scale, math.Gamma(1+1/w.Shape))
}

// scaled returns factor times d, at most a hundred years.
func scaled(d time.Duration, factor float64) time.Duration {
	const century = 100 * 365 * 24 * float64(time.Hour)
	return time.Duration(min(float64(d)*factor, century))
}

// gamma draws from a gamma distribution of scale 1 and a shape of 1 or more
// (Marsaglia and Tsang, "A simple method for generating gamma variables").
func gamma(r *rand.Rand, shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// UploadClass is a share of the peers that have one upload.
type UploadClass struct {
	// Share of the peers, 0 to 1.
	Share float64
	// Upload as a multiple of the stream's rate. 0 is a peer that relays
	// nothing.
	Upload float64
}

// MixedUpload returns the uploads of the reference scenario: half of the peers
// give nothing, the others 0.5, 2 and 10 times the rate.
func MixedUpload() []UploadClass {
	return []UploadClass{{0.5, 0}, {0.2, 0.5}, {0.2, 2}, {0.1, 10}}
}

// meanUpload returns the mean of a mix, as a multiple of the rate.
func meanUpload(mix []UploadClass) (sum float64) {
	for _, c := range mix {
		sum += c.Share * c.Upload
	}
	return sum
}

// uploads gives n peers their upload so that each class has its share exactly,
// as nearly as whole peers allow, in random order.
func uploads(r *rand.Rand, mix []UploadClass, n int) []float64 {
	list := make([]float64, 0, n)
	sum := 0.0
	for _, c := range mix {
		sum += c.Share
		for float64(len(list)) < math.Round(sum*float64(n)) && len(list) < n {
			list = append(list, c.Upload)
		}
	}
	for len(list) < n && len(mix) > 0 {
		list = append(list, mix[len(mix)-1].Upload)
	}
	r.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
