package ipm

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// count is an entropy source that counts up.
type count byte

func (c *count) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(*c)
		*c++
	}
	return len(b), nil
}

// identity is the part of the groupspec G:027f02…1b00 that the keys hang on.
const identity = "G:027f0201010103010c050e74657374011b"

func peer(first byte) (p [32]byte) {
	for i := range p {
		p[i] = first + byte(i)
	}
	return p
}

func address(s string, o wire.Origin) wire.Address {
	return wire.Address{AddrPort: netip.MustParseAddrPort(s), Origin: o}
}

func TestKeys(t *testing.T) {
	enc, mac := derive(identity, "ours:ipmc-enc:v1"), derive(identity, "ours:ipmc-mac:v1")
	if got := hex.EncodeToString(enc[:16]); got != "bc7b331203d36396cadfda6f0c85b77f" {
		t.Errorf("encryption key %s", got)
	}
	if got := hex.EncodeToString(mac[:]); got != "b279381a786fe4f92c8826a70042b8dcec1b725df8768154c7bf4f4f8f8c3e2f" {
		t.Errorf("authentication key %s", got)
	}
	if got := TagOf(peer(0)); got != 0xb899a498 {
		t.Errorf("tag %08x", got)
	}
	// A block of plain text that has neither sender nor number, as the
	// encryption alone sees it.
	b := unhex(t, "00000000000000000000000000000000 101112131415161718191a1b1c1d1e1f"+
		"01 02002e 2300210f000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 080a01c000020ac350 00 ffffffffffffffffffffffffffff")
	want := unhex(t, "3ed419ae0ee61e9d6d22a529fbab98b3 101112131415161718191a1b1c1d1e1f"+
		"c3a16830219eb2e57dea8a4e85ae683b7728e211390c72f506b2cf7dda7e1bb75b45629ef607c2c665216432486e1446c81c1b2e6dc657be76ee5c8cba6c2669")
	plain := bytes.Clone(b[Overhead:])
	keys := KeysOf(identity)
	keys.sealDatagram(b)
	if !bytes.Equal(b, want) {
		t.Errorf("sealed: %x", b)
	}
	if got, ok := keys.openDatagram(b); !ok || !bytes.Equal(got, plain) {
		t.Errorf("opened: %v, %x", ok, got)
	}
}

// ends returns a sender and a receiver of one group.
func ends(size int) (*Sender, *Receiver) {
	entropy := count(0x10)
	s := NewSender(SenderConfig{Keys: KeysOf(identity), Self: TagOf(peer(0)), FirstSequence: 300, Entropy: &entropy, DatagramSize: size})
	return s, NewReceiver(KeysOf(identity), TagOf(peer(1)))
}

// poll returns all datagrams that wait.
func poll(s *Sender) (datagrams [][]byte, locals []bool) {
	buffer := make([]byte, MaxDatagram)
	for {
		n, local, ok := s.PollTransmit(buffer)
		if !ok {
			return datagrams, locals
		}
		datagrams, locals = append(datagrams, bytes.Clone(buffer[:n])), append(locals, local)
	}
}

