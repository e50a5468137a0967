package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
)

// group returns the group of all simulations.
func group() (*groupspec.Spec, error) {
	return groupspec.New(groupspec.Settings{
		Name: "simulation", Routing: true, Multicast: true, ObjectReplication: true, Posting: true, ServerChannel: true,
	})
}

// ringSample is what a look at all members showed.
type ringSample struct {
	at    float64 // seconds
	state RingState
}

// overlay measures the ring: from a random tree until it is right, and then
// under churn.
func (r *run) overlay() error {
	spec, err := group()
	if err != nil {
		return err
	}
	const forming = 40 * time.Second
	total := float64(forming + r.sc.Settle + r.sc.Duration)
	s := r.build(r.sc, ringMaker(spec))
	rounds, err := r.formRing(s, forming, float64(forming)/total)
	if err != nil {
		return err
	}
	s.beginChurn()
	if err := r.pass(s, r.sc.Settle, float64(r.sc.Settle)/total, "settling"); err != nil {
		return err
	}
	s.ledger.begin()
	s.schedule(r.sc.Faults)
	var samples []ringSample
	degrees := &Counts{}
	begin := s.now
	s.Every(time.Second, func() bool {
		samples = append(samples, ringSample{s.now.Sub(begin).Seconds(), s.Ring()})
		if len(samples)%10 == 0 {
			degrees.merge(s.Degrees())
		}
		return true
	})
	if err := r.pass(s, r.sc.Duration, float64(r.sc.Duration)/total, "measuring"); err != nil {
		return err
	}
	if len(samples) < 10 {
		degrees = s.Degrees()
	}
	r.ringFigures(s, rounds, samples, degrees)
	r.finish(s)
	return nil
}

// formRing starts everybody at once, each knowing one member that came before
// it, and looks each second how right the ring is.
func (r *run) formRing(s *Sim, d time.Duration, share float64) ([]ringSample, error) {
	parents := stream(r.sc.Seed, "tree", 0)
	s.intro.tree = func(n *Node) *Node {
		// A tree of links: members that can't connect make none.
		for range 100 {
			if len(s.intro.members) == 0 {
				return nil
			}
			if m := s.intro.members[parents.IntN(len(s.intro.members))]; s.reachable(n, m) {
				return m
			}
		}
		return nil
	}
	for _, n := range s.nodes {
		if err := n.Start(); err != nil {
			return nil, err
		}
	}
	// All have heard of their parent by then, and the rounds begin.
	if err := r.pass(s, bootTime, 0, "starting"); err != nil {
		return nil, err
	}
	s.intro.tree = nil
	var samples []ringSample
	begin := s.now
	s.Every(time.Second, func() bool {
		samples = append(samples, ringSample{s.now.Sub(begin).Seconds(), s.Ring()})
		return s.now.Sub(begin) < d
	})
	return samples, r.pass(s, d, share, "forming the ring")
}

// bootTime is within which everybody has met the introducer.
const bootTime = 500 * time.Millisecond

// beginChurn lets members come and go from now on.
func (s *Sim) beginChurn() {
	for _, n := range s.nodes {
		if n.Core != nil && n != s.ledger.source {
			s.churn.live(n, true)
		}
	}
	s.churn.replace(func(n *Node) {
		if err := n.Start(); err != nil {
			s.fail("nodes start", "%v", err)
		}
	})
}

// roundsTo returns after how many rounds all members' ring neighbors were
// right for the first time.
func roundsTo(samples []ringSample, members int) float64 {
	for _, x := range samples {
		if x.state.Six == 1 && x.state.Members >= members {
			return x.at
		}
	}
	return never
}

// ringFigures takes the figures of an overlay run.
func (r *run) ringFigures(s *Sim, forming, churning []ringSample, degrees *Counts) {
	m := r.report.Metrics
	m["rounds_to_ring"] = roundsTo(forming, r.sc.Nodes+1)
	var first, six float64
	alone := 0
	for _, x := range churning {
		first += x.state.First / float64(len(churning))
		six += x.state.Six / float64(len(churning))
		alone = max(alone, x.state.Alone)
	}
	if len(churning) > 0 {
		m["ring_correct"] = first
		r.report.note("All six ring neighbors were right for %s of member-time.", FormatMetric("ring_correct", six))
	}
	if alone > 0 {
		r.report.note("At worst %d members had no link at all.", alone)
	}
	if n := len(forming); n > 0 {
		last := forming[min(n, 24)-1].state
		r.report.note("After %d rounds from a random tree %s of %d members had all six ring neighbors right.", min(n, 24), FormatMetric("ring_correct", last.Six), last.Members)
	}
	m["degree_mean"], m["degree_max"] = degrees.Mean(), float64(degrees.Max())
	seconds := s.now.Sub(s.ledger.begun).Seconds()
	if live := len(s.truth.members); live > 0 && seconds > 0 {
		r.report.note("A member sends %.0f B/s for the overlay, %.0f B/s of acknowledgements and %.0f B/s of handshakes and probes.",
			float64(s.ledger.bytes[bytesOverlay])/seconds/float64(live), float64(s.ledger.bytes[bytesAck])/seconds/float64(live),
			float64(s.ledger.bytes[bytesShake])/seconds/float64(live))
	}
	r.ringPictures(s, forming, churning, degrees)
}
