package id3

import (
	"bytes"
	"testing"
)

func TestAppend(t *testing.T) {
	tests := []struct {
		name   string
		frames []Frame
		want   string
	}{
		{"text", []Frame{Text("cue", "é")}, "ID3\x04\x00\x00\x00\x00\x00\x12TXXX\x00\x00\x00\x08\x00\x00\x03cue\x00\xc3\xa9\x00"},
		{"private", []Frame{Private("ringcast:x", []byte{1, 0, 2})}, "ID3\x04\x00\x00\x00\x00\x00\x18PRIV\x00\x00\x00\x0e\x00\x00ringcast:x\x00\x01\x00\x02"},
		{"zero bytes", []Frame{Text("a\x00b", "\xff")}, "ID3\x04\x00\x00\x00\x00\x00\x10TXXX\x00\x00\x00\x06\x00\x00\x03ab\x00?\x00"},
		{"none", nil, "ID3\x04\x00\x00\x00\x00\x00\x00"},
	}
	for _, tt := range tests {
		if got := Append([]byte("x"), tt.frames...); string(got) != "x"+tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got[1:], tt.want)
		}
	}
}

// Sizes beyond 127 have seven bits in each byte.
func TestSyncSafeSizes(t *testing.T) {
	b := Append(nil, Private("o", bytes.Repeat([]byte{0xaa}, 300)))
	body := 2 + 300
	if got := int(b[14])<<21 | int(b[15])<<14 | int(b[16])<<7 | int(b[17]); got != body || len(b) != 20+body {
		t.Errorf("the frame says %d bytes, it has %d of %d", got, body, len(b))
	}
	for _, c := range append(b[6:10:10], b[14:18]...) {
		if c > 0x7f {
			t.Errorf("a size has the byte %#x", c)
		}
	}
}
