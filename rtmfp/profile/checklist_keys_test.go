package profile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// All published keys, from the side of either end.
func checkDerivation(t *testing.T) {
	TestNonces(t)
	for _, c := range []struct {
		i, r                                               string
		encrypt, decrypt, hmacSend, hmacReceive, near, far string
	}{
		{
			"A.I", "A.R", "45007cb75eb55ce25d88c549100ae5b9796dce8ed0a1fff7d71c330cf5badc7f", "d0e0627ccee549972f7f5ff73b86b61fe409398019cc7001e5f8a42d816ad877",
			"ac2fbbdda092f9332dca57eb75512fc7f108079dde280273a2eec38a58262835", "10d754f5c037511c3ea700055eb518327331f61eeb01904875a64ac987a3b608",
			"62a3f0d8b73c650946479956038db2330c3392eb6b2c6d722e10e4cf952af218", "dfaa8f974cd67609c5660c6168b9a1b250c9965fb659bdd9c0bce4266fd2b382",
		},
		{
			"A.I", "B.R", "eb7c437165619d428f563e4478543e845146a74f213a0c5aac5178618061d5c4", "20b7bfc3fd79f89fb21293aa413fdd88c0398a14092af428fbbbd6f99bcb5c27",
			"d40bdaafed1afe6be03f04bd7a09425bfb496a8ef74a3bec505be13b20dd45d8", "07718e7c3bba592c661bbbceaeaf53c7cbb43bd009d00ce3da6cc6b7319db310",
			"62a3f0d8b73c650946479956038db2330c3392eb6b2c6d722e10e4cf952af218", "cfce34721e262238faf4ca9bcc6ad98052576023487dfd6c75fc987cfb94e4f9",
		},
		{
			"C.I", "C.R", "32f27699b425e18ed99837e817ae879b48799b2da647e939b9e41d2aeac9e216", "14e5a7519413755cb6910dc320e26743c7e661bb87d9f310fd47e9781755ce8a",
			"d9e3a8a3f90d73fad61de41a54a20fbabab72576a806077c3493f3d71ce37e83", "391c3a184e306634ebefc1e0b1c73c3fa7acbf0d583b589d9f7504d299f621e6",
			"aba6c78335ba65dc004fbed68080e0036e6943b151b67fd09061b44c4915791a", "0cc02259e5dd733971fc9c83fab0dde66d5e9a343a0b88c4729fa8fc4d54b3e4",
		},
		{
			"C.I", "B.R", "c47b00b8bb301865d5ec1b8cd406494c4340e9c99f0fe1e800190acb130079d6", "e8f7112345d869a28a592773f31633973c92c98081b0713680b349dca3c229d6",
			"", "", "", "",
		},
	} {
		all := components(t)
		secret := unhex(t, shared)
		for _, way := range []struct{ near, far, send, receive, macSend, macReceive, nearNonce, farNonce string }{
			{c.i, c.r, c.encrypt, c.decrypt, c.hmacSend, c.hmacReceive, c.near, c.far},
			{c.r, c.i, c.decrypt, c.encrypt, c.hmacReceive, c.hmacSend, c.far, c.near},
		} {
			encrypt, decrypt := mac(secret, mac(all[way.far], all[way.near])), mac(secret, mac(all[way.near], all[way.far]))
			for name, v := range map[string][2]string{
				"encrypt": {hex.EncodeToString(encrypt), way.send}, "decrypt": {hex.EncodeToString(decrypt), way.receive},
				"hmac send": {hex.EncodeToString(mac(secret, encrypt)), way.macSend}, "hmac receive": {hex.EncodeToString(mac(secret, decrypt)), way.macReceive},
				"near nonce": {hex.EncodeToString(mac(secret, all[way.near])), way.nearNonce}, "far nonce": {hex.EncodeToString(mac(secret, all[way.far])), way.farNonce},
			} {
				if v[1] != "" && v[0] != v[1] {
					t.Errorf("%s with %s: %s is %s, want %s", way.near, way.far, name, v[0], v[1])
				}
			}
		}
	}
	// What derive makes of it is what the published packets open with.
	TestSessionPackets(t)
	TestKeying(t)
}

