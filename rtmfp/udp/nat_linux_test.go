package udp_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/udp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// peer is an endpoint on a host of a lab.
type peer struct {
	*rtmfp.Endpoint
	driver *udp.Driver
	addr   netip.AddrPort
}

func newPeer(t *testing.T, h *lab.Host, server bool, on func(p *peer, now rtmfp.Instant, e rtmfp.Event)) *peer {
	t.Helper()
	f, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: f, Entropy: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Endpoint: e}
	if err := h.Do(func() (err error) {
		config := udp.DefaultConfig()
		config.Listen = []netip.AddrPort{netip.AddrPortFrom(h.Addr(), 0)}
		p.driver, err = udp.Listen(config)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p.addr = p.driver.LocalAddrs()[0]
	p.driver.Attach(e, func(now reliability.Time) bool {
		any := false
		for {
			event, ok := e.PollEvent()
			if !ok {
				return any
			}
			any = true
			on(p, now, event)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.driver.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// do calls f with the endpoint at rest.
func (p *peer) do(t *testing.T, f func(now rtmfp.Instant)) {
	t.Helper()
	if err := p.driver.Do(f); err != nil {
		t.Fatal(err)
	}
}

// Peers behind routers of every kind, as the kernel makes them, are introduced
// to each other; the table says which pairs connect directly.
func TestNATMatrix(t *testing.T) {
	t.Parallel()
	kinds := []vnet.NATParams{vnet.FullCone(), vnet.AddressRestricted(), vnet.PortRestricted(), vnet.Symmetric()}
	l := lab.New(t)
	server := newPeer(t, l.AddHost("server", lab.HostConfig{}), true, func(p *peer, now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.HelloForOther {
			if target := p.SessionByEPD(e.Hello.EPD); target != nil {
				p.Introduce(now, e.Hello, target, nil)
			}
		}
	})
	// Each kind twice: once for those who ask, once for those who are asked.
	// Each session's end is told on its own channel.
	type result struct {
		from, to int
		open     bool
	}
	results := make(chan result, 64)
	opened := make(chan bool, 64)
	var sides [2][]*peer
	index := make(map[*rtmfp.Session]result)
	var mu sync.Mutex
	on := func(p *peer, _ rtmfp.Instant, e rtmfp.Event) {
		mu.Lock()
		defer mu.Unlock()
		r, direct := index[e.Session]
		switch {
		case direct && (e.Kind == rtmfp.SessionOpened || e.Kind == rtmfp.SessionFailed):
			r.open = e.Kind == rtmfp.SessionOpened
			results <- r
		case e.Kind == rtmfp.SessionOpened && e.Session.IsInitiator():
			e.Session.SetAcceptForwarded(true)
			opened <- true
		}
	}
	for side := range sides {
		for i, nat := range kinds {
			lan := l.AddLAN(fmt.Sprintf("lan%d%d", side, i), lab.LANConfig{NAT: &nat})
			p := newPeer(t, lan.AddHost(fmt.Sprintf("host%d%d", side, i), lab.HostConfig{}), false, on)
			sides[side] = append(sides[side], p)
			p.do(t, func(now rtmfp.Instant) {
				if _, err := p.Open(now, profile.ServerEPD("rtmfp://introducer/"), []netip.AddrPort{server.addr}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait := time.After(30 * time.Second)
	for range 2 * len(kinds) {
		select {
		case <-opened:
		case <-wait:
			t.Fatal("a peer does not reach the introducer")
		}
	}
	for i, a := range sides[0] {
		a.do(t, func(now rtmfp.Instant) {
			for j, b := range sides[1] {
				// Whoever can't connect has no more to learn after a few tries.
				timeout := 12 * time.Second
				if !connectable(i, j) {
					timeout = 4 * time.Second
				}
				s, err := a.OpenWith(now, rtmfp.OpenConfig{EPD: profile.PeerEPD(b.Self().Fingerprint), Candidates: []netip.AddrPort{server.addr}, Timeout: timeout})
				if err != nil {
					t.Error(err)
					continue
				}
				mu.Lock()
				index[s] = result{from: i, to: j}
				mu.Unlock()
			}
		})
	}
	var connects [4][4]bool
	for range len(kinds) * len(kinds) {
		select {
		case r := <-results:
			connects[r.from][r.to] = r.open
		case <-time.After(30 * time.Second):
			t.Fatal("an opening does not end")
		}
	}
	var table strings.Builder
	for i, a := range kinds {
		fmt.Fprintf(&table, "\n%-20s", a)
		for j, b := range kinds {
			fmt.Fprintf(&table, "%-20s", map[bool]string{true: "direct", false: "-"}[connects[i][j]])
			if want := connectable(i, j); connects[i][j] != want {
				t.Errorf("%v to %v: direct %v, want %v", a, b, connects[i][j], want)
			}
		}
	}
	t.Logf("through the kernel's NATs:\n%-20s%-20v%-20v%-20v%-20v%s", "from \\ to", kinds[0], kinds[1], kinds[2], kinds[3], table.String())
}

// connectable reports whether peers behind NATs of two kinds of TestNATMatrix can
// reach each other. A symmetric NAT shows everybody another port: only far ends
// that filter by address at most can be reached through it.
func connectable(i, j int) bool { return !(i == 3 && j >= 2 || j == 3 && i >= 2) }

// Over real sockets a session finds out how large its datagrams may be, and
// none of them is cut on the way.
func TestPathMTU(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	lan := l.AddLAN("net", lab.LANConfig{MTU: 1400})
	got := make(chan int, 100)
	far := newPeer(t, lan.AddHost("far", lab.HostConfig{}), true, func(_ *peer, _ rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.MessageReceived {
			got <- len(e.Data)
		}
	})
	opened := make(chan *rtmfp.Session, 1)
	near := newPeer(t, lan.AddHost("near", lab.HostConfig{}), false, func(_ *peer, _ rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.SessionOpened {
			opened <- e.Session
		}
	})
	near.do(t, func(now rtmfp.Instant) {
		if _, err := near.Open(now, profile.ServerEPD("rtmfp://far/"), []netip.AddrPort{far.addr}); err != nil {
			t.Error(err)
		}
	})
	s := <-opened
	var f *rtmfp.SendFlow
	size := 0
	for i := 0; i < 60 && size <= 1300; i++ {
		near.do(t, func(now rtmfp.Instant) {
			if f == nil {
				f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")})
			}
			if err := f.Write(now, make([]byte, 200_000), nil); err != nil {
				t.Error(err)
			}
		})
		select {
		case n := <-got:
			if n != 200_000 {
				t.Errorf("a message of %d bytes", n)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing comes")
		}
		near.do(t, func(rtmfp.Instant) { size = s.DatagramSize() })
		time.Sleep(250 * time.Millisecond) // the question about the path is repeated once a second
	}
	if size <= 1300 || size > 1400-28 {
		t.Errorf("datagrams of %d bytes on a path that carries 1,400", size)
	}
}
