package hls

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/opus"
	"github.com/ringcast/ringcast/playout"
)

// Bounds of a muxer.
const (
	// trackLag is how far one track may lag behind the other before a part
	// goes without it.
	trackLag = 500 * time.Millisecond
	// holeAfter is the step of a track's time from which the last sample
	// before it is not stretched.
	holeAfter = time.Second
	// partHeadroom is how much longer than the longest part PART-TARGET is:
	// Apple's players refuse a stream for a part a millisecond too long.
	partHeadroom = 1.02
	// slowestFrame is the longest frame by which the part length is chosen.
	slowestFrame = 500 * time.Millisecond
	// maxQueued bounds the samples that wait for their part.
	maxQueued = 8192
)

// Muxer is the HLS output of one stream. WriteEvent is called from one
// goroutine; snapshots may be read from any.
type Muxer struct {
	config Config
	prefix string
	// firstMSN is added to the segments' own numbers, so that a stream that
	// begins anew under the same path goes on counting.
	firstMSN uint64

	cutter   *packager.Cutter
	rule     packager.Segmentation
	wall     int64
	hasWall  bool
	tracks   []packager.Track
	writer   segmentWriter
	changed  bool // the tracks are new since the last segment
	video    *lane
	audio    *lane
	cuts     []packager.Cut // announced, not reached by the writer yet
	open     *segment
	openPart partBuilder
	due      time.Duration // end of the open part if it is full, else 0
	// partLimit is the longest part and partTarget what is advertised; fixed
	// by the first frames.
	partLimit, partTarget time.Duration

	segments []*segment // complete, oldest first
	retained []*segment // no longer listed
	inits    []initSegment
	ended    bool
	peak     float64 // bits a second
	total    int64
	covered  time.Duration

	state atomic.Pointer[snapshot]
}

type initSegment struct {
	uri  string
	body []byte
}

// lane holds the samples of one track that wait for their part.
type lane struct {
	track   packager.Track
	scale   int64
	clock   playout.AudioClock
	unit    int64
	last    *pendingSample // without a duration yet
	queue   []pendingSample
	reached time.Duration // DTS up to which all samples are known
	ended   bool
	nominal int64 // duration of the last sample that had a next one
}

// partBuilder collects the samples of the open part.
type partBuilder struct {
	start        time.Duration
	video, audio []pendingSample
	bytes        int
}

// newMuxer returns a muxer that counts on from an older one of the same path.
func newMuxer(config Config, prefix string, older *Muxer) *Muxer {
	m := &Muxer{config: config, prefix: prefix, rule: packager.DefaultSegmentation()}
	if older != nil {
		m.firstMSN = older.lastMSN()
	}
	m.cutter = packager.NewCutter(m.rule, true)
	m.state.Store(&snapshot{changed: make(chan struct{})})
	return m
}

func (m *Muxer) lastMSN() uint64 {
	if m.open != nil {
		return m.open.msn
	}
	if n := len(m.segments); n > 0 {
		return m.segments[n-1].msn
	}
	return m.firstMSN
}

// WriteEvent takes the next event of the stream.
func (m *Muxer) WriteEvent(ev packager.Event) {
	if m.ended {
		return
	}
	switch ev.Kind {
	case packager.EventCatalog:
		m.catalog(ev.Catalog)
	case packager.EventTracks:
		m.setTracks(ev.Tracks)
	case packager.EventSample:
		m.sample(ev.Sample)
	case packager.EventEnd:
		m.end()
	}
}

func (m *Muxer) catalog(c packager.Catalog) {
	m.wall, m.hasWall = c.Wall, true
	m.rule = c.Segmentation
	m.cutter.SetRule(c.Segmentation)
	if last := m.cutter.Last(); last.Number > 0 && c.Segment.Number <= last.Number {
		return // this node had cut there by itself
	}
	m.cutter.Sync(c.Segment)
	m.cuts = append(m.cuts, c.Segment)
	if m.firstCut() {
		m.prefix = fmt.Sprintf("%08x", uint32(c.Epoch>>32))
	}
}

func (m *Muxer) firstCut() bool { return m.open == nil && len(m.segments) == 0 && len(m.cuts) == 1 }

