package swarm

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrStopped means that whoever watched a run did not want any more of it.
var ErrStopped = errors.New("swarm: stopped")

// Options are what a run needs beside its scenario.
type Options struct {
	// Progress, if not nil, is told from time to time which share of the run
	// is done, 0 to 1, and what is going on. When it returns false the run
	// ends with ErrStopped.
	Progress func(done float64, doing string) bool
	// Memory, if not nil, returns how many bytes the program holds, for the
	// figure bytes_per_node.
	Memory func() uint64
}

// Run runs a scenario and reports what came of it.
func Run(sc *Scenario, o Options) (*Report, error) {
	if err := sc.Validate(); err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	r := &run{sc: sc, options: o, report: &Report{
		Scenario: sc.Name, Seed: sc.Seed, Nodes: sc.Nodes, Metrics: Metrics{}, Settings: sc.Settings(),
	}}
	steps := map[string]func() error{
		"overlay": r.overlay, "steady": r.media, "tight": r.tight, "delay": r.delay, "scale": r.scale,
		"fusion": r.fusion, "join": r.media, "flash": r.media, "overload": r.media, "cliff": r.cliff, "route": r.route, "post": r.post,
		"replicate": r.replicate,
	}
	step, ok := steps[sc.Name]
	if !ok {
		return nil, fmt.Errorf("swarm: no scenario %q", sc.Name)
	}
	if err := step(); err != nil {
		return nil, err
	}
	r.report.Targets = append(targetsOf(sc.Name, sc.Nodes, r.report.Metrics), r.report.Targets...)
	return r.report, nil
}

// run is a scenario being run.
type run struct {
	sc      *Scenario
	options Options
	report  *Report
	base    uint64 // bytes held before anything was built
	// done is the share of the whole that lies behind, span that of the part
	// that runs now.
	done, span float64
}

// step is how much simulated time passes between two looks at the watch.
const step = 100 * time.Millisecond

// pass lets d of simulated time pass; it is a share of the present part.
func (r *run) pass(s *Sim, d time.Duration, share float64, doing string) error {
	end := s.now.Add(d)
	for s.now < end {
		s.RunUntil(min(end, s.now.Add(step)))
		done := r.done + share*r.span*(1-end.Sub(s.now).Seconds()/d.Seconds())
		if p := r.options.Progress; p != nil && !p(done, doing) {
			return ErrStopped
		}
	}
	r.done += share * r.span
	return nil
}

// part runs f as a share of the whole.
func (r *run) part(share float64, f func() error) error {
	outer, begin := r.span, r.done
	if outer == 0 {
		outer = 1
	}
	r.span = outer * share
	err := f()
	r.done, r.span = begin+outer*share, outer
	return err
}

// finish takes what every run has into the report.
func (r *run) finish(s *Sim) {
	p := r.report
	p.Simulated += s.Elapsed()
	p.Events += s.Events()
	p.TraceHash = (p.TraceHash ^ s.Hash()) * 1099511628211
	p.Broken = append(p.Broken, s.Broken()...)
	if r.options.Memory == nil {
		return
	}
	// The nodes are counted afterwards, so that they are still held before.
	used, live := r.options.Memory(), 0
	for _, n := range s.nodes {
		if n.Core != nil {
			live++
		}
	}
	if used > r.base {
		p.Metrics["bytes_per_node"] = float64(used-r.base) / float64(max(live, 1))
	}
}

// build makes a group and its members; nobody has started yet.
func (r *run) build(sc *Scenario, core coreMaker) *Sim {
	if r.options.Memory != nil {
		r.base = r.options.Memory()
	}
	s := New(sc, core)
	s.populate()
	return s
}

// never is the value of a figure that has not come about.
var never = math.Inf(1)
