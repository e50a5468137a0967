package ingest

import (
	"sync"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// State is what a published stream does.
type State string

// The states of a stream.
//
//	waiting ──> live <──> stalled
//	   ^         │
//	   └─────────┘ publisher gone, within the grace time
//	waiting ──> ended, when the grace time is over
const (
	// StateWaiting: no publisher, or none that has sent a frame.
	StateWaiting State = "waiting"
	// StateConnecting: a source is being connected.
	StateConnecting State = "connecting"
	// StateLive: frames come in.
	StateLive State = "live"
	// StateStalled: the publisher is connected but sends no frames.
	StateStalled State = "stalled"
	// StateEnded: the publisher left and did not come back.
	StateEnded State = "ended"
)

// StreamStatus describes a stream to people and programs.
type StreamStatus struct {
	Path  string
	State State
	Since time.Time
	// Remote and Protocol tell who publishes, Error why it failed last.
	Remote, Protocol, Error string
	Tracks                  []packager.Track
	// Connections counts publishers, one after the other.
	Connections uint64
	// BitsPerSecond is the rate over the last few seconds.
	BitsPerSecond float64
	Stats         packager.PackagerStats
}

// stream is one published stream.
type stream struct {
	registry *Registry
	path     string
	params   packager.Params
	config   Config

	mu           sync.Mutex
	packager     *packager.Packager // nil until the first publisher
	current      *Publication
	attached     time.Time // when the current publisher came
	state        State
	since        time.Time
	lastFrame    time.Time
	remote       string
	protocol     string
	err          string
	connections  uint64
	messages     []packager.Message // scratch
	rate         rateMeter
	wroteMessage bool
	keys         keyMeter
}

// attach makes a new publication the current one.
func (st *stream) attach(req PublishRequest, proven bool) (*Publication, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	now := time.Now()
	if old := st.current; old != nil {
		silent := now.Sub(st.lastSign())
		if !proven && silent < takeoverSilence || now.Sub(st.attached) < takeoverInterval {
			return nil, ErrInUse
		}
		st.registry.log.Warn("publisher replaced by a newer one", "stream", st.path, "addr", req.Remote, "old", st.remote)
		old.finish(ErrTakenOver)
	}
	if st.packager == nil {
		st.params.Wall = st.registry.wall()
		st.packager = packager.NewPackager(st.params)
	} else {
		st.packager.Restart()
	}
	p := &Publication{stream: st, done: make(chan struct{})}
	st.current, st.attached = p, now
	st.remote, st.protocol, st.err = req.Remote, req.Protocol, ""
	st.connections++
	st.registry.log.Info("publisher connected", "stream", st.path, "addr", req.Remote, "protocol", req.Protocol)
	return p, nil
}

// lastSign returns when the current publisher last did something.
func (st *stream) lastSign() time.Time {
	if st.lastFrame.After(st.attached) {
		return st.lastFrame
	}
	return st.attached
}

func (st *stream) isOver() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.state == StateEnded
}

// setState is called with the lock held.
func (st *stream) setState(s State, now time.Time) {
	if st.state == s {
		return
	}
	st.state, st.since = s, now
	st.registry.log.Info("stream changed state", "stream", st.path, "state", string(s), "addr", st.remote)
	if st.config.OnChange != nil {
		st.config.OnChange(st.statusLocked())
	}
}

// check looks at what depends on time and reports whether the stream can be
// forgotten.
func (st *stream) check(now time.Time, stop bool) (forget bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if stop && st.current != nil {
		st.current.finish(ErrClosed)
		st.current = nil
	}
	switch {
	case st.state == StateEnded:
		return stop || now.Sub(st.since) > endedFor
	case st.current != nil:
		if st.state == StateLive && now.Sub(st.lastFrame) > st.config.StallAfter {
			st.setState(StateStalled, now)
		}
	case stop || now.Sub(st.since) >= st.config.Grace:
		st.end(now)
	}
	return false
}

// end is called with the lock held, when no publisher is left.
func (st *stream) end(now time.Time) {
	if st.wroteMessage {
		for _, m := range st.packager.End(nil) {
			st.registry.output.WriteMessage(st.path, m)
		}
		st.registry.output.EndStream(st.path)
	}
	st.setState(StateEnded, now)
}

func (st *stream) status() StreamStatus {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.statusLocked()
}

