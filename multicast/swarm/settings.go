package swarm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Settings returns the scenario's parameters as they are given on the command
// line, in the order of the manual, with what each is. Those that differ from
// what the scenario has by itself are marked.
func (sc *Scenario) Settings() []Setting {
	list := sc.settings()
	if own, err := Named(sc.Name, 0); err == nil {
		for i, s := range own.settings() {
			list[i].Changed = list[i].Value != s.Value
		}
	}
	return list
}

func (sc *Scenario) settings() []Setting {
	churn := "off"
	if sc.Churn.On {
		churn = sc.Churn.Session.Scale.String()
	}
	var faults []string
	for _, f := range sc.Faults {
		faults = append(faults, f.String())
	}
	latency := "distance"
	if len(sc.Latency) > 0 {
		latency = fmt.Sprintf("%d × %d matrix", len(sc.Latency), len(sc.Latency))
	}
	return []Setting{
		{Name: "nodes", Value: strconv.Itoa(sc.Nodes), Help: "members beside the publisher"},
		{Name: "seed", Value: strconv.FormatUint(sc.Seed, 10), Help: "everything that happens by chance follows from it"},
		{Name: "duration", Value: sc.Duration.String(), Help: "simulated time that is measured"},
		{Name: "ramp", Value: sc.Ramp.String(), Help: "time over which the members join"},
		{Name: "settle", Value: sc.Settle.String(), Help: "time after that before the measurement begins"},
		{Name: "rate", Value: rateText(sc.Rate), Help: "of the stream in bit/s, 64k of it audio"},
		{Name: "window", Value: sc.Window.String(), Help: "how long a message is sought: its deadline"},
		{Name: "margin", Value: sc.Margin.String(), Help: "how much longer a fragment is passed on"},
		{Name: "fragment-size", Value: strconv.Itoa(sc.FragmentSize), Help: "bytes of payload in a fragment"},
		{Name: "rho", Value: number(sc.Rho), Help: "upload there is for each bit that must be received; 0: as the classes are"},
		{Name: "upload", Value: uploadText(sc.Upload), Help: "classes of members: share × what they give, in multiples of the rate"},
		{Name: "source-upload", Value: number(sc.SourceUpload), Help: "the publisher's, in multiples of the rate"},
		{Name: "leaf-line", Value: rateText(sc.LeafLine), Help: "what a line carries at least, in bit/s: also members that give nothing send acknowledgements and gossip"},
		{Name: "latency-file", Value: latency, Help: fmt.Sprintf("square matrix of one-way milliseconds; otherwise distance × %v, and %v + Exp(%v) for each end", sc.SquareDelay, sc.AccessDelay, sc.AccessJitter)},
		{Name: "loss", Value: number(sc.Loss), Help: "share of packets lost on each way"},
		{Name: "loss-burst", Value: number(sc.LossBurst), Help: "packets lost in a row, on average"},
		{Name: "unreachable", Value: number(sc.Unreachable), Help: "share of pairs that can't connect directly"},
		{Name: "nat", Value: natText(sc.NAT), Help: "kinds of NAT instead: share × open, cone or symmetric"},
		{Name: "native", Value: number(sc.Native), Help: "share of members that native multicast reaches"},
		{Name: "native-loss", Value: number(sc.NativeLoss), Help: "share of packets that each of them loses there"},
		{Name: "boot", Value: number(sc.BootRTT), Help: "round trips until the introducer has named members"},
		{Name: "churn", Value: churn, Help: fmt.Sprintf("scale of the Weibull(%.2f) distribution of session lengths, or off; %.0f %% of the leaves are silent", sc.Churn.Session.Shape, 100*sc.Churn.Silent)},
		{Name: "faults", Value: strings.Join(faults, ","), Help: "kind=share@time+duration, counted from the beginning of the measurement"},
		{Name: "objects", Value: strconv.Itoa(sc.Objects), Help: "how many are replicated"},
		{Name: "object-size", Value: strconv.Itoa(sc.ObjectSize), Help: "bytes of each"},
		{Name: "runs", Value: strconv.Itoa(max(sc.Runs, 1)), Help: "seeds, one after the other, where a scenario counts them"},
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// rateText writes a rate in bit/s with k or M where that is exact.
func rateText(v float64) string {
	switch {
	case v >= 1e6 && v == float64(int64(v/1e3))*1e3:
		return number(v/1e6) + "M"
	case v >= 1e3 && v == float64(int64(v/1e3))*1e3:
		return number(v/1e3) + "k"
	}
	return number(v)
}

// ParseRate reads a rate in bit/s: a number with k, M or G behind it or not.
func ParseRate(text string) (float64, error) {
	factor := 1.0
	digits := text
	if len(text) > 0 {
		switch text[len(text)-1] {
		case 'k', 'K':
			factor, digits = 1e3, text[:len(text)-1]
		case 'M':
			factor, digits = 1e6, text[:len(text)-1]
		case 'G':
			factor, digits = 1e9, text[:len(text)-1]
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v >= 0) || v > 1e12 {
		return 0, fmt.Errorf("%q is no rate such as 300k or 1M", text)
	}
	return v * factor, nil
}

func uploadText(mix []UploadClass) string {
	var words []string
	for _, c := range mix {
		words = append(words, number(c.Share)+"x"+number(c.Upload))
	}
	return strings.Join(words, ",")
}

// ParseUpload reads classes of upload: share x multiple of the rate, separated
// by commas, the shares adding up to 1.
func ParseUpload(text string) ([]UploadClass, error) {
	var mix []UploadClass
	sum := 0.0
	for _, word := range strings.Split(text, ",") {
		share, upload, ok := strings.Cut(strings.TrimSpace(word), "x")
		a, err1 := strconv.ParseFloat(share, 64)
		b, err2 := strconv.ParseFloat(upload, 64)
		if !ok || err1 != nil || err2 != nil || !(a > 0 && a <= 1) || !(b >= 0 && b < 1e6) {
			return nil, fmt.Errorf("%q is no class such as 0.2x0.5", word)
		}
		mix = append(mix, UploadClass{a, b})
		sum += a
	}
	if sum < 0.999 || sum > 1.001 {
		return nil, fmt.Errorf("the shares of %q add up to %v, not 1", text, number(sum))
	}
	return mix, nil
}

var natNames = [...]string{NATOpen: "open", NATCone: "cone", NATSymmetric: "symmetric"}

func natText(mix []NATShare) string {
	var words []string
	for _, c := range mix {
		words = append(words, number(c.Share)+"x"+natNames[c.Kind])
	}
	return strings.Join(words, ",")
}

// ParseNAT reads shares of kinds of NAT: share x kind, separated by commas; the
// kinds are open, cone and symmetric. Who is left over is open.
func ParseNAT(text string) ([]NATShare, error) {
	var mix []NATShare
	sum := 0.0
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		share, name, ok := strings.Cut(word, "x")
		kind := -1
		for k, n := range natNames {
			if n == name {
				kind = k
			}
		}
		v, err := strconv.ParseFloat(share, 64)
		if !ok || err != nil || kind < 0 || !(v > 0 && v <= 1) {
			return nil, fmt.Errorf("%q is no share such as 0.3xsymmetric; the kinds are open, cone and symmetric", word)
		}
		mix = append(mix, NATShare{v, NATKind(kind)})
		sum += v
	}
	if sum > 1.001 {
		return nil, fmt.Errorf("the shares of %q add up to %v, more than 1", text, number(sum))
	}
	return mix, nil
}

// ParseLatency reads a square matrix of one-way delays in milliseconds: a row
// a line, numbers separated by spaces or commas; lines that begin with # are
// left out.
func ParseLatency(text string) ([][]time.Duration, error) {
	const most = 20_000
	var rows [][]time.Duration
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var row []time.Duration
		for _, word := range strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' || c == ';' }) {
			ms, err := strconv.ParseFloat(word, 64)
			if err != nil || !(ms >= 0 && ms <= 60_000) {
				return nil, fmt.Errorf("line %d: %q is no delay of 0 to 60000 ms", i+1, word)
			}
			row = append(row, time.Duration(ms*float64(time.Millisecond)))
		}
		if rows = append(rows, row); len(rows) > most {
			return nil, fmt.Errorf("more than %d rows", most)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("there is no row of delays")
	}
	for i, row := range rows {
		if len(row) != len(rows) {
			return nil, fmt.Errorf("row %d has %d delays: must be %d, the matrix is square", i+1, len(row), len(rows))
		}
	}
	return rows, nil
}

// ParseUploads reads what members give, a number in bit/s a line, and makes
// classes of equal share of them, as multiples of rate.
func ParseUploads(text string, rate float64) ([]UploadClass, error) {
	var mix []UploadClass
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := ParseRate(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		mix = append(mix, UploadClass{Upload: v / rate})
	}
	if len(mix) == 0 {
		return nil, fmt.Errorf("there is no upload")
	}
	for i := range mix {
		mix[i].Share = 1 / float64(len(mix))
	}
	return mix, nil
}
