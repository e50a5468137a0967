package introducer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"

	"github.com/ringcast/ringcast/overlay"
	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/rtmfp"
)

// Metadata is what the flows of the server channel carry.
const Metadata = "GC"

// GroupID names a group: the hash of its groupspec's identity.
type GroupID [32]byte

// Params are an introducer's settings. Start from DefaultParams.
type Params struct {
	// Near is how many members on each side of a newcomer on the ring it is
	// told of, 0 to 8; Random how many others, 0 to 32. More find the ring
	// sooner and cost the newcomer dials.
	Near, Random int
	// Groups bounds the groups, Members the members of all groups together:
	// a defence of memory. 1 or more.
	Groups, Members int
	// PerSession bounds the groups that one session joins, PerAddress the
	// memberships of one IP address (a /64 of IPv6): a defence against one
	// machine that fills the directory with names. 1 or more.
	PerSession, PerAddress int
	// TellOthers makes the introducer name a newcomer to its ring neighbors
	// too, so that they initiate. Some foreign servers do; it is not needed.
	TellOthers bool
}

// DefaultParams returns the settings of a public introducer.
func DefaultParams() Params {
	return Params{Near: 4, Random: 6, Groups: 10_000, Members: 200_000, PerSession: 32, PerAddress: 4096}
}

// Validate reports the first field that is out of range.
func (p Params) Validate() error {
	switch {
	case p.Near < 0 || p.Near > 8:
		return fmt.Errorf("introducer: Near is %d, must be 0 to 8", p.Near)
	case p.Random < 0 || p.Random > 32:
		return fmt.Errorf("introducer: Random is %d, must be 0 to 32", p.Random)
	case p.Groups < 1 || p.Members < 1 || p.PerSession < 1 || p.PerAddress < 1:
		return fmt.Errorf("introducer: Groups, Members, PerSession and PerAddress must be 1 or more, are %d, %d, %d and %d",
			p.Groups, p.Members, p.PerSession, p.PerAddress)
	}
	return nil
}

// Stats counts what an introducer has done.
type Stats struct {
	Groups, Members int    // now
	Joined, Left    uint64 // memberships begun and ended
	Named           uint64 // members named to newcomers
	Malformed       uint64 // flows refused because of their first message
	Refused         uint64 // joins refused because a limit was reached
}

// EventKind says what happened at an introducer.
type EventKind uint8

// The events.
const (
	MemberJoined EventKind = iota + 1
	MemberLeft
)

// Event tells of a member that came or went.
type Event struct {
	Kind  EventKind
	Group GroupID
	Peer  overlay.PeerID
}

// Introducer is the directory of groups on one endpoint.
type Introducer struct {
	params    Params
	rand      *rand.Rand
	stats     Stats
	groups    map[GroupID]*group
	bySession map[*rtmfp.Session][]*member
	byAddress map[netip.Prefix]int
	events    []Event
}

// group is the members of a group in the order of the ring.
type group struct {
	id      GroupID
	members []*member
}

// member is a member of one group. It is known by its flow.
type member struct {
	group *group // nil until its join has come
	peer  overlay.PeerID
	// other is the ID by which those of other makes know it, zero if it has no
	// other one or it is not known.
	other   overlay.PeerID
	addr    overlay.Address
	from    netip.Prefix
	session *rtmfp.Session
	in      *rtmfp.RecvFlow
	out     *rtmfp.SendFlow
}

// New returns an introducer without members.
func New(params Params, r *rand.Rand) (*Introducer, error) {
	if err := params.Validate(); err != nil {
		return nil, err
	}
	return &Introducer{
		params: params, rand: r, groups: make(map[GroupID]*group),
		bySession: make(map[*rtmfp.Session][]*member), byAddress: make(map[netip.Prefix]int),
	}, nil
}

// Stats returns the counters.
func (i *Introducer) Stats() Stats {
	s := i.stats
	s.Groups = len(i.groups)
	return s
}

// PollEvent returns the next event.
func (i *Introducer) PollEvent() (Event, bool) {
	if len(i.events) == 0 {
		return Event{}, false
	}
	e := i.events[0]
	i.events = i.events[1:]
	return e, true
}

