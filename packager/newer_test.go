package packager

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/packager/opus"
)

// Recordings of FFmpeg 7.1, which sends enhanced RTMP: every frame becomes a
// sample with its times, and comes through a Packager unchanged.
func TestNewerSenders(t *testing.T) {
	tests := []struct {
		file   string
		codec  Codec
		string string
		keys   int
	}{
		{"hevc.flv", CodecH265, "hvc1.1.6.L30.90", 3},
		{"av1.flv", CodecAV1, "av01.0.00M.08", 3},
		{"vp9.flv", CodecVP9, "vp09.00.10.08", 3},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			source := unpack(t, NewUnpackager(), readClip(t, tt.file))
			track := source[0].Tracks[0]
			if track.Codec != tt.codec || track.Width != 160 && tt.codec != CodecVP9 || track.CodecString() != tt.string {
				t.Errorf("%v %dx%d %q, want %v %q", track.Codec, track.Width, track.Height, track.CodecString(), tt.codec, tt.string)
			}
			out := unpack(t, NewUnpackager(), pack(NewPackager(DefaultParams()), source))
			want, got := samplesOf(source), samplesOf(out)
			if len(want) != 75+142 || len(got) != len(want) {
				t.Fatalf("%d samples in, %d out, want 217", len(want), len(got))
			}
			// Audio before the first key frame follows it.
			order := func(a, b Sample) int { return int(a.Track) - int(b.Track) }
			slices.SortStableFunc(want, order)
			slices.SortStableFunc(got, order)
			keys, offset := 0, got[0].DTS-want[0].DTS
			for i := range want {
				if got[i].DTS-want[i].DTS != offset || got[i].PTS-want[i].PTS != offset || !bytes.Equal(got[i].Payload, want[i].Payload) {
					t.Fatalf("sample %d differs", i)
				}
				if want[i].Track == TrackVideo && want[i].Key {
					keys++
				}
				if tt.codec == CodecAV1 && want[i].Track == TrackVideo && want[i].Payload[0] == 0x12 {
					t.Fatalf("sample %d begins with a temporal delimiter", i)
				}
			}
			if keys != tt.keys {
				t.Errorf("%d key frames, want %d", keys, tt.keys)
			}
		})
	}
}

// Opus by enhanced RTMP, which no encoder at hand sends: with a header, with an
// empty one and with none.
func TestOpusMessages(t *testing.T) {
	head := opus.Head{Channels: 1, PreSkip: 120, InputRate: 48000}.Append(nil)
	tests := []struct {
		name     string
		start    [][]byte
		channels int
	}{
		{"header", [][]byte{append([]byte("\x90Opus"), head...)}, 1},
		{"empty header", [][]byte{[]byte("\x90Opus")}, 2},
		{"no header", nil, 2},
	}
	for _, tt := range tests {
		var messages []Message
		for _, body := range tt.start {
			messages = append(messages, NewMessage(MessageAudio, 0, body))
		}
		for i := range 200 {
			messages = append(messages, NewMessage(MessageAudio, uint32(20*i), []byte("\x91Opus\xfc\x01\x02")))
		}
		events := unpack(t, NewUnpackager(), messages)
		samples := samplesOf(events)
		if events[0].Kind != EventTracks || events[0].Tracks[0].Channels != tt.channels || len(samples) != 200 {
			t.Errorf("%s: %+v, %d samples", tt.name, events[0].Tracks, len(samples))
			continue
		}
		if s := samples[199]; s.DTS != 3980*time.Millisecond || !bytes.Equal(s.Payload, []byte{0xfc, 1, 2}) {
			t.Errorf("%s: last sample %+v", tt.name, s)
		}
	}
}

// Codec number 12, which many networks use for H.265, becomes the enhanced
// form inside, with the same NAL units.
func TestLegacyHEVC(t *testing.T) {
	var legacy []Message
	for _, m := range readClip(t, "hevc.flv") {
		if m.Type != MessageVideo {
			legacy = append(legacy, m)
			continue
		}
		v, err := flv.ParseVideo(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if v.Packet > flv.CodedFrames {
			continue
		}
		cts := v.CompositionTime
		body := append([]byte{byte(v.FrameType)<<4 | 12, byte(v.Packet), byte(cts >> 16), byte(cts >> 8), byte(cts)}, v.Data...)
		legacy = append(legacy, NewMessage(MessageVideo, m.Timestamp, body))
	}
	a := samplesOf(unpack(t, NewUnpackager(), readClip(t, "hevc.flv")))
	b := samplesOf(unpack(t, NewUnpackager(), legacy))
	if len(a) != len(b) {
		t.Fatalf("%d and %d samples", len(a), len(b))
	}
	for i := range a {
		if a[i].PTS != b[i].PTS || a[i].Key != b[i].Key || !bytes.Equal(a[i].Payload, b[i].Payload) {
			t.Fatalf("sample %d differs", i)
		}
	}
}

// What encoders do differently comes out in one form.
func TestOddEncoders(t *testing.T) {
	clip := readClip(t, "bframes.flv")
	want := samplesOf(unpack(t, NewUnpackager(), clip))
	change := func(name string, f func(v flv.Video) []byte) {
		var odd []Message
		for _, m := range clip {
			if m.Type == MessageVideo {
				v, err := flv.ParseVideo(m.Payload)
				if err != nil {
					t.Fatal(err)
				}
				if v.Packet <= flv.CodedFrames {
					m.Payload = append(append([]byte(nil), m.Payload[:5]...), f(v)...)
				}
			}
			odd = append(odd, m)
		}
		got := samplesOf(unpack(t, NewUnpackager(), odd))
		if len(got) != len(want) {
			t.Errorf("%s: %d samples, want %d", name, len(got), len(want))
			return
		}
		for i := range want {
			if got[i].PTS != want[i].PTS || !bytes.HasSuffix(got[i].Payload, want[i].Payload[len(want[i].Payload)/2:]) {
				t.Errorf("%s: sample %d differs", name, i)
				return
			}
		}
	}
	change("Annex B", func(v flv.Video) []byte {
		if v.Packet == flv.SequenceStart {
			return v.Data
		}
		var b []byte
		for d := v.Data; len(d) > 4; {
			n := int(d[0])<<24 | int(d[1])<<16 | int(d[2])<<8 | int(d[3])
			b = append(append(b, 0, 0, 0, 1), d[4:4+n]...)
			d = d[4+n:]
		}
		return b
	})
	change("lengths of three bytes", func(v flv.Video) []byte {
		if v.Packet == flv.SequenceStart {
			b := append([]byte(nil), v.Data...)
			b[4] = 0xfe
			return b
		}
		var b []byte
		for d := v.Data; len(d) > 4; {
			n := int(d[1])<<16 | int(d[2])<<8 | int(d[3])
			b = append(b, d[1:4+n]...)
			d = d[4+n:]
		}
		return b
	})
}
