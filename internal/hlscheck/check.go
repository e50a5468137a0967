package hlscheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Report is what a check found.
type Report struct {
	// Problems are the rules that were broken, in the order found, each once.
	Problems []string
	// Reloads, Segments, Parts and Deltas count what was looked at.
	Reloads, Segments, Parts, Deltas int
	// Holes counts the places where a track's time jumps ahead by more than
	// the 0.1 s that players pass over, by track.
	Holes [4]int
}

// Checker watches one stream.
type Checker struct {
	// Blocking says whether reloads wait for the next part, as a low-latency
	// player's do. A test that writes the stream itself reloads when it wants.
	Blocking bool

	client *http.Client
	report *Report
	known  map[string]bool
	main   *checker
	audio  *checker // nil unless audio has a playlist of its own
}

// checker is what is known of one media playlist.
type checker struct {
	*Checker
	media   string // URL of the media playlist
	last    *playlist
	byMSN   map[int]segment
	inits   map[string]map[uint32]uint32
	parts   map[string][]byte // bodies by URI
	ends    map[uint32]uint64 // where each track's last fragment ended
	endsDis int
	hint    string
	cc      map[int]int
	done    map[int]bool // segments that were fetched
	begun   map[int]bool // segments of which parts were fetched
}

const maxProblems = 100

// New returns a checker that has read the multivariant playlist.
func New(ctx context.Context, client *http.Client, index string) (*Checker, error) {
	c := &Checker{Blocking: true, client: client, report: &Report{}, known: make(map[string]bool)}
	return c, c.index(ctx, index)
}

func (c *Checker) newMedia(media string) *checker {
	return &checker{
		Checker: c, media: media, byMSN: make(map[int]segment),
		inits: make(map[string]map[uint32]uint32), parts: make(map[string][]byte), ends: make(map[uint32]uint64),
		cc: make(map[int]int), done: make(map[int]bool), begun: make(map[int]bool),
	}
}

// Report returns what was found so far.
func (c *Checker) Report() *Report { return c.report }

// Run watches the stream of a multivariant playlist over a number of reloads
// and returns what is wrong with it. The error says why it could not go on.
func Run(ctx context.Context, index string, reloads int) (*Report, error) {
	c, err := New(ctx, &http.Client{Timeout: 30 * time.Second}, index)
	if err != nil {
		return c.report, err
	}
	for c.report.Reloads < reloads {
		if ended, err := c.Step(ctx); err != nil || ended {
			return c.report, err
		}
		if p := c.main.last; c.main.next(p) == c.main.media {
			select {
			case <-time.After(time.Duration(p.target) * time.Second / 2):
			case <-ctx.Done():
				return c.report, ctx.Err()
			}
		}
	}
	return c.report, nil
}

// Step reloads the playlists once, fetches what is new, and looks at it. It
// reports whether the stream has ended.
func (c *Checker) Step(ctx context.Context) (ended bool, err error) {
	c.report.Reloads++
	if err := c.main.step(ctx); err != nil {
		return false, err
	}
	if c.audio != nil {
		if err := c.audio.step(ctx); err != nil {
			return false, err
		}
		c.together(c.main.last, c.audio.last)
	}
	return c.main.last.ended, nil
}

func (c *checker) step(ctx context.Context) error {
	ask := c.media
	if c.last != nil && c.Blocking {
		ask = c.next(c.last)
	}
	text, err := c.get(ctx, ask, "application/vnd.apple.mpegurl")
	if err != nil {
		return err
	}
	p := parse(string(text), c.problem)
	p.checkAlone(c.problem)
	c.compare(&p)
	c.checkHint(ctx, &p)
	if err := c.fetch(ctx, &p); err != nil {
		return err
	}
	if p.control["CAN-SKIP-UNTIL"] != "" && c.report.Reloads%10 == 0 {
		c.delta(ctx)
	}
	c.last = &p
	return nil
}

