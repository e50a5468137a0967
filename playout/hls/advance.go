package hls

import (
	"time"

	"github.com/ringcast/ringcast/packager"
)

// primary is the lane by which parts are cut.
func (m *Muxer) primary() *lane {
	if m.video != nil && !m.still {
		return m.video
	}
	return m.audio
}

// advance moves settled samples into parts as far as both tracks are known.
func (m *Muxer) advance(flush bool) {
	m.followPrimary(flush)
	if m.video == nil || m.audio == nil || m.open == nil {
		return
	}
	// Without pictures the sound alone makes the parts; the last picture
	// ends where it stood.
	stopped := m.audio.reached-m.video.reached > stillMax
	switch {
	case stopped && !m.still:
		if m.video.last != nil {
			m.video.settle(m.video.last.at+1+packager.ToScale(stillMax, m.video.scale), 0)
		}
		m.followPrimary(true)
		m.still = true
		m.followPrimary(flush)
	case !stopped && m.still:
		m.still = false
		m.followPrimary(flush)
	}
}

// followPrimary moves the settled samples of the primary track into parts.
func (m *Muxer) followPrimary(flush bool) {
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
			m.skipCuts(s.DTS)
			m.closeSegment(m.cuts[0].Start)
			m.beginSegment(m.cuts[0], s)
			m.cuts = m.cuts[1:]
			continue
		}
		if m.open == nil {
			l.queue = l.queue[1:]
			continue
		}
		m.shape.fix(m, s)
		m.bound(l, &s)
		end := s.DTS + packager.FromScale(s.duration, l.scale)
		if m.partCount() > 0 && end-m.openPart.start > m.shape.longest {
			if !m.otherReached(s.DTS, flush) {
				return
			}
			m.closePart(s.DTS)
			m.publishPart()
		}
		l.queue = l.queue[1:]
		m.put(l, s)
		if end+(end-s.DTS)-m.openPart.start > m.shape.longest+time.Millisecond {
			m.due = end // another frame like this one would not fit
		}
		m.closeIfDue(l, flush)
	}
	m.closeIfDue(l, flush)
}

// bound shortens a frame that seems long because those after it were lost, so
// that no part and no segment is longer than the playlist says: a hole remains.
func (m *Muxer) bound(l *lane, s *pendingSample) {
	if l != m.video {
		return
	}
	step := packager.FromScale(s.duration, l.scale)
	long := m.lastStep > 0 && step > 2*m.lastStep-2*time.Millisecond
	if !long {
		m.lastStep = step
	}
	if s.still && (step > holeAfter || !m.endsSegment(l, 1)) {
		return
	}
	limit := m.open.start + m.target() + targetSlack - s.DTS
	if m.shape.parts {
		limit = min(limit, m.shape.longest)
		// The last frame before a hole is not worth a part of its own.
		room := m.openPart.start + m.shape.longest - s.DTS
		if m.partCount() > 0 && room >= m.lastStep && (long || m.endsSegment(l, 1)) {
			limit = min(limit, room)
		}
	}
	s.duration = min(s.duration, max(packager.ToScale(limit, l.scale), 1))
}

// nextOf returns the sample in the queue at an index, or the one after the
// queue; nil if there is none.
func (m *Muxer) nextOf(l *lane, at int) *pendingSample {
	if at < len(l.queue) {
		return &l.queue[at]
	}
	return l.last
}

// endsSegment reports whether that sample begins another segment.
func (m *Muxer) endsSegment(l *lane, at int) bool {
	next := m.nextOf(l, at)
	return next != nil && len(m.cuts) > 0 && next.DTS >= m.cuts[0].Start
}

// skipCuts forgets all cuts up to a sample's time but the last: no sample lies
// between them.
func (m *Muxer) skipCuts(at time.Duration) {
	for len(m.cuts) > 1 && at >= m.cuts[1].Start {
		m.cuts = m.cuts[1:]
	}
}

// closeIfDue closes a part that has no room for another frame, once the other
// track is known up to its end, and the segment with it if the next sample
// begins another: the playlist then never announces a part that does not come.
func (m *Muxer) closeIfDue(l *lane, flush bool) {
	if m.due == 0 || !m.otherReached(m.due, flush) {
		return
	}
	if m.endsSegment(l, 0) {
		m.skipCuts(m.nextOf(l, 0).DTS)
		if m.otherReached(m.cuts[0].Start, flush) {
			m.closeSegment(m.cuts[0].Start)
		}
		return
	}
	m.closePart(m.due)
	m.publishPart()
}

// partCount returns the samples of the primary track in the open part.
func (m *Muxer) partCount() int {
	if m.primary() == m.video {
		return len(m.openPart.video)
	}
	return len(m.openPart.audio)
}

// otherReached reports whether the other track is known up to a time, or lags
// so far that it is not waited for.
func (m *Muxer) otherReached(at time.Duration, flush bool) bool {
	if flush || m.still || m.video == nil || m.audio == nil || m.audio.ended {
		return true
	}
	if m.audio.reached >= at {
		return true
	}
	return !m.separate && m.video.reached-m.audio.reached > trackLag && m.video.reached-at > trackLag/2
}

// put adds a sample of the primary track to the open part.
func (m *Muxer) put(l *lane, s pendingSample) {
	if len(m.openPart.video)+len(m.openPart.audio) == 0 && (!m.separate || s.DTS-m.openPart.start > m.shape.longest/2) {
		m.openPart.start = s.DTS
	}
	m.openPart.start = min(m.openPart.start, s.DTS)
	if l == m.video {
		m.openPart.video = append(m.openPart.video, s)
	} else {
		m.openPart.audio = append(m.openPart.audio, s)
	}
	m.openPart.bytes += len(s.Payload)
}

// audioUpTo moves the audio before a time into the open part.
func (m *Muxer) audioUpTo(end time.Duration) {
	if m.audio == nil || m.primary() == m.audio {
		return
	}
	l := m.audio
	most := len(l.queue)
	if m.separate && m.shape.parts && l.unit > 0 && !m.audioWaits() {
		longest := max(m.shape.partTarget, sumOf(m.openPart.video, m.video))
		most = min(most, int(packager.ToScale(longest, l.scale)/l.unit)-len(m.openPart.audio))
	}
	n := 0
	for n < most && l.queue[n].DTS < end {
		m.openPart.bytes += len(l.queue[n].Payload)
		n++
	}
	m.openPart.audio = append(m.openPart.audio, l.queue[:n]...)
	l.queue = l.queue[n:]
	// The last unit before the border has no successor yet but a known
	// length.
	if len(l.queue) == 0 && l.last != nil && l.last.DTS < end && l.last.duration > 0 {
		m.openPart.audio = append(m.openPart.audio, *l.last)
		m.openPart.bytes += len(l.last.Payload)
		l.last = nil
	}
}

// audioWaits reports whether much more separate audio than usual waits for the
// open part: then it all goes at once.
func (m *Muxer) audioWaits() bool {
	q := m.audio.queue
	return len(q) > 0 && m.openPart.start-q[0].DTS > packager.FromScale(3*m.audio.unit, m.audio.scale)
}
