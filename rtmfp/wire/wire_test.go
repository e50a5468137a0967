package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// count returns n bytes that count up from a.
func count(a byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = a + byte(i)
	}
	return b
}

func address(s string, o Origin) Address { return Address{netip.MustParseAddrPort(s), o} }

func payload(t *testing.T, chunk []byte) []byte {
	t.Helper()
	c, n, ok := ParseChunk(chunk)
	if !ok || n != len(chunk) {
		t.Fatalf("%x is no chunk", chunk)
	}
	return c.Payload
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		a    Address
		want string
	}{
		{address("192.0.2.1:1935", OriginUnknown), "00c0000201078f"},
		{address("192.0.2.1:1935", OriginObserved), "02c0000201078f"},
		{address("[2001:db8::1]:50000", OriginLocal), "8120010db8000000000000000000000001c350"},
	} {
		want := unhex(t, c.want)
		if got := AppendAddress(nil, c.a); !bytes.Equal(got, want) {
			t.Errorf("%v becomes %x, want %x", c.a, got, want)
		}
		if a, n, err := ParseAddress(append(want, 9)); a != c.a || n != len(want) || err != nil {
			t.Errorf("%x parses as %v, %d, %v", want, a, n, err)
		}
		for i := range want {
			if _, _, err := ParseAddress(want[:i]); err == nil {
				t.Errorf("%x parses", want[:i])
			}
		}
	}
	// Reserved bits do not matter.
	if a, _, err := ParseAddress(unhex(t, "7ec0000201078f")); err != nil || a.Origin != OriginObserved {
		t.Errorf("with reserved bits: %v, %v", a, err)
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want string
	}{
		{Header{Mode: ModeInitiator}, "01"},
		{Header{Mode: ModeStartup, HasTimestamp: true, Timestamp: 0x1234}, "0b1234"},
		{Header{Mode: ModeResponder, HasEcho: true, Echo: 0x5678, TimeCritical: true}, "865678"},
		{Header{Mode: ModeInitiator, HasTimestamp: true, Timestamp: 0x1235, HasEcho: true, Echo: 0x5678, TimeCriticalReverse: true}, "4d12355678"},
	} {
		want := unhex(t, c.want)
		if got := AppendHeader(nil, c.h); !bytes.Equal(got, want) {
			t.Errorf("%+v becomes %x, want %x", c.h, got, want)
		}
		if h, n, err := ParseHeader(append(want, 9)); h != c.h || n != len(want) || err != nil {
			t.Errorf("%x parses as %+v, %d, %v", want, h, n, err)
		}
		for i := range want {
			if _, _, err := ParseHeader(want[:i]); err == nil {
				t.Errorf("%x parses", want[:i])
			}
		}
	}
	if _, _, err := ParseHeader([]byte{0xfc}); err == nil {
		t.Error("mode 0 parses")
	}
}

func TestPaddingIsNoChunk(t *testing.T) {
	for _, b := range []string{"", "ff", "ffff", "ffffffff", "123401000250"} {
		if _, _, ok := ParseChunk(unhex(t, b)); ok {
			t.Errorf("%s is taken for a chunk", b)
		}
	}
	// A padding chunk is a chunk: others may follow it.
	if c, n, ok := ParseChunk(unhex(t, "0000020000 0100025069")); !ok || c.Type != TypePadding || n != 5 {
		t.Errorf("padding chunk: %v, %d, %v", c, n, ok)
	}
}

func TestScramble(t *testing.T) {
	if got := Scramble(0x01020304, unhex(t, "aabbccddee")); got != 0x45b9cfd9 {
		t.Errorf("got %08x", got)
	}
	if got := Scramble(0x55667788, unhex(t, "74a6b19cb0b9301864b16029b27caff7")); got != 0x9179f60c {
		t.Errorf("got %08x", got)
	}
}

