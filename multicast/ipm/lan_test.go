package ipm

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
)

// lan is a network on which every member hears what the others say, a
// millisecond later.
type lan struct {
	now     reliability.Time
	events  timer.Calendar[func()]
	members []*lanMember
	sent    []reliability.Time
}

type lanMember struct {
	peer [32]byte
	d    *Discovery
	met  map[Tag]reliability.Time
}

func newLAN() *lan { return &lan{now: reliability.Start} }

func (l *lan) join(seed uint64) *lanMember {
	rng := rand.New(rand.NewPCG(seed, 9))
	m := &lanMember{met: map[Tag]reliability.Time{}}
	for i := range m.peer {
		m.peer[i] = byte(rng.Uint32())
	}
	m.d = NewDiscovery(TagOf(m.peer), rng)
	l.members = append(l.members, m)
	m.d.Start(l.now)
	return m
}

// run lets time pass in steps to the next deadline.
func (l *lan) run(t *testing.T, d time.Duration) {
	t.Helper()
	end := l.now.Add(d)
	for {
		next := end
		for _, m := range l.members {
			next = min(next, m.d.PollTimeout())
		}
		next = min(next, l.events.Peek())
		if next < l.now {
			t.Fatalf("a deadline in the past: %v before now", l.now.Sub(next))
		}
		l.now = next
		for l.events.Peek() <= l.now {
			f, _, _ := l.events.Pop()
			f()
		}
		for _, m := range l.members {
			m.d.HandleTimeout(l.now)
			for kind, ok := m.d.PollSend(); ok; kind, ok = m.d.PollSend() {
				l.sent = append(l.sent, l.now)
				l.events.Push(l.now.Add(time.Millisecond), func() { l.deliver(m, kind) })
			}
		}
		if l.now == end {
			return
		}
	}
}

func (l *lan) deliver(from *lanMember, kind byte) {
	for _, m := range l.members {
		if m == from {
			continue
		}
		tag := TagOf(from.peer)
		if m.d.HandleMember(l.now, tag, kind, &Member{Peer: from.peer}) && m.met[tag] == 0 {
			m.met[tag] = l.now
		}
	}
}

// A newcomer knows some members within a second and is known to all at once,
// and the LAN stays quiet however many there are.
func TestDiscovery(t *testing.T) {
	for _, size := range []int{1, 2, 5, 60} {
		l := newLAN()
		for i := range size {
			l.join(uint64(i))
			l.run(t, 10*time.Second)
		}
		before := len(l.sent)
		m := l.join(1000)
		l.run(t, time.Second)
		if len(m.met) < min(size, enoughInfos) {
			t.Errorf("with %d members a newcomer met %d within a second", size, len(m.met))
		}
		for i, other := range l.members[:size] {
			if other.met[TagOf(m.peer)] == 0 {
				t.Errorf("with %d members, member %d did not hear of the newcomer", size, i)
			}
		}
		// Answers are few: those whose delay was over before six were heard.
		if n := len(l.sent) - before; n > 2+2*enoughInfos {
			t.Errorf("with %d members a newcomer made %d datagrams", size, n)
		}
		l.run(t, 9*time.Second)
		before = len(l.sent)
		l.run(t, 10*time.Minute)
		perMinute := float64(len(l.sent)-before) / 10
		if perMinute > 2*2*enoughInfos+2 {
			t.Errorf("with %d members there are %.1f datagrams a minute", size, perMinute)
		}
		t.Logf("%d members: met %d, %.1f datagrams a minute", size, len(m.met), perMinute)
		rank := 0
		for _, other := range l.members[:size] {
			if other.d.self < m.d.self {
				rank++
			}
		}
		if below := m.d.Below(l.now); below > rank {
			t.Errorf("%d members are below, of %d", below, rank)
		}
	}
}

// Members that do not tell of themselves are not believed, a stopped one says
// nothing, and what one sends has a limit.
func TestDiscoveryBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	d := NewDiscovery(5, rng)
	now := reliability.Start
	if d.HandleMember(now, 7, TypeMemberInfo, &Member{Peer: peer(1)}) {
		t.Error("a member that another tells of is believed")
	}
	other := Member{Peer: peer(1)}
	d.HandleMember(now, TagOf(other.Peer), TypeMemberQuery, &other)
	if d.PollTimeout() != reliability.Never {
		t.Error("answers before it has started")
	}
	d.Start(now)
	sent := 0
	for range 1000 { // ten seconds in which somebody asks all the time
		now = now.Add(10 * time.Millisecond)
		d.HandleMember(now, TagOf(other.Peer), TypeMemberQuery, &other)
		if at := d.PollTimeout(); at <= now {
			d.HandleTimeout(now)
		}
		for _, ok := d.PollSend(); ok; _, ok = d.PollSend() {
			sent++
		}
	}
	if sent > 10*memberRate+memberRate {
		t.Errorf("%d datagrams in ten seconds", sent)
	}
	for i := range uint64(1000) {
		var p [32]byte
		p[0], p[1] = byte(i), byte(i>>8)
		d.HandleMember(now, TagOf(p), TypeMemberInfo, &Member{Peer: p})
	}
	if len(d.members) != maxMembers {
		t.Errorf("%d members are followed", len(d.members))
	}
	d.Stop()
	if _, ok := d.PollSend(); ok || d.PollTimeout() != reliability.Never {
		t.Error("it goes on after Stop")
	}
}

