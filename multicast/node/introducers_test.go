package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/groupspec"
)

// named returns the introducer under a name.
func named(n *node.Node, host string) node.Introducer {
	return node.Introducer{Addr: net.JoinHostPort(host, strconv.Itoa(int(n.LocalAddrs()[0].Port())))}
}

func join(t *testing.T, n *node.Node, at ...node.Introducer) (*node.Group, error) {
	t.Helper()
	spec, err := groupspec.New(groupspec.Settings{Name: "test", ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	return n.Join(t.Context(), spec, node.JoinOptions{Introducers: at})
}

// A node whose network is not there when it starts looks its introducers up
// again until it finds them.
func TestNameIsLookedUpAgain(t *testing.T) {
	var asked atomic.Int32
	meeting := start(t, true)
	n := startWith(t, false, func(c *node.Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			if asked.Add(1) <= 2 {
				return nil, &net.DNSError{Err: "connection refused", Name: host, IsTemporary: true}
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	if _, err := join(t, n, named(meeting, "meet.example")); err != nil {
		t.Fatal(err)
	}
	var dns *net.DNSError
	if list := n.Introducers(); len(list) != 1 || list[0].Up || !errors.As(list[0].Err, &dns) {
		t.Errorf("introducers %+v, want one whose name cannot be looked up", list)
	}
	if err := n.WaitIntroducer(limit(t)); err != nil {
		t.Fatal(err)
	}
	if got := asked.Load(); got != 3 {
		t.Errorf("asked %d times, want 3", got)
	}
}

// A name that there is not is a mistake of whoever has written it.
func TestUnknownNameIsAnError(t *testing.T) {
	n := startWith(t, false, func(c *node.Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
	})
	var dns *net.DNSError
	if _, err := join(t, n, node.Introducer{Addr: "meet.example:1935"}); !errors.As(err, &dns) {
		t.Errorf("Join = %v, want the error of the lookup", err)
	}
}

// A group that is left while its introducer's name is being looked up asks no
// more.
func TestLeaveBeforeLookup(t *testing.T) {
	n := startWith(t, false, func(c *node.Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "server failure", Name: host, IsTemporary: true}
		}
	})
	g, err := join(t, n, node.Introducer{Addr: "meet.example:1935"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Leave(); err != nil {
		t.Fatal(err)
	}
	if list := n.Introducers(); len(list) != 0 {
		t.Errorf("introducers %+v are left", list)
	}
}

// An introducer that is reached under two names, or whose name leads to the same
// addresses in another order the next time, is one.
func TestOrderOfAddressesDoesNotCount(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	n := startWith(t, false, func(c *node.Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "second.example" {
				return []netip.Addr{addrs[1], addrs[0]}, nil
			}
			return addrs, nil
		}
	})
	var at []node.Introducer
	for _, addr := range []string{"first.example:1935", "second.example:1935"} {
		at = append(at, node.Introducer{Addr: addr, Fingerprint: &[32]byte{1}})
	}
	if _, err := join(t, n, at...); err != nil {
		t.Fatal(err)
	}
	if list := n.Introducers(); len(list) != 1 {
		t.Errorf("introducers %+v, want one", list)
	}
}
