package swarm

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// warmUp makes a group whose members have joined and settled.
func (r *run) warmUp(share float64) (*Sim, error) {
	spec, err := group()
	if err != nil {
		return nil, err
	}
	s := r.build(r.sc, appsMaker(spec))
	s.launch()
	return s, r.pass(s, r.sc.Ramp+r.sc.Settle, share, "members join")
}

// question is a message on its way to the member nearest to an address.
type question struct {
	origin *Node
	target overlay.Address
	at     reliability.Time
	owner  *Node // who was nearest when it was asked
	// arrived are the members that it has come to, and whether each was right.
	// A copy that was long on its way may come to another one.
	arrived []arrival
	hops    int // to who answered first
	right   bool
	done    bool
}

// arrival is where a question has come to.
type arrival struct {
	at    *Node
	right bool
	hops  int
}

// questionPatience is how long an answer is waited for.
const questionPatience = 15 * time.Second

// questionsEach is the time between two questions in a whole group: 20 ms, and
// less in large ones, where there is room for more of them.
func questionsEach(nodes int) time.Duration {
	return max(20*time.Millisecond*1000/time.Duration(max(nodes, 1000)), 2*time.Millisecond)
}

// route has members ask for random addresses, under churn.
func (r *run) route() error {
	lead := float64(r.sc.Ramp + r.sc.Settle)
	total := lead + float64(r.sc.Duration+questionPatience)
	s, err := r.warmUp(lead / total)
	if err != nil {
		return err
	}
	s.ledger.begin()
	s.schedule(r.sc.Faults)
	asked := make(map[uint64]*question)
	var order []*question
	s.apps.routed = func(n *Node, c *appsCore, e *overlay.RouterEvent) { s.routed(asked, n, c, e) }
	chance := stream(r.sc.Seed, "questions", 0)
	end := s.now.Add(r.sc.Duration)
	s.Every(questionsEach(r.sc.Nodes), func() bool {
		if len(s.truth.members) == 0 {
			return true
		}
		q := &question{origin: s.truth.members[chance.IntN(len(s.truth.members))], at: s.now}
		for i := 0; i < len(q.target); i += 8 {
			binary.BigEndian.PutUint64(q.target[i:], chance.Uint64())
		}
		q.owner = s.truth.nearest(q.target)
		q.origin.Do(func(now reliability.Time, c Core) {
			number, _ := c.(*appsCore).router.Ask(now, q.target, []byte("where?"))
			asked[number] = q
		})
		order = append(order, q)
		return s.now < end
	})
	if err := r.pass(s, r.sc.Duration+questionPatience, 1-lead/total, "asking"); err != nil {
		return err
	}
	r.routeFigures(s, order)
	r.groupPictures(s)
	r.finish(s)
	return nil
}

// routed takes a question where it has arrived, or its answer.
func (s *Sim) routed(asked map[uint64]*question, n *Node, c *appsCore, e *overlay.RouterEvent) {
	q := asked[e.Number]
	if q == nil {
		return
	}
	switch e.Kind {
	case overlay.RouterQuestion:
		// Who was nearest when it was asked is right, and so is who is now.
		right := n == q.owner || n == s.truth.nearest(q.target)
		q.arrived = append(q.arrived, arrival{n, right, e.Hops})
		s.After(0, func() {
			n.Do(func(now reliability.Time, _ Core) { c.router.Answer(now, e.Origin, e.Number, []byte("here")) })
		})
	case overlay.RouterAnswer:
		q.done = true
		s.ledger.media.all.Add(s.now.Sub(q.at))
		for _, a := range q.arrived {
			if a.at.ID == e.Origin {
				q.right, q.hops = a.right, a.hops
			}
		}
	}
}

// nearest returns the member that is nearest to an address.
func (t *truth) nearest(a overlay.Address) *Node {
	count := len(t.members)
	if count == 0 {
		return nil
	}
	at, _ := t.find(a)
	above, below := t.members[at%count], t.members[(at-1+count)%count]
	if above.Addr.Distance(a).Compare(below.Addr.Distance(a)) < 0 {
		return above
	}
	return below
}

