package plot

import (
	"math"
	"strconv"
)

const graphSize = 560.0

// Ring is a picture of members on a circle, at the places of their addresses,
// and the links between them.
type Ring struct {
	Title string
	// Nodes holds each member's place, 0 to below 1, clockwise from the top.
	Nodes []RingNode
	Links []RingLink
	// Kinds names the kinds of links, for the legend.
	Kinds []string
}

// RingNode is a member.
type RingNode struct {
	At    float64
	Title string
	// Kind chooses the colour.
	Kind int
}

// RingLink is a link between two members, by their index.
type RingLink struct {
	From, To int
	Kind     int
}

// AppendSVG appends the picture to b.
func (r *Ring) AppendSVG(b []byte) []byte {
	w := &builder{b}
	w.openGraph(r.Title)
	const radius = graphSize/2 - 46
	place := func(i int) (x, y float64) { return onCircle(r.Nodes[i].At, radius) }
	// Kinds are drawn from the last to the first, so that the first lies on top.
	for kind := len(r.Kinds) - 1; kind >= 0; kind-- {
		weight := "thin"
		if kind == 0 {
			weight = "bold"
		}
		w.text(`<path class="` + weight + " " + class("s", kind) + `" d="`)
		for _, l := range r.Links {
			if l.Kind != kind {
				continue
			}
			x1, y1 := place(l.From)
			x2, y2 := place(l.To)
			w.text("M")
			w.num(x1)
			w.text(" ")
			w.num(y1)
			w.text("Q")
			pull := chordPull(r.Nodes[l.From].At, r.Nodes[l.To].At)
			w.num(graphSize/2 + ((x1+x2)/2-graphSize/2)*pull)
			w.text(" ")
			w.num(graphSize/2 + ((y1+y2)/2-graphSize/2)*pull)
			w.text(" ")
			w.num(x2)
			w.text(" ")
			w.num(y2)
		}
		w.text(`"/>`)
	}
	size := max(1.6, min(5, 60/math.Sqrt(float64(len(r.Nodes)+1))))
	for i, n := range r.Nodes {
		x, y := place(i)
		w.circle("node "+class("f", n.Kind), x, y, size, n.Title)
	}
	drawLegend(w, r.Kinds, 8.6, 8)
	w.closeGraph()
	return w.b
}

// chordPull says how near to the circle a link is bent: short links run along
// it, long ones straight across.
func chordPull(a, b float64) float64 {
	d := math.Abs(a - b)
	d = min(d, 1-d)
	return 1.12 - 1.2*d
}

func onCircle(at, radius float64) (x, y float64) {
	sin, cos := math.Sincos(2 * math.Pi * at)
	return graphSize/2 + radius*sin, graphSize/2 + 8 - radius*cos
}

// Tree is a picture of a tree from the middle outwards. A node's distance from
// the middle is its depth.
type Tree struct {
	Title string
	// Parent holds each node's parent, -1 for the root and for nodes that are
	// not in the tree.
	Parent []int
	Root   int
	// Kind chooses each node's colour.
	Kind []int
	// Kinds names them.
	Kinds []string
}

// AppendSVG appends the picture to b.
func (t *Tree) AppendSVG(b []byte) []byte {
	w := &builder{b}
	w.openGraph(t.Title)
	l := t.layout()
	ring := (graphSize/2 - 40) / float64(max(l.deepest, 1))
	for d := 1; d <= l.deepest; d++ {
		w.text(`<circle fill="none" class="grid"`)
		w.attr("cx", graphSize/2)
		w.attr("cy", graphSize/2+8)
		w.attr("r", ring*float64(d))
		w.text("/>")
	}
	place := func(i int) (x, y float64) { return onCircle(l.at[i], ring*float64(l.depth[i])) }
	w.text(`<path class="thin s0" d="`)
	for i, p := range t.Parent {
		if p < 0 || l.depth[i] < 0 {
			continue
		}
		x1, y1 := place(p)
		x2, y2 := place(i)
		w.text("M")
		w.num(x1)
		w.text(" ")
		w.num(y1)
		w.text("L")
		w.num(x2)
		w.text(" ")
		w.num(y2)
	}
	w.text(`"/>`)
	size := max(1.6, min(5, 70/math.Sqrt(float64(l.count+1))))
	for _, i := range l.order {
		x, y := place(i)
		r := size
		if i == t.Root {
			r = 7
		}
		w.circle("node "+class("f", t.Kind[i]), x, y, r, "node "+strconv.Itoa(i)+", hop "+strconv.Itoa(l.depth[i]))
	}
	drawLegend(w, t.Kinds, 8.6, 8)
	w.closeGraph()
	return w.b
}

// treeLayout is where the nodes of a tree go.
type treeLayout struct {
	at      []float64 // place on the circle, 0 to 1
	depth   []int     // -1: not in the tree
	order   []int     // the root first, parents before children
	deepest int
	count   int
}

// layout gives each subtree a part of the circle in proportion to its leaves.
func (t *Tree) layout() treeLayout {
	n := len(t.Parent)
	l := treeLayout{at: make([]float64, n), depth: make([]int, n)}
	children := make([][]int, n)
	for i, p := range t.Parent {
		l.depth[i] = -1
		if p >= 0 && i != t.Root {
			children[p] = append(children[p], i)
		}
	}
	l.depth[t.Root] = 0
	l.order = append(l.order, t.Root)
	for k := 0; k < len(l.order); k++ {
		i := l.order[k]
		for _, c := range children[i] {
			l.depth[c] = l.depth[i] + 1
			l.deepest = max(l.deepest, l.depth[c])
			l.order = append(l.order, c)
		}
	}
	l.count = len(l.order)
	leaves := make([]float64, n)
	for k := len(l.order) - 1; k >= 0; k-- {
		i := l.order[k]
		leaves[i] = max(leaves[i], 1)
		if i != t.Root {
			leaves[t.Parent[i]] += leaves[i]
		}
	}
	start := make([]float64, n)
	width := make([]float64, n)
	width[t.Root] = 1
	for _, i := range l.order {
		l.at[i] = start[i] + width[i]/2
		next, sum := start[i], 0.0
		for _, c := range children[i] {
			sum += leaves[c]
		}
		for _, c := range children[i] {
			start[c], width[c] = next, width[i]*leaves[c]/sum
			next += width[c]
		}
	}
	return l
}
