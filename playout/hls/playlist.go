package hls

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grafov/m3u8"

	"github.com/ringcast/ringcast/packager"
)

// mediaName is the media playlist's name beside the multivariant index.m3u8.
const mediaName = "stream.m3u8"

// snapshot is everything that can be asked for at one moment. It is immutable.
type snapshot struct {
	// changed is closed when a newer snapshot is there.
	changed chan struct{}

	ready   bool // there is something to play
	listed  bool // there is at least one complete segment
	ended   bool
	endedAt time.Time

	index, media, delta *document
	mediaType, ext      string
	prefix              string
	inits               []initSegment
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
		changed: make(chan struct{}), prefix: m.prefix, inits: m.inits[:len(m.inits):len(m.inits)], ended: m.ended,
		target: m.rule.Target, partTarget: m.partTarget,
	}
	if m.ended {
		next.endedAt = time.Now()
	}
	if m.writer != nil {
		next.ext, next.mediaType = m.writer.extension(), m.writer.contentType()
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
	next.ready = next.listed || next.open && m.config.Variant == LowLatency
	if next.ready {
		next.media = &document{text: m.mediaPlaylist(next, 0)}
		if skip := m.skippable(next); skip > 0 {
			next.delta = &document{text: m.mediaPlaylist(next, skip)}
		}
		next.index = old.index
		if text := m.indexPlaylist(); next.index == nil || string(next.index.text) != text {
			next.index = &document{text: []byte(text)}
		}
	}
	m.state.Store(next)
	close(old.changed)
}

// seconds prints a duration as playlists want it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 5, 64) }

// holdBacks returns HOLD-BACK, PART-HOLD-BACK and CAN-SKIP-UNTIL.
func (m *Muxer) holdBacks() (hold, partHold, skip time.Duration) {
	return 3 * m.rule.Target, 3 * m.partTarget, 6 * m.rule.Target
}

// skippable returns how many of the listed segments a delta update leaves out.
func (m *Muxer) skippable(s *snapshot) int {
	if m.config.Variant != LowLatency {
		return 0
	}
	_, _, until := m.holdBacks()
	var after time.Duration
	for i := len(m.segments) - 1; i >= 0; i-- {
		if after += m.segments[i].duration; after > until {
			return i
		}
	}
	return 0
}

// mediaPlaylist writes the media playlist, leaving out the first skip
// segments.
func (m *Muxer) mediaPlaylist(s *snapshot, skip int) []byte {
	var b strings.Builder
	lowLatency := m.config.Variant == LowLatency
	version := 3
	if lowLatency {
		version = 9
	}
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n", version, int(m.rule.Target.Seconds()))
	hold, partHold, until := m.holdBacks()
	if lowLatency {
		fmt.Fprintf(&b, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=%.3f,CAN-SKIP-UNTIL=%.1f,HOLD-BACK=%.1f\n#EXT-X-PART-INF:PART-TARGET=%.3f\n",
			partHold.Seconds(), until.Seconds(), hold.Seconds(), m.partTarget.Seconds())
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
	// Parts are listed within three target durations of the end.
	var total time.Duration
	for _, seg := range listed {
		total += seg.duration
	}
	init := -1
	for i, seg := range listed {
		partsListed := lowLatency && total <= 3*m.rule.Target+seg.duration
		total -= seg.duration
		if i < skip {
			continue
		}
		m.writeSegment(&b, s, seg, init != seg.init, partsListed)
		init = seg.init
	}
	switch {
	case m.ended:
		b.WriteString("#EXT-X-ENDLIST\n")
	case lowLatency:
		msn, part := listed[len(listed)-1].msn+1, 0
		if s.open {
			msn, part = listed[len(listed)-1].msn, s.parts
		}
		hint := segment{msn: msn}
		fmt.Fprintf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%s\"\n", hint.partURI(m.prefix, s.ext, part))
	}
	return []byte(b.String())
}

func (m *Muxer) writeSegment(b *strings.Builder, s *snapshot, seg *segment, withInit, parts bool) {
	if seg.marked {
		b.WriteString("#EXT-X-DISCONTINUITY\n")
	}
	if init := m.inits[seg.init]; withInit && init.body != nil {
		fmt.Fprintf(b, "#EXT-X-MAP:URI=\"%s\"\n", init.uri)
	}
	b.WriteString("#EXT-X-PROGRAM-DATE-TIME:")
	b.WriteString(time.UnixMilli(seg.wall).UTC().Format("2006-01-02T15:04:05.000Z"))
	b.WriteByte('\n')
	if parts {
		for i := range seg.parts {
			fmt.Fprintf(b, "#EXT-X-PART:DURATION=%s,URI=\"%s\"", seconds(seg.parts[i].duration), seg.partURI(m.prefix, s.ext, i))
			if seg.parts[i].independent {
				b.WriteString(",INDEPENDENT=YES")
			}
			b.WriteByte('\n')
		}
	}
	if seg.complete {
		fmt.Fprintf(b, "#EXTINF:%s,\n%s\n", seconds(seg.duration), seg.uri(m.prefix, s.ext))
	}
}

// Until something was measured, the bandwidth is a guess.
const (
	guessedVideo = 2_500_000
	guessedAudio = 160_000
	leastBits    = 100_000
)

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
	list := m3u8.NewMasterPlaylist()
	list.Append(mediaName, nil, params)
	version := uint8(3)
	if m.config.Variant == LowLatency {
		version = 9
	}
	list.SetVersion(version)
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
