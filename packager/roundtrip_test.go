package packager

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/reliability"
)

// readClip returns the messages of an FLV file.
func readClip(t testing.TB, name string) []Message {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := flv.ParseFileHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	var messages []Message
	for b = b[n+flv.TrailerLen:]; len(b) > 0; {
		h, err := flv.ParseTagHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		body := b[flv.TagHeaderLen : flv.TagHeaderLen+h.Size]
		messages = append(messages, NewMessage(MessageType(h.Type), h.Timestamp, body))
		b = b[flv.TagHeaderLen+h.Size+flv.TrailerLen:]
	}
	return messages
}

// unpack feeds messages to an Unpackager and returns its events.
func unpack(t testing.TB, u *Unpackager, messages []Message) []Event {
	t.Helper()
	var events []Event
	for i, m := range messages {
		if err := u.Handle(m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
			events = append(events, ev)
		}
	}
	u.Flush()
	for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
		events = append(events, ev)
	}
	return events
}

func samplesOf(events []Event) (samples []Sample) {
	for _, ev := range events {
		if ev.Kind == EventSample && ev.Sample.Track != TrackData {
			samples = append(samples, ev.Sample)
		}
	}
	return samples
}

// pack runs a source's events through a Packager, with a clock that follows
// the samples.
func pack(p *Packager, events []Event) (messages []Message) {
	for _, ev := range events {
		switch ev.Kind {
		case EventTracks:
			p.SetTracks(ev.Tracks)
		case EventSample:
			messages = p.Pack(messages, reliability.Start.Add(ev.Sample.DTS), ev.Sample)
		}
	}
	return messages
}

func TestClipRoundTrip(t *testing.T) {
	source := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	if source[0].Kind != EventTracks || len(source[0].Tracks) != 2 {
		t.Fatalf("first event: %+v, want both tracks", source[0])
	}
	video, audio := source[0].Tracks[0], source[0].Tracks[1]
	if video.Codec != CodecH264 || video.Width != 160 || video.Height != 90 || video.FrameRate != 25 {
		t.Errorf("video track: %v %dx%d at %v", video.Codec, video.Width, video.Height, video.FrameRate)
	}
	if audio.Codec != CodecAAC || audio.SampleRate != 44100 || audio.Channels != 1 {
		t.Errorf("audio track: %v %d Hz, %d channels", audio.Codec, audio.SampleRate, audio.Channels)
	}
	params := DefaultParams()
	params.Epoch, params.Wall = 7, 1_700_000_000_000
	messages := pack(NewPackager(params), source)
	got := unpack(t, NewUnpackager(), messages)
	want, have := samplesOf(source), samplesOf(got)
	if len(want) != 150+260 || len(have) != len(want) {
		t.Fatalf("%d samples in, %d out", len(want), len(have))
	}
	offset := have[0].DTS - want[0].DTS
	disposable := 0
	for i := range want {
		w, h := want[i], have[i]
		if h.Track != w.Track || h.DTS != w.DTS+offset || h.PTS != w.PTS+offset || h.Key != w.Key || h.Disposable != w.Disposable {
			t.Fatalf("sample %d: %+v, want %+v and %v", i, h, w, offset)
		}
		if &h.Payload[0] != &w.Payload[0] || len(h.Payload) != len(w.Payload) {
			t.Fatalf("sample %d: the payload was copied", i)
		}
		if w.Disposable {
			disposable++
		}
	}
	if disposable < 30 {
		t.Errorf("only %d disposable frames were recognized among B-frames", disposable)
	}
}

// The wire form of a message, header and payload joined, unpacks like the
// message itself.
func TestJoinedBodiesUnpackAlike(t *testing.T) {
	source := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	messages := pack(NewPackager(DefaultParams()), source)
	var joined []Message
	for _, m := range messages {
		body := m.AppendBody(nil)
		if len(body) != m.Len() {
			t.Fatalf("body has %d bytes, Len says %d", len(body), m.Len())
		}
		joined = append(joined, NewMessage(m.Type, m.Timestamp, body))
	}
	a, b := samplesOf(unpack(t, NewUnpackager(), messages)), samplesOf(unpack(t, NewUnpackager(), joined))
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d and %d samples", len(a), len(b))
	}
	for i := range a {
		if a[i].DTS != b[i].DTS || a[i].PTS != b[i].PTS || a[i].Key != b[i].Key || !bytes.Equal(a[i].Payload, b[i].Payload) {
			t.Fatalf("sample %d differs: %v and %v", i, a[i].DTS, b[i].DTS)
		}
	}
}

