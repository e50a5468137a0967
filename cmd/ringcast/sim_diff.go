package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast/swarm"
)

func newSimDiff(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "diff A.json B.json",
		Short: "Compare the results of two runs",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			var reports [2]swarm.Report
			for i, name := range args {
				text, err := os.ReadFile(name)
				if err != nil {
					return usageError(fmt.Errorf("read result: %w", err))
				}
				if err := json.Unmarshal(text, &reports[i]); err != nil {
					return usageError(fmt.Errorf("%s: %w", name, err))
				}
			}
			return printDiff(inv.stdout, &reports[0], &reports[1])
		},
	}
}

// printDiff prints the figures of two runs side by side.
func printDiff(w io.Writer, a, b *swarm.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\tA\tB\t\n")
	fmt.Fprintf(table, "scenario\t%s\t%s\t\n", a.Scenario, b.Scenario)
	fmt.Fprintf(table, "nodes\t%d\t%d\t\n", a.Nodes, b.Nodes)
	fmt.Fprintf(table, "seed\t%d\t%d\t\n", a.Seed, b.Seed)
	fmt.Fprintf(table, "simulated\t%v\t%v\t\n", a.Simulated, b.Simulated)
	same := "the same run"
	if a.TraceHash != b.TraceHash {
		same = "another run"
	}
	fmt.Fprintf(table, "trace\t%016x\t%016x\t%s\n", a.TraceHash, b.TraceHash, same)
	all := swarm.Metrics{}
	for _, m := range []swarm.Metrics{a.Metrics, b.Metrics} {
		for name, v := range m {
			all[name] = v
		}
	}
	for _, name := range all.Names() {
		x, inA := a.Metrics[name]
		y, inB := b.Metrics[name]
		switch {
		case !inB:
			fmt.Fprintf(table, "%s\t%s\t-\t\n", name, swarm.FormatMetric(name, x))
		case !inA:
			fmt.Fprintf(table, "%s\t-\t%s\t\n", name, swarm.FormatMetric(name, y))
		default:
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, swarm.FormatMetric(name, x), swarm.FormatMetric(name, y), change(name, x, y))
		}
	}
	return table.Flush()
}

// change says by how much a figure changed, and whether that is good.
func change(name string, x, y float64) string {
	if x == y {
		return ""
	}
	text := "new"
	if x != 0 {
		text = fmt.Sprintf("%+.2g %%", 100*(y/x-1))
	}
	info, _ := swarm.MetricByName(name)
	if x > 0.9 && x <= 1 && y <= 1 && info.Unit == "" {
		// Shares near one are told by what is missing.
		if x == 1 {
			text = fmt.Sprintf("%.2g missing", 1-y)
		} else {
			text = fmt.Sprintf("missing × %.3g", (1-y)/(1-x))
		}
	}
	switch {
	case info.Better == 0 || math.Abs(y-x) < 1e-12:
		return text
	case (y > x) == (info.Better > 0):
		return text + "  better"
	}
	return text + "  worse"
}
