package profile

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// modernVectors are the values that all implementations of version 1 agree on.
// Private keys, cookie and session IDs are counted bytes.
type modernVectors struct {
	staticI, staticR, ephemeralI, ephemeralR *ecdh.PrivateKey
	certI, certR, isp, rsp                   []byte
}

func newModernVectors(t testing.TB) (v modernVectors) {
	t.Helper()
	key := func(from byte) *ecdh.PrivateKey {
		k, err := ecdh.X25519().NewPrivateKey(count(from, 32))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	v.staticI, v.staticR, v.ephemeralI, v.ephemeralR = key(0), key(0x20), key(0x40), key(0x60)
	v.certI = append(unhex(t, "81021d02"), count(0x80, 128)...)
	v.certI = append(append(v.certI, unhex(t, "2581a4430107")...), v.staticI.PublicKey().Bytes()...)
	v.certR = append(unhex(t, "010a02150202150e2581a4430107"), v.staticR.PublicKey().Bytes()...)
	v.certR = append(append(v.certR, unhex(t, "410e")...), count(0, 64)...)
	v.isp = append(unhex(t, "11223344 40"), count(0x40, 64)...)
	v.isp = append(append(v.isp, unhex(t, "812a")...), v.certI...)
	v.isp = append(append(v.isp, unhex(t, "25 2481a44301")...), v.ephemeralI.PublicKey().Bytes()...)
	v.rsp = append(unhex(t, "55667788 25 2481a44301"), v.ephemeralR.PublicKey().Bytes()...)
	return v
}

func (v *modernVectors) transcripts(t testing.TB) (first, last transcript) {
	t.Helper()
	dh := func(private, public *ecdh.PrivateKey) []byte {
		secret, err := x25519(private, public.PublicKey().Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	first = beginTranscript(v.certR, v.isp, dh(v.ephemeralI, v.staticR), dh(v.staticI, v.staticR))
	return first, first.finish(v.rsp, dh(v.ephemeralI, v.ephemeralR), dh(v.staticI, v.ephemeralR))
}

func TestModernSchedule(t *testing.T) {
	v := newModernVectors(t)
	first, last := v.transcripts(t)
	dh := func(private, public *ecdh.PrivateKey) []byte {
		secret, err := x25519(private, public.PublicKey().Bytes())
		if err != nil {
			t.Error(err)
		}
		return secret
	}
	sum := func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }
	keysI, keysR := last.keys(true, true, 0x11223344, 0x55667788), last.keys(false, true, 0x55667788, 0x11223344)
	proof := func(nonce []byte) []byte { return mac([]byte("G:027f0201010103010c050e74657374011b"), nonce) }
	trafficI, trafficR := expandLabel(last.secret, "i traffic", 32), expandLabel(last.secret, "r traffic", 32)
	updated := newGeneration(0, trafficI, true).next(true)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"S_I", v.staticI.PublicKey().Bytes(), "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"},
		{"S_R", v.staticR.PublicKey().Bytes(), "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"},
		{"E_I", v.ephemeralI.PublicKey().Bytes(), "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a"},
		{"E_R", v.ephemeralR.PublicKey().Bytes(), "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f"},
		{"es", dh(v.ephemeralI, v.staticR), "04c304fb1ca83cee75e206344231f33797e07d9929db670994b7c6fbeb1dc255"},
		{"es of the responder", dh(v.staticR, v.ephemeralI), "04c304fb1ca83cee75e206344231f33797e07d9929db670994b7c6fbeb1dc255"},
		{"ss", dh(v.staticI, v.staticR), "9663aa1da97e848a914a436d04163dfbb89178f107f1b5b77ed3854203382854"},
		{"ee", dh(v.ephemeralI, v.ephemeralR), "d6fb939511b2381bc8599b4b8edc5968829450dfd7a87aebe78a703cd04cd54e"},
		{"se", dh(v.staticI, v.ephemeralR), "2cca6df951833fd6298ab3777ea473000678977f16e74d866503bdde532f7a7e"},
		{"initiator's parameters", sum(v.isp), "ed474150949121cf83534895c7095a58b1949e292c3f49e0407524a64223c9fb"},
		{"peer ID", sum(v.certI), "d55585bd72611ecf63f9d0e1bb3d6415ada4ebc924448e56f72ea53275e85d8a"},
		{"server's fingerprint", sum(v.certR), "ca014acd68905bd9f11ebc9cbb061fe7aad1e9f3a50824ac2dfa9c9f93aeb5c1"},
		{"h1", first.hash, "25321c5687b2e4cd22d53325f41cc9a44fe505390f9156c8bf37cf183d95d66d"},
		{"k0", first.secret, "6c399c0ed6c1229986b7917713b16d5e9382193c6982e7fae1b38e2ff5946d08"},
		{"tagI", first.initiatorTag(), "0fb4c04cc1bd190012d7879bb47c9d41"},
		{"h2", last.hash, "b01874060a6a40e111b039f00e0208f357543e2dd07873f09d5c6ab65158f1fb"},
		{"k1", last.secret, "bcb525c5dcf16d39a19816554fc6374d6756be3aec98b3d5dea8d60163a22938"},
		{"tagR", last.responderTag(), "8bed9e922ca93a121a48571d3692b91f"},
		{"i traffic", trafficI, "f643ac4eea9db65c0e928d06470dec74a268c6b0fb40ef748d7fed24a4faa0fa"},
		{"r traffic", trafficR, "0db259cc9f1f274593b515d9fc0d9f2f086fb2c6e058a698158499c645a7c7ad"},
		{"near nonce of the initiator", keysI.NearNonce, "eb3128a42e266550cf2972d2cdc12ff00a8a54144d2d9932fe529b0db19bbff9"},
		{"far nonce of the initiator", keysI.FarNonce, "ded956206fef7e87ce5fa778aba482b85708d4fb2f16b5ae224c8634d240ae9b"},
		{"near nonce of the responder", keysR.NearNonce, "ded956206fef7e87ce5fa778aba482b85708d4fb2f16b5ae224c8634d240ae9b"},
		{"far nonce of the responder", keysR.FarNonce, "eb3128a42e266550cf2972d2cdc12ff00a8a54144d2d9932fe529b0db19bbff9"},
		{"export", expandLabel(last.secret, "export", 32), "714d99ce4490a7ecd5e4c8df29ffa0cadda89505c5484193d6cf747be32c5d3d"},
		{"proof by the initiator", proof(keysI.FarNonce), "61ef0f624ab50a6f317152072403f48c5cf28153d940b5d660f77d15db76fae4"},
		{"proof by the responder", proof(keysR.FarNonce), "576ccc2bda4c0f47c09cf536cc1e0b1f2bd9e535c8a280f751121511f3f82b8c"},
		{"iv of the initiator", expandLabel(trafficI, "iv", 12), "a07a8278b650720a5ba8baa9"},
		{"iv of the responder", expandLabel(trafficR, "iv", 12), "64dd96f5d62efb937fa26dab"},
		{"update", updated.secret[:], "513ef6b00a7b1573251e5c393c5da1d3219d37dcd32790501942e7dd8e55e59b"},
		{"AES key of the initiator", expandLabel(trafficI, "aes128gcm key", 16), "9bde79c537245b8b26fe6b1b1fcf35fb"},
		{"AES key of the responder", expandLabel(trafficR, "aes128gcm key", 16), "538c5ea40aed278c9ad214e9c4f06888"},
		{"ChaCha20 key of the initiator", expandLabel(trafficI, "chacha20 key", 32), "308e2a72f4c376c121e73945d44090f7c7aa5f418af70445cd9ff3e0eaa5221c"},
		{"ChaCha20 key of the responder", expandLabel(trafficR, "chacha20 key", 32), "c4321738857a62df799d73cb9d9f0ebf71952259afc05af54eabfe8e7a747bb4"},
		{"next AES key", expandLabel(updated.secret[:], "aes128gcm key", 16), "3bc07c437a8ee2f546fed19ee231c322"},
		{"next ChaCha20 key", expandLabel(updated.secret[:], "chacha20 key", 32), "5bea960b9b43c8aa843255161d900aa8667843c9398092897a7380ad434ae273"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s is %s, want %s", c.name, got, c.want)
		}
	}
	if a, b := keysI.Export("test", 40), keysR.Export("test", 40); !bytes.Equal(a, b) || len(a) != 40 || bytes.Equal(a[:32], keysI.Export("tesT", 32)) {
		t.Errorf("exported %x and %x", a, b)
	}
}

