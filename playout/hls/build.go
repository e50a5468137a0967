package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
)

// segmentWriter turns samples into the bytes of a variant.
type segmentWriter interface {
	// init returns the initialization of the tracks, nil if there is none.
	init() []byte
	// extension is that of segments and parts, with the dot.
	extension() string
	contentType() string
	// begin is called at the start of each segment.
	begin()
	// part returns the bytes of a run of samples.
	part(video, audio []pendingSample) []byte
}

// beginSegment opens the segment that a cut begins, with first as its first
// sample.
func (m *Muxer) beginSegment(cut packager.Cut, first pendingSample) {
	seg := &segment{
		msn: m.firstMSN + cut.Number, start: cut.Start, independent: cut.Independent,
		discontinuity: m.firstDiscontinuity() + cut.Discontinuity, wall: m.wallOf(first.PTS),
	}
	if n := len(m.segments); n > 0 {
		seg.marked = seg.discontinuity != m.segments[n-1].discontinuity
	} else {
		seg.marked = m.firstMSN > 0
	}
	if m.changed || len(m.inits) == 0 {
		m.changed = false
		m.writer = m.newWriter()
		body := m.writer.init()
		m.inits = append(m.inits, initSegment{m.prefix + "_init" + utoa(uint64(len(m.inits))) + ".mp4", body})
	}
	seg.init = len(m.inits) - 1
	m.writer.begin()
	m.open = seg
	m.openPart = partBuilder{start: cut.Start}
}

// firstDiscontinuity is 1 for a stream that goes on counting from an older one.
func (m *Muxer) firstDiscontinuity() uint64 {
	if m.firstMSN > 0 {
		return 1
	}
	return 0
}

func (m *Muxer) newWriter() segmentWriter {
	if m.config.Variant == MPEGTS {
		return newTSWriter(m.tracks, m.writer)
	}
	return newMP4Writer(m.tracks, m.writer)
}

// wallOf returns the wall clock of a media time in Unix milliseconds.
func (m *Muxer) wallOf(pts time.Duration) int64 {
	if !m.hasWall {
		// A stream without a catalogue: its own arrival is all there is.
		m.wall, m.hasWall = time.Now().UnixMilli()-pts.Milliseconds(), true
	}
	return m.wall + pts.Milliseconds()
}

// closePart publishes the open part, which ends at a time.
func (m *Muxer) closePart(end time.Duration) {
	m.due = 0
	if m.open == nil {
		return
	}
	m.audioUpTo(end)
	p := &m.openPart
	if len(p.video) == 0 && len(p.audio) == 0 {
		return
	}
	duration := m.partDuration()
	independent := m.video == nil
	for _, s := range p.video {
		independent = independent || s.Key
	}
	body := m.writer.part(p.video, p.audio)
	m.open.parts = append(m.open.parts, part{body, duration, independent})
	m.open.bytes += len(body)
	m.open.duration += duration
	m.openPart = partBuilder{start: end}
	if m.config.Variant == LowLatency || m.open.bytes > m.config.MaxSegmentBytes {
		m.publish()
	}
}

// partDuration is the time that the open part's primary samples cover.
func (m *Muxer) partDuration() time.Duration {
	samples, l := m.openPart.video, m.video
	if len(samples) == 0 {
		samples, l = m.openPart.audio, m.audio
	}
	var d int64
	for _, s := range samples {
		d += s.duration
	}
	return playout.FromScale(d, l.scale)
}

// closeSegment completes the open segment, which ends at a time.
func (m *Muxer) closeSegment(end time.Duration) {
	if m.open == nil {
		return
	}
	m.closePart(end)
	seg := m.open
	m.open = nil
	if len(seg.parts) == 0 {
		return
	}
	seg.complete = true
	m.segments = append(m.segments, seg)
	m.total += int64(seg.bytes)
	m.covered += seg.duration
	if seg.duration > 0 {
		m.peak = max(m.peak, float64(seg.bytes)*8/seg.duration.Seconds())
	}
	m.slide()
	if m.config.Variant == MPEGTS {
		m.publish()
	}
}

// window is how much the playlist lists: enough for every player to hold back,
// and with low latency enough for delta updates to leave something out.
func (m *Muxer) window() time.Duration {
	if m.config.Variant == LowLatency {
		return max(m.config.Window, 8*m.rule.Target)
	}
	return max(m.config.Window, 3*m.rule.Target)
}

// slide removes segments from the window, and from memory when nobody may ask
// for them any more.
func (m *Muxer) slide() {
	var listed time.Duration
	for _, s := range m.segments {
		listed += s.duration
	}
	least := 6
	for len(m.segments) > least && listed-m.segments[0].duration >= m.window() {
		old := m.segments[0]
		listed -= old.duration
		m.segments = m.segments[1:]
		m.retained = append(m.retained, old)
	}
	var kept time.Duration
	for i := len(m.retained) - 1; i >= 0; i-- {
		if kept += m.retained[i].duration; kept > m.config.Retain {
			m.retained = append([]*segment(nil), m.retained[i+1:]...)
			break
		}
	}
	// Initializations that no kept segment needs go, their places stay.
	oldest := m.segments[0].init
	if len(m.retained) > 0 {
		oldest = m.retained[0].init
	}
	for i := oldest - 1; i >= 0 && m.inits[i].body != nil; i-- {
		m.inits = append([]initSegment(nil), m.inits...) // snapshots share the old ones
		m.inits[i].body = nil
	}
}
