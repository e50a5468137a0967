package file

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/packager"
)

// pacer hands out samples at the moment that their decode time says, and
// joins the passes over a looping file into one timeline.
type pacer struct {
	start   time.Time
	offset  time.Duration // of this pass on the timeline
	origin  time.Duration // the file's time at which the pass began
	begun   bool
	tracks  [packager.TrackData + 1]span
	samples int
}

// span is what a track covers in one pass.
type span struct {
	first, last time.Duration
	count       int
}

// length is the time to the end of the last sample, whose duration is taken
// to be the mean of the others.
func (s span) length() time.Duration {
	if s.count < 2 {
		return s.last - s.first
	}
	return s.last - s.first + (s.last-s.first)/time.Duration(s.count-1)
}

// play hands out one pass.
func (p *pacer) play(ctx context.Context, r reader, sink ingest.Sink) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ev, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && p.samples > 0:
			return nil // a recording that was cut off plays as far as it goes
		case err != nil:
			return err
		case ev.Kind == packager.EventTracks:
			err = sink.SetTracks(ev.Tracks)
		case ev.Kind == packager.EventSample:
			s := p.place(ev.Sample)
			timer.Reset(time.Until(p.start.Add(s.DTS)))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil
			}
			err = sink.WriteSample(s)
		}
		if err != nil {
			return err
		}
	}
}

// place puts a sample of this pass on the timeline.
func (p *pacer) place(s packager.Sample) packager.Sample {
	if !p.begun {
		p.begun, p.origin = true, s.DTS
	}
	t := &p.tracks[s.Track]
	if t.count == 0 {
		t.first = s.DTS
	}
	t.last = s.DTS
	t.count++
	p.samples++
	s.DTS += p.offset - p.origin
	s.PTS += p.offset - p.origin
	return s
}

// nextPass begins the next pass where the longest track ended.
func (p *pacer) nextPass() {
	var length time.Duration
	for id := packager.TrackVideo; id <= packager.TrackAudio; id++ {
		if t := p.tracks[id]; t.count > 0 {
			length = max(length, t.length())
		}
	}
	// A file with one sample would otherwise be played without end at once.
	p.offset += max(length, 100*time.Millisecond)
	p.begun, p.tracks = false, [packager.TrackData + 1]span{}
}
