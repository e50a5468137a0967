package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// output notes what the registry writes.
type output struct {
	mu       sync.Mutex
	messages map[string]int
	ended    map[string]int
	// catalogs are those of all streams, times when they came.
	catalogs []packager.Catalog
	times    []time.Time
}

func newOutput() *output { return &output{messages: make(map[string]int), ended: make(map[string]int)} }

func (o *output) WriteMessage(stream string, m packager.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages[stream]++
	u := packager.NewUnpackager()
	if m.Type != packager.MessageData || u.Handle(m) != nil {
		return
	}
	if ev, ok := u.Poll(); ok && ev.Kind == packager.EventCatalog {
		o.catalogs, o.times = append(o.catalogs, ev.Catalog), append(o.times, time.Now())
	}
}

func (o *output) EndStream(stream string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended[stream]++
}

func (o *output) endings(stream string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended[stream]
}

// inBubble runs a test with a running registry on virtual time.
func inBubble(t *testing.T, change func(*Config), test func(t *testing.T, r *Registry, o *output)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig()
		change(&config)
		o := newOutput()
		r := NewRegistry(config, o, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Run(ctx) }()
		test(t, r, o)
		cancel()
		<-done
	})
}

func publish(t *testing.T, r *Registry, path, key string) *Publication {
	t.Helper()
	p, err := r.Publish(PublishRequest{Path: path, Key: key, Remote: "test", Protocol: "test"})
	if err != nil {
		t.Fatalf("Publish(%s): %v", path, err)
	}
	return p
}

var audioTrack = func() packager.Track {
	track, err := packager.NewTrack(packager.CodecAAC, []byte{0x11, 0x90})
	if err != nil {
		panic(err)
	}
	return track
}()

