package rtmfp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// farEPD returns the discriminator that selects the far end with a
// certificate.
func (st *stage) farEPD(cert string) []byte {
	st.t.Helper()
	id, err := st.profile.Identify([]byte(cert))
	if err != nil {
		st.t.Fatal(err)
	}
	return id.EPD
}

// begin begins to open a session.
func (st *stage) begin(epd []byte, candidates ...netip.AddrPort) (s *rtmfp.Session) {
	st.t.Helper()
	st.do(func() {
		var err error
		if s, err = st.Open(st.now, epd, candidates); err != nil {
			st.t.Fatal(err)
		}
	})
	return s
}

func checkTags(t *testing.T) {
	st := newStage(t, nil)
	seen := map[string]bool{}
	for i := range 20 {
		st.begin(st.farEPD(fmt.Sprintf("P%d", i)), farAddr)
		tag := st.tag()
		if len(tag) != 16 || seen[string(tag)] {
			t.Fatalf("tag %x of %d bytes, want 16 that are new", tag, len(tag))
		}
		seen[string(tag)] = true
	}
	// The tag alone says which opening is answered, from wherever it comes.
	st.startup(otherAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte("P19")}))
	if got := st.iikeying(); st.sent[len(st.sent)-1].to != otherAddr || string(got.CookieEcho) != "c" {
		t.Errorf("keying goes to %v", st.sent[len(st.sent)-1].to)
	}
	st.clear()
	unknown := slices.Repeat([]byte{7}, 16)
	st.startup(otherAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: unknown, Cookie: []byte("c"), Certificate: []byte("P3")}))
	st.startup(otherAddr, 0, wire.AppendRedirect(nil, wire.Redirect{TagEcho: unknown}))
	if len(st.sent) != 0 {
		t.Errorf("an unknown tag is answered: %+v", st.sent)
	}
}

func checkHelloSchedule(t *testing.T) {
	st := newStage(t, nil)
	start := st.now
	s := st.begin(st.farEPD("Pa"), farAddr, otherAddr)
	st.run(14 * time.Second)
	var times []time.Duration
	for _, p := range st.sent {
		if p.to == farAddr && p.has(wire.TypeIHello) {
			times = append(times, p.at.Sub(start))
		}
	}
	want := []time.Duration{0, time.Second, 3500 * time.Millisecond, 7500 * time.Millisecond, 13 * time.Second}
	if !slices.Equal(times, want) || len(st.chunks(wire.TypeIHello)) != 2*len(want) {
		t.Errorf("hellos to one of two candidates after %v, want %v; %d in all", times, want, len(st.chunks(wire.TypeIHello)))
	}
	st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte("Pa")}))
	st.clear()
	st.run(30 * time.Second)
	if got := len(st.chunks(wire.TypeIHello)); got != 0 || s.State() != rtmfp.StateKeyingSent {
		t.Errorf("%d hellos in %v", got, s.State())
	}
}

func checkRedirects(t *testing.T) {
	st := newStage(t, nil)
	st.begin(st.farEPD("Pa"), farAddr)
	tag := st.tag()
	redirect := func(from netip.AddrPort, to ...netip.AddrPort) int {
		st.clear()
		c := wire.Redirect{TagEcho: tag}
		for _, a := range to {
			c.Destinations = append(c.Destinations, wire.Address{AddrPort: a, Origin: wire.OriginObserved})
		}
		st.startup(from, 0, wire.AppendRedirect(nil, c))
		return len(st.chunks(wire.TypeIHello))
	}
	if got := redirect(farAddr, otherAddr, farAddr, otherAddr); got != 1 || st.sent[0].to != otherAddr {
		t.Errorf("%d hellos for one new address among doubles, want 1", got)
	}
	if from := netip.MustParseAddrPort("203.0.113.5:5"); redirect(from) != 1 || st.sent[0].to != from {
		t.Error("an implied redirect does not lead to where it comes from")
	}
	if got := redirect(farAddr, netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("224.0.0.1:1"), netip.MustParseAddrPort("1.2.3.4:0")); got != 0 {
		t.Errorf("%d hellos to addresses that are none", got)
	}
	var many []netip.AddrPort
	for i := range 60 {
		many = append(many, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1))
	}
	if got := redirect(farAddr, many...); got != 24-3 {
		t.Errorf("%d hellos for 60 more addresses, want 21: 24 candidates in all", got)
	}
	st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: tag, Cookie: []byte("c"), Certificate: []byte("Pa")}))
	if got := redirect(farAddr, netip.MustParseAddrPort("1.2.3.4:5")); got != 0 {
		t.Error("a redirect is honoured while keying")
	}
}

