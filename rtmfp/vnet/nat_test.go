package vnet

import (
	"net/netip"
	"testing"
	"time"
)

// probe is a host behind a NAT and two hosts outside.
type probe struct {
	n                *Net
	lan              *LAN
	inside, a, other *box
}

func newProbe(t *testing.T, nat NATParams) *probe {
	n := New(3)
	p := &probe{n: n, lan: addNAT(t, n, nat, "198.51.100.1")}
	p.inside = addBox(t, n, p.lan, "10.0.0.1:5000", LinkParams{})
	p.a = addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	p.other = addBox(t, n, nil, "192.0.2.2:1000", LinkParams{})
	return p
}

// send sends from inside and returns the address that the far end saw.
func (p *probe) send(t *testing.T, to *box) netip.AddrPort {
	t.Helper()
	p.inside.host.Send(netip.AddrPort{}, to.host.Addrs()[0], []byte("out"))
	p.n.Run(time.Millisecond)
	if len(to.got) == 0 {
		t.Fatal("nothing came through the NAT from inside")
	}
	return to.got[len(to.got)-1].from
}

// reaches reports whether a datagram from outside gets in.
func (p *probe) reaches(from *box, to netip.AddrPort) bool {
	before := len(p.inside.got)
	from.host.Send(netip.AddrPort{}, to, []byte("in"))
	p.n.Run(time.Millisecond)
	return len(p.inside.got) > before
}

func TestNATMappingAndFiltering(t *testing.T) {
	for _, c := range []struct {
		nat                         NATParams
		name                        string
		samePort, otherIn, otherPot bool
	}{
		{FullCone(), "full cone", true, true, true},
		{AddressRestricted(), "address restricted", true, false, true},
		{PortRestricted(), "port restricted", true, false, false},
		{Symmetric(), "symmetric", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.nat.String() != c.name {
				t.Errorf("it calls itself %q", c.nat)
			}
			p := newProbe(t, c.nat)
			outside := p.send(t, p.a)
			if outside.Addr() != p.lan.Outside() {
				t.Errorf("seen as %v, want the NAT's address", outside)
			}
			if !p.reaches(p.a, outside) {
				t.Error("an answer does not get in")
			}
			if got := p.reaches(p.other, outside); got != c.otherIn {
				t.Errorf("a stranger gets in: %v, want %v", got, c.otherIn)
			}
			// Another port of the address that was sent to.
			if err := p.a.host.Rebind(ap("192.0.2.1:1000"), nil, ap("192.0.2.1:1001")); err != nil {
				t.Fatal(err)
			}
			if got := p.reaches(p.a, outside); got != c.otherPot {
				t.Errorf("another port gets in: %v, want %v", got, c.otherPot)
			}
			if got := p.send(t, p.other) == outside; got != c.samePort {
				t.Errorf("same outside port for another address: %v, want %v", got, c.samePort)
			}
		})
	}
}

func TestNATMappingTimesOut(t *testing.T) {
	nat := FullCone()
	nat.Timeout = 10 * time.Second
	p := newProbe(t, nat)
	outside := p.send(t, p.a)
	p.n.Run(9 * time.Second)
	if !p.reaches(p.a, outside) {
		t.Error("the mapping is gone too early")
	}
	p.n.Run(2 * time.Second)
	if p.reaches(p.a, outside) {
		t.Error("the mapping outlives its timeout, though nothing was sent from inside")
	}
	if p.send(t, p.a) == outside {
		t.Error("the expired mapping came back with the same port by chance or by fault")
	}
	nat.InboundRefresh = true
	p = newProbe(t, nat)
	outside = p.send(t, p.a)
	for range 5 {
		p.n.Run(9 * time.Second)
		if !p.reaches(p.a, outside) {
			t.Fatal("packets from outside do not keep the mapping")
		}
	}
	p.lan.ResetNAT()
	if p.reaches(p.a, outside) {
		t.Error("a restarted NAT remembers")
	}
}

func TestNATHairpin(t *testing.T) {
	for _, hairpin := range []bool{false, true} {
		nat := FullCone()
		nat.Hairpin = hairpin
		p := newProbe(t, nat)
		outside := p.send(t, p.a)
		second := addBox(t, p.n, p.lan, "10.0.0.2:5000", LinkParams{})
		if got := p.reaches(second, outside); got != hairpin {
			t.Errorf("hairpin %v: the neighbour gets in: %v", hairpin, got)
		}
		if hairpin && p.inside.got[0].from.Addr() != p.lan.Outside() {
			t.Error("a hairpinned packet does not come from the outside address")
		}
		if !p.reaches(second, ap("10.0.0.1:5000")) {
			t.Error("neighbours do not reach each other directly")
		}
	}
}

func TestNATBehindNAT(t *testing.T) {
	n := New(1)
	outer := addNAT(t, n, PortRestricted(), "198.51.100.1")
	nat := FullCone()
	inner, err := outer.AddLAN(LANParams{NAT: &nat, Outside: netip.MustParseAddr("100.64.0.2")})
	if err != nil {
		t.Fatal(err)
	}
	in := addBox(t, n, inner, "10.0.0.1:5000", LinkParams{})
	out := addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	out.echo = true
	in.host.Send(netip.AddrPort{}, ap("192.0.2.1:1000"), []byte("far"))
	n.Run(time.Second)
	if len(in.got) != 1 || out.got[0].from.Addr() != netip.MustParseAddr("198.51.100.1") {
		t.Errorf("inside got %v, outside got %v", in.got, out.got)
	}
}

func TestNATTableIsBounded(t *testing.T) {
	nat := Symmetric()
	p := newProbe(t, nat)
	for i := range maxMappings + 100 {
		to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i))
		p.inside.host.Send(netip.AddrPort{}, to, nil)
	}
	p.n.Run(time.Second)
	if s := p.n.Stats(); s.NATFull != 100 || len(p.lan.nat.byPort) != maxMappings {
		t.Errorf("%d refused with %d mappings, want 100 with %d", s.NATFull, len(p.lan.nat.byPort), maxMappings)
	}
	p.n.Run(time.Minute)
	p.send(t, p.a)
	if got := len(p.lan.nat.byPort); got != 1 {
		t.Errorf("%d mappings are kept after their time", got)
	}
}
