package overlay

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
)

// The estimate that others show, with the figures they show for it.
func TestPlainEstimate(t *testing.T) {
	below, above := repeated(2).Address().Top(), repeated(5).Address().Top()
	for _, c := range []struct {
		below, above uint64
		want         float64
	}{{1 << 60, 2 << 60, 65}, {15 << 60, 1 << 60, 33}, {below, above, 8.475}} {
		if got := PlainEstimate(c.below, c.above); math.Abs(got-c.want) > 0.001 {
			t.Errorf("estimate between %x and %x is %.3f, want %.3f", c.below, c.above, got, c.want)
		}
	}
}

// A node covers the arc up to the midpoints to its neighbors, and only its own
// address before it takes messages for others.
func TestCoverage(t *testing.T) {
	b := newBare(t, 0)
	b.ring.self, b.ring.addr, b.ring.pos = repeated(1), repeated(1).Address(), repeated(1).Address().Top()
	b.ring.SetNearest(b.now, true)
	b.drain()
	if from, to := b.ring.Coverage(); to != b.ring.addr || from != to {
		t.Errorf("not ready, and covers %v to %v", from, to)
	}
	for i := byte(2); i <= 8; i++ {
		b.session(repeated(i), 1)
		near, _ := nonces(repeated(i), 1)
		b.message(repeated(i), FlowMember, owire.AppendConnect(nil, owire.Connect{
			Group: b.ring.group, Proof: owire.Proof(b.ring.key, near), Receiver: b.ring.self,
		}))
		b.message(repeated(i), FlowMember, []byte{0x0f})
	}
	b.pass(time.Second)
	from, to := b.ring.Coverage()
	if from.String() != "eb3b6b582c498fe36073af777b5327a8d5685147af8fb621890f6c505acb247c" ||
		to.String() != "1fc610aced90b74dc1959096568f55cb24a77f187e86185fbd71b800bf0da10b" {
		t.Errorf("covers %v to %v", from, to)
	}
	var order []byte
	for _, l := range b.ring.Links() {
		order = append(order, l.Peer[0])
		if want := map[byte]int{4: 1, 5: 2, 7: 3, 8: -1, 2: -2, 6: -3}[l.Peer[0]]; l.Side != want {
			t.Errorf("member %d has side %d, want %d", l.Peer[0], l.Side, want)
		}
	}
	if !slices.Equal(order, []byte{4, 5, 7, 3, 6, 2, 8}) {
		t.Errorf("links in order %v", order)
	}
	b.ring.SetNearest(b.now, false)
	_, messages := sent(b.drain(), repeated(2))
	if from, to := b.ring.Coverage(); to != b.ring.addr || from != to || len(messages) != 1 || messages[0][0] != 0x0e {
		t.Errorf("in mode EXACT it covers %v to %v and says %x", from, to, messages)
	}
}

// A silent ring neighbor is probed after a second, suspected 1.1 s later when
// none of four probes was answered, and buried after ten seconds of silence. A
// sign of life takes the suspicion back.
func TestProbeLadder(t *testing.T) {
	b := newBare(t, CapOverlay)
	for n := uint32(1); n <= 3; n++ {
		b.link(testID(n), CapOverlay)
	}
	quiet := b.ring.id(b.ring.up[0])
	start := b.now
	var pings []time.Duration
	var suspected, buried time.Duration
	told := 0
	for b.now.Sub(start) < 15*time.Second && buried == 0 {
		b.now = b.ring.PollTimeout()
		b.ring.HandleTimeout(b.now)
		for _, a := range b.drain() {
			switch {
			case a.Kind == ActionPing && a.Peer == quiet:
				pings = append(pings, b.now.Sub(start))
			case a.Kind == ActionPing:
				b.ring.HandlePong(b.now, a.Peer)
			case a.Kind == ActionSend && a.Data[0] == owire.TypeSuspect:
				told++
			case a.Kind == ActionRelease && a.Peer == quiet:
				buried = b.now.Sub(start)
			}
		}
		for _, e := range b.evts {
			if e.Link.Peer == quiet && e.Link.Suspect && suspected == 0 {
				suspected = b.now.Sub(start)
			}
		}
	}
	ms := time.Millisecond
	if len(pings) < 5 || !slices.Equal(pings[:5], []time.Duration{1000 * ms, 1250 * ms, 1500 * ms, 1750 * ms, 2100 * ms}) {
		t.Errorf("pings at %v", pings)
	}
	if suspected != 2100*ms || told != 2 || buried < 10*time.Second || buried > 11*time.Second {
		t.Errorf("suspected after %v, %d told, buried after %v", suspected, told, buried)
	}
	if st := b.ring.Stats(); st.Buried != 1 || st.Suspected != 1 {
		t.Errorf("%+v", st)
	}
}

