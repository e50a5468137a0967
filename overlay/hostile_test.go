package overlay

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// hostile is what a member does that means harm.
type hostile struct {
	shy  bool // the introducer does not know it
	deaf bool // answers no hello
	// handle takes a message before the ring does; true keeps it from the ring.
	handle func(s *sim, n *simNode, from PeerID, f Flow, data []byte) bool
	// forge changes a message that the ring sends; nil drops it.
	forge func(s *sim, n *simNode, to PeerID, f Flow, data []byte) []byte
	act   func(s *sim, n *simNode)
}

// check holds a ring against what must be true of it after any mutation.
func (r *Ring) check(t testing.TB, now reliability.Time) {
	t.Helper()
	if h, ok := t.(*testing.T); ok {
		r.heard.check(h)
	}
	if r.heard.Len() > r.p.HeardLimit || len(r.pending) > maxPending+1 || len(r.dials) > maxDials || len(r.dialed) > maxDialed ||
		len(r.informers) > maxInformers || len(r.observed) > maxObserved || r.ends() > maxEnds || len(r.circuits)-r.ends() > r.p.RelayCircuits {
		t.Fatalf("over a bound: %d heard, %d pending, %d dials, %d dialed, %d informers, %d observed, %d circuits, %d ends", r.heard.Len(),
			len(r.pending), len(r.dials), len(r.dialed), len(r.informers), len(r.observed), len(r.circuits), r.ends())
	}
	if !slices.IsSortedFunc(r.links, func(a, b *link) int { return r.id(a).Address().Compare(r.id(b).Address()) }) {
		t.Fatal("links are out of order")
	}
	for _, l := range r.links {
		e := r.heard.at(l.place)
		if e.link != l || e.pos != l.pos || e.is(entryDialing) {
			t.Fatalf("link and entry of %s differ", e.id.Short())
		}
		if len(l.list) > maxList || !slices.IsSortedFunc(l.list, comparePlaces) {
			t.Fatalf("list of %d", len(l.list))
		}
		if l.probeAt < now {
			t.Fatalf("probe of %s is %v late", e.id.Short(), now.Sub(l.probeAt))
		}
		if l.circuit != 0 && !slices.ContainsFunc(r.circuits, func(c circuit) bool { return c.handle == l.circuit }) {
			t.Fatalf("link of %s without its circuit", e.id.Short())
		}
	}
	linked := func(l *link) bool { return l == nil || slices.Contains(r.links, l) }
	for i := range ringSide {
		if !linked(r.up[i]) || !linked(r.down[i]) {
			t.Fatal("a ring neighbor is no link")
		}
	}
	for i := range r.random {
		if !linked(r.random[i].link) {
			t.Fatal("a random neighbor is no link")
		}
	}
	for _, c := range r.circuits {
		if !linked(c.hops[0].link) || !linked(c.hops[1].link) {
			t.Fatal("a circuit runs through what is no link")
		}
	}
	for i := range r.heard.slab {
		if e := &r.heard.slab[i]; len(e.addrs) > maxKnownAddrs*19 || e.is(entryDialing) && r.dialTo(&e.id) == nil {
			t.Fatalf("%s: %d bytes of addresses, dialing %v", e.id.Short(), len(e.addrs), e.is(entryDialing))
		}
	}
	if r.wake < now {
		t.Fatalf("deadline %v ago", now.Sub(r.wake))
	}
}

func (s *sim) check() {
	s.t.Helper()
	for _, n := range s.living() {
		n.ring.check(s.t, s.now)
	}
}

// fakes are members that don't exist, sorted by position.
type fakes struct {
	ids []PeerID
	pos []uint64
}

func makeFakes(count int) *fakes {
	f := &fakes{}
	for i := range count {
		f.ids = append(f.ids, testID(uint32(1<<30+i)))
	}
	slices.SortFunc(f.ids, func(a, b PeerID) int { return a.Address().Compare(b.Address()) })
	for _, id := range f.ids {
		f.pos = append(f.pos, id.Address().Top())
	}
	return f
}

// near returns the fakes nearest to a place on both sides.
func (f *fakes) near(pos uint64, each int) []PeerID {
	i := sort.Search(len(f.pos), func(i int) bool { return f.pos[i] >= pos })
	var ids []PeerID
	for k := -each; k < each; k++ {
		ids = append(ids, f.ids[(i+k+len(f.ids))%len(f.ids)])
	}
	return ids
}

