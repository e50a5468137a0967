package swarm

import "time"

// coreMaker makes the core of a node.
type coreMaker = func(s *Sim, n *Node) (Core, error)

// populate makes the publisher and the members; nobody has started yet.
func (s *Sim) populate() {
	sc := s.sc
	s.ledger.source = s.AddNode(sc.SourceUpload * sc.Rate / 8)
	scale := sc.uploadScale()
	for _, u := range uploads(stream(sc.Seed, "uploads", 0), sc.Upload, sc.Nodes) {
		s.AddNode(u * scale * sc.Rate / 8)
	}
}

// launch starts all members within the scenario's ramp, the publisher first,
// and lets them come and go from then on.
func (s *Sim) launch() {
	start := func(n *Node) {
		if err := n.Start(); err != nil {
			s.fail("nodes start", "%v", err)
		}
	}
	chance := stream(s.sc.Seed, "ramp", 0)
	for i, n := range s.nodes {
		at := time.Duration(0)
		if i > 0 {
			at = between(chance, 0, s.sc.Ramp)
		}
		s.After(at, func() {
			start(n)
			if i > 0 {
				s.churn.live(n, true)
			}
		})
	}
	s.churn.replace(start)
}