func TestStartupChunks(t *testing.T) {
	tag := count(0, 16)
	x := sha256.Sum256([]byte("x"))
	fihello := FIHello{EPD: append([]byte{0x21, 0x0f}, x[:]...), Reply: address("192.0.2.1:3000", OriginObserved), Tag: tag}
	redirect := Redirect{TagEcho: tag, Destinations: []Address{
		address("192.0.2.1:3000", OriginObserved), address("[2001:db8::1]:50000", OriginLocal),
	}}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"FIHello", AppendFIHello(nil, fihello), "0f003a 22 210f 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 02c00002010bb8 000102030405060708090a0b0c0d0e0f"},
		{"Redirect", AppendRedirect(nil, redirect), "71002b 10 000102030405060708090a0b0c0d0e0f 02c00002010bb8 8120010db8000000000000000000000001c350"},
		{"implied Redirect", AppendRedirect(nil, Redirect{TagEcho: tag}), "710011 10 000102030405060708090a0b0c0d0e0f"},
		{
			"IHello", AppendIHello(nil, IHello{EPD: unhex(t, "190a72746d66703a2f2f6578616d706c652e636f6d2f6c697665"), Tag: count(0x10, 16)}),
			"30002b1a190a72746d66703a2f2f6578616d706c652e636f6d2f6c697665101112131415161718191a1b1c1d1e1f",
		},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s is %x, want %s", c.name, c.got, c.want)
		}
	}
	if got, err := ParseFIHello(payload(t, AppendFIHello(nil, fihello))); err != nil || !reflect.DeepEqual(got, fihello) {
		t.Errorf("FIHello comes back as %+v, %v", got, err)
	}
	if got, err := ParseRedirect(payload(t, AppendRedirect(nil, redirect))); err != nil || !reflect.DeepEqual(got, redirect) {
		t.Errorf("Redirect comes back as %+v, %v", got, err)
	}
	change := CookieChange{Old: count(1, 65), New: count(2, 64)}
	if got, err := ParseCookieChange(payload(t, AppendCookieChange(nil, change))); err != nil || !reflect.DeepEqual(got, change) {
		t.Errorf("CookieChange comes back as %+v, %v", got, err)
	}
	hello := RHello{TagEcho: tag, Cookie: count(3, 64), Certificate: count(4, 77)}
	if got, err := ParseRHello(payload(t, AppendRHello(nil, hello))); err != nil || !reflect.DeepEqual(got, hello) {
		t.Errorf("RHello comes back as %+v, %v", got, err)
	}
}

// The signature covers what is before it, whoever makes and checks it.
func TestKeyingChunks(t *testing.T) {
	var signed []byte
	sign := func(b, parameters []byte) []byte {
		signed = bytes.Clone(parameters)
		return append(b, 'X')
	}
	ii := IIKeying{SessionID: 0x11223344, CookieEcho: count(0x40, 64), Certificate: count(1, 132), Component: count(2, 76)}
	got, err := ParseIIKeying(payload(t, AppendIIKeying(nil, ii, sign)))
	ii.Signature, ii.Signed = []byte{'X'}, signed
	if err != nil || !reflect.DeepEqual(got, ii) {
		t.Errorf("IIKeying comes back as %+v, %v", got, err)
	}
	ri := RIKeying{SessionID: 0x55667788, Component: count(5, 139)}
	gotR, err := ParseRIKeying(payload(t, AppendRIKeying(nil, ri, sign)))
	ri.Signature, ri.Signed = []byte{'X'}, signed
	if err != nil || !reflect.DeepEqual(gotR, ri) {
		t.Errorf("RIKeying comes back as %+v, %v", gotR, err)
	}
}

func TestPacketFragments(t *testing.T) {
	plain := unhex(t, "0b123430002b1a190a72746d66703a2f2f6578616d706c652e636f6d2f6c697665101112131415161718191a1b1c1d1e1f")
	first := PacketFragment{More: true, PacketID: 9, Data: plain[:30]}
	second := PacketFragment{PacketID: 9, Number: 1, Data: plain[30:]}
	if got := AppendPacketFragment(nil, first); !bytes.Equal(got, append(unhex(t, "7f0021800900"), plain[:30]...)) {
		t.Errorf("first fragment is %x", got)
	}
	got, err := ParsePacketFragment(payload(t, AppendPacketFragment(nil, second)))
	if err != nil || !reflect.DeepEqual(got, second) {
		t.Errorf("second fragment comes back as %+v, %v", got, err)
	}
	if _, err := ParsePacketFragment(unhex(t, "800900")); err == nil {
		t.Error("an empty fragment parses")
	}
}

