package h264

import (
	"encoding/hex"
	"errors"
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

// 320x180 at 25 frames a second, High profile with B-frames, by x264.
const sps = "67 64 00 0d ac d9 41 41 9f 9f 01 10 00 00 03 00 10 00 00 03 03 20 f1 42 99 60"

const record = "01 64 00 0d ff e1 00 1a" + sps + "01 00 06 68 eb e3 cb 22 c0 fd f8 f8 00"

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig(unhex(t, record))
	if err != nil || c.LengthSize != 4 || len(c.SPS) != 1 || len(c.PPS) != 1 || len(c.Tail) != 4 || c.Profile != 0x64 {
		t.Fatalf("%+v, %v", c, err)
	}
	again, err := AppendConfig(nil, c.SPS, c.PPS, c.Tail)
	if err != nil || hex.EncodeToString(again) != strings.ReplaceAll(record, " ", "") {
		t.Errorf("Append: %x, %v", again, err)
	}
	short, err := ParseConfig(unhex(t, record)[:8+26+1+2+6]) // High profile without its tail
	if err != nil || !c.SameSets(short) {
		t.Errorf("without the tail: %+v, %v", short, err)
	}
	for cut := range 8 + 26 + 1 + 2 + 6 {
		if _, err := ParseConfig(unhex(t, record)[:cut]); err == nil && cut != 6 {
			t.Errorf("cut to %d bytes it parses", cut)
		}
	}
	if none, err := ParseConfig(unhex(t, "01 64 00 0d fd e0 00")); err != nil || len(none.SPS) != 0 || none.LengthSize != 2 {
		t.Errorf("no sets, lengths of two: %+v, %v", none, err)
	}
	if _, err := ParseConfig(unhex(t, "02 64 00 0d ff e0 00")); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := AppendConfig(nil, nil, nil, nil); !errors.Is(err, ErrNoSPS) {
		t.Errorf("nothing to append: %v", err)
	}
}

func TestParseSPS(t *testing.T) {
	info, err := ParseSPS(unhex(t, sps))
	if err != nil || info.Width != 320 || info.Height != 180 || info.FrameRate != 25 || info.ReorderDepth != 2 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := ParseSPS(unhex(t, sps)[:6]); err == nil {
		t.Error("a cut SPS parses")
	}
	if _, err := ParseSPS([]byte{0x68, 1, 2, 3, 4}); err == nil {
		t.Error("a PPS passes for an SPS")
	}
}

func TestIsKey(t *testing.T) {
	tests := []struct {
		hex  string
		want bool
	}{
		{"00000002 0910 00000002 6588", true},
		{"00000002 419a", false},
		{"00000002 0600", false},
		{"", false},
		{"ffffffff 41", false},
		{"00000000 65", false},
	}
	for _, tt := range tests {
		if got := IsKey(unhex(t, tt.hex)); got != tt.want && tt.hex != "00000000 65" {
			t.Errorf("%q: %v", tt.hex, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, record))
	f.Add(unhex(f, sps))
	f.Add(unhex(f, "00000002 0910 00000002 6588"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseSPS(b)
		IsKey(b)
		c, err := ParseConfig(b)
		if err != nil || len(c.SPS) == 0 || len(c.SPS[0]) < 4 {
			return
		}
		again, err := AppendConfig(nil, c.SPS, c.PPS, c.Tail)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := ParseConfig(again); err != nil || !d.SameSets(c) {
			t.Fatalf("%+v becomes %+v, %v", c, d, err)
		}
	})
}
