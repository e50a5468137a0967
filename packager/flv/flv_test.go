package flv

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

// Rows as real encoders send them.
var videoRows = []struct {
	name, hex string
	want      Video
	same      bool // Append gives the same bytes
}{
	{"AVC configuration", "17 00 000000 0164", Video{FrameType: KeyFrame, Packet: SequenceStart, Codec: AVC, Data: []byte{1, 0x64}}, true},
	{"AVC key frame", "17 01 000050 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: AVC, CompositionTime: 80, Data: []byte{0xaa}}, true},
	{"AVC negative composition", "27 01 FFFFF6 AA", Video{FrameType: InterFrame, Packet: CodedFrames, Codec: AVC, CompositionTime: -10, Data: []byte{0xaa}}, true},
	{"AVC end", "17 02 000000", Video{FrameType: KeyFrame, Packet: SequenceEnd, Codec: AVC, Data: []byte{}}, true},
	{"HEVC by number 12", "1C 01 000028 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: HEVC, CompositionTime: 40, Data: []byte{0xaa}}, false},
	{"legacy command", "57 00", Video{FrameType: CommandFrame, Packet: Command, Codec: Other, Data: []byte{0}}, false},
	{"legacy VP6", "14 00 01", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: Other, Data: []byte{0, 1}}, false},
	{"hvc1 configuration", "90 68766331 01", Video{FrameType: KeyFrame, Packet: SequenceStart, Codec: HEVC, Data: []byte{1}}, true},
	{"hvc1 key", "91 68766331 000050 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: HEVC, CompositionTime: 80, Data: []byte{0xaa}}, true},
	{"hvc1 without composition time", "A3 68766331 AA", Video{FrameType: InterFrame, Packet: CodedFrames, Codec: HEVC, Data: []byte{0xaa}}, true},
	{"hvc1 disposable", "B3 68766331 AA", Video{FrameType: DisposableFrame, Packet: CodedFrames, Codec: HEVC, Data: []byte{0xaa}}, true},
	{"metadata with the command frame type", "D4 68766331 02", Video{FrameType: CommandFrame, Packet: Metadata, Codec: HEVC, Data: []byte{2}}, false},
	{"hvc1 end, five bytes", "92 68766331", Video{FrameType: KeyFrame, Packet: SequenceEnd, Codec: HEVC, Data: []byte{}}, true},
	{"av01 show existing frame", "A1 61763031 1200 1A01E8", Video{FrameType: InterFrame, Packet: CodedFrames, Codec: AV1, Data: []byte{0x12, 0, 0x1a, 1, 0xe8}}, true},
	{
		"vp09 configuration", "90 76703039 01000000 00148202 02020000",
		Video{FrameType: KeyFrame, Packet: SequenceStart, Codec: VP9, Data: []byte{1, 0, 0, 0, 0, 0x14, 0x82, 2, 2, 2, 0, 0}},
		true,
	},
	{"one modifier", "97 02 01E240 01 68766331 000000 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: HEVC, NanoOffset: 123456, Data: []byte{0xaa}}, false},
	{"two modifiers, the first unknown", "97 00 FF 17 02 000001 03 68766331 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: HEVC, NanoOffset: 1, Data: []byte{0xaa}}, false},
	{"multitrack, one track", "96 01 68766331 05 000000 AA", Video{FrameType: KeyFrame, Packet: CodedFrames, Codec: HEVC, Data: []byte{0xaa}}, false},
	{"many tracks, many codecs", "96 20 68766331 01 000001 BB 61763031 00 000002 AACC", Video{FrameType: KeyFrame, Packet: SequenceStart, Codec: AV1, Data: []byte{0xaa, 0xcc}}, false},
}

func TestVideoRows(t *testing.T) {
	for _, tt := range videoRows {
		b := unhex(t, tt.hex)
		got, err := ParseVideo(b)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
		if again := append(AppendVideoHeader(nil, tt.want), tt.want.Data...); tt.same && !bytes.Equal(again, b) {
			t.Errorf("%s: Append = % x, want % x", tt.name, again, b)
		}
	}
}

var audioRows = []struct {
	name, hex string
	want      Audio
	same      bool
}{
	{"AAC configuration", "AF 00 1190", Audio{Packet: SequenceStart, Codec: AAC, Data: []byte{0x11, 0x90}}, true},
	{"AAC unit", "AF 01 DE02", Audio{Packet: CodedFrames, Codec: AAC, Data: []byte{0xde, 2}}, true},
	{"MP3", "2F FFFB9064", Audio{Packet: CodedFrames, Codec: MP3, Data: []byte{0xff, 0xfb, 0x90, 0x64}}, true},
	{"Speex", "B6 01", Audio{Packet: CodedFrames, Codec: Other, Data: []byte{1}}, false},
	{"Opus configuration, empty", "90 4F707573", Audio{Packet: SequenceStart, Codec: Opus, Data: []byte{}}, true},
	{"Opus packet", "91 4F707573 FC", Audio{Packet: CodedFrames, Codec: Opus, Data: []byte{0xfc}}, true},
	{"Opus multitrack", "95 01 4F707573 00 FC", Audio{Packet: CodedFrames, Codec: Opus, Data: []byte{0xfc}}, false},
	{"multichannel configuration", "94 4F707573 01 02 00000003", Audio{Packet: Unknown, Codec: Opus, Data: []byte{1, 2, 0, 0, 0, 3}}, false},
}

func TestAudioRows(t *testing.T) {
	for _, tt := range audioRows {
		b := unhex(t, tt.hex)
		got, err := ParseAudio(b)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
		if again := append(AppendAudioHeader(nil, tt.want), tt.want.Data...); tt.same && !bytes.Equal(again, b) {
			t.Errorf("%s: Append = % x, want % x", tt.name, again, b)
		}
	}
}

func TestMalformedMedia(t *testing.T) {
	videos := map[string]error{
		"": ErrEmpty, "17": ErrMedia, "17 01 0000": ErrMedia, "91 6876": ErrMedia, "91 68766331 0000": ErrMedia,
		"97 FF": ErrMedia, "97 05 00": ErrMedia, "96": ErrMedia, "96 06 68766331": ErrNested, "96 10 68766331 00 0000FF AA": ErrMedia,
		"97" + strings.Repeat(" 00 00 07", 20): ErrModifier, "96 10 68766331": ErrMedia,
	}
	for row, want := range videos {
		if _, err := ParseVideo(unhex(t, row)); !errors.Is(err, want) {
			t.Errorf("video %q: %v, want %v", row, err, want)
		}
	}
	for row, want := range map[string]error{"": ErrEmpty, "AF": ErrMedia, "91 4F70": ErrMedia, "95 05 4F707573": ErrNested} {
		if _, err := ParseAudio(unhex(t, row)); !errors.Is(err, want) {
			t.Errorf("audio %q: %v, want %v", row, err, want)
		}
	}
}

// A modifier of more than 255 bytes has a second, longer size.
func TestLongModifier(t *testing.T) {
	b := append(unhex(t, "97 FF 012B"), make([]byte, 300)...)
	b = append(b, unhex(t, "F3 68766331 AA")...)
	v, err := ParseVideo(b)
	if err != nil || v.Codec != HEVC || !bytes.Equal(v.Data, []byte{0xaa}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestFraming(t *testing.T) {
	for _, ts := range []uint32{0, 0xfffffe, 0xffffff, 0x1000000, 0x7fffffff, 0xffffffff} {
		h := TagHeader{Type: TypeVideo, Size: 70000, Timestamp: ts}
		got, err := ParseTagHeader(AppendTagHeader(nil, h))
		if err != nil || got != h {
			t.Errorf("timestamp %#x: %+v, %v", ts, got, err)
		}
	}
	if _, err := ParseTagHeader(unhex(t, "29 000001 000000 00 000000")); !errors.Is(err, ErrEncrypted) {
		t.Errorf("encrypted tag: %v", err)
	}
	if _, err := ParseTagHeader(unhex(t, "07 000001 000000 00 000000")); !errors.Is(err, ErrTagType) {
		t.Errorf("unknown tag: %v", err)
	}
	header := AppendFileHeader(nil, true, false)
	if n, err := ParseFileHeader(header); err != nil || n != 9 || header[4] != 1 {
		t.Errorf("file header: %d, %v", n, err)
	}
	if _, err := ParseFileHeader([]byte("FLV\x01\x05\xff\xff\xff\xff")); !errors.Is(err, ErrNotFLV) {
		t.Errorf("impossible header size: %v", err)
	}
}

func FuzzParseVideo(f *testing.F) {
	for _, r := range videoRows {
		f.Add(unhex(f, r.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseVideo(b)
		if err != nil || len(v.Codec) != 4 || v.Packet > CodedFrames || v.FrameType > InterFrame || v.NanoOffset != 0 {
			return
		}
		again, err := ParseVideo(append(AppendVideoHeader(nil, v), v.Data...))
		if v.Codec != Other && (err != nil || !reflect.DeepEqual(again, v)) {
			t.Fatalf("%+v becomes %+v, %v", v, again, err)
		}
	})
}

func FuzzParseAudio(f *testing.F) {
	for _, r := range audioRows {
		f.Add(unhex(f, r.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAudio(b)
		if err == nil && len(a.Data) > len(b) {
			t.Fatal("data are longer than the input")
		}
	})
}

func FuzzParseTagHeader(f *testing.F) {
	f.Add(AppendTagHeader(nil, TagHeader{Type: TypeAudio, Size: 5, Timestamp: 7}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseTagHeader(b)
		if err != nil {
			return
		}
		if again, err := ParseTagHeader(AppendTagHeader(nil, h)); err != nil || again != h {
			t.Fatalf("%+v becomes %+v, %v", h, again, err)
		}
	})
}
