package packager

import (
	"math"
	"time"

	"github.com/ringcast/ringcast/packager/flv"
	"github.com/ringcast/ringcast/packager/opus"
	"github.com/ringcast/ringcast/reliability"
)

// Params are the settings of a [Packager].
type Params struct {
	Segmentation Segmentation
	// Epoch identifies this run of the stream; choose it at random.
	Epoch uint64
	// Wall is the wall clock in Unix milliseconds at the time of the first
	// call of Pack.
	Wall int64
	// NoCatalog leaves out the catalogue, for streams that only other
	// implementations receive.
	NoCatalog bool
}

// DefaultParams returns the usual segmentation; Epoch and Wall are to be set.
func DefaultParams() Params { return Params{Segmentation: DefaultSegmentation()} }

// PackagerStats counts what a [Packager] did.
type PackagerStats struct {
	TimelineStats
	// Samples and Bytes count what was packed by track.
	Samples, Bytes [TrackData + 1]uint64
	// Waiting counts samples dropped because their track's new format waits
	// for the next segment, or because video has not begun with a key frame.
	Waiting uint64
}

// Packager turns the samples of one published stream into messages. It puts
// them on one timeline, repeats decoder configurations and catalogue at the
// start of each segment, and survives a publisher that reconnects.
type Packager struct {
	params Params
	time   timeline
	cutter *Cutter
	// active is the set of tracks that samples are packed for; next, if
	// pending, is the set that takes over at the next segment.
	active, next []Track
	pending      bool
	early        []Sample // audio before the first key frame
	wall         wallClock
	// audio places audio units as every node does, for the catalogue's mark;
	// unit is the length of a unit in samples, 0 if units differ.
	audio AudioClock
	unit  int64
	frame frameMeter
	stats PackagerStats
}

// NewPackager returns a packager for one stream.
func NewPackager(p Params) *Packager {
	return &Packager{params: p, cutter: NewCutter(p.Segmentation, false)}
}

// Stats returns the counters.
func (p *Packager) Stats() PackagerStats {
	s := p.stats
	s.TimelineStats = p.time.stats
	return s
}

// Tracks returns the tracks as last set.
func (p *Packager) Tracks() []Track {
	if p.pending {
		return p.next
	}
	return p.active
}

// SetTracks declares the whole set of tracks; at most one of each kind counts.
// In mid-stream a new format takes effect with the next segment, which a key
// frame begins if there is video. The same set again changes nothing.
func (p *Packager) SetTracks(tracks []Track) {
	if sameTracks(p.Tracks(), tracks) {
		return
	}
	p.next = append([]Track(nil), tracks...)
	p.pending = !sameTracks(p.active, tracks)
}

func sameTracks(a, b []Track) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].SameConfig(b[i]) {
			return false
		}
	}
	return true
}

// Restart says that the samples from now on come from a new connection of the
// publisher: its timestamps are unrelated to the old ones, and media time goes
// on by the time that has passed.
func (p *Packager) Restart() { p.time.restart = p.time.started }

// Pack appends the messages for the next sample: the sample's own, and before
// it the catalogue and the decoder configurations if a segment begins.
func (p *Packager) Pack(dst []Message, now reliability.Time, s Sample) []Message {
	if s.Track == 0 || s.Track > TrackData {
		return dst
	}
	if !p.accepts(s) {
		p.hold(s)
		return dst
	}
	started := p.time.started
	if !p.time.place(now, &s) {
		return dst
	}
	if !started {
		p.wall.begin(now, p.params.Wall, s.PTS)
	}
	// Key frames alone: others may come at other distances from their time.
	if _, video := trackOf(p.Tracks(), TrackVideo); s.Key && (s.Track == TrackVideo || s.Track == TrackAudio && !video) {
		p.wall.note(now, s.PTS)
	}
	if p.pending && p.switchesAt(s) {
		p.switchTracks()
	}
	if cut, ok := p.cutter.Next(s); ok {
		dst = p.appendHead(dst, now, cut, s)
		dst = p.release(dst, now)
	}
	return p.appendSample(dst, s)
}