func modernPair(t testing.TB, aes bool) (i, r *modernSession) {
	v := newModernVectors(t)
	_, last := v.transcripts(t)
	return last.keys(true, aes, 0x11223344, 0x55667788).Key.(*modernSession), last.keys(false, aes, 0x55667788, 0x11223344).Key.(*modernSession)
}

// datagram puts the scrambled session ID before a packet.
func datagram(id uint32, packet []byte) string {
	var words [2]uint32
	for i, b := range packet[:8] {
		words[i/4] = words[i/4]<<8 | uint32(b)
	}
	return fmt.Sprintf("%08x%x", id^words[0]^words[1], packet)
}

func TestModernPackets(t *testing.T) {
	p1, p2 := unhex(t, "0912340100025069"), unhex(t, "0a12340100025069")
	for _, c := range []struct {
		aes                                 bool
		first, second, answer, updated, far string
	}{
		{
			true,
			"eb51c8a700000000be37bf2f88853554ec05d7085d762115f17d6ef1eb63d285",
			"3604472200000001636230ab95d0d62c92170df44aec939b457f5a7b58ab6c2b",
			"294fcfe800000000386dfcac0afe143940bf7922f3d64e238dcd095e6fc221da",
			"31b078bd80000002e4d60f379289a3dbf7eef0e23aaf596a1f6b8dd678ff0182",
			"7903132d80000005ac6564a04de09b95f6519b8a28a449a4cdba18ecbbd73208",
		},
		{
			false,
			"5c4736b2000000000921413a2c08ab8b1df3f65721c5a44412a79966bb597054",
			"317d1efa00000001641b697370985e04ca24407b2ef08684b4da742d3263be55",
			"35dec80f0000000024fcfb4bd4ee86bd39128a910cb1167a136042776ca5ef91",
			"e4821dc98000000231e46a43178963e75eca565e58dc3bb224ef8f347e9628ba",
			"0cf58fd080000005d993f85da151bc3bcefb955521f4f0351352f074442ba748",
		},
	} {
		i, r := modernPair(t, c.aes)
		check := func(from, to *modernSession, id uint32, plain []byte, want string) {
			t.Helper()
			got := seal(from, plain)
			if datagram(id, got) != want {
				t.Errorf("%s: sealed %s, want %s", from.Describe(), datagram(id, got), want)
			}
			again := bytes.Clone(got)
			if opened, ok := to.Open(got); !ok || !bytes.Equal(opened, plain) {
				t.Errorf("%s: opened %x, %v", from.Describe(), opened, ok)
			}
			if _, ok := to.Open(again); ok {
				t.Errorf("%s: a repeated packet opens", from.Describe())
			}
		}
		check(i, r, 0x55667788, p1, c.first)
		check(i, r, 0x55667788, p1, c.second)
		check(r, i, 0x11223344, p2, c.answer)
		i.Update()
		check(i, r, 0x55667788, p1, c.updated)
		// After two thousand million packets more.
		i.counter, r.window.next = 1<<31+5, 1<<31
		check(i, r, 0x55667788, p1, c.far)
	}
}

