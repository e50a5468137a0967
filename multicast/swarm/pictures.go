package swarm

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
	"github.com/ringcast/ringcast/reliability"
)

// ringPictures draws what an overlay run showed.
func (r *run) ringPictures(s *Sim, forming, churning []ringSample, degrees *Counts) {
	r.report.draw("Convergence by round", "Share of members whose ring neighbors are right, from a random tree; a round is a second.",
		ringChart(forming, []plot.Mark{{Name: "target", At: 24, Vertical: true}}, 0))
	if len(churning) > 0 {
		low := 1.0
		for _, x := range churning {
			low = min(low, x.state.Six)
		}
		r.report.draw("Ring correctness over time", "The same under churn, looked at each second.", ringChart(churning, []plot.Mark{{Name: "99.9 %", At: 0.999}}, low-0.002))
	}
	r.report.draw("Degrees", "Links of a member, over all members.", countBars(degrees, "links", "members", plot.Mark{Name: "mean", At: degrees.Mean(), Vertical: true}))
	r.groupPictures(s)
}

func ringChart(samples []ringSample, marks []plot.Mark, low float64) *plot.Chart {
	var x, first, six []float64
	for _, p := range samples {
		x, first, six = append(x, p.at), append(first, p.state.First), append(six, p.state.Six)
	}
	return &plot.Chart{
		Title: "ring correctness", X: "seconds", Y: "share of members", YMin: max(low, 0), YMax: 1, Marks: marks,
		Lines: []plot.Line{{Name: "successor and predecessor", X: x, Y: first}, {Name: "all six", X: x, Y: six}},
	}
}

// countBars draws a count, at most some hundred bars of it.
func countBars(c *Counts, x, y string, marks ...plot.Mark) *plot.Bars {
	b := &plot.Bars{Title: x, X: x, Y: y, Marks: marks}
	g := plot.BarGroup{}
	for v := range c.n {
		b.Names = append(b.Names, strconv.Itoa(v))
		g.Heights = append(g.Heights, float64(c.n[v]))
	}
	b.Groups = []plot.BarGroup{g}
	return b
}

// drawnMembers is how many members a picture of the ring shows.
const drawnMembers = 240

// groupPictures draws the ring of members with its links: all of a small
// group, a sample of a large one.
func (r *run) groupPictures(s *Sim) {
	members := s.truth.members
	if len(members) == 0 {
		return
	}
	step := (len(members) + drawnMembers - 1) / drawnMembers
	ring := &plot.Ring{Title: "ring", Kinds: []string{"ring neighbors", "relayed", "others"}}
	place := make(map[int32]int)
	for i := 0; i < len(members); i += step {
		place[members[i].index] = len(ring.Nodes)
		ring.Nodes = append(ring.Nodes, plot.RingNode{At: ringPlace(members[i]), Title: "member " + strconv.Itoa(int(members[i].index)), Kind: 5})
	}
	shown := len(ring.Nodes)
	for i := 0; i < len(members); i += step {
		n := members[i]
		if step > 1 && i/step%(shown/8+1) != 0 {
			continue // in large groups only a few members show all their links
		}
		if step > 1 {
			ring.Nodes[place[n.index]].Kind = 1
		}
		for _, l := range n.Core.Links() {
			far := s.nodeOf(l.Peer)
			if far == nil || far.Core == nil {
				continue
			}
			to, ok := place[far.index]
			if !ok {
				to = len(ring.Nodes)
				place[far.index] = to
				ring.Nodes = append(ring.Nodes, plot.RingNode{At: ringPlace(far), Kind: 5})
			}
			kind := 2
			if l.Relayed {
				kind = 1
			} else if l.Side != 0 {
				kind = 0
			}
			if step > 1 || n.index < far.index {
				ring.Links = append(ring.Links, plot.RingLink{From: place[n.index], To: to, Kind: kind})
			}
		}
	}
	about := "All members at their places on the ring, with their links."
	if step > 1 {
		about = "A sample of the members at their places on the ring; some of them with all their links."
	}
	r.report.draw("The ring", about, ring)
}

