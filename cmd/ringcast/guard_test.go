package main

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/config"
)

func TestGuard(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGuard(nil, "rtmp", config.Limits{Connections: 5, ConnectionsPerAddress: 2}, slog.New(slog.DiscardHandler))
	g.now = func() time.Time { return now }
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	enter := func(who netip.Prefix, want bool, wantWhy refusal) {
		t.Helper()
		why, ok := g.enter(who)
		if ok != want || !ok && why != wantWhy {
			t.Errorf("enter(%v) = %v, %v; want %v, %v", who, why, ok, wantWhy, want)
		}
	}
	enter(a, true, 0)
	enter(a, true, 0)
	enter(a, false, refusedAddress)
	g.leave(a)
	enter(a, false, refusedRate) // two at once are all that it may make anew
	now = now.Add(time.Minute / 8)
	enter(a, true, 0)
	enter(b, true, 0)
	for range 2 { // this machine's own are bounded only in all
		enter(netip.Prefix{}, true, 0)
	}
	enter(netip.Prefix{}, false, refusedTotal)
	open, refused := g.stats()
	if open != 5 || refused != [refusals]uint64{1, 1, 1} {
		t.Errorf("stats: %d open, refused %v; want 5 and one of each", open, refused)
	}
	for range 2 {
		g.leave(a)
		g.leave(netip.Prefix{})
	}
	g.leave(b)
	if open, _ := g.stats(); open != 0 {
		t.Errorf("%d connections are left", open)
	}
}

// What is remembered of clients is bounded, however many come.
func TestGuardForgets(t *testing.T) {
	g := newGuard(nil, "rtmp", config.Limits{Connections: 10, ConnectionsPerAddress: 2}, slog.New(slog.DiscardHandler))
	for i := range 3 * maxIdleClients {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		if _, ok := g.enter(p); !ok {
			t.Fatalf("client %d is refused", i)
		}
		g.leave(p)
	}
	if len(g.clients) > maxIdleClients+1 {
		t.Errorf("%d clients are remembered, at most %d", len(g.clients), maxIdleClients)
	}
}

func TestClientOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1/32", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "[::ffff:192.0.2.1]:80": "192.0.2.1/32",
		"127.0.0.1:80": "invalid Prefix", "[::1]:80": "invalid Prefix",
	} {
		a := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))
		if got := clientOf(a).String(); got != want {
			t.Errorf("clientOf(%s) = %s, want %s", addr, got, want)
		}
	}
}

// A guarded connection still writes several buffers with one call, which the
// cost of RTSP rests on, and gives its place back once.
func TestGuestKeepsTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(l, "rtsp", config.Limits{Connections: 1, ConnectionsPerAddress: 1}, slog.New(slog.DiscardHandler))
	defer g.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(io.ReaderFrom); !ok {
		t.Error("the connection has lost what TCP can do")
	}
	if n, err := (&net.Buffers{[]byte("ab"), []byte("cd")}).WriteTo(c); n != 4 || err != nil {
		t.Errorf("WriteTo = %d, %v", n, err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "abcd" {
		t.Errorf("read %q, %v", got, err)
	}
	_ = c.Close()
	_ = c.Close()
	if open, _ := g.stats(); open != 0 {
		t.Errorf("%d open after Close", open)
	}
}
