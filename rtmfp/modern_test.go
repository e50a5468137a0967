package rtmfp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

func newModernNode(t testing.TB, n *vnet.Net, lan *vnet.LAN, addr string, options profile.NodeOptions, link vnet.LinkParams) *node {
	t.Helper()
	return addNode(t, n, lan, addr, newModernProfile(t, entropyOf(addr, 3), options), rtmfp.DefaultParams(), link)
}

func newModernProfile(t testing.TB, random io.Reader, options profile.NodeOptions) *profile.Node {
	t.Helper()
	s, err := profile.NewSecrets(random)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.NewNode(s, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Between our own nodes the modern profile is used, by ID and by URI; with
// others that of RFC 7425, at the same address.
func TestModernAmongOurselves(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	server := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{Server: true, HardwareAES: true}, link)
	peer := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{HardwareAES: true}, link)
	other := newNode(t, n, nil, "192.0.2.3:1000", false, link)
	start := n.Now()
	a := connect(t, peer, server, serverURI)
	if took := n.Now().Sub(start); took != 80*time.Millisecond {
		t.Errorf("opening took %v, want two round trips of 40 ms", took)
	}
	b := connect(t, other, server, serverURI)
	c := connect(t, other, peer, profile.PeerEPD(peer.Self().Fingerprint))
	n.Run(time.Second)
	for _, s := range []struct {
		*rtmfp.Session
		want string
		own  bool
	}{
		{a, "modern aes-128-gcm", true},
		{b, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq", false},
		{c, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq", false},
	} {
		if s.Describe() != s.want || s.IsOwn() != s.own {
			t.Errorf("%s, own %v; want %s", s.Describe(), s.IsOwn(), s.want)
		}
	}
	far := server.SessionByEPD(profile.PeerEPD(peer.Self().Fingerprint))
	if far == nil {
		t.Fatal("the server does not know the peer by its ID")
	}
	near1, far1 := a.Nonces()
	near2, far2 := far.Nonces()
	if !bytes.Equal(near1, far2) || !bytes.Equal(far1, near2) || len(near1) != 32 {
		t.Error("the nonces are not crosswise")
	}
	x, ok1 := a.Export("proof", 16)
	y, ok2 := far.Export("proof", 16)
	if !ok1 || !ok2 || !bytes.Equal(x, y) {
		t.Errorf("exported %x and %x", x, y)
	}
	if _, ok := b.Export("proof", 16); ok {
		t.Error("a session of the old profile exports secrets")
	}
}

// replayer is an endpoint's Core with a tap before it.
type replayer struct {
	vnet.Core
	seen func(d rtmfp.Datagram)
}

func (r *replayer) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	for _, d := range batch {
		r.seen(rtmfp.Datagram{Data: bytes.Clone(d.Data), From: d.From, To: d.To})
	}
	r.Core.HandleDatagrams(now, batch)
}

// listen calls seen for everything that arrives at a node.
func listen(n *node, seen func(d rtmfp.Datagram)) {
	react := n.driver.React
	n.driver = vnet.Drive(n.host, &replayer{n.Endpoint, seen})
	n.driver.React = react
}

// startupType returns the type of the first chunk of a startup packet.
func startupType(data []byte) byte {
	plain, ok := (&profile.Flash{}).Startup().Open(bytes.Clone(data[4:]))
	if !ok {
		return 0
	}
	_, size, err := wire.ParseHeader(plain)
	if err != nil {
		return 0
	}
	c, _, _ := wire.ParseChunk(plain[size:])
	return c.Type
}

// No answer of ours to our own kind is larger than its question.
func TestModernAnswersAreNotLarger(t *testing.T) {
	for _, server := range []bool{false, true} {
		n := vnet.New(1)
		link := vnet.LinkParams{Delay: time.Millisecond}
		r := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{Server: server}, link)
		i := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{}, link)
		sizes := map[byte]int{}
		note := func(d rtmfp.Datagram) { sizes[startupType(d.Data)] = len(d.Data) }
		listen(r, note)
		listen(i, note)
		connect(t, i, r, profile.PeerEPD(r.Self().Fingerprint))
		if sizes[wire.TypeIHello] < 320 || sizes[wire.TypeRHello] > sizes[wire.TypeIHello] || sizes[wire.TypeRIKeying] > sizes[wire.TypeIIKeying] {
			t.Errorf("sizes %v", sizes)
		}
		t.Logf("IHello %d, RHello %d, IIKeying %d, RIKeying %d bytes", sizes[wire.TypeIHello], sizes[wire.TypeRHello], sizes[wire.TypeIIKeying], sizes[wire.TypeRIKeying])
	}
}

