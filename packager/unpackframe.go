package packager

import (
	"time"

	"github.com/ringcast/ringcast/packager/av1"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/packager/h264"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/mp3"
	"github.com/ringcast/ringcast/packager/nalu"
	"github.com/ringcast/ringcast/packager/opus"
	"github.com/ringcast/ringcast/packager/vp9"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// videoFrame turns a coded frame into a sample.
func (u *Unpackager) videoFrame(m Message, v flv.Video, codec Codec) error {
	st := &u.video
	payload, err := u.normalizeFrame(st, codec, v.Data)
	if err != nil {
		return err
	}
	key := v.FrameType == flv.KeyFrame || v.FrameType == flv.GeneratedKey
	key = key || codec != CodecAV1 && IsKey(codec, payload)
	if key {
		u.inBandConfig(st, codec, payload)
	}
	if !st.known || st.track.Codec != codec {
		return ErrNoConfig
	}
	dts := u.clock.Unwrap(m.Timestamp)
	if !st.running {
		if !key {
			u.stats.NoKey++
			return nil
		}
		st.running = true
	}
	composition := time.Duration(v.CompositionTime)*time.Millisecond + time.Duration(v.NanoOffset)
	if composition > maxComposeOffset || composition < -maxComposeOffset {
		composition = 0
	}
	u.emitSample(Sample{
		Track: TrackVideo, DTS: dts, PTS: dts + composition, Key: key,
		Disposable: !key && (v.FrameType == flv.DisposableFrame || isDisposable(codec, payload)), Payload: payload,
	})
	return nil
}

// normalizeFrame returns the frame in the form that Sample documents: the
// input itself if it has that form already.
func (u *Unpackager) normalizeFrame(st *trackState, codec Codec, data []byte) ([]byte, error) {
	switch codec {
	case CodecAV1:
		if data = av1.TrimTemporalDelimiter(data); len(data) == 0 {
			return nil, ErrPayload
		}
		return data, nil
	case CodecH264, CodecH265:
	default:
		return data, nil
	}
	size := st.lengthSize
	if size == 0 || st.codec != codec {
		size = 4
	}
	if size == 4 && lengthsFit(data) {
		return data, nil
	}
	var units [][]byte
	var err error
	if nalu.LooksLikeAnnexB(data) {
		units, err = nalu.SplitAnnexB(nil, data)
	} else {
		units, err = nalu.Split(nil, data, size)
	}
	if err != nil {
		return nil, err
	}
	if len(units) == 0 {
		return nil, ErrPayload
	}
	return nalu.AppendLengthPrefixed(make([]byte, 0, len(data)+4*len(units)), units...), nil
}

// lengthsFit reports whether data is a run of units behind four-byte lengths,
// none of them empty.
func lengthsFit(data []byte) bool {
	units := 0
	for len(data) > 4 && units < nalu.MaxUnits {
		n := int64(data[0])<<24 | int64(data[1])<<16 | int64(data[2])<<8 | int64(data[3])
		if n == 0 || n > int64(len(data)-4) {
			return false
		}
		data = data[4+n:]
		units++
	}
	return len(data) == 0 && units > 0
}

// IsKey reports whether a frame, in the form that [Sample] documents, is a
// random access point.
func IsKey(codec Codec, payload []byte) bool {
	switch codec {
	case CodecAV1:
		return av1.IsKey(payload)
	case CodecH264:
		return h264.IsKey(payload)
	case CodecH265:
		return h265.IsKey(payload)
	case CodecVP9:
		return vp9.IsKey(payload)
	}
	return false
}

// isDisposable reports whether no slice of an access unit is referred to.
func isDisposable(codec Codec, payload []byte) bool {
	if codec != CodecH264 && codec != CodecH265 {
		return false
	}
	for len(payload) > 4 {
		n := int64(payload[0])<<24 | int64(payload[1])<<16 | int64(payload[2])<<8 | int64(payload[3])
		unit := payload[4:]
		if codec == CodecH264 {
			if t := h264.TypeOf(unit); t >= h264.TypeSlice && t <= h264.TypeIDR {
				return unit[0]&0x60 == 0
			}
		} else if t := h265.TypeOf(unit); t < 32 {
			// Sub-layer non-reference pictures have the even numbers below 16.
			return t < 16 && t%2 == 0
		}
		if n > int64(len(unit)) {
			return false
		}
		payload = unit[n:]
	}
	return false
}

// inBandConfig takes the configuration from a key frame, if it holds one that
// differs from what is known.
func (u *Unpackager) inBandConfig(st *trackState, codec Codec, payload []byte) {
	var config []byte
	switch codec {
	case CodecH264:
		config = inBandH264(st, payload)
	case CodecH265:
		config = inBandH265(st, payload)
	case CodecAV1:
		if !st.known || st.codec != codec {
			config, _ = av1.NewConfig(payload)
		}
	case CodecVP9:
		config = inBandVP9(st, payload)
	}
	if config == nil {
		return
	}
	if t, err := NewTrack(codec, config); err == nil {
		st.codec = codec
		u.setTrack(st, t)
	}
}

func inBandH264(st *trackState, payload []byte) []byte {
	units, err := h264.Units(nil, payload)
	if err != nil {
		return nil
	}
	sps, pps := h264.Sets(units)
	if len(sps) == 0 || len(pps) == 0 {
		return nil
	}
	var tail []byte
	if st.known && st.codec == CodecH264 {
		old, err := h264.ParseConfig(st.track.Config)
		if err == nil && old.SameSets(h264.Config{SPS: sps, PPS: pps}) {
			return nil
		}
		tail = old.Tail
	}
	config, err := h264.AppendConfig(nil, sps, pps, tail)
	if err != nil {
		return nil
	}
	return config
}

func inBandH265(st *trackState, payload []byte) []byte {
	units, err := h265.Units(nil, payload)
	if err != nil {
		return nil
	}
	config, err := h265.NewConfig(h265.Sets(units))
	if err != nil {
		return nil
	}
	if st.known && st.codec == CodecH265 {
		if old, err := h265.ParseConfig(st.track.Config); err == nil && old.SameSets(config) {
			return nil
		}
	}
	return config.Append(nil)
}

// inBandVP9 makes a configuration of a key frame if there is none, and fills
// in the picture size, which a VP9 configuration lacks.
func inBandVP9(st *trackState, payload []byte) []byte {
	info, err := vp9.ParseKeyFrame(payload)
	if err != nil {
		return nil
	}
	if st.known && st.codec == CodecVP9 {
		st.track.Width, st.track.Height = info.Width, info.Height
		return nil
	}
	return info.Config.Append(nil)
}

// audioFrame turns an access unit into a sample.
func (u *Unpackager) audioFrame(m Message, a flv.Audio, codec Codec) error {
	st := &u.audio
	if codec == CodecMP3 {
		head, err := mp3.ParseHeader(a.Data)
		if err != nil {
			return err
		}
		if !st.known || st.codec != CodecMP3 || head.SampleRate != st.track.SampleRate || head.Channels != st.track.Channels {
			if err := u.configure(st, CodecMP3, a.Data[:mp3.HeaderLen:mp3.HeaderLen]); err != nil {
				return err
			}
		}
	}
	if codec == CodecOpus && !st.known {
		if err := u.configure(st, CodecOpus, nil); err != nil {
			return err
		}
	}
	if !st.known || st.track.Codec != codec {
		return ErrNoConfig
	}
	dts := u.clock.Unwrap(m.Timestamp)
	u.emitSample(Sample{Track: TrackAudio, DTS: dts, PTS: dts + time.Duration(a.NanoOffset), Key: true, Payload: a.Data})
	return nil
}

// defaultOpusHead is what a sender means that gives no header: stereo.
func defaultOpusHead() []byte {
	return opus.Head{Channels: 2, PreSkip: 312, InputRate: opus.ClockRate}.Append(nil)
}

// handleData takes script data.
func (u *Unpackager) handleData(m Message) error {
	body := m.Payload
	if m.HeaderLen > 0 {
		body = m.AppendBody(nil)
	}
	name, n, err := amf0.Parse(body)
	if err != nil {
		return err
	}
	if name.String == "@setDataFrame" {
		body = body[n:]
		if name, n, err = amf0.Parse(body); err != nil {
			return err
		}
	}
	switch name.String {
	case CatalogName:
		return u.handleCatalog(m.Timestamp, body[n:])
	case "@clearDataFrame", "|RtmpSampleAccess", "onStatus":
		return nil
	case "onMetaData":
		u.handleMetadata(body[n:])
	}
	if !u.clock.started {
		return nil // nothing to place it by yet
	}
	// Metadata often carries timestamp 0 in mid-stream; it belongs where it
	// came.
	at := u.clock.peek(m.Timestamp)
	u.emitData(Sample{Track: TrackData, DTS: at, PTS: at, Key: true, Payload: body})
	return nil
}

func (u *Unpackager) emitData(s Sample) {
	if u.released {
		u.events = append(u.events, Event{Kind: EventSample, Sample: s})
	}
}

func (u *Unpackager) handleCatalog(timestamp uint32, body []byte) error {
	v, _, err := amf0.Parse(body)
	if err != nil {
		return err
	}
	c, err := parseCatalog(v)
	if err != nil {
		return err
	}
	u.clock.Set(timestamp, c.MediaTime)
	u.expects, u.expectVideo, u.expectAudio = true, c.Video, c.Audio
	if c.FrameRate > 0 {
		u.hints.frameRate = c.FrameRate
	}
	if u.released {
		// A track that the publisher dropped must not stay announced.
		if u.video.known && !c.Video || u.audio.known && !c.Audio {
			u.video.known, u.audio.known = u.video.known && c.Video, u.audio.known && c.Audio
			u.events = append(u.events, Event{Kind: EventCatalog, Catalog: c})
			u.emitTracks()
			return nil
		}
	}
	u.events = append(u.events, Event{Kind: EventCatalog, Catalog: c})
	return nil
}

// hints are what onMetaData says and nothing else tells.
type hints struct {
	width, height int
	frameRate     float64
}

func (h hints) apply(t *Track) {
	if t.FrameRate == 0 {
		t.FrameRate = h.frameRate
	}
	if t.Width == 0 {
		t.Width, t.Height = h.width, h.height
	}
}

// handleMetadata learns from onMetaData which tracks to wait for. It is a
// hint: frames of a track that it leaves out still count.
func (u *Unpackager) handleMetadata(body []byte) {
	v, _, err := amf0.Parse(body)
	if err != nil || !v.IsObject() {
		return
	}
	number := func(name string, most float64) float64 {
		if p, ok := v.Get(name); ok && p.Number > 0 && p.Number <= most {
			return p.Number
		}
		return 0
	}
	u.hints = hints{int(number("width", 1<<15)), int(number("height", 1<<15)), number("framerate", 1000)}
	has := func(names ...string) bool {
		for _, n := range names {
			if p, ok := v.Get(n); ok && (p.Number != 0 || p.String != "") {
				return true
			}
		}
		return false
	}
	video, audio := has("videocodecid", "width"), has("audiocodecid", "audiosamplerate")
	if !u.released && (video || audio) {
		u.expects, u.expectVideo, u.expectAudio = true, video, audio
	}
}
