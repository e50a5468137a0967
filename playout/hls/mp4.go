package hls

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/fmp4"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/opus"
)

// mp4Writer writes fragmented MP4: all tracks in one file, or audio in files of
// its own.
type mp4Writer struct {
	tracks   []packager.Track
	separate bool
	// Fragments are numbered by their place in the stream, so that every
	// node gives one the same number.
	number uint64
	index  int
}

func newMP4Writer(tracks []packager.Track, separate bool) *mp4Writer {
	return &mp4Writer{tracks: tracks, separate: separate}
}

func (w *mp4Writer) extension() string   { return ".m4s" }
func (w *mp4Writer) begin(number uint64) { w.number, w.index = number, 0 }

func (w *mp4Writer) contentType(r rendition) string {
	for _, t := range w.tracks {
		if t.ID == packager.TrackVideo && r == mainRendition {
			return "video/mp4"
		}
	}
	return "audio/mp4"
}

var mp4Formats = map[packager.Codec]fmp4.Format{
	packager.CodecH264: fmp4.AVC1, packager.CodecH265: fmp4.HVC1, packager.CodecAV1: fmp4.AV01, packager.CodecVP9: fmp4.VP09,
	packager.CodecAAC: fmp4.MP4A, packager.CodecMP3: fmp4.MP3, packager.CodecOpus: fmp4.Opus,
}

func (w *mp4Writer) init() (bodies [renditionCount][]byte) {
	var tracks [renditionCount][]fmp4.Track
	for _, t := range w.tracks {
		r := mainRendition
		if w.separate && t.ID == packager.TrackAudio {
			r = audioRendition
		}
		tracks[r] = append(tracks[r], fmp4.Track{
			ID: uint32(t.ID), Timescale: uint32(timescaleOf(t)), Format: mp4Formats[t.Codec], Config: boxConfig(t),
			Width: t.Width, Height: t.Height, Channels: t.Channels, SampleRate: t.SampleRate,
		})
	}
	for r, list := range tracks {
		if len(list) > 0 {
			bodies[r] = fmp4.AppendInit(nil, list)
		}
	}
	return bodies
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

func (w *mp4Writer) part(p *partBuilder) (bodies [renditionCount][]byte) {
	sequence := uint32(w.number)<<10 | uint32(w.index)&0x3ff
	w.index++
	size := 1024
	for _, e := range p.events {
		size += len(e.tag) + 128
	}
	video, audio := runOf(p.video, &size), runOf(p.audio, &size)
	b := make([]byte, 0, size)
	for _, e := range p.events {
		at := max(e.at+startOffset, 0)
		b = fmp4.AppendEvent(b, fmp4.Event{Time: uint64(at.Milliseconds()), ID: e.id(), Scheme: fmp4.ID3Scheme, Data: e.tag})
	}
	if !w.separate {
		bodies[mainRendition] = fmp4.AppendFragment(b, sequence, []fmp4.Run{video, audio})
		return bodies
	}
	bodies[mainRendition] = fmp4.AppendFragment(b, sequence, []fmp4.Run{video})
	bodies[audioRendition] = fmp4.AppendFragment(nil, sequence, []fmp4.Run{audio})
	return bodies
}

// runOf returns the run of a track's samples and adds what it takes to size.
func runOf(group []pendingSample, size *int) fmp4.Run {
	if len(group) == 0 {
		return fmp4.Run{}
	}
	run := fmp4.Run{TrackID: uint32(group[0].Track), BaseTime: uint64(group[0].at), Samples: make([]fmp4.Sample, len(group))}
	for i, s := range group {
		offset := int32(0)
		if s.Track == packager.TrackVideo {
			offset = int32(packager.ToScale(s.PTS-s.DTS, 90000))
		}
		run.Samples[i] = fmp4.Sample{Duration: uint32(s.duration), CompositionOffset: offset, Sync: s.Key, Data: s.Payload}
		*size += len(s.Payload) + 16
	}
	return run
}
