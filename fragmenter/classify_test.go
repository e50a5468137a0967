package fragmenter

import (
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

func TestClassify(t *testing.T) {
	const (
		config, key, ref  = reliability.ClassConfig, reliability.ClassKey, reliability.ClassReference
		disposable, audio = reliability.ClassDisposable, reliability.ClassAudio
		data              = reliability.ClassData
	)
	sei := "00000080 06" + strings.Repeat("11", 127)
	for _, c := range []struct {
		name  string
		kind  packager.MessageType
		bytes string
		want  reliability.Class
	}{
		{"AAC configuration", 8, "af00 1208", config},
		{"AAC", 8, "af01 de02", audio},
		{"MP3", 8, "2f ff", audio},
		{"enhanced audio configuration", 8, "90 4f707573", config},
		{"enhanced audio", 8, "91 4f707573 00", audio},
		{"empty audio", 8, "", audio},
		{"AVC configuration", 9, "17 00 000000 0142c00c", config},
		{"AVC end", 9, "17 02 000000", config},
		{"key frame", 9, "17 01 000000 00000005 65", key},
		{"reference frame", 9, "27 01 000000 00000005 41", ref},
		{"disposable by the frame type", 9, "37 01 000000 00000005 41", disposable},
		{"disposable by the slice", 9, "27 01 000000 00000005 01", disposable},
		{"disposable behind an access unit delimiter", 9, "27 01 000000 00000002 09f0 00000005 01", disposable},
		{"slice after a long SEI", 9, "27 01 000000" + sei + "00000005 01", disposable},
		{"slice beyond what counts", 9, "27 01 000000" + sei + sei + "00000005 01", ref},
		{"lengths of two bytes", 9, "27 01 000000 0005 0100000000", ref},
		{"enhanced configuration", 9, "90 68766331 01", config},
		{"enhanced key frame", 9, "91 68766331 000000", key},
		{"enhanced reference frame", 9, "a3 68766331", ref},
		{"enhanced disposable", 9, "b1 68766331 000000", disposable},
		{"colour metadata", 9, "94 68766331 02", config},
		{"behind a modifier", 9, "97 02 000000 00 68766331 01", config},
		{"tracks that go beyond the fragment", 9, "96 11 68766331 00 00ffff 00", key},
		{"video command", 9, "5f 00", data},
		{"empty video", 9, "", ref},
		{"catalogue", 18, "02 0011 6f6e52696e6763617374436174616c6f67 08", config},
		{"metadata", 18, "02 000a 6f6e4d65746144617461 08", config},
		{"metadata as it is published", 18, "02 000d 40736574446174614672616d65", config},
		{"metadata in AMF3", 15, "00 02 000a 6f6e4d65746144617461 08", config},
		{"cue point", 18, "02 000a 6f6e437565506f696e74 08", data},
		{"data without a name", 18, "05", data},
		{"data with a name that is cut off", 18, "02 00ff 6f", data},
		{"command", 20, "02 0001 61", data},
		{"unknown type", 22, "17 00", data},
	} {
		body := unhex(t, c.bytes)
		if got := Classify(c.kind, body); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What the packager ranks is ranked the same by whoever sees only the first
// fragment of it, cut as small as it may be.
func TestClassifyAgreesWithThePackager(t *testing.T) {
	p := packager.NewPackager(packager.DefaultParams())
	tracks := []packager.Track{
		{ID: packager.TrackVideo, Codec: packager.CodecH264, Config: unhex(t, "0142c00cffe1000467 42c00c 01000268ce")},
		{ID: packager.TrackAudio, Codec: packager.CodecAAC, Config: unhex(t, "1210")},
		{ID: packager.TrackData, Codec: packager.CodecData},
	}
	p.SetTracks(tracks)
	var messages []packager.Message
	for i := range 60 {
		at := time.Duration(i) * 40 * time.Millisecond
		messages = p.Pack(messages, reliability.Time(at)+1, packager.Sample{
			Track: packager.TrackVideo, DTS: at, PTS: at, Key: i%25 == 0, Disposable: i%3 == 1, Payload: append(unhex(t, "00000400 65"), body(1023)...),
		})
		messages = p.Pack(messages, reliability.Time(at)+1, packager.Sample{Track: packager.TrackAudio, DTS: at, PTS: at, Key: true, Payload: body(200)})
	}
	messages = p.End(messages)
	seen := map[reliability.Class]int{}
	f := New(Params{MinFragmentSize, 1})
	for i := range messages {
		fragments, err := f.Split(nil, &messages[i])
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseFragment(AppendFragment(nil, &fragments[0]))
		if err != nil {
			t.Fatal(err)
		}
		want := messages[i].Class
		if fragments[0].Class() != want || parsed.Class() != want {
			t.Errorf("message %d is %v at the publisher, %v at a relay; the packager says %v", i, fragments[0].Class(), parsed.Class(), want)
		}
		seen[want]++
	}
	for _, c := range []reliability.Class{reliability.ClassConfig, reliability.ClassKey, reliability.ClassReference, reliability.ClassDisposable, reliability.ClassAudio} {
		if seen[c] == 0 {
			t.Errorf("no message of class %v", c)
		}
	}
}
