package swarm

import (
	"encoding/json"
	"math"
	"slices"
)

// MetricInfo describes a figure of a result.
type MetricInfo struct {
	Name string
	// Unit is empty for shares and counts.
	Unit string
	// Better is +1 if more is better, -1 if less is, and 0 if neither.
	Better int
	Help   string
}

// metricInfos are the figures that a result may have, in their order. The
// names are part of the format of result.json.
var metricInfos = []MetricInfo{
	{"delivery", "", 1, "messages handed over within the window, over all members and messages since each one's first playable frame"},
	{"delivery_worst_1pct", "", 1, "the same for the worst hundredth of the members, their mean"},
	{"delay_p50_s", "s", -1, "from the publisher's write to the hand-over, median"},
	{"delay_p99_s", "s", -1, "99 % are no later"},
	{"delay_p999_s", "s", -1, "99.9 % are no later"},
	{"oracle_p99_s", "s", 0, "p99 of a centralized tree on the same links"},
	{"egress_mean", "", -1, "bytes that the publisher sends, over the stream's rate"},
	{"egress_max_1s", "", -1, "the same in the worst second"},
	{"control_share", "", -1, "bytes sent that are neither fragments nor their framing, over payload received"},
	{"duplicate_share", "", -1, "payload received again, over payload received"},
	{"framing_share", "", -1, "headers of fragments' packets, over payload received"},
	{"join_p50_s", "s", -1, "from a newcomer's start to its first playable frame, median"},
	{"join_p99_s", "s", -1, "99 % are no later"},
	{"audio_delivery", "", 1, "delivery of audio alone"},
	{"keyframe_delivery", "", 1, "delivery of key frames alone"},
	{"repair_ratio", "", -1, "payload that neighbors sent to members with native multicast, over what these lost there"},
	{"repair_from_source", "", -1, "the part of it that the publisher sent, over the same"},
	{"stall_free", "", 1, "members with native multicast that missed nothing when it went away"},
	{"ring_correct", "", 1, "share of member-time with the true successor and predecessor linked"},
	{"rounds_to_ring", "rounds", -1, "rounds of a second until all six ring neighbors of all members are right"},
	{"degree_mean", "links", 0, "links of a member, mean"},
	{"degree_max", "links", -1, "links of the member with the most"},
	{"hops_mean", "hops", -1, "hops of a routed message, mean"},
	{"hops_p99", "hops", -1, "99 % take no more"},
	{"route_success", "", 1, "routed messages that the right member answered"},
	{"post_reach", "", 1, "members that got a post, over all posts"},
	{"post_copies", "", -1, "copies of a post that a member received, mean"},
	{"replicate_ratio", "", -1, "time until all members have all objects, over the fluid bound"},
	{"events_per_s", "1/s", 1, "events of the simulation in a second of real time"},
	{"bytes_per_node", "B", -1, "memory of the simulation for each node"},
}

// MetricByName returns what is known of a figure.
func MetricByName(name string) (MetricInfo, bool) {
	i := slices.IndexFunc(metricInfos, func(m MetricInfo) bool { return m.Name == name })
	if i < 0 {
		return MetricInfo{}, false
	}
	return metricInfos[i], true
}

// Metrics are figures by name. Those that a scenario does not measure are
// missing.
type Metrics map[string]float64

// Names returns the names of the figures that are there, in their order.
func (m Metrics) Names() []string {
	var names []string
	for _, info := range metricInfos {
		if _, ok := m[info.Name]; ok {
			names = append(names, info.Name)
		}
	}
	return names
}

// MarshalJSON writes the figures in their order, rounded to what they are good
// for: nine digits.
func (m Metrics) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for _, name := range m.Names() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		v := m[name]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = -1
		}
		value, err := json.Marshal(significant(v))
		if err != nil {
			return nil, err
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `":`...)
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// significant rounds v to nine digits.
func significant(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	p := math.Pow(10, 9-math.Ceil(math.Log10(math.Abs(v))))
	if math.IsInf(p, 0) || p == 0 {
		return v
	}
	return math.Round(v*p) / p
}
