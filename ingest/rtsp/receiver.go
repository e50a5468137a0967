package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/packager/h264"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/mp3"
	"github.com/ringcast/ringcast/packager/nalu"
	"github.com/ringcast/ringcast/packager/opus"
)

// errNoTracks means that nothing of what is offered can be carried.
var errNoTracks = errors.New("no track in a format that can be carried")

const (
	// alignBy is how far off a track must be for a sender report to move it
	// at once; alignStep is how far it moves with each packet otherwise.
	alignBy   = 200 * time.Millisecond
	alignStep = 500 * time.Microsecond
)

// maxPending bounds the pictures that wait for their decode time.
const maxPending = 2*maxReorder + 1

// receiver turns the RTP packets of a session into samples for a sink. It is
// used from one goroutine at a time.
type receiver struct {
	sink   ingest.Sink
	tracks map[*description.Media]*rtpTrack
	unpack *packager.Unpackager
	// origin is the wall clock of the senders' time 0, from the first report.
	origin  time.Time
	aligned bool
	started time.Time // arrival of the first packet
	waiting []waitingPacket
	flowing bool
	err     error
}

// rtpTrack is one track of a session.
type rtpTrack struct {
	receiver *receiver
	codec    flv.FourCC
	video    bool
	rate     int64
	decode   func(*rtp.Packet) ([][]byte, error)
	format   format.Format

	seen    bool
	lastTS  uint32
	ticks   int64
	offset  time.Duration // receiver time of tick 0
	fresh   bool          // no packet was placed yet
	clock   dtsClock
	pending []pendingFrame
	perUnit time.Duration

	// The last sender report.
	reported  bool
	reportTS  uint32
	reportNTP time.Time
}

type pendingFrame struct {
	pts     time.Duration
	key     bool
	payload []byte
}

// newReceiver returns a receiver for the medias of a session. Medias that
// can't be carried are left out.
func newReceiver(desc *description.Session, sink ingest.Sink) (*receiver, error) {
	r := &receiver{sink: sink, tracks: make(map[*description.Media]*rtpTrack), unpack: packager.NewUnpackager()}
	var video, audio bool
	for _, m := range desc.Medias {
		if m.IsBackChannel {
			continue
		}
		for _, f := range m.Formats {
			t, config, err := r.newTrack(f)
			if err != nil || t.video && video || !t.video && audio {
				continue
			}
			video, audio = video || t.video, audio || !t.video
			r.tracks[m] = t
			if config != nil {
				r.configure(t, config)
			}
			break
		}
	}
	if len(r.tracks) == 0 {
		return nil, errNoTracks
	}
	r.unpack.Expect(video, audio)
	return r, nil
}

// configure feeds a decoder configuration.
func (r *receiver) configure(t *rtpTrack, config []byte) {
	var m packager.Message
	if t.video {
		m = packager.NewMessage(packager.MessageVideo, 0, append(flv.AppendVideoHeader(nil, flv.Video{FrameType: flv.KeyFrame, Packet: flv.SequenceStart, Codec: t.codec}), config...))
	} else {
		m = packager.NewMessage(packager.MessageAudio, 0, append(flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.SequenceStart, Codec: t.codec}), config...))
	}
	r.feed(m)
}

