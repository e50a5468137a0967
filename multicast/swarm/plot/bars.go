package plot

import "math"

// Bars is a picture of a count for each of several numbers or words.
type Bars struct {
	Title string
	X, Y  string
	// Names stand under the bars. With many bars only some are written.
	Names []string
	// Groups holds one row of heights for each kind of bar; rows are stacked.
	Groups []BarGroup
	// Marks stand at a place of X, counted in bars from 0, or at a height.
	Marks []Mark
}

// BarGroup is one kind of bar.
type BarGroup struct {
	Name    string
	Heights []float64
}

// AppendSVG appends the picture to b.
func (c *Bars) AppendSVG(b []byte) []byte {
	w := &builder{b}
	w.open(chartWidth, chartHeight, c.Title)
	n := len(c.Names)
	x := scale{min: -0.5, max: float64(max(n, 1)) - 0.5, from: marginLeft, to: chartWidth - marginRight}
	y := scale{from: chartHeight - marginBottom, to: marginTop}
	for i := range n {
		y.max = max(y.max, c.total(i))
	}
	for _, m := range c.Marks {
		if !m.Vertical {
			y.max = max(y.max, m.At)
		}
	}
	y.max *= 1.1
	y.settle()
	c.axes(w, x, y)
	width := (x.to - x.from) / float64(max(n, 1))
	gap := math.Min(width*0.16, 6)
	for i := range n {
		base := 0.0
		for g := range c.Groups {
			h := c.height(g, i)
			top, bottom := y.place(base+h), y.place(base)
			w.rect(class("f", g), x.place(float64(i))-width/2+gap/2, top, width-gap, bottom-top)
			base += h
		}
	}
	for _, m := range c.Marks {
		drawMark(w, &x, &y, m)
	}
	names := make([]string, len(c.Groups))
	for i := range c.Groups {
		names[i] = c.Groups[i].Name
	}
	drawLegend(w, names, 6.6, marginLeft)
	w.close()
	return w.b
}

func (c *Bars) height(g, i int) float64 {
	if h := c.Groups[g].Heights; i < len(h) && !math.IsNaN(h[i]) {
		return h[i]
	}
	return 0
}

func (c *Bars) total(i int) (sum float64) {
	for g := range c.Groups {
		sum += c.height(g, i)
	}
	return sum
}

func (c *Bars) axes(w *builder, x, y scale) {
	for _, v := range y.ticks(5) {
		p := y.place(v)
		w.line("grid", x.from, p, x.to, p)
		w.label("", "end", x.from-7, p+4, Number(v))
	}
	longest := 1
	for _, name := range c.Names {
		longest = max(longest, len(name))
	}
	room := (x.to - x.from) / (7*float64(longest) + 8)
	step := max(1, int(math.Ceil(float64(len(c.Names))/room)))
	for i := 0; i < len(c.Names); i += step {
		w.label("", "middle", x.place(float64(i)), y.from+17, c.Names[i])
	}
	w.line("axis", x.from, y.from, x.to, y.from)
	w.label("", "middle", (x.from+x.to)/2, chartHeight-6, c.X)
	w.text(`<text text-anchor="middle" transform="translate(13 `)
	w.num((y.from + y.to) / 2)
	w.text(`) rotate(-90)">`)
	w.escaped(c.Y)
	w.text("</text>")
}