// The whole of a datagram as it is on the wire.
func TestDatagramVector(t *testing.T) {
	s, r := ends(DefaultDatagramSize)
	s.AddMember(TypeMemberInfo, Member{peer(0), []wire.Address{address("192.0.2.10:50000", wire.OriginLocal)}})
	s.AddStreamInfo(StreamInfo{Announcement: unhex(t, "050074657374"), Relayed: true})
	s.AddFragment(KeyPrefix{1, 2, 3, 4, 5, 6, 7, 8}, unhex(t, "2007 08 000003e8 af01aabb"))
	datagrams, locals := poll(s)
	if len(datagrams) != 2 || !locals[0] || locals[1] {
		t.Fatalf("%d datagrams, %v: members' chunks go by themselves, for the LAN alone", len(datagrams), locals)
	}
	plain := []string{
		"01 b899a498 822c 02002e 2300210f000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 080a01c000020ac350 00 ffffffffffffffff",
		"01 b899a498 822d 100008 050074657374 0108 110013 0102030405060708 2007 08 000003e8 af01aabb ffffffffffffffff",
	}
	want := []string{
		"0a9718bbbc361a92da5d067a7940c9f4 101112131415161718191a1b1c1d1e1f" +
			"94519e0c4fac104ec7c6bba01bbedeffd268535fb3a61a19e880f490f4976884fb0c22b4127d0895cba0828cd1f90d3080b76c5f913aa63066e6aa4fd6ac236c",
		"4a14b234fd864c1f83ca23e43373e303 202122232425262728292a2b2c2d2e2f" +
			"992fd56571faf40c9c128c6b5d34be3c49805b5321d414bbe1332f08f3c11f133c206c445a579f113b15db91688efd00",
	}
	for i, d := range datagrams {
		k := KeysOf(identity)
		got, ok := k.openDatagram(bytes.Clone(d))
		if w := unhex(t, plain[i]); !ok || !bytes.Equal(got, w) {
			t.Errorf("datagram %d: %v, plain %x, want %x", i, ok, got, w)
		}
		if w := unhex(t, want[i]); !bytes.Equal(d, w) {
			t.Errorf("datagram %d is %x, want %x", i, d, w)
		}
	}
	p, err := r.Open(5, datagrams[0])
	if err != nil || p.Sender != TagOf(peer(0)) || p.Sequence != 300 {
		t.Fatalf("%+v, %v", p, err)
	}
	c, ok := p.Next()
	m, err := ParseMember(c.Body)
	if !ok || c.Type != TypeMemberInfo || err != nil || m.Peer != peer(0) || len(m.Addresses) != 1 || m.Addresses[0] != address("192.0.2.10:50000", wire.OriginLocal) {
		t.Errorf("%v, %+v, %+v, %v", ok, c, m, err)
	}
	if _, ok := p.Next(); ok {
		t.Error("a second chunk")
	}
	if p, err = r.Open(6, datagrams[1]); err != nil {
		t.Fatal(err)
	}
	c, _ = p.Next()
	info, err := ParseStreamInfo(c.Body)
	if c.Type != TypeStreamInfo || err != nil || !info.Relayed || string(info.Announcement) != "\x05\x00test" {
		t.Errorf("%+v, %+v, %v", c, info, err)
	}
	c, _ = p.Next()
	stream, fragment, err := ParseFragment(c.Body)
	if c.Type != TypeFragment || err != nil || stream != (KeyPrefix{1, 2, 3, 4, 5, 6, 7, 8}) || !bytes.Equal(fragment, unhex(t, "200708000003e8af01aabb")) {
		t.Errorf("%+v, %x, %v", c, fragment, err)
	}
	if _, ok := p.Next(); ok {
		t.Error("a third chunk")
	}
	if got := r.Stats(); got.Datagrams != 2 || got.Fragments != 1 || got.Lost+got.Malformed+got.Foreign != 0 {
		t.Errorf("%+v", got)
	}
}

func TestSenderPacks(t *testing.T) {
	s, r := ends(1000)
	var stream KeyPrefix
	for range 5 {
		s.AddFragment(stream, make([]byte, 300))
	}
	s.AddFragment(stream, make([]byte, 5000)) // larger than a datagram is to be
	s.AddFragment(stream, make([]byte, maxFragmentLen))
	s.AddFragment(stream, make([]byte, 10))
	if s.AddFragment(stream, make([]byte, maxFragmentLen+1)) || s.AddStreamInfo(StreamInfo{Announcement: make([]byte, 2000)}) || s.Stats().Refused != 2 {
		t.Error("chunks that are too large are taken")
	}
	datagrams, _ := poll(s)
	var got []string
	for _, d := range datagrams {
		p, err := r.Open(0, bytes.Clone(d))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ok := p.Next(); ok; _, ok = p.Next() {
			n++
		}
		got = append(got, fmt.Sprintf("%d:%d", n, len(d)))
	}
	if have := strings.Join(got, " "); have != "3:976 2:672 1:5056 1:16464 1:64" {
		t.Errorf("chunks and sizes: %s", have)
	}
	if st := s.Stats(); st.Fragments != 8 || st.Datagrams != 5 || s.queued != 0 {
		t.Errorf("%+v, %d bytes queued", st, s.queued)
	}
	// What waits is bounded.
	for s.AddFragment(stream, make([]byte, 16_000)) {
		if s.queued > maxQueued {
			t.Fatal("the queue has no end")
		}
	}
	if _, _, ok := NewSender(s.c).PollTransmit(make([]byte, MaxDatagram)); ok {
		t.Error("an empty sender has something")
	}
	for _, size := range []int{255, MaxDatagram + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a datagram size of %d is taken", size)
				}
			}()
			NewSender(SenderConfig{DatagramSize: size})
		}()
	}
}

