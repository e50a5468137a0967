package rtsp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/packager"
)

// Decode times of streams with B-frames: known orders of presentation, 40 ms a
// picture.
func TestDTSClock(t *testing.T) {
	tests := []struct {
		name  string
		depth int
		pts   []int // in pictures, in decoding order
	}{
		{"no B-frames", 0, []int{0, 1, 2, 3, 4, 5}},
		{"one B-frame", 1, []int{0, 2, 1, 4, 3, 6, 5}},
		{"pyramid", 2, []int{0, 4, 2, 1, 3, 8, 6, 5, 7}},
		{"told too much", 4, []int{0, 2, 1, 4, 3, 6, 5, 8, 7}},
	}
	for _, tt := range tests {
		clock := dtsClock{depth: tt.depth}
		var dts []time.Duration
		for _, p := range tt.pts {
			dts = clock.add(dts, time.Duration(p)*40*time.Millisecond)
		}
		for i, d := range dts {
			if want := time.Duration(i-tt.depth) * 40 * time.Millisecond; d != want {
				t.Errorf("%s: picture %d: DTS %v, want %v", tt.name, i, d, want)
			}
		}
		if len(dts) != len(tt.pts) {
			t.Errorf("%s: %d decode times for %d pictures", tt.name, len(dts), len(tt.pts))
		}
	}
}

// Whatever the presentation times are, decode times rise, and there is one for
// each picture but for those that wait at the start.
func TestDTSClockNeverStepsBack(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 7))
		clock := dtsClock{depth: rng.IntN(4)}
		var dts []time.Duration
		n := 200
		for i := range n {
			pts := time.Duration(i*40+rng.IntN(400)-200) * time.Millisecond
			if rng.IntN(50) == 0 {
				pts += time.Duration(rng.IntN(20000)-10000) * time.Millisecond
			}
			dts = clock.add(dts, pts)
		}
		if !slices.IsSorted(dts) || len(dts) < n-maxReorder || len(clock.window) > maxReorder+1 {
			t.Fatalf("seed %d: sorted %v, %d times, window of %d", seed, slices.IsSorted(dts), len(dts), len(clock.window))
		}
	}
}

// collect is a sink that keeps samples.
type collect struct {
	tracks  []packager.Track
	samples []packager.Sample
}

func (c *collect) SetTracks(t []packager.Track) error { c.tracks = t; return nil }
func (c *collect) WriteSample(s packager.Sample) error {
	c.samples = append(c.samples, s)
	return nil
}

// Two Opus tracks would be one too many; one of them is aligned by its sender
// reports, of which those without a clock are ignored.
func TestAlignmentBySenderReports(t *testing.T) {
	video := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.VP9{PayloadTyp: 96}}}
	audio := &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.Opus{PayloadTyp: 97, ChannelCount: 2}}}
	second := &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.Opus{PayloadTyp: 98, ChannelCount: 2}}}
	sink := &collect{}
	r, err := newReceiver(&description.Session{Medias: []*description.Media{video, audio, second}}, sink)
	if err != nil || len(r.tracks) != 2 {
		t.Fatalf("%d tracks, %v", len(r.tracks), err)
	}
	const now = uint64(4_000_000_000) << 32
	r.report(audio, &rtcp.SenderReport{NTPTime: 5 << 32, RTPTime: 1}) // time since start: no clock
	r.report(video, &rtcp.SenderReport{NTPTime: now, RTPTime: 90_000})
	r.report(audio, &rtcp.SenderReport{NTPTime: now + 1<<31, RTPTime: 48_000}) // half a second later
	vt, at := r.tracks[video], r.tracks[audio]
	v0 := vt.time(90_000)
	a0 := at.time(48_000)
	if d := a0 - v0; d < 499*time.Millisecond || d > 501*time.Millisecond {
		t.Errorf("audio is %v after video, want 500 ms", d)
	}
	if d := vt.time(90_000+3600) - v0; d != 40*time.Millisecond {
		t.Errorf("a step of 3600 ticks is %v, want 40 ms", d)
	}
	if d := vt.time(90_000-3600) - v0; d != -40*time.Millisecond {
		t.Errorf("a step back of 3600 ticks is %v, want -40 ms", d)
	}
	if err := r.packet(audio, &rtp.Packet{Header: rtp.Header{Timestamp: 48_000 + 960}, Payload: []byte{0xfc, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := r.packet(second, &rtp.Packet{Payload: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	r.finish()
	if len(sink.samples) != 1 || sink.samples[0].Track != packager.TrackAudio {
		t.Errorf("%d samples", len(sink.samples))
	}
}

func TestStripStartCode(t *testing.T) {
	for _, in := range [][]byte{{0, 0, 0, 1, 0x67, 1}, {0, 0, 1, 0x67, 1}, {0x67, 1}} {
		if got := stripStartCode(in); len(got) != 2 || got[0] != 0x67 {
			t.Errorf("% x becomes % x", in, got)
		}
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add(uint32(90000), []byte{0x7c, 0x85, 1, 2, 3}, true)
	f.Add(uint32(0), []byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1}, false)
	f.Add(uint32(48000), []byte{0, 16, 0, 8, 1}, true)
	f.Fuzz(func(t *testing.T, ts uint32, payload []byte, marker bool) {
		for _, forma := range []format.Format{
			&format.H264{PayloadTyp: 96, PacketizationMode: 1}, &format.H265{PayloadTyp: 96}, &format.AV1{PayloadTyp: 96},
			&format.VP9{PayloadTyp: 96}, &format.Opus{PayloadTyp: 97, ChannelCount: 2}, &format.MPEG1Audio{},
		} {
			m := &description.Media{Formats: []format.Format{forma}}
			r, err := newReceiver(&description.Session{Medias: []*description.Media{m}}, &collect{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				_ = r.packet(m, &rtp.Packet{Header: rtp.Header{Timestamp: ts * uint32(i+1), SequenceNumber: uint16(i), Marker: marker}, Payload: payload})
			}
			r.finish()
		}
	})
}