// setTracks takes a new set of tracks, which is in force from the next segment
// on.
func (m *Muxer) setTracks(tracks []packager.Track) {
	if m.open != nil || len(m.segments) > 0 {
		m.finishOpen(true)
		if len(m.cuts) == 0 { // a stream without a catalogue
			m.cutter.ForceNext()
		}
	}
	m.tracks, m.changed = tracks, true
	m.video, m.audio = nil, nil
	for _, t := range tracks {
		l := &lane{track: t, scale: timescaleOf(t)}
		switch t.ID {
		case packager.TrackVideo:
			m.video = l
		case packager.TrackAudio:
			l.clock.Rate = l.scale
			l.unit = int64(t.SamplesPerUnit())
			m.audio = l
		}
	}
	m.cutter.SetVideo(m.video != nil)
}

func (m *Muxer) sample(s packager.Sample) {
	l := m.video
	if s.Track == packager.TrackAudio {
		l = m.audio
	}
	if l == nil || s.Track == packager.TrackData || m.queued() > maxQueued {
		return
	}
	if len(m.tracks) > 0 {
		if cut, ok := m.cutter.Next(s); ok {
			m.cuts = append(m.cuts, cut)
		}
	}
	if m.open == nil && len(m.cuts) == 0 {
		return // before the first segment
	}
	// Audio that begins a little before the first picture belongs to the
	// stream's first segment; a late joiner's first one has none of it.
	if m.open == nil && s.DTS < m.cuts[0].Start && (m.cuts[0].Number != 1 || len(m.segments) > 0) {
		return
	}
	l.add(s)
	m.advance(false)
}

func (m *Muxer) queued() int {
	n := 0
	for _, l := range []*lane{m.video, m.audio} {
		if l != nil {
			n += len(l.queue)
		}
	}
	return n
}

// add takes a sample and gives the one before it its duration.
func (l *lane) add(s packager.Sample) {
	p := pendingSample{Sample: s}
	if l.track.ID == packager.TrackAudio {
		unit := l.unit
		if unit == 0 {
			unit = playout.ToScale(opus.Duration(s.Payload), l.scale)
		}
		p.at, _ = l.clock.Place(s.DTS+startOffset, unit)
		p.duration = unit
	} else {
		p.at = playout.ToScale(s.DTS+startOffset, l.scale)
	}
	if l.last != nil {
		l.settle(p.at)
	}
	l.last = &p
	l.reached = s.DTS
}

