package main

import (
	"fmt"
	"io"
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
	fmt.Fprintf(w, "%s, %s, seed %d: %v simulated in %v (%.2f × real time), trace %016x\n\n",
		r.Scenario, countOf(r.Nodes, "node"), r.Seed, r.Simulated, r.Wall.Round(100*time.Millisecond), speed, r.TraceHash)
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
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Name, countOf(p.Nodes, "node"), strings.Join(words, ", "))
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
	*statusLine
	name  string
	begin time.Time
}

func newSimBar(w io.Writer, sc *swarm.Scenario, quiet bool) *simBar {
	b := &simBar{statusLine: newStatusLine(w), name: sc.Name, begin: time.Now()}
	b.on = b.on && !quiet
	return b
}

func (b *simBar) show(done float64, doing string) {
	if !b.isDue() {
		return
	}
	left := "…"
	if done > 0.005 {
		rest := time.Duration(float64(time.Since(b.begin)) * (1/done - 1))
		left = rest.Round(time.Second).String() + " left"
	}
	b.draw(fmt.Sprintf("%s %s %5.1f %%  %s, %s", b.name, bar(done), 100*done, doing, left))
}
