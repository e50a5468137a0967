package plot

import "strconv"

// Style is the style sheet that the pictures rely on.
const Style = `
.plot{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}
.plot text{fill:var(--dim)}
.plot .graph text{font-size:16px}
.plot .name{fill:var(--ink)}
.plot .grid{stroke:var(--rule);stroke-width:1}
.plot .axis{stroke:var(--dim);stroke-width:1}
.plot .mark{stroke:var(--warn);stroke-width:1.2;stroke-dasharray:5 4}
.plot text.mark{fill:var(--warn);stroke:none}
.plot .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.plot .s0{stroke:var(--c0)}.plot .s1{stroke:var(--c1)}.plot .s2{stroke:var(--c2)}
.plot .s3{stroke:var(--c3)}.plot .s4{stroke:var(--c4)}.plot .s5{stroke:var(--c5)}
.plot .f0{fill:var(--c0)}.plot .f1{fill:var(--c1)}.plot .f2{fill:var(--c2)}
.plot .f3{fill:var(--c3)}.plot .f4{fill:var(--c4)}.plot .f5{fill:var(--c5)}
.plot .thin{fill:none;stroke-width:.7;stroke-opacity:.55}
.plot .bold{fill:none;stroke-width:1.5;stroke-opacity:.9}
.plot .node{stroke:var(--paper);stroke-width:.6}
`

// series is how many colours Style has.
const series = 6

// builder writes SVG.
type builder struct{ b []byte }

func (w *builder) text(s string) { w.b = append(w.b, s...) }

// num writes a coordinate: a tenth of a pixel is enough.
func (w *builder) num(v float64) {
	w.b = strconv.AppendFloat(w.b, float64(int64(v*10+sign(v)*0.5))/10, 'f', -1, 64)
}

func sign(v float64) float64 {
	if v < 0 {
		return -1
	}
	return 1
}

// attr writes name="v".
func (w *builder) attr(name string, v float64) {
	w.text(" ")
	w.text(name)
	w.text(`="`)
	w.num(v)
	w.text(`"`)
}

func (w *builder) open(width, height float64, title string) {
	w.text(`<svg class="plot" viewBox="0 0 `)
	w.num(width)
	w.text(" ")
	w.num(height)
	w.text(`" role="img" aria-label="`)
	w.escaped(title)
	w.text(`">`)
}

// openGraph begins a square picture. It is shown smaller than it is, so that its
// words are larger.
func (w *builder) openGraph(title string) {
	w.open(graphSize, graphSize, title)
	w.text(`<g class="graph">`)
}

func (w *builder) closeGraph() {
	w.text("</g>")
	w.close()
}

func (w *builder) close() { w.text("</svg>\n") }

func (w *builder) line(class string, x1, y1, x2, y2 float64) {
	w.text(`<line class="` + class + `"`)
	w.attr("x1", x1)
	w.attr("y1", y1)
	w.attr("x2", x2)
	w.attr("y2", y2)
	w.text("/>")
}

// label writes text at a place; anchor is start, middle or end.
func (w *builder) label(class, anchor string, x, y float64, s string) {
	w.text(`<text`)
	if class != "" {
		w.text(` class="` + class + `"`)
	}
	if anchor != "start" {
		w.text(` text-anchor="` + anchor + `"`)
	}
	w.attr("x", x)
	w.attr("y", y)
	w.text(">")
	w.escaped(s)
	w.text("</text>")
}

func (w *builder) rect(class string, x, y, width, height float64) {
	w.text(`<rect class="` + class + `"`)
	w.attr("x", x)
	w.attr("y", y)
	w.attr("width", max(width, 0))
	w.attr("height", max(height, 0))
	w.text("/>")
}

func (w *builder) circle(class string, x, y, r float64, title string) {
	w.text(`<circle class="` + class + `"`)
	w.attr("cx", x)
	w.attr("cy", y)
	w.attr("r", r)
	if title == "" {
		w.text("/>")
		return
	}
	w.text("><title>")
	w.escaped(title)
	w.text("</title></circle>")
}

// escaped writes s as text or as an attribute's value.
func (w *builder) escaped(s string) { w.b = AppendEscaped(w.b, s) }

// AppendEscaped appends s to b so that it stands for itself in HTML and SVG,
// as text and between double quotes.
func AppendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '&':
			b = append(b, "&amp;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			b = append(b, s[i])
		}
	}
	return b
}

func class(prefix string, i int) string { return prefix + strconv.Itoa(i%series) }
