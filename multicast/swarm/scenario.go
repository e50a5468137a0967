package swarm

import (
	"fmt"
	"strconv"
	"time"
)

// Scenario says what is simulated. Start from Named and change fields. The
// same scenario gives the same run.
type Scenario struct {
	// Name is one of Names.
	Name string
	Seed uint64
	// Nodes is how many members there are beside the publisher.
	Nodes int
	// Ramp is over which time they join, Settle how long after that nothing is
	// measured, and Duration how long the measurement takes.
	Ramp, Settle, Duration time.Duration

	// Rate of the stream in bit/s, audio and video.
	Rate float64
	// Window and Margin are the stream's window and relay margin.
	Window, Margin time.Duration
	// FragmentSize is the payload of a fragment in bytes.
	FragmentSize int

	// Rho is how much upload there is for each bit that must be received:
	// (source's upload + members' uploads) / (members × rate). The mix of
	// Upload is scaled to it; 0 leaves the mix as it is.
	Rho float64
	// Upload is what members give, SourceUpload what the publisher does, both
	// as multiples of the rate.
	Upload       []UploadClass
	SourceUpload float64
	// LeafLine is what a line carries at least, in bit/s. Members that give
	// nothing have one too: they send acknowledgements, gossip and handshakes,
	// and below about 256 kbit/s the last make joining slow.
	LeafLine float64

	// SquareDelay is the one-way delay over a distance of 1 in the unit square
	// where members are; each end adds AccessDelay and a time that is
	// exponentially distributed with the mean AccessJitter, constant for each
	// member. Latency replaces all that by a matrix.
	SquareDelay, AccessDelay, AccessJitter time.Duration
	Latency                                [][]time.Duration
	// Loss is the share of packets lost on each way, in bursts of LossBurst
	// packets on average.
	Loss, LossBurst float64
	// Unreachable is the share of pairs of members that can't connect
	// directly. NAT replaces it by kinds of NAT.
	Unreachable float64
	NAT         []NATShare
	// Native is the share of the members that have native multicast in common
	// with the publisher, NativeLoss what each of them loses of it, in bursts
	// like all else.
	Native, NativeLoss float64
	// BootRTT is how many round trips a newcomer needs until the introducer
	// has named members to it.
	BootRTT float64
	// IntroduceNear members on each side, and IntroduceRandom others, are what
	// an introducer names.
	IntroduceNear, IntroduceRandom int

	Churn  Churn
	Faults []Fault
	// Objects and ObjectSize are what is replicated; the size in bytes.
	Objects, ObjectSize int
	// Runs is how often a scenario of many seeds is run.
	Runs int
}

// Names of the scenarios, in the order in which they are described.
func Names() []string {
	return []string{
		"overlay", "route", "post", "replicate", "cliff", "steady", "tight", "delay",
		"scale", "join", "flash", "fusion", "overload",
	}
}

// About describes each scenario in a line.
func About(name string) string {
	return map[string]string{
		"overlay":   "the ring alone: how soon it is right, and how right it stays under churn",
		"route":     "messages routed to random addresses: the right node, and in how many hops",
		"post":      "posts to the whole group: reach, copies and delay",
		"replicate": "objects copied to all members, against the fluid bound",
		"cliff":     "half of all members vanish at once",
		"steady":    "a stream under churn and loss, unequal uploads, ρ = 1.5: delivery, delay, egress, overhead",
		"tight":     "the same with equal uploads and hardly enough of them, ρ = 1.15, and the knee over ρ",
		"delay":     "where the delay comes from: with and without loss and churn, against a centralized tree",
		"scale":     "how the delay grows with the number of members",
		"join":      "from dialing to the first playable frame, in a running group",
		"flash":     "everybody joins within 30 s",
		"fusion":    "native multicast for most of the members, and what happens when it goes away",
		"overload":  "less upload than the stream needs, ρ = 0.9: what is kept",
	}[name]
}