func TestModernCounters(t *testing.T) {
	for _, c := range []struct {
		expected uint64
		low      uint32
		want     uint64
	}{
		{0x7ffffff0, 5, 0x80000005},
		{0x80000005, 0x7ffffff0, 0x7ffffff0},
		{1, 3, 3},
		{3, 0x7fffffff, 0x7fffffff},
		{0, 0, 0},
		{5 << 31, 0, 5 << 31},
		{5<<31 - 1, 0, 5 << 31},
	} {
		if got := restoreCounter(c.expected, c.low); got != c.want {
			t.Errorf("expecting %x, %x means %x, want %x", c.expected, c.low, got, c.want)
		}
	}
}

// Whatever is changed in what the two sides have shown each other, the tags do
// not fit.
func TestModernTagsCoverEverything(t *testing.T) {
	v := newModernVectors(t)
	first, last := v.transcripts(t)
	for name, field := range map[string]*[]byte{"certR": &v.certR, "ISP": &v.isp, "RSP": &v.rsp} {
		for i := range *field {
			original := *field
			*field = bytes.Clone(original)
			(*field)[i] ^= 4
			a, b := v.transcripts(t)
			if name != "RSP" && sameTag(a.initiatorTag(), first.initiatorTag()) {
				t.Errorf("byte %d of %s does not change the initiator's tag", i, name)
			}
			if sameTag(b.responderTag(), last.responderTag()) {
				t.Errorf("byte %d of %s does not change the responder's tag", i, name)
			}
			*field = original
		}
	}
}

