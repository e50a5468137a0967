package amf0

import (
	"bytes"
	"strings"
	"testing"
)

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		data, hex string
	}{
		{"", "11 0c 01"},
		{"hi", "11 0c 05 6869"},
		{strings.Repeat("x", 63), "11 0c 7f" + strings.Repeat("78", 63)},
		{strings.Repeat("x", 64), "11 0c 8101" + strings.Repeat("78", 64)},
		{strings.Repeat("x", 8192), "11 0c 818001" + strings.Repeat("78", 8192)},
		{strings.Repeat("x", 1<<20), "11 0c 80c08001" + strings.Repeat("78", 1<<20)},
	} {
		want := unhex(t, c.hex)
		if got := AppendBytes(nil, []byte(c.data)); !bytes.Equal(got, want) {
			t.Errorf("%d bytes begin with %x, want %x", len(c.data), got[:min(6, len(got))], want[:min(6, len(want))])
		}
		if got := Append(nil, Bytes([]byte(c.data))); !bytes.Equal(got, want) {
			t.Errorf("%d bytes as a value begin with %x", len(c.data), got[:min(6, len(got))])
		}
		if got, ok := ParseBytes(want); !ok || string(got) != c.data {
			t.Errorf("%d bytes come back as %d, %v", len(c.data), len(got), ok)
		}
		v, _, err := Limits{1, 1, 1}.Parse(want)
		if got, ok := v.Bytes(); err != nil || !ok || string(got) != c.data {
			t.Errorf("%d bytes come back from a value as %d, %v, %v", len(c.data), len(got), ok, err)
		}
		for n := range min(len(want), 80) {
			if _, ok := ParseBytes(want[:n]); ok {
				t.Errorf("the first %d of %d bytes are taken", n, len(want))
			}
		}
	}
	for _, text := range []string{"", "hello", strings.Repeat("y", 70_000)} {
		if got, ok := ParseBytes(AppendString(nil, text)); !ok || string(got) != text {
			t.Errorf("a string of %d comes back as %d bytes, %v", len(text), len(got), ok)
		}
	}
	for _, bad := range []string{"", "00 0000000000000000", "11 0c 04 6869", "11 0d 05 6869", "11 0c 05 686969", "11", "11 0c", "02 0001", "0c 00000002 61"} {
		if got, ok := ParseBytes(unhex(t, bad)); ok {
			t.Errorf("%s gives %q", bad, got)
		}
	}
	if _, ok := Number(1).Bytes(); ok {
		t.Error("a number is bytes")
	}
	if got, ok := String("a").Bytes(); !ok || string(got) != "a" {
		t.Error("a string is no bytes")
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add(AppendBytes(nil, []byte("hello")))
	f.Add(AppendString(nil, "hello"))
	f.Add(AppendBytes(nil, make([]byte, 200)))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, ok := ParseBytes(b)
		if !ok {
			return
		}
		if again, ok := ParseBytes(AppendBytes(nil, data)); !ok || !bytes.Equal(again, data) {
			t.Fatalf("%x comes back as %x, %v", data, again, ok)
		}
	})
}
