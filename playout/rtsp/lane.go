package rtsp

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpav1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/av1"
	"github.com/ringcast/ringcast/packager/h264"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/opus"
)

// payloadMax is the longest RTP payload: it fits an Ethernet frame with room
// for tunnels.
const payloadMax = 1400

// errFormat means that a track can't be sent by RTP.
var errFormat = errors.New("format has no RTP payload")

// lane turns the samples of one track into RTP packets.
type lane struct {
	track  packager.Track
	index  int // place in the SDP
	media  *description.Media
	encode func(s packager.Sample) ([]*rtp.Packet, error)
	rate   int64
	ssrc   uint32
	base   uint32 // RTP timestamp of media time 0
	clock  packager.AudioClock
	unit   int64
	sets   [][]byte
	codec  packager.Codec

	packets, octets uint32
}

// newLane returns the lane of a track, or an error if RTP does not carry it.
func newLane(t packager.Track, index int) (*lane, error) {
	l := &lane{track: t, index: index, codec: t.Codec, rate: 90000, base: rand.Uint32(), unit: int64(t.SamplesPerUnit())}
	kind := description.MediaTypeVideo
	if t.ID == packager.TrackAudio {
		kind = description.MediaTypeAudio
		l.clock.Rate = int64(t.SampleRate)
	}
	f, err := l.format()
	if err != nil {
		return nil, err
	}
	l.rate = int64(f.ClockRate())
	l.media = &description.Media{Type: kind, Formats: []format.Format{f}}
	return l, nil
}

// format sets up the encoder and returns what the SDP says.
func (l *lane) format() (format.Format, error) {
	switch l.codec {
	case packager.CodecH264:
		return l.formatH264()
	case packager.CodecH265:
		return l.formatH265()
	case packager.CodecAV1:
		f := &format.AV1{PayloadTyp: 96}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		e.PayloadMaxSize = payloadMax
		l.encode = func(s packager.Sample) ([]*rtp.Packet, error) { return encodeAV1(e, s) }
		return f, nil
	case packager.CodecVP9:
		f := &format.VP9{PayloadTyp: 96}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		e.PayloadMaxSize = payloadMax
		l.encode = func(s packager.Sample) ([]*rtp.Packet, error) { return e.Encode(s.Payload) }
		return f, nil
	}
	return l.audioFormat()
}

func (l *lane) formatH264() (format.Format, error) {
	c, err := h264.ParseConfig(l.track.Config)
	if err != nil || len(c.SPS) == 0 || len(c.PPS) == 0 {
		return nil, errFormat
	}
	f := &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: c.SPS[0], PPS: c.PPS[0]}
	e, err := f.CreateEncoder()
	if err != nil {
		return nil, err
	}
	e.PayloadMaxSize = payloadMax
	l.sets = append(append(l.sets, c.SPS...), c.PPS...)
	l.encode = func(s packager.Sample) ([]*rtp.Packet, error) {
		units, err := l.units(s, func(u []byte) bool {
			k := h264.TypeOf(u)
			return k == h264.TypeAUD || k == h264.TypeSPS || k == h264.TypePPS || k >= h264.TypeEndOfSeq && k <= h264.TypeFiller
		})
		if err != nil || len(units) == 0 {
			return nil, err
		}
		return e.Encode(units)
	}
	return f, nil
}

func (l *lane) formatH265() (format.Format, error) {
	c, err := h265.ParseConfig(l.track.Config)
	if err != nil || len(c.VPS) == 0 || len(c.SPS) == 0 || len(c.PPS) == 0 {
		return nil, errFormat
	}
	f := &format.H265{PayloadTyp: 96, VPS: c.VPS[0], SPS: c.SPS[0], PPS: c.PPS[0]}
	e, err := f.CreateEncoder()
	if err != nil {
		return nil, err
	}
	e.PayloadMaxSize = payloadMax
	l.sets = append(append(append(l.sets, c.VPS...), c.SPS...), c.PPS...)
	l.encode = func(s packager.Sample) ([]*rtp.Packet, error) {
		units, err := l.units(s, func(u []byte) bool {
			k := h265.TypeOf(u)
			return k >= h265.TypeVPS && k <= h265.TypeFiller
		})
		if err != nil || len(units) == 0 {
			return nil, err
		}
		return e.Encode(units)
	}
	return f, nil
}

