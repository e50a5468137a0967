package flv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
)

// Timeouts of a fetch.
const (
	connectTimeout = 10 * time.Second
	// silence is how long the server may send nothing.
	silence = 15 * time.Second
)

// Source fetches a live FLV stream over HTTP.
type Source struct {
	// URL is http:// or https://.
	URL string
}

var _ ingest.Source = Source{}

// Run fetches the stream until it ends, which counts as broken: a live stream
// that ends may come back.
func (s Source) Run(ctx context.Context, sink ingest.Sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return errors.New("source has an impossible URL") // it may hold a secret
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: silence}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("fetch stream: %w", withoutURL(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch stream: the server says %s", response.Status)
	}
	// Nothing else ends a read from a server that went silent.
	idle := time.AfterFunc(silence, func() { cancel(fmt.Errorf("the server sent nothing for %v", silence)) })
	defer idle.Stop()
	err = Copy(sink, NewReader(&watched{response.Body, idle}))
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err == nil:
		return errors.New("the server ended the stream")
	}
	return err
}

// withoutURL takes the URL, which may hold a secret, out of an error of
// package http.
func withoutURL(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			return errors.New("the server did not answer in time")
		}
		err = next
	}
	return err
}

// watched restarts a timer with each read.
type watched struct {
	r     io.Reader
	timer *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.timer.Reset(silence)
	return n, err
}

// Copy reads a live FLV stream to its end and hands its samples to sink as
// they come. Malformed tags are dropped.
func Copy(sink ingest.Sink, r *Reader) error {
	unpack := packager.NewUnpackager()
	for {
		m, err := r.Read()
		if errors.Is(err, io.EOF) {
			unpack.Flush()
			return deliver(sink, unpack)
		}
		if err != nil {
			return err
		}
		_ = unpack.Handle(m) // dropped and counted; the stream goes on
		if err := deliver(sink, unpack); err != nil {
			return err
		}
	}
}

// deliver hands over what the unpackager has made.
func deliver(sink ingest.Sink, unpack *packager.Unpackager) error {
	for ev, ok := unpack.Poll(); ok; ev, ok = unpack.Poll() {
		var err error
		switch ev.Kind {
		case packager.EventTracks:
			err = sink.SetTracks(ev.Tracks)
		case packager.EventSample:
			err = sink.WriteSample(ev.Sample)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
