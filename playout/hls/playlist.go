package hls

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grafov/m3u8"

	"github.com/ringcast/ringcast/packager"
)

// The names of the media playlists beside the multivariant index.m3u8.
const (
	mediaName = "stream.m3u8"
	audioName = "audio.m3u8"
)

// snapshot is everything that can be asked for at one moment. It is immutable.
type snapshot struct {
	// changed is closed when a newer snapshot is there.
	changed chan struct{}

	ready   bool // there is something to play
	listed  bool // there is at least one complete segment
	ended   bool
	endedAt time.Time

	index *document
	// media and delta are the media playlists by rendition, whole and short;
	// nil where there is none.
	media, delta [renditionCount]*document
	mediaType    [renditionCount]string
	ext          string
	hint         *segment // the next segment, for its name, if none is open
	inits        []initSegment
	// segments are those that can be asked for, oldest first, the open one
	// last; firstListed is the number of the first one in the playlist.
	segments    []*segment
	parts       int // of the last segment, if it is open
	open        bool
	firstListed uint64
	target      time.Duration
	partTarget  time.Duration
}

// document is a playlist in both forms that clients ask for.
type document struct {
	text []byte
	once sync.Once
	gz   []byte
}

func utoa(v uint64) string { return strconv.FormatUint(v, 10) }

// lastComplete returns the number of the last complete segment, 0 if none.
func (s *snapshot) lastComplete() uint64 {
	n := len(s.segments)
	if s.open {
		n--
	}
	if n <= 0 {
		return 0
	}
	return s.segments[n-1].msn
}

// publish makes the present state visible and wakes all who wait for it.
func (m *Muxer) publish() {
	old := m.state.Load()
	next := &snapshot{
		changed: make(chan struct{}), inits: m.inits[:len(m.inits):len(m.inits)], ended: m.ended,
		target: m.target(),
	}
	hint := cut{}
	if hint.Number = m.cutter.Last().Number + 1; len(m.cuts) > 0 {
		hint = m.cuts[0]
	}
	next.hint = newSegment(m.prefix, nameOf(hint, m.lastMSN+1), hint.Number, m.lastMSN+1)
	if m.shape.parts {
		next.partTarget = m.shape.partTarget
	}
	if m.ended {
		next.endedAt = time.Now()
	}
	if m.writer != nil {
		next.ext = m.writer.extension()
		for r := range renditionCount {
			next.mediaType[r] = m.writer.contentType(r)
		}
	}
	next.segments = append(append(next.segments, m.retained...), m.segments...)
	next.listed = len(m.segments) > 0
	if next.listed {
		next.firstListed = m.segments[0].msn
	}
	if m.open != nil && len(m.open.parts) > 0 {
		// The open segment goes on changing: the snapshot has a copy.
		frozen := *m.open
		frozen.parts = m.open.parts[:len(m.open.parts):len(m.open.parts)]
		next.segments = append(next.segments, &frozen)
		next.parts, next.open = len(frozen.parts), true
		if next.firstListed == 0 {
			next.firstListed = frozen.msn
		}
	}
	next.ready = next.listed || next.open && m.shape.parts
	if next.ready {
		m.writePlaylists(old, next)
	}
	m.state.Store(next)
	close(old.changed)
}

// renditions are those that the stream has now.
func (m *Muxer) renditions() []rendition {
	if m.separate {
		return []rendition{mainRendition, audioRendition}
	}
	return []rendition{mainRendition}
}

// writePlaylists fills in the documents of a snapshot.
func (m *Muxer) writePlaylists(old, next *snapshot) {
	skip := m.skippable()
	for _, r := range m.renditions() {
		next.media[r] = &document{text: m.mediaPlaylist(next, r, 0)}
		if skip > 0 {
			next.delta[r] = &document{text: m.mediaPlaylist(next, r, skip)}
		}
	}
	next.index = old.index
	if text := m.indexPlaylist(); next.index == nil || string(next.index.text) != text {
		next.index = &document{text: []byte(text)}
	}
}

// seconds prints a duration as playlists want it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 5, 64) }