// HandleEvent takes an event of the endpoint. It reports whether it was about a
// flow of the server channel; the end of a session is for others too.
func (i *Introducer) HandleEvent(now rtmfp.Instant, e rtmfp.Event) bool {
	switch e.Kind {
	case rtmfp.SessionClosed:
		for _, m := range i.bySession[e.Session] {
			i.forget(m)
		}
		delete(i.bySession, e.Session)
	case rtmfp.FlowOpened:
		return i.flowOpened(now, e.Recv)
	case rtmfp.MessageReceived:
		m, ok := e.Recv.User.(*member)
		if ok {
			i.handleMessage(now, m, e.Data)
		}
		return ok
	case rtmfp.FlowEnded:
		m, ok := e.Recv.User.(*member)
		if ok {
			i.leave(now, m)
		}
		return ok
	case rtmfp.FlowRejected:
		m, ok := e.Send.User.(*member)
		if ok {
			i.leave(now, m)
		}
		return ok
	}
	return false
}

// flowOpened takes a flow of the server channel. What it wants comes with its
// first message.
func (i *Introducer) flowOpened(now rtmfp.Instant, f *rtmfp.RecvFlow) bool {
	if !bytes.Equal(f.Metadata(), []byte(Metadata)) {
		return false
	}
	s := f.Session()
	from := rtmfp.SourceOf(s.FarAddr().Addr())
	if len(i.bySession[s]) >= i.params.PerSession || i.byAddress[from] >= i.params.PerAddress || i.stats.Members >= i.params.Members {
		i.stats.Refused++
		f.Reject(now, 0)
		return true
	}
	out, err := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(Metadata), Return: f, Priority: 4})
	if err != nil {
		i.stats.Refused++
		f.Reject(now, 0)
		return true
	}
	m := &member{peer: overlay.PeerID(s.Far().Fingerprint), from: from, session: s, in: f, out: out}
	m.addr = m.peer.Address()
	if other, err := owire.ParsePeerEPD(s.Far().OtherEPD); err == nil {
		m.other = overlay.PeerID(other)
	}
	f.User, out.User = m, m
	i.bySession[s] = append(i.bySession[s], m)
	i.byAddress[from]++
	i.stats.Members++
	return true
}

func (i *Introducer) handleMessage(now rtmfp.Instant, m *member, data []byte) {
	if m.group != nil {
		return // only the first message of the flow means anything
	}
	id, err := owire.ParseJoin(data)
	if err != nil {
		i.stats.Malformed++
		i.leave(now, m)
		return
	}
	g := i.groups[GroupID(id)]
	if g == nil {
		if len(i.groups) >= i.params.Groups {
			i.stats.Refused++
			i.leave(now, m)
			return
		}
		g = &group{id: GroupID(id)}
		i.groups[g.id] = g
	}
	for _, told := range i.choose(g, m) {
		i.name(now, m, told)
		if i.params.TellOthers {
			i.name(now, told, m)
		}
	}
	i.join(now, g, m)
}

// JoinLocal makes the introducer's own node a member of a group. It is named to
// newcomers like the others, to those of other makes as other unless that is
// zero, and not told of them: they will call.
func (i *Introducer) JoinLocal(id GroupID, peer, other overlay.PeerID) {
	g := i.groups[id]
	if g == nil {
		g = &group{id: id}
		i.groups[id] = g
	}
	m := &member{group: g, peer: peer, other: other, addr: peer.Address()}
	at, found := g.find(m.addr)
	if found {
		return
	}
	g.members = slices.Insert(g.members, at, m)
	i.stats.Members++
	i.stats.Joined++
}

// LeaveLocal ends what JoinLocal began.
func (i *Introducer) LeaveLocal(id GroupID, peer overlay.PeerID) {
	g := i.groups[id]
	if g == nil {
		return
	}
	if at, found := g.find(peer.Address()); found && g.members[at].session == nil {
		i.forget(g.members[at])
	}
}