// newTrack returns the track of a format and its decoder configuration, nil if
// the configuration comes in-band.
func (r *receiver) newTrack(f format.Format) (*rtpTrack, []byte, error) {
	t := &rtpTrack{receiver: r, format: f, rate: int64(f.ClockRate()), video: true}
	switch f := f.(type) {
	case *format.H264:
		d, err := f.CreateDecoder()
		t.codec, t.decode, t.clock.depth = flv.AVC, func(p *rtp.Packet) ([][]byte, error) { return d.Decode(p) }, 2
		sps, pps := f.SafeParams()
		return t, t.configH264(stripStartCode(sps), stripStartCode(pps)), err
	case *format.H265:
		d, err := f.CreateDecoder()
		t.codec, t.decode, t.clock.depth = flv.HEVC, func(p *rtp.Packet) ([][]byte, error) { return d.Decode(p) }, 2
		vps, sps, pps := f.SafeParams()
		return t, t.configH265(stripStartCode(vps), stripStartCode(sps), stripStartCode(pps)), err
	case *format.AV1:
		d, err := f.CreateDecoder()
		t.codec = flv.AV1
		t.decode = func(p *rtp.Packet) ([][]byte, error) { return joined(d.Decode(p)) }
		return t, nil, err
	case *format.VP9:
		d, err := f.CreateDecoder()
		t.codec, t.decode = flv.VP9, func(p *rtp.Packet) ([][]byte, error) { return single(d.Decode(p)) }
		return t, nil, err
	}
	t.video = false
	return t.audioTrack(f)
}

func (t *rtpTrack) audioTrack(f format.Format) (*rtpTrack, []byte, error) {
	switch f := f.(type) {
	case *format.MPEG4Audio:
		if f.Config == nil {
			return nil, nil, errNoTracks
		}
		d, err := f.CreateDecoder()
		if err != nil {
			return nil, nil, err
		}
		config, err := f.Config.Marshal()
		t.codec, t.decode = flv.AAC, func(p *rtp.Packet) ([][]byte, error) { return d.Decode(p) }
		t.perUnit = 1024 * time.Second / time.Duration(f.ClockRate())
		return t, config, err
	case *format.Opus:
		d, err := f.CreateDecoder()
		t.codec, t.decode = flv.Opus, func(p *rtp.Packet) ([][]byte, error) { return single(d.Decode(p)) }
		channels := max(min(f.ChannelCount, 2), 1)
		return t, opus.Head{Channels: channels, PreSkip: 312, InputRate: opus.ClockRate}.Append(nil), err
	case *format.MPEG1Audio:
		d, err := f.CreateDecoder()
		t.codec, t.decode = flv.MP3, func(p *rtp.Packet) ([][]byte, error) { return d.Decode(p) }
		return t, nil, err
	}
	return nil, nil, errNoTracks
}

func single(b []byte, err error) ([][]byte, error) { return [][]byte{b}, err }

// joined makes one temporal unit of OBUs, each with its size.
func joined(obus [][]byte, err error) ([][]byte, error) {
	if err != nil {
		return nil, err
	}
	var unit []byte
	for _, o := range obus {
		if len(o) == 0 {
			continue
		}
		header := 1
		if o[0]&4 != 0 {
			header = 2
		}
		if len(o) < header {
			continue
		}
		unit = append(unit, o[0]|2)
		unit = append(unit, o[1:header]...)
		for n := len(o) - header; ; n >>= 7 {
			if n < 0x80 {
				unit = append(unit, byte(n))
				break
			}
			unit = append(unit, byte(n)|0x80)
		}
		unit = append(unit, o[header:]...)
	}
	return [][]byte{unit}, nil
}

// stripStartCode removes an Annex B start code, which some cameras leave on
// the parameter sets of their SDP.
func stripStartCode(b []byte) []byte {
	for len(b) > 3 && b[0] == 0 && b[1] == 0 && (b[2] == 1 || b[2] == 0 && b[3] == 1) {
		if b[2] == 1 {
			return b[3:]
		}
		b = b[1:]
	}
	return b
}

func (t *rtpTrack) configH264(sps, pps []byte) []byte {
	if len(sps) == 0 || len(pps) == 0 {
		return nil
	}
	config, err := h264.AppendConfig(nil, [][]byte{sps}, [][]byte{pps}, nil)
	if err != nil {
		return nil
	}
	if info, err := h264.ParseSPS(sps); err == nil && info.ReorderDepth >= 0 {
		t.clock.depth = info.ReorderDepth
	}
	return config
}

