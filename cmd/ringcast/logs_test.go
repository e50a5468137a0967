package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// The viewers' nodes of a demo say only what goes wrong while it runs.
func TestQuietHandler(t *testing.T) {
	for _, c := range []struct {
		level    slog.Level
		stopping bool
		want     string
	}{
		{slog.LevelInfo, false, "went wrong"},
		{slog.LevelInfo, true, ""},
		{slog.LevelDebug, false, "connected went wrong"},
		{slog.LevelDebug, true, "connected went wrong"},
	} {
		var b bytes.Buffer
		drop := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key != slog.MessageKey {
				return slog.Attr{}
			}
			return a
		}
		h := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: c.level, ReplaceAttr: drop})
		log := slog.New(quiet{h, func() bool { return c.stopping }}).With("demo", 1).WithGroup("g")
		log.Info("connected")
		log.Warn("went wrong")
		got := strings.NewReplacer("msg=", "", "\"", "", "\n", " ").Replace(b.String())
		if strings.TrimSpace(got) != c.want {
			t.Errorf("level %v, stopping %v: %q, want %q", c.level, c.stopping, got, c.want)
		}
	}
}
