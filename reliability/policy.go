package reliability

import (
	"fmt"
	"strings"
	"time"
)

// Priority says in which order fragments leave a node; lower goes first. Within
// one priority they go first in, first out.
type Priority uint8

// The priorities.
const (
	// PriorityControl is for what arranges the others.
	PriorityControl Priority = iota
	// PriorityFirst is for sound, for what is small and everything depends on,
	// and for what was lost on the way and is sent again.
	PriorityFirst
	// PriorityRelayed is for pictures to receivers that pass them on.
	PriorityRelayed
	// PriorityLeaves is for pictures to receivers that do not.
	PriorityLeaves
	// PriorityRest is for what nobody was promised.
	PriorityRest
)

// Receiver says what a fragment's receiver is to its sender.
type Receiver uint8

// The receivers.
const (
	ReceiverRelay    Receiver = iota // passes the fragment on
	ReceiverLeaf                     // does not
	ReceiverLeftover                 // gets what is left over, as it was told

	receiverCount = int(ReceiverLeftover) + 1
)

// Sending is how a message goes to one kind of receiver.
type Sending struct {
	Priority Priority
	// Wait is how long a fragment may wait in the upload queue before it is
	// dropped there; 0 means as long as the message lives.
	Wait time.Duration
}

// Rule says what is done for the messages of one class.
type Rule struct {
	// Lifetime is how long after a message became known it is sent, sought and
	// waited for; what is missing then is skipped. 0 means the whole window of
	// the stream, which is also the most. Longer rides out longer faults;
	// shorter gives a gap where the picture or sound would have come late.
	Lifetime time.Duration
	// Retransmit tells that what is lost is sent again as long as the message
	// lives. Without it, a loss between two nodes is left to be pulled.
	Retransmit bool
	// Sending is how it goes to each kind of receiver.
	Sending [receiverCount]Sending
}

// Policy ranks the classes of a stream's messages: what is worth waiting for,
// and what goes first when not all can. It is a value; start from one of
// Balanced, LowestDelay and Complete.
type Policy struct {
	// Name is what the policy is called in settings.
	Name string
	// Rules holds the rule of each class.
	Rules [ClassCount]Rule
	// DropOrder is the classes in the order in which they are dropped when a
	// queue is full, the first to go first.
	DropOrder [ClassCount]Class
	// KeepBroken tells to seek also pictures that cannot be decoded because an
	// earlier one is lost, for a recorder that wants every byte.
	KeepBroken bool
	// Thins tells a publisher to leave out what is worth least while the group
	// cannot carry all; see Thinner.
	Thins bool
}

// dropOrder is from the least worth to the most, as the classes are numbered.
func dropOrder() (order [ClassCount]Class) {
	for i := range order {
		order[i] = Class(i)
	}
	return order
}

// pictures is how reference and disposable frames go: first to those that feed
// others, so that the burst of a key frame is paid for once, at the last hop.
func pictures(wait, leftover time.Duration) [receiverCount]Sending {
	return [receiverCount]Sending{{PriorityRelayed, wait}, {PriorityLeaves, wait}, {PriorityRest, leftover}}
}

// all is how a class goes to all receivers alike.
func all(p Priority) [receiverCount]Sending { return [receiverCount]Sending{{p, 0}, {p, 0}, {p, 0}} }

// Balanced is the policy for most streams: everything is sought through the
// whole window; when the upload does not suffice, disposable frames go after
// 1 s in the queue and reference frames after 1.5 s, while sound, key frames
// and configurations wait as long as they live.
func Balanced() Policy {
	p := Policy{Name: "balanced", DropOrder: dropOrder(), Thins: true}
	p.Rules = [ClassCount]Rule{
		ClassDisposable: {Retransmit: true, Sending: pictures(time.Second, 300*time.Millisecond)},
		ClassReference:  {Retransmit: true, Sending: pictures(1500*time.Millisecond, 300*time.Millisecond)},
		ClassData:       {Retransmit: true, Sending: all(PriorityFirst)},
		ClassKey:        {Retransmit: true, Sending: all(PriorityRelayed)},
		ClassAudio:      {Retransmit: true, Sending: all(PriorityFirst)},
		ClassConfig:     {Retransmit: true, Sending: all(PriorityFirst)},
	}
	return p
}

