package hls

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

var _ http.Handler = (*Server)(nil)

// Answers to requests that can't be met.
var (
	errNotFound = errors.New("no such stream or file")
	errBusy     = errors.New("too many requests are waiting")
	errTimeout  = errors.New("the stream has not got there yet")
	errRequest  = errors.New("impossible playlist request")
)

// Caching, as RFC 8216bis advises for live streams.
const (
	cacheIndex   = "max-age=1"
	cacheLive    = "no-cache"
	cacheBlocked = "max-age=1"
	cacheMedia   = "public, max-age=3600, immutable"
)

// ServeHTTP answers GET and HEAD of /PATH/FILE, where PATH is a stream path.
// Range requests get the whole file, which is allowed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dir, file := path.Split(r.URL.Path)
	stream := strings.Trim(dir, "/")
	var err error
	switch {
	case file == "index.m3u8":
		err = s.serveIndex(w, r, stream)
	case file == mediaName:
		err = s.serveMedia(w, r, stream, mainRendition)
	case file == audioName:
		err = s.serveMedia(w, r, stream, audioRendition)
	default:
		err = s.serveFile(w, r, stream, file)
	}
	if err != nil {
		fail(w, err)
	}
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusNotFound
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case errors.Is(err, errBusy):
		status = http.StatusServiceUnavailable
	case errors.Is(err, errTimeout):
		status = http.StatusServiceUnavailable
	case errors.Is(err, errRequest):
		status = http.StatusBadRequest
	case errors.Is(err, context.Canceled):
		return // nobody is there to read an answer
	default:
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, err.Error(), status)
}

// await returns the first snapshot of a stream that is good enough, and waits
// for it at most as long as given.
func (s *Server) await(r *http.Request, stream string, limit time.Duration, good func(*snapshot) bool) (*entry, *snapshot, error) {
	e, arrived := s.lookup(stream)
	var snap *snapshot
	if e != nil {
		if snap = e.muxer.state.Load(); good(snap) {
			return e, snap, nil
		}
	}
	if s.waiting.Add(1) > int64(s.config.MaxWaiting) {
		s.waiting.Add(-1)
		return nil, nil, errBusy
	}
	defer s.waiting.Add(-1)
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		changed := arrived
		if snap != nil {
			changed = snap.changed
			if snap.ended {
				return nil, nil, errNotFound
			}
		}
		select {
		case <-changed:
		case <-timeout.C:
			if snap == nil || !snap.ready {
				return nil, nil, errNotFound
			}
			return nil, nil, errTimeout
		case <-r.Context().Done():
			return nil, nil, context.Canceled
		}
		if e, arrived = s.lookup(stream); e == nil {
			if snap != nil {
				return nil, nil, errNotFound
			}
			continue
		}
		if snap = e.muxer.state.Load(); good(snap) {
			return e, snap, nil
		}
	}
}

// patient reports whether a client can't do with a playlist of parts alone, so
// that it is better to let it wait for the first segment.
func patient(r *http.Request) bool {
	agent := r.UserAgent()
	for _, name := range [...]string{"VLC", "Lavf", "mpv", "GStreamer", "libsoup"} {
		if strings.Contains(agent, name) {
			return true
		}
	}
	return false
}

func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request, stream string) error {
	whole := patient(r)
	_, snap, err := s.await(r, stream, s.config.FirstWait, func(snap *snapshot) bool { return snap.ready && (!whole || snap.listed) })
	if err != nil {
		return err
	}
	servePlaylist(w, r, snap.index, cacheIndex)
	return nil
}

func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request, stream string, which rendition) error {
	query := r.URL.Query()
	ask, err := parseDirectives(query.Get("_HLS_msn"), query.Get("_HLS_part"), query.Has("_HLS_msn"), query.Has("_HLS_part"))
	if err != nil {
		return err
	}
	whole := patient(r) && !ask.blocking
	limit := s.config.FirstWait
	e, snap, err := s.await(r, stream, limit, func(snap *snapshot) bool { return snap.ready && (!whole || snap.listed) })
	if err != nil {
		return err
	}
	cache := cacheLive
	if ask.blocking && !snap.ended && snap.parts+len(snap.segments) > 0 {
		if ask.tooFar(snap) {
			return errRequest
		}
		if e, snap, err = s.await(r, stream, 3*snap.target, ask.met); err != nil {
			return err
		}
		cache = cacheBlocked
	}
	doc := snap.media[which]
	if doc == nil {
		return errNotFound
	}
	e.viewers.note(r, which, ask, time.Now())
	if snap.ended {
		e.viewers.tell(r)
	}
	if skip := query.Get("_HLS_skip"); (skip == "YES" || skip == "v2") && snap.delta[which] != nil && !snap.ended {
		doc = snap.delta[which]
	}
	servePlaylist(w, r, doc, cache)
	return nil
}

// directives are the delivery directives of a playlist request.
type directives struct {
	blocking bool
	msn      uint64
	part     int // -1: the whole segment
}

func parseDirectives(msn, part string, hasMSN, hasPart bool) (directives, error) {
	d := directives{part: -1}
	if !hasMSN {
		if hasPart {
			return d, errRequest
		}
		return d, nil
	}
	n, err := strconv.ParseUint(msn, 10, 63)
	if err != nil {
		return d, errRequest
	}
	d.blocking, d.msn = true, n
	if hasPart {
		p, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return d, errRequest
		}
		d.part = int(p)
	}
	return d, nil
}

