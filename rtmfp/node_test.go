package rtmfp_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// node is an endpoint on a host of the virtual network, with what happened.
type node struct {
	*rtmfp.Endpoint
	net    *vnet.Net
	host   *vnet.Host
	driver *vnet.Driver
	addr   netip.AddrPort
	events []rtmfp.Event
	on     func(now rtmfp.Instant, e rtmfp.Event)
}

type seeded struct{ *rand.ChaCha8 }

func entropy(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return seeded{rand.NewChaCha8(key)}
}

func newNode(t testing.TB, n *vnet.Net, lan *vnet.LAN, addr string, server bool, link vnet.LinkParams) *node {
	t.Helper()
	p, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: entropyOf(addr, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return addNode(t, n, lan, addr, p, rtmfp.DefaultParams(), link)
}

// entropyOf returns secret bytes that go with an address.
func entropyOf(addr string, kind uint64) io.Reader {
	ap := netip.MustParseAddrPort(addr)
	return entropy(kind<<48 + uint64(ap.Port()) + uint64(ap.Addr().As16()[15])<<32)
}

// addNode puts an endpoint onto the network.
func addNode(t testing.TB, n *vnet.Net, lan *vnet.LAN, addr string, p rtmfp.Profile, params rtmfp.Params, link vnet.LinkParams) *node {
	t.Helper()
	return addNodeTraced(t, n, lan, addr, p, params, link, func(*node) rtmfp.Tracer { return nil })
}

func addNodeTraced(t testing.TB, n *vnet.Net, lan *vnet.LAN, addr string, p rtmfp.Profile, params rtmfp.Params, link vnet.LinkParams, tracer func(n *node) rtmfp.Tracer) *node {
	t.Helper()
	h := n.AddHost()
	ap := netip.MustParseAddrPort(addr)
	if err := h.AddInterface(lan, ap, link, link); err != nil {
		t.Fatal(err)
	}
	node := &node{net: n, host: h, addr: ap}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: params, Profile: p, Entropy: entropyOf(addr, 2), Tracer: tracer(node)})
	if err != nil {
		t.Fatal(err)
	}
	node.Endpoint = e
	node.driver = vnet.Drive(h, e)
	node.driver.React = func(now reliability.Time) bool {
		any := false
		for {
			event, ok := e.PollEvent()
			if !ok {
				return any
			}
			any = true
			node.events = append(node.events, event)
			if node.on != nil {
				node.on(now, event)
			}
		}
	}
	return node
}

func (n *node) do(f func(now rtmfp.Instant)) { n.driver.Do(f) }

// count returns how many events of a kind there were.
func (n *node) count(kind rtmfp.EventKind) (c int) {
	for _, e := range n.events {
		if e.Kind == kind {
			c++
		}
	}
	return c
}

func (n *node) last(kind rtmfp.EventKind) rtmfp.Event {
	for i := len(n.events) - 1; i >= 0; i-- {
		if n.events[i].Kind == kind {
			return n.events[i]
		}
	}
	return rtmfp.Event{}
}

// connect opens a session from a to b and waits for it.
func connect(t testing.TB, a, b *node, epd []byte) *rtmfp.Session {
	t.Helper()
	var s *rtmfp.Session
	a.do(func(now rtmfp.Instant) {
		var err error
		if s, err = a.Open(now, epd, []netip.AddrPort{b.addr}); err != nil {
			t.Fatal(err)
		}
	})
	if !a.net.RunWhile(90*time.Second, func() bool { return s.State() != rtmfp.StateOpen }) {
		t.Fatalf("the session is %v after 90 s: %+v, %+v", s.State(), a.Stats(), b.Stats())
	}
	return s
}