// LowestDelay is the policy for talks and games: nothing is waited for longer
// than 1.5 s, frames other than key frames not longer than 1 s. A gap shows as
// a jump instead of a stall.
func LowestDelay() Policy {
	p := Balanced()
	p.Name = "lowest-delay"
	for c, lifetime := range [ClassCount]time.Duration{
		ClassDisposable: 500 * time.Millisecond,
		ClassReference:  time.Second,
		ClassData:       1500 * time.Millisecond,
		ClassKey:        1500 * time.Millisecond,
		ClassAudio:      time.Second,
		ClassConfig:     1500 * time.Millisecond,
	} {
		p.Rules[c].Lifetime = lifetime
	}
	p.Rules[ClassDisposable].Sending = pictures(250*time.Millisecond, 100*time.Millisecond)
	p.Rules[ClassReference].Sending = pictures(500*time.Millisecond, 200*time.Millisecond)
	return p
}

// Complete is the policy for recording and for contribution: nothing is dropped
// before it leaves the window, and what cannot be decoded is sought too.
func Complete() Policy {
	p := Balanced()
	p.Name, p.KeepBroken, p.Thins = "complete", true, false
	p.Rules[ClassDisposable].Sending = pictures(0, 0)
	p.Rules[ClassReference].Sending = pictures(0, 0)
	return p
}

// PolicyNames returns the names that PolicyByName knows, the default first.
func PolicyNames() []string { return []string{"balanced", "lowest-delay", "complete"} }

// PolicyByName returns the policy of that name. The empty name is Balanced.
func PolicyByName(name string) (Policy, error) {
	if name == "" {
		return Balanced(), nil
	}
	for _, p := range []Policy{Balanced(), LowestDelay(), Complete()} {
		if p.Name == name {
			return p, nil
		}
	}
	return Policy{}, fmt.Errorf("reliability: policy %q is not known: must be one of %s", name, strings.Join(PolicyNames(), ", "))
}

// WithReliable returns the policy with what NetStream calls audioReliable,
// videoReliable and dataReliable: whether lost messages of that kind are sent
// again. Key frames and configurations are in any case.
func (p Policy) WithReliable(audio, video, data bool) Policy {
	p.Rules[ClassAudio].Retransmit = audio
	p.Rules[ClassReference].Retransmit = video
	p.Rules[ClassDisposable].Retransmit = video
	p.Rules[ClassData].Retransmit = data
	return p
}

// Validate reports the first setting that is out of range.
func (p *Policy) Validate() error {
	var seen [ClassCount]bool
	for _, c := range p.DropOrder {
		if int(c) >= ClassCount || seen[c] {
			return fmt.Errorf("reliability: DropOrder names class %v twice or does not know it", c)
		}
		seen[c] = true
	}
	for c := range p.Rules {
		if d := p.Rules[c].Lifetime; d < 0 {
			return fmt.Errorf("reliability: Lifetime of class %v is %v: must be at least 0", Class(c), d)
		}
		for _, s := range p.Rules[c].Sending {
			if s.Wait < 0 || s.Priority > PriorityRest {
				return fmt.Errorf("reliability: Sending of class %v is %+v: must be a priority and at least 0", Class(c), s)
			}
		}
	}
	return nil
}

// Worth returns the class's place in the drop order: under pressure, what has
// the lowest goes first.
func (p *Policy) Worth(c Class) int {
	for i, other := range p.DropOrder {
		if other == c {
			return i
		}
	}
	return 0
}

// Deadline returns until when a message of the class is worth anything: known
// is when it became known, window how long the stream is sought.
func (p *Policy) Deadline(c Class, known Time, window time.Duration) Time {
	if life := p.Rules[c].Lifetime; life > 0 {
		window = min(window, life)
	}
	return known.Add(window)
}

// LongestLife returns how long to wait for a fragment of which it is not known
// to what class it belongs: as long as for the most patient class.
func (p *Policy) LongestLife(window time.Duration) time.Duration {
	longest := time.Duration(0)
	for c := range p.Rules {
		life := p.Rules[c].Lifetime
		if life == 0 {
			return window
		}
		longest = max(longest, life)
	}
	return min(longest, window)
}

// Sending returns how a fragment goes to a receiver that is put into the upload
// queue at now: with what priority, and until when it may stay there.
func (p *Policy) Sending(c Class, to Receiver, now, known Time, window time.Duration) (Priority, Time) {
	s := p.Rules[c].Sending[to]
	deadline := p.Deadline(c, known, window)
	if s.Wait > 0 {
		deadline = Earliest(deadline, now.Add(s.Wait))
	}
	return s.Priority, deadline
}

// Seeks reports whether a missing fragment of a message is worth a request.
// broken tells that the message cannot be decoded: see Chain.
func (p *Policy) Seeks(broken bool) bool { return !broken || p.KeepBroken }
