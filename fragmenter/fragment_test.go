package fragmenter

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/packager"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFragments(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		want        Fragment
		foreign     bool // a form that we do not write
	}{
		{"whole", "20 07 08 000003e8 af01aabb", Fragment{ID: 7, Kind: KindWhole, Type: 8, Timestamp: 1000, Payload: []byte{0xaf, 1, 0xaa, 0xbb}}, false},
		{"start", "30 08 02 09 00000410 1701", Fragment{ID: 8, Kind: KindStart, Countdown: 2, Type: 9, Timestamp: 1040, Payload: []byte{0x17, 1}}, false},
		{"next", "10 09 01 ee", Fragment{ID: 9, Kind: KindNext, Countdown: 1, Payload: []byte{0xee}}, false},
		{"end", "00 0a dd", Fragment{ID: 10, Kind: KindEnd, Payload: []byte{0xdd}}, false},
		{"empty message", "20 822c 12 00000000", Fragment{ID: 300, Kind: KindWhole, Type: 18, Payload: []byte{}}, false},
		{"empty end", "00 0a", Fragment{ID: 10, Kind: KindEnd, Payload: []byte{}}, false},
		{"start without a countdown", "30 08 09 00000410 1701", Fragment{ID: 8, Kind: KindStart, NoCountdown: true, Type: 9, Timestamp: 1040, Payload: []byte{0x17, 1}}, true},
		{"start whose countdown looks like a type", "30 08 09 09 00000410 1701", Fragment{ID: 8, Kind: KindStart, Countdown: 9, Type: 9, Timestamp: 1040, Payload: []byte{0x17, 1}}, false},
		{"start of an unknown type", "30 08 02 16 00000410 00", Fragment{ID: 8, Kind: KindStart, Countdown: 2, Type: 0x16, Timestamp: 1040, Payload: []byte{0}}, false},
	} {
		b := unhex(t, c.bytes)
		f, err := ParseFragment(b)
		if err != nil || !reflect.DeepEqual(f, c.want) {
			t.Errorf("%s parses as %+v, %v", c.name, f, err)
		}
		if id, ok := PeekID(b); id != c.want.ID || !ok {
			t.Errorf("%s: peek gives %d, %v", c.name, id, ok)
		}
		if c.foreign {
			continue
		}
		if got := AppendFragment([]byte{9}, &c.want); !bytes.Equal(got[1:], b) || c.want.Len() != len(b) || len(b)-f.BodyLen() > MaxHead {
			t.Errorf("%s becomes %x with Len %d", c.name, got[1:], c.want.Len())
		}
		head := len(b) - f.BodyLen()
		for i := range head {
			if _, err := ParseFragment(b[:i]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: %x parses with %v", c.name, b[:i], err)
			}
		}
	}
	for _, bad := range []string{"40 07 08 00000000", "21 07 08 00000000", "20 00 08 00000000", "20 83ffffffffffffffff7f", "00 c080808080808080 00"} {
		if _, err := ParseFragment(unhex(t, bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q parses with %v", bad, err)
		}
		if _, ok := PeekID(unhex(t, bad)); ok {
			t.Errorf("%q has a number", bad)
		}
	}
}

// body returns the bytes 0, 1, 2, … of a message.
func body(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)
	}
	return b
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		length, size int
		want         []int // body bytes of each fragment
	}{
		{0, 959, []int{0}},
		{1, 959, []int{1}},
		{959, 959, []int{959}},
		{960, 959, []int{959, 1}},
		{1918, 959, []int{959, 959}},
		{1919, 959, []int{959, 959, 1}},
		{5000, 959, []int{959, 959, 959, 959, 959, 205}},
		{2300, 1150, []int{1150, 1150}},
	} {
		f := New(Params{c.size, 41})
		m := packager.Message{Type: packager.MessageVideo, Timestamp: 1040, Payload: body(c.length)}
		got, err := f.Split(nil, &m)
		if err != nil || len(got) != len(c.want) || f.Next() != 41+ID(len(c.want)) {
			t.Errorf("%d bytes: %d fragments, next %d, %v", c.length, len(got), f.Next(), err)
			continue
		}
		for i, g := range got {
			if g.ID != 41+ID(i) || g.BodyLen() != c.want[i] || int(g.Countdown) != len(got)-1-i {
				t.Errorf("%d bytes: fragment %d is %v %d of %d bytes, %d to come", c.length, i, g.Kind, g.ID, g.BodyLen(), g.Countdown)
			}
			if g.Kind.Begins() != (i == 0) || g.Kind.More() != (i < len(got)-1) {
				t.Errorf("%d bytes: fragment %d is a %v", c.length, i, g.Kind)
			}
		}
	}
}

