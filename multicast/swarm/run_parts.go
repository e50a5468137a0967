package swarm

import (
	"fmt"
	"time"
)

// variant runs the scenario with some change, as a share of the whole, and
// returns its figures.
func (r *run) variant(name string, share float64, change func(sc *Scenario)) (m Metrics, err error) {
	sc := *r.sc
	change(&sc)
	err = r.part(share, func() error {
		s, err := r.playMedia(&sc)
		if err != nil {
			return err
		}
		m = Metrics{}
		r.mediaFigures(s, m)
		r.finish(s)
		return nil
	})
	delete(r.report.Metrics, "bytes_per_node")
	if err == nil {
		r.report.Parts = append(r.report.Parts, Part{Name: name, Nodes: sc.Nodes, Seed: sc.Seed, Metrics: m})
	}
	return m, err
}

// tight runs the stream with hardly enough upload, and looks for the knee over
// the upload there is.
func (r *run) tight() error {
	const knee = 0.4 // of the whole
	if err := r.part(1-knee, r.media); err != nil {
		return err
	}
	rhos := []float64{0.9, 1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5}
	var delivery []float64
	for _, rho := range rhos {
		m, err := r.variant(fmt.Sprintf("ρ = %v", rho), knee/float64(len(rhos)), func(sc *Scenario) {
			sc.Rho, sc.Nodes, sc.Duration = rho, min(sc.Nodes, 500), min(sc.Duration, 30*time.Second)
		})
		if err != nil {
			return err
		}
		delivery = append(delivery, m["delivery"])
	}
	r.report.draw("The knee", "Delivery over the upload there is for each bit that must be received; small groups.", kneeChart(rhos, delivery))
	return nil
}

// delay takes the delay apart: the same group without churn, without loss, and
// without both.
func (r *run) delay() error {
	if err := r.part(0.4, r.media); err != nil {
		return err
	}
	for _, v := range []struct {
		name   string
		change func(sc *Scenario)
	}{
		{"without churn", func(sc *Scenario) { sc.Churn.On = false }},
		{"without loss", func(sc *Scenario) { sc.Loss = 0 }},
		{"without both", func(sc *Scenario) { sc.Churn.On, sc.Loss = false, 0 }},
		{"without both, all pairs reachable", func(sc *Scenario) { sc.Churn.On, sc.Loss, sc.Unreachable = false, 0, 0 }},
	} {
		if _, err := r.variant(v.name, 0.15, v.change); err != nil {
			return err
		}
	}
	return nil
}