// name tells a member of another one.
func (i *Introducer) name(now rtmfp.Instant, to, of *member) {
	if to.out == nil {
		return // a member of this node
	}
	id := of.peer
	if !to.session.IsOwn() {
		if id = of.nameForOthers(); id == (overlay.PeerID{}) {
			return
		}
	}
	if to.out.Write(now, owire.AppendMember(nil, [32]byte(id)), nil) == nil {
		i.stats.Named++
	}
}

// nameForOthers returns the ID by which those of other makes know a member, and
// zero if that is not known.
func (m *member) nameForOthers() overlay.PeerID {
	if m.other == (overlay.PeerID{}) && (m.session == nil || !m.session.IsOwn()) {
		return m.peer
	}
	return m.other
}

// join puts m into its group, in the place of what it was before.
func (i *Introducer) join(now rtmfp.Instant, g *group, m *member) {
	if at, found := g.find(m.addr); found {
		old := g.members[at]
		g.members[at] = m
		m.group = g
		old.group = nil
		if old.session != nil {
			i.leave(now, old)
		}
		return
	}
	at, _ := g.find(m.addr)
	g.members = slices.Insert(g.members, at, m)
	m.group = g
	i.stats.Joined++
	i.events = append(i.events, Event{MemberJoined, g.id, m.peer})
}

// find returns where a member with this address is or would be.
func (g *group) find(a overlay.Address) (int, bool) {
	return sort.Find(len(g.members), func(k int) int { return bytes.Compare(a[:], g.members[k].addr[:]) })
}

// choose returns the members that a newcomer is told of: the nearest on either
// side of it and some at random, without itself. Members of the same
// session's IP address are as good as others: they may be behind one NAT.
func (i *Introducer) choose(g *group, m *member) []*member {
	n := len(g.members)
	at, found := g.find(m.addr)
	others := n
	up := at
	if found {
		others--
		up++
	}
	if others <= 2*i.params.Near+i.params.Random {
		all := make([]*member, 0, others)
		for k := range n {
			if o := g.members[(up+k)%n]; o.addr != m.addr {
				all = append(all, o)
			}
		}
		return all
	}
	var chosen []*member
	for k := range i.params.Near {
		chosen = append(chosen, g.members[(up+k)%n], g.members[(at-1-k+n)%n])
	}
	// The span that is left starts after the near ones above.
	span := others - 2*i.params.Near
	for _, k := range i.sample(span, i.params.Random) {
		chosen = append(chosen, g.members[(up+i.params.Near+k)%n])
	}
	return chosen
}

// sample returns k different numbers below n in random order (Floyd).
func (i *Introducer) sample(n, k int) []int {
	k = min(n, k)
	picked := make([]int, 0, k)
	for j := n - k; j < n; j++ {
		c := i.rand.IntN(j + 1)
		if slices.Contains(picked, c) {
			c = j
		}
		picked = append(picked, c)
	}
	return picked
}

// leave ends a membership whose flow ended or that is not wanted.
func (i *Introducer) leave(now rtmfp.Instant, m *member) {
	list := i.bySession[m.session]
	if !slices.Contains(list, m) {
		return
	}
	if list = slices.DeleteFunc(list, func(o *member) bool { return o == m }); len(list) == 0 {
		delete(i.bySession, m.session)
	} else {
		i.bySession[m.session] = list
	}
	i.forget(m)
	m.in.Reject(now, 0)
	m.out.Close(now)
}

// forget takes m out of everything but the list of its session.
func (i *Introducer) forget(m *member) {
	i.stats.Members--
	if m.session != nil {
		if i.byAddress[m.from]--; i.byAddress[m.from] <= 0 {
			delete(i.byAddress, m.from)
		}
	}
	g := m.group
	if g == nil {
		return
	}
	m.group = nil
	if at, found := g.find(m.addr); found && g.members[at] == m {
		g.members = slices.Delete(g.members, at, at+1)
	}
	if len(g.members) == 0 {
		delete(i.groups, g.id)
	}
	i.stats.Left++
	i.events = append(i.events, Event{MemberLeft, g.id, m.peer})
}

// Members returns how many members a group has here.
func (i *Introducer) Members(g GroupID) int {
	if group := i.groups[g]; group != nil {
		return len(group.members)
	}
	return 0
}