// together holds two renditions against each other: what has one number must be
// the same time in both.
func (c *Checker) together(main, audio *playlist) {
	for _, tag := range []string{"#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF"} {
		if main.header[tag] != audio.header[tag] {
			c.problem("%s is %q for audio, %q for video", tag, audio.header[tag], main.header[tag])
		}
	}
	for _, s := range audio.segments {
		other, ok := c.main.byMSN[s.msn]
		if !ok || s.uri == "" || other.uri == "" {
			continue
		}
		if apart := s.date.Sub(other.date).Seconds(); s.discontinuity != other.discontinuity || math.Abs(apart) > 0.15 {
			c.problem("segment %d of audio lies %.3f s apart from the video's, discontinuity %d and %d", s.msn, apart, s.discontinuity, other.discontinuity)
		}
		if len(s.parts) > 0 && len(other.parts) > 0 && len(s.parts) != len(other.parts) {
			c.problem("segment %d has %d parts of audio and %d of video", s.msn, len(s.parts), len(other.parts))
		}
	}
	for _, p := range []*playlist{main, audio} {
		last := p.segments[len(p.segments)-1]
		want := fmt.Sprintf("%d %d", last.msn, len(last.parts)-1)
		if !p.ended && p.partTarget > 0 && (len(p.reports) != 1 || p.reports[0] != want) {
			c.problem("rendition reports %q, want the other rendition at %q", p.reports, want)
		}
	}
}

func (c *Checker) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !c.known[text] && len(c.report.Problems) < maxProblems {
		c.known[text] = true
		c.report.Problems = append(c.report.Problems, text)
	}
}

var errStatus = errors.New("unexpected status")

func (c *Checker) get(ctx context.Context, target, wantType string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: GET %s: %s", errStatus, target, resp.Status)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, wantType) {
		c.problem("%s has the type %q, want %q", path(target), got, wantType)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		c.problem("%s has no CORS header", path(target))
	}
	return body, nil
}

func path(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Path
	}
	return target
}

func (c *checker) resolve(ref string) string {
	b, err := url.Parse(c.media)
	if err != nil {
		return ref
	}
	u, err := b.Parse(ref)
	if err != nil {
		c.problem("URI %q: %v", ref, err)
		return ref
	}
	return u.String()
}

// index reads the multivariant playlist.
func (c *Checker) index(ctx context.Context, target string) error {
	text, err := c.get(ctx, target, "application/vnd.apple.mpegurl")
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "#EXTM3U" {
		c.problem("the multivariant playlist begins with %q", lines[0])
	}
	base := &checker{Checker: c, media: target}
	for i, line := range lines {
		if value, ok := strings.CutPrefix(line, "#EXT-X-MEDIA:"); ok {
			if list, err := attributes(value); err == nil && list["TYPE"] == "AUDIO" && list["URI"] != "" {
				c.audio = c.newMedia(base.resolve(list["URI"]))
			}
		}
		value, ok := strings.CutPrefix(line, "#EXT-X-STREAM-INF:")
		if !ok || i+1 >= len(lines) || c.main != nil {
			continue
		}
		list, err := attributes(value)
		if err != nil {
			c.problem("EXT-X-STREAM-INF: %v", err)
		}
		for _, name := range []string{"BANDWIDTH", "CODECS"} {
			if list[name] == "" {
				c.problem("EXT-X-STREAM-INF without %s", name)
			}
		}
		c.main = c.newMedia(base.resolve(strings.TrimSpace(lines[i+1])))
	}
	if c.main == nil {
		return errors.New("the multivariant playlist has no variant")
	}
	return nil
}

// next returns what to ask for after a playlist: the next part, blocking, if
// that is possible.
func (c *checker) next(p *playlist) string {
	if p.control["CAN-BLOCK-RELOAD"] != "YES" || len(p.segments) == 0 || p.partTarget == 0 {
		return c.media
	}
	last := p.segments[len(p.segments)-1]
	if last.uri != "" {
		return fmt.Sprintf("%s?_HLS_msn=%d&_HLS_part=0", c.media, last.msn+1)
	}
	return fmt.Sprintf("%s?_HLS_msn=%d&_HLS_part=%d", c.media, last.msn, len(last.parts))
}