// holdBacks returns HOLD-BACK, PART-HOLD-BACK and CAN-SKIP-UNTIL.
func (m *Muxer) holdBacks() (hold, partHold, skip time.Duration) {
	return 3 * m.target(), 3 * m.shape.partTarget, 6 * m.target()
}

// skippable returns how many of the listed segments a delta update leaves out.
func (m *Muxer) skippable() int {
	if !m.shape.parts {
		return 0
	}
	_, _, until := m.holdBacks()
	var after time.Duration
	for i := len(m.segments) - 1; i >= 0; i-- {
		if after += m.segments[i].duration[mainRendition]; after > until {
			return i
		}
	}
	return 0
}

// version is the newest version of the format that a playlist needs.
func (m *Muxer) version() int {
	switch {
	case m.config.Variant == MPEGTS:
		return 3
	case m.shape.parts:
		return 9
	}
	return 7
}

// mediaPlaylist writes the media playlist of a rendition, leaving out the first
// skip segments.
func (m *Muxer) mediaPlaylist(s *snapshot, r rendition, skip int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n", m.version(), int(m.target().Seconds()))
	hold, partHold, until := m.holdBacks()
	if m.shape.parts {
		fmt.Fprintf(&b, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=%.3f,CAN-SKIP-UNTIL=%.1f,HOLD-BACK=%.1f\n#EXT-X-PART-INF:PART-TARGET=%.3f\n",
			partHold.Seconds(), until.Seconds(), hold.Seconds(), m.shape.partTarget.Seconds())
	}
	listed := s.segments[len(m.retained):]
	fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n", s.firstListed)
	if first := listed[0]; first.discontinuity > 0 {
		n := first.discontinuity
		if first.marked {
			n--
		}
		if n > 0 {
			fmt.Fprintf(&b, "#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", n)
		}
	}
	if skip > 0 {
		fmt.Fprintf(&b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", skip)
	}
	partsFrom := len(listed)
	if m.shape.parts {
		partsFrom = m.firstWithParts(listed)
		m.writeKeyFrame(&b, listed)
	}
	init := -1
	for i := skip; i < len(listed); i++ {
		seg := listed[i]
		m.writeSegment(&b, s, r, seg, init != seg.init, i >= partsFrom)
		init = seg.init
	}
	switch {
	case m.ended:
		b.WriteString("#EXT-X-ENDLIST\n")
	case m.shape.parts:
		m.writeEdge(&b, s, r)
	}
	return []byte(b.String())
}

// firstWithParts returns the index of the first segment whose parts are listed:
// those within three target durations of the end.
func (m *Muxer) firstWithParts(listed []*segment) int {
	var after time.Duration
	i := len(listed)
	for i > 0 && after <= 3*m.target() {
		i--
		after += listed[i].duration[mainRendition]
	}
	return i
}

// writeKeyFrame tells how far before the end of the playlist the newest key
// frame is that leaves a player enough to begin with, if key frames are farther
// apart than segments: what begins anywhere behind it has no picture until the
// next one, which may be a minute away. The player page reads it; to others it
// is a comment (RFC 8216 section 4.1).
func (m *Muxer) writeKeyFrame(b *strings.Builder, listed []*segment) {
	if !slices.ContainsFunc(listed, func(s *segment) bool { return !s.hasKey }) {
		return
	}
	_, enough, _ := m.holdBacks()
	var newest, after time.Duration
	for i := len(listed) - 1; i >= 0 && newest < enough; i-- {
		seg := listed[i]
		after += seg.duration[mainRendition]
		for j := len(seg.parts) - 1; j >= 0 && newest < enough; j-- {
			if seg.parts[j].independent {
				newest = after - seg.parts[j].key
			}
		}
	}
	if newest > 0 {
		fmt.Fprintf(b, "#RINGCAST-KEY-FRAME:TIME-OFFSET=-%.3f\n", newest.Seconds())
	}
}

// writeEdge writes what a live playlist says of the next part, and of the other
// rendition.
func (m *Muxer) writeEdge(b *strings.Builder, s *snapshot, r rendition) {
	last := s.segments[len(s.segments)-1]
	hint, part := s.hint, 0
	if s.open {
		hint, part = last, s.parts
	}
	fmt.Fprintf(b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%s\"\n", hint.partURI(r, s.ext, part))
	for _, other := range m.renditions() {
		if other != r {
			fmt.Fprintf(b, "#EXT-X-RENDITION-REPORT:URI=\"%s\",LAST-MSN=%d,LAST-PART=%d\n", other.playlistName(), last.msn, len(last.parts)-1)
		}
	}
}

func (m *Muxer) writeSegment(b *strings.Builder, s *snapshot, r rendition, seg *segment, withInit, parts bool) {
	if seg.marked {
		b.WriteString("#EXT-X-DISCONTINUITY\n")
	}
	if init := m.inits[seg.init]; withInit && init.bodies[r] != nil {
		fmt.Fprintf(b, "#EXT-X-MAP:URI=\"%s\"\n", init.uri(r))
	}
	b.WriteString("#EXT-X-PROGRAM-DATE-TIME:")
	b.WriteString(time.UnixMilli(seg.wall[r]).UTC().Format("2006-01-02T15:04:05.000Z"))
	b.WriteByte('\n')
	if parts {
		for i := range seg.parts {
			fmt.Fprintf(b, "#EXT-X-PART:DURATION=%s,URI=\"%s\"", seconds(seg.parts[i].in[r].duration), seg.partURI(r, s.ext, i))
			if seg.parts[i].independent || r == audioRendition {
				b.WriteString(",INDEPENDENT=YES")
			}
			b.WriteByte('\n')
		}
	}
	if seg.complete {
		fmt.Fprintf(b, "#EXTINF:%s,\n%s\n", seconds(seg.duration[r]), seg.uri(r, s.ext))
	}
}

// uri is the name of the initialization in a rendition.
func (i *initSegment) uri(r rendition) string {
	if r == audioRendition {
		return i.name + "_a.mp4"
	}
	return i.name + ".mp4"
}

// Until something was measured, the bandwidth is a guess.
const (
	guessedVideo = 2_500_000
	guessedAudio = 160_000
	leastBits    = 100_000
)

// audioGroup is the name of the group of separate audio.
const audioGroup = "audio"

// indexPlaylist writes the multivariant playlist.
func (m *Muxer) indexPlaylist() string {
	peak, mean := m.bandwidth()
	params := m3u8.VariantParams{Bandwidth: peak, AverageBandwidth: mean, Captions: "NONE"}
	var codecs []string
	for _, t := range m.tracks {
		if c := t.CodecString(); c != "" {
			codecs = append(codecs, c)
		}
		if t.ID == packager.TrackVideo && t.Width > 0 {
			params.Resolution = fmt.Sprintf("%dx%d", t.Width, t.Height)
			params.FrameRate = t.FrameRate
		}
	}
	params.Codecs = strings.Join(codecs, ",")
	if m.separate {
		params.Audio = audioGroup
		params.Alternatives = []*m3u8.Alternative{{
			Type: "AUDIO", GroupId: audioGroup, Name: "Audio", Default: true, Autoselect: "YES", URI: audioName,
		}}
	}
	list := m3u8.NewMasterPlaylist()
	list.Append(mediaName, nil, params)
	list.SetVersion(uint8(m.version()))
	text := list.Encode().String()
	// The library writes an attribute that newer versions of the format
	// dropped, and quotes a value that must not be.
	text = strings.ReplaceAll(text, "PROGRAM-ID=0,", "")
	return strings.ReplaceAll(text, `CLOSED-CAPTIONS="NONE"`, "CLOSED-CAPTIONS=NONE")
}

// bandwidth returns BANDWIDTH and AVERAGE-BANDWIDTH in steps, so that the
// playlist changes seldom.
func (m *Muxer) bandwidth() (peak, mean uint32) {
	if m.covered == 0 {
		guess := 0.0
		for _, t := range m.tracks {
			if t.ID == packager.TrackVideo {
				guess += guessedVideo
			} else {
				guess += guessedAudio
			}
		}
		return uint32(guess * 1.3), uint32(guess)
	}
	step := func(v float64) uint32 {
		const steps = 20_000
		return uint32(math.Ceil(max(v, leastBits)/steps) * steps)
	}
	return step(m.peak), step(float64(m.total) * 8 / m.covered.Seconds())
}
