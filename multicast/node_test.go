package multicast_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// testEntropy is secrets from a seed.
type testEntropy struct{ r *rand.ChaCha8 }

func newTestEntropy(seed uint64) io.Reader {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	return testEntropy{rand.NewChaCha8(s)}
}

func (e testEntropy) Read(b []byte) (int, error) { return e.r.Read(b) }

// testNet is a virtual network with an introducer and nodes.
type testNet struct {
	t      testing.TB
	net    *vnet.Net
	seed   uint64
	count  int
	server struct {
		addr netip.AddrPort
		node *testNode
		meet *introducer.Introducer
	}
	nodes []*testNode
}

// testNode is a node on a host of its own.
type testNode struct {
	*multicast.Node
	name   string
	alias  overlay.PeerID
	plain  bool // without extensions
	host   *vnet.Host
	driver *vnet.Driver
	group  *multicast.Group
	// got are the messages that came, and events the names of what happened.
	got    []packager.Message
	events []string
	up     bool
}

func newTestNet(t testing.TB, seed uint64) *testNet {
	t.Helper()
	tn := &testNet{t: t, net: vnet.New(seed), seed: seed}
	tn.server.addr = netip.MustParseAddrPort("198.51.100.1:1935")
	tn.server.node = tn.addNode(tn.server.addr, tn.introducer)
	return tn
}

// introducer makes an endpoint the network's introducer.
func (tn *testNet) introducer(e *rtmfp.Endpoint) []multicast.Service {
	params := netconnection.DefaultServerParams()
	params.NoRelay = true
	meet, err := introducer.New(introducer.DefaultParams(), rand.New(rand.NewPCG(tn.seed, 99)))
	if err != nil {
		tn.t.Fatal(err)
	}
	tn.server.meet = meet
	return []multicast.Service{netconnection.NewServer(e, params), meet}
}

func (tn *testNet) addNode(addr netip.AddrPort, services func(*rtmfp.Endpoint) []multicast.Service) *testNode {
	tn.t.Helper()
	return tn.addKind(addr, services, func(entropy io.Reader) (rtmfp.Profile, error) {
		return profile.NewFlash(profile.FlashConfig{Server: services != nil, Entropy: entropy})
	})
}

// addKind adds a node with a profile. One of our own kind has an alias.
func (tn *testNet) addKind(addr netip.AddrPort, services func(*rtmfp.Endpoint) []multicast.Service, kind func(io.Reader) (rtmfp.Profile, error)) *testNode {
	tn.t.Helper()
	tn.count++
	entropy := newTestEntropy(tn.seed<<16 + uint64(tn.count))
	p, err := kind(entropy)
	if err != nil {
		tn.t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: entropy})
	if err != nil {
		tn.t.Fatal(err)
	}
	n := &testNode{name: fmt.Sprint("node", tn.count), host: tn.net.AddHost()}
	config := multicast.NodeConfig{Endpoint: e, Rand: rand.New(rand.NewPCG(tn.seed, uint64(tn.count))), Entropy: entropy, Introduces: true}
	if services != nil {
		config.Services = services(e)
	}
	if own, ok := p.(*profile.Node); ok {
		n.alias = own.Short().Fingerprint
		config.Alias, config.Meets = n.alias, services != nil
	}
	if n.Node, err = multicast.NewNode(tn.net.Now(), config); err != nil {
		tn.t.Fatal(err)
	}
	cable := vnet.LinkParams{Delay: 10 * time.Millisecond}
	if err := n.host.AddInterface(nil, addr, cable, cable); err != nil {
		tn.t.Fatal(err)
	}
	n.driver = vnet.Drive(n.host, n.Node)
	n.driver.React = n.react
	return n
}

func (n *testNode) react(reliability.Time) bool {
	for {
		e, ok := n.PollEvent()
		if !ok {
			return false
		}
		switch {
		case e.Kind == multicast.NodeServerUp:
			n.up = true
			n.events = append(n.events, "server up")
		case e.Kind == multicast.NodeServerDown:
			n.up = false
			n.events = append(n.events, "server down")
		case e.Member.Kind == multicast.MemberStream:
			n.events = append(n.events, e.Member.Stream.Kind.String())
			if e.Member.Stream.Kind == multicast.EventMessage {
				n.got = append(n.got, e.Member.Stream.Message)
			}
		}
	}
}

// member adds a node that joins the group through the introducer.
func (tn *testNet) member(spec *groupspec.Spec) *testNode {
	tn.t.Helper()
	i := len(tn.nodes) + 1
	n := tn.addNode(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 1935), nil)
	tn.nodes = append(tn.nodes, n)
	tn.join(n, spec, true)
	return n
}

// join makes a node a member of the group, by way of the introducer.
func (tn *testNet) join(n *testNode, spec *groupspec.Spec, extensions bool) {
	tn.t.Helper()
	tn.joinWith(n, multicast.JoinConfig{Spec: spec, Ring: overlay.DefaultRingParams(), Params: multicast.DefaultParams(), Extensions: extensions})
}

func (tn *testNet) joinWith(n *testNode, config multicast.JoinConfig) {
	tn.t.Helper()
	var err error
	n.driver.Do(func(now reliability.Time) {
		url := "rtmfp://198.51.100.1/live"
		if _, err = n.Connect(now, multicast.ServerConfig{EPD: profile.ServerEPD(url), Addrs: []netip.AddrPort{tn.server.addr}, URL: url, App: "live"}); err != nil {
			return
		}
		n.group, err = n.Join(now, config)
	})
	if err != nil {
		tn.t.Fatal(err)
	}
}

