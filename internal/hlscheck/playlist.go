package hlscheck

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// playlist is a parsed media playlist.
type playlist struct {
	version, target     int
	sequence            int
	discontinuity       int
	skipped             int
	control             map[string]string
	partTarget          float64
	segments            []segment // the last one may be open: without URI
	hints               []string
	reports             []string // "LAST-MSN LAST-PART" of other renditions
	ended, independents bool
	header              map[string]string // singleton tags and their values
}

type segment struct {
	msn, discontinuity int
	uri, init          string
	duration           float64
	date               time.Time
	parts              []part
}

type part struct {
	uri         string
	duration    float64
	independent bool
}

// singletons may stand once, in the head.
var singletons = map[string]bool{
	"#EXT-X-VERSION": true, "#EXT-X-TARGETDURATION": true, "#EXT-X-MEDIA-SEQUENCE": true, "#EXT-X-DISCONTINUITY-SEQUENCE": true,
	"#EXT-X-SERVER-CONTROL": true, "#EXT-X-PART-INF": true, "#EXT-X-INDEPENDENT-SEGMENTS": true, "#EXT-X-SKIP": true,
}

// attributes splits an attribute list.
func attributes(s string) (map[string]string, error) {
	list := make(map[string]string)
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \"") {
			return nil, fmt.Errorf("attribute list is malformed at %q", s)
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("attribute %s has no closing quote", name)
			}
			value, rest = rest[1:1+end], rest[2+end:]
		} else if i := strings.IndexByte(rest, ','); i >= 0 {
			value, rest = rest[:i], rest[i:]
		} else {
			value, rest = rest, ""
		}
		if _, dup := list[name]; dup {
			return nil, fmt.Errorf("attribute %s stands twice", name)
		}
		list[name] = value
		if rest != "" && rest[0] != ',' {
			return nil, fmt.Errorf("attribute list is malformed at %q", rest)
		}
		s = strings.TrimPrefix(rest, ",")
	}
	return list, nil
}

// parser collects a playlist and what is wrong with its grammar.
type parser struct {
	p       playlist
	problem func(format string, args ...any)
	open    segment
	init    string
	begun   bool // a segment tag was seen
	gotInf  bool
}

// parse reads a media playlist and reports what is malformed.
func parse(text string, problem func(format string, args ...any)) playlist {
	ps := &parser{problem: problem}
	ps.p.header = make(map[string]string)
	ps.p.control = make(map[string]string)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if i == 0 {
			if line != "#EXTM3U" {
				problem("the first line is %q", line)
			}
			continue
		}
		ps.line(line)
	}
	if len(ps.open.parts) > 0 {
		ps.finish("")
	}
	if _, ok := ps.p.header["#EXT-X-TARGETDURATION"]; !ok {
		problem("no EXT-X-TARGETDURATION")
	}
	return ps.p
}

func (ps *parser) number(tag, value string) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		ps.problem("%s has the value %q", tag, value)
	}
	return n
}

func (ps *parser) line(line string) {
	if line == "" || line[0] == '#' && !strings.HasPrefix(line, "#EXT") {
		return
	}
	if line[0] != '#' {
		if !ps.gotInf {
			ps.problem("%s has no EXTINF", line)
		}
		ps.finish(line)
		return
	}
	tag, value, _ := strings.Cut(line, ":")
	if singletons[tag] {
		if _, dup := ps.p.header[tag]; dup {
			ps.problem("%s stands twice", tag)
		}
		if ps.begun && tag != "#EXT-X-SKIP" {
			ps.problem("%s stands after the first segment", tag)
		}
		ps.p.header[tag] = value
	}
	if !ps.head(tag, value) && !ps.body(tag, value) {
		ps.problem("unknown tag %s", tag)
	}
}

func (ps *parser) head(tag, value string) bool {
	switch tag {
	case "#EXT-X-VERSION":
		ps.p.version = ps.number(tag, value)
	case "#EXT-X-TARGETDURATION":
		ps.p.target = ps.number(tag, value)
	case "#EXT-X-MEDIA-SEQUENCE":
		ps.p.sequence = ps.number(tag, value)
		ps.open.msn = ps.p.sequence
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		ps.p.discontinuity = ps.number(tag, value)
		ps.open.discontinuity = ps.p.discontinuity
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		ps.p.independents = true
	case "#EXT-X-SERVER-CONTROL":
		ps.p.control = ps.list(tag, value)
	case "#EXT-X-PART-INF":
		ps.p.partTarget, _ = strconv.ParseFloat(ps.list(tag, value)["PART-TARGET"], 64)
	case "#EXT-X-SKIP":
		ps.p.skipped = ps.number(tag, ps.list(tag, value)["SKIPPED-SEGMENTS"])
		ps.open.msn += ps.p.skipped
	default:
		return false
	}
	return true
}

func (ps *parser) list(tag, value string) map[string]string {
	l, err := attributes(value)
	if err != nil {
		ps.problem("%s: %v", tag, err)
		return map[string]string{}
	}
	return l
}