// For each direction the sender's and the receiver's flags decide.
func checkNegotiation(t *testing.T) {
	f := &Flash{}
	secret := unhex(t, shared)
	component := func(hmacFlags, sseqFlags byte) component {
		b := vlu.AppendOption(nil, optHMAC, []byte{hmacFlags, 16})
		b = vlu.AppendOption(b, optSSEQ, []byte{sseqFlags})
		c, err := parseComponent(b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	has := func(from, to byte) bool { return from&4 != 0 || from&2 != 0 && to&1 != 0 }
	possible := func(from, to byte) bool { return to&1 == 0 || from&6 != 0 }
	for near := range byte(8) {
		for far := range byte(8) {
			mine, theirs := component(near, far), component(far, near) // SSEQ the other way round
			keys, err := f.derive(secret, &mine, &theirs)
			if ok := possible(near, far) && possible(far, near); ok != (err == nil) {
				t.Errorf("flags %03b and %03b: %v", near, far, err)
				continue
			}
			if err != nil {
				continue
			}
			k := keys.Key.(*sessionKey)
			if (k.send.mac != nil) != has(near, far) || (k.receive.mac != nil) != has(far, near) {
				t.Errorf("flags %03b and %03b: HMAC sent %v, received %v", near, far, k.send.mac != nil, k.receive.mac != nil)
			}
			if k.send.sseq != has(far, near) || k.receive.sseq != has(near, far) {
				t.Errorf("flags %03b and %03b: SSEQ sent %v, received %v", far, near, k.send.sseq, k.receive.sseq)
			}
		}
	}
	// A component without the options asks for nothing and offers nothing.
	none, asks := component(0, 0), component(1, 0)
	none.raw = nil
	empty, err := parseComponent(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.derive(secret, &none, &empty); err != nil {
		t.Errorf("no options: %v", err)
	}
	if _, err := f.derive(secret, &asks, &empty); err == nil {
		t.Error("what is required and not offered is done without")
	}
}

func checkHMACLength(t *testing.T) {
	f := &Flash{}
	for size := range uint64(40) {
		for _, flags := range []byte{0, 2, 4} {
			mine, err := parseComponent(vlu.AppendOption(nil, optHMAC, []byte{1, 16}))
			if err != nil {
				t.Fatal(err)
			}
			if flags == 0 {
				mine.hmac = 0
			}
			theirs, err := parseComponent(vlu.AppendOption(nil, optHMAC, []byte{flags, byte(size)}))
			if err != nil {
				t.Fatal(err)
			}
			// Their length counts only if they send one, and ours is not theirs.
			want := flags == 0 || size >= 4 && size <= 32
			if _, err := f.derive(unhex(t, shared), &mine, &theirs); (err == nil) != want {
				t.Errorf("an HMAC of %d bytes with flags %03b: %v", size, flags, err)
			}
		}
	}
}

// A packet that fails at any step leaves no trace: the same number is good
// afterwards. The HMAC is looked at before anything else.
func checkVerificationOrder(t *testing.T) {
	TestForgedPackets(t)
	for _, c := range []struct{ i, r string }{{"A.I", "A.R"}, {"A.I", "E.R"}} {
		a, b := derivePair(t, c.i, c.r)
		ahead := seal(a.Key, []byte("first packet"))
		for range 40 {
			_ = seal(a.Key, []byte("skipped"))
		}
		far := seal(a.Key, []byte("far ahead"))
		forged := bytes.Clone(far)
		forged[len(forged)-1] ^= 1
		if c.r == "E.R" {
			forged = bytes.Clone(far)
			forged[16-1] ^= 1 // spoils the checksum, in the last block
		}
		if _, ok := b.Key.Open(forged); ok {
			t.Fatalf("%s: a forged packet opens", c.r)
		}
		k := b.Key.(*sessionKey)
		if k.receive.window.next != 0 {
			t.Errorf("%s: a forged packet moves the window to %d", c.r, k.receive.window.next)
		}
		for i, p := range [][]byte{far, ahead} {
			if _, ok := b.Key.Open(p); !ok {
				t.Errorf("%s: packet %d does not open after the forgery", c.r, i)
			}
		}
	}
}

// The published sequence, with this window's size in place of 32.
func checkReplayWindow(t *testing.T) {
	if replaySize < 32 {
		t.Fatalf("the window is of %d numbers, want 32 or more", replaySize)
	}
	var w replayWindow
	const far = 8 + replaySize // 40 with a window of 32
	for i, c := range []struct {
		n    uint64
		want bool
	}{{0, true}, {1, true}, {3, true}, {2, true}, {2, false}, {far, true}, {8, false}, {9, true}, {7, false}, {far + 1, true}, {9, false}, {far, false}} {
		got := w.fresh(c.n)
		if got {
			w.record(c.n)
		}
		if got != c.want {
			t.Errorf("step %d: number %d is taken: %v, want %v", i, c.n, got, c.want)
		}
	}
	TestReplayWindow(t)
}

func checkOddChecksum(t *testing.T) {
	TestChecksums(t)
	a, b := derivePair(t, "A.I", "E.R")
	got := seal(a.Key, unhex(t, "0912340100025069"))
	if hex.EncodeToString(got) != "43a0fd3f3dd129ac72c1c2387905fcc7" {
		t.Errorf("13 checked bytes are sealed as %x", got)
	}
	if _, ok := b.Key.Open(got); !ok {
		t.Error("13 checked bytes do not open")
	}
}

func checkSignatures(t *testing.T) {
	server, client := flash(t, FlashConfig{Server: true}), flash(t, FlashConfig{})
	respond := func(f *Flash, signed, signature []byte) error {
		_, err := f.Respond(rtmfp.Request{Far: client.Self(), Component: initiate(t, client, f.Self()).Component(), Signed: signed, Signature: signature, SessionID: 7}, rand.Reader)()
		return err
	}
	for _, s := range []string{"X", "", "garbage that is long enough to be one", "\x05\x1d....", "\xff\xff\xff"} {
		if err := respond(server, []byte("parameters"), []byte(s)); err != nil {
			t.Errorf("signature %q: %v", s, err)
		}
	}
	if got := client.config.Sign; got != nil || !bytes.Equal(initiate(t, client, server.Self()).AppendSignature(nil, []byte("p")), []byte{'X'}) {
		t.Error("without a password the signature is not the letter X")
	}
	// The published ones.
	horse := Password{ID: "server-key-1", Secret: []byte("correct horse")}
	all, certs := components(t), certificates(t)
	parameters := append(unhex(t, "1122334440"), count(0x40, 64)...)
	parameters = append(append(vlu.Append(parameters, uint64(len(certs["CI"]))), certs["CI"]...), vlu.Append(nil, uint64(len(all["A.I"])))...)
	parameters = append(parameters, all["A.I"]...)
	if got := hex.EncodeToString(appendSignature(nil, parameters, &horse)); got != passwordI {
		t.Errorf("the initiator's signature is %s, want %s", got, passwordI)
	}
	if got := hex.EncodeToString(appendSignature(nil, responderPortion(0x55667788, all["A.R"], all["A.I"]), &horse)); got != passwordR {
		t.Errorf("the responder's signature is %s, want %s", got, passwordR)
	}
	strict := flash(t, FlashConfig{Server: true, Passwords: []Password{{ID: "other", Secret: []byte("o")}, horse}, RequirePassword: true})
	good := unhex(t, passwordI)
	wrong := bytes.Clone(good)
	wrong[10] ^= 1
	unknown := vlu.AppendOption(nil, sigPassword, append(make([]byte, sha256.Size), "who?"...))
	for _, c := range []struct {
		name           string
		signature      []byte
		lenient, ought bool
	}{
		{"right", good, true, true},
		{"wrong", wrong, false, false},
		{"none", []byte{'X'}, true, false},
		{"unknown name", unknown, true, false},
		{"unknown and right", append(bytes.Clone(unknown), good...), true, true},
		{"right and wrong", append(bytes.Clone(good), wrong...), false, false},
		{"right and garbage", append(bytes.Clone(good), 0x80), true, false},
	} {
		if err := respond(strict, parameters, c.signature); (err == nil) != c.ought {
			t.Errorf("%s: %v", c.name, err)
		}
		strict.config.RequirePassword = false
		if err := respond(strict, parameters, c.signature); (err == nil) != c.lenient {
			t.Errorf("%s, when none is required: %v", c.name, err)
		}
		strict.config.RequirePassword = true
	}
	checkMutualPasswords(t, horse)
}

// Both ends sign, and both want it.
func checkMutualPasswords(t *testing.T, p Password) {
	config := FlashConfig{Sign: &p, Passwords: []Password{p}, RequirePassword: true}
	client := flash(t, config)
	config.Server = true
	server := flash(t, config)
	keying := initiate(t, client, server.Self())
	signed := []byte("the parameters of the initiator")
	response, err := server.Respond(rtmfp.Request{
		Far: client.Self(), SessionID: 9, Component: keying.Component(), Signed: signed, Signature: keying.AppendSignature(nil, signed),
	}, rand.Reader)()
	if err != nil {
		t.Fatal(err)
	}
	portion := responderPortion(9, response.Component, nil)
	if _, err := keying.Finish(response.Component, portion, response.Signature)(); err != nil {
		t.Errorf("the answer: %v", err)
	}
	if _, err := keying.Finish(response.Component, portion, []byte{'X'})(); err == nil {
		t.Error("an answer without a signature is taken")
	}
}