func TestUserData(t *testing.T) {
	options := AppendFlowOptions(nil, FlowOptions{Metadata: []byte{'T', 'C', 4, 5}, ReturnFlow: 3, HasReturnFlow: true})
	for _, c := range []struct {
		u    UserData
		want string
	}{
		{UserData{FlowID: 2, SequenceNumber: 1, Options: options, Data: []byte("hi")}, "10001080020101050054430405020a03006869"},
		{UserData{Fragmentation: Begin, FlowID: 2, SequenceNumber: 5, ForwardSequenceNumber: 2, Data: []byte("AAAA")}, "1000081002050341414141"},
		{UserData{FlowID: 3, SequenceNumber: 60, ForwardSequenceNumber: 60, Abandoned: true}, "10000402033c00"},
		{UserData{FlowID: 2, SequenceNumber: 7, ForwardSequenceNumber: 6, Abandoned: true, Final: true}, "10000403020701"},
	} {
		got := AppendUserData(nil, &c.u)
		if !bytes.Equal(got, unhex(t, c.want)) || len(got) != c.u.Len() {
			t.Errorf("%+v is %x with Len %d, want %s", c.u, got, c.u.Len(), c.want)
		}
		back, err := ParseUserData(payload(t, got))
		if back.Data != nil && len(back.Data) == 0 {
			back.Data = nil
		}
		if err != nil || !reflect.DeepEqual(back, c.u) {
			t.Errorf("%s comes back as %+v, %v", c.want, back, err)
		}
	}
	first := UserData{Fragmentation: Begin, FlowID: 2, SequenceNumber: 5, ForwardSequenceNumber: 2, Data: []byte("AAAA")}
	for i, c := range []struct {
		f    Fragmentation
		data string
		want string
	}{{Middle, "BB", "110003304242"}, {End, "C", "1100022043"}} {
		u := UserData{Fragmentation: c.f, FlowID: 2, SequenceNumber: SequenceNumber(6 + i), ForwardSequenceNumber: 2, Data: []byte(c.data)}
		got := AppendNextUserData(nil, &u)
		if !bytes.Equal(got, unhex(t, c.want)) || len(got) != u.NextLen() {
			t.Errorf("%+v is %x, want %s", u, got, c.want)
		}
		back, err := ParseNextUserData(payload(t, got), &first)
		if err != nil || !reflect.DeepEqual(back, u) {
			t.Errorf("%s comes back as %+v, %v", c.want, back, err)
		}
		first = back
	}
	for _, bad := range []string{"", "00020001", "00020106", "00020100", "0002", "80020101 0301"} {
		if _, err := ParseUserData(unhex(t, bad)); err == nil {
			t.Errorf("%q parses", bad)
		}
	}
	if c, err := ParseUserData(unhex(t, "02 03 3c 00 68 69")); err != nil || len(c.Data) != 0 {
		t.Errorf("data of an abandoned fragment is kept: %+v, %v", c, err)
	}
}

func TestFlowOptions(t *testing.T) {
	for _, c := range []struct {
		options string
		want    FlowOptions
	}{
		{"050054430400 00", FlowOptions{Metadata: []byte{'T', 'C', 4, 0}}},
		{"0100 020a05 00", FlowOptions{Metadata: []byte{}, ReturnFlow: 5, HasReturnFlow: true}},
		{"03c00061 00", FlowOptions{}},
		{"03bf7f61 00", FlowOptions{Unsupported: true}},
		{"00", FlowOptions{}},
	} {
		if got, err := ParseFlowOptions(unhex(t, c.options)); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s parses as %+v, %v; want %+v", c.options, got, err, c.want)
		}
	}
	if _, err := ParseFlowOptions(unhex(t, "020a80")); err == nil {
		t.Error("a truncated flow ID parses")
	}
}

func ranges(a *Ack) (all []Range) {
	var r RangeReader
	for {
		next, ok := r.Next(a)
		if !ok {
			return all
		}
		all = append(all, next)
	}
}

