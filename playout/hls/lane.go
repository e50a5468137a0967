package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/opus"
)

const (
	// holeAfter is the step of a track's time from which the last sample
	// before it is not stretched, and no silence is filled in.
	holeAfter = time.Second
	// stillMax is how long a picture may stand while the sound goes on, or
	// where pictures are that far apart anyway.
	stillMax = 10 * time.Second
	// maxSilence bounds what is filled in at one time: more has no reason but
	// times that make no sense.
	maxSilence = 5 * time.Second
)

// lane holds the samples of one track that wait for their part.
type lane struct {
	track   packager.Track
	scale   int64
	last    *pendingSample // without a duration yet
	queue   []pendingSample
	reached time.Duration // DTS up to which all samples are known
	begun   bool          // reached means something
	ended   bool
	nominal int64 // duration of the last sample that had a next one
	step    int64 // distance of the last two samples, whatever it was

	// Of audio: the clock that places units, their length (0 if they differ),
	// and what to fill holes with.
	clock       packager.AudioClock
	unit        int64
	silence     []byte
	silenceUnit int64
	end         int64 // where the last unit ends, if hasEnd
	hasEnd      bool
	silent      bool // the last unit is silence
}

// newLane returns the lane of a track. The lane of the same audio before a
// change of the video hands its clock on.
func newLane(t packager.Track, before *lane) *lane {
	l := &lane{track: t, scale: timescaleOf(t)}
	if t.ID != packager.TrackAudio {
		return l
	}
	l.clock.Rate = l.scale
	l.unit = int64(t.SamplesPerUnit())
	l.silence, l.silenceUnit = t.SilentUnit()
	if before != nil && before.track.SameConfig(t) {
		l.clock = before.clock
	}
	return l
}

// begin says when the first segment starts, if nothing has come yet.
func (l *lane) begin(at time.Duration) {
	if l != nil && !l.begun {
		l.begun, l.reached = true, at
	}
}

// add takes a sample and gives the one before it its duration. soundFor is how
// long the sound has gone on without a hole, if the sample is a picture.
func (l *lane) add(s packager.Sample, soundFor time.Duration) {
	p := pendingSample{Sample: s}
	if l.track.ID == packager.TrackAudio {
		p.duration = l.unit
		if p.duration == 0 {
			p.duration = packager.ToScale(opus.Duration(s.Payload), l.scale)
		}
		p.at, _ = l.clock.Place(s.DTS, p.duration)
		p.at += packager.ToScale(startOffset, l.scale)
		// What counts from here on is where the unit is played.
		p.DTS = packager.FromScale(p.at, l.scale) - startOffset
		if !l.fit(p) {
			return
		}
	} else {
		p.at = packager.ToScale(s.DTS+startOffset, l.scale)
	}
	l.push(p, soundFor)
	l.begun, l.reached = true, p.DTS
}

func (l *lane) push(p pendingSample, soundFor time.Duration) {
	if l.last != nil {
		l.settle(p.at, soundFor)
	}
	l.last = &p
	l.end, l.hasEnd, l.silent = p.at+p.duration, true, p.silent
}

// fit fills a short hole before an audio unit with silence. It returns false
// if the unit lies in what was filled already.
func (l *lane) fit(p pendingSample) bool {
	if !l.hasEnd {
		return true
	}
	if l.silent && p.at < l.end {
		return false
	}
	if p.at-l.end <= packager.ToScale(holeAfter, l.scale) {
		l.fillTo(p.at)
	}
	return true
}

// fillTo adds whole units of silence up to a position.
func (l *lane) fillTo(at int64) {
	if l.silence == nil || l.silenceUnit <= 0 {
		return
	}
	for l.end+l.silenceUnit <= at {
		l.pushSilence()
	}
}

func (l *lane) pushSilence() {
	p := pendingSample{at: l.end, duration: l.silenceUnit, silent: true}
	p.Track, p.Key, p.Payload = packager.TrackAudio, true, l.silence
	p.DTS = packager.FromScale(l.end, l.scale) - startOffset
	p.PTS = p.DTS
	l.push(p, 0)
}

// silenceTo keeps a track going whose sound stopped at from, or earlier, or
// never began.
func (l *lane) silenceTo(from, to time.Duration) {
	if l.silence == nil || l.silenceUnit <= 0 {
		return
	}
	start := packager.ToScale(from+startOffset, l.scale)
	if !l.hasEnd {
		at := max(min(from, l.reached), 0)
		l.end = l.clock.Align(packager.ToScale(at, l.scale), l.silenceUnit) + packager.ToScale(startOffset, l.scale)
	} else if missing := start - l.end; missing > packager.ToScale(holeAfter, l.scale) {
		l.end += missing / l.silenceUnit * l.silenceUnit // a hole is left a hole
	}
	l.hasEnd = true
	end := packager.ToScale(to+startOffset, l.scale)
	if skip := end - l.end - packager.ToScale(maxSilence, l.scale); skip > 0 {
		l.end += skip / l.silenceUnit * l.silenceUnit
	}
	for l.end < end {
		l.pushSilence()
	}
	l.begun, l.reached = true, max(l.reached, to)
}

// settle moves the last sample to the queue with the duration up to next.
func (l *lane) settle(next int64, soundFor time.Duration) {
	d := next - l.last.at
	l.last.still = l.stands(d, soundFor)
	l.step = d
	switch {
	case l.track.ID == packager.TrackAudio && l.last.duration > 0:
		d = max(min(d, l.last.duration), 1)
	case d > packager.ToScale(holeAfter, l.scale) && !l.last.still:
		d = max(l.nominal, l.last.duration, 1) // a hole is left a hole
	case d <= 0:
		d = 1
	default:
		l.nominal = d
	}
	l.last.duration = d
	l.queue = append(l.queue, *l.last)
	l.last = nil
}

// stands reports whether a long step of a video track is a picture that stands
// rather than a loss: if the step before was as long, or if it is longer than
// any loss and the sound went on meanwhile.
func (l *lane) stands(d int64, soundFor time.Duration) bool {
	if l.track.ID != packager.TrackVideo || d > packager.ToScale(stillMax, l.scale) {
		return false
	}
	return 2*l.step > d || d > packager.ToScale(holeAfter, l.scale) && 2*packager.ToScale(soundFor, l.scale) > d
}

// flush settles the last sample of a lane that has ended.
func (l *lane) flush() {
	if l.last != nil {
		d := max(l.nominal, l.last.duration, 1)
		if l.nominal > packager.ToScale(holeAfter, l.scale) {
			d = max(l.last.duration, 1) // nobody knows how long it was to stand
		}
		l.settle(l.last.at+d, 0)
	}
	l.ended = true
}