// send publishes audio for a while, in real (virtual) time.
func send(t *testing.T, p *Publication, from, length time.Duration) {
	t.Helper()
	if err := p.SetTracks([]packager.Track{audioTrack}); err != nil {
		t.Fatal(err)
	}
	const unit = 1024 * time.Second / 48000
	for dts := from; dts < from+length; dts += unit {
		if err := p.WriteSample(packager.Sample{Track: packager.TrackAudio, DTS: dts, PTS: dts, Key: true, Payload: []byte{1, 2, 3}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(unit)
	}
}

func stateOf(r *Registry, path string) State {
	for _, s := range r.Streams() {
		if s.Path == path {
			return s.State
		}
	}
	return "unknown"
}

// A publisher that comes back within the grace time goes on with the same
// stream; one that does not ends it, and it leaves the list later.
func TestGrace(t *testing.T) {
	inBubble(t, func(*Config) {}, func(t *testing.T, r *Registry, o *output) {
		p := publish(t, r, "live/a", "")
		send(t, p, 0, 3*time.Second)
		if s := stateOf(r, "live/a"); s != StateLive {
			t.Errorf("state %s while frames come", s)
		}
		p.Close(errors.New("connection reset"))
		time.Sleep(8 * time.Second)
		if s := r.Streams()[0]; s.State != StateWaiting || s.Error != "connection reset" || o.endings("live/a") != 0 {
			t.Errorf("8 s after the publisher left: %+v", s)
		}
		p = publish(t, r, "live/a", "")
		send(t, p, 0, 3*time.Second)
		if s := r.Streams()[0]; s.State != StateLive || s.Connections != 2 || o.endings("live/a") != 0 || s.Error != "" {
			t.Errorf("after the return: %+v, %d ends", s, o.endings("live/a"))
		}
		p.Close(nil)
		time.Sleep(11 * time.Second)
		if s := stateOf(r, "live/a"); s != StateEnded || o.endings("live/a") != 1 {
			t.Errorf("after the grace time: %s, %d ends", s, o.endings("live/a"))
		}
		time.Sleep(endedFor + time.Second)
		if len(r.Streams()) != 0 {
			t.Errorf("the ended stream stays in the list: %+v", r.Streams())
		}
	})
}

// A publisher that is connected but sends nothing has stalled, not ended.
func TestStall(t *testing.T) {
	inBubble(t, func(*Config) {}, func(t *testing.T, r *Registry, o *output) {
		p := publish(t, r, "live/a", "")
		send(t, p, 0, time.Second)
		time.Sleep(20 * time.Second)
		if s := stateOf(r, "live/a"); s != StateStalled || o.endings("live/a") != 0 {
			t.Errorf("after 20 s of silence: %s", s)
		}
		send(t, p, 20*time.Second, time.Second)
		if s := stateOf(r, "live/a"); s != StateLive {
			t.Errorf("when frames come again: %s", s)
		}
		p.Close(nil)
	})
}

func TestPublishKeys(t *testing.T) {
	change := func(c *Config) { c.Key, c.StreamKeys = "k", map[string]string{"live/own": "o"} }
	inBubble(t, change, func(t *testing.T, r *Registry, _ *output) {
		tests := []struct {
			req PublishRequest
			err error
		}{
			{PublishRequest{Path: "live/a"}, ErrBadKey},
			{PublishRequest{Path: "live/a", Key: "K"}, ErrBadKey},
			{PublishRequest{Path: "live/a", Key: "k"}, nil},
			{PublishRequest{Path: "live/own", Key: "k"}, ErrBadKey},
			{PublishRequest{Path: "live/own", Key: "o"}, nil},
			{PublishRequest{Path: "live/b", Trusted: true}, nil},
		}
		for _, tt := range tests {
			if _, err := r.Publish(tt.req); !errors.Is(err, tt.err) {
				t.Errorf("%+v: %v, want %v", tt.req, err, tt.err)
			}
		}
		r.SetKeys("new", nil, Account{})
		if _, err := r.Publish(PublishRequest{Path: "live/c", Key: "k"}); !errors.Is(err, ErrBadKey) {
			t.Errorf("the old key after a change: %v", err)
		}
		publish(t, r, "live/d", "new")
	})
}

// With a key the newer publisher wins, without one only if the older is
// silent; never twice within two seconds.
func TestTakeover(t *testing.T) {
	inBubble(t, func(c *Config) { c.Key = "k" }, func(t *testing.T, r *Registry, _ *output) {
		first := publish(t, r, "live/a", "k")
		if _, err := r.Publish(PublishRequest{Path: "live/a", Key: "k"}); !errors.Is(err, ErrInUse) {
			t.Errorf("at once: %v", err)
		}
		send(t, first, 0, 3*time.Second)
		second := publish(t, r, "live/a", "k")
		if err := first.WriteSample(packager.Sample{Track: packager.TrackAudio}); !errors.Is(err, ErrTakenOver) || !errors.Is(first.Err(), ErrTakenOver) {
			t.Errorf("the older publisher gets %v", err)
		}
		first.Close(nil) // does not disturb the newer one
		send(t, second, 0, time.Second)
		if s := stateOf(r, "live/a"); s != StateLive {
			t.Errorf("after the takeover: %s", s)
		}
	})
	inBubble(t, func(*Config) {}, func(t *testing.T, r *Registry, _ *output) {
		first := publish(t, r, "live/a", "")
		send(t, first, 0, 3*time.Second)
		if _, err := r.Publish(PublishRequest{Path: "live/a"}); !errors.Is(err, ErrInUse) {
			t.Errorf("while the other sends: %v", err)
		}
		time.Sleep(4 * time.Second)
		publish(t, r, "live/a", "")
	})
}

func TestMaxStreams(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxStreams = 2 }, func(t *testing.T, r *Registry, _ *output) {
		publish(t, r, "live/a", "")
		publish(t, r, "live/b", "")
		if _, err := r.Publish(PublishRequest{Path: "live/c"}); !errors.Is(err, ErrTooMany) {
			t.Errorf("a third of two streams: %v", err)
		}
	})
}