func TestAcks(t *testing.T) {
	for _, c := range []struct {
		ack            Ack
		ranges         []Range
		inRanges, bits string
	}{
		{Ack{FlowID: 5, Blocks: 2048 - 112, Cumulative: 16}, []Range{{18, 18}, {21, 24}, {27, 28}}, "51000a 05 8f10 10 0000 0103 0101", "500006 05 8f10 10 79 06"},
		{Ack{FlowID: 5, Blocks: 127, Cumulative: 16}, []Range{{18, 18}, {21, 24}, {27, 28}}, "510009 05 7f 10 0000 0103 0101", "500005 05 7f 10 79 06"},
		{Ack{FlowID: 5, Blocks: 127, Cumulative: 16}, []Range{{18, 18}, {21, 24}}, "510007 05 7f 10 0000 0103", "500004 05 7f 10 79"},
		{Ack{FlowID: 2, Blocks: 64}, []Range{{2, 2}}, "510005 02 40 00 0000", "500004 02 40 00 01"},
		{Ack{FlowID: 2, Blocks: 64, Cumulative: 9}, []Range{{11, 18}, {20, 20}}, "510007 02 40 09 0007 0000", "500005 02 40 09 ff02"},
		{Ack{FlowID: 300, Blocks: 16383, Cumulative: 70000}, []Range{{70150, 70500}}, "51000b 822c ff7f 84a270 8114 825e", ""},
		{Ack{FlowID: 2, Blocks: 64, Cumulative: 10}, nil, "510003 02 40 0a", "500003 02 40 0a"},
	} {
		got, n := AppendAckRanges(nil, c.ack, c.ranges, 1000)
		if want := unhex(t, c.inRanges); !bytes.Equal(got, want) || n != len(c.ranges) {
			t.Errorf("ranges are %x (%d), want %x", got, n, want)
		}
		forms := [][]byte{got}
		if c.bits != "" {
			forms = append(forms, AppendAckBitmap(nil, c.ack, c.ranges))
			if want := unhex(t, c.bits); !bytes.Equal(forms[1], want) {
				t.Errorf("bit map is %x, want %x", forms[1], want)
			}
		}
		for _, form := range forms {
			back, err := ParseAck(form[0], payload(t, form))
			if err != nil || back.FlowID != c.ack.FlowID || back.Blocks != c.ack.Blocks || back.Cumulative != c.ack.Cumulative {
				t.Errorf("%x comes back as %+v, %v", form, back, err)
			}
			if all := ranges(&back); !reflect.DeepEqual(all, c.ranges) {
				t.Errorf("%x has ranges %v, want %v", form, all, c.ranges)
			}
		}
	}
}

func TestAckLimits(t *testing.T) {
	a := Ack{FlowID: 5, Blocks: 127, Cumulative: 16}
	all := []Range{{18, 18}, {21, 24}, {27, 28}}
	for limit := range 14 {
		got, n := AppendAckRanges([]byte("x"), a, all, limit)
		want := min((limit-6)/2, 3)
		if limit < 6 {
			want = -1
		}
		if n != want || len(got)-1 > limit {
			t.Errorf("in %d bytes there are %d ranges in %d bytes, want %d", limit, n, len(got)-1, want)
		}
	}
	// A range that is cut off does not count, what precedes it does.
	cut, err := ParseAck(TypeAckRanges, unhex(t, "057f1000000183"))
	if err != nil || !reflect.DeepEqual(ranges(&cut), all[:1]) {
		t.Errorf("cut off: %v, %v", ranges(&cut), err)
	}
	// Neither does one beyond 64 bits.
	for _, far := range []string{"05 7f 10 81ffffffffffffffff7f 00", "05 7f 10 00 81ffffffffffffffff7f"} {
		a, err := ParseAck(TypeAckRanges, unhex(t, far))
		if err != nil || len(ranges(&a)) != 0 {
			t.Errorf("%s has ranges %v, %v", far, ranges(&a), err)
		}
	}
}

func TestSmallChunks(t *testing.T) {
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{AppendChunk(nil, TypePing, []byte("Pi")), "0100025069"},
		{AppendChunk(nil, TypePingReply, []byte("Pi")), "4100025069"},
		{AppendChunk(nil, TypeCloseRequest, nil), "0c0000"},
		{AppendChunk(nil, TypeCloseAck, nil), "4c0000"},
		{AppendBufferProbe(nil, 300), "180002822c"},
		{AppendFlowException(nil, FlowException{FlowID: 300}), "5e0003822c00"},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("got %x, want %s", c.got, c.want)
		}
	}
	if id, err := ParseBufferProbe(unhex(t, "822c")); id != 300 || err != nil {
		t.Errorf("probe of flow %d, %v", id, err)
	}
	if c, err := ParseFlowException(unhex(t, "822c07")); c != (FlowException{300, 7}) || err != nil {
		t.Errorf("exception %+v, %v", c, err)
	}
}

