package overlay

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func repeated(c byte) PeerID { return PeerID(bytes.Repeat([]byte{c}, 32)) }

func countingID(first byte) (id PeerID) {
	for i := range id {
		id[i] = first + byte(i)
	}
	return id
}

func TestGroupAddresses(t *testing.T) {
	for _, c := range []struct {
		peer PeerID
		want string
	}{
		{countingID(0), "b899a498e581c1b05a163df2329c20db35411de8eeeed68e12ecdc2ba9e15ebc"},
		{countingID(0x20), "7a13d1a576c9389bd06abb2780d567e322bfd45b3b74026622b256b9f9018b20"},
		{repeated(0), "38a3a3d92c7f247c8293e424312b4f5d29f239eb495cf438470e8781eeabffa8"},
		{repeated(0xff), "0980929c56ce85424d070d757458f6116d2cda334b86e2c28eaedc0099cfa93e"},
		{recordedPeer(t, "a2bb2a90c60d21043b63df03f8af122f91c4e0b361bc4d306c1f8fd837541064"), "d1350464561f7e87c2e61d23406ed461ba982c081ae356a72c1fc12a3cfec79a"},
		{recordedPeer(t, "aada078c8990d3d7fbcafb62e22d48c69d980190e5545daa6c62a3e58ee6ac1d"), "8b4b8a17b2628911d1309db6048bb58fbb27d25a5b2ecfd657d12bfdf336eea7"},
	} {
		if got := c.peer.Address().String(); got != c.want {
			t.Errorf("peer %v has address %s, want %s", c.peer, got, c.want)
		}
	}
}

func recordedPeer(t *testing.T, s string) PeerID {
	t.Helper()
	id, err := ParsePeerID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The order of eight members around the ring, and what the first one of them
// finds at fractions of it.
func TestRingOrder(t *testing.T) {
	var ring []byte // the members' digits, in the order of their addresses
	at := func(i byte) Address { return repeated(i).Address() }
	for i := byte(1); i <= 8; i++ {
		ring = append(ring, i)
	}
	slices.SortFunc(ring, func(a, b byte) int { return at(a).Compare(at(b)) })
	if want := []byte{1, 4, 5, 7, 3, 6, 2, 8}; !bytes.Equal(ring, want) {
		t.Fatalf("the ring is %v, want %v", ring, want)
	}
	if got := at(1).String(); !strings.HasPrefix(got, "111a5ad197e3c264") {
		t.Errorf("member 1 is at %s", got)
	}
	self := at(1)
	for k, want := range map[int]byte{1: 6, 2: 3, 3: 5} {
		target := self.Add(Fraction(k))
		nearest := slices.MinFunc(ring, func(a, b byte) int { return at(a).Sub(target).Compare(at(b).Sub(target)) })
		if nearest != want {
			t.Errorf("at or after 1/2^%d of the ring is %d, want %d", k, nearest, want)
		}
	}
	for member, above := range map[byte]bool{4: true, 5: true, 7: true, 8: false, 2: false, 6: false} {
		half := self.Add(Fraction(1))
		if at(member).Between(self, half) != above {
			t.Errorf("member %d is above: %v", member, !above)
		}
	}
	// Midpoints to the neighbors bound what member 1 is nearest to.
	if at(8).Distance(self) != self.Sub(at(8)) || at(4).Distance(self) != at(4).Sub(self) {
		t.Error("distances to the neighbors do not go the short way")
	}
}

func TestStatus(t *testing.T) {
	for s, want := range map[Status]string{
		StatusConnectSuccess: "status", StatusConnectFailed: "error", StatusConnectRejected: "error", StatusFetchFailed: "error",
		StatusNeighborConnect: "status", StatusStreamReset: "status",
	} {
		if got := StatusLevel(s); got != want {
			t.Errorf("%s has level %s, want %s", s, got, want)
		}
	}
	for kind, want := range map[EventKind]Status{
		EventNeighborUp: "NetGroup.Neighbor.Connect", EventNeighborDown: "NetGroup.Neighbor.Disconnect",
		EventCoverage: "NetGroup.LocalCoverage.Notify", EventReady: "",
	} {
		if got := StatusOf(kind); got != want {
			t.Errorf("event %d has code %q, want %q", kind, got, want)
		}
	}
}