// ringPlace returns a member's place on the ring as a share of it.
func ringPlace(n *Node) float64 { return float64(n.Addr.Top()) / math.MaxUint64 }

// mediaPictures draws what came of a stream.
func (r *run) mediaPictures(s *Sim) {
	m := &s.ledger.media
	r.report.draw("Delay", "From the publisher's write to the hand-over: share of messages that are there by then.", delayChart(m, false))
	r.report.draw("The tail of the delay", "Share of messages that come later, on a logarithmic scale.", delayChart(m, true))
	r.report.draw("Egress of the publisher", "All its bytes in each second, over the stream's rate.", s.egressChart())
	r.report.draw("Delivery by member", "Members in the order of their delivery, the worst first.", s.deliveryChart())
	r.report.draw("Bytes by kind", "What all members send beside payload, over the payload they receive: headers of fragments, what is sent again after loss, control of streams and overlay, posts and objects, acknowledgements, handshakes and probes; and payload that came twice.", s.bytesBars())
	r.report.draw("Bytes over time", "What all members send in a second, by kind.", s.bytesChart())
	for slice := range 3 {
		if t := s.pushTree(slice); t != nil {
			r.report.draw("Push tree of slice "+strconv.Itoa(slice), "Who had the last fragment of the slice from whom; the publisher in the middle, a ring for each hop.", t)
		}
	}
	if hops := s.hopCounts(); hops.Total() > 0 {
		r.report.draw("Hops", "From the publisher, over members and slices.", countBars(hops, "hops", "members × slices", plot.Mark{Name: "mean", At: hops.Mean(), Vertical: true}))
	}
}

func delayChart(m *media, tail bool) *plot.Chart {
	c := &plot.Chart{X: "seconds", Y: "share", YMin: 0, YMax: 1, Title: "delay"}
	if tail {
		c.LogY, c.YMin, c.YMax = true, 1e-5, 1
	}
	add := func(name string, h *Histogram) {
		x, y := h.Curve()
		if tail {
			for i := range y {
				y[i] = 1 - y[i]
			}
			if n := len(y); n > 0 {
				y[n-1] = 1e-9
			}
		}
		if len(x) > 0 {
			c.Lines = append(c.Lines, plot.Line{Name: name, X: x, Y: y})
		}
	}
	add("all", &m.all)
	add("audio", &m.delay[reliability.ClassAudio])
	add("key frames", &m.delay[reliability.ClassKey])
	add("other video", &m.delay[reliability.ClassReference])
	c.Marks = []plot.Mark{{Name: "p99", At: m.all.Quantile(0.99).Seconds(), Vertical: true}}
	return c
}

func (s *Sim) egressChart() *plot.Chart {
	var x, y []float64
	for i, b := range s.ledger.egress {
		x, y = append(x, float64(i)), append(y, float64(b)/(s.sc.Rate/8))
	}
	if n := len(x); n > 1 {
		x, y = x[:n-1], y[:n-1] // the last second is not whole
	}
	return &plot.Chart{
		Title: "egress", X: "seconds", Y: "× rate", Lines: []plot.Line{{Name: "egress", X: x, Y: y}}, Area: true,
		Marks: []plot.Mark{{Name: "1.25", At: 1.25}, {Name: "1.00", At: 1}},
	}
}

func (s *Sim) deliveryChart() *plot.Chart {
	var all []float64
	for _, v := range s.views() {
		if delivered, due := v.share(); due > 0 {
			all = append(all, float64(delivered)/float64(due))
		}
	}
	slices.SortFunc(all, func(a, b float64) int { return cmp.Compare(a, b) })
	var x []float64
	for i := range all {
		x = append(x, 100*float64(i+1)/float64(len(all)))
	}
	return &plot.Chart{Title: "delivery", X: "% of members", Y: "delivered", LogX: true, Lines: []plot.Line{{Name: "delivered", X: x, Y: all}}, Marks: []plot.Mark{{Name: "99.9 %", At: 0.999}}}
}

