package overlay

import (
	"math/rand/v2"
	"testing"
)

func randomAddress(r *rand.Rand) (a Address) {
	for i := range a {
		a[i] = byte(r.Uint32())
	}
	return a
}

func TestAddressArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	one := Address{31: 1}
	if got := (Address{}).Sub(one).Add(one); got != (Address{}) {
		t.Errorf("0-1+1 = %v", got)
	}
	for range 1000 {
		a, b := randomAddress(r), randomAddress(r)
		if got := a.Sub(b).Add(b); got != a {
			t.Fatalf("(%v - %v) + %v = %v", a, b, b, got)
		}
		if a.Distance(b) != b.Distance(a) {
			t.Fatalf("the distance of %v and %v depends on the direction", a, b)
		}
		if a.Between(a, b) || !b.Between(a, b) || !a.Between(b, b) {
			t.Fatalf("Between at the ends of %v, %v", a, b)
		}
		c := randomAddress(r)
		if c.Between(a, b) == c.Between(b, a) && c != a && c != b {
			t.Fatalf("%v is on both or no arcs between %v and %v", c, a, b)
		}
	}
	if got := Fraction(1); got[0] != 0x80 {
		t.Errorf("half the ring is %v", got)
	}
	if got := Fraction(256); got != one {
		t.Errorf("2^-256 of the ring is %v", got)
	}
	if got := Fraction(9); got[1] != 0x80 || got.Add(got) != Fraction(8) {
		t.Errorf("2^-9 of the ring is %v", got)
	}
}

func TestParsePeerID(t *testing.T) {
	want := PeerID{0: 0xab, 31: 1}
	if got, err := ParsePeerID(want.String()); err != nil || got != want {
		t.Errorf("ParsePeerID(%v) = %v, %v", want, got, err)
	}
	for _, bad := range []string{"", "ab", want.String()[:62], want.String() + "00", "zz" + want.String()[2:]} {
		if _, err := ParsePeerID(bad); err == nil {
			t.Errorf("ParsePeerID(%q) succeeds", bad)
		}
		if _, err := ParseAddress(bad); err == nil {
			t.Errorf("ParseAddress(%q) succeeds", bad)
		}
	}
}
