package plot

import "math"

// Size of a chart and its margins, in pixels of its own.
const (
	chartWidth, chartHeight = 640.0, 300.0
	marginLeft, marginRight = 58.0, 18.0
	marginTop, marginBottom = 30.0, 44.0
	maxPoints               = 500
)

// Line is one line of a chart. X rises.
type Line struct {
	Name string
	X, Y []float64
	// Step draws the line as stairs: each value holds until the next.
	Step bool
}

// Mark is a dashed line across a chart, at a value of either axis, with a word
// that says what it stands for.
type Mark struct {
	Name string
	At   float64
	// Vertical marks stand at a value of X.
	Vertical bool
}

// Chart is a picture of lines over a common axis.
type Chart struct {
	Title string
	// X and Y say what the axes show and in which unit.
	X, Y       string
	Lines      []Line
	Marks      []Mark
	LogX, LogY bool
	// YMin and YMax bound the vertical axis; equal values leave it to the
	// data.
	YMin, YMax float64
	// Area fills what is below the first line.
	Area bool
}

// AppendSVG appends the picture to b.
func (c *Chart) AppendSVG(b []byte) []byte {
	w := &builder{b}
	w.open(chartWidth, chartHeight, c.Title)
	x, y := c.scales()
	drawAxes(w, x, y, c.X, c.Y)
	for i := range c.Lines {
		c.draw(w, i, &x, &y)
	}
	for _, m := range c.Marks {
		drawMark(w, &x, &y, m)
	}
	names := make([]string, len(c.Lines))
	for i := range c.Lines {
		names[i] = c.Lines[i].Name
	}
	drawLegend(w, names, 6.6, marginLeft)
	w.close()
	return w.b
}

func (c *Chart) scales() (x, y scale) {
	x = scale{min: math.Inf(1), max: math.Inf(-1), from: marginLeft, to: chartWidth - marginRight, log: c.LogX}
	y = scale{min: math.Inf(1), max: math.Inf(-1), from: chartHeight - marginBottom, to: marginTop, log: c.LogY}
	for i := range c.Lines {
		for k := range c.Lines[i].X {
			if vx := c.Lines[i].X[k]; !c.LogX || vx > 0 {
				x.min, x.max = span(x.min, x.max, vx)
			}
			if vy := c.Lines[i].Y[k]; !c.LogY || vy > 0 {
				y.min, y.max = span(y.min, y.max, vy)
			}
		}
	}
	for _, m := range c.Marks {
		if m.Vertical {
			x.min, x.max = span(x.min, x.max, m.At)
		} else {
			y.min, y.max = span(y.min, y.max, m.At)
		}
	}
	if !c.LogY && y.min > 0 && y.min < 0.6*y.max {
		y.min = 0
	}
	if c.YMin != c.YMax {
		y.min, y.max = c.YMin, c.YMax
	}
	x.settle()
	y.settle()
	return x, y
}

// settle makes a usable range of whatever the data were.
func (s *scale) settle() {
	if s.min > s.max {
		s.min, s.max = 0, 1
		if s.log {
			s.min = 0.1
		}
	}
	if s.min == s.max {
		if s.log {
			s.min, s.max = s.min/2, s.max*2
		} else {
			s.max += max(math.Abs(s.max)*0.1, 1e-9)
		}
	}
}

func drawAxes(w *builder, x, y scale, xName, yName string) {
	for _, v := range y.ticks(5) {
		p := y.place(v)
		w.line("grid", x.from, p, x.to, p)
		w.label("", "end", x.from-7, p+4, Number(v))
	}
	for _, v := range x.ticks(7) {
		p := x.place(v)
		w.line("axis", p, y.from, p, y.from+4)
		w.label("", "middle", p, y.from+17, Number(v))
	}
	w.line("axis", x.from, y.from, x.to, y.from)
	w.label("", "middle", (x.from+x.to)/2, chartHeight-6, xName)
	w.text(`<text text-anchor="middle" transform="translate(13 `)
	w.num((y.from + y.to) / 2)
	w.text(`) rotate(-90)">`)
	w.escaped(yName)
	w.text("</text>")
}

func drawMark(w *builder, x, y *scale, m Mark) {
	if m.Vertical {
		p := x.place(m.At)
		w.line("mark", p, y.from, p, y.to)
		anchor, at := "start", p+5
		if p > (x.from+x.to)/2 {
			anchor, at = "end", p-5
		}
		w.label("mark", anchor, at, y.to+11, m.Name)
		return
	}
	p := y.place(m.At)
	w.line("mark", x.from, p, x.to, p)
	w.label("mark", "end", x.to-4, p-5, m.Name)
}

// drawLegend writes names beside samples of their colours, from x on; letter is
// how wide a letter is about.
func drawLegend(w *builder, names []string, letter, x float64) {
	at := x
	for i, name := range names {
		if name == "" {
			continue
		}
		w.rect(class("f", i), at, 9, 14, 4)
		w.label("name", "start", at+19, 15, name)
		at += 34 + letter*float64(len(name))
	}
}

// draw draws line i.
func (c *Chart) draw(w *builder, i int, x, y *scale) {
	l := &c.Lines[i]
	points := thin(l, x, y)
	if len(points) == 0 {
		return
	}
	if c.Area && i == 0 {
		w.text(`<path class="` + class("f", i) + `" fill-opacity=".16" d="`)
		path(w, points, l.Step)
		w.text("L")
		w.num(points[len(points)-1][0])
		w.text(" ")
		w.num(y.from)
		w.text("L")
		w.num(points[0][0])
		w.text(" ")
		w.num(y.from)
		w.text(`Z"/>`)
	}
	w.text(`<path class="line ` + class("s", i) + `" d="`)
	path(w, points, l.Step)
	w.text(`"/>`)
}

// thin places the points of a line, at most about maxPoints of them. Of those
// that share a column the lowest and the highest stay.
func thin(l *Line, x, y *scale) [][2]float64 {
	var points [][2]float64
	for k := range l.X {
		vx, vy := l.X[k], l.Y[k]
		if math.IsNaN(vx) || math.IsNaN(vy) || x.log && vx <= 0 {
			continue
		}
		vy = max(min(vy, y.max), y.min)
		points = append(points, [2]float64{x.place(vx), y.place(vy)})
	}
	if len(points) <= maxPoints {
		return points
	}
	column := (x.to - x.from) / (maxPoints / 2)
	kept := points[:1]
	for k := 1; k < len(points); {
		low, high := k, k
		j := k
		for ; j < len(points) && points[j][0] < points[k][0]+column; j++ {
			if points[j][1] < points[low][1] {
				low = j
			}
			if points[j][1] > points[high][1] {
				high = j
			}
		}
		a, z := points[min(low, high)], points[max(low, high)]
		kept = append(kept, a)
		if a != z {
			kept = append(kept, z)
		}
		k = j
	}
	return kept
}

func path(w *builder, points [][2]float64, step bool) {
	for i, p := range points {
		if i == 0 {
			w.text("M")
		} else {
			w.text("L")
			if step {
				w.num(p[0])
				w.text(" ")
				w.num(points[i-1][1])
				w.text("L")
			}
		}
		w.num(p[0])
		w.text(" ")
		w.num(p[1])
	}
}
