package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast/swarm"
)

// simOptions are the flags of a simulation that are not settings of it.
type simOptions struct {
	out    string
	json   bool
	params bool
	quiet  bool
	plots  bool
}

// newSimCommand returns the command that simulates whole groups.
func newSimCommand(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate whole groups, up to many thousands of members",
		Long: "Run the real overlay and multicast cores over a simulated network, in virtual time,\n" +
			"and hold what comes of it against the targets. The same settings and seed give the\n" +
			"same run.",
		Example: "  ringcast sim steady --nodes 1000 --out /tmp/steady   # then open /tmp/steady/report.html\n" +
			"  ringcast sim overlay --churn off --params\n" +
			"  ringcast sim diff a/result.json b/result.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, name := range swarm.Names() {
		cmd.AddCommand(newSimScenario(inv, name))
	}
	cmd.AddCommand(newSimDiff(inv))
	return cmd
}

func newSimScenario(inv *invocation, name string) *cobra.Command {
	var o simOptions
	sc, err := swarm.Named(name, 0)
	if err != nil {
		panic(err) // Names and Named do not agree
	}
	about := swarm.About(name)
	cmd := &cobra.Command{Use: name, Short: about, Long: "Simulate " + about + ".", Args: cobra.NoArgs}
	settings := addSimFlags(cmd, sc)
	flags := cmd.Flags()
	flags.StringVar(&o.out, "out", "", "write result.json and report.html to this `directory`")
	flags.BoolVar(&o.plots, "plots", false, "write each picture to the directory of --out as an SVG file too")
	flags.BoolVar(&o.json, "json", false, "print the result as JSON")
	flags.BoolVar(&o.params, "params", false, "print all settings with their values, and do nothing")
	flags.BoolVar(&o.quiet, "quiet", false, "show no progress")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.apply(cmd, sc); err != nil {
			return usageError(err)
		}
		if err := sc.Validate(); err != nil {
			return usageError(err)
		}
		if o.params {
			return printSettings(inv.stdout, sc)
		}
		return o.run(cmd, inv, sc)
	}
	return cmd
}

// run runs the scenario, shows how far it is, and writes what came of it.
func (o *simOptions) run(cmd *cobra.Command, inv *invocation, sc *swarm.Scenario) error {
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return &statusError{exitAddress, fmt.Errorf("--out: %w", err)}
		}
	}
	// Memory is mostly state that lives as long as its node: collecting it
	// less often is time well saved.
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	bar := newSimBar(inv.stderr, sc, o.quiet)
	ctx := cmd.Context()
	begin := time.Now()
	report, err := swarm.Run(sc, swarm.Options{
		Progress: func(done float64, doing string) bool {
			bar.show(done, doing)
			return ctx.Err() == nil
		},
		Memory: memoryHeld,
	})
	bar.clear()
	if errors.Is(err, swarm.ErrStopped) {
		return errors.New("stopped before the end")
	}
	if err != nil {
		return err
	}
	report.Wall = time.Since(begin)
	report.Metrics["events_per_s"] = float64(report.Events) / report.Wall.Seconds()
	report.Targets = append(report.Targets, report.SpeedTargets()...)
	if err := o.write(report); err != nil {
		return err
	}
	if o.json {
		err = json.NewEncoder(inv.stdout).Encode(report)
	} else {
		err = printReport(inv.stdout, report, o.out)
	}
	if err == nil && len(report.Broken) > 0 {
		err = fmt.Errorf("%d invariants did not hold; to see it again: %s", len(report.Broken), report.Command())
	}
	return err
}

// memoryHeld returns how many bytes of the heap are in use.
func memoryHeld() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (o *simOptions) write(report *swarm.Report) error {
	if o.out == "" {
		return nil
	}
	result, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	files := map[string][]byte{"result.json": append(result, '\n'), "report.html": report.AppendHTML(nil)}
	if o.plots {
		for i := range report.Pictures {
			files[report.Pictures[i].FileName()] = report.Pictures[i].AppendFile(nil)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return nil
}
