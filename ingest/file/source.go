package file

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
)

// clip is the built-in clip; clip.sh makes it.
//
//go:embed clip.flv
var clip []byte

// reader yields the contents of one pass over a file: events of the kinds
// EventTracks and EventSample, then io.EOF.
type reader interface {
	Read() (packager.Event, error)
	Close() error
}

// Source plays a file, or the built-in clip, in real time.
type Source struct {
	name string
	loop bool
	open func() (reader, error)
}

var _ ingest.Source = (*Source)(nil)

// Clip returns the built-in clip, played in a loop.
func Clip() *Source {
	return &Source{name: "test:", loop: true, open: func() (reader, error) {
		return newFLVReader(io.NopCloser(bytes.NewReader(clip))), nil
	}}
}

// New returns a source that plays a file, by its extension: .flv, .mp4 (.m4v,
// .mov) or .ts (.m2ts).
func New(name string, loop bool) (*Source, error) {
	s := &Source{name: name, loop: loop}
	switch strings.ToLower(path.Ext(name)) {
	case ".flv":
		s.open = func() (reader, error) { return open(name, newFLVReader) }
	case ".mp4", ".m4v", ".mov":
		s.open = func() (reader, error) { return demux(openMP4(name)) }
	case ".ts", ".m2ts":
		s.open = func() (reader, error) { return demux(openTS(name)) }
	default:
		return nil, fmt.Errorf("file %q has an extension that cannot be played", name)
	}
	return s, nil
}

func open(name string, read func(io.ReadCloser) reader) (reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open stream file: %w", err)
	}
	return read(f), nil
}

func demux(d demuxer, err error) (reader, error) {
	if err != nil {
		return nil, err
	}
	return newDemuxReader(d), nil
}

// Run plays the file to its end, or for ever if it loops.
func (s *Source) Run(ctx context.Context, sink ingest.Sink) error {
	p := pacer{start: time.Now()}
	for {
		r, err := s.open()
		if err != nil {
			return err
		}
		err = p.play(ctx, r, sink)
		_ = r.Close()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("play %s: %w", path.Base(s.name), err)
		case p.samples == 0:
			return fmt.Errorf("play %s: %w", path.Base(s.name), errNothing)
		case !s.loop:
			return nil
		}
		p.nextPass()
	}
}

var errNothing = errors.New("the file holds nothing that can be played")
