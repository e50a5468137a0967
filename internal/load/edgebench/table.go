package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// target is what a figure should be: at most limit, or at most limit times the
// other server's figure if relative.
type target struct {
	limit    float64
	relative bool
}

var targets = map[string]target{
	"E1 CPU, RTSP/TCP readers (% of a core)":         {0.35, true},
	"E2 CPU, HLS viewers (% of a core)":              {0.4, true},
	"E2 CPU, low-latency viewers (% of a core)":      {0.5, true},
	"E3 memory idle (MB)":                            {30, false},
	"E3 memory with the RTSP readers (MB)":           {80, false},
	"E3 memory with the HLS viewers (MB)":            {110, false},
	"E4 key frame sent to first part (s)":            {0.5, false},
	"E5 first byte pushed to first RTSP packet (s)":  {0.15, false},
	"E5 late reader's connection to a key frame (s)": {0.2, false},
	"E6 RTSP latency p50 (ms)":                       {0.5, false},
	"E7 low-latency HLS arrival p50 (ms)":            {150, false},
	"E7 low-latency HLS arrival, slowest (ms)":       {250, false},
	"E9 longest gap with 0.5 s outage (s)":           {2, false},
	"E2 failed viewers and requests":                 {0, false},
	"E2 low-latency failed viewers and requests":     {0, false},
}

// table collects the figures of all rounds.
type table struct {
	servers []server
	figures map[string]map[string][]float64 // figure, server
}

func newTable(servers []server) *table {
	return &table{servers, make(map[string]map[string][]float64)}
}

func (t *table) add(server string, figures map[string]float64) {
	for name, v := range figures {
		if t.figures[name] == nil {
			t.figures[name] = make(map[string][]float64)
		}
		t.figures[name][server] = append(t.figures[name][server], v)
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// print writes one row for each figure: the median with least and largest for
// each server, the ratio of the first to the second, the target and whether it
// was met.
func (t *table) print(w io.Writer) {
	fmt.Fprint(w, "| figure |")
	for _, s := range t.servers {
		fmt.Fprintf(w, " %s |", s.name)
	}
	fmt.Fprintf(w, " ratio | target | met |\n|---|%s\n", strings.Repeat("---|", len(t.servers)+3))
	for _, name := range slices.Sorted(maps.Keys(t.figures)) {
		fmt.Fprintf(w, "| %s |", name)
		for _, s := range t.servers {
			v := t.figures[name][s.name]
			if len(v) == 0 {
				fmt.Fprint(w, " - |") // not measured there
				continue
			}
			fmt.Fprintf(w, " %.3g (%.3g to %.3g) |", median(v), slices.Min(v), slices.Max(v))
		}
		ours, ratio := median(t.figures[name][t.servers[0].name]), 0.0
		if len(t.servers) > 1 {
			if other := median(t.figures[name][t.servers[1].name]); other > 0 {
				ratio = ours / other
			}
		}
		fmt.Fprintf(w, " %s |%s\n", dashUnless(ratio > 0, "%.2f", ratio), verdict(name, ours, ratio))
	}
}

func dashUnless(show bool, format string, v float64) string {
	if !show {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func verdict(name string, ours, ratio float64) string {
	goal, ok := targets[name]
	word := map[bool]string{true: "yes", false: "no"}
	switch {
	case !ok:
		return " - | - |"
	case goal.relative && ratio == 0:
		return fmt.Sprintf(" ≤ %g × | not compared |", goal.limit)
	case goal.relative:
		return fmt.Sprintf(" ≤ %g × | %s |", goal.limit, word[ratio <= goal.limit])
	}
	return fmt.Sprintf(" ≤ %g | %s |", goal.limit, word[ours <= goal.limit])
}
