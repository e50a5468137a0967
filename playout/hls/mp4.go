package hls

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/fmp4"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/opus"
	"github.com/ringcast/ringcast/playout"
)

// mp4Writer writes fragmented MP4.
type mp4Writer struct {
	tracks   []packager.Track
	sequence uint32
}

func newMP4Writer(tracks []packager.Track, older segmentWriter) *mp4Writer {
	w := &mp4Writer{tracks: tracks}
	if old, ok := older.(*mp4Writer); ok {
		w.sequence = old.sequence
	}
	return w
}

func (w *mp4Writer) extension() string { return ".m4s" }
func (w *mp4Writer) begin()            {}

func (w *mp4Writer) contentType() string {
	for _, t := range w.tracks {
		if t.ID == packager.TrackVideo {
			return "video/mp4"
		}
	}
	return "audio/mp4"
}

var mp4Formats = map[packager.Codec]fmp4.Format{
	packager.CodecH264: fmp4.AVC1, packager.CodecH265: fmp4.HVC1, packager.CodecAV1: fmp4.AV01, packager.CodecVP9: fmp4.VP09,
	packager.CodecAAC: fmp4.MP4A, packager.CodecMP3: fmp4.MP3, packager.CodecOpus: fmp4.Opus,
}

func (w *mp4Writer) init() []byte {
	var tracks []fmp4.Track
	for _, t := range w.tracks {
		tracks = append(tracks, fmp4.Track{
			ID: uint32(t.ID), Timescale: uint32(timescaleOf(t)), Format: mp4Formats[t.Codec], Config: boxConfig(t),
			Width: t.Width, Height: t.Height, Channels: t.Channels, SampleRate: t.SampleRate,
		})
	}
	return fmp4.AppendInit(nil, tracks)
}

// boxConfig returns a track's configuration as its box wants it.
func boxConfig(t packager.Track) []byte {
	switch t.Codec {
	case packager.CodecH265:
		// hvc1 wants complete arrays and no SEI.
		if c, err := h265.ParseConfig(t.Config); err == nil {
			return c.Append(nil)
		}
	case packager.CodecOpus:
		h, err := opus.ParseHead(t.Config)
		if err != nil {
			return nil
		}
		// dOps is OpusHead in big-endian form.
		b := []byte{0, byte(h.Channels)}
		b = binary.BigEndian.AppendUint16(b, uint16(h.PreSkip))
		b = binary.BigEndian.AppendUint32(b, uint32(h.InputRate))
		b = binary.BigEndian.AppendUint16(b, uint16(h.Gain))
		return append(append(b, h.Family), h.Mapping...)
	}
	return t.Config
}

func (w *mp4Writer) part(video, audio []pendingSample) []byte {
	w.sequence++
	size := 1024
	runs := make([]fmp4.Run, 0, 2)
	for _, group := range [...][]pendingSample{video, audio} {
		if len(group) == 0 {
			continue
		}
		run := fmp4.Run{TrackID: uint32(group[0].Track), BaseTime: uint64(group[0].at), Samples: make([]fmp4.Sample, len(group))}
		scale := int64(90000)
		for i, s := range group {
			offset := int32(0)
			if s.Track == packager.TrackVideo {
				offset = int32(playout.ToScale(s.PTS-s.DTS, scale))
			}
			run.Samples[i] = fmp4.Sample{Duration: uint32(s.duration), CompositionOffset: offset, Sync: s.Key, Data: s.Payload}
			size += len(s.Payload) + 16
		}
		runs = append(runs, run)
	}
	return fmp4.AppendFragment(make([]byte, 0, size), w.sequence, runs)
}