// A sender that is never empty keeps the order and does not grow.
func TestSenderNeverEmpty(t *testing.T) {
	s, r := ends(256)
	buffer := make([]byte, MaxDatagram)
	next := byte(0)
	for i := range 1000 {
		s.AddFragment(KeyPrefix{}, append(make([]byte, 150), byte(i)))
		if i < 5 {
			continue
		}
		n, _, ok := s.PollTransmit(buffer)
		if !ok {
			t.Fatal("nothing waits")
		}
		p, err := r.Open(0, buffer[:n])
		if err != nil {
			t.Fatal(err)
		}
		c, _ := p.Next()
		if got := c.Body[len(c.Body)-1]; got != next {
			t.Fatalf("fragment %d came instead of %d", got, next)
		}
		next++
	}
	if cap(s.queue) > 32 || len(s.queue)-s.head != 5 {
		t.Errorf("%d wait, with room for %d", len(s.queue)-s.head, cap(s.queue))
	}
}

// Only what a member of the group made, and not this one, is taken, once.
func TestReceiverRefuses(t *testing.T) {
	s, r := ends(DefaultDatagramSize)
	other := NewReceiver(KeysOf(identity+"x"), 0)
	own := NewReceiver(KeysOf(identity), TagOf(peer(0)))
	s.AddFragment(KeyPrefix{}, []byte{1})
	datagrams, _ := poll(s)
	d := datagrams[0]
	for i := range d {
		bad := bytes.Clone(d)
		bad[i] ^= 0x40
		copied := bytes.Clone(bad)
		if _, err := r.Open(0, bad); !errors.Is(err, ErrForeign) || !bytes.Equal(bad, copied) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for i := range d {
		if _, err := r.Open(0, bytes.Clone(d[:i])); !errors.Is(err, ErrForeign) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	if _, err := other.Open(0, bytes.Clone(d)); !errors.Is(err, ErrForeign) {
		t.Errorf("another group: %v", err)
	}
	if _, err := own.Open(0, bytes.Clone(d)); !errors.Is(err, ErrOwn) {
		t.Errorf("own: %v", err)
	}
	if _, err := r.Open(0, bytes.Clone(d)); err != nil {
		t.Error(err)
	}
	if _, err := r.Open(0, bytes.Clone(d)); !errors.Is(err, ErrRepeated) {
		t.Errorf("again: %v", err)
	}
	for _, plain := range []string{
		"02 b899a498 01 ffffffffffffffffffff", "01 b899a498 ff ff ff ff ff ff ff ff ff ff ff", "01 b899a498 80 80 80 80 80 80 80 80 80 80 80",
	} {
		b := append(make([]byte, Overhead), unhex(t, plain)...)
		KeysOf(identity).sealDatagram(b)
		if _, err := r.Open(0, b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", plain, err)
		}
	}
	// A chunk that is cut off ends the datagram; those before it count.
	b := append(make([]byte, Overhead), unhex(t, "01 b899a498 85 00 05 0001 aa 10 0005 bbcc")...)
	b = b[:48]
	KeysOf(identity).sealDatagram(b)
	p, err := r.Open(0, b)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := p.Next(); !ok || c.Type != 5 || len(c.Body) != 1 {
		t.Errorf("%+v, %v", c, ok)
	}
	if c, ok := p.Next(); ok {
		t.Errorf("a chunk that is cut off: %+v", c)
	}
	if got := r.Stats(); got.Malformed != 4 || got.Repeated != 1 || got.Foreign != 2*uint64(len(d)) {
		t.Errorf("%+v", got)
	}
}

func TestMemberForms(t *testing.T) {
	p := peer(0)
	epd := "2300210f" + hex.EncodeToString(p[:])
	for _, c := range []struct {
		name, bytes string
		addresses   int // -1: malformed
	}{
		{"no addresses", epd + "00", 0},
		{"no marker", epd, 0},
		{"an empty address option", epd + "010a 00", 0},
		{"after the marker", epd + "00 ffffff", 0},
		{"unknown options, another order", "0333aabb 080a01c000020ac350" + epd + "00", 1},
		{"two address options", epd + "080a01c000020ac350 080a01c000020bc350 00", 2},
		{"IPv6", epd + "140a 81fd000000000000000000000000000002d641 00", 1},
		{"no peer", "080a01c000020ac350 00", -1},
		{"a short peer", "0300210f 00", -1},
		{"another kind of discriminator", "2300210e" + hex.EncodeToString(p[:]) + "00", -1},
		{"an address that is cut off", epd + "070a01c000020ac3 00", -1},
		{"an option that is cut off", epd + "090a01", -1},
		{"empty", "", -1},
	} {
		m, err := ParseMember(unhex(t, c.bytes))
		if c.addresses < 0 && err == nil || c.addresses >= 0 && (err != nil || m.Peer != p || len(m.Addresses) != c.addresses) {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
	}
	many := Member{Peer: p}
	for range 40 {
		many.Addresses = append(many.Addresses, address("[fd00::2]:54849", wire.OriginLocal))
	}
	if m, err := ParseMember(AppendMember(nil, many)); err != nil || len(m.Addresses) != maxAddresses {
		t.Errorf("%d addresses, %v", len(m.Addresses), err)
	}
}

// Loss is counted by the numbers, whatever the order; a sender that restarts
// has lost nothing.
func TestLossAccounting(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var s sender
		s.first = uint64(1000 + rng.IntN(1000))
		s.highest = s.first
		order := make([]uint64, 3000)
		for i := range order {
			order[i] = s.first + uint64(i)
		}
		late := map[uint64]uint64{} // disorder of up to 200
		for _, n := range order {
			late[n] = n + uint64(rng.IntN(200))
		}
		slices.SortStableFunc(order, func(a, b uint64) int { return cmp.Compare(late[a], late[b]) })
		s.first, s.highest = order[0], order[0]
		came := map[uint64]bool{}
		lost := uint64(0)
		for _, n := range order {
			if rng.IntN(20) == 0 {
				continue
			}
			fresh := s.take(n)
			if fresh == came[n] {
				t.Fatalf("seed %d: %d is new: %v", seed, n, fresh)
			}
			came[n] = true
			if rng.IntN(10) == 0 && s.take(n) {
				t.Fatalf("seed %d: %d is new again", seed, n)
			}
		}
		for n := s.first; n <= s.highest; n++ {
			if !came[n] {
				lost++
			}
		}
		if s.lost() != lost || s.received != uint64(len(came)) {
			t.Fatalf("seed %d: %d lost of %d, want %d of %d", seed, s.lost(), s.received, lost, len(came))
		}
		if s.take(s.highest - replayWindow) {
			t.Fatalf("seed %d: what is too old to tell is new", seed)
		}
		if !s.take(s.highest+restartGap+1) || s.lost() != lost || s.received != uint64(len(came))+1 {
			t.Fatalf("seed %d: after a restart %d are lost", seed, s.lost())
		}
	}
}

// The window is exactly as long as it says, at every place of the ring.
func TestReplayWindow(t *testing.T) {
	for high := uint64(5000); high < 5000+3*64; high++ {
		for _, back := range []uint64{1, 63, 64, 960, replayWindow - 1} {
			s := sender{first: high, highest: high}
			s.take(high)
			if !s.take(high-back) || s.take(high-back) {
				t.Fatalf("%d behind %d", back, high)
			}
		}
		s := sender{first: high, highest: high}
		s.take(high)
		if s.take(high - replayWindow) {
			t.Fatalf("%d behind %d is taken", replayWindow, high)
		}
	}
}

// The senders that are followed are bounded; what the forgotten ones lost stays
// counted.
func TestSendersAreBounded(t *testing.T) {
	r := NewReceiver(KeysOf(identity), 0)
	entropy := count(0)
	for tag := range Tag(maxSenders + 50) {
		s := NewSender(SenderConfig{Keys: KeysOf(identity), Self: tag + 1, FirstSequence: 1, Entropy: &entropy, DatagramSize: 256})
		for range 3 {
			s.AddFragment(KeyPrefix{}, make([]byte, 200))
		}
		datagrams, _ := poll(s)
		for _, i := range []int{0, 2} { // one is lost
			if _, err := r.Open(reliability.Time(tag), datagrams[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	infos := r.Senders(nil)
	if len(infos) != maxSenders || len(r.byTag) != maxSenders || r.Stats().Lost != maxSenders+50 {
		t.Errorf("%d senders, %+v", len(infos), r.Stats())
	}
	if slices.ContainsFunc(infos, func(i SenderInfo) bool { return i.Tag <= 50 || i.Lost != 1 || i.Received != 2 }) {
		t.Errorf("%+v", infos)
	}
}

func FuzzParseMember(f *testing.F) {
	f.Add(AppendMember(nil, Member{peer(0), []wire.Address{address("192.0.2.10:50000", wire.OriginLocal), address("[fd00::2]:54849", wire.OriginObserved)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMember(b)
		if err != nil {
			return
		}
		again, err := ParseMember(AppendMember(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}

func FuzzParseStreamInfo(f *testing.F) {
	f.Add([]byte("\x05\x00test\x01\x08"))
	f.Add([]byte("\x05\x00test\x00\x01\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStreamInfo(b)
		if err != nil {
			return
		}
		again, err := ParseStreamInfo(AppendStreamInfo(nil, s))
		if err != nil || again.Relayed != s.Relayed || !bytes.Equal(again.Announcement, s.Announcement) {
			t.Fatalf("%+v comes back as %+v, %v", s, again, err)
		}
	})
}

// Whatever a member of the group makes up, and whatever anybody else does, the
// receiver gets along with it.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("\x01\xb8\x99\xa4\x98\x82\x2c\x11\x00\x09\x01\x02\x03\x04\x05\x06\x07\x08\x20"), true)
	f.Add([]byte("\x01\xb8\x99\xa4\x98\x05\x10\x00\x02\x01\x08\x02\x00\x00"), true)
	f.Add(make([]byte, 64), false)
	f.Fuzz(func(t *testing.T, b []byte, member bool) {
		r := NewReceiver(KeysOf(identity), 7)
		if member {
			b = append(make([]byte, Overhead), b...)
			for len(b)%16 != 0 || len(b) == Overhead {
				b = append(b, typeEnd)
			}
			KeysOf(identity).sealDatagram(b)
		}
		p, err := r.Open(1, b)
		if err != nil {
			if !member && !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		for c, ok := p.Next(); ok; c, ok = p.Next() {
			size += chunkHead + len(c.Body)
			_, _ = ParseMember(c.Body)
			_, _ = ParseStreamInfo(c.Body)
			_, _, _ = ParseFragment(c.Body)
		}
		if size > len(b) {
			t.Fatalf("%d bytes of chunks in %d", size, len(b))
		}
	})
}

func TestNoAllocations(t *testing.T) {
	s, r := ends(DefaultDatagramSize)
	fragment, buffer := make([]byte, 970), make([]byte, MaxDatagram)
	pass := func() {
		s.AddFragment(KeyPrefix{}, fragment)
		n, _, _ := s.PollTransmit(buffer)
		p, err := r.Open(0, buffer[:n])
		if err != nil {
			t.Fatal(err)
		}
		for _, ok := p.Next(); ok; _, ok = p.Next() {
		}
	}
	for range 100 {
		pass()
	}
	if n := testing.AllocsPerRun(200, pass); n != 0 {
		t.Errorf("%v allocations for a fragment sent and received", n)
	}
}

func BenchmarkSend(b *testing.B) {
	s, _ := ends(DefaultDatagramSize)
	fragment, buffer := make([]byte, 970), make([]byte, MaxDatagram)
	b.ReportAllocs()
	b.SetBytes(int64(len(fragment)))
	for b.Loop() {
		s.AddFragment(KeyPrefix{}, fragment)
		s.PollTransmit(buffer)
	}
}

func BenchmarkReceive(b *testing.B) {
	s, r := ends(DefaultDatagramSize)
	s.AddFragment(KeyPrefix{}, make([]byte, 970))
	datagrams, _ := poll(s)
	buffer := make([]byte, MaxDatagram)
	b.ReportAllocs()
	b.SetBytes(970)
	for b.Loop() {
		r.senders = r.senders[:0] // so that the same datagram is new
		clear(r.byTag)
		p, err := r.Open(0, append(buffer[:0], datagrams[0]...))
		if err != nil {
			b.Fatal(err)
		}
		p.Next()
	}
}
