package file

import (
	"errors"
	"io"

	flvin "github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/packager"
)

// unpackReader yields the events of an unpackager that feed fills, one piece of
// the file at a time.
type unpackReader struct {
	unpack *packager.Unpackager
	feed   func() error
	closer func() error
	ended  bool
}

// Close closes the file.
func (r *unpackReader) Close() error { return r.closer() }

// Read returns the next event.
func (r *unpackReader) Read() (packager.Event, error) {
	for {
		if ev, ok := r.unpack.Poll(); ok {
			if ev.Kind == packager.EventTracks || ev.Kind == packager.EventSample {
				return ev, nil
			}
			continue
		}
		if r.ended {
			return packager.Event{}, io.EOF
		}
		err := r.feed()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			// What is held back is whole, even if the file is not.
			r.ended = true
			r.unpack.Flush()
		case err != nil:
			return packager.Event{}, err
		}
	}
}

// newFLVReader reads an FLV file.
func newFLVReader(f io.ReadCloser) reader {
	tags, unpack := flvin.NewReader(f), packager.NewUnpackager()
	return &unpackReader{unpack: unpack, closer: f.Close, feed: func() error {
		m, err := tags.Read()
		if err == nil {
			_ = unpack.Handle(m) // malformed tags are dropped and counted
		}
		return err
	}}
}
