package multicast_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// A groupspec may name members to begin with. Who has it needs no directory: an
// introducer that only introduces is enough, and finds members by their IDs.
func TestBootstrapPeers(t *testing.T) {
	tn := newTestNet(t, 31)
	spec, err := groupspec.New(groupspec.Settings{Name: "without a directory", Multicast: true})
	if err != nil {
		t.Fatal(err)
	}
	first := tn.member(spec)
	text := spec.String() + groupspec.EncodeBootstrapPeer(first.Self())
	if spec, err = groupspec.Parse(text); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		tn.member(spec)
	}
	t.Logf("the ring is right after %v", tn.settle(15*time.Second))
	if s := tn.server.meet.Stats(); s.Members != 0 {
		t.Errorf("the introducer has %d members of a group without server channel", s.Members)
	}
}

// Two groups of the same nodes share a session for each pair, and one that is
// left takes nothing from the other.
func TestGroupsShareSessions(t *testing.T) {
	tn := newTestNet(t, 32)
	specs := []*groupspec.Spec{testSpec(t), nil}
	var err error
	if specs[1], err = groupspec.New(groupspec.Settings{Name: "second", Multicast: true, ServerChannel: true}); err != nil {
		t.Fatal(err)
	}
	const nodes = 6
	second := map[*testNode]*multicast.Group{}
	for range nodes {
		n := tn.member(specs[0])
		n.driver.Do(func(now reliability.Time) {
			second[n], err = n.Join(now, multicast.JoinConfig{
				Spec: specs[1], Ring: overlay.DefaultRingParams(), Params: multicast.DefaultParams(), Extensions: true,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	tn.settle(10 * time.Second)
	tn.net.Run(10 * time.Second)
	for _, n := range tn.nodes {
		if links := len(second[n].Ring().Links()); links != nodes-1 {
			t.Errorf("%s has %d neighbors in the second group, want %d", n.name, links, nodes-1)
		}
		// One for each other member, and one with the introducer.
		if sessions := n.Endpoint().Sessions(); sessions != nodes {
			t.Errorf("%s has %d sessions for two groups of %d, want %d", n.name, sessions, nodes, nodes)
		}
	}
	for _, n := range tn.nodes {
		n.driver.Do(func(now reliability.Time) { n.Leave(now, second[n]) })
	}
	tn.net.Run(10 * time.Second)
	if wrong := tn.checkRing(); len(wrong) > 0 {
		t.Errorf("when the second group is left, in the first one %v", wrong)
	}
}

// Members that know different introducers become one group when some know both,
// and it stays one when one of these introducers is gone.
func TestSeveralIntroducers(t *testing.T) {
	tn := newTestNet(t, 33)
	spec := testSpec(t)
	first := tn.server.addr
	other := netip.MustParseAddrPort("198.51.100.2:1935")
	meets := []*introducer.Introducer{tn.server.meet}
	second := tn.addNode(other, tn.introducer)
	meets = append(meets, tn.server.meet)
	connect := func(n *testNode, addr netip.AddrPort) {
		t.Helper()
		n.driver.Do(func(now reliability.Time) {
			url := "rtmfp://" + addr.Addr().String() + "/live"
			if _, err := n.Connect(now, multicast.ServerConfig{EPD: profile.ServerEPD(url), Addrs: []netip.AddrPort{addr}, URL: url, App: "live"}); err != nil {
				t.Fatal(err)
			}
		})
	}
	for i := range 12 {
		tn.server.addr = []netip.AddrPort{first, other}[i%2]
		n := tn.member(spec)
		if i < 2 {
			connect(n, []netip.AddrPort{other, first}[i])
		}
	}
	t.Logf("two introducers: the ring is right after %v", tn.settle(20*time.Second))
	if a, b := meets[0].Stats().Members, meets[1].Stats().Members; a != 7 || b != 7 {
		t.Errorf("the introducers have %d and %d members, want 7 each", a, b)
	}
	second.host.SetPlugged(false)
	for _, n := range slices.Clone(tn.nodes[2:6]) {
		n.host.SetPlugged(false)
		tn.remove(n)
	}
	t.Logf("without one of them and four members: %v", tn.settle(30*time.Second))
}