func (s *Sim) bytesBars() *plot.Bars {
	b := &plot.Bars{Title: "bytes by kind", Y: "share of payload received", X: "kind"}
	g := plot.BarGroup{}
	for k := bytesFraming; k < byteKinds; k++ {
		b.Names = append(b.Names, byteNames[k])
		g.Heights = append(g.Heights, float64(s.ledger.bytes[k])/max(float64(s.ledger.useful), 1))
	}
	b.Names = append(b.Names, "twice")
	g.Heights = append(g.Heights, float64(s.ledger.duplicate)/max(float64(s.ledger.useful), 1))
	b.Groups = []plot.BarGroup{g}
	return b
}

func (s *Sim) bytesChart() *plot.Chart {
	c := &plot.Chart{Title: "bytes over time", X: "seconds", Y: "bytes a second", LogY: true}
	for k := range byteKinds {
		l := plot.Line{Name: byteNames[k]}
		sum := 0.0
		for i, second := range s.ledger.kinds {
			l.X, l.Y = append(l.X, float64(i)), append(l.Y, float64(second[k]))
			sum += float64(second[k])
		}
		if n := len(l.X); n > 1 && sum > 0 && len(c.Lines) < 6 && k != bytesPayload {
			l.X, l.Y = l.X[:n-1], l.Y[:n-1]
			c.Lines = append(c.Lines, l)
		}
	}
	return c
}

// treeMembers is how many members a picture of a tree shows.
const treeMembers = 1500

// pushTree draws from whom each member had the newest fragment of a slice. In
// large groups the members farthest from the publisher are left out.
func (s *Sim) pushTree(slice int) *plot.Tree {
	t := &plot.Tree{Title: "push tree", Kinds: []string{"passes on", "passes nothing on", "gives no upload", "publisher"}}
	place := make(map[int32]int)
	add := func(n *Node) {
		place[n.index] = len(t.Parent)
		t.Parent = append(t.Parent, -1)
		kind := 1
		if n.upload == 0 {
			kind = 2
		}
		if n == s.ledger.source {
			kind, t.Root = 3, len(t.Parent)-1
		}
		t.Kind = append(t.Kind, kind)
	}
	order, _ := s.treeOrder(slice)
	if len(order) < 2 {
		return nil
	}
	for _, n := range order[:min(len(order), treeMembers)] {
		add(n)
		if n.View == nil {
			continue
		}
		if p, ok := place[n.View.parents[slice]]; ok {
			t.Parent[len(t.Parent)-1] = p
			if t.Kind[p] == 1 {
				t.Kind[p] = 0
			}
		}
	}
	return t
}

// treeOrder returns the members that have a slice from the publisher, parents
// before children, with their distance from it.
func (s *Sim) treeOrder(slice int) (order []*Node, depth map[int32]int) {
	children := make(map[int32][]*Node)
	for _, n := range s.nodes {
		if n.Core != nil && n.View != nil && n.View.parents[slice] >= 0 {
			p := n.View.parents[slice]
			children[p] = append(children[p], n)
		}
	}
	depth = map[int32]int{s.ledger.source.index: 0}
	order = []*Node{s.ledger.source}
	for k := 0; k < len(order); k++ {
		for _, c := range children[order[k].index] {
			if _, seen := depth[c.index]; !seen {
				depth[c.index] = depth[order[k].index] + 1
				order = append(order, c)
			}
		}
	}
	return order, depth
}

// hopCounts counts how far the members are from the publisher in each slice.
func (s *Sim) hopCounts() *Counts {
	var c Counts
	for slice := range 8 {
		order, depth := s.treeOrder(slice)
		for _, n := range order[1:] {
			c.Add(depth[n.index])
		}
	}
	return &c
}

func kneeChart(rho, delivery []float64) *plot.Chart {
	return &plot.Chart{
		Title: "knee", X: "ρ", Y: "delivered", Lines: []plot.Line{{Name: "delivery", X: rho, Y: delivery}},
		Marks: []plot.Mark{{Name: "99.9 %", At: 0.999}},
	}
}

func scaleChart(sizes []int, p99 []float64) *plot.Chart {
	var x []float64
	for _, n := range sizes {
		x = append(x, float64(n))
	}
	return &plot.Chart{Title: "growth", X: "members", Y: "seconds", LogX: true, Lines: []plot.Line{{Name: "p99", X: x, Y: p99}}}
}
