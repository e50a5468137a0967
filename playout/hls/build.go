package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
)

// segmentWriter turns samples into the bytes of a variant.
type segmentWriter interface {
	// init returns the initialization of each rendition, nil if there is none.
	init() [renditionCount][]byte
	// extension is that of segments and parts, with the dot.
	extension() string
	contentType(r rendition) string
	// begin is called at the start of each segment with its number.
	begin(number uint64)
	// part returns the bytes of a run of samples by rendition.
	part(p *partBuilder) [renditionCount][]byte
}

// beginSegment opens the segment that a cut begins, with first as its first
// sample.
func (m *Muxer) beginSegment(c cut, first pendingSample) {
	msn := m.lastMSN + 1
	if len(m.segments)+len(m.retained) == 0 {
		msn = m.firstMSN + c.Number
	}
	seg := newSegment(m.prefix, nameOf(c, msn), c.Number, msn)
	seg.start, seg.discontinuity = c.Start, m.firstDiscontinuity()+c.Discontinuity
	date := first.PTS
	if first.DTS-c.Start > holeAfter {
		date = c.Start // the sound comes first, by far
	}
	seg.wall[mainRendition], seg.wall[audioRendition] = m.wallOf(date), m.wallOf(date)
	if n := len(m.segments); n > 0 {
		seg.marked = seg.discontinuity != m.segments[n-1].discontinuity
	} else {
		seg.marked = m.firstMSN > 0
	}
	if m.changed || len(m.inits) == 0 {
		m.changed = false
		m.begin(c)
	}
	seg.init = len(m.inits) - 1
	m.writer.begin(c.Number)
	m.open = seg
	m.openPart = partBuilder{start: c.Start}
}

// nameOf returns what the files of a segment are named by: its number, which
// is the same on every node, unless only this one has cut it so.
func nameOf(c cut, msn uint64) string {
	if c.own {
		return utoa(c.Number) + "x" + utoa(msn)
	}
	return utoa(c.Number)
}

// begin sets up what belongs to a set of tracks. The name of the initialization
// is the same on every node.
func (m *Muxer) begin(c cut) {
	separate := m.config.SeparateAudio && m.config.Variant == LowLatency && m.video != nil && m.audio != nil
	if separate != m.separate {
		// The playlists begin anew: they must cover the same segments.
		m.retained = append(m.retained, m.segments...)
		m.segments = nil
		m.separate = separate
	}
	if m.config.Variant == MPEGTS {
		m.writer = newTSWriter(m.tracks, m.writer)
	} else {
		m.writer = newMP4Writer(m.tracks, separate)
	}
	name := m.prefix + "_init" + utoa(c.Discontinuity)
	for _, other := range m.inits {
		if other.name == name {
			name += "_" + utoa(uint64(len(m.inits))) // this node has lost something
			break
		}
	}
	m.inits = append(m.inits, initSegment{name, m.writer.init()})
}

// firstDiscontinuity is 1 for a stream that goes on counting from an older one.
func (m *Muxer) firstDiscontinuity() uint64 {
	if m.firstMSN > 0 {
		return 1
	}
	return 0
}

// wallOf returns the Unix time in ms of a media time.
func (m *Muxer) wallOf(pts time.Duration) int64 {
	if !m.hasWall {
		// A stream without a catalogue: its own arrival is all there is.
		m.wall, m.hasWall = time.Now().UnixMilli()-pts.Milliseconds(), true
	}
	return m.wall + pts.Milliseconds()
}

// closePart adds the open part, which ends at a time, to its segment.
func (m *Muxer) closePart(end time.Duration) {
	m.due = 0
	if m.open == nil {
		return
	}
	m.audioUpTo(end)
	p := &m.openPart
	if len(p.video) == 0 && (len(p.audio) == 0 || m.separate && m.video.ended) {
		return // nothing, or a rest of audio that no picture goes with
	}
	p.events = m.timedUpTo(end, p.start)
	added := part{independent: m.video == nil}
	for _, s := range p.video {
		if s.Key {
			added.independent, added.key = true, s.DTS-m.open.start
			break
		}
	}
	m.open.hasKey = m.open.hasKey || added.independent
	durations := m.partDurations()
	for r, body := range m.writer.part(p) {
		added.in[r] = media{body, durations[r]}
		m.open.bytes += len(body)
		m.open.duration[r] += durations[r]
	}
	if m.separate && len(m.open.parts) == 0 && len(p.audio) > 0 {
		m.open.wall[audioRendition] = m.wallOf(p.audio[0].PTS)
	}
	m.open.parts = append(m.open.parts, added)
	m.openPart = partBuilder{start: end}
}

// partDurations are the times that the open part's samples cover: those of the
// primary track, and of separate audio.
func (m *Muxer) partDurations() (d [renditionCount]time.Duration) {
	video := sumOf(m.openPart.video, m.video)
	audio := sumOf(m.openPart.audio, m.audio)
	d[mainRendition] = video
	if len(m.openPart.video) == 0 {
		d[mainRendition] = audio
	}
	if m.separate {
		d[audioRendition] = audio
	}
	return d
}

func sumOf(samples []pendingSample, l *lane) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	var d int64
	for _, s := range samples {
		d += s.duration
	}
	return packager.FromScale(d, l.scale)
}

// publishPart shows a part that was added, where players look at parts.
func (m *Muxer) publishPart() {
	if m.open != nil && m.shape.parts {
		m.publish()
	}
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
	m.lastMSN = seg.msn
	m.segments = append(m.segments, seg)
	m.total += int64(seg.bytes)
	length := seg.duration[mainRendition]
	m.covered += length
	if length > 0 {
		m.peak = max(m.peak, float64(seg.bytes)*8/length.Seconds())
	}
	m.slide()
	m.publish()
}

// window is how much the playlist lists: enough for every player to hold back,
// and with low latency enough for delta updates to leave something out.
func (m *Muxer) window() time.Duration {
	if m.config.Variant == LowLatency {
		return max(m.config.Window, 8*m.target())
	}
	return max(m.config.Window, 3*m.target())
}

// keyWindow bounds how much longer the window gets so that a key frame is in
// it.
const keyWindow = time.Minute

// slide removes segments from the window, and from memory when nobody may ask
// for them any more.
func (m *Muxer) slide() {
	var listed time.Duration
	keys := 0
	for _, s := range m.segments {
		listed += s.duration[mainRendition]
		if s.hasKey {
			keys++
		}
	}
	least := 6
	for len(m.segments) > least && listed-m.segments[0].duration[mainRendition] >= m.window() {
		old := m.segments[0]
		if old.hasKey {
			// Players that join need a key frame, however far apart they are.
			if keys--; keys == 0 && listed < keyWindow {
				break
			}
		}
		listed -= old.duration[mainRendition]
		m.segments = m.segments[1:]
		m.retained = append(m.retained, old)
	}
	var kept time.Duration
	for i := len(m.retained) - 1; i >= 0; i-- {
		if kept += m.retained[i].duration[mainRendition]; kept > m.config.Retain {
			m.retained = append([]*segment(nil), m.retained[i+1:]...)
			break
		}
	}
	// Initializations that no kept segment needs go, their places stay.
	oldest := m.segments[0].init
	if len(m.retained) > 0 {
		oldest = m.retained[0].init
	}
	for i := oldest - 1; i >= 0 && m.inits[i].name != ""; i-- {
		m.inits = append([]initSegment(nil), m.inits...) // snapshots share the old ones
		m.inits[i] = initSegment{}
	}
}
