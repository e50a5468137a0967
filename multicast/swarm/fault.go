package swarm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// FaultKind says what goes wrong.
type FaultKind uint8

// The faults.
const (
	// FaultKill lets a share of the members vanish at once, in silence.
	FaultKill FaultKind = iota
	// FaultLeave lets a share of the members say farewell at once.
	FaultLeave
	// FaultSplit cuts a share of the members off from the rest for a while.
	FaultSplit
	// FaultFreeze lets a share of the members do nothing for a while, as a
	// suspended machine does.
	FaultFreeze
	// FaultIntroducer takes the introducer away for a while.
	FaultIntroducer
	// FaultLoss adds loss to every packet for a while.
	FaultLoss
	// FaultNative takes native multicast away for a while.
	FaultNative

	faultKinds
)

var faultNames = [faultKinds]string{"kill", "leave", "split", "freeze", "introducer", "loss", "native"}

// Fault is something that goes wrong at a time.
type Fault struct {
	Kind FaultKind
	// At is when, from the beginning of the measurement.
	At time.Duration
	// For is how long; 0 for faults that don't end.
	For time.Duration
	// Share is of the members, or of the packets, 0 to 1.
	Share float64
}

// String writes the fault as ParseFaults reads it.
func (f Fault) String() string {
	s := faultNames[f.Kind]
	if f.Share > 0 {
		s += "=" + strconv.FormatFloat(f.Share, 'g', -1, 64)
	}
	s += "@" + f.At.String()
	if f.For > 0 {
		s += "+" + f.For.String()
	}
	return s
}

// ParseFaults reads a list of faults: kind=share@time+duration, separated by
// commas; share and duration only where the kind has them. The kinds are kill,
// leave, split, freeze, introducer, loss and native.
//
//	kill=0.5@10s, split=0.3@20s+15s, introducer@5s+30s
func ParseFaults(text string) ([]Fault, error) {
	var list []Fault
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		f, err := parseFault(word)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", word, err)
		}
		list = append(list, f)
	}
	return list, nil
}

func parseFault(word string) (f Fault, err error) {
	head, when, ok := strings.Cut(word, "@")
	if !ok {
		return f, errors.New("want kind=share@time+duration, such as kill=0.5@10s")
	}
	name, share, hasShare := strings.Cut(head, "=")
	f.Kind = faultKinds
	for k, n := range faultNames {
		if n == name {
			f.Kind = FaultKind(k)
		}
	}
	if f.Kind == faultKinds {
		return f, fmt.Errorf("no such kind; the kinds are %s", strings.Join(faultNames[:], ", "))
	}
	at, length, hasLength := strings.Cut(when, "+")
	if f.At, err = time.ParseDuration(at); err != nil || f.At < 0 {
		return f, fmt.Errorf("the time %q is no duration such as 10s", at)
	}
	if hasLength {
		if f.For, err = time.ParseDuration(length); err != nil || f.For <= 0 {
			return f, fmt.Errorf("the duration %q is none such as 10s", length)
		}
	}
	if needs := f.Kind != FaultIntroducer && f.Kind != FaultNative; needs != hasShare {
		return f, errors.New("a share, such as =0.5, is needed for all kinds but introducer and native")
	}
	if hasShare {
		if f.Share, err = strconv.ParseFloat(share, 64); err != nil || !(f.Share > 0 && f.Share <= 1) {
			return f, fmt.Errorf("the share %q is not above 0 and up to 1", share)
		}
	}
	if ends := f.Kind >= FaultSplit; ends != hasLength {
		return f, errors.New("a duration, such as +10s, is needed for split, freeze, introducer, loss and native, and for no other")
	}
	return f, nil
}

// RandomFaults draws up to n faults within a time.
func RandomFaults(r *rand.Rand, n int, within time.Duration) []Fault {
	var list []Fault
	for range 1 + r.IntN(n) {
		f := Fault{Kind: FaultKind(r.IntN(int(faultKinds))), At: between(r, 0, within/2).Round(time.Millisecond)}
		switch f.Kind {
		case FaultKill, FaultLeave:
			f.Share = 0.05 + 0.45*r.Float64()
		case FaultSplit, FaultFreeze:
			f.Share = 0.05 + 0.45*r.Float64()
		case FaultLoss:
			f.Share = 0.02 + 0.2*r.Float64()
		}
		if f.Kind >= FaultSplit {
			f.For = between(r, 200*time.Millisecond, within/4).Round(time.Millisecond)
		}
		f.Share = float64(int(f.Share*100)) / 100
		list = append(list, f)
	}
	return list
}

// faults is what goes wrong at present.
type faults struct {
	splitEnd reliability.Time
	rand     *rand.Rand
	// held is for how long members may have been held up in all.
	held time.Duration
}

// healed returns when a division of the network ends.
func (f *faults) healed(now reliability.Time) reliability.Time { return max(f.splitEnd, now) }

// schedule lets the scenario's faults happen, counted from now.
func (s *Sim) schedule(list []Fault) {
	s.fault.rand = stream(s.sc.Seed, "faults", 0)
	for _, f := range list {
		s.After(f.At, func() { s.strike(f) })
	}
}

// victims picks a share of the members, never the publisher.
func (s *Sim) victims(share float64) []*Node {
	var live []*Node
	for _, n := range s.nodes {
		if n.Core != nil && n != s.ledger.source {
			live = append(live, n)
		}
	}
	s.fault.rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	return live[:min(int(share*float64(len(live))+0.5), len(live))]
}

func (s *Sim) strike(f Fault) {
	switch f.Kind {
	case FaultKill:
		for _, n := range s.victims(f.Share) {
			n.struck = true
			n.Crash()
		}
	case FaultLeave:
		for _, n := range s.victims(f.Share) {
			n.struck = true
			n.Leave()
		}
	case FaultSplit:
		s.fault.held += f.For
		chosen := s.victims(f.Share)
		s.fault.splitEnd = s.now.Add(f.For)
		for _, n := range chosen {
			n.island = 1
		}
		s.After(f.For, func() {
			for _, n := range chosen {
				n.island = 0
			}
		})
	case FaultFreeze:
		s.fault.held += f.For
		for _, n := range s.victims(f.Share) {
			n.frozen = s.now.Add(f.For)
		}
	case FaultIntroducer:
		s.intro.down = s.now.Add(f.For)
	case FaultLoss:
		s.net.loss = f.Share
		s.After(f.For, func() { s.net.loss = 0 })
	case FaultNative:
		s.nativeDown = s.now.Add(f.For)
	}
}
