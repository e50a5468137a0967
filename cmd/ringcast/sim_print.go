package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm"
)

func printSettings(w io.Writer, sc *swarm.Scenario) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range sc.Settings() {
		mark := ""
		if s.Changed {
			mark = "*"
		}
		fmt.Fprintf(table, "--%s\t%s%s\t%s\n", s.Name, s.Value, mark, s.Help)
	}
	return table.Flush()
}

// printReport prints the figures, and the targets with what was got.
func printReport(w io.Writer, r *swarm.Report, out string) error {
	speed := r.Simulated.Seconds() / r.Wall.Seconds()
	fmt.Fprintf(w, "%s, %d nodes, seed %d: %v simulated in %v (%.2f × real time), trace %016x\n\n",
		r.Scenario, r.Nodes, r.Seed, r.Simulated, r.Wall.Round(100*time.Millisecond), speed, r.TraceHash)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range r.Metrics.Names() {
		info, _ := swarm.MetricByName(name)
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, swarm.FormatMetric(name, r.Metrics[name]), info.Help)
	}
	if len(r.Parts) > 0 {
		fmt.Fprintln(table)
	}
	for _, p := range r.Parts {
		words := make([]string, 0, len(p.Metrics))
		for _, name := range p.Metrics.Names() {
			words = append(words, name+" "+swarm.FormatMetric(name, p.Metrics[name]))
		}
		fmt.Fprintf(table, "%s\t%d nodes\t%s\n", p.Name, p.Nodes, strings.Join(words, ", "))
	}
	if len(r.Targets) > 0 {
		fmt.Fprintf(table, "\ntarget\twanted\tgot\tmet\n")
	}
	for _, t := range r.Targets {
		fmt.Fprintf(table, "%s\t%s\t%.6g\t%s\n", t.Name, t.Wanted, t.Got, yesNo(t.Met))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(table, "\n%s", note)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(table)
	}
	for _, s := range r.Broken {
		fmt.Fprintf(table, "BROKEN  %s\n", s)
	}
	if out != "" {
		fmt.Fprintf(table, "\n%s\n", filepath.Join(out, "report.html"))
	}
	return table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

// simBar shows on a terminal how far a run is.
type simBar struct {
	w       io.Writer
	on      bool
	name    string
	total   time.Duration
	begin   time.Time
	drawn   time.Time
	written int
}

func newSimBar(w io.Writer, sc *swarm.Scenario, quiet bool) *simBar {
	f, isFile := w.(*os.File)
	b := &simBar{w: w, name: sc.Name, total: sc.Total(), begin: time.Now()}
	if isFile && !quiet {
		info, err := f.Stat()
		b.on = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// barWidth is how many characters the bar has.
const barWidth = 30

func (b *simBar) show(done float64, doing string) {
	now := time.Now()
	if !b.on || now.Sub(b.drawn) < 100*time.Millisecond {
		return
	}
	b.drawn = now
	elapsed := now.Sub(b.begin)
	left := "…"
	if done > 0.005 {
		rest := time.Duration(float64(elapsed) * (1/done - 1))
		left = rest.Round(time.Second).String() + " left"
	}
	full := int(math.Round(min(done, 1) * barWidth))
	line := fmt.Sprintf("%s %s%s %5.1f %%  %s, %s", b.name, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), 100*done, doing, left)
	pad := max(0, b.written-len([]rune(line)))
	b.written = len([]rune(line))
	fmt.Fprint(b.w, "\r", line, strings.Repeat(" ", pad))
}

// clear takes the bar away.
func (b *simBar) clear() {
	if b.written > 0 {
		fmt.Fprint(b.w, "\r", strings.Repeat(" ", b.written), "\r")
	}
}
