package swarm

import (
	"fmt"
	"strings"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
)

// colours are those of the page and of pictures that stand alone.
const colours = `
:root{--paper:#fbfaf7;--card:#fff;--ink:#1d2129;--dim:#6b7280;--rule:#e4e2dc;--warn:#b4371f;--good:#1c7c4a;
--c0:#2563b8;--c1:#d9762b;--c2:#2f9e76;--c3:#9b4fb0;--c4:#c23b5c;--c5:#7a7d85}
@media(prefers-color-scheme:dark){:root{--paper:#14171c;--card:#1c2027;--ink:#e7e9ee;--dim:#98a0ae;--rule:#2e343e;
--warn:#ff8a6b;--good:#5fd197;--c0:#6aa6f8;--c1:#f3a45c;--c2:#5ccaa0;--c3:#c98be0;--c4:#f0809b;--c5:#9aa0aa}}
`

// pageStyle is the page's style sheet; the pictures' is plot.Style.
const pageStyle = `*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1320px;margin:0 auto;padding:32px min(28px,4vw) 60px}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 18px;border-bottom:2px solid var(--ink);padding-bottom:14px}
h1{font-size:30px;line-height:1.25;margin:0;letter-spacing:-.02em}
h1 small{font-weight:400;color:var(--dim);font-size:17px;letter-spacing:0;margin-left:10px}
header p{margin:0;color:var(--dim)}
h2{font-size:18px;margin:34px 0 12px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,1fr));gap:10px;margin-top:22px}
.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:8px}
.card{padding:10px 14px 12px}
.card b{display:block;white-space:nowrap;font-size:20px;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.card span{color:var(--dim);font-size:12.5px}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:14px}
.squares{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr));gap:14px;margin-top:14px}
figure{margin:0;padding:14px 16px 10px}
figure h3{margin:0;font-size:15px}
figure p{margin:2px 0 8px;color:var(--dim);font-size:13px;min-height:1.5em}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--rule);border-radius:8px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:7px 14px;border-top:1px solid var(--rule);vertical-align:top}
tr:first-child th{border-top:0;color:var(--dim);font-weight:500;font-size:13px}
td.n{text-align:right}th.n{text-align:right}
.met{color:var(--good);font-weight:600}.missed{color:var(--warn);font-weight:600}
.broken{border-left:4px solid var(--warn);background:var(--card);padding:10px 16px;margin-top:22px}
.wide{overflow-x:auto}
code{font:13px ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--card);border:1px solid var(--rule);border-radius:4px;padding:2px 6px}
footer{margin-top:40px;color:var(--dim);font-size:13px}
ul{padding-left:20px}
`

// page builds the HTML of a report.
type page struct{ b []byte }

func (p *page) html(s string) { p.b = append(p.b, s...) }
func (p *page) text(s string) { p.b = plot.AppendEscaped(p.b, s) }
func (p *page) tag(name, content string) {
	p.html("<" + name + ">")
	p.text(content)
	p.html("</" + name + ">")
}

// AppendHTML appends the report as one page that needs nothing else.
func (r *Report) AppendHTML(b []byte) []byte {
	p := &page{b}
	p.html("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n<title>")
	p.text(fmt.Sprintf("%s, %d nodes, seed %d", r.Scenario, r.Nodes, r.Seed))
	p.html("</title>\n<style>" + colours + pageStyle + plot.Style + "</style></head>\n<body><main>\n")
	p.head(r)
	p.brokenList(r)
	p.cards(r)
	p.targets(r)
	p.figures(r)
	p.parts(r)
	p.remarks(r)
	p.settings(r)
	p.html("</main></body></html>\n")
	return p.b
}

func (p *page) head(r *Report) {
	p.html("<header><h1>")
	p.text(r.Scenario)
	p.html("<small>")
	p.text(About(r.Scenario))
	p.html("</small></h1><p>")
	p.text(fmt.Sprintf("%s nodes · seed %d · %s simulated", thousands(r.Nodes), r.Seed, r.Simulated))
	p.html("</p></header>\n")
}

func (p *page) brokenList(r *Report) {
	if len(r.Broken) == 0 {
		return
	}
	p.html(`<div class="broken"><b class="missed">`)
	p.text(fmt.Sprintf("%d invariants did not hold", len(r.Broken)))
	p.html("</b><ul>")
	for _, s := range r.Broken {
		p.tag("li", s)
	}
	p.html("</ul></div>\n")
}

func (p *page) cards(r *Report) {
	p.html(`<section class="cards">`)
	for _, name := range r.Metrics.Names() {
		info, _ := MetricByName(name)
		p.html(`<div class="card" title="`)
		p.text(info.Help)
		p.html(`"><b>`)
		p.text(FormatMetric(name, r.Metrics[name]))
		p.html("</b><span>")
		p.text(metricTitle(name))
		p.html("</span></div>")
	}
	p.html("</section>\n")
}

