package vlu

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	for _, c := range []struct {
		v    uint64
		want string
	}{
		{0, "00"},
		{1, "01"},
		{127, "7f"},
		{128, "8100"},
		{300, "822c"},
		{16383, "ff7f"},
		{16384, "818000"},
		{2097151, "ffff7f"},
		{2097152, "81808000"},
		{4294967295, "8fffffff7f"},
		{1 << 40, "a08080808000"},
		{math.MaxUint64, "81ffffffffffffffff7f"},
	} {
		want := unhex(t, c.want)
		got := Append(nil, c.v)
		if !bytes.Equal(got, want) || Len(c.v) != len(want) {
			t.Errorf("Append(%d) = %x with Len %d, want %x", c.v, got, Len(c.v), want)
		}
		if v, n, err := Parse(append(want, 0xff)); v != c.v || n != len(want) || err != nil {
			t.Errorf("Parse(%x) = %d, %d, %v", want, v, n, err)
		}
		for i := range want {
			if _, _, err := Parse(want[:i]); !errors.Is(err, ErrTruncated) {
				t.Errorf("Parse(%x) = %v, want truncated", want[:i], err)
			}
		}
	}
	if v, n, err := Parse([]byte{0x80, 0x80, 5}); v != 5 || n != 3 || err != nil {
		t.Errorf("a number with leading zero groups gives %d, %d, %v", v, n, err)
	}
	if _, _, err := Parse(unhex(t, "83ffffffffffffffff7f")); !errors.Is(err, ErrOverflow) {
		t.Errorf("a number above 64 bits gives %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{AppendMarker(nil), "00"},
		{AppendOption(nil, 0x0a, nil), "010a"},
		{AppendNumberOption(nil, 0x15, 14), "02150e"},
		{AppendOption(nil, 0x2000, []byte("a")), "03c00061"},
		{AppendOption(nil, 0, []byte{'T', 'C', 4, 0}), "050054430400"},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("got %x, want %s", c.got, c.want)
		}
	}
	o, n, err := ParseOption(unhex(t, "03c00061ff"))
	if o.Type != 0x2000 || string(o.Value) != "a" || o.Marker || n != 4 || err != nil {
		t.Errorf("parsed %+v, %d, %v", o, n, err)
	}
	if o, n, err := ParseOption([]byte{0}); !o.Marker || n != 1 || err != nil {
		t.Errorf("marker parsed as %+v, %d, %v", o, n, err)
	}
	// A type that does not end inside the option, and an option that does not
	// end inside the bytes.
	for _, bad := range []string{"03808080", "0501", "", "ffffffffffffffffffff7f"} {
		if _, _, err := ParseOption(unhex(t, bad)); err == nil {
			t.Errorf("%q parses as an option", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Append(nil, 300))
	f.Add([]byte{0x80, 0x80, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n, err := Parse(b)
		if err != nil {
			return
		}
		if n > len(b) {
			t.Fatalf("read %d of %d bytes", n, len(b))
		}
		if again, _, err := Parse(Append(nil, v)); again != v || err != nil {
			t.Fatalf("%d comes back as %d, %v", v, again, err)
		}
	})
}

func FuzzParseOption(f *testing.F) {
	f.Add(AppendOption(nil, 0x2000, []byte("value")))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, n, err := ParseOption(b)
		if err != nil {
			return
		}
		if n > len(b) || o.Marker && len(o.Value) > 0 {
			t.Fatalf("read %d of %d bytes: %+v", n, len(b), o)
		}
		if !o.Marker {
			again, _, err := ParseOption(AppendOption(nil, o.Type, o.Value))
			if err != nil || again.Type != o.Type || !bytes.Equal(again.Value, o.Value) {
				t.Fatalf("%+v comes back as %+v, %v", o, again, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := Append(nil, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = Parse(p)
	}
}