// liar tells everybody of the fakes nearest to him, as fresh as can be.
func liar(f *fakes, addr func(s *sim) netip.AddrPort) *hostile {
	return &hostile{forge: func(s *sim, n *simNode, to PeerID, flow Flow, data []byte) []byte {
		if flow != FlowMember || data[0] != owire.TypeReport {
			return data
		}
		m, err := owire.ParseReport(data)
		if err != nil {
			s.t.Fatal(err)
		}
		m.Entries = nil
		for _, id := range f.near(to.Address().Top(), 15) {
			m.Entries = append(m.Entries, owire.Entry{Peer: id, Addrs: []wire.Address{{AddrPort: addr(s), Origin: wire.OriginObserved}}})
		}
		return owire.AppendReport(nil, m)
	}}
}

func someAddr(s *sim) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + s.r.IntN(100)), byte(s.r.IntN(256)), byte(s.r.IntN(256)), 1}), 1935)
}

// corrupt makes a tenth of the nodes hostile.
func (s *sim) corrupt(h *hostile) {
	for i, n := range s.nodes {
		if i%10 == 9 {
			n.hostile = h
		}
	}
}

// Members that report the nearest of 100,000 fakes to everybody neither break
// the ring of the honest nor make them dial much.
func TestFakeMembers(t *testing.T) {
	s := newSim(t, simOptions{seed: 21, caps: CapOverlay, loss: 0.01, unreachable: 0.2})
	s.fill(120, 10*time.Millisecond)
	s.corrupt(liar(makeFakes(100_000), someAddr))
	s.run(30 * time.Second)
	before, _ := s.totals()
	wrong, total := 0, 0
	for range 60 {
		s.run(time.Second)
		w := s.honestRing()
		wrong += w.nodes - w.first
		total += w.nodes
	}
	s.check()
	after, _ := s.totals()
	dials := float64(after.Dials-before.Dials) / 60 / 120
	t.Logf("first neighbors wrong for %.3f %% of the time, %.2f dials a second and node, %.2f failed", 100*float64(wrong)/float64(total), dials,
		float64(after.DialsFailed-before.DialsFailed)/60/120)
	if float64(wrong) > 0.005*float64(total) {
		t.Errorf("seed 21: first neighbors wrong for %d of %d node seconds", wrong, total)
	}
	if dials > 1.2 {
		t.Errorf("seed 21: %.2f dials a second and node", dials)
	}
}

// honestRing is rightness with the hostile members counted among the living:
// they keep their links.
func (s *sim) honestRing() rightness {
	var was []*hostile
	for _, n := range s.nodes {
		was = append(was, n.hostile)
		n.hostile = nil
	}
	w := s.rightness()
	for i, n := range s.nodes {
		n.hostile = was[i]
	}
	return w
}

// The same with one victim's address on all names: it is dialed by each member
// once a minute at the most.
func TestVictimsAddress(t *testing.T) {
	s := newSim(t, simOptions{seed: 22, caps: CapOverlay, loss: 0.01})
	s.fill(100, 10*time.Millisecond)
	victim := netip.MustParseAddrPort("192.0.2.66:53")
	s.corrupt(liar(makeFakes(100_000), func(*sim) netip.AddrPort { return victim }))
	const minutes = 3
	s.run(minutes * time.Minute)
	got := s.toAddr[victim]
	t.Logf("%d hellos to the victim from 100 members in %d minutes", got, minutes)
	if got > 100*(minutes+1) {
		t.Errorf("seed 22: %d hellos to the victim", got)
	}
	if w := s.honestRing(); w.first < w.nodes-1 {
		t.Errorf("seed 22: %v", w)
	}
}

