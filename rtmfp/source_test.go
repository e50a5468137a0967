package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
)

func TestSourceOf(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"192.0.2.7", "192.0.2.7/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
		{"127.0.0.1", "invalid Prefix"},
		{"::1", "invalid Prefix"},
	} {
		if got := rtmfp.SourceOf(netip.MustParseAddr(c.addr)).String(); got != c.want {
			t.Errorf("SourceOf(%s) = %s, want %s", c.addr, got, c.want)
		}
	}
}

// One source opens only so many sessions, by whatever ports or identities;
// others get in, and so does the source itself when it has closed some.
func TestSessionsPerAddress(t *testing.T) {
	st := newStage(t, func(p *rtmfp.Params) { p.SessionsPerAddress = 3 })
	opens := func(addr string, i int) bool {
		t.Helper()
		st.clear()
		at := netip.MustParseAddrPort(addr)
		f := st.newFar(at, fmt.Sprintf("P%d", i))
		st.startup(at, 0, f.keying(f.cookie(), 1))
		// The budget of new keyings is another limit.
		st.run(time.Second)
		if err := st.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		return st.count(rtmfp.SessionOpened) == 1
	}
	for i := range 3 {
		if !opens(fmt.Sprintf("[2001:db8::%d]:%d", i+1, 1000+i), i) {
			t.Fatalf("session %d of 3 was refused", i+1)
		}
	}
	first := st.last(rtmfp.SessionOpened).Session
	if opens("[2001:db8::9]:1009", 9) {
		t.Error("a fourth session of one /64 was opened")
	}
	if st.Stats().Refused != 1 {
		t.Errorf("%d were counted as refused, want 1", st.Stats().Refused)
	}
	if !opens("[2001:db8:0:1::1]:1000", 10) {
		t.Fatal("another source was refused")
	}
	other := st.last(rtmfp.SessionOpened).Session
	for i := range 5 {
		if !opens(fmt.Sprintf("127.0.0.1:%d", 1000+i), 20+i) {
			t.Error("this machine was held to the limit")
		}
	}
	st.do(func() { first.Abort(st.now); other.Abort(st.now) })
	if !opens("[2001:db8::9]:1009", 9) {
		t.Error("a session was refused though one has ended")
	}
}
