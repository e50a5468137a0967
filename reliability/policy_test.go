package reliability

import (
	"strings"
	"testing"
	"time"
)

func TestPoliciesByName(t *testing.T) {
	for _, name := range PolicyNames() {
		p, err := PolicyByName(name)
		if err != nil || p.Name != name || p.Validate() != nil {
			t.Errorf("%s: %+v, %v, %v", name, p, err, p.Validate())
		}
	}
	if p, err := PolicyByName(""); err != nil || p.Name != "balanced" {
		t.Errorf("the default is %q, %v", p.Name, err)
	}
	if _, err := PolicyByName("fastest"); err == nil || !strings.Contains(err.Error(), "lowest-delay") {
		t.Errorf("an unknown name: %v", err)
	}
}

// What the policies promise, class by class.
func TestPolicies(t *testing.T) {
	const window = 8 * time.Second
	known := Time(1000)
	now := known.Add(200 * time.Millisecond)
	ms := func(n int) Time { return now.Add(time.Duration(n) * time.Millisecond) }
	life := func(n int) Time { return known.Add(time.Duration(n) * time.Millisecond) }
	for _, c := range []struct {
		policy   string
		class    Class
		to       Receiver
		priority Priority
		deadline Time
	}{
		{"balanced", ClassAudio, ReceiverLeaf, PriorityFirst, life(8000)},
		{"balanced", ClassConfig, ReceiverLeftover, PriorityFirst, life(8000)},
		{"balanced", ClassKey, ReceiverLeaf, PriorityRelayed, life(8000)},
		{"balanced", ClassReference, ReceiverRelay, PriorityRelayed, ms(1500)},
		{"balanced", ClassReference, ReceiverLeaf, PriorityLeaves, ms(1500)},
		{"balanced", ClassReference, ReceiverLeftover, PriorityRest, ms(300)},
		{"balanced", ClassDisposable, ReceiverLeaf, PriorityLeaves, ms(1000)},
		{"lowest-delay", ClassKey, ReceiverLeaf, PriorityRelayed, life(1500)},
		{"lowest-delay", ClassReference, ReceiverLeaf, PriorityLeaves, ms(500)},
		{"lowest-delay", ClassDisposable, ReceiverLeaf, PriorityLeaves, ms(250)},
		{"lowest-delay", ClassAudio, ReceiverLeaf, PriorityFirst, life(1000)},
		{"complete", ClassDisposable, ReceiverLeftover, PriorityRest, life(8000)},
		{"complete", ClassReference, ReceiverRelay, PriorityRelayed, life(8000)},
	} {
		p, err := PolicyByName(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		priority, deadline := p.Sending(c.class, c.to, now, known, window)
		if priority != c.priority || deadline != c.deadline {
			t.Errorf("%s, %v: priority %d until %v, want %d until %v", c.policy, c.class, priority, deadline.Sub(now), c.priority, c.deadline.Sub(now))
		}
	}
	balanced, lowest, complete := Balanced(), LowestDelay(), Complete()
	if balanced.LongestLife(window) != window || lowest.LongestLife(window) != 1500*time.Millisecond || lowest.LongestLife(time.Second) != time.Second {
		t.Errorf("longest lives: %v, %v", balanced.LongestLife(window), lowest.LongestLife(window))
	}
	// A class never lives longer than the window.
	if got := lowest.Deadline(ClassKey, known, 500*time.Millisecond); got != life(500) {
		t.Errorf("deadline %v", got.Sub(known))
	}
	if balanced.Seeks(true) || !balanced.Seeks(false) || !complete.Seeks(true) {
		t.Error("seeking of broken pictures")
	}
	// The drop order of all three: disposable frames first, then the rest of a
	// picture's group; sound and configurations last.
	for _, p := range []Policy{balanced, lowest, complete} {
		order := []Class{ClassDisposable, ClassReference, ClassData, ClassKey, ClassAudio, ClassConfig}
		for i, c := range order {
			if p.Worth(c) != i {
				t.Errorf("%s: %v is worth %d", p.Name, c, p.Worth(c))
			}
		}
	}
}

func TestWithReliable(t *testing.T) {
	p := Balanced().WithReliable(false, false, false)
	for c, want := range [ClassCount]bool{ClassKey: true, ClassConfig: true} {
		if p.Rules[c].Retransmit != want {
			t.Errorf("%v is sent again: %v", Class(c), p.Rules[c].Retransmit)
		}
	}
	p = p.WithReliable(true, false, true)
	if !p.Rules[ClassAudio].Retransmit || p.Rules[ClassReference].Retransmit || p.Rules[ClassDisposable].Retransmit || !p.Rules[ClassData].Retransmit {
		t.Errorf("%+v", p.Rules)
	}
}

func TestPolicyValidate(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		"a class twice":    func(p *Policy) { p.DropOrder[1] = p.DropOrder[0] },
		"unknown class":    func(p *Policy) { p.DropOrder[1] = 99 },
		"negative life":    func(p *Policy) { p.Rules[ClassKey].Lifetime = -1 },
		"negative wait":    func(p *Policy) { p.Rules[ClassKey].Sending[1].Wait = -1 },
		"strange priority": func(p *Policy) { p.Rules[ClassKey].Sending[1].Priority = 9 },
	} {
		p := Balanced()
		if change(&p); p.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

func TestChain(t *testing.T) {
	const (
		key, ref, disposable = ClassKey, ClassReference, ClassDisposable
	)
	var c Chain
	c.Know(100, key)
	c.Know(110, ref)
	c.Know(200, key)
	if c.Broken(110, ref) || c.Broken(50, ref) {
		t.Error("broken before anything was lost")
	}
	c.Lose(120, ref)
	c.Lose(115, disposable)
	for _, q := range []struct {
		message uint64
		class   Class
		want    bool
	}{
		{110, ref, false},
		{118, disposable, false},
		{120, ref, false},
		{121, ref, true},
		{121, disposable, true},
		{199, ref, true},
		{150, ClassAudio, false},
		{150, ClassConfig, false},
		{200, key, false},
		{210, ref, false},
		{90, ref, false},
	} {
		if got := c.Broken(q.message, q.class); got != q.want {
			t.Errorf("%d of class %v is broken: %v", q.message, q.class, got)
		}
	}
	// A key frame that turns up within a broken group mends what comes after.
	c.Know(160, key)
	if c.Broken(170, ref) || !c.Broken(150, ref) {
		t.Error("a key frame in between does not begin a new group")
	}
	// One that turns up before the loss takes the loss over.
	c.Know(112, key)
	if !c.Broken(150, ref) || c.Broken(111, ref) {
		t.Error("a key frame before the loss")
	}
	// A lost key frame breaks its whole group, known or not.
	c.Lose(300, key)
	if !c.Broken(301, ref) || c.Broken(299, ref) {
		t.Error("after a lost key frame")
	}
	c.Forget(250)
	if c.Broken(150, ref) || !c.Broken(301, ref) || len(c.groups) != 2 {
		t.Errorf("%d groups after forgetting", len(c.groups))
	}
	// The memory is bounded; the oldest groups go.
	for i := range uint64(1000) {
		c.Know(1000+10*i, key)
		c.Lose(1000+10*i+5, ref)
	}
	if len(c.groups) != maxChains || c.Broken(1006, ref) || !c.Broken(1000+9996, ref) || !c.Broken(1000+9936, ref) {
		t.Errorf("%d groups", len(c.groups))
	}
	c.Know(500, key) // older than all that are remembered
	if len(c.groups) != maxChains {
		t.Errorf("%d groups", len(c.groups))
	}
}
