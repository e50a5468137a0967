package file

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/aac"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/packager/nalu"
)

// frame is what a container yields: an Annex B access unit, ADTS or MP3
// frames, or an Opus packet.
type frame struct {
	codec    flv.FourCC
	dts, pts time.Duration
	data     []byte
}

// demuxer yields the frames of a file in its order, then io.EOF.
type demuxer interface {
	next() (frame, error)
	close() error
}

// demuxFeed makes messages of the frames of a container.
type demuxFeed struct {
	unpack *packager.Unpackager
	config []byte // AudioSpecificConfig given to the unpackager
	// audioEnd is where the last audio frame ended: several frames share the
	// timestamp of the first one.
	audioEnd time.Duration
}

func newDemuxReader(d demuxer) reader {
	r := &demuxFeed{unpack: packager.NewUnpackager()}
	return &unpackReader{unpack: r.unpack, closer: d.close, feed: func() error {
		f, err := d.next()
		if err == nil {
			r.feed(f)
		}
		return err
	}}
}

// timeMargin keeps the times of files with negative timestamps above zero.
const timeMargin = 10 * time.Second

func milliseconds(d time.Duration) uint32 {
	return uint32((d + timeMargin).Round(time.Millisecond).Milliseconds())
}

// feed hands a frame to the unpackager. Malformed frames are dropped there,
// and counted.
func (r *demuxFeed) feed(f frame) {
	switch f.codec {
	case flv.AVC, flv.HEVC:
		units, err := nalu.SplitAnnexB(nil, f.data)
		if err != nil || len(units) == 0 {
			return
		}
		v := flv.Video{FrameType: flv.InterFrame, Packet: flv.CodedFrames, Codec: f.codec}
		ms := milliseconds(f.dts)
		v.CompositionTime = int32(milliseconds(f.pts) - ms)
		body := flv.AppendVideoHeader(make([]byte, 0, len(f.data)+64), v)
		_ = r.unpack.Handle(packager.NewMessage(packager.MessageVideo, ms, nalu.AppendLengthPrefixed(body, units...)))
	case flv.AAC:
		r.feedADTS(f)
	default:
		body := flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.CodedFrames, Codec: f.codec})
		_ = r.unpack.Handle(packager.NewMessage(packager.MessageAudio, milliseconds(f.pts), append(body, f.data...)))
	}
}

// feedADTS splits ADTS frames. Those that share a timestamp follow each other.
func (r *demuxFeed) feedADTS(f frame) {
	at := f.pts
	for data := f.data; len(data) >= aac.ADTSHeaderLen; {
		h, err := aac.ParseADTS(data)
		if err != nil || h.Size > len(data) {
			return
		}
		if string(h.Config) != string(r.config) {
			r.config = h.Config
			body := flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.SequenceStart, Codec: flv.AAC})
			_ = r.unpack.Handle(packager.NewMessage(packager.MessageAudio, 0, append(body, h.Config...)))
		}
		// Small steps back come from rounding and from shared timestamps.
		if d := r.audioEnd - at; d > 0 && d < 500*time.Millisecond {
			at = r.audioEnd
		}
		body := flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.CodedFrames, Codec: flv.AAC})
		_ = r.unpack.Handle(packager.NewMessage(packager.MessageAudio, milliseconds(at), append(body, data[h.Header:h.Size]...)))
		at += time.Duration(h.Samples) * time.Second / time.Duration(h.SampleRate)
		// Timestamps are rounded down to a millisecond at least.
		r.audioEnd = at - time.Millisecond
		data = data[h.Size:]
	}
}

// guarded calls a function of the container library, which was not written for
// broken files, and turns a panic into an error.
func guarded(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s is malformed: %v", what, p)
		}
	}()
	return f()
}
