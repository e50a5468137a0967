package profile

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	mrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func count(a byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = a + byte(i)
	}
	return b
}

func exponent(text string) *big.Int {
	h := sha256.Sum256([]byte(text))
	return new(big.Int).SetBytes(h[:])
}

func keyOf(text string) *privateKey {
	g, _ := groupByID(2)
	return privateKeyOf(g, g.prime(), exponent(text))
}

func vectorKeys() (i, r *privateKey) {
	return keyOf("rtmfp-vectors initiator dh exponent"), keyOf("rtmfp-vectors responder dh exponent")
}

func TestPrimes(t *testing.T) {
	for id, want := range map[uint64]string{2: prime2, 5: prime5, 14: prime14} {
		g, _ := groupByID(id)
		p := g.prime()
		if p.Text(16) != want {
			t.Errorf("group %d has the prime %x", id, p)
		}
		if !p.ProbablyPrime(5) || !new(big.Int).Rsh(p, 1).ProbablyPrime(5) {
			t.Errorf("group %d is not of a safe prime", id)
		}
	}
}

func TestDiffieHellman(t *testing.T) {
	i, r := vectorKeys()
	if hex.EncodeToString(i.public) != publicI || hex.EncodeToString(r.public) != publicR {
		t.Errorf("public values %x and %x", i.public, r.public)
	}
	a, err := i.secret(r.public)
	b, err2 := r.secret(i.public)
	if err != nil || err2 != nil || hex.EncodeToString(a) != shared || !bytes.Equal(a, b) {
		t.Errorf("secrets %x and %x, %v, %v", a, b, err, err2)
	}
	short, err := keyOf("lead0-439").secret(r.public)
	if err != nil || hex.EncodeToString(short) != sharedShort || len(short) != 127 {
		t.Errorf("a secret with a leading zero is %d bytes, %v", len(short), err)
	}
	if got := hex.EncodeToString(mac(short, []byte("abc"))); got != "db1b7231f981a35f028c0d3d76497aa7ac72e3edca4dd03b907467c781cd79cc" {
		t.Errorf("its hmac is %s", got)
	}
}

func TestAcceptableKeys(t *testing.T) {
	g, _ := groupByID(2)
	p := g.prime()
	pow := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	top := new(big.Int).Sub(p, pow(24))
	for _, c := range []struct {
		name string
		y    *big.Int
		want bool
	}{
		{"2^24", pow(24), false},
		{"2^24-1", new(big.Int).Sub(pow(24), big.NewInt(1)), false},
		{"ffff0000ffff", big.NewInt(0xffff0000ffff), true},
		{"2^40-1", new(big.Int).Sub(pow(40), big.NewInt(1)), false},
		{"2^1000", pow(1000), false},
		{"p-2^24", top, true},
		{"p-2^24+1", new(big.Int).Add(top, big.NewInt(1)), false},
		{"P_i", new(big.Int).SetBytes(unhex(t, publicI)), true},
		{"P_r", new(big.Int).SetBytes(unhex(t, publicR)), true},
	} {
		if got := acceptable(c.y, p); got != c.want {
			t.Errorf("%s acceptable: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestChecksums(t *testing.T) {
	for in, want := range map[string]uint16{
		"": 0xffff, "00": 0xffff, "ff": 0xff00, "0001": 0xfffe, "ffff": 0x0000,
		"0001f203f4f5f6f7": 0x220d, "0001f203f4f5f6": 0x180f, "09123430000a": 0xc2b3,
	} {
		if got := checksum(unhex(t, in)); got != want {
			t.Errorf("checksum of %q is %04x, want %04x", in, got, want)
		}
	}
	// The quick sum equals the plain one for every length.
	rng := mrand.New(mrand.NewPCG(1, 2))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32() | 0xf0)
		}
		var sum uint32
		for i := 0; i < n; i += 2 {
			word := uint32(b[i])
			if i+1 < n {
				word = word<<8 | uint32(b[i+1])
			}
			sum += word
			sum = sum&0xffff + sum>>16
		}
		if got, want := checksum(b), ^uint16(sum); got != want {
			t.Fatalf("%d bytes: %04x, want %04x", n, got, want)
		}
	}
}