// checkRing reports members whose nearest links are not the nearest members.
func (tn *testNet) checkRing() (wrong []string) {
	for _, n := range tn.nodes {
		self := n.Self().Address()
		var up, down overlay.PeerID
		for _, o := range tn.nodes {
			if o == n {
				continue
			}
			if up == (overlay.PeerID{}) || o.Self().Address().Sub(self).Compare(up.Address().Sub(self)) < 0 {
				up = o.Self()
			}
			if down == (overlay.PeerID{}) || self.Sub(o.Self().Address()).Compare(self.Sub(down.Address())) < 0 {
				down = o.Self()
			}
		}
		for _, want := range []overlay.PeerID{up, down} {
			if _, linked := n.group.Ring().Link(want); !linked {
				wrong = append(wrong, n.name+" lacks "+want.Short())
			}
		}
	}
	return wrong
}

func testSpec(t testing.TB) *groupspec.Spec {
	t.Helper()
	spec, err := groupspec.New(groupspec.Settings{Name: "test", Multicast: true, ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// settle runs the network until the ring is right, and returns how long that
// took.
func (tn *testNet) settle(limit time.Duration) time.Duration {
	tn.t.Helper()
	start := tn.net.Now()
	for {
		wrong := tn.checkRing()
		took := tn.net.Now().Sub(start)
		if len(wrong) == 0 {
			return took
		}
		if took > limit {
			tn.t.Fatalf("seed %d: after %v the ring is wrong: %v", tn.seed, took, wrong)
		}
		tn.net.Run(250 * time.Millisecond)
	}
}

// remove takes a node out of the test's account.
func (tn *testNet) remove(n *testNode) {
	tn.nodes = slices.DeleteFunc(tn.nodes, func(o *testNode) bool { return o == n })
}

// TestNodesFormARing: members that know only an introducer find their places.
func TestNodesFormARing(t *testing.T) {
	tn := newTestNet(t, 1)
	spec := testSpec(t)
	for range 20 {
		tn.member(spec)
	}
	took := tn.settle(10 * time.Second)
	t.Logf("20 nodes at once: the ring is right after %v", took)
	if s := tn.server.meet.Stats(); s.Members != 20 || s.Groups != 1 {
		t.Errorf("introducer has %d members in %d groups, want 20 in 1", s.Members, s.Groups)
	}
}

// TestRingOutlivesIntroducer: without the introducer the ring stays, closes
// after half of the nodes have vanished, and is told to the introducer again
// when that is back.
func TestRingOutlivesIntroducer(t *testing.T) {
	tn := newTestNet(t, 2)
	spec := testSpec(t)
	for range 24 {
		tn.member(spec)
	}
	tn.settle(10 * time.Second)
	tn.server.node.host.SetPlugged(false)
	tn.net.Run(30 * time.Second)
	if wrong := tn.checkRing(); len(wrong) > 0 {
		t.Errorf("without the introducer: %v", wrong)
	}
	for i, n := range slices.Clone(tn.nodes) {
		if i%2 == 0 {
			n.host.SetPlugged(false)
			tn.remove(n)
		}
	}
	t.Logf("half of the nodes vanish: the ring is right after %v", tn.settle(30*time.Second))

	// A restarted introducer knows nothing; all members come back by themselves.
	tn.server.node.host.SetPlugged(true)
	tn.net.Run(30 * time.Second)
	for _, n := range tn.nodes {
		if !n.up {
			t.Errorf("%s has not come back to the introducer", n.name)
		}
	}
}

// TestPoliteLeave: who leaves is gone from its neighbors at once.
func TestPoliteLeave(t *testing.T) {
	tn := newTestNet(t, 3)
	spec := testSpec(t)
	for range 10 {
		tn.member(spec)
	}
	tn.settle(10 * time.Second)
	leaver := tn.nodes[3]
	leaver.driver.Do(func(now reliability.Time) { leaver.Close(now) })
	tn.remove(leaver)
	tn.net.Run(500 * time.Millisecond)
	for _, n := range tn.nodes {
		if _, linked := n.group.Ring().Link(leaver.Self()); linked {
			t.Errorf("%s is still linked with the one that left", n.name)
		}
	}
	tn.settle(5 * time.Second)
	if s := tn.server.meet.Stats(); s.Members != 9 {
		t.Errorf("the introducer has %d members, want 9", s.Members)
	}
}

// An introducer that has moved is found at its new address.
func TestIntroducerMoves(t *testing.T) {
	tn := newTestNet(t, 7)
	n := tn.addNode(netip.MustParseAddrPort("203.0.113.1:1935"), nil)
	url, id := "rtmfp://meet.example/live", 0
	n.driver.Do(func(now reliability.Time) {
		var err error
		nobody := netip.MustParseAddrPort("198.51.100.99:1935")
		if id, err = n.Connect(now, multicast.ServerConfig{EPD: profile.ServerEPD(url), Addrs: []netip.AddrPort{nobody}, URL: url, App: "live"}); err != nil {
			t.Fatal(err)
		}
	})
	tn.net.Run(30 * time.Second)
	if n.up {
		t.Fatal("nobody has accepted the node")
	}
	n.driver.Do(func(now reliability.Time) { n.SetServerAddrs(now, id, []netip.AddrPort{tn.server.addr}) })
	// The try that goes on at the old address may take as long as one may.
	tn.net.Run(15 * time.Second)
	if !n.up {
		t.Error("the introducer is not found at its new address")
	}
}