func checkWrongCertificate(t *testing.T) {
	st := newStage(t, nil)
	s := st.begin(st.farEPD("Pa"), farAddr)
	for _, cert := range []string{"Pb", "", "Sm"} {
		st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte(cert)}))
	}
	if s.State() != rtmfp.StateIHelloSent || len(st.chunks(wire.TypeIIKeying)) != 0 {
		t.Fatalf("the session is %v after certificates of others", s.State())
	}
	st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte("Pa")}))
	if s.State() != rtmfp.StateKeyingSent {
		t.Errorf("the session is %v after the right one", s.State())
	}
}

func checkFirstRHello(t *testing.T) {
	st := newStage(t, nil)
	s := st.begin(anyServer, farAddr, otherAddr)
	tag := st.tag()
	rhello := func(from netip.AddrPort, cert string) {
		st.startup(from, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: tag, Cookie: []byte(cert), Certificate: []byte(cert)}))
	}
	rhello(otherAddr, "S2")
	rhello(farAddr, "S1")
	if string(s.Far().Certificate) != "S2" || s.FarAddr() != otherAddr || len(st.chunks(wire.TypeIIKeying)) != 1 {
		t.Errorf("keying with %q at %v, want the first one", s.Far().Certificate, s.FarAddr())
	}
}

func checkDuplicateOpening(t *testing.T) {
	st := newStage(t, nil)
	f := st.open(farAddr, "Sx")
	// Another name for the same far end.
	second := st.begin(anyServer, otherAddr)
	st.startup(otherAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte("Sx")}))
	var merged *rtmfp.MergedError
	if err := st.last(rtmfp.SessionFailed).Err; !errors.As(err, &merged) || merged.Session != f.session || second.State() != rtmfp.StateClosed {
		t.Errorf("the second opening is %v with %v", second.State(), err)
	}
	// Two openings: the one that is keying already goes on.
	a := st.begin(st.farEPD("Sy"), farAddr)
	tagA := st.tag()
	b := st.begin(anyServer, otherAddr)
	tagB := st.tag()
	for _, tag := range [][]byte{tagA, tagB} {
		st.startup(otherAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: tag, Cookie: []byte("c"), Certificate: []byte("Sy")}))
	}
	if a.State() != rtmfp.StateKeyingSent || b.State() != rtmfp.StateClosed || !errors.As(st.last(rtmfp.SessionFailed).Err, &merged) || merged.Session != a {
		t.Errorf("the openings are %v and %v", a.State(), b.State())
	}
	if again := st.begin(f.session.Far().EPD, farAddr); again != f.session {
		t.Error("opening what is open makes another session")
	}
}

func checkKeyingSchedule(t *testing.T) {
	st := newStage(t, nil)
	st.begin(st.farEPD("Pa"), farAddr)
	st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: st.tag(), Cookie: []byte("c"), Certificate: []byte("Pa")}))
	start := st.now
	st.run(14 * time.Second)
	all := st.chunks(wire.TypeIIKeying)
	for i, c := range all {
		if !bytes.Equal(c.Payload, all[0].Payload) {
			t.Errorf("repetition %d differs", i)
		}
	}
	var times []time.Duration
	for _, p := range st.sent {
		if p.has(wire.TypeIIKeying) {
			times = append(times, p.at.Sub(start))
		}
	}
	if want := []time.Duration{0, time.Second, 3500 * time.Millisecond, 7500 * time.Millisecond, 13 * time.Second}; !slices.Equal(times, want) {
		t.Errorf("keying goes out after %v, want %v", times, want)
	}
}

