package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ringcast/ringcast/config"
)

// newLogger returns the logger of the process and the level that a reload may
// change.
func newLogger(w io.Writer, c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, c.Level)
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if c.Format == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(&calm{Handler: h, seen: &repeats{last: make(map[string]*repeat)}}), level
}

// setLevel sets a level by its configured name.
func setLevel(level *slog.LevelVar, name string) {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) == nil {
		level.Set(l)
	}
}

// repeatInterval is how often a repeated warning appears at most.
const repeatInterval = time.Minute

// maxRepeats bounds the warnings that are remembered.
const maxRepeats = 1000

// calm is a handler that lets each warning through once in repeatInterval;
// what it held back is counted in the next one's "repeated".
type calm struct {
	slog.Handler
	scope string
	seen  *repeats
}

type repeats struct {
	mu   sync.Mutex
	last map[string]*repeat
}

type repeat struct {
	at   time.Time
	held int
}

// Handle passes the record on, or holds it back and counts it.
func (c *calm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		held, pass := c.seen.pass(c.scope+r.Message+subject(r), r.Time)
		if !pass {
			return nil
		}
		if held > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", held))
		}
	}
	return c.Handler.Handle(ctx, r)
}

// subject is the part of a warning that makes it another one: what it is
// about. Addresses of strangers are not in it, else each would have its own.
func subject(r slog.Record) string {
	s := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "stream" || a.Key == "track" || a.Key == "setting" || a.Key == "reason" {
			s += "\x00" + a.Value.String()
		}
		return true
	})
	return s
}

func (s *repeats) pass(key string, now time.Time) (held int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[key]
	if last != nil && now.Sub(last.at) < repeatInterval {
		last.held++
		return 0, false
	}
	if len(s.last) >= maxRepeats {
		clear(s.last)
	}
	s.last[key] = &repeat{at: now}
	if last != nil {
		held = last.held
	}
	return held, true
}

// WithAttrs keeps the handler around the one inside.
func (c *calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &calm{c.Handler.WithAttrs(attrs), c.scope + fmt.Sprint(attrs), c.seen}
}

// WithGroup keeps the handler around the one inside.
func (c *calm) WithGroup(name string) slog.Handler {
	return &calm{c.Handler.WithGroup(name), c.scope + name, c.seen}
}

// quiet is a handler for the viewers' nodes of a demo, which would bury the
// addresses to open: what is worth a line of a node of its own is a detail
// here, and so is what goes wrong when all of them stop at once.
type quiet struct {
	slog.Handler
	stopping func() bool
}

// Enabled reports whether the level would be logged.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, q.level(l))
}

// Handle passes the record on at its level here.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Level = q.level(r.Level); !q.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the levels.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.stopping}
}

func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.stopping}
}

func (q quiet) level(l slog.Level) slog.Level {
	if l == slog.LevelInfo || l == slog.LevelWarn && q.stopping() {
		return slog.LevelDebug
	}
	return l
}