// When the registry stops it ends all streams, and takes no new ones.
func TestRegistryStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutput()
		r := NewRegistry(DefaultConfig(), o, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		p := publish(t, r, "live/a", "")
		send(t, p, 0, time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !errors.Is(p.Err(), ErrClosed) || o.endings("live/a") != 1 {
			t.Errorf("the publisher gets %v, the stream ended %d times", p.Err(), o.endings("live/a"))
		}
		if _, err := r.Publish(PublishRequest{Path: "live/b"}); !errors.Is(err, ErrClosed) {
			t.Errorf("Publish after the end: %v", err)
		}
	})
}

// flaky is a source that breaks a few times and then comes to its end.
type flaky struct {
	breaks int
	starts []time.Time
}

func (f *flaky) Run(_ context.Context, sink Sink) error {
	f.starts = append(f.starts, time.Now())
	if err := sink.SetTracks([]packager.Track{audioTrack}); err != nil {
		return err
	}
	if len(f.starts) <= f.breaks {
		return errors.New("broken")
	}
	return nil
}

// A source that breaks is started again at growing intervals, one that ends
// is not.
func TestSupervise(t *testing.T) {
	inBubble(t, func(*Config) {}, func(t *testing.T, r *Registry, _ *output) {
		source := &flaky{breaks: 5}
		if err := Supervise(t.Context(), r, PublishRequest{Path: "live/a"}, source, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		if len(source.starts) != 6 {
			t.Fatalf("started %d times, want 6", len(source.starts))
		}
		wait := firstRetry
		for i := 1; i < len(source.starts); i++ {
			if pause := source.starts[i].Sub(source.starts[i-1]); pause < wait/2 || pause > wait+wait/2 {
				t.Errorf("pause %d is %v, want %v within a half", i, pause, wait)
			}
			wait = min(2*wait, longestTry)
		}
	})
}

// The host sets its clock by an hour, forth and back, in mid-stream, and the
// publisher reconnects in between: the dates of the stream go on with the time
// that passes, and so do its media times and its segments.
func TestHostSetsItsClock(t *testing.T) {
	inBubble(t, func(*Config) {}, func(t *testing.T, r *Registry, o *output) {
		host := time.Duration(0)
		r.wall = func() int64 { return time.Now().Add(host).UnixMilli() }
		var source time.Duration
		p := publish(t, r, "live/a", "")
		for _, step := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour} {
			send(t, p, source, 10*time.Second)
			source += 10 * time.Second
			host += step
			send(t, p, source, 10*time.Second)
			p.Close(errors.New("connection reset"))
			time.Sleep(3 * time.Second)
			source = 0 // the encoder starts over
			p = publish(t, r, "live/a", "")
			if s := stateOf(r, "live/a"); s == StateEnded {
				t.Fatal("the stream has ended")
			}
		}
		for i := 1; i < len(o.catalogs); i++ {
			before, c := o.catalogs[i-1], o.catalogs[i]
			passed := o.times[i].Sub(o.times[i-1])
			media := c.Segment.Start - before.Segment.Start
			date := media + time.Duration(c.Wall-before.Wall)*time.Millisecond
			if d := date - passed; d.Abs() > 100*time.Millisecond || media <= 0 || c.Segment.Number != before.Segment.Number+1 {
				t.Errorf("segment %d begins %v after the one before it, by its date %v; %v have passed", c.Segment.Number, media, date, passed)
			}
		}
		if len(o.catalogs) < 25 {
			t.Errorf("only %d segments", len(o.catalogs))
		}
	})
}

// A publisher whose key frames are far apart is told once for each stretch.
func TestKeyFramesFarApart(t *testing.T) {
	var k keyMeter
	told := 0
	for i := range 40 * 25 {
		at := time.Duration(i) * 40 * time.Millisecond
		if gap := k.note(packager.Sample{Track: packager.TrackVideo, DTS: at, Key: i%(20*25) == 0}); gap > 0 {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times, want twice", told)
	}
	k = keyMeter{}
	for i := range 40 * 25 {
		at := time.Duration(i) * 40 * time.Millisecond
		if k.note(packager.Sample{Track: packager.TrackVideo, DTS: at, Key: i%50 == 0}) > 0 {
			t.Fatal("a key frame every 2 s is not far apart")
		}
	}
}
