package groupspec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const (
	sampleA = "G:027f0201010103010c050e74657374011b00"
	// Made by the original tools.
	sampleB = "G:010121055e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8010c170e6f72672e6f736d662e6e65742e6d756c7469" +
		"63617374210e61b67506b6a5f02187ca24fe590388778040fa3a9c23589c58baadd097c12657011b00070ae00000fe814b"
	sampleC = "G:01012105f8cd3b377cf93646b30b07f29cf917d68d63c26ac60af46f0563829280d48fc5010c160e666d732e6d756c7469636173742e65" +
		"78616d706c650009157265616c65796573"
	sampleD = "G:0101010d160e666d732e6d756c7469636173742e6578616d706c6500070aef0102037530"

	everything = "G:027f020100010101020103230573310f9e834d32c28b194e45aedb253439f40e5eb5c8e58788715ce4c1cabf3d6785210772231043bc1807e6f740" +
		"b235eb7511ecb33255a6a375435631196de8a9750d4b010c0a0e73746167652f6f6e65011b00070ae1e10001765f210b000102030405060708090a0b0c0d0e" +
		"0f101112131415161718191a1b1c1d1e1f04157075620517706f7374"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func counting() (id [32]byte) {
	for i := range id {
		id[i] = byte(i)
	}
	return id
}

func mustParse(t testing.TB, text string) *Spec {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestIDs(t *testing.T) {
	for _, c := range []struct{ text, id string }{
		{sampleA, "763f90e4b524a0e026052bb5696bd143246f26c6eb0b9fa31b0d1ed39a092620"},
		{"G:01010103010c050e7465737400", "a220d7aa31ed6f4344a48f8270f2a1b1f420eb4d961ddc5166d4ffb2a5459e0a"},
		{"G:0101010c050e7465737400", "9571b515bf5ea5f63bd8811729057938a3c6bdf59b7bc084ea56255a630bd01f"},
		{"G:027f02010101000103010c050e74657374011b00", "c3ab09fc9d3fd2fe3f4f82762c530b96f2eb1c49d9fe615f48f250545b731dc9"},
		{sampleB, "daab97d343c073793be3b1e408ea9bb25db559b53b4ce1728c6dede50e541de9"},
		{sampleC, "d5b23dda058c883c215b23ff09c959540009a843327c5bdf85aa517ae19cb3ec"},
		{everything, "08d9bdc853a92f2812c7c1824033f66a1133e59b859994f2a15bbf7122682fa0"},
	} {
		s := mustParse(t, c.text)
		if id := s.ID(); hex.EncodeToString(id[:]) != c.id {
			t.Errorf("%s has ID %x, want %s", c.text, id, c.id)
		}
		if s.String() != c.text {
			t.Errorf("%s becomes %s", c.text, s)
		}
	}
	// The text counts, not what it stands for.
	upper := mustParse(t, "G:"+strings.ToUpper(strings.TrimPrefix(sampleA, "G:")))
	if upper.ID() == mustParse(t, sampleA).ID() || !reflect.DeepEqual(upper.Settings(), mustParse(t, sampleA).Settings()) {
		t.Error("a groupspec in upper case is not another group of the same settings")
	}
}

func TestSettings(t *testing.T) {
	ip := netip.MustParseAddrPort
	for _, c := range []struct {
		text     string
		identity string
		want     Settings
	}{
		{sampleA, "G:027f0201010103010c050e74657374011b", Settings{
			Version: 2, Name: "test", Multicast: true, Posting: true, ServerChannel: true, MemberUpdates: true,
		}},
		{sampleB, sampleB[:strings.LastIndex(sampleB, "00070a")], Settings{
			Version: 1, Name: "org.osmf.net.multicast", Multicast: true, ServerChannel: true, MemberUpdates: true,
			Unique:    unhex(t, "61b67506b6a5f02187ca24fe590388778040fa3a9c23589c58baadd097c12657"),
			Publish:   verifier("password", ""),
			Addresses: []Address{{Group: ip("224.0.0.254:33099")}},
		}},
		{sampleC, sampleC[:strings.LastIndex(sampleC, "000915")], Settings{
			Version: 1, Name: "fms.multicast.example", Multicast: true, ServerChannel: true,
			Publish: verifier("realeyes", ""), PublishPassword: "realeyes",
		}},
		{sampleD, "G:0101010d160e666d732e6d756c7469636173742e6578616d706c65", Settings{
			Version: 1, Name: "fms.multicast.example", Multicast: true, PeerToPeerDisabled: true,
			Addresses: []Address{{Group: ip("239.1.2.3:30000")}},
		}},
		// The option of length 1 and type 00 before the marker, and an option
		// that is not known on either side of it.
		{"G:01000109020e61 00 0109 00", "G:01000109020e61", Settings{Version: 1, Name: "a", Routing: true}},
	} {
		text := strings.ReplaceAll(c.text, " ", "")
		s := mustParse(t, text)
		if s.Identity() != c.identity {
			t.Errorf("%s: identity %s, want %s", text, s.Identity(), c.identity)
		}
		if got := s.Settings(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, want\n%+v", text, got, c.want)
		}
	}
}

func verifier(password, salt string) *Verifier {
	v := newVerifier(password, salt)
	v.Salt = []byte(salt)
	return v
}

func everySetting() Settings {
	s := Settings{
		Version: 2, Name: "stage/one", Routing: true, Multicast: true, ObjectReplication: true, Posting: true, ServerChannel: true,
		MemberUpdates: true, Addresses: []Address{{Group: netip.MustParseAddrPort("225.225.0.1:30303")}}, BootstrapPeers: [][32]byte{counting()},
	}
	s.SetPublishPassword("pub", "s1")
	s.SetPostPassword("post", "")
	return s
}

func TestNew(t *testing.T) {
	s, err := New(everySetting())
	if err != nil || s.String() != everything {
		t.Fatalf("everything makes\n%v, %v, want\n%s", s, err, everything)
	}
	if got := s.Settings(); !reflect.DeepEqual(got, everySetting()) {
		t.Errorf("everything is read as\n%+v", got)
	}
	a, err := New(Settings{Name: "test", Multicast: true, Posting: true, ServerChannel: true, MemberUpdates: true})
	if err != nil || a.String() != sampleA {
		t.Errorf("sample A is made as %v, %v", a, err)
	}
	old, err := New(Settings{Version: 1, Name: "test", Multicast: true, ServerChannel: true})
	if err != nil || old.String() != "G:0101010c050e7465737400" {
		t.Errorf("version 1 is made as %v, %v", old, err)
	}
	unique := Settings{Version: 1, Name: "a"}
	if err := unique.MakeUnique(bytes.NewReader(bytes.Repeat([]byte{0xab}, 32))); err != nil {
		t.Fatal(err)
	}
	if s, err := New(unique); err != nil || s.String() != "G:020e61210e"+strings.Repeat("ab", 32)+"00" {
		t.Errorf("a unique group is made as %v, %v", s, err)
	}
	if err := unique.MakeUnique(bytes.NewReader(nil)); err == nil {
		t.Error("a group is unique without entropy")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"version 3":         func(s *Settings) { s.Version = 3 },
		"version -1":        func(s *Settings) { s.Version = -1 },
		"no name":           func(s *Settings) { s.Name = "" },
		"short unique":      func(s *Settings) { s.Unique = make([]byte, 31) },
		"unicast":           func(s *Settings) { s.Addresses = []Address{{Group: netip.MustParseAddrPort("192.0.2.1:1")}} },
		"password alone":    func(s *Settings) { s.Publish = nil },
		"wrong password":    func(s *Settings) { s.PostPassword = "other" },
		"many addresses":    func(s *Settings) { s.Addresses = manyAddresses(MaxAddresses + 1) },
		"many peers":        func(s *Settings) { s.BootstrapPeers = make([][32]byte, MaxPeers+1) },
		"a name that fills": func(s *Settings) { s.Name = strings.Repeat("a", MaxLen/2) },
	} {
		s := everySetting()
		change(&s)
		if got, err := New(s); err == nil {
			t.Errorf("%s makes %v", name, got)
		}
	}
	s := everySetting()
	s.Addresses, s.BootstrapPeers = manyAddresses(MaxAddresses), make([][32]byte, MaxPeers)
	if _, err := New(s); err != nil {
		t.Errorf("as many addresses and peers as may be: %v", err)
	}
}

func manyAddresses(n int) []Address {
	all := make([]Address, n)
	for i := range all {
		all[i].Group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 0, 0, byte(i)}), 30000)
	}
	return all
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		text string
		want error
	}{
		{"", ErrPrefix},
		{"g:0101010c050e7465737400", ErrPrefix},
		{" " + sampleA, ErrPrefix},
		{"G:", ErrTruncated},
		{"G:0101010c050e746573740", ErrHex},
		{"G:0101010c050e746573740x", ErrHex},
		{"G:0101010c050e74657374", ErrTruncated},
		{"G:0101060e7465737400", ErrTruncated},
		{"G:0101ff", ErrTruncated},
		{"G:027f03020e6100", ErrVersion},
		{"G:027f00020e6100", ErrVersion},
		{"G:017f020e6100", ErrOption},
		{"G:037f0200020e6100", ErrOption},
		{"G:0205aa020e6100", ErrOption},
		{"G:2007" + strings.Repeat("00", 31) + "020e6100", ErrOption},
		{"G:020e6100060ae10102037530", ErrTruncated},
		{"G:020e6100060ae101027530", ErrOption},
		{"G:020e6100070ac00002017530", ErrOption}, // unicast
		{"G:020e6100070ae10203040000", ErrOption}, // port 0
		{"G:020e6100200b" + strings.Repeat("00", 31), ErrOption},
		{"G:020e6100" + strings.Repeat("070ae10203047530", MaxAddresses+1), ErrLimit},
		{"G:020e6100" + strings.Repeat(EncodeBootstrapPeer(counting()), MaxPeers+1), ErrLimit},
		{"G:" + strings.Repeat("0", MaxLen), ErrLimit},
	} {
		if s, err := Parse(c.text); !errors.Is(err, c.want) {
			t.Errorf("%q gives %v, %v, want %v", c.text, s, err, c.want)
		}
	}
	// No shorter text is whole, but where the identity ends and between the
	// options that follow it.
	whole := map[int]bool{len(everything): true}
	identity := len(mustParse(t, everything).Identity())
	for _, n := range []int{2, 2 + 16, 2 + 16 + 68, 2 + 16 + 68 + 10} {
		whole[identity+n] = true
	}
	for n := range everything {
		if _, err := Parse(everything[:n]); (err == nil) != whole[n] {
			t.Errorf("the first %d characters give %v", n, err)
		}
	}
}

