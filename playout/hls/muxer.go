package hls

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// Bounds of a muxer.
const (
	// trackLag is how far one track may lag behind the other before a part
	// goes without it.
	trackLag = 500 * time.Millisecond
	// silenceAfter is how long a sound may be missing before silence takes
	// its place: players stop where one of two tracks ends.
	silenceAfter = 2 * time.Second
	// targetSlack is how much longer than the target duration a segment may be
	// and still round down to it.
	targetSlack = 490 * time.Millisecond
	// catalogWithin is how much of a stream a node that joins waits for a
	// catalogue before it cuts by itself, maxEarly how many samples at most.
	catalogWithin = 3 * time.Second
	maxEarly      = 1024
	// maxQueued bounds the samples that wait for their part.
	maxQueued = 8192
)

// Muxer is the HLS output of one stream. WriteEvent is called from one
// goroutine; snapshots may be read from any.
type Muxer struct {
	config Config
	prefix string
	// firstMSN is added to the segments' own numbers, so that a stream that
	// begins anew under the same path goes on counting; lastMSN is the last
	// one given.
	firstMSN, lastMSN uint64

	// Until sure, samples wait for the catalogue.
	early      []packager.Event
	earlyFrom  time.Duration
	earlyBegun bool
	sure       bool

	cutter     *packager.Cutter
	rule       packager.Segmentation
	wall       int64
	hasWall    bool
	mark       packager.AudioMark // of the last catalogue
	hasMark    bool
	tracks     []packager.Track
	writer     segmentWriter
	changed    bool // the tracks are new since the last segment
	separate   bool // audio has a playlist of its own
	video      *lane
	audio      *lane
	timed      []timedEvent // metadata that waits for its part
	cuts       []cut        // not reached by the writer yet
	ownCut     bool         // the last cut was made here
	hasCatalog bool
	open       *segment
	openPart   partBuilder
	due        time.Duration // end of the open part if it is full, else 0
	still      bool          // the video has stopped: parts follow the audio
	shape      shape
	lanesBegun bool
	// silentSince is the media time since which pictures came without sound,
	// soundSince that since which sound came without a hole and a picture.
	silentSince, soundSince time.Duration
	lastStep                time.Duration // of the frames written

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
	name   string
	bodies [renditionCount][]byte
}

// cut is where a segment begins.
type cut struct {
	packager.Cut
	// own is set if a publisher that announces its cuts did not announce this
	// one, or the announcement was lost: other nodes may have cut elsewhere.
	own bool
}

// partBuilder collects the samples of the open part.
type partBuilder struct {
	start        time.Duration
	video, audio []pendingSample
	events       []timedEvent
	bytes        int
}

// newMuxer returns a muxer that counts on from an older one of the same path.
func newMuxer(config Config, prefix string, older *Muxer) *Muxer {
	m := &Muxer{config: config, prefix: prefix, rule: packager.DefaultSegmentation()}
	if older != nil {
		m.firstMSN = older.lastMSN
	}
	m.lastMSN = m.firstMSN
	m.cutter = packager.NewCutter(m.rule, true)
	m.state.Store(&snapshot{changed: make(chan struct{})})
	return m
}

// WriteEvent takes the next event of the stream.
func (m *Muxer) WriteEvent(ev packager.Event) {
	if m.ended {
		return
	}
	if !m.sure && !m.wait(ev) {
		return
	}
	m.handle(ev)
}

