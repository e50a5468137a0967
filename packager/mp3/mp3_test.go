package mp3

import "testing"

func TestParseHeader(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want Header
	}{
		{"MPEG-1, 128 kbit/s, 44.1 kHz", []byte{0xff, 0xfb, 0x90, 0x64}, Header{44100, 2, 1152, 417}},
		{"padded", []byte{0xff, 0xfb, 0x92, 0x64}, Header{44100, 2, 1152, 418}},
		{"mono, 48 kHz", []byte{0xff, 0xfb, 0x94, 0xc4}, Header{48000, 1, 1152, 384}},
		{"MPEG-2, 22.05 kHz", []byte{0xff, 0xf3, 0x80, 0x64}, Header{22050, 2, 576, 208}},
		{"MPEG-2.5, 11.025 kHz", []byte{0xff, 0xe3, 0x80, 0x64}, Header{11025, 2, 576, 417}},
	}
	for _, tt := range tests {
		if got, err := ParseHeader(tt.b); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	for _, b := range [][]byte{nil, {0xff, 0xfb, 0x90}, {0xff, 0xf1, 0x90, 0x64}, {0xff, 0xfb, 0xf0, 0x64}, {0xff, 0xfb, 0x9c, 0x64}, {0xff, 0xeb, 0x90, 0x64}} {
		if _, err := ParseHeader(b); err == nil {
			t.Errorf("% x parses", b)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0xff, 0xfb, 0x90, 0x64})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseHeader(b); err == nil && (h.SampleRate <= 0 || h.Samples <= 0) {
			t.Fatalf("%+v", h)
		}
	})
}