// settle moves the last sample to the queue with the duration up to next.
func (l *lane) settle(next int64) {
	d := next - l.last.at
	switch {
	case d > playout.ToScale(holeAfter, l.scale):
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

// flush settles the last sample of a lane that has ended.
func (l *lane) flush() {
	if l.last != nil {
		d := max(l.nominal, l.last.duration, 1)
		l.settle(l.last.at + d)
	}
	l.ended = true
}

// primary is the lane by which parts are cut.
func (m *Muxer) primary() *lane {
	if m.video != nil {
		return m.video
	}
	return m.audio
}

// advance moves settled samples into parts as far as both tracks are known.
func (m *Muxer) advance(flush bool) {
	l := m.primary()
	if l == nil {
		return
	}
	for len(l.queue) > 0 {
		s := l.queue[0]
		if len(m.cuts) > 0 && s.DTS >= m.cuts[0].Start {
			if !m.otherReached(m.cuts[0].Start, flush) {
				return
			}
			cut := m.cuts[0]
			m.cuts = m.cuts[1:]
			m.closeSegment(cut.Start)
			m.beginSegment(cut, s)
		}
		if m.open == nil {
			l.queue = l.queue[1:]
			continue
		}
		end := s.DTS + playout.FromScale(s.duration, l.scale)
		if m.crosses(s, end) {
			if !m.otherReached(s.DTS, flush) {
				return
			}
			m.closePart(s.DTS)
		}
		l.queue = l.queue[1:]
		m.put(l, s)
		if m.full(s, end) {
			m.due = end
		}
		m.closeIfDue(flush)
	}
	m.closeIfDue(flush)
	// Audio of a stream whose video has stalled must not pile up.
	if m.video != nil && m.audio != nil && m.open != nil && m.audio.reached-m.video.reached > m.rule.Target {
		m.closePart(m.audio.reached)
	}
}

// closeIfDue closes a part that has no room for another frame, once the other
// track is known up to its end.
func (m *Muxer) closeIfDue(flush bool) {
	if m.due != 0 && m.otherReached(m.due, flush) {
		m.closePart(m.due)
	}
}

// crosses reports whether the open part would get too long with s.
func (m *Muxer) crosses(s pendingSample, end time.Duration) bool {
	n := len(m.openPart.video) + len(m.openPart.audio)
	if n == 0 || m.partCount() == 0 {
		return false
	}
	m.fixPartTarget(end - s.DTS)
	return end-m.openPart.start > m.partLimit
}

// partCount returns the samples of the primary track in the open part.
func (m *Muxer) partCount() int {
	if m.video != nil {
		return len(m.openPart.video)
	}
	return len(m.openPart.audio)
}

// full reports whether another sample like s would not fit any more.
func (m *Muxer) full(s pendingSample, end time.Duration) bool {
	m.fixPartTarget(end - s.DTS)
	return end+(end-s.DTS)-m.openPart.start > m.partLimit+time.Millisecond
}

// fixPartTarget chooses the longest part once for all: a whole number of
// frames that fits into the wanted length. Timestamps are rounded to a
// millisecond, so what a frame seems to last may be off by one; the rate that
// the stream states is better if it agrees.
func (m *Muxer) fixPartTarget(frame time.Duration) {
	if m.partLimit != 0 {
		return
	}
	m.partLimit = m.rule.Part + 2*time.Millisecond
	if frame > 0 && frame <= slowestFrame {
		slack := time.Millisecond // for each frame
		if l := m.primary(); l.track.FrameRate > 0 {
			stated := time.Duration(float64(time.Second) / l.track.FrameRate)
			if d := stated - frame; d > -time.Millisecond && d < time.Millisecond {
				frame, slack = stated, 0
			}
		}
		n := max(1, (m.rule.Part+time.Millisecond)/frame)
		m.partLimit = n*(frame+slack) + 2*time.Millisecond
	}
	m.partTarget = time.Duration(float64(m.partLimit) * partHeadroom).Round(time.Millisecond)
}

// otherReached reports whether the other track is known up to a time, or lags
// so far that it is not waited for.
func (m *Muxer) otherReached(at time.Duration, flush bool) bool {
	if flush || m.video == nil || m.audio == nil || m.audio.ended {
		return true
	}
	return m.audio.reached >= at || m.video.reached-m.audio.reached > trackLag && m.video.reached-at > trackLag/2
}

// put adds a sample of the primary track to the open part.
func (m *Muxer) put(l *lane, s pendingSample) {
	if m.partCount() == 0 && len(m.openPart.audio) == 0 {
		m.openPart.start = s.DTS
	} else if m.partCount() == 0 {
		m.openPart.start = min(m.openPart.start, s.DTS)
	}
	if l.track.ID == packager.TrackVideo {
		m.openPart.video = append(m.openPart.video, s)
	} else {
		m.openPart.audio = append(m.openPart.audio, s)
	}
	m.openPart.bytes += len(s.Payload)
}

// audioUpTo moves the audio before a time into the open part.
func (m *Muxer) audioUpTo(end time.Duration) {
	if m.video == nil || m.audio == nil {
		return
	}
	q := m.audio.queue
	n := 0
	for n < len(q) && q[n].DTS < end {
		m.openPart.bytes += len(q[n].Payload)
		n++
	}
	m.openPart.audio = append(m.openPart.audio, q[:n]...)
	m.audio.queue = q[n:]
	// The last unit before the border has no successor yet but a known
	// length.
	if l := m.audio; len(l.queue) == 0 && l.last != nil && l.last.DTS < end && l.last.duration > 0 {
		m.openPart.audio = append(m.openPart.audio, *l.last)
		m.openPart.bytes += len(l.last.Payload)
		l.last = nil
	}
}

// end closes everything and marks the playlist as finished.
func (m *Muxer) end() {
	m.finishOpen(false)
	m.ended = true
	m.publish()
}

// finishOpen flushes all samples into the open segment and closes it, at the
// end of the stream or of a format.
func (m *Muxer) finishOpen(publish bool) {
	for _, l := range []*lane{m.video, m.audio} {
		if l != nil {
			l.flush()
		}
	}
	m.advance(true)
	if m.open == nil {
		return
	}
	end := m.open.start
	if l := m.primary(); l != nil {
		end = l.reached
	}
	m.closeSegment(max(end, m.audioEnd()) + time.Hour)
	if publish {
		m.publish()
	}
}

func (m *Muxer) audioEnd() time.Duration {
	if m.audio != nil {
		return m.audio.reached
	}
	return 0
}