func (t *rtpTrack) configH265(vps, sps, pps []byte) []byte {
	c, err := h265.NewConfig([][]byte{vps}, [][]byte{sps}, [][]byte{pps})
	if err != nil || len(vps) == 0 || len(pps) == 0 {
		return nil
	}
	if info, err := h265.ParseSPS(sps); err == nil && info.ReorderDepth >= 0 {
		t.clock.depth = info.ReorderDepth
	}
	return c.Append(nil)
}

// What is held at the start until every track's sender report is there, which
// over UDP may come a little after the first packets.
const (
	reportWait = 250 * time.Millisecond
	maxWaiting = 256
)

// waitingPacket is a packet that waits for the reports.
type waitingPacket struct {
	track *rtpTrack
	p     *rtp.Packet
}

// packet takes the next packet of a media. Malformed packets are ignored.
func (r *receiver) packet(m *description.Media, p *rtp.Packet) error {
	t := r.tracks[m]
	if t == nil || r.err != nil {
		return r.err
	}
	if r.flowing {
		return r.take(t, p)
	}
	if r.started.IsZero() {
		r.started = time.Now()
	}
	own := *p
	own.Payload = bytes.Clone(p.Payload) // the caller may use its buffer again
	r.waiting = append(r.waiting, waitingPacket{t, &own})
	if r.allReported() || len(r.waiting) >= maxWaiting || time.Since(r.started) > reportWait {
		r.flow()
	}
	return r.err
}

func (r *receiver) allReported() bool {
	for _, t := range r.tracks {
		if !t.reported {
			return false
		}
	}
	return true
}

// flow takes the packets that waited; none waits from now on.
func (r *receiver) flow() {
	r.flowing = true
	for _, w := range r.waiting {
		_ = r.take(w.track, w.p)
	}
	r.waiting = nil
}

func (r *receiver) take(t *rtpTrack, p *rtp.Packet) error {
	base := t.time(p.Timestamp)
	units, err := t.decode(p)
	if err != nil || len(units) == 0 {
		return nil // incomplete yet, or lost in part
	}
	if t.video {
		t.videoFrame(base, units)
	} else {
		at := base
		for _, u := range units {
			header := flv.AppendAudioHeader(nil, flv.Audio{Packet: flv.CodedFrames, Codec: t.codec})
			r.feed(packager.NewMessage(packager.MessageAudio, wireMS(at), append(header, u...)))
			at += t.duration(u)
		}
	}
	return r.err
}

// duration returns the duration of an audio unit, for packets with several.
func (t *rtpTrack) duration(unit []byte) time.Duration {
	if t.codec == flv.MP3 {
		if h, err := mp3.ParseHeader(unit); err == nil {
			return time.Duration(h.Samples) * time.Second / time.Duration(h.SampleRate)
		}
	}
	return t.perUnit
}

// time returns the time of an RTP timestamp on the receiver's timeline.
func (t *rtpTrack) time(ts uint32) time.Duration {
	r := t.receiver
	now := time.Now()
	if r.started.IsZero() {
		r.started = now
	}
	if !t.seen {
		t.seen, t.fresh, t.lastTS = true, true, ts
		// Without a report the first packets of all tracks count as sent when
		// they came.
		t.offset = now.Sub(r.started)
	}
	t.ticks += int64(int32(ts - t.lastTS))
	t.lastTS = ts
	elapsed := time.Duration(t.ticks/t.rate)*time.Second + time.Duration(t.ticks%t.rate)*time.Second/time.Duration(t.rate)
	t.align(ts, elapsed)
	return startMargin + t.offset + elapsed
}

// align moves the track to where the sender's reports put it: at once if it
// has not begun or is far off, else by little steps that nobody notices.
func (t *rtpTrack) align(ts uint32, elapsed time.Duration) {
	r := t.receiver
	if !t.reported {
		return
	}
	ticks := int64(int32(ts - t.reportTS))
	ntp := t.reportNTP.Add(time.Duration(ticks * int64(time.Second) / t.rate))
	if !r.aligned {
		r.aligned, r.origin = true, ntp.Add(-t.offset-elapsed)
	}
	exact := ntp.Sub(r.origin) - elapsed
	d := exact - t.offset
	if t.fresh || d > alignBy || d < -alignBy {
		t.offset = exact
	} else {
		t.offset += min(max(d, -alignStep), alignStep)
	}
	t.fresh = false
}

