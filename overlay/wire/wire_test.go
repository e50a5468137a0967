package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counting returns 32 bytes that count up from first.
func counting(first byte) (id [32]byte) {
	for i := range id {
		id[i] = first + byte(i)
	}
	return id
}

func filled(c byte) (id [32]byte) { return [32]byte(bytes.Repeat([]byte{c}, 32)) }

func address(origin wire.Origin, s string) Address {
	return Address{AddrPort: netip.MustParseAddrPort(s), Origin: origin}
}

const (
	identityA = "G:027f0201010103010c050e74657374011b"
	groupA    = "763f90e4b524a0e026052bb5696bd143246f26c6eb0b9fa31b0d1ed39a092620"
	proofA    = "9e4cf3eb885f5241b8b8d6d3eec6d8ef26991d564f807302c2dbfd6a0e225bbf"
	ffs       = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
)

func id(t testing.TB, s string) [32]byte { return [32]byte(unhex(t, s)) }

// vector is a message in its three forms.
type vector struct {
	name  string
	value any
	hex   string
	// parse reads the message, and again writes what it gave.
	parse func([]byte) (any, error)
	again func(any) []byte
	// whole lists the lengths at which a shorter message is whole too.
	whole []int
}

// of makes a vector of a type with its codec.
func of[T any](name string, value T, hex string, parse func([]byte) (T, error), again func([]byte, T) []byte, whole ...int) vector {
	return vector{
		name, value, hex,
		func(b []byte) (any, error) { return parse(b) },
		func(v any) []byte { return again(nil, v.(T)) },
		whole,
	}
}

// The messages that have more than one field to return, as one value each.
type (
	postKeys struct {
		keys []PostKey
		want bool
	}
	have struct {
		ranges []Range
		kind   HaveKind
	}
	relayData struct {
		circuit  uint64
		datagram []byte
	}
	relayClose struct {
		circuit uint64
		reason  RelayReason
	}
)

func parsePostKeys(b []byte) (postKeys, error) {
	keys, want, err := ParsePostKeys(nil, b)
	return postKeys{keys, want}, err
}

func appendPostKeysOf(b []byte, m postKeys) []byte {
	if m.want {
		return AppendPostWant(b, m.keys...)
	}
	return AppendPostHave(b, m.keys...)
}

func parseHave(b []byte) (have, error) {
	ranges, kind, err := ParseHave(nil, b)
	return have{ranges, kind}, err
}

func appendHave(b []byte, m have) []byte { return AppendHave(b, m.kind, m.ranges) }

func parseRelayData(b []byte) (relayData, error) {
	circuit, datagram, err := ParseRelayData(b)
	return relayData{circuit, datagram}, err
}

func appendRelayData(b []byte, m relayData) []byte { return AppendRelayData(b, m.circuit, m.datagram) }

func parseRelayClose(b []byte) (relayClose, error) {
	circuit, reason, err := ParseRelayClose(b)
	return relayClose{circuit, reason}, err
}

func appendRelayClose(b []byte, m relayClose) []byte { return AppendRelayClose(b, m.circuit, m.reason) }