func checkCookieChange(t *testing.T) {
	st := newStage(t, nil)
	change := func(from, to string) int {
		before := len(st.chunks(wire.TypeIIKeying))
		st.startup(farAddr, st.iikeying().SessionID, wire.AppendCookieChange(nil, wire.CookieChange{Old: []byte(from), New: []byte(to)}))
		return len(st.chunks(wire.TypeIIKeying)) - before
	}
	st.begin(st.farEPD("Pa"), farAddr)
	f := st.newFar(farAddr, "Pa")
	f.answerHello([]byte("old"))
	first := st.iikeying()
	if change("other", "new") != 0 {
		t.Error("a change of another cookie is taken")
	}
	if change("old", "newer") != 1 {
		t.Fatal("the change is not taken")
	}
	if second := st.iikeying(); string(second.CookieEcho) != "newer" || second.SessionID != first.SessionID || !bytes.Equal(second.Component, first.Component) {
		t.Errorf("keying again with %+v", second)
	}
	if change("newer", "newest") != 0 {
		t.Error("a second change is taken")
	}
	st.run(1100 * time.Millisecond)
	if string(st.iikeying().CookieEcho) != "newer" {
		t.Error("the repetition has another cookie")
	}
	f.answerKeying(2)
	f.session = st.last(rtmfp.SessionOpened).Session
	st.clear()
	st.startup(farAddr, f.peer, wire.AppendCookieChange(nil, wire.CookieChange{Old: []byte("newer"), New: []byte("x")}))
	if len(st.sent) != 0 || f.session.State() != rtmfp.StateOpen {
		t.Error("a change is taken in an open session")
	}
}

func checkBadRIKeying(t *testing.T) {
	st := newStage(t, nil)
	s := st.begin(st.farEPD("Pa"), farAddr)
	f := st.newFar(farAddr, "Pa")
	f.answerHello([]byte("c"))
	id := st.iikeying().SessionID
	st.startup(farAddr, id, f.rikeying([]byte("too short")))
	st.startup(farAddr, id, f.rikeying(nil))
	st.startup(farAddr, id, wire.AppendChunk(nil, wire.TypeRIKeying, []byte{1, 2}))
	if s.State() != rtmfp.StateKeyingSent {
		t.Fatalf("the session is %v after unusable answers", s.State())
	}
	f.answerKeying(2)
	if s.State() != rtmfp.StateOpen {
		t.Errorf("the session is %v after a usable one", s.State())
	}
}

func checkOpenTimeout(t *testing.T) {
	st := newStage(t, nil)
	a, b := st.begin(st.farEPD("Pa"), farAddr), st.begin(anyServer, otherAddr)
	st.run(10 * time.Second)
	st.startup(farAddr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: func() []byte {
		c, _ := wire.ParseIHello(st.chunks(wire.TypeIHello)[0].Payload)
		return c.Tag
	}(), Cookie: []byte("c"), Certificate: []byte("Pa")}))
	st.run(84 * time.Second)
	if a.State() != rtmfp.StateKeyingSent || b.State() != rtmfp.StateIHelloSent || st.count(rtmfp.SessionFailed) != 0 {
		t.Fatalf("after 94 s the openings are %v and %v", a.State(), b.State())
	}
	st.run(2 * time.Second)
	failed := 0
	for _, e := range st.events {
		if e.Kind == rtmfp.SessionFailed && e.Err == rtmfp.ErrTimeout {
			failed++
		}
	}
	if failed != 2 || st.Sessions() != 0 {
		t.Errorf("after 96 s %d failures are told, %d sessions are left", failed, st.Sessions())
	}
}