// cuts returns the segments that a node cuts which sees these events.
func cuts(events []Event) map[uint64]Cut {
	found := make(map[uint64]Cut)
	cutter := NewCutter(DefaultSegmentation(), true)
	for _, ev := range events {
		switch ev.Kind {
		case EventCatalog:
			cutter.Sync(ev.Catalog.Segment)
			found[ev.Catalog.Segment.Number] = ev.Catalog.Segment
		case EventSample:
			if cutter.Last().Number == 0 {
				continue
			}
			if cut, ok := cutter.Next(ev.Sample); ok {
				found[cut.Number] = cut
			}
		}
	}
	return found
}

// A node that joins late, and one that loses the catalogue, cut the same
// segments with the same numbers.
func TestLateJoinersCutAlike(t *testing.T) {
	source := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	messages := pack(NewPackager(DefaultParams()), source)
	whole := cuts(unpack(t, NewUnpackager(), messages))
	if len(whole) != 3 {
		t.Fatalf("6 s with 1 s key frames give %d segments, want 3", len(whole))
	}
	for skip := 1; skip < len(messages); skip += 13 {
		u := NewUnpackager()
		var events []Event
		for _, m := range messages[skip:] {
			_ = u.Handle(m) // frames before the first configuration are refused
			for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
				events = append(events, ev)
			}
		}
		for number, cut := range cuts(events) {
			if cut != whole[number] {
				t.Errorf("joined at message %d: segment %d is %+v, want %+v", skip, number, cut, whole[number])
			}
		}
	}
	// All catalogues but the first are lost.
	var events []Event
	seen := false
	for _, ev := range unpack(t, NewUnpackager(), messages) {
		if ev.Kind == EventCatalog {
			if seen {
				continue
			}
			seen = true
		}
		events = append(events, ev)
	}
	got := cuts(events)
	for number, cut := range whole {
		if got[number] != cut {
			t.Errorf("without catalogue: segment %d is %+v, want %+v", number, got[number], cut)
		}
	}
}

// sourceTrack makes a source of video and audio frames for timestamps tests.
type sourceFrame struct {
	track TrackID
	at    time.Duration
	now   time.Duration
}

// TestTimestamps packs streams whose sources do odd things with time: media
// time must rise, audio and video must keep their distance, and no frame may
// get lost.
func TestTimestamps(t *testing.T) {
	const day = 24 * time.Hour
	steady := func(start time.Duration, seconds int) (f []sourceFrame) {
		for i := range seconds * 25 {
			at := time.Duration(i) * 40 * time.Millisecond
			f = append(f, sourceFrame{TrackVideo, start + at, at}, sourceFrame{TrackAudio, start + at + 7*time.Millisecond, at})
		}
		return f
	}
	after := func(f []sourceFrame, pause, start time.Duration, seconds int) []sourceFrame {
		now := f[len(f)-1].now + pause
		for _, g := range steady(start, seconds) {
			g.now += now
			f = append(f, g)
		}
		return f
	}
	tests := []struct {
		name   string
		frames []sourceFrame
		// jump is the media time between the last frame before and the first
		// after the odd thing; 0 if there is none.
		jump  time.Duration
		jumps uint64
	}{
		{"starts at 0", steady(0, 4), 0, 0},
		{"starts at 4 h 39 min", steady(4*time.Hour+39*time.Minute+36*time.Second, 4), 0, 0},
		{"starts at 24.8 days", steady(24*day+20*time.Hour, 4), 0, 0},
		{"crosses 2^31 ms", steady(1<<31*time.Millisecond-2*time.Second, 4), 0, 0},
		{"crosses 2^32 ms", steady(1<<32*time.Millisecond-2*time.Second, 4), 0, 0},
		{"jumps back 10 s", after(steady(time.Hour, 4), 40*time.Millisecond, time.Hour-6*time.Second, 4), 60 * time.Millisecond, 1},
		{"starts over at 0", after(steady(time.Hour, 4), 40*time.Millisecond, 0, 4), 60 * time.Millisecond, 1},
		{"jumps forward 1 h", after(steady(0, 4), 40*time.Millisecond, time.Hour, 4), 60 * time.Millisecond, 1},
		{"pauses 30 s", after(steady(0, 4), 30*time.Second, 34*time.Second, 4), 30 * time.Second, 1},
		{"a 5 s hole", after(steady(0, 4), 5*time.Second, 9*time.Second, 4), 5040 * time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkTimestamps(t, tt.frames, tt.jump, tt.jumps) })
	}
}