func (st *stream) statusLocked() StreamStatus {
	s := StreamStatus{
		Path: st.path, State: st.state, Since: st.since, Remote: st.remote, Protocol: st.protocol, Error: st.err,
		Connections: st.connections, BitsPerSecond: st.rate.value(time.Now()),
	}
	if st.packager != nil {
		s.Tracks, s.Stats = st.packager.Tracks(), st.packager.Stats()
	}
	return s
}

// Publication is one publisher's hold on a stream. It is the [Sink] of the
// connection: used from one goroutine, but closed from any.
type Publication struct {
	stream *stream
	done   chan struct{}
	once   sync.Once
	err    error
}

var _ Sink = (*Publication)(nil)

// Done is closed when the stream was taken away from this publisher; Err says
// why.
func (p *Publication) Done() <-chan struct{} { return p.done }

// Err returns why the publication ended, nil while it goes on.
func (p *Publication) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

func (p *Publication) finish(err error) {
	p.once.Do(func() {
		p.err = err
		close(p.done)
	})
}

// SetTracks declares the whole set of tracks.
func (p *Publication) SetTracks(tracks []packager.Track) error {
	st := p.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.current != p {
		return p.reason()
	}
	st.packager.SetTracks(tracks)
	return nil
}

// WriteSample hands over one access unit.
func (p *Publication) WriteSample(s packager.Sample) error {
	st := p.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.current != p {
		return p.reason()
	}
	now := time.Now()
	st.messages = st.packager.Pack(st.messages[:0], st.registry.now(), s)
	for i := range st.messages {
		st.registry.output.WriteMessage(st.path, st.messages[i])
		st.wroteMessage = true
	}
	if gap := st.keys.note(s); gap > 0 {
		st.registry.log.Warn("key frames are far apart, players start late; set the encoder's keyframe interval to 1 or 2 s",
			"stream", st.path, "without", gap.Round(time.Second), "target", st.config.Segmentation.Target)
	}
	if s.Track != packager.TrackData {
		st.lastFrame = now
		st.rate.add(now, len(s.Payload))
		if st.state != StateLive && len(st.messages) > 0 {
			st.setState(StateLive, now)
		}
	}
	clear(st.messages) // let go of the payloads
	return nil
}

func (p *Publication) reason() error {
	if err := p.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// Close gives the stream up, with the error that ended the connection, nil if
// the publisher left by itself. The stream then waits for it to come back.
func (p *Publication) Close(err error) {
	st := p.stream
	st.mu.Lock()
	defer st.mu.Unlock()
	p.finish(ErrClosed)
	if st.current != p {
		return
	}
	st.current = nil
	if err != nil {
		st.err = err.Error()
	}
	now := time.Now()
	if st.config.Grace <= 0 {
		st.end(now)
		return
	}
	st.setState(StateWaiting, now)
	st.since = now
}

// rateMeter measures a rate over a few seconds.
type rateMeter struct {
	window [4]int64 // bytes in each second
	second int64    // Unix time of the newest
}

func (r *rateMeter) advance(now time.Time) {
	s := now.Unix()
	for n := min(s-r.second, int64(len(r.window))); n > 0; n-- {
		r.second = s - n + 1
		r.window[r.second%int64(len(r.window))] = 0
	}
	r.second = s
}

func (r *rateMeter) add(now time.Time, n int) {
	r.advance(now)
	r.window[r.second%int64(len(r.window))] += int64(n)
}

// value returns bits a second over the full seconds of the window.
func (r *rateMeter) value(now time.Time) float64 {
	r.advance(now)
	var sum int64
	for i, n := range r.window {
		if int64(i) != r.second%int64(len(r.window)) {
			sum += n
		}
	}
	return float64(sum*8) / float64(len(r.window)-1)
}

// keyMeter notices that key frames are far apart.
type keyMeter struct {
	last time.Duration
	seen bool
	told bool
}

// keysApart is how long a stream may go without a key frame before its
// publisher is told.
const keysApart = 6 * time.Second

// note takes a sample and returns how long there was no key frame, once it is
// too long; 0 else.
func (k *keyMeter) note(s packager.Sample) time.Duration {
	if s.Track != packager.TrackVideo {
		return 0
	}
	if s.Key {
		k.last, k.seen, k.told = s.DTS, true, false
		return 0
	}
	gap := s.DTS - k.last
	if !k.seen || k.told || gap < keysApart || gap > time.Minute {
		return 0
	}
	k.told = true
	return gap
}