func vectors(t testing.TB) []vector {
	server := address(wire.OriginRelay, "198.51.100.1:1935")
	key := PostKey(unhex(t, "72feab6277bdaa05"))
	connect := Connect{Group: id(t, groupA), Proof: id(t, proofA), Receiver: counting(0x20)}
	extended := connect
	extended.Caps = 0x99
	connectHex := "01 4100" + hex.EncodeToString([]byte(groupA)) + "2101" + proofA +
		"2303 210f 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	return []vector{
		of("join", id(t, groupA), "01 2115"+groupA, ParseJoin, AppendJoin),
		of("member", counting(0x20), "0b 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", ParseMember, AppendMember),
		of("connect", connect, connectHex, ParseConnect, AppendConnect),
		of("connect with extensions", extended, connectHex+"05 7d 4f31 8119", ParseConnect, AppendConnect, 137),
		of("ready", false, "0e", ParseReady, AppendReady),
		of("ready, nearest", true, "0f", ParseReady, AppendReady),
		of("report", Report{
			Seen: address(wire.OriginObserved, "203.0.113.9:40001"),
			Own:  []Address{server, address(wire.OriginLocal, "192.0.2.10:50000"), address(wire.OriginObserved, "203.0.113.5:50000")},
			Entries: []Entry{
				{counting(0), 7, []Address{server, address(wire.OriginObserved, "203.0.113.77:6000")}},
				{filled(0xff), 200, []Address{server}},
			},
		}, `0a 080d02cb0071099c41
			160a03c6336401078f 01c000020ac350 02cb007105c350 00
			22210f000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 07 0f0a03c6336401078f02cb00714d1770 00
			22210f`+ffs+`8148 080a03c6336401078f 00`, ParseReport, AppendReport, 34, 87),
		of("report without addresses", Report{Entries: []Entry{{filled(0xff), 0, nil}}},
			"0a 010a 00 22210f"+ffs+"00 010a 00", ParseReport, AppendReport, 4),
		of("have", have{[]Range{{0, 9}, {20, 20}}, HaveReplace}, "40 00 09 0a 00", parseHave, appendHave, 1, 3),
		of("have, long", have{[]Range{{3, 700}}, HaveAdd}, "41 03 8539", parseHave, appendHave, 1),
		of("have none", have{nil, HaveReplace}, "40", parseHave, appendHave),
		of("request", Request{5, 300}, "48 05 822c", ParseRequest, AppendRequest),
		of("cancel", 5, "49 05", ParseCancel, AppendCancel),
		of("deny", 5, "4a 05", ParseDeny, AppendDeny),
		of("object", Object{5, 300, []byte("\x02\x00\x02hi")}, "4c 05 822c 02 0002 6869", ParseObject, AppendObject, 5, 6, 7, 8),
		of("post have", postKeys{[]PostKey{key}, false}, "30 72feab6277bdaa05", parsePostKeys, appendPostKeysOf),
		of("post want", postKeys{[]PostKey{key}, true}, "3a 72feab6277bdaa05", parsePostKeys, appendPostKeysOf),
		of("post have, two", postKeys{[]PostKey{key, {}}, false}, "30 72feab6277bdaa05 0000000000000000", parsePostKeys, appendPostKeysOf, 9),
		of("neighbors", Neighbors{false, []Neighbor{{0x0102030405060708, true, false, false}, {1, false, true, false}}},
			"50 00 02 0102030405060708 01 0000000000000001 02", ParseNeighbors, AppendNeighbors),
		of("neighbors, changes", Neighbors{true, []Neighbor{{1 << 63, false, false, true}}},
			"50 01 01 8000000000000000 04", ParseNeighbors, AppendNeighbors),
		of("suspect", filled(0xff), "51"+ffs, ParseSuspect, AppendSuspect),
		of("refuse", Refuse{RefusePrefix, []Entry{{filled(0xff), 3, []Address{server}}}},
			"52 01 22210f"+ffs+"03 080a03c6336401078f 00", ParseRefuse, AppendRefuse, 2),
		of("relay open", RelayOpen{Circuit: 301, Target: filled(0xff)}, "53 822d"+ffs, ParseRelayOpen, AppendRelayOpen),
		of("relay open, passed on", RelayOpen{2, filled(0xff), filled(0), true}, "53 02"+ffs+strings.Repeat("00", 32), ParseRelayOpen, AppendRelayOpen, 34),
		of("relay data", relayData{301, []byte{1, 2}}, "54 822d 0102", parseRelayData, appendRelayData, 3, 4),
		of("routed", Routed{RoutedQuestion, 1, 2, 3, counting(0), filled(0xff), []byte{0xaa}},
			"11 0c 8121 52435231 01 01 02 0000000000000003 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"+ffs+"aa", ParseRouted, AppendRouted),
		of("relay close", relayClose{301, RelayLost}, "55 822d 03", parseRelayClose, appendRelayClose),
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		want := unhex(t, v.hex)
		if got := v.again(v.value); !bytes.Equal(got, want) {
			t.Errorf("%s: written as\n%x, want\n%x", v.name, got, want)
		}
		if got, err := v.parse(want); err != nil || !reflect.DeepEqual(got, v.value) {
			t.Errorf("%s: read as %+v, %v, want %+v", v.name, got, err, v.value)
		}
		for n := range len(want) {
			_, err := v.parse(want[:n:n])
			if slices.Contains(v.whole, n) != (err == nil) {
				t.Errorf("%s: the first %d bytes give %v", v.name, n, err)
			}
		}
	}
}