// A flood of hellos leaves nothing behind, and those for others get no answer.
func checkNoStateByHello(t *testing.T) {
	st := newStage(t, nil)
	for i := range 1000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1)
		st.startup(from, 0, wire.AppendIHello(nil, wire.IHello{EPD: anyServer, Tag: []byte("tag")}))
	}
	if got := len(st.chunks(wire.TypeRHello)); got != 1000 || st.Sessions() != 0 {
		t.Errorf("%d answers and %d sessions", got, st.Sessions())
	}
	if next := st.PollTimeout(); next < st.now.Add(1000*time.Hour) {
		t.Error("a hello has set a timer")
	}
	st.clear()
	st.startup(farAddr, 0, wire.AppendIHello(nil, wire.IHello{EPD: st.farEPD("Pother"), Tag: []byte("tag")}))
	if len(st.sent) != 0 || st.count(rtmfp.HelloForOther) != 1 || string(st.last(rtmfp.HelloForOther).Hello.Tag) != "tag" {
		t.Errorf("a hello for another is answered with %d packets", len(st.sent))
	}
	// One answer for one packet.
	st.clear()
	hello := wire.AppendIHello(nil, wire.IHello{EPD: anyServer, Tag: []byte("tag")})
	st.startup(farAddr, 0, hello, hello, hello)
	if got := len(st.sent); got != 1 {
		t.Errorf("%d answers for a packet of three hellos", got)
	}
}

func checkCookies(t *testing.T) {
	st := newStage(t, nil)
	st.hold = true
	f := st.newFar(farAddr, "Pa")
	cookie := f.cookie()
	if len(cookie) != 64 {
		t.Errorf("a cookie of %d bytes, want the 64 that all peers take", len(cookie))
	}
	for i := range cookie {
		forged := bytes.Clone(cookie)
		forged[i] ^= 1
		st.startup(farAddr, 0, f.keying(forged, 1))
	}
	st.startup(farAddr, 0, f.keying(nil, 1))
	st.startup(farAddr, 0, f.keying(cookie[:63], 1))
	if len(st.works) != 0 || st.Stats().BadCookies == 0 {
		t.Fatalf("forged cookies make %d computations", len(st.works))
	}
	st.run(94 * time.Second)
	st.startup(farAddr, 0, f.keying(cookie, 1))
	if len(st.works) != 1 {
		t.Fatal("a cookie of 94 s is not taken")
	}
	st.works = nil
	st.run(300 * time.Second)
	st.startup(farAddr, 0, f.keying(cookie, 1))
	if len(st.works) != 0 {
		t.Error("an old cookie is taken")
	}
}

func checkCookieElsewhere(t *testing.T) {
	st := newStage(t, nil)
	f := st.newFar(farAddr, "Pa")
	cookie := f.cookie()
	st.clear()
	f.addr = otherAddr
	st.startup(otherAddr, 0, f.keying(cookie, 1))
	all := st.chunks(wire.TypeCookieChange)
	if len(all) != 1 || st.sent[0].id != f.id || st.sent[0].to != otherAddr || st.sent[0].header.Mode != wire.ModeStartup {
		t.Fatalf("answered with %+v", st.sent)
	}
	c, err := wire.ParseCookieChange(all[0].Payload)
	if err != nil || !bytes.Equal(c.Old, cookie) || st.Sessions() != 0 {
		t.Fatalf("the change is of %x, %v", c.Old, err)
	}
	st.startup(otherAddr, 0, f.keying(c.New, 1))
	if st.count(rtmfp.SessionOpened) != 1 {
		t.Error("the new cookie is not taken")
	}
}

func checkRepeatedKeying(t *testing.T) {
	st := newStage(t, nil)
	f := st.newFar(farAddr, "Pa")
	cookie := f.cookie()
	st.clear()
	st.startup(farAddr, 0, f.keying(cookie, 1))
	st.hold = true
	st.startup(farAddr, 0, f.keying(cookie, 1))
	all := st.chunks(wire.TypeRIKeying)
	if len(all) != 2 || !bytes.Equal(all[0].Payload, all[1].Payload) || len(st.works) != 0 || st.Sessions() != 1 || st.count(rtmfp.SessionOpened) != 1 {
		t.Errorf("%d answers, %d computations, %d sessions", len(all), len(st.works), st.Sessions())
	}
	// Also one that comes while the first is being worked at.
	g := st.newFar(otherAddr, "Pb")
	cookie = g.cookie()
	st.clear()
	st.startup(otherAddr, 0, g.keying(cookie, 1))
	st.startup(otherAddr, 0, g.keying(cookie, 1))
	st.release()
	if got := st.count(rtmfp.SessionOpened); got != 1 || st.Sessions() != 2 {
		t.Errorf("%d sessions of one keying that came twice", got)
	}
}

