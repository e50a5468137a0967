package swarm

import (
	"fmt"
	"math"
	"strconv"
)

// Target is a figure with what is wanted of it.
type Target struct {
	Name   string  `json:"name"`
	Wanted string  `json:"wanted"`
	Got    float64 `json:"got"`
	Met    bool    `json:"met"`
}

// bound is a limit of a metric in some scenarios.
type bound struct {
	id     string // of the target
	metric string
	atMost bool
	limit  float64
}

// bounds of each scenario. Those that depend on the number of members or on
// another figure are in boundsOf.
var bounds = map[string][]bound{
	"overlay":   {{"G9", "rounds_to_ring", true, 24}, {"G9", "ring_correct", false, 0.999}},
	"route":     {{"G10", "route_success", false, 0.9999}},
	"post":      {{"G11", "post_reach", false, 0.99999}, {"G11", "delay_p99_s", true, 1}, {"G11", "post_copies", true, 1.2}},
	"replicate": {{"G12", "replicate_ratio", true, 1.15}, {"G12", "egress_mean", true, 1.1}},
	"cliff":     {{"G8", "rounds_to_ring", true, 10}, {"G8", "delivery", false, 0.99}},
	"steady": {
		{"G1", "delivery", false, 0.9999},
		{"G1", "delivery_worst_1pct", false, 0.999},
		{"G3", "delay_p50_s", true, 0.4},
		{"G3", "delay_p99_s", true, 0.75},
		{"G3", "delay_p999_s", true, 1.5},
		{"G5", "egress_mean", true, 1.10},
		{"G5", "egress_max_1s", true, 1.25},
		{"G6", "control_share", true, 0.03},
		{"G6", "duplicate_share", true, 0.01},
		{"G6", "framing_share", true, 0.06},
	},
	"tight": {{"G2", "delivery", false, 0.999}},
	"delay": {{"G3", "delay_p50_s", true, 0.4}, {"G3", "delay_p99_s", true, 0.75}, {"G3", "delay_p999_s", true, 1.5}},
	"join":  {{"G7", "join_p50_s", true, 0.6}, {"G7", "join_p99_s", true, 2}},
	"flash": {{"G7", "join_p99_s", true, 4}},
	"fusion": {
		{"G13", "delivery", false, 0.9999},
		{"G13", "repair_ratio", true, 1.3},
		{"G13", "repair_from_source", true, 0},
		{"G13", "stall_free", false, 0.99},
	},
	"overload": {{"G14", "audio_delivery", false, 0.999}, {"G14", "keyframe_delivery", false, 0.995}},
}

func boundsOf(scenario string, nodes int, m Metrics) []bound {
	list := append([]bound{}, bounds[scenario]...)
	switch scenario {
	case "overlay":
		list = append(list, bound{"G9", "degree_max", true, 2 * m["degree_mean"]})
	case "route":
		list = append(list, bound{"G10", "hops_mean", true, math.Log2(float64(max(nodes, 2)))/3 + 0.2})
	case "steady", "delay":
		if p, ok := m["oracle_p99_s"]; ok {
			list = append(list, bound{"G3 twice the oracle's", "delay_p99_s", true, 2 * p})
		}
	}
	return list
}

// targetsOf holds the figures of a scenario against what is wanted.
func targetsOf(scenario string, nodes int, m Metrics) []Target {
	var list []Target
	for _, b := range boundsOf(scenario, nodes, m) {
		got, ok := m[b.metric]
		if !ok {
			continue
		}
		list = append(list, target(b.id+" "+b.metric, b.atMost, b.limit, got))
	}
	return list
}

// SpeedTargets holds the simulator itself against what is wanted of it, for
// runs of the reference scenario. Unlike all else these figures are the
// machine's: memory, and how many members it takes through a second in a second
// of real time.
func (r *Report) SpeedTargets() []Target {
	held, ok := r.Metrics["bytes_per_node"]
	if r.Scenario != "steady" || !ok || r.Wall <= 0 {
		return nil
	}
	speed := float64(r.Nodes) * r.Simulated.Seconds() / r.Wall.Seconds()
	return []Target{
		target("G20 member-seconds a second", false, 10_000, speed),
		target("G20 bytes_per_node", true, 30_000, held),
	}
}

// target compares a figure with its limit. A figure that is not a number has
// not met anything.
func target(name string, atMost bool, limit, got float64) Target {
	t := Target{Name: name, Got: significant(got)}
	if atMost {
		t.Wanted, t.Met = "≤ "+short(limit), got <= limit
	} else {
		t.Wanted, t.Met = "≥ "+short(limit), got >= limit
	}
	return t
}

// short writes a limit as people do.
func short(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(significant4(v), 'f', -1, 64)
}

func significant4(v float64) float64 {
	if v > 0.99 && v < 1 {
		return v // shares close to one are told by their nines
	}
	text := strconv.FormatFloat(v, 'g', 4, 64)
	r, _ := strconv.ParseFloat(text, 64)
	return r
}

// FormatMetric writes a figure with its unit.
func FormatMetric(name string, v float64) string {
	info, _ := MetricByName(name)
	text := strconv.FormatFloat(v, 'g', 5, 64)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || v == -1:
		return "never"
	case info.Unit == "s":
		text = strconv.FormatFloat(v, 'f', 3, 64)
	case info.Unit == "" && v >= 0.9 && v < 1.000001:
		return trimZeros(strconv.FormatFloat(100*v, 'f', 5, 64)) + " %"
	case info.Unit == "" && v < 0.9:
		return trimZeros(strconv.FormatFloat(100*v, 'f', 3, 64)) + " %"
	case v >= 1000:
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	if info.Unit == "" {
		return text
	}
	return fmt.Sprintf("%s %s", text, info.Unit)
}

func trimZeros(s string) string {
	end := len(s)
	for end > 0 && s[end-1] == '0' {
		end--
	}
	if end > 0 && s[end-1] == '.' {
		end--
	}
	return s[:end]
}