const serverCert = "010a021502410e"

func certificates(t *testing.T) map[string][]byte {
	i, r := vectorKeys()
	ephemeral := append(unhex(t, "021502410e"), count(0, 64)...)
	return map[string][]byte{
		"CI": append(unhex(t, "81021d02"), i.public...),
		"CR": append(unhex(t, "81021d02"), r.public...),
		"SV": append(unhex(t, serverCert), count(0, 64)...),
		"EI": ephemeral,
		"ER": append(unhex(t, "08006578616d706c65021502410e"), count(0x80, 64)...),
	}
}

func TestFingerprints(t *testing.T) {
	certs := certificates(t)
	certs["plain"], certs["marked"] = unhex(t, "010a021502"), unhex(t, "010a02150200050e01020304")
	for name, want := range map[string]string{
		"CI":     "e8a964bb4dbcff8114a6a1d2abadc5fbaef9ae1af43d0e6d04abf6db0fd7366e",
		"CR":     "9415ff61554349c87fe7716c796aafcd3a8f3d390ce3f8b70df07e91f8df3819",
		"SV":     "2cb4ac94ae16e6f1f350013a954d545e8e961d8a62699a12a4759953a2eca74b",
		"EI":     "0e35c35a29ab14cc266c8b53fc85b999806d361194cafa5e207d8bf45853211d",
		"ER":     "e30cea969c859c09d80bb04ff728b59de535bd943d10ec1974bec80342887466",
		"plain":  "c61114f9d690bba3c6f3fc4e1eb54d8e600203f46996fd57ca27d0c916fb731f",
		"marked": "c61114f9d690bba3c6f3fc4e1eb54d8e600203f46996fd57ca27d0c916fb731f",
	} {
		c, err := parseCertificate(certs[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := hex.EncodeToString(bytes.Clone(c.identity(certs[name]).EPD)); got != "210f"+want {
			t.Errorf("%s has the discriminator %s, want 210f%s", name, got, want)
		}
	}
	for _, bad := range []string{"", "010a", "0215020702ff", "02150203 1d0205", "0300"} {
		if _, err := parseCertificate(unhex(t, bad)); err == nil {
			t.Errorf("certificate %s is accepted", bad)
		}
	}
}

func TestSelection(t *testing.T) {
	certs := certificates(t)
	f := &Flash{}
	sv, _ := f.Identify(certs["SV"])
	er, _ := f.Identify(certs["ER"])
	uri := ServerEPD("rtmfp://example.com/live")
	hostname := func(s string) []byte { return vlu.AppendOption(nil, epdHostname, []byte(s)) }
	for _, c := range []struct {
		name   string
		epd    []byte
		sv, er bool
	}{
		{"fingerprint", PeerEPD(sv.Fingerprint), true, false},
		{"fingerprint and hostname", append(PeerEPD(sv.Fingerprint), hostname("nope")...), true, false},
		{"uri", uri, true, false},
		{"hostname", hostname("example"), false, true},
		{"hostname and uri", append(hostname("example"), uri...), false, false},
		{"empty", nil, false, false},
		{"unknown", vlu.AppendOption(nil, 0x55, []byte("x")), false, false},
		{"short fingerprint", vlu.AppendOption(nil, epdFingerprint, []byte("x")), false, false},
	} {
		if a, b := f.Selects(c.epd, sv), f.Selects(c.epd, er); a != c.sv || b != c.er {
			t.Errorf("%s selects %v, %v; want %v, %v", c.name, a, b, c.sv, c.er)
		}
	}
}

// Published components and the keys that come of them.
func components(t testing.TB) map[string][]byte {
	tail := unhex(t, "031a0210021e02")
	static := append(append(unhex(t, "021d02410e"), count(0, 64)...), tail...)
	_, r := vectorKeys()
	i, _ := vectorKeys()
	return map[string][]byte{
		"A.I": static,
		"A.R": append(unhex(t, "021e07031a071081020d02"), r.public...),
		"B.R": append(unhex(t, "021e02031a0210410e"), count(0x80, 64)...),
		"C.I": append(append(unhex(t, "81020d02"), i.public...), tail...),
		"C.R": append(unhex(t, "021e02031a021081020d02"), r.public...),
		"E.R": append(unhex(t, "021e07031a0210410e"), count(0x80, 64)...),
	}
}

func derivePair(t testing.TB, i, r string) (a, b rtmfp.Keys) {
	t.Helper()
	all := components(t)
	ci, err := parseComponent(all[i])
	if err != nil {
		t.Fatal(err)
	}
	cr, err := parseComponent(all[r])
	if err != nil {
		t.Fatal(err)
	}
	f := &Flash{}
	if a, err = f.derive(unhex(t, shared), &ci, &cr); err != nil {
		t.Fatal(err)
	}
	if b, err = f.derive(unhex(t, shared), &cr, &ci); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestNonces(t *testing.T) {
	a, b := derivePair(t, "A.I", "A.R")
	if got := hex.EncodeToString(a.NearNonce); got != "62a3f0d8b73c650946479956038db2330c3392eb6b2c6d722e10e4cf952af218" {
		t.Errorf("near nonce %s", got)
	}
	if got := hex.EncodeToString(a.FarNonce); got != "dfaa8f974cd67609c5660c6168b9a1b250c9965fb659bdd9c0bce4266fd2b382" {
		t.Errorf("far nonce %s", got)
	}
	if !bytes.Equal(a.NearNonce, b.FarNonce) || !bytes.Equal(a.FarNonce, b.NearNonce) {
		t.Error("the nonces are not crosswise")
	}
	for _, c := range []struct{ i, r, encrypt string }{
		{"A.I", "A.R", "45007cb75eb55ce25d88c549100ae5b9796dce8ed0a1fff7d71c330cf5badc7f"},
		{"A.I", "B.R", "eb7c437165619d428f563e4478543e845146a74f213a0c5aac5178618061d5c4"},
		{"C.I", "C.R", "32f27699b425e18ed99837e817ae879b48799b2da647e939b9e41d2aeac9e216"},
		{"C.I", "B.R", "c47b00b8bb301865d5ec1b8cd406494c4340e9c99f0fe1e800190acb130079d6"},
		{"A.I", "E.R", "b1400c2c9828b2da97a021d5838ef7cb8795eb193ebd7ddf38e5a39439e5979a"},
	} {
		all := components(t)
		if got := hex.EncodeToString(mac(unhex(t, shared), mac(all[c.r], all[c.i]))); got != c.encrypt {
			t.Errorf("%s with %s: key %s, want %s", c.i, c.r, got, c.encrypt)
		}
	}
}

// seal builds a packet as the endpoint does.
func seal(k rtmfp.SessionKey, plain []byte) []byte {
	b := make([]byte, k.Head(), 2000)
	return k.Seal(append(b, plain...))
}

func TestSessionPackets(t *testing.T) {
	plain := []string{
		"0912340100025069",
		"0d12355678100007000205030001021100040003040511000400060708",
		"0112340100025069",
	}
	for _, c := range []struct {
		name, i, r string
		toR, toI   []string
	}{
		{"HMAC and SSEQ", "A.I", "A.R", []string{
			"74a6b19cb0b9301864b16029b27caff77127a03ae4e741edf49e2ab76fc53a4b",
			"6cd275039432a912c1573a7b5b826ac4cb86268980e06a60039ac099ae61358bee57d95a99abc1ce8e2da40d6a1c5b57",
			"80e11e9b2c8502ecdb59e477f77ff2ae57ca1acc5bef62dc4c26910bc4e249d7",
		}, []string{
			"cf8d955ebfd51f7a8ac7118f86bd31bb491124b76ad0d614dd007905f12b37b5",
			"f3491fcf9da75f88c1a4aa5cb69412c83e0b3b4e721f18e7149cd5a7acc226eac8bd50b729d50b4c97cb42516fcde1ad",
			"1281bc09440ccf94b6df32705b82994d75e6230bb54977e5d4df619fcab99a79",
		}},
		{"checksum", "A.I", "B.R", []string{
			"d86e04da3b06b3d6504e35aa4912f42c",
			"155930a39ea2a5e0ba17cb5bc4ad89e9f3b0aec303d3cd54d270e3b74becd831",
			"1c984408a47acb361ded908490c41ec0",
		}, []string{
			"be9ed07275198ed1d2f1b8f2430b6664",
			"a96ac8d3aaae361e2bafbd31b516f5fad379a34fdb210d9ca3d45aed73736a7e",
			"e3003354bb600cfc9961ca843b8f52d6",
		}},
		{"SSEQ and checksum", "A.I", "E.R", []string{
			"43a0fd3f3dd129ac72c1c2387905fcc7",
			"2f205060ba6d58f4650e3f8849377ae50fcf12f5027bd101fc3e85f4a3c151d5",
			"013f70799f210c1f29f9d1a779af9817",
		}, []string{
			"759ba9c945a5e5c4c9b47598b990fdff",
			"a61accc60ddb2e3eaba5ce318286c6df61926ceeb43d048808d4d0e247fb3e08",
			"d2ede62f37c157a0e9b263db0f8c8341",
		}},
	} {
		a, b := derivePair(t, c.i, c.r)
		for i, p := range plain {
			text := unhex(t, p)
			got := seal(a.Key, text)
			if hex.EncodeToString(got) != c.toR[i] {
				t.Errorf("%s: packet %d to the responder is %x, want %s", c.name, i, got, c.toR[i])
			}
			again := bytes.Clone(got)
			opened, ok := b.Key.Open(got)
			if !ok || !bytes.HasPrefix(opened, text) {
				t.Errorf("%s: packet %d opens as %x, %v", c.name, i, opened, ok)
			}
			if _, ok := b.Key.Open(again); ok != (c.name == "checksum") {
				t.Errorf("%s: a repeated packet opens: %v", c.name, ok)
			}
			text[0] ^= 3
			if got := hex.EncodeToString(seal(b.Key, text)); got != c.toI[i] {
				t.Errorf("%s: packet %d to the initiator is %s, want %s", c.name, i, got, c.toI[i])
			}
		}
	}
}

func TestDefaultKeyPacket(t *testing.T) {
	plain := unhex(t, "0b123430002b1a190a72746d66703a2f2f6578616d706c652e636f6d2f6c697665101112131415161718191a1b1c1d1e1f")
	want := "b4488ec57fa60c255e673e10e11fa4e1f2568241a05fbb51f09e0ae4115c4efa234ccc67cfa82a4dc70a82ba0388dd187492580c9fd627fdb0db2f80487d17bd"
	if got := hex.EncodeToString(seal(newDefaultKey(), plain)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, c := range []struct {
		sequence uint64
		want     string
	}{{5, "86ddc417d16507b1e766e1992062be80"}, {300, "0a48b429ceca60c23be56d0e1878debe"}} {
		k := newDefaultKey()
		k.send.sseq, k.send.next = true, c.sequence
		if got := hex.EncodeToString(seal(k, unhex(t, "0912340100025069"))); got != c.want {
			t.Errorf("with sequence number %d: %s, want %s", c.sequence, got, c.want)
		}
	}
}

// Damaged and forged packets are refused and leave no trace.
func TestForgedPackets(t *testing.T) {
	a, b := derivePair(t, "A.I", "A.R")
	good := seal(a.Key, []byte("\x09\x12\x34\x01\x00\x02Pi"))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, ok := b.Key.Open(bad); ok {
			t.Fatalf("opens with byte %d changed", i)
		}
	}
	for n := range len(good) {
		if _, ok := b.Key.Open(bytes.Clone(good[:n])); ok {
			t.Fatalf("opens cut to %d bytes", n)
		}
	}
	if _, ok := b.Key.Open(good); !ok {
		t.Error("does not open after the forgeries")
	}
}

func TestReplayWindow(t *testing.T) {
	var w replayWindow
	take := func(n uint64) bool {
		ok := w.fresh(n)
		if ok {
			w.record(n)
		}
		return ok
	}
	for _, n := range []uint64{0, 1, 3, 2} {
		if !take(n) {
			t.Errorf("%d is refused", n)
		}
	}
	for _, n := range []uint64{0, 1, 2, 3} {
		if take(n) {
			t.Errorf("%d is taken twice", n)
		}
	}
	if !take(5000) || take(5000-replaySize) || !take(5001-replaySize) || take(5001-replaySize) {
		t.Error("the window's edge is wrong")
	}
	// Against a map.
	rng := mrand.New(mrand.NewPCG(3, 4))
	seen := map[uint64]bool{5000: true, 5001 - replaySize: true}
	top := uint64(5000)
	for range 20000 {
		n := top - min(top, uint64(rng.IntN(1500))) + uint64(rng.IntN(60))
		want := !seen[n] && (n > top || top-n < replaySize)
		if n <= 3 {
			want = false
		}
		if got := take(n); got != want {
			t.Fatalf("%d below %d is taken: %v, want %v", n, top, got, want)
		}
		seen[n] = true
		top = max(top, n)
	}
}

func flash(t testing.TB, config FlashConfig) *Flash {
	t.Helper()
	config.Entropy = rand.Reader
	f, err := NewFlash(config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// initiate does the initiator's first part.
func initiate(t testing.TB, p rtmfp.Profile, far rtmfp.Identity) rtmfp.InitiatorKeying {
	t.Helper()
	work, err := p.Initiate(far, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keying, err := work()
	if err != nil {
		t.Fatal(err)
	}
	return keying
}

// All kinds of endpoints key sessions with each other, with the protection
// that both can give and at least one wants.
func TestKeying(t *testing.T) {
	for _, c := range []struct {
		name string
		i, r FlashConfig
		want string
		fail bool
	}{
		{"client to server", FlashConfig{}, FlashConfig{Server: true}, "hmac-16+sseq", false},
		{"peer to peer", FlashConfig{}, FlashConfig{}, "hmac-16+sseq", false},
		{"server to peer", FlashConfig{Server: true}, FlashConfig{}, "hmac-16+sseq", false},
		{"server to server", FlashConfig{Server: true}, FlashConfig{Server: true}, "hmac-16+sseq", false},
		{"client that offers nothing", FlashConfig{ChecksumOnly: true}, FlashConfig{Server: true}, "checksum", false},
		{"client whose offer is not meant", FlashConfig{HMACSize: 10}, FlashConfig{Server: true}, "checksum", false},
		{"server that grants nothing", FlashConfig{}, FlashConfig{Server: true, ChecksumOnly: true}, "checksum", false},
		{"strict server and an empty offer", FlashConfig{HMACSize: 10}, FlashConfig{Server: true, RequireHMAC: true}, "", true},
		{"strict server and no offer", FlashConfig{ChecksumOnly: true}, FlashConfig{Server: true, RequireHMAC: true}, "", true},
		{"strict client and a server that has nothing", FlashConfig{RequireHMAC: true}, FlashConfig{Server: true, ChecksumOnly: true}, "", true},
		{"strict client", FlashConfig{RequireHMAC: true, HMACSize: 10}, FlashConfig{Server: true}, "hmac-10+sseq", false},
		{"strict server", FlashConfig{}, FlashConfig{Server: true, RequireHMAC: true}, "hmac-16+sseq", false},
	} {
		i, r := flash(t, c.i), flash(t, c.r)
		keying := initiate(t, i, r.Self())
		response, err := r.Respond(rtmfp.Request{Far: i.Self(), Component: keying.Component(), Signature: []byte{'X'}}, rand.Reader)()
		if err != nil {
			if !c.fail {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		keys, err := keying.Finish(response.Component, nil, []byte{'X'})()
		if c.fail {
			if err == nil {
				t.Errorf("%s: keyed with %s", c.name, keys.Key.Describe())
			}
			continue
		}
		if err != nil || !strings.Contains(keys.Key.Describe(), "send "+c.want) {
			t.Errorf("%s: %v, %v", c.name, keys.Key, err)
			continue
		}
		if plain, ok := response.Keys.Key.Open(seal(keys.Key, []byte{1, 2, 3})); !ok || !bytes.HasPrefix(plain, []byte{1, 2, 3}) {
			t.Errorf("%s: the responder cannot read", c.name)
		}
		if plain, ok := keys.Key.Open(seal(response.Keys.Key, []byte{4, 5})); !ok || !bytes.HasPrefix(plain, []byte{4, 5}) {
			t.Errorf("%s: the initiator cannot read", c.name)
		}
		if !hmac.Equal(keys.NearNonce, response.Keys.FarNonce) {
			t.Errorf("%s: different nonces", c.name)
		}
	}
}

// What part of the deployed peers compares byte by byte.
func TestShapesForOldPeers(t *testing.T) {
	client, server := flash(t, FlashConfig{}), flash(t, FlashConfig{Server: true})
	if c := client.Self().Certificate; len(c) != 132 || !bytes.HasPrefix(c, []byte{0x81, 2, 0x1d, 2}) {
		t.Errorf("client certificate of %d bytes begins %x", len(c), c[:4])
	}
	skic := initiate(t, client, server.Self()).Component()
	if len(skic) != 76 || !bytes.HasPrefix(skic, []byte{2, 0x1d, 2, 0x41, 0x0e}) || !bytes.HasSuffix(skic, unhex(t, "031a0210021e02")) {
		t.Errorf("client component %x", skic)
	}
	// What they send themselves.
	skic = append(unhex(t, "021d02410e"), count(0, 64)...)
	skic = append(skic, unhex(t, "031a020a021e02")...)
	response, err := server.Respond(rtmfp.Request{Far: client.Self(), Component: skic}, rand.Reader)()
	if err != nil || len(response.Component) != 139 || !bytes.HasPrefix(response.Component, unhex(t, "031a0000021e0081020d02")) {
		t.Errorf("server component %x, %v", response.Component, err)
	}
	peer := flash(t, FlashConfig{})
	response, err = peer.Respond(rtmfp.Request{Far: client.Self(), Component: skic}, rand.Reader)()
	if err != nil || len(response.Component) != 73 || !bytes.HasPrefix(response.Component, unhex(t, "031a0000021e00410e")) {
		t.Errorf("peer component %x, %v", response.Component, err)
	}
}

func TestBadKeyingIsRefused(t *testing.T) {
	server, client := flash(t, FlashConfig{Server: true}), flash(t, FlashConfig{})
	for name, component := range map[string]string{
		"empty":            "",
		"unknown group":    "021d63",
		"cut":              "41",
		"length too small": "021d02031a0703",
		"two groups":       "021d02021d02",
	} {
		if _, err := server.Respond(rtmfp.Request{Far: client.Self(), Component: unhex(t, component)}, rand.Reader)(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	weak := append(unhex(t, "81021d02"), make([]byte, 128)...)
	id, err := server.Identify(weak)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Respond(rtmfp.Request{Far: id, Component: unhex(t, "021d02")}, rand.Reader)(); err == nil {
		t.Error("a public key of zero is accepted")
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte{0x02, 0x15, 0x02, 0x01, 0x0a, 0x00, 0x03, 0x1a, 0x07, 0x10})
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseCertificate(b); err == nil {
			id := c.identity(b)
			if e, err := ParseEPD(id.EPD); err != nil || !e.selects(&c, id.Fingerprint) {
				t.Fatal("a canonical discriminator does not select its certificate")
			}
		}
		_, _ = ParseEPD(b)
		_, _ = parseComponent(b)
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(seal(newDefaultKey(), []byte("packet")))
	f.Fuzz(func(_ *testing.T, b []byte) {
		k := newDefaultKey()
		k.receive.sseq = len(b)%2 == 0
		_, _ = k.Open(b)
	})
}