// FuzzPacket feeds every parser with whatever a packet holds: none reads past
// its chunk, and user data and acks come back as they were.
func FuzzPacket(f *testing.F) {
	options := AppendFlowOptions(nil, FlowOptions{Metadata: []byte("TC"), ReturnFlow: 3, HasReturnFlow: true})
	b := AppendHeader(nil, Header{Mode: ModeInitiator, HasTimestamp: true})
	u := UserData{FlowID: 2, SequenceNumber: 1, Options: options, Data: []byte("hi")}
	b = AppendNextUserData(AppendUserData(b, &u), &u)
	b, _ = AppendAckRanges(b, Ack{FlowID: 2, Blocks: 64, Cumulative: 9}, []Range{{11, 18}, {20, 20}}, 1000)
	b = AppendAckBitmap(b, Ack{FlowID: 2, Blocks: 64, Cumulative: 9}, []Range{{11, 18}, {20, 20}})
	b = AppendFlowException(AppendBufferProbe(b, 2), FlowException{2, 1})
	f.Add(b)
	s := AppendIHello([]byte{3}, IHello{EPD: []byte{1, 10}, Tag: []byte("tag")})
	s = AppendFIHello(s, FIHello{Reply: address("[::1]:1", 1), Tag: []byte("tag")})
	s = AppendRedirect(s, Redirect{Destinations: []Address{address("1.2.3.4:5", 2)}})
	s = AppendRHello(AppendCookieChange(s, CookieChange{}), RHello{})
	s = AppendRIKeying(AppendIIKeying(s, IIKeying{}, nil), RIKeying{}, nil)
	f.Add(AppendPacketFragment(s, PacketFragment{Data: []byte{1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, n, err := ParseHeader(b)
		if err != nil {
			return
		}
		b = b[n:]
		var last UserData
		for {
			c, n, ok := ParseChunk(b)
			if !ok {
				return
			}
			b = b[n:]
			parseAny(t, c, &last)
		}
	})
}

func parseAny(t *testing.T, c Chunk, last *UserData) {
	switch c.Type {
	case TypeIHello:
		_, _ = ParseIHello(c.Payload)
	case TypeFIHello:
		_, _ = ParseFIHello(c.Payload)
	case TypeRHello:
		_, _ = ParseRHello(c.Payload)
	case TypeRedirect:
		_, _ = ParseRedirect(c.Payload)
	case TypeCookieChange:
		_, _ = ParseCookieChange(c.Payload)
	case TypeIIKeying:
		_, _ = ParseIIKeying(c.Payload)
	case TypeRIKeying:
		_, _ = ParseRIKeying(c.Payload)
	case TypePacketFragment:
		_, _ = ParsePacketFragment(c.Payload)
	case TypeBufferProbe:
		_, _ = ParseBufferProbe(c.Payload)
	case TypeFlowException:
		_, _ = ParseFlowException(c.Payload)
	case TypeUserData, TypeNextUserData:
		u, err := ParseUserData(c.Payload)
		if c.Type == TypeNextUserData {
			u, err = ParseNextUserData(c.Payload, last)
		}
		if err != nil {
			return
		}
		*last = u
		if u.Options != nil {
			_, _ = ParseFlowOptions(u.Options)
		}
		if len(u.Options)+len(u.Data) > 60000 {
			return
		}
		if u.SequenceNumber == u.ForwardSequenceNumber && !u.Abandoned {
			return // after an update without data the next one carries the same numbers
		}
		if back, err := ParseUserData(AppendUserData(nil, &u)[ChunkHeader:]); err != nil || !bytes.Equal(back.Data, u.Data) || back.SequenceNumber != u.SequenceNumber {
			t.Fatalf("%+v comes back as %+v, %v", u, back, err)
		}
	case TypeAckRanges, TypeAckBitmap:
		a, err := ParseAck(c.Type, c.Payload)
		if err != nil {
			return
		}
		top := a.Cumulative
		for _, r := range ranges(&a) {
			if r.From <= top || r.To < r.From {
				t.Fatalf("ranges are not ascending: %v after %d", r, top)
			}
			top = r.To
		}
	}
}

func TestNoAllocations(t *testing.T) {
	u := UserData{FlowID: 2, SequenceNumber: 1000, ForwardSequenceNumber: 900, Data: count(0, 1000)}
	buf := make([]byte, 0, 2000)
	all := []Range{{1002, 1010}}
	if n := testing.AllocsPerRun(100, func() {
		b := AppendUserData(AppendHeader(buf, Header{Mode: ModeInitiator, HasTimestamp: true}), &u)
		b, _ = AppendAckRanges(b, Ack{FlowID: 3, Blocks: 64, Cumulative: 1000}, all, 100)
		_, k, _ := ParseHeader(b)
		c, k2, _ := ParseChunk(b[k:])
		back, _ := ParseUserData(c.Payload)
		c, _, _ = ParseChunk(b[k+k2:])
		a, _ := ParseAck(c.Type, c.Payload)
		var r RangeReader
		if _, ok := r.Next(&a); !ok || back.SequenceNumber != 1000 {
			t.Fatal("parsed wrongly")
		}
	}); n != 0 {
		t.Errorf("%.0f allocations for a packet, want none", n)
	}
}