// metricTitle makes words of a figure's name.
func metricTitle(name string) string {
	name = strings.TrimSuffix(name, "_s")
	name = strings.NewReplacer("events_per", "events per s", "p999", "p99.9", "1pct", "1 %", "max_1s", "worst second", "_", " ").Replace(name)
	return name
}

func (p *page) targets(r *Report) {
	if len(r.Targets) == 0 {
		return
	}
	p.html("<h2>Targets</h2><div class=\"wide\"><table><tr><th>target</th><th class=\"n\">wanted</th><th class=\"n\">got</th><th>met</th></tr>\n")
	for _, t := range r.Targets {
		p.html("<tr>")
		p.tag("td", t.Name)
		p.html(`<td class="n">`)
		p.text(t.Wanted)
		p.html(`</td><td class="n">`)
		p.text(short(significant4(t.Got)))
		p.html("</td>")
		if t.Met {
			p.html(`<td class="met">yes</td></tr>`)
		} else {
			p.html(`<td class="missed">no</td></tr>`)
		}
		p.html("\n")
	}
	p.html("</table></div>\n")
}

func (p *page) figures(r *Report) {
	if len(r.Pictures) == 0 {
		return
	}
	p.html("<h2>Pictures</h2>")
	p.figureGrid(r.Pictures, "figures", false)
	p.figureGrid(r.Pictures, "squares", true)
}

// figureGrid shows the pictures that are square, or those that are not.
func (p *page) figureGrid(pictures []Picture, class string, square bool) {
	p.html("<section class=\"" + class + "\">\n")
	for _, f := range pictures {
		if isSquare(f.Drawing) != square {
			continue
		}
		p.html("<figure>")
		p.tag("h3", f.Title)
		p.tag("p", f.About)
		p.b = f.Drawing.AppendSVG(p.b)
		p.html("</figure>\n")
	}
	p.html("</section>\n")
}

// isSquare tells pictures of graphs from charts.
func isSquare(d any) bool {
	switch d.(type) {
	case *plot.Ring, *plot.Tree:
		return true
	}
	return false
}

// parts shows the runs of a scenario that varies something, side by side.
func (p *page) parts(r *Report) {
	if len(r.Parts) == 0 {
		return
	}
	all := Metrics{}
	for _, part := range r.Parts {
		for name, v := range part.Metrics {
			all[name] = v
		}
	}
	names := all.Names()
	p.html("<h2>Runs</h2><div class=\"wide\"><table><tr><th>run</th><th class=\"n\">nodes</th><th class=\"n\">seed</th>")
	for _, name := range names {
		p.html(`<th class="n">`)
		p.text(metricTitle(name))
		p.html("</th>")
	}
	p.html("</tr>\n")
	for _, part := range r.Parts {
		p.html("<tr>")
		p.tag("td", part.Name)
		p.html(fmt.Sprintf(`<td class="n">%s</td><td class="n">%d</td>`, thousands(part.Nodes), part.Seed))
		for _, name := range names {
			p.html(`<td class="n">`)
			if v, ok := part.Metrics[name]; ok {
				p.text(FormatMetric(name, v))
			}
			p.html("</td>")
		}
		p.html("</tr>\n")
	}
	p.html("</table></div>\n")
}

func (p *page) remarks(r *Report) {
	if len(r.Notes) == 0 {
		return
	}
	p.html("<h2>Notes</h2><ul>")
	for _, s := range r.Notes {
		p.tag("li", s)
	}
	p.html("</ul>\n")
}

func (p *page) settings(r *Report) {
	p.html("<h2>Settings</h2><div class=\"wide\"><table><tr><th>setting</th><th>value</th><th>what it is</th></tr>\n")
	for _, s := range r.Settings {
		p.html("<tr>")
		p.tag("td", s.Name)
		p.tag("td", s.Value)
		p.tag("td", s.Help)
		p.html("</tr>\n")
	}
	p.html("</table></div>\n<footer>")
	p.text(fmt.Sprintf("Trace hash %016x. The same settings and seed give the same run: ", r.TraceHash))
	p.html("<code>")
	p.text(r.Command())
	p.html("</code></footer>\n")
}

// Command is the line that repeats the run.
func (r *Report) Command() string {
	words := []string{"ringcast sim", r.Scenario, "--nodes", fmt.Sprint(r.Nodes), "--seed", fmt.Sprint(r.Seed)}
	for _, s := range r.Settings {
		if s.Changed && s.Name != "nodes" && s.Name != "seed" {
			words = append(words, "--"+s.Name, quoted(s.Value))
		}
	}
	return strings.Join(words, " ")
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " ,=@*'") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// thousands writes a count with its digits in groups.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