// Damaged, cut and misdirected packets are refused and leave no trace.
func TestModernForgeries(t *testing.T) {
	for _, aes := range []bool{true, false} {
		i, r := modernPair(t, aes)
		good := seal(i, []byte("packet"))
		for at := range good {
			for _, bit := range []byte{0x80, 0x01} {
				bad := bytes.Clone(good)
				bad[at] ^= bit
				if _, ok := r.Open(bad); ok {
					t.Fatalf("opens with byte %d changed", at)
				}
			}
		}
		for n := range len(good) {
			if _, ok := r.Open(bytes.Clone(good[:n])); ok {
				t.Fatalf("opens cut to %d bytes", n)
			}
		}
		other, _ := modernPair(t, aes)
		other.farID++
		if _, ok := r.Open(seal(other, []byte("packet"))); ok {
			t.Error("a packet to another session opens")
		}
		if plain, ok := r.Open(good); !ok || string(plain) != "packet" {
			t.Error("does not open after the forgeries")
		}
		if r.receive.number != 0 || r.window.next != 1 {
			t.Errorf("generation %d, next counter %d", r.receive.number, r.window.next)
		}
	}
}

// Packets of both generations open while they overtake each other; after the
// old keys are forgotten, theirs do not.
func TestModernKeyUpdate(t *testing.T) {
	i, r := modernPair(t, true)
	packets := make([][]byte, 9)
	for n := range packets {
		if n == 4 || n == 7 {
			i.Update()
		}
		packets[n] = seal(i, []byte{byte(n)})
	}
	open := func(n int, want bool) {
		t.Helper()
		plain, ok := r.Open(bytes.Clone(packets[n]))
		if ok != want || ok && plain[0] != byte(n) {
			t.Errorf("packet %d opens: %v, want %v", n, ok, want)
		}
	}
	open(0, true)
	open(5, true) // generation 1
	open(1, true)
	open(4, true)
	if r.Received() != 1 {
		t.Errorf("receives in generation %d", r.Received())
	}
	r.Forget()
	open(2, false)
	open(6, true)
	open(7, true) // generation 2
	open(8, true)
	open(3, false)
	if r.Received() != 2 || i.Sealed() != 2 {
		t.Errorf("receives in generation %d, %d sealed in the present one", r.Received(), i.Sealed())
	}
}