func checkTimestamps(t *testing.T, frames []sourceFrame, jump time.Duration, jumps uint64) {
	p := NewPackager(DefaultParams())
	clip := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	p.SetTracks(clip[0].Tracks)
	var unwrap Unwrapper
	var messages []Message
	for _, f := range frames {
		at := unwrap.Unwrap(uint32(f.at.Milliseconds()))
		s := Sample{Track: f.track, DTS: at, PTS: at + 80*time.Millisecond, Key: true, Payload: []byte{0, 0, 0, 1, 0x65}}
		messages = p.Pack(messages, reliability.Start.Add(f.now), s)
	}
	got := samplesOf(unpack(t, NewUnpackager(), messages))
	if len(got) != len(frames) {
		t.Fatalf("%d of %d frames left", len(got), len(frames))
	}
	if n := p.Stats().Jumps; n != jumps {
		t.Errorf("%d jumps, want %d", n, jumps)
	}
	last := map[TrackID]time.Duration{}
	for i := 0; i < len(got); i += 2 {
		v, a := got[i], got[i+1]
		if d := a.DTS - v.DTS; d != 7*time.Millisecond {
			t.Fatalf("frame %d: audio is %v after video, want 7 ms", i, d)
		}
		if d := v.PTS - v.DTS; d != 80*time.Millisecond {
			t.Fatalf("frame %d: PTS is %v after DTS, want 80 ms", i, d)
		}
		step := v.DTS - last[TrackVideo]
		want := 40 * time.Millisecond
		if i == 200 && jump != 0 {
			want = jump
		}
		if d := step - want; i > 0 && (d < -10*time.Millisecond || d > 10*time.Millisecond) {
			t.Fatalf("frame %d: step of %v, want %v", i, step, want)
		}
		last[TrackVideo] = v.DTS
	}
}

func TestRestartContinuesMediaTime(t *testing.T) {
	clip := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	p := NewPackager(DefaultParams())
	messages := pack(p, clip)
	p.Restart()
	const outage = 3 * time.Second
	end := reliability.Start.Add(6*time.Second + outage)
	for _, ev := range clip {
		if ev.Kind == EventSample {
			messages = p.Pack(messages, end.Add(ev.Sample.DTS), ev.Sample)
		}
	}
	events := unpack(t, NewUnpackager(), messages)
	got, source := samplesOf(events), samplesOf(clip)
	if len(got) != 2*len(source) {
		t.Fatalf("%d samples, want %d", len(got), 2*len(source))
	}
	gap := got[len(source)].DTS - got[0].DTS
	if gap < 6*time.Second+outage-100*time.Millisecond || gap > 6*time.Second+outage+100*time.Millisecond {
		t.Errorf("the second run is %v after the first, want %v", gap, 6*time.Second+outage)
	}
	for _, ev := range events {
		if ev.Kind == EventCatalog && ev.Catalog.Segment.Discontinuity != 0 {
			t.Error("the same configuration counts as a discontinuity")
		}
	}
}

func TestCodecStrings(t *testing.T) {
	tests := []struct {
		codec  Codec
		config []byte
		want   string
	}{
		{CodecH264, []byte{1, 0x64, 0, 0x1f}, "avc1.64001f"},
		{CodecH265, []byte{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x3c}, "hvc1.1.6.L60.90"},
		{CodecAV1, []byte{0x81, 0, 0x0c, 0}, "av01.0.00M.08"},
		{CodecVP9, []byte{1, 0, 0, 0, 0, 0x14, 0x82, 2, 2, 2, 0, 0}, "vp09.00.20.08"},
		{CodecAAC, []byte{0x11, 0x90}, "mp4a.40.2"},
		{CodecAAC, []byte{0x2b, 0x11, 0x88, 0}, "mp4a.40.5"},
		{CodecMP3, []byte{0xff, 0xfb, 0x90, 0x64}, "mp4a.40.34"},
		{CodecOpus, nil, "opus"},
		{CodecData, nil, ""},
	}
	for _, tt := range tests {
		if got := (Track{Codec: tt.codec, Config: tt.config}).CodecString(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.codec, got, tt.want)
		}
	}
}

