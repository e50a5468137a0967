package amf0

import (
	"bytes"
	"encoding/hex"
	"errors"
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

var vectors = []struct {
	name string
	hex  string
	want Value
}{
	{"number", "00 3FF0000000000000", Number(1)},
	{"true", "01 01", Bool(true)},
	{"false", "01 00", Bool(false)},
	{"string", "02 0004 6C697665", String("live")},
	{"null", "05", Null()},
	{"undefined", "06", Value{}},
	{"object", "03 0003 617070 02 0004 6C697665 0000 09", Object(Property{"app", String("live")})},
	{"nested", "03 0001 61 03 0000 09 0000 09", Object(Property{"a", Object()})},
	{"ECMA array", "08 00000001 0001 77 00 4094000000000000 0000 09", ECMAArray(Property{"w", Number(1280)})},
	{"strict array", "0A 00000002 02 0001 2A 05", StrictArray(String("*"), Null())},
	{"date", "0B 3FF0000000000000 0000", Value{Kind: KindDate, Number: 1}},
	{"AMF3 switch", "11 04 05", Value{Kind: KindAMF3, String: "\x04\x05"}},
}

func TestVectors(t *testing.T) {
	for _, tt := range vectors {
		b := unhex(t, tt.hex)
		got, n, err := Parse(b)
		if err != nil || n != len(b) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Parse = %+v, %d, %v; want %+v, %d", tt.name, got, n, err, tt.want, len(b))
		}
		if again := Append(nil, tt.want); !bytes.Equal(again, b) {
			t.Errorf("%s: Append = % x, want % x", tt.name, again, b)
		}
		for cut := range len(b) {
			if _, _, err := Parse(b[:cut]); err == nil && tt.want.Kind != KindAMF3 {
				t.Errorf("%s: cut to %d bytes it parses", tt.name, cut)
			}
		}
	}
}

// What senders get wrong must still be read.
func TestParseTolerates(t *testing.T) {
	tests := []struct{ name, hex string }{
		{"count too large", "08 0000000D 0001 77 00 4094000000000000 0000 09"},
		{"count too small", "08 00000000 0001 77 00 4094000000000000 0000 09"},
		{"typed object", "10 0003 466F6F 0001 77 00 4094000000000000 0000 09"},
	}
	for _, tt := range tests {
		v, _, err := Parse(unhex(t, tt.hex))
		if w, ok := v.Get("w"); err != nil || !ok || w.Number != 1280 {
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	deep := bytes.Repeat(unhex(t, "03 0001 61"), 100)
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"nesting", deep, ErrTooDeep},
		{"array count", unhex(t, "0A FFFFFFFF"), ErrTooMany},
		{"many values", append(unhex(t, "0A 00000400"), bytes.Repeat([]byte{5}, 2000)...), ErrTooMany},
		{"long string", unhex(t, "0C FFFFFFFF"), ErrStringLimit},
		{"reference", unhex(t, "07 0000"), ErrMarker},
		{"movie clip", unhex(t, "04"), ErrMarker},
	}
	for _, tt := range tests {
		if _, _, err := Parse(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestLongString(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	b := AppendString(nil, long)
	if v, n, err := (Limits{1, 1, 1 << 20}).Parse(b); err != nil || n != len(b) || v.String != long {
		t.Errorf("long string: %d of %d bytes, %v", n, len(b), err)
	}
}

func TestGetTakesTheLast(t *testing.T) {
	v := Object(Property{"a", String("1")}, Property{"a", String("2")})
	if got := v.Text("a"); got != "2" {
		t.Errorf("Text = %q, want 2", got)
	}
	if _, ok := v.Get("b"); ok || v.Text("b") != "" {
		t.Error("a property that is not there was found")
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n, err := Parse(b)
		if n < 0 || n > len(b) {
			t.Fatalf("consumed %d of %d bytes", n, len(b))
		}
		if err != nil {
			return
		}
		again, _, err := Parse(Append(nil, v))
		// NaN differs from itself, so the encodings are compared.
		if err != nil || !bytes.Equal(Append(nil, again), Append(nil, v)) {
			t.Fatalf("parse of append differs: %+v, %v", again, err)
		}
	})
}
