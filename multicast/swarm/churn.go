package swarm

import (
	"math/rand/v2"
	"time"
)

// churn lets members come and go in steady state.
type churn struct {
	sim  *Sim
	rand *rand.Rand
	// left is called when a member has left; nil when nobody comes for it.
	left func(n *Node)
	// over tells that nobody comes or goes any more.
	over bool
}

func (c *churn) init(s *Sim) {
	c.sim = s
	c.rand = stream(s.sc.Seed, "churn", 0)
}

// live lets a member live as long as it happens to. Members of the beginning
// are met in the middle of their lives.
func (c *churn) live(n *Node, beginning bool) {
	p := &c.sim.sc.Churn
	if !p.On {
		return
	}
	life := p.Session.draw(c.rand)
	if beginning {
		life = p.Session.drawResidual(c.rand)
	}
	silent := c.rand.Float64() < p.Silent
	c.sim.After(life, func() {
		switch {
		case c.over:
		case silent:
			n.Crash()
		default:
			n.Leave()
		}
	})
}

// replace lets somebody with the same upload come for each member that leaves,
// after a while.
func (c *churn) replace(start func(n *Node)) {
	s := c.sim
	c.left = func(old *Node) {
		if !s.sc.Churn.On {
			return
		}
		s.After(between(c.rand, s.sc.Churn.ReplaceMin, s.sc.Churn.ReplaceMax), func() {
			if c.over {
				return
			}
			n := s.AddNode(old.upload)
			start(n)
			c.live(n, false)
		})
	}
}

// Churn says how members come and go.
type Churn struct {
	On bool
	// Session is how long a member stays.
	Session Weibull
	// Silent is the share of members that vanish without a farewell.
	Silent float64
	// ReplaceMin and ReplaceMax bound the time until another member comes
	// for one that has left.
	ReplaceMin, ReplaceMax time.Duration
}

// ReferenceChurn returns the churn of the reference scenario.
func ReferenceChurn() Churn {
	return Churn{
		On: true, Session: Weibull{0.59, 41*time.Minute + 54*time.Second}, Silent: 0.5,
		ReplaceMin: 500 * time.Millisecond, ReplaceMax: 10 * time.Second,
	}
}