func (m *Muxer) handle(ev packager.Event) {
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

// wait keeps what comes before the first catalogue. A node that joins in
// mid-stream would cut it in a way of its own; if there is no catalogue for a
// while, the publisher sends none. It returns true if ev is to be handled now.
func (m *Muxer) wait(ev packager.Event) bool {
	switch ev.Kind {
	case packager.EventCatalog:
		// The tracks are known by what is kept, the rest is of no use.
		for _, e := range m.early {
			if e.Kind == packager.EventTracks {
				m.handle(e)
			}
		}
		m.early, m.sure = nil, true
		return true
	case packager.EventSample, packager.EventTracks:
		m.early = append(m.early, ev)
		if ev.Kind == packager.EventSample && !m.earlyBegun {
			m.earlyBegun, m.earlyFrom = true, ev.Sample.DTS
		}
		if len(m.early) < maxEarly && (!m.earlyBegun || ev.Sample.DTS-m.earlyFrom < catalogWithin) {
			return false
		}
	}
	kept := m.early
	m.early, m.sure = nil, true
	for _, e := range kept {
		m.handle(e)
	}
	return ev.Kind == packager.EventEnd
}

func (m *Muxer) catalog(c packager.Catalog) {
	m.wall, m.hasWall, m.hasCatalog = c.Wall, true, true
	m.rule = c.Segmentation
	m.cutter.SetRule(c.Segmentation)
	m.shape.learn(c)
	if m.mark, m.hasMark = c.AudioMark, c.HasAudioMark; m.hasMark && m.audio != nil {
		m.audio.clock.Sync(m.mark, m.audio.unit)
	}
	m.prefix = fmt.Sprintf("%08x", uint32(c.Epoch>>32))
	if last := m.cutter.Last(); last.Number > 0 && c.Segment.Number <= last.Number && (!m.ownCut || c.Segment.Start <= last.Start) {
		return // this node had cut there by itself
	}
	m.ownCut = false
	m.cutter.Sync(c.Segment)
	m.cuts = append(m.cuts, cut{c.Segment, false})
}

// setTracks takes a new set of tracks, which is in force from the next segment
// on.
func (m *Muxer) setTracks(tracks []packager.Track) {
	if m.open != nil || len(m.segments) > 0 {
		m.finishOpen()
		if len(m.cuts) == 0 { // a stream without a catalogue
			m.cutter.ForceNext()
		}
	}
	before := m.audio
	m.tracks, m.changed, m.still, m.lanesBegun = tracks, true, false, false
	m.video, m.audio = nil, nil
	for _, t := range tracks {
		switch t.ID {
		case packager.TrackVideo:
			m.video = newLane(t, nil)
		case packager.TrackAudio:
			m.audio = newLane(t, before)
			if m.hasMark {
				m.audio.clock.Sync(m.mark, m.audio.unit)
			}
		}
	}
	m.cutter.SetVideo(m.video != nil)
}

func (m *Muxer) sample(s packager.Sample) {
	if s.Track == packager.TrackData {
		m.addTimed(s)
		return
	}
	l := m.video
	if s.Track == packager.TrackAudio {
		l = m.audio
	}
	if l == nil {
		return
	}
	if here, ok := m.cutter.Next(s); ok {
		m.cuts, m.ownCut = append(m.cuts, cut{here, m.hasCatalog}), true
	}
	if m.queued() > maxQueued || m.tooLarge() {
		return
	}
	if !m.begun() {
		if len(m.cuts) == 0 {
			return // before the first segment
		}
		// Audio that begins a little before the first picture belongs to the
		// stream's first segment; a late joiner's first one has none of it.
		if s.DTS < m.cuts[0].Start && m.cuts[0].Number != 1 {
			return
		}
	}
	if n := len(m.cuts); n > 0 && !m.lanesBegun {
		m.lanesBegun = true
		m.video.begin(m.cuts[n-1].Start)
		m.audio.begin(m.cuts[n-1].Start)
		m.silentSince, m.soundSince = m.cuts[n-1].Start, m.cuts[n-1].Start
	}
	m.listen(s)
	soundFor := time.Duration(0)
	if m.audio != nil && l == m.video {
		soundFor = m.audio.reached - m.soundSince
	}
	l.add(s, soundFor)
	if m.video != nil && m.audio != nil && m.video.reached-m.silentSince > m.silenceAfter() {
		m.audio.silenceTo(m.silentSince, m.video.reached)
	}
	m.advance(false)
}

// listen notes since when there is sound without a hole, and since when
// pictures have come without any. Where time jumps, it is since the jump.
func (m *Muxer) listen(s packager.Sample) {
	if s.Track != packager.TrackAudio {
		if m.video.begun && s.DTS-m.video.reached > holeAfter {
			m.silentSince = s.DTS
		}
		return
	}
	m.silentSince = s.DTS
	if s.DTS-m.audio.reached > trackLag {
		m.soundSince = s.DTS
	}
	if m.video != nil {
		m.soundSince = max(m.soundSince, m.video.reached) // only what came since the last picture
	}
}

// silenceAfter is how long audio may be missing. A playlist of its own can't
// have parts without any.
func (m *Muxer) silenceAfter() time.Duration {
	if m.separate {
		return trackLag
	}
	return silenceAfter
}

// begun reports whether a segment has begun, if only one that is over.
func (m *Muxer) begun() bool { return m.open != nil || len(m.segments)+len(m.retained) > 0 }

func (m *Muxer) queued() int {
	n := 0
	for _, l := range []*lane{m.video, m.audio} {
		if l != nil {
			n += len(l.queue)
		}
	}
	return n
}

// tooLarge reports whether the open segment has all the bytes that it may
// have; the rest of it is dropped.
func (m *Muxer) tooLarge() bool {
	return m.open != nil && m.open.bytes+m.openPart.bytes > m.config.MaxSegmentBytes && len(m.cuts) == 0
}

// end closes everything and marks the playlist as finished.
func (m *Muxer) end() {
	m.finishOpen()
	m.ended = true
	m.publish()
}

// finishOpen flushes all samples into the open segment and closes it, at the
// end of the stream or of a format.
func (m *Muxer) finishOpen() {
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
	for _, l := range []*lane{m.video, m.audio} {
		if l != nil {
			end = max(end, l.reached)
		}
	}
	m.closeSegment(end + time.Hour)
}
