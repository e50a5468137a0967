package station

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/reliability"
)

// sink notes events; while held it keeps the stream's goroutine busy.
type sink struct {
	mu     sync.Mutex
	events []packager.Event
	hold   chan struct{}
}

func (s *sink) WriteEvent(ev packager.Event) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
}

func (s *sink) count(kind packager.EventKind) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.events {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

// audio are the messages of an audio stream, with catalogues and
// configurations.
func audio(t *testing.T, units int) []packager.Message {
	t.Helper()
	track, err := packager.NewTrack(packager.CodecAAC, []byte{0x11, 0x90})
	if err != nil {
		t.Fatal(err)
	}
	p := packager.NewPackager(packager.DefaultParams())
	p.SetTracks([]packager.Track{track})
	var all []packager.Message
	for i := range units {
		dts := time.Duration(i) * 1024 * time.Second / 48000
		all = p.Pack(all, reliability.Start.Add(dts), packager.Sample{Track: packager.TrackAudio, DTS: dts, PTS: dts, Key: true, Payload: []byte{1, 2, 3}})
	}
	return all
}

func newStation(config Config, outputs ...*sink) *Station {
	s := New(config, slog.New(slog.DiscardHandler))
	for _, o := range outputs {
		s.AddSink(func(string) playout.Sink { return o })
	}
	return s
}

// Every output gets every sample, then the end; a new stream of the same name
// begins anew.
func TestOutputsGetEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &sink{}, &sink{}
		s := newStation(DefaultConfig(), a, b)
		for _, m := range audio(t, 500) {
			s.WriteMessage("live/a", m)
			synctest.Wait()
		}
		status := s.Streams()
		if len(status) != 1 || status[0].Path != "live/a" || len(status[0].Tracks) != 1 || status[0].Messages < 500 {
			t.Errorf("status %+v", status)
		}
		s.EndStream("live/a")
		synctest.Wait()
		for _, o := range []*sink{a, b} {
			if o.count(packager.EventSample) != 500 || o.count(packager.EventTracks) != 1 || o.count(packager.EventEnd) != 1 {
				t.Errorf("%d samples, %d sets of tracks, %d ends", o.count(packager.EventSample), o.count(packager.EventTracks), o.count(packager.EventEnd))
			}
		}
		if len(s.Streams()) != 0 {
			t.Error("the ended stream is still listed")
		}
		s.EndStream("live/a") // ends nothing
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A stream whose output is stuck loses messages, configurations last; others
// go on, and taking messages never blocks.
func TestStuckOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig()
		config.MaxQueue = 100
		stuck, good := &sink{hold: make(chan struct{})}, &sink{}
		s := New(config, slog.New(slog.DiscardHandler))
		s.AddSink(func(path string) playout.Sink {
			if path == "live/stuck" {
				return stuck
			}
			return good
		})
		for _, m := range audio(t, 1000) {
			s.WriteMessage("live/stuck", m)
			s.WriteMessage("live/good", m)
			synctest.Wait()
		}
		if n := good.count(packager.EventSample); n != 1000 {
			t.Errorf("the other stream has %d of 1000 samples", n)
		}
		for _, st := range s.Streams() {
			dropped := st.Dropped[reliability.ClassAudio]
			if st.Path == "live/stuck" && (dropped < 800 || st.Dropped[reliability.ClassConfig] != 0) {
				t.Errorf("dropped %v", st.Dropped)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != ErrDeadline {
			t.Errorf("Shutdown with a stuck output: %v", err)
		}
		close(stuck.hold)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		s.WriteMessage("live/late", audio(t, 1)[0])
		if len(s.Streams()) != 0 {
			t.Error("a stream begins after the shutdown")
		}
	})
}

func TestMaxStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig()
		config.MaxStreams = 2
		s := newStation(config, &sink{})
		for _, path := range []string{"c", "b", "a"} {
			s.WriteMessage(path, audio(t, 1)[0])
		}
		if got := s.Streams(); len(got) != 2 || got[0].Path != "b" || got[1].Path != "c" {
			t.Errorf("streams %+v", got)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
