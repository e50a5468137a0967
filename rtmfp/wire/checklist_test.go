package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// TestChecklist goes through the points of the list in the comment of package
// rtmfp that are about the bytes of packets.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"03 addresses", checkAddresses},
		{"04 reserved bits", checkReservedBits},
		{"05 scrambled session IDs", TestScramble},
		{"07 padding", TestPaddingIsNoChunk},
		{"08 malformed chunks", checkMalformed},
		{"09 headers", TestHeaders},
		{"29 introductions", TestStartupChunks},
		{"50 user data chunks", TestUserData},
		{"51 forward offsets", checkForwardOffsets},
		{"59 acknowledgement chunks", checkAcks},
		{"60 flow options", TestFlowOptions},
		{"65 truncation", TestAckLimits},
	} {
		t.Run(point.name, point.test)
	}
}

func checkAddresses(t *testing.T) {
	TestAddresses(t)
	// An address in IPv6 form that is one of IPv4 is the same address, and the
	// origin is no part of it.
	mapped := append(append([]byte{0x82}, make([]byte, 10)...), 0xff, 0xff, 192, 0, 2, 1, 7, 0x8f)
	a, n, err := ParseAddress(mapped)
	if want := address("192.0.2.1:1935", OriginUnknown); err != nil || n != 19 || a.AddrPort != want.AddrPort || a.Origin != OriginObserved {
		t.Errorf("a mapped address is %v, %d, %v", a, n, err)
	}
}

// Reserved bits are sent as 0, and what is received in them changes nothing.
func checkReservedBits(t *testing.T) {
	for origin := range Origin(8) {
		if b := AppendAddress(nil, address("192.0.2.1:1", origin)); b[0]&^0x83 != 0 {
			t.Errorf("origin %d is sent as %02x", origin, b[0])
		}
	}
	if b := AppendHeader(nil, Header{Mode: 3, TimeCritical: true, TimeCriticalReverse: true, HasTimestamp: true, HasEcho: true}); b[0]&0x30 != 0 {
		t.Errorf("a header is sent as %02x", b[0])
	}
	h, _, err := ParseHeader([]byte{0x39, 0x12, 0x34})
	if err != nil || h != (Header{Mode: ModeInitiator, HasTimestamp: true, Timestamp: 0x1234}) {
		t.Errorf("a header with reserved bits: %+v, %v", h, err)
	}
	u := UserData{Fragmentation: Middle, Abandoned: true, Final: true, FlowID: 2, SequenceNumber: 9, ForwardSequenceNumber: 8, Options: AppendFlowOptions(nil, FlowOptions{})}
	b := AppendUserData(nil, &u)[ChunkHeader:]
	if b[0]&0x4c != 0 {
		t.Errorf("user data is sent with flags %02x", b[0])
	}
	want, err := ParseUserData(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0] |= 0x4c
	if got, err := ParseUserData(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("user data with reserved bits: %+v, %v", got, err)
	}
	f := AppendPacketFragment(nil, PacketFragment{More: true, Data: []byte("x")})[ChunkHeader:]
	if f[0] != 0x80 {
		t.Errorf("a piece of a packet is sent with flags %02x", f[0])
	}
	f[0] |= 0x7f
	if got, err := ParsePacketFragment(f); err != nil || !got.More {
		t.Errorf("a piece with reserved bits: %+v, %v", got, err)
	}
}

// Every cut of every chunk is refused or parses to something of its own, and
// none reads beyond its end.
func checkMalformed(t *testing.T) {
	sign := func(b, _ []byte) []byte { return append(b, 'X') }
	options := AppendFlowOptions(nil, FlowOptions{Metadata: []byte("m")})
	ranges, _ := AppendAckRanges(nil, Ack{FlowID: 300, Blocks: 300, Cumulative: 300}, []Range{{310, 320}}, 100)
	for _, chunk := range [][]byte{
		AppendIHello(nil, IHello{EPD: []byte("epd"), Tag: []byte("tag")}),
		AppendFIHello(nil, FIHello{EPD: []byte("epd"), Reply: address("[::1]:1", 1), Tag: []byte("tag")}),
		AppendRHello(nil, RHello{TagEcho: []byte("tag"), Cookie: []byte("cookie"), Certificate: []byte("cert")}),
		AppendRedirect(nil, Redirect{TagEcho: []byte("tag"), Destinations: []Address{address("1.2.3.4:5", 2)}}),
		AppendCookieChange(nil, CookieChange{Old: []byte("old"), New: []byte("new")}),
		AppendIIKeying(nil, IIKeying{SessionID: 1, CookieEcho: []byte("c"), Certificate: []byte("cert"), Component: []byte("k")}, sign),
		AppendRIKeying(nil, RIKeying{SessionID: 1, Component: []byte("k")}, sign),
		AppendUserData(nil, &UserData{FlowID: 300, SequenceNumber: 300, Options: options, Data: []byte("d")}),
		AppendPacketFragment(nil, PacketFragment{PacketID: 300, Number: 300, Data: []byte("d")}),
		AppendFlowException(nil, FlowException{300, 300}),
		AppendBufferProbe(nil, 300),
		ranges,
	} {
		payload := chunk[ChunkHeader:]
		for cut := range payload {
			var last UserData
			// Its own memory, so that reading beyond it is noticed.
			parseAny(t, Chunk{Type: chunk[0], Payload: bytes.Clone(payload[:cut])}, &last)
		}
		if c, n, ok := ParseChunk(append(bytes.Clone(chunk), chunk...)); !ok || n != len(chunk) || !bytes.Equal(c.Payload, payload) {
			t.Errorf("chunk %#x does not end where the next begins", chunk[0])
		}
	}
}

func checkForwardOffsets(t *testing.T) {
	for _, c := range []struct {
		payload string
		forward SequenceNumber
		ok      bool
	}{
		{"00 02 05 03", 2, true},
		{"00 02 05 05", 0, true},
		{"00 02 05 06", 0, false}, // before the beginning
		{"02 02 05 00", 5, true},
		{"00 02 00 00", 0, false}, // number zero
		{"00 02 05", 0, false},
	} {
		u, err := ParseUserData(unhex(t, c.payload))
		if (err == nil) != c.ok || err == nil && u.ForwardSequenceNumber != c.forward {
			t.Errorf("%s: forward number %d, %v", c.payload, u.ForwardSequenceNumber, err)
		}
	}
}

func checkAcks(t *testing.T) {
	TestAcks(t)
	// Bits run from the least significant one, and the first stands for the
	// number after the one that is missing by definition.
	a, err := ParseAck(TypeAckBitmap, unhex(t, "02 40 0a 01 80"))
	if want := []Range{{12, 12}, {27, 27}}; err != nil || !reflect.DeepEqual(ranges(&a), want) {
		t.Errorf("bits 0 and 15 after 10 stand for %v, want %v", ranges(&a), want)
	}
}