// tooFar reports whether a request is beyond what can come soon.
func (d directives) tooFar(s *snapshot) bool {
	last := s.lastComplete()
	if last == 0 && len(s.segments) > 0 {
		last = s.segments[0].msn - 1
	}
	if d.msn > last+2 {
		return true
	}
	if d.part < 0 || d.msn <= last {
		return false
	}
	advance := 3
	if s.partTarget > 0 && s.partTarget < time.Second {
		advance = int(math.Ceil(3 / s.partTarget.Seconds()))
	}
	have := 0
	if s.open && s.segments[len(s.segments)-1].msn == d.msn {
		have = s.parts
	}
	return d.part > have+advance
}

// met reports whether a snapshot has what was asked for.
func (d directives) met(s *snapshot) bool {
	if s.ended {
		return true
	}
	last := s.lastComplete()
	if d.msn <= last && last > 0 {
		// A part beyond the last one of a complete segment counts as the
		// first of the next.
		if d.msn == last && d.part >= 0 {
			seg := s.find(last)
			return seg == nil || d.part < len(seg.parts) || s.open && s.parts > 0
		}
		return true
	}
	if d.part < 0 || !s.open {
		return false
	}
	open := s.segments[len(s.segments)-1]
	return open.msn > d.msn || open.msn == d.msn && s.parts > d.part
}

func (s *snapshot) find(msn uint64) *segment {
	if len(s.segments) == 0 || msn < s.segments[0].msn {
		return nil
	}
	i := msn - s.segments[0].msn
	if i < uint64(len(s.segments)) && s.segments[i].msn == msn {
		return s.segments[i]
	}
	for _, seg := range s.segments { // numbers may have holes
		if seg.msn == msn {
			return seg
		}
	}
	return nil
}

func servePlaylist(w http.ResponseWriter, r *http.Request, doc *document, cache string) {
	h := w.Header()
	h.Set("Content-Type", "application/vnd.apple.mpegurl")
	h.Set("Cache-Control", cache)
	h.Set("Vary", "Accept-Encoding")
	body := doc.text
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = doc.gzipped()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// gzipped compresses the document once for all readers.
func (d *document) gzipped() []byte {
	d.once.Do(func() {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		_, _ = z.Write(d.text)
		_ = z.Close()
		d.gz = b.Bytes()
	})
	return d.gz
}

// serveFile serves an initialization, a segment or a part.
func (s *Server) serveFile(w http.ResponseWriter, req *http.Request, stream, file string) error {
	e, _ := s.lookup(stream)
	if e == nil {
		return errNotFound
	}
	snap := e.muxer.state.Load()
	for _, init := range snap.inits {
		for r := range renditionCount {
			if init.name != "" && init.bodies[r] != nil && init.uri(r) == file {
				serveMediaBytes(w, req, "video/mp4", init.bodies[r])
				return nil
			}
		}
	}
	name, partIndex, ok := snap.parseName(file)
	if !ok {
		return errNotFound
	}
	if msn, hinted := snap.hinted(name, partIndex); hinted {
		want := directives{blocking: true, msn: msn, part: partIndex}
		var err error
		if _, snap, err = s.await(req, stream, 3*snap.target, want.met); err != nil {
			return err
		}
	}
	seg, which := snap.named(name)
	switch {
	case seg == nil:
		return errNotFound
	case partIndex < 0 && seg.complete:
		bodies := make([][]byte, len(seg.parts))
		for i := range seg.parts {
			bodies[i] = seg.parts[i].in[which].body
		}
		serveMediaBytes(w, req, snap.mediaType[which], bodies...)
		return nil
	case partIndex >= 0 && partIndex < len(seg.parts):
		serveMediaBytes(w, req, snap.mediaType[which], seg.parts[partIndex].in[which].body)
		return nil
	}
	return errNotFound
}

// hinted reports whether a part is the one that the playlist announces, and of
// which segment.
func (s *snapshot) hinted(name string, partIndex int) (msn uint64, ok bool) {
	if s.ended || len(s.segments) == 0 || partIndex < 0 {
		return 0, false
	}
	next, part := s.hint, 0
	if s.open {
		next, part = s.segments[len(s.segments)-1], s.parts
	}
	for r := range renditionCount {
		if name == next.names[r] && partIndex == part {
			return next.msn, true
		}
	}
	return 0, false
}

// named returns the segment whose files begin with a name.
func (s *snapshot) named(name string) (*segment, rendition) {
	for i := len(s.segments) - 1; i >= 0; i-- {
		seg := s.segments[i]
		for r := range renditionCount {
			if seg.names[r] == name && (len(seg.parts) == 0 || seg.parts[0].in[r].body != nil) {
				return seg, r
			}
		}
	}
	return nil, mainRendition
}

// parseName reads NAME.EXT and NAME.PART.EXT; the part is -1 if there is none.
func (s *snapshot) parseName(file string) (name string, partIndex int, ok bool) {
	rest, ok := strings.CutSuffix(file, s.ext)
	if !ok || s.ext == "" {
		return "", 0, false
	}
	name, index, hasPart := strings.Cut(rest, ".")
	if !hasPart {
		return name, -1, true
	}
	i, err := strconv.ParseUint(index, 10, 16)
	return name, int(i), err == nil
}

// serveMediaBytes sends immutable bytes without joining them first.
func serveMediaBytes(w http.ResponseWriter, r *http.Request, mediaType string, bodies ...[]byte) {
	n := 0
	for _, b := range bodies {
		n += len(b)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", cacheMedia)
	h.Set("Content-Length", strconv.Itoa(n))
	if r.Method == http.MethodHead {
		return
	}
	for _, b := range bodies {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}