// A suspicion of others is checked at once and never believed; after a false
// alarm the probes are patient.
func TestSuspicionIsChecked(t *testing.T) {
	b := newBare(t, CapOverlay)
	for n := uint32(1); n <= 3; n++ {
		b.link(testID(n), CapOverlay)
	}
	b.pass(100 * time.Millisecond)
	whom := testID(2)
	acts := b.message(testID(1), FlowOverlay, owire.AppendSuspect(nil, whom))
	if len(acts) != 1 || acts[0].Kind != ActionPing || acts[0].Peer != whom {
		t.Fatalf("a suspicion leads to %+v", acts)
	}
	if l, _ := b.ring.Link(whom); l.Suspect {
		t.Error("it is believed unchecked")
	}
	start := b.now
	l := b.ring.linkOf(&whom)
	for !l.is(linkSuspect) {
		b.now = b.ring.PollTimeout()
		b.ring.HandleTimeout(b.now)
		b.drain()
	}
	if took := b.now.Sub(start); took != 500*time.Millisecond {
		t.Errorf("suspected after %v", took)
	}
	b.message(whom, FlowMember, owire.AppendReport(nil, owire.Report{}))
	if l.is(linkSuspect) || b.ring.Stats().FalseAlarms != 1 {
		t.Error("a sign of life changes nothing")
	}
	b.ring.startProbe(b.now, l, whom)
	if l.ladder != ladderPatient {
		t.Error("no patience after a false alarm")
	}
	for range 100 {
		b.message(testID(1), FlowOverlay, owire.AppendSuspect(nil, testID(3)))
		b.ring.HandlePong(b.now, testID(3))
		b.drain()
	}
	if b.ring.Stats().Flooded == 0 {
		t.Error("a hundred suspicions at once are all checked")
	}
}

// A relay passes a circuit on between two neighbors, in bounds, and ends it when
// one of them is gone.
func TestRelaysForOthers(t *testing.T) {
	b := newBare(t, CapOverlay)
	from, to := testID(1), testID(2)
	b.link(from, CapOverlay)
	b.link(to, CapOverlay)
	b.drain()
	open := func(circuit uint64, target PeerID) []Action {
		return b.message(from, FlowOverlay, owire.AppendRelayOpen(nil, owire.RelayOpen{Circuit: circuit, Target: target}))
	}
	_, messages := sent(open(1, to), to)
	m, err := owire.ParseRelayOpen(messages[0])
	if err != nil || m.Target != to || m.Opener != from || !m.HasOpener || m.Circuit%2 != 0 {
		t.Fatalf("passed on as %+v, %v", m, err)
	}
	_, messages = sent(b.message(from, FlowOverlay, owire.AppendRelayData(nil, 1, []byte("there"))), to)
	if c, data, err := owire.ParseRelayData(messages[0]); err != nil || c != m.Circuit || string(data) != "there" {
		t.Errorf("%d %q, %v", c, data, err)
	}
	_, messages = sent(b.message(to, FlowOverlay, owire.AppendRelayData(nil, m.Circuit, []byte("back"))), from)
	if c, data, err := owire.ParseRelayData(messages[0]); err != nil || c != 1 || string(data) != "back" {
		t.Errorf("%d %q, %v", c, data, err)
	}
	closed := func(acts []Action, circuit uint64, reason owire.RelayReason) {
		t.Helper()
		_, messages := sent(acts, from)
		if len(messages) != 1 {
			t.Fatalf("%d messages", len(messages))
		}
		if c, why, err := owire.ParseRelayClose(messages[0]); err != nil || c != circuit || why != reason {
			t.Errorf("circuit %d closed for %d, %v", c, why, err)
		}
	}
	closed(open(3, testID(77)), 3, owire.RelayUnknown)
	for c := uint64(5); c < 15; c += 2 {
		open(c, to)
	}
	closed(open(15, to), 15, owire.RelayFull)
	if acts := open(16, to); len(acts) != 0 || b.ring.Stats().Malformed != 1 {
		t.Errorf("an even number of the session's opener: %+v", acts)
	}

	passed := 0
	for range 100 {
		_, messages := sent(b.message(from, FlowOverlay, owire.AppendRelayData(nil, 1, make([]byte, 1000))), to)
		passed += len(messages)
	}
	if passed < 15 || passed > 17 {
		t.Errorf("%d of 100 kB pass at once", passed)
	}
	b.ring.HandleSessionClosed(b.now, to)
	_, messages = sent(b.drain(), from)
	if n := len(slices.DeleteFunc(messages, func(m []byte) bool { return m[0] != owire.TypeRelayClose })); n != 6 || len(b.ring.circuits) != 0 {
		t.Errorf("%d circuits are closed, %d are left", n, len(b.ring.circuits))
	}
}