// A 20 s group of pictures is cut without key frames, and never beyond what
// EXT-X-TARGETDURATION allows.
func TestCutterLongGOP(t *testing.T) {
	for _, fps := range []int{60, 30, 25, 10, 5} {
		c := NewCutter(DefaultSegmentation(), true)
		var last Cut
		for i := range 60 * fps {
			at := time.Duration(i) * time.Second / time.Duration(fps)
			cut, ok := c.Next(Sample{Track: TrackVideo, DTS: at.Round(time.Millisecond), Key: i%(20*fps) == 0})
			if !ok {
				continue
			}
			if length := cut.Start - last.Start; last.Number > 0 && (length > 2490*time.Millisecond || length < 900*time.Millisecond) {
				t.Errorf("%d fps: segment %d lasts %v", fps, last.Number, length)
			}
			if cut.Independent != (i%(20*fps) == 0) {
				t.Errorf("%d fps: segment %d: independent is %v", fps, cut.Number, cut.Independent)
			}
			if cut.Number != last.Number+1 {
				t.Errorf("%d fps: segment %d follows %d", fps, cut.Number, last.Number)
			}
			last = cut
		}
		if last.Number < 20 {
			t.Errorf("%d fps: only %d segments in a minute", fps, last.Number)
		}
	}
}

func TestFormatChangeIsADiscontinuity(t *testing.T) {
	clip := unpack(t, NewUnpackager(), readClip(t, "bframes.flv"))
	p := NewPackager(DefaultParams())
	messages := pack(p, clip)
	changed := []Track{clip[0].Tracks[0]} // the audio track goes away
	p.SetTracks(changed)
	at := reliability.Start.Add(7 * time.Second)
	for i, s := range samplesOf(clip) {
		s.DTS, s.PTS = s.DTS+6*time.Second, s.PTS+6*time.Second
		messages = p.Pack(messages, at.Add(time.Duration(i)), s)
	}
	var last Catalog
	tracks := 0
	for _, ev := range unpack(t, NewUnpackager(), messages) {
		switch ev.Kind {
		case EventCatalog:
			last = ev.Catalog
		case EventTracks:
			tracks = len(ev.Tracks)
		case EventSample:
			if ev.Sample.Track == TrackAudio && last.Segment.Discontinuity == 1 {
				t.Fatal("audio after its track was removed")
			}
		}
	}
	if last.Segment.Discontinuity != 1 || last.Audio || tracks != 1 {
		t.Errorf("after the change: %+v, %d tracks", last, tracks)
	}
}

func BenchmarkPackUnpack(b *testing.B) {
	clip := unpack(b, NewUnpackager(), readClip(b, "bframes.flv"))
	samples := samplesOf(clip)
	p := NewPackager(DefaultParams())
	p.SetTracks(clip[0].Tracks)
	u := NewUnpackager()
	var messages []Message
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := samples[i%len(samples)]
		shift := time.Duration(i/len(samples)) * 6 * time.Second
		s.DTS, s.PTS = s.DTS+shift, s.PTS+shift
		messages = p.Pack(messages[:0], reliability.Start.Add(s.DTS), s)
		for _, m := range messages {
			if err := u.Handle(m); err != nil {
				b.Fatal(err)
			}
			for _, ok := u.Poll(); ok; _, ok = u.Poll() {
				continue
			}
		}
	}
}

func FuzzUnpackager(f *testing.F) {
	for _, m := range readClip(f, "bframes.flv")[:40] {
		f.Add(byte(m.Type), m.Timestamp, m.Payload)
	}
	f.Add(byte(9), uint32(0), []byte("\x91hvc1\x00\x00\x50\x00\x00\x00\x02\x40\x01"))
	f.Add(byte(18), uint32(0), AppendCatalog(nil, Catalog{Segment: Cut{Number: 1}, Segmentation: DefaultSegmentation(), Video: true}))
	config := readClip(f, "bframes.flv")[1:3]
	f.Fuzz(func(t *testing.T, kind byte, timestamp uint32, body []byte) {
		u := NewUnpackager()
		for _, m := range config {
			_ = u.Handle(m)
		}
		for range 2 {
			_ = u.Handle(NewMessage(MessageType(kind), timestamp, body))
		}
		u.Flush()
		last := map[TrackID]time.Duration{}
		for ev, ok := u.Poll(); ok; ev, ok = u.Poll() {
			if ev.Kind == EventSample && len(ev.Sample.Payload) > len(body)*5+64 {
				t.Fatalf("a payload of %d bytes from a body of %d", len(ev.Sample.Payload), len(body))
			}
			last[ev.Sample.Track] = ev.Sample.DTS
			_ = fmt.Sprint(ev.Tracks)
			for _, tr := range ev.Tracks {
				_ = tr.CodecString()
			}
		}
	})
}
