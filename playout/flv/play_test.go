package flv

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// A reader by another protocol waits for its stream, and one that joins in
// mid-stream gets metadata, configurations and the group of pictures that is
// running before what follows, as messages that start at time 0.
func TestPlayJoinsInMidStream(t *testing.T) {
	events := clipEvents(t)
	server := New(slog.New(slog.DiscardHandler))
	early := make(chan *Play, 1)
	go func() {
		p, err := server.Play(t.Context(), "live/cam", 10*time.Second)
		if err != nil {
			t.Error(err)
		}
		early <- p
	}()
	sink := server.Sink("live/cam")
	joinAt := len(events) / 2
	for _, ev := range events[:joinAt] {
		sink.WriteEvent(ev)
	}
	p, err := server.Play(t.Context(), "live/cam", 0)
	if err != nil {
		t.Fatal(err)
	}
	if first := <-early; first != nil {
		if n := server.Players("live/cam"); n != 2 {
			t.Errorf("%d players, want 2", n)
		}
		first.Close()
	}
	messages, err := p.Next(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []packager.MessageType
	for _, m := range messages[:4] {
		kinds = append(kinds, m.Type)
		if m.Timestamp != 0 {
			t.Errorf("the first messages carry time %d", m.Timestamp)
		}
	}
	if kinds[0] != packager.MessageData || kinds[1] != packager.MessageVideo || kinds[2] != packager.MessageAudio || kinds[3] != packager.MessageVideo {
		t.Errorf("it begins with types %v", kinds)
	}
	if body := messages[3].AppendBody(nil); body[0] != 0x17 {
		t.Errorf("the first frame is no key frame: % x", body[:5])
	}
	checkPlayed(t, p, sink, events[joinAt:])
}

// checkPlayed writes the rest of a stream and expects every sample of it.
func checkPlayed(t *testing.T, p *Play, sink interface{ WriteEvent(packager.Event) }, rest []packager.Event) {
	t.Helper()
	for _, ev := range rest {
		sink.WriteEvent(ev)
		if ev.Kind != packager.EventSample {
			continue
		}
		got, err := p.Next(t.Context(), nil)
		if err != nil || len(got) != 1 || got[0].Len() < len(ev.Sample.Payload) {
			t.Fatalf("%d messages for one sample, %v", len(got), err)
		}
		if &got[0].Payload[0] != &ev.Sample.Payload[0] {
			t.Fatal("the payload was copied")
		}
	}
	sink.WriteEvent(packager.Event{Kind: packager.EventEnd})
	if got, err := p.Next(t.Context(), nil); err != nil || len(got) != 1 {
		t.Errorf("at the end: %d messages, %v; want the end of the video", len(got), err)
	}
	if _, err := p.Next(t.Context(), nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// A stream that does not begin is given up, and so is one whose reader leaves.
func TestPlayWaits(t *testing.T) {
	server := New(slog.New(slog.DiscardHandler))
	if _, err := server.Play(t.Context(), "live/none", time.Millisecond); !errors.Is(err, ErrNoStream) {
		t.Errorf("no stream: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.Play(ctx, "live/none", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("the reader left: %v", err)
	}
}

// Without video a reader gets audio alone; with it again it goes on at a key
// frame.
func TestPlaySelects(t *testing.T) {
	st := newStream()
	v := newViewer()
	if err := st.join(v); err != nil {
		t.Fatal(err)
	}
	p := &Play{stream: st, viewer: v}
	p.Select(true, false)
	events := clipEvents(t)
	for i, ev := range events[:200] {
		if i == 100 {
			for _, tag := range v.queue {
				if tag.kind == videoKind && !tag.config {
					t.Fatal("video was not wanted")
				}
			}
			v.queue = nil
			p.Select(true, true)
		}
		st.WriteEvent(ev)
	}
	for _, tag := range v.queue {
		if tag.kind == videoKind {
			if !tag.key {
				t.Error("video goes on without a key frame")
			}
			return
		}
	}
	t.Error("no video came")
}