// compare holds a playlist against the ones before it.
func (c *checker) compare(p *playlist) {
	var before *segment
	for i := range p.segments {
		s := p.segments[i]
		if old, ok := c.byMSN[s.msn]; ok {
			c.same(old, s)
		}
		if before != nil && s.discontinuity == before.discontinuity {
			gap := s.date.Sub(before.date).Seconds() - before.duration
			if gap < -0.1 {
				c.problem("segment %d begins %.3f s before the end of segment %d by their dates", s.msn, -gap, before.msn)
			}
		}
		c.byMSN[s.msn] = s
		before = &p.segments[i]
	}
	old := c.last
	if old == nil {
		return
	}
	if p.sequence < old.sequence {
		c.problem("EXT-X-MEDIA-SEQUENCE went back from %d to %d", old.sequence, p.sequence)
	}
	for _, tag := range []string{"#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-VERSION"} {
		if p.header[tag] != old.header[tag] {
			c.problem("%s changed from %q to %q", tag, old.header[tag], p.header[tag])
		}
	}
}

// same checks that a segment is what it was in an earlier playlist.
func (c *checker) same(old, s segment) {
	if old.uri != "" && old.uri != s.uri {
		c.problem("segment %d changed its URI from %s to %s", s.msn, old.uri, s.uri)
	}
	if old.discontinuity != s.discontinuity {
		c.problem("segment %d changed its discontinuity number from %d to %d", s.msn, old.discontinuity, s.discontinuity)
	}
	if old.uri != "" && old.duration != s.duration || !old.date.Equal(s.date) {
		c.problem("segment %d changed its duration or date", s.msn)
	}
	for i := range min(len(old.parts), len(s.parts)) {
		if old.parts[i] != s.parts[i] {
			c.problem("part %d of segment %d changed", i, s.msn)
		}
	}
}

// checkHint checks that the last hint came true, unless the stream ended.
func (c *checker) checkHint(ctx context.Context, p *playlist) {
	hint := c.hint
	c.hint = ""
	if len(p.hints) == 1 {
		c.hint = p.hints[0]
	}
	if hint == "" || hint == c.hint || p.ended {
		return
	}
	for _, s := range p.segments {
		for _, pt := range s.parts {
			if pt.uri == hint {
				return
			}
		}
	}
	// After a burst it may be there without being listed any more.
	if _, err := c.get(ctx, c.resolve(hint), ""); err != nil {
		c.problem("the hinted part %s never came", hint)
	}
}

