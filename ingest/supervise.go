package ingest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Backoff of a source that fails.
const (
	firstRetry = 500 * time.Millisecond
	longestTry = 30 * time.Second
	// steadyAfter is how long a source must have run for its next failure to
	// count as the first.
	steadyAfter = 10 * time.Second
)

// Supervise keeps a source running under a stream's name until ctx is done: it
// starts it, and starts it again when it breaks, at growing intervals. A source
// that comes to its end is not started again; Supervise then returns nil.
func Supervise(ctx context.Context, registry *Registry, req PublishRequest, source Source, log *slog.Logger) error {
	req.Trusted = true
	wait := firstRetry
	for {
		began := time.Now()
		err := runOnce(ctx, registry, req, source)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			log.Info("source came to its end", "stream", req.Path, "source", req.Remote)
			return nil
		case errors.Is(err, ErrTakenOver), errors.Is(err, ErrClosed):
			return err
		}
		if time.Since(began) > steadyAfter {
			wait = firstRetry
		}
		// A random part keeps many nodes from returning at one moment.
		pause := wait/2 + rand.N(wait)
		log.Warn("source failed and is tried again", "stream", req.Path, "source", req.Remote, "err", err, "in", pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, longestTry)
	}
}

func runOnce(ctx context.Context, registry *Registry, req PublishRequest, source Source) error {
	p, err := registry.Publish(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	err = source.Run(ctx, p)
	if taken := p.Err(); taken != nil {
		err = taken
	}
	p.Close(err)
	return err
}
