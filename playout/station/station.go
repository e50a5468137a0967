package station

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/reliability"
)

// Config holds the settings of a [Station].
type Config struct {
	Buffer playout.BufferParams
	// MaxStreams bounds the streams served at one time.
	MaxStreams int
	// MaxQueue bounds the messages that wait for a stream's goroutine.
	MaxQueue int
}

// DefaultConfig returns the usual settings.
func DefaultConfig() Config {
	return Config{Buffer: playout.DefaultBufferParams(), MaxStreams: 256, MaxQueue: 2048}
}

// Factory makes the output of one kind for a stream that begins. It may
// return nil if this stream is not served so.
type Factory func(stream string) playout.Sink

// Station serves streams. It is safe for concurrent use.
type Station struct {
	config Config
	log    *slog.Logger
	start  time.Time

	mu        sync.Mutex
	factories []Factory
	streams   map[string]*stream
	closed    bool
	running   sync.WaitGroup
}

// New returns a station without outputs.
func New(config Config, log *slog.Logger) *Station {
	return &Station{config: config, log: log, start: time.Now(), streams: make(map[string]*stream)}
}

// AddSink adds a kind of output for all streams that begin from now on.
func (s *Station) AddSink(f Factory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.factories = append(s.factories, f)
}

// Status describes a stream that is served.
type Status struct {
	Path   string
	Tracks []packager.Track
	// Messages and Bytes count what came, Dropped what did not fit into the
	// queue by class.
	Messages, Bytes uint64
	Dropped         [reliability.ClassCount]uint64
	Gaps            uint64
	Buffer          playout.BufferStats
	Unpackager      packager.UnpackagerStats
}

// stream is one stream that is served.
type stream struct {
	path  string
	sinks []playout.Sink
	wake  chan struct{}

	mu     sync.Mutex
	queue  []packager.Message
	ended  bool
	status Status
}

// WriteMessage takes the next message of a stream; the first one begins it.
func (s *Station) WriteMessage(path string, m packager.Message) {
	s.mu.Lock()
	st := s.streams[path]
	if st == nil {
		if st = s.begin(path); st == nil {
			s.mu.Unlock()
			return
		}
	}
	s.mu.Unlock()
	st.put(m, s.config.MaxQueue)
}

// begin is called with the lock held.
func (s *Station) begin(path string) *stream {
	if s.closed || len(s.streams) >= s.config.MaxStreams {
		return nil
	}
	st := &stream{path: path, wake: make(chan struct{}, 1), status: Status{Path: path}}
	for _, f := range s.factories {
		if sink := f(path); sink != nil {
			st.sinks = append(st.sinks, sink)
		}
	}
	s.streams[path] = st
	s.running.Go(func() { s.run(st) })
	return st
}

func (st *stream) put(m packager.Message, limit int) {
	st.mu.Lock()
	st.status.Messages++
	st.status.Bytes += uint64(m.Len())
	st.queue = append(st.queue, m)
	if len(st.queue) > limit {
		st.dropLowest()
	}
	st.mu.Unlock()
	st.signal()
}

func (st *stream) dropLowest() {
	worst := 0
	for i := range st.queue {
		if st.queue[i].Class < st.queue[worst].Class {
			worst = i
		}
	}
	st.status.Dropped[st.queue[worst].Class]++
	st.queue = slices.Delete(st.queue, worst, worst+1)
}

func (st *stream) signal() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// EndStream says that nothing follows under this name until a new stream
// begins.
func (s *Station) EndStream(path string) {
	s.mu.Lock()
	st := s.streams[path]
	delete(s.streams, path)
	s.mu.Unlock()
	if st != nil {
		st.finish()
	}
}

func (st *stream) finish() {
	st.mu.Lock()
	st.ended = true
	st.mu.Unlock()
	st.signal()
}

// Streams returns the status of all streams, sorted by path.
func (s *Station) Streams() []Status {
	s.mu.Lock()
	list := make([]*stream, 0, len(s.streams))
	for _, st := range s.streams {
		list = append(list, st)
	}
	s.mu.Unlock()
	statuses := make([]Status, len(list))
	for i, st := range list {
		st.mu.Lock()
		statuses[i] = st.status
		st.mu.Unlock()
	}
	slices.SortFunc(statuses, func(a, b Status) int { return strings.Compare(a.Path, b.Path) })
	return statuses
}

// ErrDeadline is returned by Shutdown when streams did not end in time.
var ErrDeadline = errors.New("streams did not end in time")

// Shutdown ends all streams and waits until their outputs have been told.
func (s *Station) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for path, st := range s.streams {
		delete(s.streams, path)
		st.finish()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ErrDeadline
	}
}

func (s *Station) now() reliability.Time { return reliability.Start.Add(time.Since(s.start)) }

// run is the goroutine of one stream.
func (s *Station) run(st *stream) {
	buffer := playout.NewBuffer(s.config.Buffer)
	unpack := packager.NewUnpackager()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []packager.Message
	for {
		select {
		case <-st.wake:
		case <-timer.C:
		}
		var ended bool
		batch, ended = st.take(batch)
		now := s.now()
		for i := range batch {
			buffer.Push(now, batch[i])
			s.drain(st, buffer, unpack, now)
		}
		clear(batch)
		s.drain(st, buffer, unpack, now)
		if ended {
			s.drain(st, buffer, unpack, reliability.Never)
			unpack.Flush()
			st.emit(unpack)
			st.write(packager.Event{Kind: packager.EventEnd})
			return
		}
		wait := time.Hour
		if due := buffer.PollTimeout(); due != reliability.Never {
			wait = due.Sub(s.now())
		}
		timer.Reset(max(wait, 0))
		st.note(buffer, unpack)
	}
}

// take swaps the queue for an empty one.
func (st *stream) take(empty []packager.Message) ([]packager.Message, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	batch := st.queue
	st.queue = empty[:0]
	return batch, st.ended
}

func (s *Station) drain(st *stream, buffer *playout.Buffer, unpack *packager.Unpackager, now reliability.Time) {
	for m, ok := buffer.Poll(now); ok; m, ok = buffer.Poll(now) {
		if err := unpack.Handle(m); err != nil {
			s.log.Debug("message dropped", "stream", st.path, "err", err)
		}
		st.emit(unpack)
	}
}

func (st *stream) emit(unpack *packager.Unpackager) {
	for ev, ok := unpack.Poll(); ok; ev, ok = unpack.Poll() {
		if ev.Kind == packager.EventTracks {
			st.mu.Lock()
			st.status.Tracks = ev.Tracks
			st.mu.Unlock()
		}
		st.write(ev)
	}
}

func (st *stream) write(ev packager.Event) {
	for _, sink := range st.sinks {
		sink.WriteEvent(ev)
	}
}

func (st *stream) note(buffer *playout.Buffer, unpack *packager.Unpackager) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.status.Buffer, st.status.Unpackager = buffer.Stats(), unpack.Stats()
}
