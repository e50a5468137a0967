package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringcast/ringcast/multicast/files"
)

// serving gives a file to others in the background.
type serving struct {
	m    *member
	stop context.CancelFunc
	done chan struct{}
	err  error // good once done is closed
}

// serve begins to give a file to others, until ctx is done or end is called.
func (m *member) serve(ctx context.Context, share *files.Share) *serving {
	ctx, stop := context.WithCancel(ctx)
	s := &serving{m: m, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := share.Serve(ctx); !errors.Is(err, context.Canceled) {
			s.err = err
		}
	}()
	return s
}

// end stops it and returns what was wrong.
func (s *serving) end() error {
	s.stop()
	<-s.done
	return s.err
}

// last goes on until ctx is done, for a time if that is not 0, and tells how it
// is going.
func (s *serving) last(ctx context.Context, duration time.Duration, t *transfer) error {
	var over <-chan time.Time
	if duration > 0 {
		over = time.After(duration)
	}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	t.restart()
	given := givenMeter{m: s.m, t: t, begin: s.m.group.Replication().BytesGiven, said: time.Now()}
	defer t.clear()
	for {
		select {
		case <-ctx.Done():
			return s.end()
		case <-over:
			return s.end()
		case <-s.done:
			return s.end()
		case now := <-tick.C:
			if !t.quiet && t.json == nil {
				given.show(now)
			}
		}
	}
}

// givenMeter shows what others have got.
type givenMeter struct {
	m     *member
	t     *transfer
	begin uint64
	last  int64 // bytes that were told
	said  time.Time
}

func (g *givenMeter) show(now time.Time) {
	given := int64(g.m.group.Replication().BytesGiven - g.begin)
	rate := g.t.sample(now, given)
	text := fmt.Sprintf("%s: %s, %s given, %s/s", g.t.name, countOf(len(g.m.group.Neighbors()), "neighbor"), byteSize(given), byteSize(int64(rate)))
	switch {
	case g.t.line.on:
		g.t.line.draw(text)
	case now.Sub(g.said) >= plainEvery && given != g.last:
		g.said, g.last = now, given
		g.m.say("%s", text)
	}
}