// Members that report the dead as alive gain nothing.
func TestDeadReportedAlive(t *testing.T) {
	s := newSim(t, simOptions{seed: 23, caps: CapOverlay, loss: 0.01})
	s.fill(120, 10*time.Millisecond)
	s.run(30 * time.Second)
	dead := &fakes{}
	for _, i := range s.r.Perm(120)[:40] {
		s.crash(s.nodes[i])
		dead.ids = append(dead.ids, s.nodes[i].id)
	}
	slices.SortFunc(dead.ids, func(a, b PeerID) int { return a.Address().Compare(b.Address()) })
	for _, id := range dead.ids {
		dead.pos = append(dead.pos, id.Address().Top())
	}
	s.corrupt(liar(dead, someAddr))
	s.run(60 * time.Second)
	before, _ := s.totals()
	s.run(60 * time.Second)
	after, _ := s.totals()
	if w := s.honestRing(); w.first < w.nodes-1 {
		t.Errorf("seed 23: %v", w)
	}
	if rate := float64(after.DialsFailed-before.DialsFailed) / 60 / 80; rate > 0.25 {
		t.Errorf("seed 23: %.2f dials a second and node fail", rate)
	}
}

// A fifth of the members take links but never report anything nor route. They
// keep ring slots only.
func TestSilentMembers(t *testing.T) {
	s := newSim(t, simOptions{seed: 24, caps: CapOverlay, loss: 0.01})
	s.fill(120, 10*time.Millisecond)
	for i, n := range s.nodes {
		if i%5 == 4 {
			n.hostile = &hostile{forge: func(_ *sim, _ *simNode, _ PeerID, f Flow, data []byte) []byte {
				if f == FlowMember && data[0] == owire.TypeReport {
					return nil
				}
				return data
			}}
		}
	}
	s.run(120 * time.Second)
	if w := s.honestRing(); w.six != w.nodes {
		t.Errorf("seed 24: %v", w)
	}
	silent := 0
	for _, n := range s.living() {
		for _, l := range n.ring.links {
			if l.silent >= silentLimit && l.side == 0 && l.is(linkWanted) && len(n.ring.circuits) == 0 {
				silent++
			}
		}
	}
	if silent > 0 {
		t.Errorf("seed 24: %d silent members fill slots", silent)
	}
}

// bare is a ring alone, whose sessions the test plays.
type bare struct {
	t    *testing.T
	ring *Ring
	now  reliability.Time
	acts []Action
	evts []Event
	// released counts the sessions that the ring let go.
	released int
}

func newBare(t *testing.T, caps uint64) *bare {
	t.Helper()
	p := DefaultRingParams()
	p.HeardLimit = 128
	b := &bare{t: t, now: reliability.Start.Add(time.Hour)}
	ring, err := NewRing(b.now, RingConfig{
		Self: testID(0), Spec: testSpec(t), Params: p, Rand: rand.New(rand.NewPCG(1, 2)), Transport: &fixedView{}, Caps: caps,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.ring = ring
	return b
}

// drain returns what the ring wants since the last time.
func (b *bare) drain() []Action {
	b.t.Helper()
	b.acts, b.evts = nil, nil
	for a, ok := b.ring.PollAction(); ok; a, ok = b.ring.PollAction() {
		b.acts = append(b.acts, a)
		if a.Kind == ActionRelease {
			b.released++
		}
	}
	for e, ok := b.ring.PollEvent(); ok; e, ok = b.ring.PollEvent() {
		b.evts = append(b.evts, e)
	}
	b.ring.check(b.t, b.now)
	return b.acts
}

// pass lets time go by, in which peers answer pings.
func (b *bare) pass(d time.Duration) {
	end := b.now.Add(d)
	for b.ring.PollTimeout() <= end {
		b.now = max(b.now, b.ring.PollTimeout())
		b.ring.HandleTimeout(b.now)
		for _, a := range b.drain() {
			if a.Kind == ActionPing {
				b.ring.HandlePong(b.now, a.Peer)
				b.drain()
			}
		}
	}
	b.now = end
}

// nonce of the near and far end of the session with a peer.
func nonces(id PeerID, gen uint32) (near, far []byte) {
	return binary.BigEndian.AppendUint32(append([]byte{'n'}, id[:]...), gen), binary.BigEndian.AppendUint32(append([]byte{'f'}, id[:]...), gen)
}

func (b *bare) session(id PeerID, gen uint32) {
	near, far := nonces(id, gen)
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(40 + id[0]&63), id[1], id[2], 9}), 4000)
	b.ring.HandleSession(b.now, SessionInfo{Peer: id, Far: addr, NearNonce: near, FarNonce: far})
	b.drain()
}

// connect is the message by which a peer proves itself in a session.
func (b *bare) connect(id PeerID, gen uint32, caps uint64) []byte {
	near, _ := nonces(id, gen)
	return owire.AppendConnect(nil, owire.Connect{
		Group: b.ring.group, Proof: owire.Proof(b.ring.key, near), Receiver: b.ring.self, Caps: caps,
	})
}

