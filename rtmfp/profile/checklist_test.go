package profile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// TestChecklist goes through the points of the list in the comment of package
// rtmfp that are about cryptography.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"18 bad RIKeyings", checkBadAnswers},
		{"26 order of certificates", checkCertificateOrder},
		{"30 packets under the default key", checkHandshakePackets},
		{"31 fingerprints", TestFingerprints},
		{"32 unusable certificates", checkCertificateForms},
		{"33 endpoint discriminators", TestSelection},
		{"34 public keys", checkPublicKeys},
		{"35 key derivation", checkDerivation},
		{"36 negotiation", checkNegotiation},
		{"37 HMAC length", checkHMACLength},
		{"38 order of verification", checkVerificationOrder},
		{"39 replay window", checkReplayWindow},
		{"40 odd checksums", checkOddChecksum},
		{"41 signatures", checkSignatures},
		{"83 static keys of clients", TestShapesForOldPeers},
		{"84 shapes for old peers", TestShapesForOldPeers},
	} {
		t.Run(point.name, point.test)
	}
}

// sealWith makes a datagram of a plain packet.
func sealWith(k rtmfp.SessionKey, id wire.SessionID, plain []byte) []byte {
	sealed := seal(k, plain)
	return append(binary.BigEndian.AppendUint32(nil, uint32(wire.Scramble(id, sealed))), sealed...)
}

// The published handshake: the packets are built of their parts, sealed, and
// opened again.
func checkHandshakePackets(t *testing.T) {
	TestDefaultKeyPacket(t)
	certs, parts := certificates(t), components(t)
	tag, cookie := count(0x10, 16), count(0x40, 64)
	header := func(timestamp uint16) []byte {
		return wire.AppendHeader(nil, wire.Header{Mode: wire.ModeStartup, HasTimestamp: true, Timestamp: timestamp})
	}
	sign := func(b, _ []byte) []byte { return append(b, 'X') }
	for _, c := range []struct {
		name            string
		got             []byte
		id              wire.SessionID
		plain, datagram string
		sum             string
	}{
		{"IHello", wire.AppendIHello(header(0x1234), wire.IHello{EPD: ServerEPD("rtmfp://example.com/live"), Tag: tag}), 0, ihelloPlain, ihelloDatagram, ""},
		{
			"RHello", wire.AppendRHello(header(0x2345), wire.RHello{TagEcho: tag, Cookie: cookie, Certificate: certs["SV"]}), 0, rhelloPlain, rhelloDatagram,
			"5dad8dfb42228ea68bc8c6902ebf4c39c133ec80fafd2ab9cb18656180f9ad3c",
		},
		{
			"IIKeying", wire.AppendIIKeying(header(0x1236), wire.IIKeying{SessionID: 0x11223344, CookieEcho: cookie, Certificate: certs["CI"], Component: parts["A.I"]}, sign), 0,
			iikeyingPlain, iikeyingDatagram, "bdc9dac086be620ece2ef2c1ed902647d51b66041b7e04eac84be95bf8d4b17d",
		},
		{
			"RIKeying", wire.AppendRIKeying(header(0x2347), wire.RIKeying{SessionID: 0x55667788, Component: parts["A.R"]}, sign), 0x11223344,
			rikeyingPlain, rikeyingDatagram, "8123ef283b4e553edddbef9d49cbd9c38f7b992575648f86d2c201786c7d502f",
		},
	} {
		if got := hex.EncodeToString(c.got); got != c.plain {
			t.Errorf("%s: the plain packet is %s, want %s", c.name, got, c.plain)
		}
		d := sealWith(newDefaultKey(), c.id, c.got)
		if got := hex.EncodeToString(d); got != c.datagram {
			t.Errorf("%s: the datagram is %s, want %s", c.name, got, c.datagram)
		}
		if sum := sha256.Sum256(d); c.sum != "" && hex.EncodeToString(sum[:]) != c.sum {
			t.Errorf("%s: the datagram's SHA-256 is %x", c.name, sum)
		}
		if id := wire.Scramble(wire.SessionID(binary.BigEndian.Uint32(d)), d[4:]); id != c.id {
			t.Errorf("%s: for session %x, want %x", c.name, id, c.id)
		}
		if plain, ok := newDefaultKey().Open(d[4:]); !ok || !bytes.HasPrefix(plain, c.got) {
			t.Errorf("%s: does not open", c.name)
		}
	}
	// A packet of the session that comes of it, with its ID.
	a, _ := derivePair(t, "A.I", "A.R")
	if got := hex.EncodeToString(sealWith(a.Key, 0x55667788, unhex(t, "0912340100025069"))); got != "9179f60c74a6b19cb0b9301864b16029b27caff77127a03ae4e741edf49e2ab76fc53a4b" {
		t.Errorf("a session's datagram is %s", got)
	}
}

