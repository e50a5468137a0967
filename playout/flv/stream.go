package flv

import (
	"sync"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
)

// Limits of what is kept.
const (
	// A viewer starts with the last group of pictures, if it is no longer
	// than this.
	maxGroupTime  = 10 * time.Second
	maxGroupBytes = 16 << 20
	// A stream without video keeps this much.
	maxAudioPast = time.Second
	// A viewer's queue; beyond it the viewer loses what is in it.
	maxQueueTime  = 3 * time.Second
	maxQueueBytes = 8 << 20
)

// stream is one stream, with its viewers. It is a playout.Sink.
type stream struct {
	mu      sync.Mutex
	tracks  []packager.Track
	ready   chan struct{} // closed when the tracks are known or the stream ends
	isReady bool
	head    []tag
	group   []tag // since the last key frame
	bytes   int   // of group
	viewers map[*viewer]struct{}
	ended   bool
	dropped uint64
}

var _ playout.Sink = (*stream)(nil)

func newStream() *stream {
	return &stream{ready: make(chan struct{}), viewers: make(map[*viewer]struct{})}
}

// WriteEvent takes the next event of the stream; it does not block.
func (s *stream) WriteEvent(ev packager.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev.Kind {
	case packager.EventTracks:
		s.tracks, s.head = ev.Tracks, headTags(ev.Tracks)
		s.group, s.bytes = nil, 0
		s.markReady()
		for v := range s.viewers {
			s.send(v, s.head...)
		}
	case packager.EventSample:
		s.writeSample(ev.Sample)
	case packager.EventEnd:
		s.ended = true
		s.markReady()
		for v := range s.viewers {
			if codec := s.codec(packager.TrackVideo); codec != packager.CodecUnknown {
				s.send(v, endTag(codec))
			}
			v.end()
		}
	}
}

func (s *stream) markReady() {
	if !s.isReady {
		s.isReady = true
		close(s.ready)
	}
}

func (s *stream) codec(id packager.TrackID) packager.Codec {
	for _, t := range s.tracks {
		if t.ID == id {
			return t.Codec
		}
	}
	return packager.CodecUnknown
}

func (s *stream) writeSample(sample packager.Sample) {
	t := sampleTag(sample, s.codec(sample.Track))
	hasVideo := s.codec(packager.TrackVideo) != packager.CodecUnknown
	// Without video every unit is a place to begin at; a short past lets those
	// who waited for the stream have its very first ones.
	if t.key || !hasVideo && len(s.group) > 0 && t.dts-s.group[0].dts > maxAudioPast {
		s.group, s.bytes = nil, 0
	}
	if t.key || !hasVideo || len(s.group) > 0 {
		s.group = append(s.group, t)
		s.bytes += t.size()
		if s.bytes > maxGroupBytes || t.dts-s.group[0].dts > maxGroupTime {
			s.group, s.bytes = nil, 0
		}
	}
	for v := range s.viewers {
		s.send(v, t)
	}
}

// send puts tags into a viewer's queue.
func (s *stream) send(v *viewer, tags ...tag) {
	for i := range tags {
		t := &tags[i]
		if v.unwanted(t) {
			continue
		}
		if v.waitKey && t.kind == videoKind && !t.config {
			if !t.key {
				s.dropped++
				continue
			}
			v.waitKey = false
		}
		v.queue = append(v.queue, *t)
		v.bytes += t.size()
	}
	if v.bytes > maxQueueBytes || v.span() > maxQueueTime && v.started {
		s.dropped += uint64(v.shed())
		v.waitKey = s.codec(packager.TrackVideo) != packager.CodecUnknown
	}
	v.signal()
}

// join adds a viewer, who starts with the last group of pictures.
func (s *stream) join(v *viewer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return ErrNoStream
	case len(s.viewers) >= maxViewers:
		return ErrTooMany
	}
	v.waitKey = s.codec(packager.TrackVideo) != packager.CodecUnknown
	s.send(v, s.head...)
	s.send(v, s.group...)
	v.started = true
	s.viewers[v] = struct{}{}
	return nil
}

// choose says what a viewer wants of audio and video.
func (s *stream) choose(v *viewer, audio, video bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if video && v.noVideo {
		v.waitKey = true
	}
	v.noAudio, v.noVideo = !audio, !video
}

func (s *stream) leave(v *viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.viewers, v)
}

// take swaps a viewer's queue for an empty one.
func (s *stream) take(v *viewer, empty []tag) (batch []tag, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch, v.queue, v.bytes = v.queue, empty[:0], 0
	return batch, v.ended
}