func (b *bare) message(id PeerID, f Flow, m []byte) []Action {
	b.ring.HandleMessage(b.now, id, f, m)
	return b.drain()
}

// link makes a neighbor of a peer.
func (b *bare) link(id PeerID, caps uint64) {
	b.t.Helper()
	b.session(id, 1)
	b.message(id, FlowMember, b.connect(id, 1, caps))
	b.message(id, FlowMember, owire.AppendAccepted(nil))
	b.message(id, FlowMember, owire.AppendReady(nil, false))
	if _, ok := b.ring.Link(id); !ok {
		b.t.Fatalf("%s is no neighbor", id.Short())
	}
}

// Wrong, foreign, replayed and reflected proofs are refused, and the session is
// let go after a few.
func TestWrongProofs(t *testing.T) {
	b := newBare(t, CapOverlay)
	id := testID(1)
	good := b.connect(id, 1, 0)
	near, far := nonces(id, 1)
	reflected := owire.AppendConnect(nil, owire.Connect{Group: b.ring.group, Proof: owire.Proof(b.ring.key, far), Receiver: b.ring.self})
	elsewhere := owire.AppendConnect(nil, owire.Connect{Group: b.ring.group, Proof: owire.Proof(b.ring.key, near), Receiver: testID(9)})
	otherGroup := owire.AppendConnect(nil, owire.Connect{Group: [32]byte{1}, Proof: owire.Proof(b.ring.key, near), Receiver: b.ring.self})
	otherKey := owire.AppendConnect(nil, owire.Connect{Group: b.ring.group, Proof: owire.Proof("guess", near), Receiver: b.ring.self})
	flipped := slices.Clone(good)
	flipped[80] ^= 1
	for name, m := range map[string][]byte{
		"reflected": reflected, "meant for another": elsewhere, "of another group": otherGroup, "with another key": otherKey,
		"with a wrong bit": flipped, "of another session": b.connect(id, 2, 0), "cut off": good[:60],
	} {
		b.session(id, 1)
		acts := b.message(id, FlowMember, m)
		if len(acts) != 1 || acts[0].Kind != ActionCloseLink {
			t.Errorf("a proof %s: %+v", name, acts)
		}
		b.message(id, FlowMember, owire.AppendReady(nil, true))
		if len(b.ring.links) != 0 || b.ring.Heard() != 0 {
			t.Fatalf("a proof %s makes a neighbor", name)
		}
		b.message(id, FlowMember, m)
		if acts := b.message(id, FlowMember, m); len(acts) != 1 || acts[0].Kind != ActionRelease || len(b.ring.pending) != 0 {
			t.Errorf("a proof %s for the third time: %+v", name, acts)
		}
	}
	if st := b.ring.Stats(); st.BadProofs != 18 || st.Malformed != 3 {
		t.Errorf("%+v", st)
	}
	b.session(id, 1)
	b.message(id, FlowMember, good)
	b.message(id, FlowMember, owire.AppendReady(nil, false))
	if len(b.ring.links) != 1 {
		t.Error("the right proof makes no neighbor")
	}
}

// Sessions that say nothing, or stop half way, are let go and never pile up.
func TestSlowJoins(t *testing.T) {
	b := newBare(t, CapOverlay)
	for n := uint32(1); n <= 5000; n++ {
		b.ring.HandleSession(b.now, SessionInfo{Peer: testID(n), NearNonce: []byte{1}, FarNonce: []byte{2}})
		b.drain()
		b.pass(time.Millisecond)
	}
	b.pass(idleLimit)
	if b.released != 5000 || b.ring.Heard() != 0 {
		t.Errorf("%d of 5000 sessions were let go, %d members in mind", b.released, b.ring.Heard())
	}
}