func TestModernOptions(t *testing.T) {
	v := newModernVectors(t)
	key := v.staticI.PublicKey().Bytes()
	short := append(unhex(t, "81021d02"), count(0x80, 128)...)
	with := func(options ...[]byte) []byte {
		return bytes.Join(append([][]byte{bytes.Clone(short)}, options...), nil)
	}
	one := appendModernKey(nil, modernKey{7, key})
	later := append(unhex(t, "2681a4430207"), append(key, 1)...)
	otherVersion := append(unhex(t, "2581a4430207"), key...)
	for _, c := range []struct {
		name string
		cert []byte
		want bool
	}{
		{"none", short, false},
		{"one", with(one), true},
		{"twice", with(one, one), false},
		{"other version", with(otherVersion), false},
		{"other length", with(later), false},
		{"beside a later version", with(later, one), true},
		{"after a marker", with([]byte{0}, one), false},
	} {
		parsed, err := parseCertificate(c.cert)
		if err != nil || (parsed.modern != nil) != c.want {
			t.Errorf("%s: announced %v, %v; want %v", c.name, parsed.modern != nil, err, c.want)
		}
	}
	component, tag := appendModernComponent(nil, key), appendModernTag(nil, count(0, 16))
	if len(one) != 38 || len(component) != 37 || len(tag) != 20 {
		t.Errorf("options of %d, %d and %d bytes", len(one), len(component), len(tag))
	}
	if parseModernComponent(append(component, component...)) != nil || parseModernTag(append(tag, tag...)) != nil || parseModernTag([]byte{'X'}) != nil {
		t.Error("two keys or tags, or none, count as one")
	}
	if !bytes.Equal(parseModernComponent(append(unhex(t, "020d02"), component...)), key) {
		t.Error("an unknown option hides the key")
	}
}

func node(t testing.TB, options NodeOptions) *Node {
	t.Helper()
	s, err := NewSecrets(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNode(s, options)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// key keys a session between two profiles as endpoints do. epd is what the
// initiator asks for.
func key(i, r rtmfp.Profile, epd []byte) (a, b rtmfp.Keys, err error) {
	certR, shown, ok := r.Answer(epd)
	if !ok {
		return a, b, fmt.Errorf("does not answer")
	}
	farR, err := i.Identify(certR)
	if err != nil {
		return a, b, err
	}
	if !i.Selects(epd, farR) {
		return a, b, fmt.Errorf("does not select")
	}
	work, err := i.Initiate(farR, rand.Reader)
	if err != nil {
		return a, b, err
	}
	keying, err := work()
	if err != nil {
		return a, b, err
	}
	parameters := append([]byte{1, 2, 3, 4}, keying.Component()...)
	signature := keying.AppendSignature(nil, parameters)
	farI, err := r.Identify(i.CertificateFor(farR))
	if err != nil {
		return a, b, err
	}
	response, err := r.Respond(rtmfp.Request{
		Far: farI, Shown: shown, SessionID: 0x05060708, Component: keying.Component(), Signed: parameters, Signature: signature,
	}, rand.Reader)()
	if err != nil {
		return a, b, err
	}
	portion := vlu.Append([]byte{5, 6, 7, 8}, uint64(len(response.Component)))
	portion = append(portion, response.Component...)
	keys, err := keying.Finish(response.Component, portion, response.Signature)()
	return keys, response.Keys, err
}

// Who is keyed with whom, and how.
func TestNodeKeying(t *testing.T) {
	peer := node(t, NodeOptions{HardwareAES: true})
	server := node(t, NodeOptions{Server: true, HardwareAES: true})
	plain := node(t, NodeOptions{})
	strict := node(t, NodeOptions{RequireModern: true})
	foreignPeer, foreignServer := flash(t, FlashConfig{}), flash(t, FlashConfig{Server: true})
	strictForeign := flash(t, FlashConfig{Server: true, RequireHMAC: true})
	refusing := node(t, NodeOptions{RefuseLegacy: true})
	uri := ServerEPD("rtmfp://example.com/live")
	for _, c := range []struct {
		name string
		i, r rtmfp.Profile
		epd  []byte
		want string // "" if there is to be no session
	}{
		{"peers", peer, node(t, NodeOptions{HardwareAES: true}), nil, "modern aes-128-gcm"},
		{"peers of which one has no hardware", peer, plain, nil, "modern chacha20-poly1305"},
		{"peer to server", peer, server, uri, "modern aes-128-gcm"},
		{"peer to server by fingerprint", peer, server, nil, "modern aes-128-gcm"},
		{"server to peer", server, peer, nil, "modern aes-128-gcm"},
		{"by the short identity", peer, plain, PeerEPD(plain.Short().Fingerprint), "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"foreign peer by our own identity", foreignPeer, peer, nil, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"foreign peer by the short one", foreignPeer, peer, PeerEPD(peer.Short().Fingerprint), "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"foreign peer to our server", foreignPeer, server, uri, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"to a foreign peer", peer, foreignPeer, nil, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"to a foreign server", server, foreignServer, uri, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"to a strict foreign server", peer, strictForeign, uri, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"modern only", strict, peer, nil, "modern chacha20-poly1305"},
		{"modern only by a foreign peer", foreignPeer, strict, nil, ""},
		{"modern only by a short identity", peer, strict, PeerEPD(strict.Short().Fingerprint), ""},
		{"modern only to a foreign peer", strict, foreignPeer, nil, ""},
		{"no weak ones, to a strict one", refusing, strictForeign, uri, "flash aes-128-cbc send hmac-16+sseq receive hmac-16+sseq"},
		{"no weak ones, among ourselves", refusing, peer, nil, "modern chacha20-poly1305"},
	} {
		epd := c.epd
		if epd == nil {
			epd = PeerEPD(c.r.Self().Fingerprint)
		}
		a, b, err := key(c.i, c.r, epd)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: keyed with %s", c.name, a.Key.Describe())
			}
			continue
		}
		if err != nil || a.Key.Describe() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, a.Key, err, c.want)
			continue
		}
		for _, k := range []struct{ from, to rtmfp.SessionKey }{{a.Key, b.Key}, {b.Key, a.Key}} {
			if text, ok := k.to.Open(seal(k.from, []byte{9, 8, 7})); !ok || !bytes.HasPrefix(text, []byte{9, 8, 7}) {
				t.Errorf("%s: cannot read", c.name)
			}
		}
		if !hmac.Equal(a.NearNonce, b.FarNonce) || !hmac.Equal(a.FarNonce, b.NearNonce) || hmac.Equal(a.NearNonce, a.FarNonce) {
			t.Errorf("%s: nonces are not crosswise", c.name)
		}
	}
}