func (p *Packager) appendSample(dst []Message, s Sample) []Message {
	p.stats.Samples[s.Track]++
	switch s.Track {
	case TrackVideo:
		p.frame.picture(s.DTS)
	case TrackAudio:
		p.placeAudio(s)
	}
	p.stats.Bytes[s.Track] += uint64(len(s.Payload))
	return append(dst, p.message(s))
}

// placeAudio follows what every node's clock does.
func (p *Packager) placeAudio(s Sample) {
	if p.audio.Rate == 0 {
		return
	}
	unit := p.unit
	if unit == 0 {
		unit = ToScale(opus.Duration(s.Payload), p.audio.Rate)
	}
	p.audio.Place(s.DTS, unit)
	if _, video := trackOf(p.active, TrackVideo); !video && p.frame.frame == 0 {
		p.frame.frame = min(max(FromScale(unit, p.audio.Rate), 1), maxFrame)
	}
}

// maxEarly bounds the audio that waits for the first key frame.
const maxEarly = 128

// hold keeps audio that comes before a stream's first key frame, and drops what
// has to wait for a new format.
func (p *Packager) hold(s Sample) {
	_, wanted := trackOf(p.next, s.Track)
	if len(p.active) == 0 && wanted && s.Track == TrackAudio && len(p.early) < maxEarly {
		p.early = append(p.early, s)
		return
	}
	p.stats.Waiting++
}

// release packs the audio that waited for the first key frame.
func (p *Packager) release(dst []Message, now reliability.Time) []Message {
	for _, s := range p.early {
		if p.time.place(now, &s) {
			dst = p.appendSample(dst, s)
		}
	}
	p.early = nil
	return dst
}

// accepts reports whether the sample's track is in force, or comes into force
// with it.
func (p *Packager) accepts(s Sample) bool {
	if s.Track == TrackData {
		return len(p.active) > 0
	}
	if p.pending {
		if p.switchesAt(s) {
			return true
		}
		old, inOld := trackOf(p.active, s.Track)
		fresh, inNew := trackOf(p.next, s.Track)
		return inOld && inNew && old.SameConfig(fresh)
	}
	_, ok := trackOf(p.active, s.Track)
	return ok
}

// switchesAt reports whether the pending set of tracks can take over at s.
func (p *Packager) switchesAt(s Sample) bool {
	if _, ok := trackOf(p.next, TrackVideo); ok {
		return s.Track == TrackVideo && s.Key
	}
	_, ok := trackOf(p.next, s.Track)
	return ok
}

func (p *Packager) switchTracks() {
	before, _ := trackOf(p.active, TrackAudio)
	if after, ok := trackOf(p.next, TrackAudio); ok && !after.SameConfig(before) {
		p.audio, p.unit = AudioClock{Rate: int64(after.SampleRate)}, int64(after.SamplesPerUnit())
	}
	p.active, p.next, p.pending = p.next, nil, false
	_, video := trackOf(p.active, TrackVideo)
	p.cutter.SetVideo(video)
	p.cutter.ForceNext()
}

func trackOf(tracks []Track, id TrackID) (Track, bool) {
	for _, t := range tracks {
		if t.ID == id {
			return t, true
		}
	}
	return Track{}, false
}

