package opus

import (
	"bytes"
	"testing"
	"time"
)

func TestHead(t *testing.T) {
	for _, h := range []Head{
		{Channels: 2, PreSkip: 312, InputRate: 48000},
		{Channels: 1, PreSkip: 0, InputRate: 44100, Gain: -256},
		{Channels: 6, PreSkip: 312, InputRate: 48000, Family: 1, Mapping: []byte{4, 2, 0, 4, 1, 2, 3, 5}},
	} {
		b := h.Append(nil)
		got, err := ParseHead(b)
		if err != nil || got.Channels != h.Channels || got.PreSkip != h.PreSkip || got.Gain != h.Gain || !bytes.Equal(got.Mapping, h.Mapping) {
			t.Errorf("%+v becomes %+v, %v", h, got, err)
		}
		for cut := range len(b) {
			if _, err := ParseHead(b[:cut]); err == nil {
				t.Errorf("%+v cut to %d bytes parses", h, cut)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		packet []byte
		want   time.Duration
	}{
		{[]byte{0xfc}, 20 * time.Millisecond},       // CELT, one frame
		{[]byte{0xfd}, 40 * time.Millisecond},       // two frames
		{[]byte{0xe0}, 2500 * time.Microsecond},     // the shortest
		{[]byte{0x18}, 60 * time.Millisecond},       // SILK
		{[]byte{0x68}, 20 * time.Millisecond},       // hybrid
		{[]byte{0xff, 0x03}, 60 * time.Millisecond}, // three frames
		{[]byte{0x1b, 0x3f}, 0},                     // longer than 120 ms
		{[]byte{0xff}, 0},
		{nil, 0},
	}
	for _, tt := range tests {
		if got := Duration(tt.packet); got != tt.want {
			t.Errorf("% x: %v, want %v", tt.packet, got, tt.want)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add(Head{Channels: 2, InputRate: 48000}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Duration(b)
		if h, err := ParseHead(b); err == nil && h.Channels == 0 {
			t.Fatal("no channels")
		}
	})
}