func TestJoinByText(t *testing.T) {
	got, err := ParseJoin(unhex(t, "01 1710 473a3031303130313063303530653734363537333734"))
	if want := id(t, "9571b515bf5ea5f63bd8811729057938a3c6bdf59b7bc084ea56255a630bd01f"); got != want || err != nil {
		t.Errorf("joins %x, %v", got, err)
	}
	for _, bad := range []string{"01", "01 00", "02 2115" + groupA, "01 2015" + groupA[2:], "01 2116" + groupA} {
		if _, err := ParseJoin(unhex(t, bad)); err == nil {
			t.Errorf("%s is taken for a join", bad)
		}
	}
	long := append(unhex(t, "01 81800210"), make([]byte, MaxIdentityLen+1)...)
	if _, err := ParseJoin(long); !errors.Is(err, ErrLimit) {
		t.Errorf("a join with a long text gives %v", err)
	}
}

// The proofs of netgroup's example session: see also the recorded ones in
// recorded_test.go.
func TestProof(t *testing.T) {
	initiator := unhex(t, "cd7bd43f8e8e13740ec20e3f18e4d40f1894f7ef16db7afb3b83a4babbbc9d04")
	responder := unhex(t, "167fe6b3dcdb6ca5ffc57b142ffcf83fe6604def7d00b81465c3fd8abab5d23e")
	const long = "G:010121055e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8010c170e6f72672e6f736d66" +
		"2e6e65742e6d756c746963617374210e61b67506b6a5f02187ca24fe590388778040fa3a9c23589c58baadd097c12657011b"
	for _, c := range []struct {
		identity string
		nonce    []byte
		want     string
	}{
		{identityA, responder, proofA},
		{identityA, initiator, "afa5054381fdad7831359b62644b1f19643669f805f7c78c5363018be30ed484"},
		{long, responder, "8726ed64b7f8845474c1d5c7b5769f6eb473c2b497912673a41aff5efb613cdd"},
	} {
		want := id(t, c.want)
		if got := Proof(c.identity, c.nonce); got != want {
			t.Errorf("proof %x, want %x", got, want)
		}
		if !CheckProof(c.identity, c.nonce, want) {
			t.Errorf("%x is not taken", want)
		}
		want[31] ^= 1
		if CheckProof(c.identity, c.nonce, want) {
			t.Errorf("%x is taken", want)
		}
	}
}

// What comes from other implementations differs from what we write.
func TestConnectTolerates(t *testing.T) {
	group := "4100" + strings.ToUpper(hex.EncodeToString([]byte(strings.ToUpper(groupA))))
	proof, receiver := "2101"+proofA, "2303210f"+ffs
	want := Connect{Group: id(t, groupA), Proof: id(t, proofA), Receiver: filled(0xff)}
	for _, c := range []string{
		"01" + group + proof + receiver,
		"01" + receiver + proof + group,
		"01" + group + "0104" + proof + "03400102" + receiver + "00 ff",
		"01" + group + proof + receiver + "017d",
		"01" + group + proof + receiver + "047d4f3201",
		"01" + group + proof + receiver + "047d4f31 80",
		"01" + group + proof + receiver + "2101" + ffs,
	} {
		if got, err := ParseConnect(unhex(t, c)); err != nil || got != want {
			t.Errorf("%s gives %+v, %v", c, got, err)
		}
	}
	for _, c := range []string{
		"01" + group + proof, "01" + group + receiver, "01" + proof + receiver, "01", "02" + group + proof + receiver,
		"01 0300 3031" + proof + receiver, "01 4100" + strings.Repeat("67", 64) + proof + receiver,
		"01" + group + "2001" + proofA[2:] + receiver, "01" + group + proof + "2203 200f" + ffs[2:], "01" + group + proof + "0103",
	} {
		if got, err := ParseConnect(unhex(t, c)); err == nil {
			t.Errorf("%s gives %+v", c, got)
		}
	}
	if group, err := PeekGroup(unhex(t, "01"+group+proof+receiver)); err != nil || group != want.Group {
		t.Errorf("group %x, %v", group, err)
	}
}