func TestAuthorizations(t *testing.T) {
	s := mustParse(t, everything)
	open := strings.TrimSuffix(everything, "04157075620517706f7374")
	if got := s.WithoutAuthorizations(); got != open {
		t.Errorf("without authorizations: %s", got)
	}
	if got := s.Authorizations(); got != "04157075620517706f7374" {
		t.Errorf("authorizations: %s", got)
	}
	o := mustParse(t, open)
	if settings := o.Settings(); o.ID() != s.ID() || settings.MayPublish() || settings.MayPost() || o.Authorizations() != "" {
		t.Errorf("without passwords: %+v", settings)
	}
	for _, parts := range [][]string{
		{s.Authorizations()},
		{EncodePublishAuthorization("pub"), EncodePostAuthorization("post")},
	} {
		again, err := o.With(parts...)
		if err != nil || again.String() != everything {
			t.Errorf("with %q: %v, %v", parts, again, err)
			continue
		}
		if settings := again.Settings(); !settings.MayPublish() || !settings.MayPost() {
			t.Errorf("with %q: may not publish or post", parts)
		}
	}
	wrong, _ := o.With(EncodePublishAuthorization("Pub"))
	if settings := wrong.Settings(); settings.MayPublish() {
		t.Error("a wrong password publishes")
	}
	if _, err := o.With("05"); !errors.Is(err, ErrTruncated) {
		t.Errorf("half an option is added: %v", err)
	}
	// The password before the marker is part of the identity and stays.
	odd := mustParse(t, "G:0215610e61"[:8]+"020e6100")
	if odd.WithoutAuthorizations() != odd.String() {
		t.Errorf("%s loses %s", odd, odd.WithoutAuthorizations())
	}
	if settings := (&Settings{Multicast: true, Posting: true}); !settings.MayPublish() || !settings.MayPost() {
		t.Error("a group without passwords does not let publish or post")
	}
	if settings := (&Settings{}); settings.MayPublish() || settings.MayPost() {
		t.Error("a group without streams or posting lets publish or post")
	}
}