// report takes a sender report: the sender's wall clock at an RTP timestamp.
func (r *receiver) report(m *description.Media, sr *rtcp.SenderReport) {
	t := r.tracks[m]
	if t == nil || sr.NTPTime>>32 < ntpEpoch {
		return // cameras without a clock report 0, or the time since they started
	}
	seconds, fraction := int64(sr.NTPTime>>32)-ntpEpoch, int64(sr.NTPTime&0xffffffff)
	t.reported, t.reportTS = true, sr.RTPTime
	t.reportNTP = time.Unix(seconds, (fraction*int64(time.Second)+1<<31)>>32)
}

// ntpEpoch is 1900, from which NTP counts, in seconds before 1970.
const ntpEpoch = 2208988800

// startMargin keeps the times of tracks that begin before the first packet
// above zero.
const startMargin = 10 * time.Second

func wireMS(d time.Duration) uint32 { return uint32(d.Round(time.Millisecond).Milliseconds()) }

// videoFrame queues a picture until its decode time is known.
func (t *rtpTrack) videoFrame(pts time.Duration, units [][]byte) {
	f := pendingFrame{pts: pts}
	switch t.codec {
	case flv.AVC, flv.HEVC:
		f.payload = nalu.AppendLengthPrefixed(nil, units...)
	default:
		f.payload = units[0]
	}
	f.key = packager.IsKey(codecs[t.codec], f.payload)
	t.pending = append(t.pending, f)
	for _, dts := range t.clock.add(nil, pts) {
		if len(t.pending) == 0 {
			break
		}
		t.emit(dts, t.pending[0])
		t.pending = t.pending[1:]
	}
	if len(t.pending) > maxPending {
		t.pending = t.pending[1:]
	}
}

// codecs are the packager's names for those that come by RTP.
var codecs = map[flv.FourCC]packager.Codec{
	flv.AVC: packager.CodecH264, flv.HEVC: packager.CodecH265, flv.AV1: packager.CodecAV1, flv.VP9: packager.CodecVP9,
}

func (t *rtpTrack) emit(dts time.Duration, f pendingFrame) {
	v := flv.Video{FrameType: flv.InterFrame, Packet: flv.CodedFrames, Codec: t.codec}
	if f.key {
		v.FrameType = flv.KeyFrame
	}
	ms := wireMS(dts)
	v.CompositionTime = int32(wireMS(f.pts) - ms)
	if t.codec != flv.AVC && t.codec != flv.HEVC {
		v.CompositionTime = 0
	}
	body := append(flv.AppendVideoHeader(make([]byte, 0, flv.MaxHeaderLen+len(f.payload)), v), f.payload...)
	t.receiver.feed(packager.NewMessage(packager.MessageVideo, ms, body))
}

// finish hands over what is still held, at the end of the session.
func (r *receiver) finish() {
	r.flow()
	for _, t := range r.tracks {
		for i, f := range t.pending {
			t.emit(max(t.clock.last+time.Duration(i+1)*max(t.clock.step, time.Millisecond), 0), f)
		}
		t.pending = nil
	}
	r.unpack.Flush()
	r.drain()
}

func (r *receiver) feed(m packager.Message) {
	_ = r.unpack.Handle(m) // it counts what it refuses
	r.drain()
}

func (r *receiver) drain() {
	for ev, ok := r.unpack.Poll(); ok; ev, ok = r.unpack.Poll() {
		var err error
		switch ev.Kind {
		case packager.EventTracks:
			err = r.sink.SetTracks(ev.Tracks)
		case packager.EventSample:
			err = r.sink.WriteSample(ev.Sample)
		}
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("stream refused: %w", err)
		}
	}
}