func checkBadAnswers(t *testing.T) {
	client, server := flash(t, FlashConfig{RequireHMAC: true}), flash(t, FlashConfig{Server: true})
	keying := initiate(t, client, server.Self())
	good, err := server.Respond(rtmfp.Request{Far: client.Self(), Component: keying.Component()}, rand.Reader)()
	if err != nil {
		t.Fatal(err)
	}
	other, _ := groupByID(14)
	key, err := newPrivateKey(other, server.primes[14], rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	head := unhex(t, "031a0710021e07")
	for name, component := range map[string][]byte{
		"another group":               append(append(bytes.Clone(head), unhex(t, "82020d0e")...), key.public...),
		"no key":                      head,
		"a key of ones":               append(append(bytes.Clone(head), unhex(t, "81020d02")...), bytes.Repeat([]byte{0xff}, 128)...),
		"no HMAC though it is wanted": bytes.Replace(good.Component, unhex(t, "031a0710"), unhex(t, "031a0000"), 1),
		"no SSEQ though it is wanted": bytes.Replace(good.Component, unhex(t, "021e07"), unhex(t, "021e00"), 1),
		"an HMAC of 3 bytes":          bytes.Replace(good.Component, unhex(t, "031a0710"), unhex(t, "031a0703"), 1),
		"two keys":                    append(bytes.Clone(good.Component), good.Component...),
		"cut":                         good.Component[:len(good.Component)-1],
	} {
		if _, err := keying.Finish(component, nil, []byte{'X'})(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := keying.Finish(good.Component, nil, []byte{'X'})(); err != nil {
		t.Errorf("the right one after all of these: %v", err)
	}
}

// The published order: who prevails when both initiate.
func checkCertificateOrder(t *testing.T) {
	certs := certificates(t)
	longer := append(bytes.Clone(certs["EI"]), 0)
	for _, c := range []struct {
		name         string
		first, other []byte
	}{{"SV before CI", certs["SV"], certs["CI"]}, {"CI before CR", certs["CI"], certs["CR"]}, {"EI before one byte more", certs["EI"], longer}} {
		if bytes.Compare(c.first, c.other) >= 0 {
			t.Errorf("%s: not so", c.name)
		}
	}
}

func checkCertificateForms(t *testing.T) {
	i, _ := vectorKeys()
	static := append(unhex(t, "81021d02"), i.public...)
	for _, c := range []struct {
		name string
		cert []byte
		ok   bool
	}{
		{"static", static, true},
		{"ephemeral", unhex(t, "021502"), true},
		{"both", append(bytes.Clone(static), unhex(t, "021502")...), false},
		{"neither", unhex(t, "010a"), false},
		{"empty", nil, false},
		{"unknown options", unhex(t, "0377ffff 021502 03c00061"), true},
		{"both, but one behind a marker", append(unhex(t, "021502 00"), static...), true},
		{"neither before the marker", append(unhex(t, "010a 00"), static...), false},
		{"two host names", unhex(t, "0200 61 0200 62 021502"), false},
		{"cut", static[:len(static)-1], false},
		{"two groups", unhex(t, "021502 02150e"), true},
	} {
		if _, err := parseCertificate(c.cert); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func checkPublicKeys(t *testing.T) {
	TestPrimes(t)
	TestDiffieHellman(t)
	TestAcceptableKeys(t)
	_, r := vectorKeys()
	// A key may come with its leading zeros left out, or with more of them.
	short := keyOf("rtmfp-vectors initiator dh exponent")
	y := append([]byte{0}, short.public...)
	a, err := r.secret(y)
	b, err2 := r.secret(short.public)
	if err != nil || err2 != nil || !bytes.Equal(a, b) {
		t.Errorf("with a leading zero: %v, %v", err, err2)
	}
	if _, err := r.secret(unhex(t, "ffff0000ffff")); err != nil {
		t.Errorf("a key of six bytes: %v", err)
	}
}