func checkOverride(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	stranger := st.newFar(farAddr, "Pb")
	cookie := stranger.cookie()
	st.clear()
	st.startup(farAddr, 0, stranger.keying(cookie, 1))
	if len(st.chunks(wire.TypeRIKeying)) != 0 || f.session.State() != rtmfp.StateOpen {
		t.Fatal("somebody else takes the address of an open session")
	}
	again := st.newFar(farAddr, "Pa")
	st.startup(farAddr, 0, again.keying(cookie, 9))
	closed := st.last(rtmfp.SessionClosed)
	if closed.Session != f.session || closed.Err != rtmfp.ErrReplaced || f.session.State() != rtmfp.StateClosed || st.Sessions() != 1 {
		t.Errorf("the old session is %v, closed with %v", f.session.State(), closed.Err)
	}
	if s := st.last(rtmfp.SessionOpened).Session; st.SessionByEPD(s.Far().EPD) != s || s.State() != rtmfp.StateOpen {
		t.Error("the new session is not the one")
	}
}

func checkOpenAtOnce(t *testing.T) {
	st := newStage(t, nil)
	f := st.newFar(farAddr, "Pa")
	st.startup(farAddr, 0, f.keying(f.cookie(), 1))
	f.opened()
	if f.session.State() != rtmfp.StateOpen || f.session.IsInitiator() {
		t.Fatalf("the session is %v", f.session.State())
	}
	last := st.sent[len(st.sent)-1]
	if last.id != f.id || last.header.Mode != wire.ModeStartup {
		t.Errorf("RIKeying goes to session %x in mode %d", last.id, last.header.Mode)
	}
	st.clear()
	st.write(f.openFlow(rtmfp.FlowConfig{}), 1, 10, nil)
	if len(st.sent) != 1 || st.sent[0].id != f.id || st.sent[0].header.Mode != wire.ModeResponder || len(st.userData()) != 1 {
		t.Errorf("data goes out as %+v", st.sent)
	}
}

// The end with the lower certificate stays the initiator.
func checkGlare(t *testing.T) {
	for _, c := range []struct {
		cert   string // ours is Sm
		keying bool   // we are keying when theirs comes
		yield  bool
	}{{"Sa", false, true}, {"Sa", true, true}, {"Sz", false, false}, {"Sz", true, false}, {"Smm", true, false}} {
		st := newStage(t, nil)
		f := st.newFar(farAddr, c.cert)
		cookie := f.cookie()
		mine := st.begin(st.farEPD(c.cert), farAddr)
		if c.keying {
			f.answerHello([]byte("c"))
		}
		st.startup(farAddr, 0, f.keying(cookie, 1))
		if got := len(st.chunks(wire.TypeRIKeying)) > 0; got != c.yield {
			t.Errorf("%s, keying %v: yields %v, want %v", c.cert, c.keying, got, c.yield)
			continue
		}
		var merged *rtmfp.MergedError
		switch {
		case c.yield && (mine.State() != rtmfp.StateClosed || !errors.As(st.last(rtmfp.SessionFailed).Err, &merged) || merged.Session.IsInitiator() || st.Sessions() != 1):
			t.Errorf("%s, keying %v: the opening is %v, %d sessions", c.cert, c.keying, mine.State(), st.Sessions())
		case !c.yield && mine.State() == rtmfp.StateClosed:
			t.Errorf("%s, keying %v: the opening that prevails is %v", c.cert, c.keying, mine.State())
		}
	}
	TestGlare(t)
}

func checkWaitingOpenings(t *testing.T) {
	st := newStage(t, nil)
	byName, byPrint := st.begin(anyServer, otherAddr), st.begin(st.farEPD("Sa"), otherAddr)
	unrelated := st.begin(st.farEPD("Sb"), otherAddr)
	f := st.accept(farAddr, "Sa")
	for _, s := range []*rtmfp.Session{byName, byPrint} {
		if s.State() != rtmfp.StateClosed {
			t.Errorf("an opening that wants the open session is %v", s.State())
		}
	}
	if unrelated.State() != rtmfp.StateIHelloSent || st.Sessions() != 2 || st.SessionByEPD(f.session.Far().EPD) != f.session {
		t.Errorf("an opening to somebody else is %v", unrelated.State())
	}
}

