package swarm

import (
	"time"
)

// Soak returns a scenario drawn at random: a small group in a bad world, with
// faults. It is for finding what breaks, not for figures.
func Soak(seed uint64) *Scenario {
	r := stream(seed, "soak", 0)
	sc := reference()
	sc.Name, sc.Seed, sc.Nodes = "steady", seed, 8+r.IntN(40)
	sc.Ramp, sc.Settle, sc.Duration = between(r, 0, 4*time.Second), 3*time.Second, 15*time.Second
	sc.Rate = []float64{300_000, 500_000, 1_000_000}[r.IntN(3)]
	sc.Window = between(r, 1500*time.Millisecond, 8*time.Second).Round(time.Millisecond)
	sc.Margin = between(r, 0, min(sc.Window, 2*time.Second)).Round(time.Millisecond)
	sc.FragmentSize = []int{500, 959, 1150}[r.IntN(3)]
	sc.Loss, sc.LossBurst = 0.05*r.Float64(), 1+5*r.Float64()
	sc.Unreachable = 0.4 * r.Float64()
	if r.IntN(4) == 0 {
		sc.NAT = []NATShare{{0.5, NATOpen}, {0.3, NATCone}, {0.2, NATSymmetric}}
	}
	sc.Rho = 0.9 + 2*r.Float64()
	if r.IntN(3) == 0 {
		sc.Upload = []UploadClass{{1, 1.5}}
	}
	sc.Churn.On = r.IntN(4) > 0
	sc.Churn.Session.Scale = between(r, 10*time.Second, 10*time.Minute)
	sc.Churn.Silent = r.Float64()
	sc.Faults = RandomFaults(r, 3, sc.Duration)
	return sc
}

// calmTime is how long a group is given to recover when all faults are over
// and nobody comes or goes any more.
const calmTime = 60 * time.Second

// RunSoak runs such a scenario, then lets the group recover, and returns the
// invariants that did not hold and the digest of the run.
func RunSoak(sc *Scenario) (broken []string, hash uint64, err error) {
	if err := sc.Validate(); err != nil {
		return nil, 0, err
	}
	r := &run{sc: sc, report: &Report{Metrics: Metrics{}}}
	s, err := r.playMedia(sc)
	if err != nil {
		return nil, 0, err
	}
	s.checkQueues()
	s.churn.over = true
	if err := r.pass(s, calmTime, 0, "recovering"); err != nil {
		return nil, 0, err
	}
	// A probe may be lost at any moment: the ring is given some more.
	for range 20 {
		if s.Ring().First == 1 {
			break
		}
		s.Run(time.Second)
	}
	s.checkQueues()
	s.checkEnds()
	s.checkRecovery()
	return s.Broken(), s.Hash(), nil
}

// checkRecovery holds that a group that was left in peace is whole again: one
// part, the ring right, and the stream everywhere if there is upload enough
// for it.
func (s *Sim) checkRecovery() {
	if parts := s.Parts(); len(parts) > 1 {
		s.fail("a group in peace is one", "its parts have %v members", parts)
	}
	if ring := s.Ring(); ring.First < 1 {
		s.fail("the ring of a group in peace is right", "%.0f of %d members lack their successor or predecessor", (1-ring.First)*float64(ring.Members), ring.Members)
	}
	if !s.hasUpload() {
		return
	}
	for _, n := range s.nodes {
		if n.Core == nil || n.View == nil {
			continue
		}
		const quiet = 5 * time.Second
		if v := n.View; s.now.Sub(v.handed) > quiet+s.sc.Window {
			s.fail("everybody in a group in peace plays", "node %d has played nothing for %v", n.index, s.now.Sub(v.handed))
		}
	}
}

// hasUpload reports whether the members that are left have upload enough for
// the stream, with the publisher giving each fragment once.
func (s *Sim) hasUpload() bool {
	const enough = 1.4
	rate := s.sc.Rate / 8
	have, need := rate, 0.0
	for _, n := range s.nodes {
		if n.Core != nil && n != s.ledger.source {
			have += n.upload
			need += rate
		}
	}
	return have >= enough*need
}