// Neighbors' lists come whole and as changes, and say how far members are apart.
func TestNeighborLists(t *testing.T) {
	b := newBare(t, CapOverlay)
	id := testID(1)
	b.link(id, CapOverlay)
	at := func(i int) uint64 { return id.Address().Top() + uint64(i)<<50 }
	full := owire.Neighbors{}
	for _, i := range []int{-3, -2, -1, 1, 2, 3, 40, 50} {
		full.List = append(full.List, owire.Neighbor{Prefix: at(i), Ready: i%2 == 0, Relayed: i == 40})
	}
	b.message(id, FlowOverlay, owire.AppendNeighbors(nil, full))
	list := b.ring.NeighborsOf(id)
	if len(list) != 8 || !slices.IsSortedFunc(list, comparePlaces) {
		t.Fatalf("list %v", list)
	}
	l := b.ring.linkOf(&id)
	if got := float64(l.arc) * (1 << 32); math.Abs(got-6*(1<<50)) > 1<<35 {
		t.Errorf("arc %g", got)
	}
	if listHas(l.list, at(40)) != listedRelayed || listHas(l.list, at(2)) != listedDirect || listHas(l.list, at(9)) != notListed {
		t.Error("members are not found")
	}
	b.message(id, FlowOverlay, owire.AppendNeighbors(nil, owire.Neighbors{Changes: true, List: []owire.Neighbor{
		{Prefix: at(40)}, {Prefix: at(50), Removed: true}, {Prefix: at(60)}, {Prefix: at(70), Removed: true},
	}}))
	if listHas(l.list, at(40)) != listedDirect || listHas(l.list, at(50)) != notListed || listHas(l.list, at(60)) != listedDirect || len(l.list) != 8 {
		t.Errorf("after changes %v", l.list)
	}
	// This node tells it of others when they have come.
	b.link(testID(2), 0)
	var told []owire.Neighbors
	end := b.now.Add(listDelay)
	for b.now < end {
		b.now = b.ring.PollTimeout()
		b.ring.HandleTimeout(b.now)
		_, messages := sent(b.drain(), id)
		for _, m := range messages {
			if n, err := owire.ParseNeighbors(m); err == nil {
				told = append(told, n)
			}
		}
	}
	if len(told) != 1 || !slices.ContainsFunc(told[0].List, func(n owire.Neighbor) bool {
		return Prefix(n.Prefix>>32).place() == prefixAt(testID(2).Address().Top())
	}) {
		t.Errorf("told %+v", told)
	}
}

// The estimate is near the truth when neighbors tell of theirs, and liars among
// them move it little.
func TestEstimate(t *testing.T) {
	for _, nodes := range []int{3, 6, 12, 60, 150} {
		s := newSim(t, simOptions{seed: uint64(nodes), caps: CapOverlay})
		s.fill(nodes, 10*time.Millisecond)
		s.run(30 * time.Second)
		low, high := math.Inf(1), 0.0
		for _, n := range s.nodes {
			low, high = min(low, n.ring.EstimatedMembers()), max(high, n.ring.EstimatedMembers())
		}
		t.Logf("%d members: %.1f to %.1f", nodes, low, high)
		if low < 0.7*float64(nodes) || high > 1.4*float64(nodes) {
			t.Errorf("%d members are estimated as %.1f to %.1f", nodes, low, high)
		}
	}
	honest := make([]float64, 40)
	for i := range honest {
		honest[i] = 100
	}
	honest[0], honest[1] = 1e18, 1
	if got := trimmedMean(honest); got != 100 {
		t.Errorf("two liars of 40 make %g of 100", got)
	}
}

// Settings out of range are named.
func TestRingParams(t *testing.T) {
	if err := DefaultRingParams().Validate(); err != nil {
		t.Error(err)
	}
	p := DefaultRingParams()
	p.GossipSlow = p.GossipFast / 2
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "GossipSlow") {
		t.Errorf("%v", err)
	}
	if _, err := NewRing(reliability.Start, RingConfig{Params: DefaultRingParams()}); err == nil {
		t.Error("a ring without anything is made")
	}
}