func checkForwarded(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	fihello := func(epd []byte) []byte {
		return wire.AppendFIHello(nil, wire.FIHello{EPD: epd, Reply: wire.Address{AddrPort: otherAddr, Origin: wire.OriginObserved}, Tag: []byte("their tag")})
	}
	f.send(fihello(anyServer))
	if len(st.chunks(wire.TypeRHello)) != 0 {
		t.Error("anybody can introduce others")
	}
	f.session.SetAcceptForwarded(true)
	f.send(fihello(st.farEPD("Pz")))
	if len(st.chunks(wire.TypeRHello)) != 0 {
		t.Error("a hello for somebody else is answered")
	}
	f.send(fihello(anyServer))
	if c := st.rhello(); string(c.TagEcho) != "their tag" || st.sent[len(st.sent)-1].to != otherAddr {
		t.Errorf("answered to %v", st.sent[len(st.sent)-1].to)
	}
	TestForwarding(t)
	// With several interfaces the answer leaves by each that can reach it.
	st.SetLocalAddrs([]netip.AddrPort{stageAddr, netip.MustParseAddrPort("10.0.0.1:1935"), netip.MustParseAddrPort("[2001:db8::1]:1935")})
	st.clear()
	f.send(fihello(anyServer))
	if len(st.sent) != 2 || st.sent[0].from == st.sent[1].from {
		t.Errorf("%d answers with two interfaces of the family", len(st.sent))
	}
}

func checkIntroducer(t *testing.T) {
	st := newStage(t, nil)
	f := st.accept(farAddr, "Pa")
	epd := f.session.Far().EPD
	st.startup(otherAddr, 0, wire.AppendIHello(nil, wire.IHello{EPD: epd, Tag: []byte("tag")}))
	h := st.last(rtmfp.HelloForOther).Hello
	st.clear()
	local := wire.Address{AddrPort: netip.MustParseAddrPort("10.0.0.7:7"), Origin: wire.OriginLocal}
	st.do(func() { st.Introduce(st.now, h, f.session, []wire.Address{local}) })
	if len(st.sent) != 2 || !st.sent[0].has(wire.TypeRedirect) || !st.sent[1].has(wire.TypeFIHello) {
		t.Fatalf("sent %+v, want a redirect and then a forwarded hello", st.sent)
	}
	r, err := wire.ParseRedirect(st.chunks(wire.TypeRedirect)[0].Payload)
	if err != nil || st.sent[0].to != otherAddr || string(r.TagEcho) != "tag" || len(r.Destinations) != 2 ||
		r.Destinations[0] != (wire.Address{AddrPort: farAddr, Origin: wire.OriginObserved}) || r.Destinations[1] != local {
		t.Errorf("redirect %+v to %v, %v", r, st.sent[0].to, err)
	}
	c, err := wire.ParseFIHello(st.chunks(wire.TypeFIHello)[0].Payload)
	if err != nil || st.sent[1].id != f.id || !bytes.Equal(c.EPD, epd) || string(c.Tag) != "tag" ||
		c.Reply != (wire.Address{AddrPort: otherAddr, Origin: wire.OriginObserved}) {
		t.Errorf("forwarded %+v, %v", c, err)
	}
}

// Large startup packets go out in pieces and are put together.
func TestStartupInPieces(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond, Loss: 0.1, Reorder: 0.3, ReorderDelay: 20 * time.Millisecond, MTU: 1300}
	name := string(bytes.Repeat([]byte("long "), 500))
	a := addNode(t, n, nil, "192.0.2.1:1000", vnet.NewPlainProfile(name+"a", false), rtmfp.DefaultParams(), link)
	b := addNode(t, n, nil, "192.0.2.2:1935", vnet.NewPlainProfile("b", true), rtmfp.DefaultParams(), link)
	connect(t, a, b, anyServer)
	if n.Stats().TooBig != 0 {
		t.Errorf("%d datagrams were too big for the path", n.Stats().TooBig)
	}
}
