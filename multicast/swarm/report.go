package swarm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
)

// Report is what came of a run. All of it but Wall and the two figures
// events_per_s and bytes_per_node follows from scenario and seed.
type Report struct {
	Scenario  string
	Seed      uint64
	Nodes     int
	Simulated time.Duration
	// Wall is the real time that the run took; whoever runs it knows.
	Wall      time.Duration
	TraceHash uint64
	Events    uint64
	Metrics   Metrics
	Targets   []Target
	// Parts are the runs of a scenario that varies something.
	Parts []Part
	// Broken are the invariants that did not hold.
	Broken []string
	// Notes are remarks on what was measured.
	Notes []string
	// Pictures are what the page shows.
	Pictures []Picture
	// Settings are the scenario's parameters as text.
	Settings []Setting
}

// Part is one run of several.
type Part struct {
	Name    string  `json:"name"`
	Nodes   int     `json:"nodes"`
	Seed    uint64  `json:"seed"`
	Metrics Metrics `json:"metrics"`
}

// Picture is a drawing with a title and a sentence on what it shows.
type Picture struct {
	Title, About string
	Drawing      interface{ AppendSVG(b []byte) []byte }
}

// FileName is the picture's name as a file: its title in small letters.
func (p *Picture) FileName() string {
	words := strings.FieldsFunc(strings.ToLower(p.Title), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	return strings.Join(words, "-") + ".svg"
}

// AppendFile appends the picture as an SVG file that needs no page around it.
func (p *Picture) AppendFile(b []byte) []byte {
	svg := p.Drawing.AppendSVG(nil)
	head, rest, _ := bytes.Cut(svg, []byte(">"))
	b = append(b, `<svg xmlns="http://www.w3.org/2000/svg"`...)
	b = append(b, bytes.TrimPrefix(head, []byte("<svg"))...)
	b = append(b, ">\n<style>"+colours+plot.Style+"</style>\n<rect width=\"100%\" height=\"100%\" style=\"fill:var(--card)\"/>\n"...)
	return append(b, rest...)
}

var (
	_ interface{ AppendSVG(b []byte) []byte } = (*plot.Chart)(nil)
	_ interface{ AppendSVG(b []byte) []byte } = (*plot.Bars)(nil)
	_ interface{ AppendSVG(b []byte) []byte } = (*plot.Ring)(nil)
	_ interface{ AppendSVG(b []byte) []byte } = (*plot.Tree)(nil)
)

// Setting is a parameter of a scenario, named as on the command line.
type Setting struct {
	Name, Value, Help string
	// Changed tells that the value is not the scenario's own.
	Changed bool
}

// reportJSON is how a report is written.
type reportJSON struct {
	Scenario  string   `json:"scenario"`
	Seed      uint64   `json:"seed"`
	Nodes     int      `json:"nodes"`
	Simulated float64  `json:"simulated_s"`
	Wall      float64  `json:"wall_s"`
	Hash      string   `json:"trace_hash"`
	Command   string   `json:"command"`
	Metrics   Metrics  `json:"metrics"`
	Targets   []Target `json:"targets"`
	Parts     []Part   `json:"parts,omitempty"`
	Broken    []string `json:"broken_invariants,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// MarshalJSON writes the report as result.json has it.
func (r *Report) MarshalJSON() ([]byte, error) {
	targets := make([]Target, len(r.Targets))
	for i, t := range r.Targets {
		if math.IsInf(t.Got, 0) || math.IsNaN(t.Got) {
			t.Got = -1 // it never came about
		}
		targets[i] = t
	}
	return json.Marshal(reportJSON{
		r.Scenario, r.Seed, r.Nodes, r.Simulated.Seconds(), r.Wall.Seconds(), fmt.Sprintf("%016x", r.TraceHash), r.Command(),
		r.Metrics, targets, r.Parts, r.Broken, r.Notes,
	})
}

// UnmarshalJSON reads a report that MarshalJSON wrote.
func (r *Report) UnmarshalJSON(b []byte) error {
	var v reportJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*r = Report{
		Scenario: v.Scenario, Seed: v.Seed, Nodes: v.Nodes,
		Simulated: time.Duration(v.Simulated * float64(time.Second)), Wall: time.Duration(v.Wall * float64(time.Second)),
		Metrics: v.Metrics, Targets: v.Targets, Parts: v.Parts, Broken: v.Broken, Notes: v.Notes,
	}
	if _, err := fmt.Sscanf(v.Hash, "%x", &r.TraceHash); err != nil {
		return fmt.Errorf("trace_hash %q: %w", v.Hash, err)
	}
	return nil
}

// note adds a remark.
func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// draw adds a picture.
func (r *Report) draw(title, about string, d interface{ AppendSVG(b []byte) []byte }) {
	r.Pictures = append(r.Pictures, Picture{title, about, d})
}