// hello returns a short IHello as other makes send it.
func hello(epd []byte, tag uint64) []byte {
	key := (&profile.Flash{}).Startup()
	b := make([]byte, 4+key.Head(), 256)
	b = wire.AppendHeader(b, wire.Header{Mode: wire.ModeStartup, HasTimestamp: true})
	b = wire.AppendIHello(b, wire.IHello{EPD: epd, Tag: binary.BigEndian.AppendUint64(make([]byte, 8), tag)})
	sealed := key.Seal(b[4:])
	binary.BigEndian.PutUint32(b, uint32(wire.Scramble(0, sealed)))
	return b[:4+len(sealed)]
}

// What is sent in answer to short hellos is bounded, for each prefix and in
// all.
func TestShortHellosAreLimited(t *testing.T) {
	n := vnet.New(1)
	r := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{}, vnet.LinkParams{})
	epd := profile.PeerEPD(r.Self().Fingerprint)
	answers := func(now rtmfp.Instant, hellos int, from func(i int) netip.AddrPort) int {
		before := r.Stats().HellosAnswered
		buf := make([]byte, 1<<16)
		for i := range hellos {
			r.HandleDatagrams(now, []rtmfp.Datagram{{Data: hello(epd, uint64(i)), From: from(i)}})
			for {
				if _, _, ok := r.PollTransmit(now, buf); !ok {
					break
				}
			}
		}
		return int(r.Stats().HellosAnswered - before)
	}
	one := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 1000)
	}
	many := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(i>>14)&31 + 32, byte(i >> 7), byte(i), 1}), 1000)
	}
	now := rtmfp.Instant(time.Hour)
	if got := answers(now, 500, one); got != 50 {
		t.Errorf("%d answers to one prefix, want 50", got)
	}
	if got := answers(now.Add(100*time.Millisecond), 100, one); got != 5 {
		t.Errorf("%d answers to one prefix after 0.1 s, want 5", got)
	}
	if got := answers(now.Add(10*time.Second), 10_000, many); got != 2000 {
		t.Errorf("%d answers in all, want 2000", got)
	}
	if got := answers(now.Add(20*time.Second), 10, one); got != 10 {
		t.Errorf("%d of 10 honest hellos answered", got)
	}
}

// An IIKeying that is sent again makes nothing happen to the session that it
// opened, nor one that was kept and sent when that session has gone.
func TestModernReplayedKeying(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond}
	r := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{}, link)
	i := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{}, link)
	var keying rtmfp.Datagram
	listen(r, func(d rtmfp.Datagram) {
		if startupType(d.Data) == wire.TypeIIKeying {
			keying = d
		}
	})
	s := connect(t, i, r, profile.PeerEPD(r.Self().Fingerprint))
	n.Run(time.Second)
	replay := func() {
		r.do(func(now rtmfp.Instant) {
			r.HandleDatagrams(now, []rtmfp.Datagram{{Data: bytes.Clone(keying.Data), From: keying.From, To: keying.To}})
		})
	}
	replay()
	n.Run(time.Second)
	if r.Sessions() != 1 || r.count(rtmfp.SessionOpened) != 1 || s.State() != rtmfp.StateOpen {
		t.Fatalf("%d sessions after a repeated keying, %v", r.Sessions(), s.State())
	}
	// A new session of the initiator's, and then the old keying once more.
	i.do(func(now rtmfp.Instant) { s.Abort(now) })
	n.Run(time.Second)
	old := keying
	s = connect(t, i, r, profile.PeerEPD(r.Self().Fingerprint))
	n.Run(time.Second)
	keying = old
	replay()
	n.Run(time.Second)
	if r.Sessions() != 2 || r.count(rtmfp.SessionOpened) != 2 || r.count(rtmfp.SessionClosed) != 1 {
		t.Errorf("%d sessions, %d opened after an old keying", r.Sessions(), r.count(rtmfp.SessionOpened))
	}
	far := r.SessionByEPD(profile.PeerEPD(i.Self().Fingerprint))
	if far == nil || far.State() != rtmfp.StateOpen {
		t.Fatal("the session has gone")
	}
	n.Run(15 * time.Second)
	if r.Sessions() != 1 || s.State() != rtmfp.StateOpen || far.State() != rtmfp.StateOpen || r.count(rtmfp.SessionClosed) != 1 {
		t.Errorf("%d sessions left, %v", r.Sessions(), s.State())
	}
}