// scale runs the same stream in groups of a hundredth, a tenth and all of the
// members. The figures are those of the largest.
func (r *run) scale() error {
	most := r.sc.Nodes
	sizes := []int{most}
	for len(sizes) < 3 && sizes[0] >= 500 {
		sizes = append([]int{sizes[0] / 10}, sizes...)
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	var p99 []float64
	for _, n := range sizes[:len(sizes)-1] {
		m, err := r.variant(fmt.Sprintf("%d members", n), float64(n)/float64(total), func(sc *Scenario) { sc.Nodes = n })
		if err != nil {
			return err
		}
		p99 = append(p99, m["delay_p99_s"])
	}
	if err := r.part(float64(most)/float64(total), r.media); err != nil {
		return err
	}
	p99 = append(p99, r.report.Metrics["delay_p99_s"])
	if k := len(p99); k > 1 {
		name := fmt.Sprintf("G4 delay_p99_s at %d over that at %d", sizes[k-1], sizes[k-2])
		r.report.Targets = append(r.report.Targets, target(name, true, 1.25, p99[k-1]/p99[k-2]))
	}
	r.report.draw("Growth", "The delay over the number of members.", scaleChart(sizes, p99))
	return nil
}

// cliff lets half of the members vanish: with a stream, and on the overlay
// alone for many seeds.
func (r *run) cliff() error {
	const withMedia = 0.5
	if err := r.part(withMedia, r.cliffMedia); err != nil {
		return err
	}
	runs := max(r.sc.Runs, 1)
	parted, never := 0, 0
	worst := 0.0
	for i := range runs {
		sc := *r.sc
		sc.Seed, sc.Nodes = r.sc.Seed+uint64(i), min(r.sc.Nodes, cliffRing)
		err := r.part((1-withMedia)/float64(runs), func() error {
			rounds, parts, err := r.cliffRing(&sc)
			switch {
			case err != nil:
				return err
			case parts > 1:
				parted++
				r.report.Broken = append(r.report.Broken, fmt.Sprintf("seed %d: the group of %d fell into %d parts", sc.Seed, sc.Nodes, parts))
			case rounds > 1e9:
				never++
				r.report.note("Seed %d: the ring of %d was not right within %v.", sc.Seed, sc.Nodes, cliffPatience)
			default:
				worst = max(worst, rounds)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	r.report.note("On the overlay alone, %d members, %d seeds: %d partitions, %d rings not right within %v, the slowest of the others right after %.0f rounds.",
		min(r.sc.Nodes, cliffRing), runs, parted, never, cliffPatience, worst)
	r.report.Targets = append(r.report.Targets, target(fmt.Sprintf("G8 partitions in %d seeds", runs), true, 0, float64(parted)))
	return nil
}

const (
	// cliffRing is how many members the groups of many seeds have at most.
	cliffRing = 400
	// cliffPatience is how long the ring is given to become right again.
	cliffPatience = 40 * time.Second
	// cliffSpan is how long after the fault messages count.
	cliffSpan = 10 * time.Second
)

// cliffMedia measures delivery to the survivors from the fault on, and when
// the ring is right again.
func (r *run) cliffMedia() error {
	sc := *r.sc
	sc.Duration = cliffSpan + sc.Window
	spec, err := group()
	if err != nil {
		return err
	}
	s := r.build(&sc, memberMaker(spec))
	s.ledger.media.windowSize, s.ledger.media.margin = sc.Window, sc.Margin
	s.launch()
	s.After(0, func() { s.publish() })
	total := float64(sc.Total() + cliffPatience)
	if err := r.pass(s, sc.Ramp+sc.Settle, float64(sc.Ramp+sc.Settle)/total, "members join"); err != nil {
		return err
	}
	s.ledger.begin()
	s.schedule(sc.Faults)
	s.After(cliffSpan, func() { s.ledger.media.until = len(s.ledger.media.messages) })
	samples := s.sampleRing()
	if err := r.pass(s, sc.Duration, float64(sc.Duration)/total, "after the fault"); err != nil {
		return err
	}
	m := r.report.Metrics
	r.mediaFigures(s, m)
	r.mediaPictures(s)
	if err := r.pass(s, cliffPatience-sc.Duration, float64(cliffPatience-sc.Duration)/total, "the ring closes"); err != nil {
		return err
	}
	m["rounds_to_ring"] = firstRight(*samples)
	r.report.draw("The ring after the fault", "Share of the survivors whose ring neighbors are right; a round is a second.", ringChart(*samples, nil, 0))
	r.groupPictures(s)
	r.finish(s)
	return nil
}

// cliffRing does the same with the overlay alone, and returns the rounds until
// the ring is right and into how many parts the group fell.
func (r *run) cliffRing(sc *Scenario) (rounds float64, parts int, err error) {
	spec, err := group()
	if err != nil {
		return 0, 0, err
	}
	s := r.build(sc, ringMaker(spec))
	s.launch()
	total := float64(sc.Ramp + sc.Settle + cliffPatience)
	if err := r.pass(s, sc.Ramp+sc.Settle, float64(sc.Ramp+sc.Settle)/total, "members join"); err != nil {
		return 0, 0, err
	}
	s.schedule(sc.Faults)
	samples := s.sampleRing()
	if err := r.pass(s, cliffPatience, float64(cliffPatience)/total, fmt.Sprintf("seed %d", sc.Seed)); err != nil {
		return 0, 0, err
	}
	r.finish(s)
	return firstRight(*samples), len(s.Parts()), nil
}

// sampleRing looks each second how right the ring is, from now on.
func (s *Sim) sampleRing() *[]ringSample {
	samples := new([]ringSample)
	begin := s.now
	s.Every(time.Second, func() bool {
		*samples = append(*samples, ringSample{s.now.Sub(begin).Seconds(), s.Ring()})
		return true
	})
	return samples
}

// firstRight returns when all members' ring neighbors were right for the first
// time.
func firstRight(samples []ringSample) float64 { return roundsTo(samples, 2) }