func (r *run) routeFigures(s *Sim, order []*question) {
	var hops Counts
	right, wrong, lost, counted := 0, 0, 0, 0
	for _, q := range order {
		if q.origin.Gone != 0 {
			continue // nobody is there any more who could have the answer
		}
		counted++
		switch {
		case q.done && q.right:
			right++
			hops.Add(q.hops)
		case q.done:
			wrong++
		default:
			lost++
		}
	}
	m := r.report.Metrics
	if counted > 0 {
		m["route_success"] = float64(right) / float64(counted)
	}
	m["hops_mean"], m["hops_p99"] = hops.Mean(), float64(hops.Quantile(0.99))
	m["delay_p50_s"], m["delay_p99_s"] = s.ledger.media.all.Quantile(0.5).Seconds(), s.ledger.media.all.Quantile(0.99).Seconds()
	r.report.note("%d questions: %d answers from the right member, %d from a wrong one, %d without an answer. Delays are those of the answer at the asker, repetitions included.", counted, right, wrong, lost)
	r.report.draw("Hops", "Links that a question came over, of those that the right member answered.", countBars(&hops, "hops", "questions", plot.Mark{Name: "mean", At: hops.Mean(), Vertical: true}))
	x, y := s.ledger.media.all.Curve()
	r.report.draw("Answers", "From question to answer: share of answers that are there by then.", &plot.Chart{Title: "answers", X: "seconds", Y: "share", Lines: []plot.Line{{Name: "answers", X: x, Y: y}}})
}

// posting is a post and who has it.
type posting struct {
	at  reliability.Time
	got map[int32]bool
}

const (
	postsEach    = 2 * time.Second
	postPatience = 10 * time.Second
	postLen      = 200
)

// post has members post, under churn.
func (r *run) post() error {
	lead := float64(r.sc.Ramp + r.sc.Settle)
	total := lead + float64(r.sc.Duration+postPatience)
	s, err := r.warmUp(lead / total)
	if err != nil {
		return err
	}
	s.ledger.begin()
	s.schedule(r.sc.Faults)
	posts := make(map[overlay.PostID]*posting)
	var reached, due, first uint64
	s.apps.posted = func(n *Node, e *overlay.PostEvent) {
		if p := posts[e.ID]; p != nil && !p.got[n.index] {
			p.got[n.index] = true
			first++
			s.ledger.media.all.Add(s.now.Sub(p.at))
		}
	}
	chance := stream(r.sc.Seed, "posts", 0)
	end := s.now.Add(r.sc.Duration)
	s.Every(postsEach, func() bool {
		author := s.truth.members[chance.IntN(len(s.truth.members))]
		p := &posting{at: s.now, got: make(map[int32]bool)}
		members := make([]*Node, len(s.truth.members))
		copy(members, s.truth.members)
		author.Do(func(now reliability.Time, c Core) {
			id, err := c.(*appsCore).posting.Post(now, postValue(chance.Uint64()))
			if err != nil {
				s.fail("posts are taken", "node %d: %v", author.index, err)
			}
			posts[id] = p
			s.After(postPatience, func() {
				delete(posts, id)
				for _, n := range members {
					if n != author && n.Core != nil {
						due++
						if p.got[n.index] {
							reached++
						}
					}
				}
			})
		})
		return s.now < end
	})
	if err := r.pass(s, r.sc.Duration+postPatience, 1-lead/total, "posting"); err != nil {
		return err
	}
	r.postFigures(s, reached, due, first)
	r.groupPictures(s)
	r.finish(s)
	return nil
}

// postValue is a post of its own: a string.
func postValue(number uint64) []byte {
	value := make([]byte, 3+postLen)
	value[0] = 0x02 // AMF0 string
	binary.BigEndian.PutUint16(value[1:], postLen)
	for i := range postLen {
		value[3+i] = 'a' + byte(scramble(number+uint64(i))%26)
	}
	return value
}

func (r *run) postFigures(s *Sim, reached, due, first uint64) {
	m := r.report.Metrics
	all := &s.ledger.media.all
	if due > 0 {
		m["post_reach"] = float64(reached) / float64(due)
	}
	if first > 0 {
		m["post_copies"] = float64(s.apps.values) / float64(first)
	}
	m["delay_p50_s"], m["delay_p99_s"], m["delay_p999_s"] = all.Quantile(0.5).Seconds(), all.Quantile(0.99).Seconds(), all.Quantile(0.999).Seconds()
	r.report.note("Of %d pairs of posts and members who were ready when it was posted and stayed, %d were reached within %v.", due, reached, postPatience)
	x, y := all.Curve()
	r.report.draw("Delay of posts", "From the post to a member's having it: share of members that have it by then.",
		&plot.Chart{Title: "posts", X: "seconds", Y: "share", Lines: []plot.Line{{Name: "posts", X: x, Y: y}}, Marks: []plot.Mark{{Name: "p99", At: all.Quantile(0.99).Seconds(), Vertical: true}}})
}
