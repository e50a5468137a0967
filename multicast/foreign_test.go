package multicast_test

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// newMixedNet makes a network whose introducer is of our own kind.
func newMixedNet(t *testing.T, seed uint64) *testNet {
	t.Helper()
	tn := &testNet{t: t, net: vnet.New(seed), seed: seed}
	tn.server.addr = netip.MustParseAddrPort("198.51.100.1:1935")
	tn.server.node = tn.addKind(tn.server.addr, tn.introducer, ownKind(true))
	return tn
}

// ownKind makes the profile of our own nodes.
func ownKind(server bool) func(io.Reader) (rtmfp.Profile, error) {
	return func(entropy io.Reader) (rtmfp.Profile, error) {
		secrets, err := profile.NewSecrets(entropy)
		if err != nil {
			return nil, err
		}
		return profile.NewNode(secrets, profile.NodeOptions{Server: server})
	}
}

// foreignKind makes a profile like that of other makes.
func foreignKind(entropy io.Reader) (rtmfp.Profile, error) {
	return profile.NewFlash(profile.FlashConfig{ChecksumOnly: true, Entropy: entropy})
}

// memberKind is what a member of a mixed group is.
type memberKind uint8

const (
	foreignMember memberKind = iota
	ownMember
	plainMember // of our own kind, without extensions
)

// mixedMember adds a member of some kind.
func (tn *testNet) mixedMember(spec *groupspec.Spec, k memberKind) *testNode {
	tn.t.Helper()
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(len(tn.nodes) + 1)}), 1935)
	kind := foreignKind
	if k != foreignMember {
		kind = ownKind(false)
	}
	n := tn.addKind(addr, nil, kind)
	tn.nodes = append(tn.nodes, n)
	n.plain = k == plainMember
	tn.join(n, spec, k == ownMember)
	return n
}

// checkNeighbors reports members whose links are not one with each other
// member, by the name by which they know it.
func (tn *testNet) checkNeighbors() {
	tn.t.Helper()
	for _, n := range tn.nodes {
		var want, got []overlay.PeerID
		for _, o := range tn.nodes {
			switch {
			case o == n:
			case o.alias != overlay.PeerID{} && (n.alias == overlay.PeerID{} || n.plain || o.plain):
				want = append(want, o.alias) // nothing tells plain ones' own names there
			default:
				want = append(want, o.Self())
			}
		}
		for _, l := range n.group.Ring().Links() {
			got = append(got, l.Peer)
			if l.Caps != 0 && n.alias == (overlay.PeerID{}) {
				tn.t.Errorf("%s has extensions with %s", n.name, l.Peer.Short())
			}
		}
		byID := func(a, b overlay.PeerID) int { return bytes.Compare(a[:], b[:]) }
		slices.SortFunc(want, byID)
		slices.SortFunc(got, byID)
		if !slices.Equal(got, want) {
			tn.t.Errorf("%s is linked with %v, want %v", n.name, got, want)
		}
		// Each of them once: a session with every other member, and one more
		// with the introducer if that is none.
		most := len(tn.nodes) - 1
		if n != tn.server.node {
			most++
		}
		if got := n.Endpoint().Sessions(); n != tn.server.node && got > most {
			tn.t.Errorf("%s has %d sessions, want at most %d", n.name, got, most)
		}
	}
}

// Members of other makes find a node that publishes and is its own introducer,
// and know each member of our own kind by one name, also after a minute of
// gossip and when somebody has told them the other one.
func TestForeignMembersKnowUsOnce(t *testing.T) {
	tn := newMixedNet(t, 11)
	spec := testSpec(t)
	s := tn.server.node
	s.driver.Do(func(now reliability.Time) {
		var err error
		s.group, err = s.Join(now, multicast.JoinConfig{Spec: spec, Ring: overlay.DefaultRingParams(), Params: multicast.DefaultParams(), Extensions: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	tn.server.meet.JoinLocal(introducer.GroupID(spec.ID()), s.Self(), s.alias)
	tn.nodes = append(tn.nodes, s)
	tn.mixedMember(spec, foreignMember)
	tn.net.Run(2 * time.Second)
	tn.checkNeighbors()
	own := tn.mixedMember(spec, ownMember)
	foreign := tn.mixedMember(spec, foreignMember)
	tn.mixedMember(spec, ownMember)
	tn.net.Run(60 * time.Second)
	tn.checkNeighbors()
	foreign.driver.Do(func(now reliability.Time) { foreign.group.Ring().AddNeighbor(now, own.Self()) })
	tn.net.Run(20 * time.Second)
	tn.checkNeighbors()
}

// Through an introducer of another make our own nodes get to know each other by
// their other names, and still link by their own.
func TestOwnKindMeetsAtForeignIntroducer(t *testing.T) {
	tn := newTestNet(t, 12)
	spec := testSpec(t)
	for _, k := range []memberKind{ownMember, foreignMember, plainMember, ownMember, plainMember} {
		tn.mixedMember(spec, k)
		tn.net.Run(time.Second)
	}
	tn.net.Run(60 * time.Second)
	tn.checkNeighbors()
	for _, n := range tn.nodes {
		for _, l := range n.group.Ring().Links() {
			i := slices.IndexFunc(tn.nodes, func(o *testNode) bool { return o.Self() == l.Peer })
			own := i >= 0 && tn.nodes[i].alias != overlay.PeerID{}
			if session := n.Endpoint().SessionByEPD(profile.PeerEPD(l.Peer)); session == nil || session.IsOwn() != own {
				t.Errorf("%s: the session with %s is not by the right profile", n.name, l.Peer.Short())
			}
		}
	}
}