func TestSingleOptions(t *testing.T) {
	address := func(text string) string {
		a, err := ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		return EncodeAddress(a)
	}
	publish := newVerifier("secret", "pepper").append(nil, optionPublish)
	post := newVerifier("secret", "").append(nil, optionPost)
	for _, c := range []struct{ name, got, want string }{
		{"publish verifier", hex.EncodeToString(publish), "2705706570706572744a9101f7182a6ae0d978121ff74e33cac8d2832579c0637c1c37e9bbb6c065"},
		{"post verifier", hex.EncodeToString(post), "21072bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
		{"publish", EncodePublishAuthorization("secret"), "0715736563726574"},
		{"post", EncodePostAuthorization("secret"), "0717736563726574"},
		{"IPv4", address("224.0.0.254:33099"), "070ae00000fe814b"},
		{"IPv4 with source", address("10.0.0.7@232.1.2.3:30000"), "0b0ae801020375300a000007"},
		{"IPv6", address("[ff03::ffff]:30000"), "130aff03000000000000000000000000ffff7530"},
		{"IPv6 with source", address("2001:db8::1@[ff3e::1]:30000"), "230aff3e000000000000000000000000000175302001 0db8000000000000000000000001"},
		{"peer", EncodeBootstrapPeer(counting()), "210b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
	} {
		if want := strings.ReplaceAll(c.want, " ", ""); c.got != want {
			t.Errorf("%s: %s, want %s", c.name, c.got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		text   string
		port   int
		source string
		want   string // empty: an error
	}{
		{"224.0.0.254:30000", 0, "", "224.0.0.254:30000"},
		{"[224.0.0.254]:30000", 0, "", "224.0.0.254:30000"},
		{"224.0.0.254", 30000, "", "224.0.0.254:30000"},
		{"[ff03::ffff]:30000", 0, "", "[ff03::ffff]:30000"},
		{"ff03::ffff", 30000, "", "[ff03::ffff]:30000"},
		{"[ff03::ffff]", 30000, "", "[ff03::ffff]:30000"},
		{"232.1.2.3:30000", 0, "10.0.0.7", "10.0.0.7@232.1.2.3:30000"},
		{"[ff3e::1]:30000", 0, "[2001:db8::1]", "2001:db8::1@[ff3e::1]:30000"},
		{"224.0.0.254:30000", 30000, "", ""},
		{"224.0.0.254", 0, "", ""},
		{"[ff03::ffff]", 0, "", ""},
		{"ff03::ffff:30000", 0, "", ""}, // an address without a port
		{"224.0.0.254:0", 0, "", ""},
		{"224.0.0.254:65536", 0, "", ""},
		{"224.0.0.254", 65536, "", ""},
		{"224.0.0.254", -1, "", ""},
		{"example.org:30000", 0, "", ""},
		{"192.0.2.1:30000", 0, "", ""},
		{"", 0, "", ""},
		{"ff02::1%eth0", 30000, "", ""},
		{"232.1.2.3:30000", 0, "2001:db8::1", ""},
		{"232.1.2.3:30000", 0, "nowhere", ""},
		{"232.1.2.3:30000", 0, "232.1.2.3", ""},
	} {
		a, err := ParseAddressParts(c.text, c.port, c.source)
		if (err == nil) != (c.want != "") || err == nil && a.String() != c.want {
			t.Errorf("%q, %d, %q gives %v, %v", c.text, c.port, c.source, a, err)
			continue
		}
		if err != nil {
			continue
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%v comes back as %v, %v", a, again, err)
		}
	}
}

func TestKeys(t *testing.T) {
	enc, mac := mustParse(t, sampleA).Keys()
	if hex.EncodeToString(enc[:]) != "bc7b331203d36396cadfda6f0c85b77f" ||
		hex.EncodeToString(mac[:]) != "b279381a786fe4f92c8826a70042b8dcec1b725df8768154c7bf4f4f8f8c3e2f" {
		t.Errorf("keys %x, %x", enc, mac)
	}
}

func TestMeaning(t *testing.T) {
	text := strings.Replace(everything, "011b00", "011b0142013f00", 1) + "0233ff" + "0b0ae801020375300a000007"
	got := ""
	for _, o := range mustParse(t, text).Options() {
		if o.Head()+o.Body() != o.Text {
			t.Errorf("%s is split into %s and %s", o.Text, o.Head(), o.Body())
		}
		got += o.Meaning() + "\n"
	}
	want := `version 2
directed routing
multicast streams
object replication
posting
password for publishing, hash with salt "s1"
password for posting, hash without salt
server channel
name "stage/one"
member updates on IP multicast
not known (type 0x42)
not known (type 0x3f)
end of the identity
IP multicast 225.225.0.1:30303
bootstrap peer 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
password for publishing: "pub"
password for posting: "post"
not known (type 0x33)
IP multicast 10.0.0.7@232.1.2.3:30000
`
	if got != want {
		t.Errorf("meanings:\n%s\nwant\n%s", got, want)
	}
	if got := mustParse(t, sampleB).Options()[4].Meaning(); got != "32 bytes that make the group unique" {
		t.Errorf("the second option 0e: %s", got)
	}
	if got := mustParse(t, sampleD).Options()[1].Meaning(); got != "no links between peers" {
		t.Errorf("option 0d: %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{sampleA, sampleB, sampleC, sampleD, everything, "G:00", "G:0f01ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if s.String() != text || !strings.HasPrefix(text, s.Identity()) {
			t.Fatalf("%q becomes %q with identity %q", text, s, s.Identity())
		}
		joined := Prefix
		for _, o := range s.Options() {
			joined += o.Text
			_ = o.Meaning()
		}
		if joined != text {
			t.Fatalf("the options of %q are %q", text, joined)
		}
		open, err := Parse(s.WithoutAuthorizations())
		if err != nil || open.ID() != s.ID() || open.Authorizations() != "" {
			t.Fatalf("%q without authorizations: %v, %v", text, open, err)
		}
		if _, err := open.With(s.Authorizations()); err != nil {
			t.Fatalf("%q with its authorizations: %v", text, err)
		}
	})
}

// What settings make is read as the same settings.
func FuzzNew(f *testing.F) {
	f.Add("name", "pub", "s", "post", "salt", uint16(0xffff), []byte{225, 225, 0, 1, 0x76, 0x5f})
	f.Add("x", "", "", "", "", uint16(0), []byte(nil))
	f.Fuzz(func(t *testing.T, name, publish, salt, post, salt2 string, flags uint16, address []byte) {
		on := func(i int) bool { return flags>>i&1 != 0 }
		want := Settings{
			Version: 1 + int(flags&1), Name: name, Routing: on(1), Multicast: on(2), ObjectReplication: on(3), Posting: on(4), ServerChannel: on(5),
			PeerToPeerDisabled: on(6), MemberUpdates: on(7),
		}
		if on(8) {
			want.Unique = bytes.Repeat([]byte{byte(flags)}, UniqueLen)
		}
		if on(9) {
			want.BootstrapPeers = [][32]byte{counting(), {}}
		}
		if a, err := parseAddressOption(address); err == nil {
			want.Addresses = []Address{a, a}
		}
		want.SetPublishPassword(publish, salt)
		want.SetPostPassword(post, salt2)
		s, err := New(want)
		if err != nil {
			if name != "" && !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		if got := s.Settings(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v becomes %+v", want, got)
		}
	})
}

func ExampleNew() {
	settings := Settings{Name: "test", Multicast: true, Posting: true, ServerChannel: true, MemberUpdates: true}
	spec, err := New(settings)
	if err != nil {
		fmt.Println(err)
		return
	}
	id := spec.ID()
	fmt.Println(spec)
	fmt.Printf("%x\n", id[:4])
	// Output:
	// G:027f0201010103010c050e74657374011b00
	// 763f90e4
}
