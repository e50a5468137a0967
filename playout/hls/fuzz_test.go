package hls

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// script turns bytes into the events of a stream that nobody would publish:
// tracks come and go, times jump, catalogues contradict the samples.
func script(b []byte, video, audio packager.Track) (events []packager.Event) {
	var at [packager.TrackData + 1]time.Duration
	for ; len(b) >= 4; b = b[4:] {
		step := time.Duration(int8(b[1])) * []time.Duration{time.Millisecond, 40 * time.Millisecond, time.Second, time.Hour}[b[2]&3]
		switch track := packager.TrackID(b[0]%3) + packager.TrackVideo; b[0] >> 5 {
		case 0:
			events = append(events, packager.Event{Kind: packager.EventTracks, Tracks: [][]packager.Track{{video, audio}, {video}, {audio}, nil}[b[1]&3]})
		case 1:
			cut := packager.Cut{Number: uint64(b[1]) + 1, Start: at[packager.TrackVideo] + step, Independent: b[2]&4 != 0, Discontinuity: uint64(b[3] & 3)}
			events = append(events, packager.Event{Kind: packager.EventCatalog, Catalog: packager.Catalog{
				Epoch: uint64(b[3]), Wall: int64(b[2]), Segment: cut, Video: true, Audio: b[2]&8 != 0,
				Segmentation: packager.Segmentation{Min: time.Duration(b[1]+1) * 100 * time.Millisecond, Target: time.Duration(b[2]%10+1) * time.Second, Part: time.Duration(b[3]%100+5) * 10 * time.Millisecond},
				Frame:        time.Duration(b[3]) * 5 * time.Millisecond, HasAudioMark: b[2]&16 != 0, AudioMark: packager.AudioMark{DTS: at[packager.TrackAudio] + step, At: int64(b[3]) << b[2]},
			}})
		default:
			at[track] += step
			events = append(events, packager.Event{Kind: packager.EventSample, Sample: packager.Sample{
				Track: track, DTS: at[track], PTS: at[track] + time.Duration(int8(b[3]))*time.Millisecond, Key: b[2]&4 != 0 || track == packager.TrackAudio,
				Payload: []byte{2, 0, 10, 'o', 'n', 'T', 'e', 'x', 't', 'D', 'a', 't', 'a', 5},
			}})
		}
	}
	return events
}

// Whatever a stream does, the muxer neither panics nor keeps without bounds,
// and its playlists can be asked for.
func FuzzMuxer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x20\x01\x04\x00\x40\x01\x05\x00\x61\x01\x01\x00\x40\x01\x01\x00\x40\x7f\x06\x00\x41\x80\x07\x00"), false)
	f.Add([]byte("\x00\x02\x00\x00\x41\x15\x00\x00\x41\x15\x00\x00\x41\x7f\x02\x00\x41\x7f\x02\x00\x00\x00\x00\x00"), true)
	video, err := packager.NewTrack(packager.CodecH264, []byte{1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, 8, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xe4, 1, 0, 4, 0x68, 0xce, 0x3c, 0x80})
	if err != nil {
		f.Fatal(err)
	}
	audio, err := packager.NewTrack(packager.CodecAAC, []byte{0x11, 0x90})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, separate bool) {
		for _, variant := range []Variant{LowLatency, MPEGTS} {
			config := DefaultConfig()
			config.Variant, config.SeparateAudio, config.FirstWait = variant, separate, 0
			s := New(config)
			sink := s.Sink("live/cam")
			m := sink.(*Muxer)
			for _, ev := range script(b[:min(len(b), 4000)], video, audio) {
				sink.WriteEvent(ev)
				if m.queued() > maxQueued+100 || len(m.timed) > maxTimed {
					t.Fatalf("%d samples and %d events wait", m.queued(), len(m.timed))
				}
			}
			fetch(t, s, "/live/cam/index.m3u8")
			fetch(t, s, "/live/cam/stream.m3u8")
			sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
			fetch(t, s, "/live/cam/audio.m3u8?_HLS_skip=YES")
		}
	})
}