// Named returns a scenario with the settings of its name, for n members; 0
// takes the number that its target speaks of.
func Named(name string, n int) (*Scenario, error) {
	sc := reference()
	sc.Name = name
	switch name {
	case "steady":
	case "overlay", "route":
		sc.Settle = 20 * time.Second
	case "post":
		sc.Settle, sc.Duration = 20*time.Second, 2*time.Minute
	case "cliff":
		sc.Churn.On, sc.Faults = false, []Fault{{Kind: FaultKill, Share: 0.5}}
		sc.Duration, sc.Runs = 10*time.Second, 20
	case "tight":
		sc.Rho, sc.Upload = 1.15, []UploadClass{{1, 1.15}}
	case "delay":
		sc.Nodes, sc.Duration = 1000, time.Minute
	case "scale":
		sc.Nodes, sc.Rate, sc.Duration = 100_000, 300_000, 2*time.Minute
		// At this rate a frame has some 1,060 bytes. In fragments of 959, which
		// other implementations take, each would be followed by one of 100, and
		// framing take 17 % of the stream instead of 13.
		sc.FragmentSize = 1150
	case "join":
		sc.Nodes, sc.Duration = 1000, 2*time.Minute
	case "flash":
		sc.Ramp, sc.Settle, sc.Duration = 30*time.Second, 0, 45*time.Second
	case "fusion":
		sc.Nodes, sc.Duration = 1000, time.Minute
		sc.Native, sc.NativeLoss = 0.8, 0.02
	case "overload":
		sc.Nodes, sc.Duration, sc.Rho = 1000, time.Minute, 0.9
	case "replicate":
		sc.Nodes, sc.Duration, sc.Churn.On = 200, time.Hour, false
		sc.Upload, sc.SourceUpload, sc.Rate, sc.Rho = []UploadClass{{1, 1}}, 4, 4_000_000, 0
		sc.Objects, sc.ObjectSize = 4096, 64<<10
	default:
		return nil, fmt.Errorf("no scenario %q", name)
	}
	if n > 0 {
		sc.Nodes = n
	}
	return sc, nil
}

// reference is R10k, the scenario that most others vary.
func reference() *Scenario {
	return &Scenario{
		Seed: 1, Nodes: 10_000, Ramp: 10 * time.Second, Settle: 50 * time.Second, Duration: 10 * time.Minute,
		Rate: 1_000_000, Window: 4 * time.Second, Margin: 2 * time.Second, FragmentSize: 959,
		Rho: 1.5, Upload: MixedUpload(), SourceUpload: 10, LeafLine: 1_000_000,
		SquareDelay: 90 * time.Millisecond, AccessDelay: 2 * time.Millisecond, AccessJitter: 6 * time.Millisecond,
		Loss: 0.01, LossBurst: 3, Unreachable: 0.3, BootRTT: 2.5, IntroduceNear: 4, IntroduceRandom: 6,
		Churn: ReferenceChurn(),
	}
}

// Total returns how much time is simulated.
func (sc *Scenario) Total() time.Duration { return sc.Ramp + sc.Settle + sc.Duration }

// Validate reports the first setting that is out of range.
func (sc *Scenario) Validate() error {
	numbers := []struct {
		name            string
		value, min, max float64
	}{
		{"nodes", float64(sc.Nodes), 1, 10_000_000},
		{"rate", sc.Rate, 16_000, 1e9},
		{"loss", sc.Loss, 0, 0.5},
		{"loss burst", sc.LossBurst, 1, 1000},
		{"native", sc.Native, 0, 1},
		{"native loss", sc.NativeLoss, 0, 0.5},
		{"rho", sc.Rho, 0, 1000},
		{"unreachable", sc.Unreachable, 0, 0.95},
		{"source upload", sc.SourceUpload, 0, 1e6},
		{"fragment size", float64(sc.FragmentSize), 256, 16_384},
		{"leaf line", sc.LeafLine, 16_000, 1e10},
		{"objects", float64(sc.Objects), 0, 1 << 20},
		{"object size", float64(sc.ObjectSize), 0, 1 << 20},
	}
	for _, n := range numbers {
		if !(n.value >= n.min && n.value <= n.max) {
			return fmt.Errorf("%s is %s: must be from %s to %s", n.name, plain(n.value), plain(n.min), plain(n.max))
		}
	}
	durations := []struct {
		name            string
		value, min, max time.Duration
	}{
		{"duration", sc.Duration, 100 * time.Millisecond, 24 * time.Hour},
		{"window", sc.Window, 500 * time.Millisecond, 15 * time.Second},
		{"margin", sc.Margin, 0, sc.Window},
		{"ramp", sc.Ramp, 0, time.Hour},
		{"settle", sc.Settle, 0, time.Hour},
	}
	for _, d := range durations {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("%s is %v: must be from %v to %v", d.name, d.value, d.min, d.max)
		}
	}
	for i, row := range sc.Latency {
		if len(row) != len(sc.Latency) {
			return fmt.Errorf("row %d of the latencies has %d entries: must be %d, the matrix is square", i+1, len(row), len(sc.Latency))
		}
	}
	if len(sc.Upload) == 0 {
		return fmt.Errorf("there is no upload class")
	}
	return nil
}

// uploadScale is by what the mix of uploads is multiplied to reach Rho.
func (sc *Scenario) uploadScale() float64 {
	mean := meanUpload(sc.Upload)
	if sc.Rho == 0 || mean == 0 {
		return 1
	}
	return max(sc.Rho-sc.SourceUpload/float64(sc.Nodes), 0) / mean
}

// plain prints a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