func (ps *parser) body(tag, value string) bool {
	ps.begun = true
	switch tag {
	case "#EXTINF":
		number, _, ok := strings.Cut(value, ",")
		d, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || d < 0 {
			ps.problem("EXTINF has the value %q", value)
		}
		ps.open.duration, ps.gotInf = d, true
	case "#EXT-X-DISCONTINUITY":
		ps.open.discontinuity++
	case "#EXT-X-MAP":
		ps.init = ps.list(tag, value)["URI"]
	case "#EXT-X-PROGRAM-DATE-TIME":
		date, err := time.Parse("2006-01-02T15:04:05.000Z07:00", value)
		if err != nil {
			ps.problem("EXT-X-PROGRAM-DATE-TIME: %v", err)
		}
		ps.open.date = date
	case "#EXT-X-PART":
		l := ps.list(tag, value)
		d, err := strconv.ParseFloat(l["DURATION"], 64)
		if err != nil || l["URI"] == "" {
			ps.problem("EXT-X-PART:%s lacks something", value)
		}
		ps.open.parts = append(ps.open.parts, part{l["URI"], d, l["INDEPENDENT"] == "YES"})
	case "#EXT-X-PRELOAD-HINT":
		l := ps.list(tag, value)
		if l["TYPE"] != "PART" || l["URI"] == "" {
			ps.problem("EXT-X-PRELOAD-HINT:%s", value)
		}
		ps.p.hints = append(ps.p.hints, l["URI"])
	case "#EXT-X-ENDLIST":
		ps.p.ended = true
	case "#EXT-X-GAP":
		ps.problem("EXT-X-GAP ends playback in VLC")
	case "#EXT-X-RENDITION-REPORT":
		l := ps.list(tag, value)
		ps.p.reports = append(ps.p.reports, l["LAST-MSN"]+" "+l["LAST-PART"])
	default:
		return false
	}
	return true
}

func (ps *parser) finish(uri string) {
	ps.open.uri, ps.open.init = uri, ps.init
	ps.p.segments = append(ps.p.segments, ps.open)
	ps.open = segment{msn: ps.open.msn + 1, discontinuity: ps.open.discontinuity}
	ps.gotInf = false
}

// checkAlone holds a single playlist against the rules that need no history.
func (p *playlist) checkAlone(problem func(format string, args ...any)) {
	if len(p.segments) == 0 && p.skipped == 0 {
		problem("the playlist lists nothing")
	}
	lowLatency := p.partTarget > 0
	for i, s := range p.segments {
		if s.uri != "" && int(math.Round(s.duration)) > p.target {
			problem("segment %d lasts %.3f s, which rounds to more than the target duration %d", s.msn, s.duration, p.target)
		}
		if s.date.IsZero() {
			problem("segment %d has no EXT-X-PROGRAM-DATE-TIME", s.msn)
		}
		var sum float64
		for j, pt := range s.parts {
			sum += pt.duration
			last := j == len(s.parts)-1 && s.uri != ""
			if pt.duration > p.partTarget+1e-9 {
				problem("part %s lasts %.5f s, more than PART-TARGET %.3f", pt.uri, pt.duration, p.partTarget)
			}
			if !last && !pt.independent && pt.duration < 0.85*p.partTarget-1e-9 && (s.uri != "" || j < len(s.parts)-1) {
				problem("part %s lasts %.5f s, less than 85 %% of PART-TARGET %.3f", pt.uri, pt.duration, p.partTarget)
			}
		}
		if s.uri != "" && len(s.parts) > 0 && math.Abs(sum-s.duration) > 0.001*float64(len(s.parts)) {
			problem("segment %d lasts %.5f s, its parts %.5f", s.msn, s.duration, sum)
		}
		if s.uri == "" && i < len(p.segments)-1 {
			problem("segment %d has no URI", s.msn)
		}
	}
	if lowLatency {
		p.checkControl(problem)
	}
	switch {
	case p.ended && len(p.hints) > 0:
		problem("EXT-X-PRELOAD-HINT beside EXT-X-ENDLIST")
	case lowLatency && !p.ended && len(p.hints) != 1:
		problem("%d preload hints, want one", len(p.hints))
	}
	if p.skipped > 0 && p.version < 9 {
		problem("EXT-X-SKIP needs version 9, not %d", p.version)
	}
}

func (p *playlist) checkControl(problem func(format string, args ...any)) {
	value := func(name string) float64 {
		v, err := strconv.ParseFloat(p.control[name], 64)
		if err != nil {
			problem("EXT-X-SERVER-CONTROL: %s is %q", name, p.control[name])
		}
		return v
	}
	if p.control["CAN-BLOCK-RELOAD"] != "YES" {
		problem("low-latency HLS without CAN-BLOCK-RELOAD")
	}
	if v := value("PART-HOLD-BACK"); v < 3*p.partTarget-1e-9 {
		problem("PART-HOLD-BACK %.3f is less than three times PART-TARGET %.3f", v, p.partTarget)
	}
	if _, ok := p.control["HOLD-BACK"]; ok && value("HOLD-BACK") < 3*float64(p.target) {
		problem("HOLD-BACK is less than three target durations")
	}
	if _, ok := p.control["CAN-SKIP-UNTIL"]; ok && value("CAN-SKIP-UNTIL") < 6*float64(p.target) {
		problem("CAN-SKIP-UNTIL is less than six target durations")
	}
}