// One who cannot compute what the certificate stands for is not heard of, and
// costs the responder nothing lasting.
func TestModernStolenCertificate(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond}
	r := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{}, link)
	victim := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{}, link)
	mine := newModernProfile(t, entropy(7), profile.NodeOptions{})
	thief := addNode(t, n, nil, "192.0.2.3:1000", &posing{mine, victim.Self().Certificate}, rtmfp.DefaultParams(), link)
	thief.do(func(now rtmfp.Instant) {
		_, _ = thief.Open(now, profile.PeerEPD(r.Self().Fingerprint), []netip.AddrPort{r.addr})
	})
	n.Run(100 * time.Second)
	if thief.count(rtmfp.SessionOpened) != 0 || r.count(rtmfp.SessionOpened) != 0 || r.Sessions() != 0 {
		t.Errorf("%d sessions at the responder", r.Sessions())
	}
}

// posing shows somebody else's certificate.
type posing struct {
	*profile.Node
	certificate []byte
}

func (p *posing) CertificateFor(rtmfp.Identity) []byte { return p.certificate }

// Both open to each other at the same moment: one session comes of it, also
// when each finds the other at another address.
func TestModernGlare(t *testing.T) {
	for seed := range uint64(20) {
		n := vnet.New(seed)
		link := vnet.LinkParams{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1}
		a := newModernNode(t, n, nil, "192.0.2.1:1000", profile.NodeOptions{}, link)
		b := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{}, link)
		target := b.addr
		if seed%2 == 1 {
			target = netip.MustParseAddrPort("192.0.2.3:1000")
			if err := b.host.AddInterface(nil, target, link, link); err != nil {
				t.Fatal(err)
			}
		}
		a.do(func(now rtmfp.Instant) {
			_, _ = a.Open(now, profile.PeerEPD(b.Self().Fingerprint), []netip.AddrPort{target})
		})
		n.Run(time.Duration(seed/2) * 8 * time.Millisecond)
		b.do(func(now rtmfp.Instant) {
			_, _ = b.Open(now, profile.PeerEPD(a.Self().Fingerprint), []netip.AddrPort{a.addr})
		})
		n.Run(100 * time.Second)
		if a.Sessions() != 1 || b.Sessions() != 1 {
			t.Errorf("seed %d: %d and %d sessions, want one", seed, a.Sessions(), b.Sessions())
			continue
		}
		sa, sb := a.SessionByEPD(profile.PeerEPD(b.Self().Fingerprint)), b.SessionByEPD(profile.PeerEPD(a.Self().Fingerprint))
		if sa == nil || sb == nil || sa.IsInitiator() == sb.IsInitiator() {
			t.Fatalf("seed %d: sessions %v and %v do not belong together", seed, sa, sb)
		}
	}
}

// A node that has lost its sessions comes back at another address: the old
// session ends when the new one has proved itself.
func TestModernReturn(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond}
	r := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{}, link)
	same := func(addr string) *node {
		return addNode(t, n, nil, addr, newModernProfile(t, entropy(99), profile.NodeOptions{}), rtmfp.DefaultParams(), link)
	}
	before := same("192.0.2.2:1000")
	connect(t, before, r, profile.PeerEPD(r.Self().Fingerprint))
	n.Run(time.Second)
	after := same("192.0.2.4:2000")
	s := connect(t, after, r, profile.PeerEPD(r.Self().Fingerprint))
	n.Run(time.Second)
	if r.Sessions() != 1 || r.count(rtmfp.SessionClosed) != 1 || s.State() != rtmfp.StateOpen {
		t.Errorf("%d sessions, %d closed", r.Sessions(), r.count(rtmfp.SessionClosed))
	}
	if far := r.SessionByEPD(profile.PeerEPD(after.Self().Fingerprint)); far == nil || far.FarAddr() != after.addr {
		t.Error("the new session is not the one that counts")
	}
}