// appendHead appends what comes before the first sample of a segment.
func (p *Packager) appendHead(dst []Message, now reliability.Time, cut Cut, s Sample) []Message {
	timestamp := wireTime(s.DTS)
	if !p.params.NoCatalog {
		picture, video := trackOf(p.active, TrackVideo)
		_, audio := trackOf(p.active, TrackAudio)
		mark, marked := p.audio.Last()
		body := AppendCatalog(make([]byte, 0, 256), Catalog{
			Epoch: p.params.Epoch, MediaTime: s.DTS, Wall: p.wall.at(now), Segment: cut, Segmentation: p.params.Segmentation,
			Video: video, Audio: audio, Frame: p.frame.frame, FrameRate: picture.FrameRate,
			AudioMark: mark, HasAudioMark: marked && audio,
		})
		dst = append(dst, Message{Type: MessageData, Timestamp: timestamp, Class: reliability.ClassConfig, Payload: body})
	}
	for _, t := range p.active {
		if m, ok := configMessage(t, timestamp); ok {
			dst = append(dst, m)
		}
	}
	return dst
}

// End appends what tells receivers of other implementations that the video
// has ended.
func (p *Packager) End(dst []Message) []Message {
	t, ok := trackOf(p.active, TrackVideo)
	if !ok || !p.time.started {
		return dst
	}
	m := Message{Type: MessageVideo, Timestamp: wireTime(p.time.lastOut), Class: reliability.ClassConfig}
	m.setHeader(flv.AppendVideoHeader(nil, flv.Video{FrameType: flv.KeyFrame, Packet: flv.SequenceEnd, Codec: fourCCs[t.Codec]}))
	return append(dst, m)
}

func wireTime(d time.Duration) uint32 { return uint32(d.Milliseconds() & math.MaxUint32) }

var fourCCs = [...]flv.FourCC{
	CodecH264: flv.AVC, CodecH265: flv.HEVC, CodecAV1: flv.AV1, CodecVP9: flv.VP9,
	CodecAAC: flv.AAC, CodecOpus: flv.Opus, CodecMP3: flv.MP3, CodecData: flv.Other,
}

func (m *Message) setHeader(h []byte) { m.HeaderLen = uint8(copy(m.Header[:], h)) }

// configMessage returns the message that carries a track's configuration.
func configMessage(t Track, timestamp uint32) (Message, bool) {
	m := Message{Timestamp: timestamp, Class: reliability.ClassConfig, Payload: t.Config}
	var header [flv.MaxHeaderLen]byte
	switch {
	case t.Codec.IsVideo():
		m.Type = MessageVideo
		m.setHeader(flv.AppendVideoHeader(header[:0], flv.Video{FrameType: flv.KeyFrame, Packet: flv.SequenceStart, Codec: fourCCs[t.Codec]}))
	case t.Codec == CodecAAC, t.Codec == CodecOpus:
		m.Type = MessageAudio
		m.setHeader(flv.AppendAudioHeader(header[:0], flv.Audio{Packet: flv.SequenceStart, Codec: fourCCs[t.Codec]}))
	default:
		return Message{}, false // MP3 says all in each frame
	}
	return m, true
}

// message returns the message that carries a placed sample.
func (p *Packager) message(s Sample) Message {
	m := Message{Timestamp: wireTime(s.DTS), Payload: s.Payload}
	t, _ := trackOf(p.active, s.Track)
	var header [flv.MaxHeaderLen]byte
	switch s.Track {
	case TrackVideo:
		m.Type = MessageVideo
		v := flv.Video{FrameType: flv.InterFrame, Packet: flv.CodedFrames, Codec: fourCCs[t.Codec]}
		v.CompositionTime = int32((s.PTS - s.DTS).Milliseconds())
		m.Class = reliability.ClassReference
		switch {
		case s.Key:
			v.FrameType, m.Class = flv.KeyFrame, reliability.ClassKey
		case s.Disposable:
			v.FrameType, m.Class = flv.DisposableFrame, reliability.ClassDisposable
		}
		m.setHeader(flv.AppendVideoHeader(header[:0], v))
	case TrackAudio:
		m.Type, m.Class = MessageAudio, reliability.ClassAudio
		m.setHeader(flv.AppendAudioHeader(header[:0], flv.Audio{Packet: flv.CodedFrames, Codec: fourCCs[t.Codec]}))
	default:
		m.Type, m.Class = MessageData, reliability.ClassData
	}
	return m
}
