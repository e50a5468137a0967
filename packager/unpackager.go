package packager

import (
	"errors"
	"time"

	"github.com/ringcast/ringcast/packager/flv"
)

// Bounds of the Unpackager.
const (
	// maxHeld and heldTime bound the samples that are held back at the start
	// until all tracks are known.
	maxHeld  = 512
	heldTime = 2 * time.Second
	// maxComposeOffset bounds composition times that are believed.
	maxComposeOffset = maxComposition
)

// Errors of [Unpackager.Handle]. A message with one is dropped; the stream
// goes on.
var (
	ErrMessageType = errors.New("message has a type that carries no media")
	ErrCodec       = errors.New("message has a codec that is not carried")
	ErrNoConfig    = errors.New("frame came before its decoder configuration")
	ErrPayload     = errors.New("frame is malformed")
)

// UnpackagerStats counts what an [Unpackager] dropped.
type UnpackagerStats struct {
	// Malformed messages, frames of Unsupported codecs, frames before their
	// configuration or, of video, before the first key frame.
	Malformed, Unsupported, NoConfig, NoKey uint64
}

// Unpackager turns the messages of one stream into events. It is used at both
// ends: on what an encoder sends by RTMP or an FLV file holds, and on what
// comes from the network.
//
// It normalizes what encoders do differently: NAL unit lengths, Annex B,
// legacy codec numbers, temporal delimiters, parameter sets in-band. Where
// nothing has to be changed, payloads are parts of the messages' bodies.
//
// Call [Unpackager.Handle], then [Unpackager.Poll] until it answers false.
type Unpackager struct {
	video, audio trackState
	clock        Unwrapper
	events       []Event
	next         int // first event not polled yet

	// Until released, samples are held so that the set of tracks is complete
	// before the first one goes out.
	released             bool
	held                 []Sample
	expectVideo, expects bool
	expectAudio          bool
	hints                hints
	stats                UnpackagerStats
}

// trackState is what is known of one track.
type trackState struct {
	track      Track
	known      bool // the configuration is complete
	codec      Codec
	lengthSize int
	running    bool // a key frame was seen
}

// NewUnpackager returns an Unpackager for one stream.
func NewUnpackager() *Unpackager { return &Unpackager{} }

// Stats returns the counters.
func (u *Unpackager) Stats() UnpackagerStats { return u.stats }

// Poll returns the next event.
func (u *Unpackager) Poll() (Event, bool) {
	if u.next == len(u.events) {
		clear(u.events) // let go of the payloads
		u.events, u.next = u.events[:0], 0
		return Event{}, false
	}
	u.next++
	return u.events[u.next-1], true
}

// Handle takes the next message of the stream and keeps its payload. An error
// says why it was dropped.
func (u *Unpackager) Handle(m Message) error {
	var err error
	switch m.Type {
	case MessageVideo:
		err = u.handleVideo(m)
	case MessageAudio:
		err = u.handleAudio(m)
	case MessageData:
		err = u.handleData(m)
	default:
		err = ErrMessageType
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrCodec):
		u.stats.Unsupported++
	case errors.Is(err, ErrNoConfig):
		u.stats.NoConfig++
	default:
		u.stats.Malformed++
	}
	return err
}

// Expect says which tracks the stream has, where the source's own description
// tells: samples are then held until they are known, and not for others.
func (u *Unpackager) Expect(video, audio bool) {
	u.expects, u.expectVideo, u.expectAudio = true, video, audio
	u.maybeRelease(0, false)
}

// Flush releases the samples that are held back because another track might
// still come: the source has ended.
func (u *Unpackager) Flush() { u.release() }