func TestReportTolerates(t *testing.T) {
	four, six := "037f000001078f", "81fd0000000000000000000000000000 0201bb"
	entry := "22210f" + ffs + "00 080a" + four + "00"
	many := four + strings.Repeat(six, 7)
	for _, c := range []struct {
		name, hex          string
		own, entries, last int // how many addresses and members, and addresses of the last one
	}{
		{"flags first, options that are not known", "0a 0101 0102 080d" + four + "0240ff 080a" + four + "00 22210f" + ffs + "00 0101 080a" + four + "00", 1, 1, 1},
		{"a length that is a plain byte", "0a 080d" + four + "8d0a" + many + "00" + entry, 8, 1, 1},
		{"the same in an entry", "0a 00" + entry + "22210f" + ffs + "00 8d0a" + many + "00", 0, 2, 8},
		{"addresses in two options", "0a 080a" + four + "0f0a" + four + four + "00", 3, 0, 0},
		{"no addresses of the sender", "0a 00" + entry, 0, 1, 1},
		{"a member by another name", "0a 00 03020a41 05 080a" + four + "00" + entry, 0, 1, 1},
		{"an empty address that is seen", "0a 010d 00", 0, 0, 0},
	} {
		r, err := ParseReport(unhex(t, c.hex))
		if err != nil || len(r.Own) != c.own || len(r.Entries) != c.entries {
			t.Errorf("%s: %+v, %v", c.name, r, err)
			continue
		}
		if c.entries > 0 && len(r.Entries[c.entries-1].Addrs) != c.last {
			t.Errorf("%s: the last member is %+v", c.name, r.Entries[c.entries-1])
		}
	}
	for _, bad := range []string{"0a 080d027f0000010700", "0a 070d 037f000001 07 00", "0a 00 22210f" + ffs, "0a 00 00"} {
		if r, err := ParseReport(unhex(t, bad)); err == nil {
			t.Errorf("%s gives %+v", bad, r)
		}
	}
}

// A message beyond a bound is refused, and one at the bound is taken.
func TestBounds(t *testing.T) {
	entry := Entry{Peer: filled(1), Addrs: []Address{address(wire.OriginLocal, "192.0.2.1:1")}}
	full := AppendReport(nil, Report{Entries: slices.Repeat([]Entry{entry}, MaxEntries)})
	addr := wire.AppendAddress(nil, entry.Addrs[0])
	addrs := func(n int) []byte { // the length must fit a byte
		b := []byte{TypeReport, byte(1 + len(addr)*n), optionAddresses}
		return append(append(b, bytes.Repeat(addr, n)...), 0)
	}
	ranges := append([]byte{TypeHave}, bytes.Repeat([]byte{1, 0}, MaxRanges)...)
	neighbors := AppendNeighbors(nil, Neighbors{List: make([]Neighbor, MaxNeighbors)})
	keys := AppendPostHave(nil, make([]PostKey, MaxPostKeys)...)
	object := AppendObject(nil, Object{Value: make([]byte, MaxObjectLen)})
	last := AppendRequest(nil, Request{Index: MaxIndex})
	for _, c := range []struct {
		name         string
		parse        func([]byte) error
		within, over []byte
		want         error
	}{
		{"members", fails(ParseReport), full, append(slices.Clone(full), appendEntries(nil, []Entry{entry})...), ErrLimit},
		{"addresses", fails(ParseReport), addrs(MaxAddresses), addrs(MaxAddresses + 1), ErrLimit},
		{"ranges", fails(parseHave), ranges, append(slices.Clone(ranges), 1, 0), ErrLimit},
		{"neighbors", fails(ParseNeighbors), neighbors, unhex(t, "50 00 8401"), ErrLimit},
		{"many neighbors", fails(ParseNeighbors), neighbors, unhex(t, "50 00 81ffffffffffffffff7f"), ErrLimit},
		{"keys", fails(parsePostKeys), keys, append(slices.Clone(keys), make([]byte, 8)...), ErrLimit},
		{"post", CheckPost, make([]byte, MaxPostLen), make([]byte, MaxPostLen+1), ErrLimit},
		{"route", CheckRoute, make([]byte, MaxRouteLen), make([]byte, MaxRouteLen+1), ErrLimit},
		{"object", fails(ParseObject), object, append(slices.Clone(object), 0), ErrLimit},
		{"datagram", fails(parseRelayData), AppendRelayData(nil, 1, make([]byte, MaxRelayData)), append(unhex(t, "54 01"), make([]byte, MaxRelayData+1)...), ErrLimit},
		{"index", fails(ParseRequest), last, AppendRequest(nil, Request{Index: MaxIndex + 1}), ErrMalformed},
		{"index of an object", fails(ParseObject), AppendObject(nil, Object{0, MaxIndex, []byte{5}}), AppendObject(nil, Object{0, MaxIndex + 1, []byte{5}}), ErrMalformed},
		{"end of a range", fails(parseHave), AppendHave(nil, HaveAdd, []Range{{MaxIndex, MaxIndex}}), unhex(t, "41 8fffffffffffff7f 00"), ErrMalformed},
		{"length of a range", fails(parseHave), AppendHave(nil, HaveAdd, []Range{{0, MaxIndex}}), unhex(t, "41 01 8fffffffffffff7e"), ErrMalformed},
		{"huge numbers in a range", fails(parseHave), []byte{TypeHave}, unhex(t, "41 81ffffffffffffffff7f 81ffffffffffffffff7f"), ErrMalformed},
		{"marker of a value", CheckPost, []byte{0x11}, []byte{0x12}, ErrMalformed},
		{"empty value", CheckRoute, []byte{0}, nil, ErrTruncated},
	} {
		if err := c.parse(c.within); err != nil {
			t.Errorf("%s at the bound: %v", c.name, err)
		}
		if err := c.parse(c.over); !errors.Is(err, c.want) {
			t.Errorf("%s beyond the bound: %v, want %v", c.name, err, c.want)
		}
	}
}