// Keys are replaced after an hour, at both ends, and messages that are under
// way at the time arrive.
func TestModernKeysAreReplaced(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 20 * time.Millisecond, Loss: 0.1, Reorder: 0.3, ReorderDelay: 30 * time.Millisecond, Duplicate: 0.1}
	a := newModernNode(t, n, nil, "192.0.2.1:1000", profile.NodeOptions{}, link)
	b := newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{HardwareAES: true}, link)
	s := connect(t, a, b, profile.PeerEPD(b.Self().Fingerprint))
	var flow *rtmfp.SendFlow
	a.do(func(now rtmfp.Instant) { flow, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("x")}) })
	const steps = 3700
	for range steps {
		a.do(func(now rtmfp.Instant) {
			if err := flow.Write(now, make([]byte, 5000), nil); err != nil {
				t.Fatal(err)
			}
		})
		n.Run(2 * time.Second)
	}
	n.Run(20 * time.Second)
	if got := b.count(rtmfp.MessageReceived); got != steps {
		t.Errorf("%d of %d messages came", got, steps)
	}
	if a.Stats().KeysReplaced != 2 || b.Stats().KeysReplaced != 2 {
		t.Errorf("keys replaced %d and %d times in two hours, want twice", a.Stats().KeysReplaced, b.Stats().KeysReplaced)
	}
	if a.Sessions() != 1 || s.State() != rtmfp.StateOpen {
		t.Errorf("the session is %v", s.State())
	}
}

// Nor is a redirect to many addresses.
func TestRedirectsAreNotLarger(t *testing.T) {
	for _, size := range []int{324, 84} {
		st := newStage(t, nil)
		var many []wire.Address
		for i := range 64 {
			many = append(many, wire.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1000)})
		}
		st.do(func() {
			st.Redirect(st.now, rtmfp.Hello{Tag: make([]byte, 16), Size: size, From: wire.Address{AddrPort: farAddr}}, many)
		})
		if len(st.raw) != 1 {
			t.Fatalf("%d redirects for a hello of %d bytes", len(st.raw), size)
		}
		if got := len(st.raw[0]); got > max(324, size) {
			t.Errorf("a redirect of %d bytes for a hello of %d", got, size)
		}
		if r, err := wire.ParseRedirect(st.chunks(wire.TypeRedirect)[0].Payload); err != nil || len(r.Destinations) < 30 {
			t.Errorf("%d destinations, %v", len(r.Destinations), err)
		}
	}
}

// One of another make that asks for both names of a node has two sessions, and
// each new one takes the place of that for the same name, whichever it opened
// last.
func TestSessionsForTwoNames(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	identity := newModernProfile(t, entropy(3), profile.NodeOptions{Server: true, HardwareAES: true})
	node := addNode(t, n, nil, "192.0.2.1:1935", identity, rtmfp.DefaultParams(), link)
	other := newNode(t, n, nil, "192.0.2.3:1000", false, link)
	names := [][]byte{serverURI, profile.PeerEPD(identity.Short().Fingerprint)}
	sessions := []*rtmfp.Session{connect(t, other, node, names[0]), connect(t, other, node, names[1])}
	for _, name := range []int{0, 1, 1, 0, 0} {
		node.host.SetPlugged(false) // it does not hear of the end
		other.do(sessions[name].Abort)
		n.Run(time.Second)
		node.host.SetPlugged(true)
		sessions[name] = connect(t, other, node, names[name])
		n.Run(time.Second)
		if got := node.Sessions(); got != 2 {
			t.Fatalf("the node has %d sessions, want 2", got)
		}
	}
}

// Who puts the key of somebody else into its certificate is not found in the
// place of that one.
func TestOtherNameIsNotTakenOver(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	secrets, err := profile.NewSecrets(entropy(5))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(profile.AppendSecrets(nil, secrets))
	block.Bytes[1] ^= 0xff // another X25519 key beside the same static one
	forged, err := profile.ParseSecrets(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	add := func(addr string, s *profile.Secrets) (*node, *profile.Node) {
		p, err := profile.NewNode(s, profile.NodeOptions{HardwareAES: true})
		if err != nil {
			t.Fatal(err)
		}
		return addNode(t, n, nil, addr, p, rtmfp.DefaultParams(), link), p
	}
	server := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{Server: true, HardwareAES: true}, link)
	victim, identity := add("192.0.2.2:1000", secrets)
	thief, _ := add("192.0.2.3:1000", forged)
	first := connect(t, victim, server, serverURI)
	stolen := connect(t, thief, server, serverURI)
	n.Run(time.Second)
	found := func() netip.AddrPort {
		s := server.SessionByEPD(profile.PeerEPD(identity.Short().Fingerprint))
		if s == nil {
			return netip.AddrPort{}
		}
		return s.FarAddr()
	}
	if got := found(); got != victim.addr {
		t.Errorf("%v is found by the name of %v", got, victim.addr)
	}
	thief.do(stolen.Abort)
	victim.do(first.Abort)
	n.Run(time.Second)
	connect(t, victim, server, serverURI)
	n.Run(time.Second)
	if got := found(); got != victim.addr {
		t.Errorf("%v is found by the name of %v, which has come again", got, victim.addr)
	}
}