func (u *Unpackager) handleVideo(m Message) error {
	head := m.Payload
	if m.HeaderLen > 0 {
		head = m.Header[:m.HeaderLen]
	}
	v, err := flv.ParseVideo(head)
	if err != nil {
		return err
	}
	if m.HeaderLen > 0 {
		v.Data = m.Payload
	}
	codec := codecOf(v.Codec)
	switch v.Packet {
	case flv.SequenceStart:
		if !codec.IsVideo() {
			return ErrCodec
		}
		return u.configure(&u.video, codec, v.Data)
	case flv.CodedFrames:
		if len(v.Data) == 0 {
			return nil
		}
		if !codec.IsVideo() {
			return ErrCodec
		}
		return u.videoFrame(m, v, codec)
	}
	return nil
}

func (u *Unpackager) handleAudio(m Message) error {
	head := m.Payload
	if m.HeaderLen > 0 {
		head = m.Header[:m.HeaderLen]
	}
	if len(head) == 0 {
		return nil // "silence from here"
	}
	a, err := flv.ParseAudio(head)
	if err != nil {
		return err
	}
	if m.HeaderLen > 0 {
		a.Data = m.Payload
	}
	codec := codecOf(a.Codec)
	if a.Packet != flv.SequenceStart && a.Packet != flv.CodedFrames {
		return nil
	}
	if !codec.IsAudio() {
		return ErrCodec
	}
	if a.Packet == flv.SequenceStart {
		return u.configure(&u.audio, codec, a.Data)
	}
	if len(a.Data) == 0 {
		return nil
	}
	return u.audioFrame(m, a, codec)
}

func codecOf(c flv.FourCC) Codec {
	for codec, name := range fourCCs {
		if name == c && name != flv.Other && Codec(codec) != CodecUnknown {
			return Codec(codec)
		}
	}
	return CodecUnknown
}

// configure takes a decoder configuration; one that says nothing new is
// ignored.
func (u *Unpackager) configure(st *trackState, codec Codec, config []byte) error {
	if codec == CodecOpus && len(config) == 0 {
		config = defaultOpusHead()
	}
	normal, lengthSize, err := NormalizeConfig(codec, config)
	if err != nil {
		return err
	}
	if normal == nil {
		// The parameter sets will come in-band.
		if st.codec != codec {
			*st = trackState{codec: codec}
		}
		st.lengthSize = lengthSize
		return nil
	}
	t, err := NewTrack(codec, normal)
	if err != nil {
		return err
	}
	st.codec, st.lengthSize = codec, lengthSize
	u.setTrack(st, t)
	return nil
}

func (u *Unpackager) setTrack(st *trackState, t Track) {
	if t.ID == TrackVideo {
		u.hints.apply(&t)
	}
	if st.known && st.track.SameConfig(t) {
		return
	}
	if st.known {
		st.running = false // a decoder of the new format needs a key frame
	}
	st.track, st.known = t, true
	if u.released {
		u.emitTracks()
	} else {
		u.maybeRelease(0, false)
	}
}

func (u *Unpackager) emitTracks() {
	var tracks []Track
	for _, st := range []*trackState{&u.video, &u.audio} {
		if st.known {
			tracks = append(tracks, st.track)
		}
	}
	u.events = append(u.events, Event{Kind: EventTracks, Tracks: tracks})
}

func (u *Unpackager) emitSample(s Sample) {
	if u.released {
		u.events = append(u.events, Event{Kind: EventSample, Sample: s})
		return
	}
	u.held = append(u.held, s)
	u.maybeRelease(s.DTS-u.held[0].DTS, true)
}

// maybeRelease lets the held samples go if no further track is to be expected.
// span is the time that they cover.
func (u *Unpackager) maybeRelease(span time.Duration, sample bool) {
	complete := u.video.known && u.audio.known
	if u.expects {
		complete = (u.video.known || !u.expectVideo) && (u.audio.known || !u.expectAudio) && (u.video.known || u.audio.known)
	}
	if complete || sample && (span >= heldTime || span <= -heldTime || len(u.held) >= maxHeld) {
		u.release()
	}
}

func (u *Unpackager) release() {
	if u.released || !u.video.known && !u.audio.known {
		return
	}
	u.released = true
	u.emitTracks()
	for _, s := range u.held {
		u.events = append(u.events, Event{Kind: EventSample, Sample: s})
	}
	u.held = nil
}
