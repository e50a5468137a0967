package aac

import (
	"bytes"
	"testing"
)

func TestParseConfig(t *testing.T) {
	tests := []struct {
		name                                      string
		b                                         []byte
		object, rate, channels, samples, coreRate int
	}{
		{"two bytes, LC 48 kHz stereo", []byte{0x11, 0x90}, 2, 48000, 2, 1024, 48000},
		{"ffmpeg, with sync extension", []byte{0x11, 0x90, 0x56, 0xe5, 0}, 2, 48000, 2, 1024, 48000},
		{"ffmpeg, mono", []byte{0x11, 0x88, 0x56, 0xe5, 0}, 2, 48000, 1, 1024, 48000},
		{"44.1 kHz mono", []byte{0x12, 0x08, 0x56, 0xe5, 0}, 2, 44100, 1, 1024, 44100},
		{"HE-AAC, explicit", []byte{0x2b, 0x11, 0x88, 0}, 5, 48000, 2, 2048, 24000},
		{"960 samples", []byte{0x11, 0x94}, 2, 48000, 2, 960, 48000},
		{"7.1", []byte{0x11, 0xb8}, 2, 48000, 8, 1024, 48000},
		{"channels told elsewhere", []byte{0x11, 0x80}, 2, 48000, 0, 1024, 48000},
		{"explicit rate", []byte{0x17, 0x80, 0x5d, 0xc0, 0x10}, 2, 48000, 2, 1024, 48000},
	}
	for _, tt := range tests {
		c, err := ParseConfig(tt.b)
		if err != nil || c.ObjectType != tt.object || c.SampleRate != tt.rate || c.Channels != tt.channels || c.Samples() != tt.samples || c.CoreRate != tt.coreRate {
			t.Errorf("%s: %+v, %d samples, %v", tt.name, c, c.Samples(), err)
		}
	}
	// The escape to object types from 32 on: 31, then 6 bits.
	if c, err := ParseConfig([]byte{0xf9, 0x46, 0x40}); err != nil || c.ObjectType != 42 {
		t.Errorf("escaped object type: %+v, %v", c, err)
	}
	for _, b := range [][]byte{nil, {0x11}, {0x16, 0x90}} {
		if _, err := ParseConfig(b); err == nil {
			t.Errorf("% x parses", b)
		}
	}
}

func TestADTSRoundTrip(t *testing.T) {
	for _, config := range [][]byte{{0x11, 0x90}, {0x12, 0x08}, {0x11, 0xb8}} {
		c, err := ParseConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.AppendADTS(nil, 300)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseADTS(b)
		if err != nil || h.Size != 307 || h.Header != 7 || h.SampleRate != c.SampleRate || !bytes.Equal(h.Config, config) {
			t.Errorf("% x: %+v, %v", config, h, err)
		}
	}
	if _, err := (Config{CoreType: 42, CoreRate: 48000}).AppendADTS(nil, 10); err == nil {
		t.Error("ADTS takes an object type that it can't express")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x11, 0x90, 0x56, 0xe5, 0})
	f.Add([]byte{0xff, 0xf1, 0x4c, 0x80, 0x26, 0x7f, 0xfc})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseConfig(b)
		if h, err := ParseADTS(b); err == nil && h.Size < h.Header {
			t.Fatalf("%+v", h)
		}
	})
}