// What is never keyed by the weaker profile.
func TestNoDowngrade(t *testing.T) {
	i, r := node(t, NodeOptions{}), node(t, NodeOptions{})
	certificate, shown, _ := r.Answer(PeerEPD(r.Self().Fingerprint))
	far, err := i.Identify(certificate)
	if err != nil {
		t.Fatal(err)
	}
	keying := initiate(t, i, far)
	parameters := append([]byte{1, 2, 3, 4}, keying.Component()...)
	signature := keying.AppendSignature(nil, parameters)
	weak := initiate(t, i.asPeer, r.Short())
	respond := func(change func(*rtmfp.Request)) error {
		q := rtmfp.Request{Far: i.Self(), Shown: shown, SessionID: 7, Component: keying.Component(), Signed: parameters, Signature: signature}
		change(&q)
		_, err := r.Respond(q, rand.Reader)()
		return err
	}
	for name, change := range map[string]func(*rtmfp.Request){
		"weak component":            func(q *rtmfp.Request) { q.Component, q.Signature = weak.Component(), []byte{'X'} },
		"weak component with a tag": func(q *rtmfp.Request) { q.Component = weak.Component() },
		"no tag":                    func(q *rtmfp.Request) { q.Signature = []byte{'X'} },
		"cut tag":                   func(q *rtmfp.Request) { q.Signature = signature[:19] },
		"other tag":                 func(q *rtmfp.Request) { q.Signature = appendModernTag(nil, make([]byte, 16)) },
		"other parameters":          func(q *rtmfp.Request) { q.Signed = append([]byte{1, 2, 3, 5}, keying.Component()...) },
		"another's certificate":     func(q *rtmfp.Request) { q.Far = node(t, NodeOptions{}).Self() },
		"the short one was shown":   func(q *rtmfp.Request) { q.Shown = shownShort },
		"a key that has no secret":  func(q *rtmfp.Request) { q.Component = appendModernComponent(nil, make([]byte, 32)) },
		"a static key of no secrets": func(q *rtmfp.Request) {
			q.Far, _ = r.Identify(appendModernKey(bytes.Clone(i.Short().Certificate), modernKey{7, make([]byte, 32)}))
		},
	} {
		if err := respond(change); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := respond(func(*rtmfp.Request) {}); err != nil {
		t.Errorf("the unchanged request: %v", err)
	}
	answer, err := r.asPeer.Respond(rtmfp.Request{Far: i.Short(), Component: weak.Component()}, rand.Reader)()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keying.Finish(answer.Component, append([]byte{0, 0, 0, 7}, answer.Component...), answer.Signature)(); err == nil {
		t.Error("a weak answer finishes a modern keying")
	}
}

// An IIKeying to others is what it is without the modern profile, and what they
// are shown has the shape that they know.
func TestOthersSeeNothing(t *testing.T) {
	n := node(t, NodeOptions{Server: true, HardwareAES: true})
	peer := node(t, NodeOptions{HardwareAES: true})
	foreign := flash(t, FlashConfig{})
	if c := n.CertificateFor(foreign.Self()); len(c) != 132 || !bytes.HasPrefix(c, unhex(t, "81021d02")) {
		t.Errorf("a foreign responder is shown %x", c)
	}
	keying := initiate(t, peer, foreign.Self())
	if c := keying.Component(); len(c) != 76 || !bytes.HasPrefix(c, unhex(t, "021d02410e")) || !bytes.HasSuffix(c, unhex(t, "031a0210021e02")) {
		t.Errorf("component %x", c)
	}
	if s := keying.AppendSignature(nil, []byte{1, 2, 3, 4}); string(s) != "X" {
		t.Errorf("signature %x", s)
	}
	if c := peer.Self().Certificate; len(c) != 170 || !bytes.HasPrefix(c, peer.Short().Certificate) {
		t.Errorf("own certificate of a peer %x", c)
	}
	if c := n.Self().Certificate; len(c) != 115 || !bytes.HasPrefix(c, unhex(t, "010a 021502 021505 02150e 2581a4430107")) {
		t.Errorf("own certificate of a server %x", c)
	}
}

// A node has the same identity whenever it is made of the same secrets.
func TestSecrets(t *testing.T) {
	s, err := NewSecrets(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := AppendSecrets(nil, s)
	again, err := ParseSecrets(text)
	if err != nil || *again != *s {
		t.Fatalf("read back %v, %v", again, err)
	}
	for _, options := range []NodeOptions{{}, {Server: true}} {
		a, err := NewNode(s, options)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewNode(again, options)
		if err != nil {
			t.Fatal(err)
		}
		if a.Self().Fingerprint != b.Self().Fingerprint || a.Short().Fingerprint != b.Short().Fingerprint {
			t.Error("another identity from the same secrets")
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), text[:len(text)-30], bytes.Replace(text, []byte("RINGCAST IDENTITY"), []byte("PRIVATE KEY"), 2)} {
		if _, err := ParseSecrets(bad); err == nil {
			t.Errorf("reads %q", bad)
		}
	}
}

func FuzzModern(f *testing.F) {
	v := newModernVectors(f)
	f.Add(v.certI)
	f.Add(v.isp)
	f.Add(appendModernTag(nil, count(0, 16)))
	i, _ := modernPair(f, true)
	f.Add(seal(i, []byte("packet")))
	s, err := NewSecrets(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(AppendSecrets(nil, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := parseModernComponent(b); p != nil && len(p) != 32 {
			t.Fatalf("a key of %d bytes", len(p))
		}
		if p := parseModernTag(b); p != nil && len(p) != modernTag {
			t.Fatalf("a tag of %d bytes", len(p))
		}
		if s, err := ParseSecrets(b); err == nil {
			if again, err := ParseSecrets(AppendSecrets(nil, s)); err != nil || *again != *s {
				t.Fatal("secrets do not survive")
			}
		}
		_, r := modernPair(t, true)
		_, _ = r.Open(b)
	})
}
