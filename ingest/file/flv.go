package file

import (
	"errors"
	"io"

	flvin "github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/packager"
)

// flvReader reads an FLV file.
type flvReader struct {
	close  io.Closer
	tags   *flvin.Reader
	unpack *packager.Unpackager
	ended  bool
}

func newFLVReader(f io.ReadCloser) reader {
	return &flvReader{close: f, tags: flvin.NewReader(f), unpack: packager.NewUnpackager()}
}

// Read returns the next event.
func (r *flvReader) Read() (packager.Event, error) {
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
		m, err := r.tags.Read()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			// What is held back is whole, even if the file is not.
			r.ended = true
			r.unpack.Flush()
		case err != nil:
			return packager.Event{}, err
		default:
			_ = r.unpack.Handle(m) // malformed tags are dropped and counted
		}
	}
}

// Close closes the file.
func (r *flvReader) Close() error { return r.close.Close() }