// fetch gets what is new in a playlist and looks into it.
func (c *checker) fetch(ctx context.Context, p *playlist) error {
	for _, s := range p.segments {
		if s.init != "" && c.inits[s.init] == nil {
			body, err := c.get(ctx, c.resolve(s.init), "video/mp4")
			if err != nil {
				return err
			}
			if c.inits[s.init], err = initTracks(body); err != nil {
				c.problem("%s: %v", s.init, err)
				c.inits[s.init] = map[uint32]uint32{}
			}
		}
		for _, pt := range s.parts {
			if err := c.part(ctx, s, pt); err != nil {
				return err
			}
		}
		if s.uri != "" && !c.done[s.msn] {
			c.done[s.msn] = true
			if err := c.segment(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) part(ctx context.Context, s segment, pt part) error {
	if _, have := c.parts[pt.uri]; have {
		return nil
	}
	body, err := c.get(ctx, c.resolve(pt.uri), "")
	if err != nil {
		return err
	}
	c.parts[pt.uri], c.begun[s.msn] = body, true
	c.report.Parts++
	runs, err := fragments(body)
	if err != nil {
		c.problem("part %s: %v", pt.uri, err)
		return nil
	}
	c.measure(s, pt.uri, runs, pt.duration, &pt.independent)
	return nil
}

// measure checks times and flags of the fragments of a part or segment.
func (c *checker) measure(s segment, name string, all [][]run, declared float64, independent *bool) {
	scales := c.inits[s.init]
	if s.discontinuity != c.endsDis {
		c.endsDis = s.discontinuity
		clear(c.ends)
	}
	var lasts [2]float64 // of the video track and of others
	key, video := false, false
	for _, runs := range all {
		for _, r := range runs {
			scale := scales[r.track]
			if scale == 0 {
				c.problem("%s: track %d is not in the initialization", name, r.track)
				continue
			}
			if end, ok := c.ends[r.track]; ok && r.base < end {
				c.problem("%s: track %d begins at %d, before the end %d of what came before", name, r.track, r.base, end)
			}
			if end, ok := c.ends[r.track]; ok && r.base > end+uint64(scale)/10 && r.track < uint32(len(c.report.Holes)) {
				c.report.Holes[r.track]++
			}
			c.ends[r.track] = r.base + r.duration
			kind := 1
			if r.track == 1 {
				kind, video, key = 0, true, key || r.anySync
			}
			lasts[kind] += float64(r.duration) / float64(scale)
		}
	}
	longest := lasts[0]
	if !video {
		longest = lasts[1]
	}
	if math.Abs(longest-declared) > 0.1 {
		c.problem("%s lasts %.3f s, declared are %.3f", name, longest, declared)
	}
	if independent != nil && video && *independent != key {
		c.problem("%s: INDEPENDENT is %v, key frame %v", name, *independent, key)
	}
}

func (c *checker) segment(ctx context.Context, s segment) error {
	body, err := c.get(ctx, c.resolve(s.uri), "")
	if err != nil {
		return err
	}
	c.report.Segments++
	if strings.HasSuffix(path(s.uri), ".ts") {
		if err := transport(body, c.cc); err != nil {
			c.problem("segment %s: %v", s.uri, err)
		}
		return nil
	}
	if len(s.parts) == 0 {
		runs, err := fragments(body)
		if err != nil {
			c.problem("segment %s: %v", s.uri, err)
		}
		c.whole(s, runs)
		return nil
	}
	var joined []byte
	for _, pt := range s.parts {
		joined = append(joined, c.parts[pt.uri]...)
		delete(c.parts, pt.uri)
		c.parts[pt.uri] = nil // known, but its bytes are no longer needed
	}
	if string(joined) != string(body) {
		c.problem("segment %s is not its parts joined", s.uri)
	}
	return nil
}

// whole measures a segment without parts; of one whose first parts were
// measured already only the end counts.
func (c *checker) whole(s segment, runs [][]run) {
	if !c.begun[s.msn] {
		c.measure(s, s.uri, runs, s.duration, nil)
		return
	}
	for _, fragment := range runs {
		for _, r := range fragment {
			c.ends[r.track] = max(c.ends[r.track], r.base+r.duration)
		}
	}
}

// delta asks for a delta update and checks that it amounts to the whole
// playlist.
func (c *checker) delta(ctx context.Context) {
	short, err := c.get(ctx, c.media+"?_HLS_skip=YES", "application/vnd.apple.mpegurl")
	if err != nil {
		c.problem("delta update: %v", err)
		return
	}
	p := parse(string(short), c.problem)
	if p.skipped == 0 {
		return // nothing is old enough
	}
	c.report.Deltas++
	for _, s := range p.segments {
		if old, ok := c.byMSN[s.msn]; ok {
			if s.init == "" {
				s.init = old.init
			}
			c.same(old, s)
		}
	}
	var rest float64
	for _, s := range p.segments {
		rest += s.duration
	}
	if until := 6 * float64(p.target); rest < until-float64(p.target) {
		c.problem("a delta update keeps %.1f s, want at least %.1f", rest, until)
	}
	if _, ok := c.byMSN[p.sequence+p.skipped-1]; !ok {
		c.problem("a delta update skips segment %d, which was never listed", p.sequence+p.skipped-1)
	}
}
