package flv

import (
	"io"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// tag is one FLV tag without its timestamp, which differs from viewer to
// viewer. Tags are shared and not changed.
type tag struct {
	kind    byte // flv.TypeAudio, flv.TypeVideo or flv.TypeScript
	dts     time.Duration
	key     bool // a video key frame
	config  bool // always delivered
	header  []byte
	payload []byte
}

func (t *tag) size() int { return len(t.header) + len(t.payload) }

// write writes the tag with its framing; scratch is reused.
func (t *tag) write(w io.Writer, timestamp uint32, scratch []byte) ([]byte, error) {
	b := flv.AppendTagHeader(scratch[:0], flv.TagHeader{Type: t.kind, Size: t.size(), Timestamp: timestamp})
	b = append(b, t.header...)
	if _, err := w.Write(b); err != nil {
		return b, err
	}
	if _, err := w.Write(t.payload); err != nil {
		return b, err
	}
	b = flv.AppendTrailer(b[:0], t.size())
	_, err := w.Write(b)
	return b, err
}

func fourCC(c packager.Codec) flv.FourCC {
	switch c {
	case packager.CodecH264:
		return flv.AVC
	case packager.CodecH265:
		return flv.HEVC
	case packager.CodecAV1:
		return flv.AV1
	case packager.CodecVP9:
		return flv.VP9
	case packager.CodecAAC:
		return flv.AAC
	case packager.CodecOpus:
		return flv.Opus
	case packager.CodecMP3:
		return flv.MP3
	}
	return flv.Other
}

// sampleTag makes the tag of a sample; codec is that of its track.
func sampleTag(s packager.Sample, codec packager.Codec) tag {
	t := tag{dts: s.DTS, payload: s.Payload}
	switch s.Track {
	case packager.TrackVideo:
		v := flv.Video{FrameType: flv.InterFrame, Packet: flv.CodedFrames, Codec: fourCC(codec), CompositionTime: int32((s.PTS - s.DTS).Milliseconds())}
		if s.Key {
			v.FrameType = flv.KeyFrame
		} else if s.Disposable {
			v.FrameType = flv.DisposableFrame
		}
		t.kind, t.key, t.header = flv.TypeVideo, s.Key, flv.AppendVideoHeader(nil, v)
	case packager.TrackAudio:
		t.kind, t.header = flv.TypeAudio, flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.CodedFrames, Codec: fourCC(codec)})
	default:
		t.kind = flv.TypeScript
	}
	return t
}

// headTags are what every viewer needs first: metadata and the decoder
// configurations.
func headTags(tracks []packager.Track) []tag {
	tags := []tag{{kind: flv.TypeScript, config: true, payload: metadata(tracks)}}
	for _, t := range tracks {
		c := tag{config: true, payload: t.Config}
		switch {
		case t.Codec.IsVideo():
			c.kind = flv.TypeVideo
			c.header = flv.AppendVideoHeader(nil, flv.Video{FrameType: flv.KeyFrame, Packet: flv.SequenceStart, Codec: fourCC(t.Codec)})
		case t.Codec == packager.CodecAAC, t.Codec == packager.CodecOpus:
			c.kind = flv.TypeAudio
			c.header = flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.SequenceStart, Codec: fourCC(t.Codec)})
		default:
			continue // MP3 says all in each frame
		}
		tags = append(tags, c)
	}
	return tags
}

// endTag tells the decoder that no picture follows.
func endTag(codec packager.Codec) tag {
	return tag{kind: flv.TypeVideo, config: true, header: flv.AppendVideoHeader(nil, flv.Video{FrameType: flv.KeyFrame, Packet: flv.SequenceEnd, Codec: fourCC(codec)})}
}

// metadata is the onMetaData of a live stream: without duration and file size.
func metadata(tracks []packager.Track) []byte {
	var p []amf0.Property
	number := func(name string, n float64) {
		if n > 0 {
			p = append(p, amf0.Property{Name: name, Value: amf0.Number(n)})
		}
	}
	for _, t := range tracks {
		switch {
		case t.Codec.IsVideo():
			number("width", float64(t.Width))
			number("height", float64(t.Height))
			number("framerate", t.FrameRate)
			number("videocodecid", codecNumber(t.Codec))
		case t.Codec.IsAudio():
			number("audiocodecid", codecNumber(t.Codec))
			number("audiosamplerate", float64(t.SampleRate))
			p = append(p, amf0.Property{Name: "stereo", Value: amf0.Bool(t.Channels > 1)})
		}
	}
	p = append(p, amf0.Property{Name: "encoder", Value: amf0.String("Ringcast")})
	return amf0.Append(nil, amf0.String("onMetaData"), amf0.ECMAArray(p...))
}

// codecNumber is the codec's number in onMetaData: the legacy one, or the
// FourCC as a number.
func codecNumber(c packager.Codec) float64 {
	switch c {
	case packager.CodecH264:
		return 7
	case packager.CodecAAC:
		return 10
	case packager.CodecMP3:
		return 2
	}
	n := 0.0
	for _, b := range []byte(fourCC(c)) {
		n = n*256 + float64(b)
	}
	return n
}