func fails[T any](parse func([]byte) (T, error)) func([]byte) error {
	return func(b []byte) error {
		_, err := parse(b)
		return err
	}
}

// Messages of our own are refused when more follows than they have.
func TestOwnMessagesEndWhereTheyEnd(t *testing.T) {
	for _, v := range vectors(t) {
		b := unhex(t, v.hex)
		switch b[0] {
		case TypeRequest, TypeCancel, TypeDeny, TypeNeighbors, TypeSuspect, TypeRelayOpen, TypeRelayClose:
			if _, err := v.parse(append(b, 0)); err == nil {
				t.Errorf("%s: a byte more is taken", v.name)
			}
		}
	}
}

func TestPostNames(t *testing.T) {
	post := NewPostID(unhex(t, "02 0008 68656c6c6f202331"))
	if want := id(t, "72feab6277bdaa0562af6b63b1afe3ce03bd2f498bbc55a1e95fb58b664f0e60"); post != want {
		t.Errorf("the post is named %x", post)
	}
	if key := post.Key(); key != PostKey(unhex(t, "72feab6277bdaa05")) {
		t.Errorf("its key is %x", key)
	}
	if !IsPostKeys([]byte{TypePostHave}) || !IsPostKeys([]byte{TypePostWant}) || IsPostKeys([]byte{2, 0, 0}) || IsPostKeys(nil) {
		t.Error("keys are taken for a value, or a value for keys")
	}
}

// What a caller does wrong shows at once.
func TestAppendPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"entries":   func() { AppendReport(nil, Report{Entries: make([]Entry, MaxEntries+1)}) },
		"addresses": func() { AppendReport(nil, Report{Own: make([]Address, MaxAddresses+1)}) },
		"neighbors": func() { AppendNeighbors(nil, Neighbors{List: make([]Neighbor, MaxNeighbors+1)}) },
		"keys":      func() { AppendPostWant(nil, make([]PostKey, MaxPostKeys+1)...) },
		"ranges":    func() { AppendHave(nil, HaveAdd, make([]Range, MaxRanges+1)) },
		"order":     func() { AppendHave(nil, HaveAdd, []Range{{5, 6}, {6, 7}}) },
		"object":    func() { AppendObject(nil, Object{Value: make([]byte, MaxObjectLen+1)}) },
		"datagram":  func() { AppendRelayData(nil, 0, make([]byte, MaxRelayData+1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Signals are one byte each.
func TestSignals(t *testing.T) {
	if got := AppendDisconnect(AppendAccepted(nil)); !bytes.Equal(got, []byte{0x02, 0x0c}) {
		t.Errorf("accepted and disconnect are %x", got)
	}
	if kind, ok := Kind([]byte{0x0c, 1}); kind != TypeDisconnect || !ok {
		t.Errorf("kind %x, %v", kind, ok)
	}
	if _, ok := Kind(nil); ok {
		t.Error("an empty message has a kind")
	}
	if _, err := ParseReady([]byte{0x10}); err == nil {
		t.Error("10 is taken for ready")
	}
}

func BenchmarkParseReport(b *testing.B) {
	addrs := []Address{address(wire.OriginRelay, "198.51.100.1:1935"), address(wire.OriginObserved, "203.0.113.77:6000")}
	report := AppendReport(nil, Report{Seen: addrs[1], Own: addrs, Entries: slices.Repeat([]Entry{{Peer: filled(1), Age: 9, Addrs: addrs}}, 30)})
	b.ReportAllocs()
	b.SetBytes(int64(len(report)))
	for b.Loop() {
		_, _ = ParseReport(report)
	}
}