// Reports and lists as large as can be are taken in bounded memory, and a flood
// of them is cut off.
func TestEnormousMessages(t *testing.T) {
	b := newBare(t, CapOverlay)
	for n := uint32(1); n <= 8; n++ {
		b.link(testID(n), CapOverlay)
	}
	next := uint32(1000)
	for round := range 400 {
		m := owire.Report{}
		for range 16 {
			m.Own = append(m.Own, wire.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, 1, byte(round), byte(len(m.Own))}), 5)})
		}
		for range owire.MaxEntries {
			next++
			m.Entries = append(m.Entries, owire.Entry{Peer: testID(next), Addrs: m.Own})
		}
		from := testID(uint32(round%8) + 1)
		b.message(from, FlowMember, owire.AppendReport(nil, m))
		var list owire.Neighbors
		for i := range owire.MaxNeighbors {
			list.List = append(list.List, owire.Neighbor{Prefix: uint64(i) << 50, Ready: true})
		}
		b.message(from, FlowOverlay, owire.AppendNeighbors(nil, list))
		b.message(from, FlowOverlay, owire.AppendSuspect(nil, testID(uint32(round%8)+2)))
		b.message(from, FlowOverlay, owire.AppendRelayOpen(nil, owire.RelayOpen{Circuit: uint64(2*round + 1), Target: testID(3)}))
	}
	st := b.ring.Stats()
	t.Logf("%+v", st)
	if st.Flooded == 0 || st.NamesOverLimit == 0 {
		t.Errorf("nothing was cut off: %+v", st)
	}
	dials := 0
	for range 60 {
		b.pass(time.Second)
		dials = int(b.ring.Stats().Dials)
	}
	if dials > 16+60+8*60 {
		t.Errorf("%d dials in a minute", dials)
	}
}

// What a neighbor tells that has told mostly lies is hardly believed any more,
// and so leads to no dials; others are believed as before.
func TestInformersAreJudged(t *testing.T) {
	b := newBare(t, CapOverlay)
	liar, honest := testID(1), testID(2)
	b.link(liar, CapOverlay)
	b.link(honest, CapOverlay)
	next := uint32(1000)
	tell := func(from PeerID) (taken int) {
		m := owire.Report{}
		for range 40 {
			next++
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{60 + byte(next&63), byte(next), 1, 1}), 5)
			m.Entries = append(m.Entries, owire.Entry{Peer: testID(next), Age: 1, Addrs: []wire.Address{{AddrPort: addr, Origin: wire.OriginObserved}}})
		}
		before := b.ring.Heard()
		b.message(from, FlowMember, owire.AppendReport(nil, m))
		return b.ring.Heard() - before
	}
	if taken := tell(liar); taken < 30 {
		t.Fatalf("of 40 names of an unknown informer %d are taken", taken)
	}
	b.pass(30 * time.Second) // nobody answers
	if st := b.ring.Stats(); st.DialsFailed < informerTrials {
		t.Fatalf("only %d dials failed", st.DialsFailed)
	}
	before := b.ring.Stats().NamesIgnored
	if taken := tell(liar); taken > 40/5 {
		t.Errorf("of 40 names of a liar %d are taken", taken)
	}
	if ignored := b.ring.Stats().NamesIgnored - before; ignored < 30 {
		t.Errorf("%d names of a liar are ignored", ignored)
	}
	if taken := tell(honest); taken < 30 {
		t.Errorf("of 40 names of another one %d are taken", taken)
	}
}

// A peer that claims the name of a neighbor as its other one does not cost that
// neighbor its link, whether it claims it before or after the neighbor came.
func TestOtherNameIsNotTaken(t *testing.T) {
	victim, liar := testID(1), testID(2)
	claim := func(b *bare) {
		near, _ := nonces(liar, 1)
		b.message(liar, FlowMember, owire.AppendConnect(nil, owire.Connect{
			Group: b.ring.group, Proof: owire.Proof(b.ring.key, near), Receiver: b.ring.self, Caps: CapOverlay, Other: victim,
		}))
	}
	for _, late := range []bool{false, true} {
		b := newBare(t, CapOverlay)
		if !late {
			b.link(victim, CapOverlay)
		}
		b.session(liar, 1)
		claim(b)
		if late {
			b.link(victim, CapOverlay)
		}
		b.message(liar, FlowMember, owire.AppendAccepted(nil))
		b.message(liar, FlowMember, owire.AppendReady(nil, false))
		if _, ok := b.ring.Link(liar); !ok {
			t.Errorf("late %v: who claims another name is no neighbor", late)
		}
		if _, ok := b.ring.Link(victim); !ok {
			t.Errorf("late %v: the neighbor whose name is claimed has lost its link", late)
		}
	}
}