// units returns the NAL units of a frame without those that drop names, and
// with the parameter sets before a key frame: players that join then need no
// SDP of this very moment.
func (l *lane) units(s packager.Sample, drop func([]byte) bool) ([][]byte, error) {
	var units [][]byte
	if s.Key {
		units = append(units, l.sets...)
	}
	all, err := h264.Units(nil, s.Payload)
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		if !drop(u) {
			units = append(units, u)
		}
	}
	return units, nil
}

func encodeAV1(e *rtpav1.Encoder, s packager.Sample) ([]*rtp.Packet, error) {
	obus, err := av1.Split(nil, s.Payload)
	if err != nil {
		return nil, err
	}
	var bare [][]byte
	for _, o := range obus {
		bare = append(bare, o.Bare())
	}
	return e.Encode(bare)
}

func (l *lane) audioFormat() (format.Format, error) {
	switch l.codec {
	case packager.CodecAAC:
		var config mpeg4audio.AudioSpecificConfig
		if err := config.Unmarshal(l.track.Config); err != nil {
			return nil, errFormat
		}
		f := &format.MPEG4Audio{PayloadTyp: 97, Config: &config, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		l.encode = func(s packager.Sample) ([]*rtp.Packet, error) { return e.Encode([][]byte{s.Payload}) }
		return f, nil
	case packager.CodecOpus:
		f := &format.Opus{PayloadTyp: 97, ChannelCount: l.track.Channels}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		l.encode = func(s packager.Sample) ([]*rtp.Packet, error) {
			p, err := e.Encode(s.Payload)
			return []*rtp.Packet{p}, err
		}
		return f, nil
	case packager.CodecMP3:
		f := &format.MPEG1Audio{}
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		l.encode = func(s packager.Sample) ([]*rtp.Packet, error) { return e.Encode([][]byte{s.Payload}) }
		return f, nil
	}
	return nil, errFormat
}

// timestamp returns the RTP timestamp of a sample.
func (l *lane) timestamp(s packager.Sample) uint32 {
	if l.clock.Rate == 0 {
		return l.base + uint32(packager.ToScale(s.PTS, l.rate))
	}
	unit := l.unit
	if unit == 0 {
		unit = packager.ToScale(opus.Duration(s.Payload), l.clock.Rate)
	}
	at, _ := l.clock.Place(s.DTS, unit)
	return l.base + uint32(at*l.rate/l.clock.Rate)
}

// pack returns the access unit of a sample.
func (l *lane) pack(s packager.Sample) (*unit, error) {
	packets, err := l.encode(s)
	if err != nil || len(packets) == 0 {
		return nil, err
	}
	at := l.timestamp(s)
	u := &unit{track: s.Track, key: s.Key, dts: s.DTS, lane: l, packets: packets}
	size := 0
	for _, p := range packets {
		size += p.MarshalSize() + 4
	}
	u.frame = make([]byte, 0, size)
	for _, p := range packets {
		// Encoders of several frames give offsets from the first one.
		p.Timestamp += at
		p.SSRC = l.ssrc
		n := p.MarshalSize()
		start := len(u.frame) + 4
		u.frame = append(u.frame, '$', byte(2*l.index), byte(n>>8), byte(n))
		u.frame = u.frame[:start+n]
		if _, err := p.MarshalTo(u.frame[start:]); err != nil {
			return nil, err
		}
		p.Payload = u.frame[start+n-len(p.Payload) : start+n : start+n] // one copy is enough
		l.packets++
		l.octets += uint32(len(p.Payload))
	}
	return u, nil
}

// ntpEpoch is 1900, from which NTP counts, in seconds before 1970.
const ntpEpoch = 2208988800

// report returns an RTCP sender report that maps a media time to the wall
// clock (RFC 3550 section 6.4.1).
func (l *lane) report(pts time.Duration, wall time.Time) *rtcp.SenderReport {
	seconds := uint64(wall.Unix() + ntpEpoch)
	fraction := uint64(wall.Nanosecond()) << 32 / 1e9
	return &rtcp.SenderReport{
		SSRC: l.ssrc, NTPTime: seconds<<32 | fraction, RTPTime: l.base + uint32(packager.ToScale(pts, l.rate)),
		PacketCount: l.packets, OctetCount: l.octets,
	}
}