// race is a LAN of members that could pass a stream on.
type race struct {
	t         *testing.T
	now       reliability.Time
	elections []*Election
	deaf      []bool // not on the same LAN as the others
	gone      []bool
	publisher bool
}

func newRace(t *testing.T, n int) *race {
	r := &race{t: t, now: reliability.Start, deaf: make([]bool, n), gone: make([]bool, n)}
	for i := range n {
		r.elections = append(r.elections, NewElection(Tag(i+1)))
	}
	return r
}

func (r *race) able(i int, able bool) { r.elections[i].SetAble(r.now, able, i) }

// run lets time pass in steps of 10 ms and returns how long nobody and how long
// more than one passed the stream on.
func (r *race) run(d time.Duration) (nobody, several time.Duration) {
	const step = 10 * time.Millisecond
	for end := r.now.Add(d); r.now < end; r.now = r.now.Add(step) {
		if r.publisher && (r.now-1)%reliability.Time(InfoPeriod) == 0 {
			for _, e := range r.elections {
				e.HandleInfo(r.now, 99, false)
			}
		}
		for i, e := range r.elections {
			if r.gone[i] {
				continue
			}
			if at := e.PollTimeout(); at <= r.now {
				e.HandleTimeout(r.now)
				if e.PollInfo(r.now) {
					for j, other := range r.elections {
						if !r.deaf[i] && !r.deaf[j] && !r.gone[j] {
							other.HandleInfo(r.now, Tag(i+1), true)
						}
					}
				}
				if e.PollTimeout() <= r.now {
					r.t.Fatalf("member %d has a deadline in the past", i)
				}
			}
		}
		switch n := len(r.relaying()); {
		case n == 0:
			nobody += step
		case n > 1:
			several += step
		}
	}
	return nobody, several
}

func (r *race) relaying() (who []int) {
	for i, e := range r.elections {
		if e.Relaying() && !r.gone[i] {
			who = append(who, i)
		}
	}
	return who
}

func (r *race) want(what string, who ...int) {
	r.t.Helper()
	if got := r.relaying(); !slices.Equal(got, who) {
		r.t.Errorf("%s: %v pass the stream on, want %v", what, got, who)
	}
}

func TestElection(t *testing.T) {
	r := newRace(t, 20)
	r.run(2 * time.Second)
	r.want("nobody gets the stream")
	for i := range 20 {
		r.able(i, true)
	}
	nobody, several := r.run(3 * time.Second)
	r.want("the lowest", 0)
	if nobody > relayTimeout+50*time.Millisecond || several > 0 {
		t.Errorf("for %v nobody, for %v several passed it on", nobody, several)
	}

	// The first two die at once: the third takes over.
	r.gone[0], r.gone[1] = true, true
	nobody, several = 0, 0
	nobody, several = r.run(3 * time.Second)
	r.want("after two have died", 2)
	if nobody > relayTimeout+(2+1)*rankDelay || several > 0 {
		t.Errorf("after two have died, for %v nobody, for %v several passed it on", nobody, several)
	}

	// It loses the stream itself; another goes on.
	r.able(2, false)
	r.run(3 * time.Second)
	r.want("after the third lost the stream", 3)
	// A lower one comes back: it takes over after a while, and once.
	r.able(2, true)
	_, several = r.run(5 * time.Second)
	r.want("the third again", 2)
	if several > 50*time.Millisecond || r.elections[3].Changes() != 2 {
		t.Errorf("for %v several passed it on; the fourth began and stopped %d times", several, r.elections[3].Changes())
	}

	// The publisher itself is on the LAN.
	r.publisher = true
	r.run(time.Second)
	r.want("the publisher multicasts")
	r.publisher = false
	r.run(3 * time.Second)
	r.want("the publisher has gone", 2)
}

// Two LANs with the same group each have one; when they become one, the lower
// stays.
func TestElectionHealsASplit(t *testing.T) {
	r := newRace(t, 4)
	r.deaf[1] = true
	for i := range 4 {
		r.able(i, true)
	}
	r.run(3 * time.Second)
	r.want("apart", 0, 1)
	r.deaf[1] = false
	_, several := r.run(3 * time.Second)
	r.want("together", 0)
	if several > InfoPeriod+50*time.Millisecond {
		t.Errorf("for %v both passed it on", several)
	}
}