// The message's head is kept apart from its payload; nobody sees that in the
// fragments. Payloads are shared, not copied.
func TestSplitKeepsHeadAndPayload(t *testing.T) {
	m := packager.Message{Type: packager.MessageVideo, HeaderLen: 5, Header: [8]byte{0x17, 1, 0, 0, 40}, Payload: body(3000)}
	fragments, err := New(DefaultParams()).Split(nil, &m)
	if err != nil || len(fragments) != 4 {
		t.Fatalf("%d fragments, %v", len(fragments), err)
	}
	var joined []byte
	for i := range fragments {
		f, err := ParseFragment(AppendFragment(nil, &fragments[i]))
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 && len(f.Payload) != PortableFragmentSize {
			t.Errorf("fragment %d has %d bytes", i, len(f.Payload))
		}
		joined = append(joined, f.Payload...)
	}
	if !bytes.Equal(joined, m.AppendBody(nil)) {
		t.Error("the fragments do not make the body")
	}
	if &fragments[1].Payload[0] != &m.Payload[PortableFragmentSize-5] {
		t.Error("the payload was copied")
	}
	if cap(fragments[1].Payload) != len(fragments[1].Payload) {
		t.Error("a fragment's payload can be extended into the next one's")
	}
}

// A message of more than 256 fragments is cut into 256 larger ones; one that
// is too large even for that uses no number.
func TestLargeMessages(t *testing.T) {
	for _, length := range []int{256 * 959, 256*959 + 1, 1 << 20, MaxMessageLen} {
		f := New(DefaultParams())
		m := packager.NewMessage(packager.MessageVideo, 0, make([]byte, length))
		fragments, err := f.Split(nil, &m)
		if err != nil || len(fragments) > MaxFragments {
			t.Fatalf("%d bytes: %d fragments, %v", length, len(fragments), err)
		}
		total := 0
		for i := range fragments {
			total += fragments[i].BodyLen()
			if fragments[i].BodyLen() > max(959, (length+255)/256) || fragments[i].BodyLen() == 0 {
				t.Errorf("%d bytes: fragment of %d", length, fragments[i].BodyLen())
			}
		}
		if total != length || fragments[0].Countdown != uint8(len(fragments)-1) {
			t.Errorf("%d bytes: the fragments have %d, countdown %d", length, total, fragments[0].Countdown)
		}
	}
	f := New(DefaultParams())
	m := packager.NewMessage(packager.MessageVideo, 0, make([]byte, MaxMessageLen+1))
	fragments, err := f.Split(nil, &m)
	var large *TooLargeError
	if !errors.As(err, &large) || large.Len != MaxMessageLen+1 || large.Max != MaxMessageLen || len(fragments) != 0 || f.Next() != 1 {
		t.Errorf("%d fragments, next %d, %v", len(fragments), f.Next(), err)
	}
	if large != nil && !strings.Contains(large.Error(), "4194305 bytes") {
		t.Errorf("the error is %q", large.Error())
	}
}

func TestParams(t *testing.T) {
	for _, p := range []Params{{255, 1}, {16_385, 1}, {959, 0}, {959, MaxID + 1}} {
		if p.Validate() == nil {
			t.Errorf("%+v is valid", p)
		}
	}
	for _, p := range []Params{DefaultParams(), {LargeFragmentSize, 7}, {MinFragmentSize, 1}, {MaxFragmentSize, MaxID}} {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParseFragment(f *testing.F) {
	for _, s := range []string{"20 07 08 000003e8 af01aabb", "30 08 02 09 00000410 1701", "30 08 09 00000410 1701", "10 09 01 ee", "00 0a dd", "00 0a"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		input := bytes.Clone(b)
		g, err := ParseFragment(b)
		if !bytes.Equal(b, input) {
			t.Fatal("the parser writes to its input")
		}
		if id, ok := PeekID(b); err == nil && (!ok || id != g.ID) {
			t.Fatalf("peek gives %d, %v for %+v", id, ok, g)
		}
		if err != nil || g.NoCountdown {
			return
		}
		again, err := ParseFragment(AppendFragment(nil, &g))
		if g.Kind == KindStart && again.NoCountdown {
			return // the ambiguous form: a known type stands where a countdown could
		}
		if err != nil || !reflect.DeepEqual(g, again) {
			t.Fatalf("%+v comes back as %+v, %v", g, again, err)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add(uint8(9), []byte("body of a message"), uint16(300), uint16(5))
	f.Fuzz(func(t *testing.T, kind uint8, seed []byte, length, headLen uint16) {
		body := slices.Repeat(append(seed, 1), int(length)/(len(seed)+1)+1)
		m := packager.NewMessage(packager.MessageType(kind), uint32(length), body)
		m.HeaderLen = uint8(headLen % (packager.MaxMessageHeader + 1))
		fragments, err := New(Params{MinFragmentSize, 1}).Split(nil, &m)
		if err != nil || len(fragments) > MaxFragments {
			t.Fatalf("%d fragments, %v", len(fragments), err)
		}
		var joined []byte
		for i := range fragments {
			joined = fragments[i].AppendBody(joined)
		}
		if !bytes.Equal(joined, m.AppendBody(nil)) {
			t.Fatal("the fragments do not make the body")
		}
	})
}
