package hls

import (
	"bytes"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	ts "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	tscodecs "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/substructs"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/h264"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/mpegts"
)

// tsWriter writes MPEG-TS. Formats that MPEG-TS does not carry are left out.
type tsWriter struct {
	video, audio *ts.Track
	codec        packager.Codec
	sets         [][]byte // parameter sets, sent before each key frame
	w            *ts.Writer
	out          bytes.Buffer
	fresh        bool // a segment begins: tables come first

	// Timed metadata is declared from the first segment after an event came;
	// until then the events wait.
	events   []timedEvent
	declared bool
	counter  byte
	mapPID   int
}

func newTSWriter(tracks []packager.Track, before segmentWriter) *tsWriter {
	t := &tsWriter{}
	if old, ok := before.(*tsWriter); ok {
		t.declared, t.counter, t.events = old.declared, old.counter, old.events
	}
	var list []*ts.Track
	for _, track := range tracks {
		codec := tsCodec(track)
		if codec == nil {
			continue
		}
		entry := &ts.Track{Codec: codec}
		if track.ID == packager.TrackVideo {
			t.video, t.codec, t.sets = entry, track.Codec, parameterSets(track)
		} else {
			t.audio = entry
		}
		list = append(list, entry)
	}
	t.w = &ts.Writer{W: &t.out, Tracks: list}
	if err := t.w.Initialize(); err != nil {
		t.video, t.audio = nil, nil
	}
	return t
}

func tsCodec(t packager.Track) tscodecs.Codec {
	switch t.Codec {
	case packager.CodecH264:
		return &tscodecs.H264{}
	case packager.CodecH265:
		return &tscodecs.H265{}
	case packager.CodecMP3:
		return &tscodecs.MPEG1Audio{}
	case packager.CodecOpus:
		return &tscodecs.Opus{Desc: &substructs.OpusAudioDescriptor{ChannelConfigCode: uint8(t.Channels)}}
	case packager.CodecAAC:
		var c mpeg4audio.AudioSpecificConfig
		if c.Unmarshal(t.Config) == nil {
			return &tscodecs.MPEG4Audio{Config: c}
		}
	}
	return nil
}

func parameterSets(t packager.Track) [][]byte {
	switch t.Codec {
	case packager.CodecH264:
		if c, err := h264.ParseConfig(t.Config); err == nil {
			return slices.Concat(c.SPS, c.PPS)
		}
	case packager.CodecH265:
		if c, err := h265.ParseConfig(t.Config); err == nil {
			return slices.Concat(c.VPS, c.SPS, c.PPS)
		}
	}
	return nil
}

func (t *tsWriter) init() (none [renditionCount][]byte) { return none }
func (t *tsWriter) extension() string                   { return ".ts" }
func (t *tsWriter) contentType(rendition) string        { return "video/mp2t" }

func (t *tsWriter) begin(uint64) {
	t.fresh = true
	t.declared = t.declared || len(t.events) > 0
}

func (t *tsWriter) part(p *partBuilder) (bodies [renditionCount][]byte) {
	video, audio := p.video, p.audio
	t.out.Reset()
	if t.fresh {
		t.fresh = false
		_, _ = t.w.WriteTables()
	}
	for len(video)+len(audio) > 0 {
		if len(audio) == 0 || len(video) > 0 && video[0].DTS <= audio[0].DTS {
			t.writeVideo(video[0])
			video = video[1:]
			continue
		}
		t.writeAudio(audio[0])
		audio = audio[1:]
	}
	t.events = append(t.events, p.events...)
	bodies[mainRendition] = t.withMetadata(bytes.Clone(t.out.Bytes()))
	return bodies
}

// withMetadata declares the metadata in the tables of a part and adds the
// events.
func (t *tsWriter) withMetadata(b []byte) []byte {
	if !t.declared {
		t.events = t.events[:min(len(t.events), maxTimed)]
		return b
	}
	for at := 0; at+mpegts.PacketLen <= len(b); at += mpegts.PacketLen {
		packet := b[at : at+mpegts.PacketLen]
		if pid, err := mpegts.ProgramMap(packet); err == nil {
			t.mapPID = pid
		} else if int(packet[1]&0x1f)<<8|int(packet[2]) == t.mapPID && t.mapPID != 0 {
			_ = mpegts.DeclareMetadata(packet) // if it has no room, players see none
		}
	}
	for _, e := range t.events {
		b = mpegts.AppendMetadata(b, &t.counter, packager.ToScale(e.at+startOffset, 90000), e.tag)
	}
	t.events = nil
	return b
}

func (t *tsWriter) writeVideo(s pendingSample) {
	if t.video == nil {
		return
	}
	pts := s.at + packager.ToScale(s.PTS-s.DTS, 90000)
	if t.codec == packager.CodecH264 {
		units := t.unitsOf(s, func(u []byte) bool {
			k := h264.TypeOf(u)
			return k == h264.TypeAUD || k == h264.TypeSPS || k == h264.TypePPS || k >= h264.TypeEndOfSeq && k <= h264.TypeFiller
		})
		if len(units) > 0 {
			_ = t.w.WriteH264(t.video, pts, s.at, units)
		}
		return
	}
	units := t.unitsOf(s, func(u []byte) bool {
		k := h265.TypeOf(u)
		return k >= h265.TypeVPS && k <= h265.TypeFiller
	})
	if len(units) > 0 {
		_ = t.w.WriteH265(t.video, pts, s.at, units)
	}
}

// unitsOf returns the units of an access unit with the parameter sets before a
// key frame, and without those that drop names.
func (t *tsWriter) unitsOf(s pendingSample, drop func([]byte) bool) [][]byte {
	units, err := h264.Units(nil, s.Payload)
	if err != nil {
		return nil
	}
	units = slices.DeleteFunc(units, drop)
	if s.Key {
		units = append(slices.Clone(t.sets), units...)
	}
	if len(units) == 0 {
		units = [][]byte{{byte(h264.TypeFiller), 0x80}}
	}
	return units
}

func (t *tsWriter) writeAudio(s pendingSample) {
	if t.audio == nil {
		return
	}
	switch c := t.audio.Codec.(type) {
	case *tscodecs.MPEG4Audio:
		_ = t.w.WriteMPEG4Audio(t.audio, s.at*90000/int64(c.SampleRate), [][]byte{s.Payload})
	case *tscodecs.MPEG1Audio:
		_ = t.w.WriteMPEG1Audio(t.audio, packager.ToScale(s.DTS+startOffset, 90000), [][]byte{s.Payload})
	case *tscodecs.Opus:
		_ = t.w.WriteOpus(t.audio, s.at*90000/48000, [][]byte{s.Payload})
	}
}
