package hls

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// live returns a server with a stream whose segment 6 is complete and whose
// segment 7 has two parts, the events that follow, and the stream's sink.
func live(t testing.TB) (s *Server, sink func(packager.Event), rest []packager.Event) {
	t.Helper()
	s = New(DefaultConfig())
	out := s.Sink("live/cam")
	events := clipEvents(t, 4)
	for i, ev := range events {
		out.WriteEvent(ev)
		if snap := out.(*Muxer).state.Load(); snap.lastComplete() == 6 && snap.open && snap.parts == 2 {
			return s, out.WriteEvent, events[i+1:]
		}
	}
	t.Fatal("the clip never gets there")
	return nil, nil, nil
}

// Each row of the table of delivery directives, with its status.
func TestDirectives(t *testing.T) {
	tests := []struct {
		query  string
		status int
	}{
		{"", 200},
		{"?key=secret&x=1", 200},
		{"?_HLS_msn=6", 200},
		{"?_HLS_msn=7&_HLS_part=1", 200},
		{"?_HLS_msn=2&_HLS_part=0", 200}, // long gone
		{"?_HLS_msn=6&_HLS_part=4", 200}, // the last part of a finished segment
		{"?_HLS_msn=6&_HLS_part=9", 200}, // counts as the first part of the next
		{"?_HLS_msn=9", 400},
		{"?_HLS_msn=18446744073709551616", 400},
		{"?_HLS_msn=9223372036854775807", 400},
		{"?_HLS_msn=-1", 400},
		{"?_HLS_msn=abc", 400},
		{"?_HLS_msn=", 400},
		{"?_HLS_part=1", 400},
		{"?_HLS_msn=7&_HLS_part=x", 400},
		{"?_HLS_msn=7&_HLS_part=-1", 400},
		{"?_HLS_msn=7&_HLS_part=99999999999999", 400},
		{"?_HLS_msn=7&_HLS_part=60", 400},
		{"?_HLS_skip=YES", 200},
		{"?_HLS_skip=nonsense", 200},
	}
	s, _, _ := live(t)
	for _, tt := range tests {
		w := fetch(t, s, "/live/cam/stream.m3u8"+tt.query)
		if w.Code != tt.status {
			t.Errorf("%q: status %d, want %d", tt.query, w.Code, tt.status)
		}
		if cache := w.Header().Get("Cache-Control"); w.Code != 200 && cache != "no-store" {
			t.Errorf("%q: an error may be cached: %q", tt.query, cache)
		}
	}
}

func TestFiles(t *testing.T) {
	s, _, _ := live(t)
	tests := []struct {
		name   string
		status int
		kind   string
	}{
		{"index.m3u8", 200, "application/vnd.apple.mpegurl"},
		{"stream.m3u8", 200, "application/vnd.apple.mpegurl"},
		{"11223344_init0.mp4", 200, "video/mp4"},
		{"11223344_6.m4s", 200, "video/mp4"},
		{"11223344_7.1.m4s", 200, "video/mp4"},
		{"11223344_7.m4s", 404, ""},   // not finished
		{"11223344_7.9.m4s", 404, ""}, // neither there nor hinted
		{"11223344_99.m4s", 404, ""},
		{"11223344_6.m4s.m4s", 404, ""},
		{"99999999_6.m4s", 404, ""}, // of another run
		{"11223344_-1.m4s", 404, ""},
		{"11223344_6.99999.m4s", 404, ""},
		{"11223344_init7.mp4", 404, ""},
		{"..%2f..%2fetc%2fpasswd", 404, ""},
		{"", 404, ""},
	}
	for _, tt := range tests {
		w := fetch(t, s, "/live/cam/"+tt.name)
		if w.Code != tt.status || tt.kind != "" && w.Header().Get("Content-Type") != tt.kind {
			t.Errorf("%q: %d %q, want %d %q", tt.name, w.Code, w.Header().Get("Content-Type"), tt.status, tt.kind)
		}
	}
	head := httptest.NewRecorder()
	s.ServeHTTP(head, httptest.NewRequest(http.MethodHead, "/live/cam/stream.m3u8", nil))
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d with %d bytes", head.Code, head.Body.Len())
	}
	if w := fetch(t, s, "/live/cam/stream.m3u8", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "gzip" {
		t.Error("a playlist is not compressed for a client that accepts it")
	}
	if w := fetch(t, s, "/live/cam/11223344_6.m4s", "Accept-Encoding", "gzip", "Range", "bytes=0-"); w.Code != 200 || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("a segment with Range and gzip: %d %q", w.Code, w.Header().Get("Content-Encoding"))
	}
}

// A blocked reload and a request for the hinted part are answered when the
// part is there, not before.
func TestBlockingReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, write, rest := live(t)
		var mu sync.Mutex
		got := map[string]int{}
		var wg sync.WaitGroup
		for _, target := range []string{"stream.m3u8?_HLS_msn=7&_HLS_part=2", "11223344_7.2.m4s", "stream.m3u8?_HLS_msn=7"} {
			wg.Go(func() {
				w := fetch(t, s, "/live/cam/"+target)
				mu.Lock()
				defer mu.Unlock()
				got[target] = w.Code
			})
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatalf("answered at once: %v", got)
		}
		for len(rest) > 0 && len(got) < 2 {
			write(rest[0])
			rest = rest[1:]
			synctest.Wait()
		}
		if got["stream.m3u8?_HLS_msn=7&_HLS_part=2"] != 200 || got["11223344_7.2.m4s"] != 200 || len(got) != 2 {
			t.Errorf("after the part: %v", got)
		}
		for _, ev := range rest {
			write(ev)
		}
		wg.Wait()
		if got["stream.m3u8?_HLS_msn=7"] != 200 {
			t.Errorf("after the segment: %v", got)
		}
	})
}

func TestBlockedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := live(t)
		start := time.Now()
		if w := fetch(t, s, "/live/cam/stream.m3u8?_HLS_msn=7&_HLS_part=2"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", w.Code)
		}
		if d := time.Since(start); d != 6*time.Second {
			t.Errorf("after %v, want three target durations", d)
		}
	})
}

// A request before the stream begins is held, then refused with a hint to come
// back; one whose stream begins is answered.
func TestBeforeTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(DefaultConfig())
		w := fetch(t, s, "/live/cam/index.m3u8")
		if w.Code != 404 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("no stream: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		var code int
		var wg sync.WaitGroup
		wg.Go(func() { code = fetch(t, s, "/live/cam/index.m3u8").Code })
		synctest.Wait()
		sink := s.Sink("live/cam")
		for _, ev := range clipEvents(t, 1) {
			sink.WriteEvent(ev)
		}
		wg.Wait()
		if code != 200 {
			t.Errorf("held request: status %d", code)
		}
	})
}

// 500 clients wait for one part: all are answered by one publication, and
// nobody is left waiting.
func TestManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, write, rest := live(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 500 {
			wg.Go(func() {
				r := httptest.NewRequest(http.MethodGet, "/live/cam/stream.m3u8?_HLS_msn=7&_HLS_part=2", nil)
				if i%5 == 0 {
					r = r.WithContext(ctx)
				}
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				codes[w.Body.Len()]++
			})
		}
		synctest.Wait()
		if n := s.waiting.Load(); n != 500 {
			t.Errorf("%d are waiting, want 500", n)
		}
		cancel()
		synctest.Wait()
		if n := s.waiting.Load(); n != 400 {
			t.Errorf("%d are waiting after 100 went away, want 400", n)
		}
		for len(rest) > 0 && s.waiting.Load() > 0 {
			write(rest[0])
			rest = rest[1:]
			synctest.Wait()
		}
		wg.Wait()
		if len(codes) != 2 || codes[0] != 100 {
			t.Errorf("answers by length: %v, want 100 empty and 400 alike", codes)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig()
		config.MaxWaiting = 3
		s := New(config)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { fetch(t, s, "/live/cam/index.m3u8") })
		}
		synctest.Wait()
		if w := fetch(t, s, "/live/cam/index.m3u8"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("the fourth: status %d, want 503", w.Code)
		}
		wg.Wait()
	})
}

// At the end the playlist says so, waiters are released, and a new run of the
// stream goes on counting under new names.
func TestEndAndNewRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, write, _ := live(t)
		code := 0
		var wg sync.WaitGroup
		wg.Go(func() { code = fetch(t, s, "/live/cam/stream.m3u8?_HLS_msn=8").Code })
		synctest.Wait()
		write(packager.Event{Kind: packager.EventEnd})
		wg.Wait()
		list := fetch(t, s, "/live/cam/stream.m3u8").Body.String()
		if code != 200 || !strings.HasSuffix(list, "#EXT-X-ENDLIST\n") || strings.Contains(list, "PRELOAD-HINT") {
			t.Errorf("at the end: status %d, playlist\n%s", code, list)
		}
		sink := s.Sink("live/cam")
		events := clipEvents(t, 2)
		for _, ev := range events[:len(events)-1] {
			if ev.Kind == packager.EventCatalog {
				ev.Catalog.Epoch++ // another run has another epoch
				ev.Catalog.Epoch <<= 32
			}
			sink.WriteEvent(ev)
		}
		list = fetch(t, s, "/live/cam/stream.m3u8").Body.String()
		if !strings.Contains(list, "#EXT-X-MEDIA-SEQUENCE:8\n") || strings.Contains(list, "11223344_") {
			t.Errorf("the new run does not go on counting:\n%s", list)
		}
		time.Sleep(time.Hour)
	})
}

func TestEndedStreamIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, write, _ := live(t)
		write(packager.Event{Kind: packager.EventEnd})
		time.Sleep(40 * time.Second)
		if w := fetch(t, s, "/live/cam/stream.m3u8"); w.Code != 200 {
			t.Errorf("40 s after the end: status %d", w.Code)
		}
		time.Sleep(10 * time.Second)
		if w := fetch(t, s, "/live/cam/stream.m3u8"); w.Code != 404 {
			t.Errorf("50 s after the end: status %d", w.Code)
		}
	})
}

// 10,000 segments with random discontinuities: a number keeps its URI and its
// discontinuity number for ever, and memory does not grow.
func TestNumbersKeepTheirMeaning(t *testing.T) {
	config := DefaultConfig()
	m := newMuxer(config, "x", nil)
	clip := clipEvents(t, 1)
	var tracks []packager.Track
	var sample packager.Sample
	for _, ev := range clip {
		if ev.Kind == packager.EventTracks {
			tracks = ev.Tracks[:1]
		}
		if ev.Kind == packager.EventSample && ev.Sample.Track == packager.TrackVideo && sample.Payload == nil {
			sample = ev.Sample
		}
	}
	meaning := map[string]string{}
	dis, base := uint64(0), uint64(0)
	for n := range uint64(10_000) {
		at := time.Duration(n) * 2 * time.Second
		if n%37 == 5 {
			dis++
		}
		m.WriteEvent(packager.Event{Kind: packager.EventCatalog, Catalog: packager.Catalog{
			Segmentation: packager.DefaultSegmentation(), Segment: packager.Cut{Number: n + 1, Start: at, Independent: true, Discontinuity: dis},
		}})
		if dis != base || n == 0 {
			base = dis
			tracks[0].FrameRate = float64(dis) // another format
			m.WriteEvent(packager.Event{Kind: packager.EventTracks, Tracks: tracks})
		}
		for i := range 4 {
			s := sample
			s.DTS = at + time.Duration(i)*500*time.Millisecond
			s.PTS, s.Key = s.DTS, i == 0
			m.WriteEvent(packager.Event{Kind: packager.EventSample, Sample: s})
		}
		snap := m.state.Load()
		inits := 0
		for _, init := range m.inits {
			if init.name != "" {
				inits++
			}
		}
		if len(snap.segments) > 60 || inits > 10 {
			t.Fatalf("%d segments and %d initializations are kept", len(snap.segments), inits)
		}
		if snap.media[mainRendition] == nil || n%101 != 0 {
			continue
		}
		checkMeaning(t, string(snap.media[mainRendition].text), meaning)
	}
	if len(meaning) < 500 {
		t.Errorf("only %d segments were seen", len(meaning))
	}
}

func checkMeaning(t *testing.T, list string, meaning map[string]string) {
	t.Helper()
	msn, dis := uint64(0), uint64(0)
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		_, _ = fmt.Sscanf(line, "#EXT-X-MEDIA-SEQUENCE:%d", &msn)
		_, _ = fmt.Sscanf(line, "#EXT-X-DISCONTINUITY-SEQUENCE:%d", &dis)
		if line == "#EXT-X-DISCONTINUITY" {
			dis++
		}
		if line != "" && line[0] != '#' {
			number, what := fmt.Sprint(msn), fmt.Sprint(line, " ", dis)
			if old, ok := meaning[number]; ok && old != what {
				t.Fatalf("segment %s was %s and is %s", number, old, what)
			}
			meaning[number] = what
			msn++
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/live/cam/stream.m3u8", "_HLS_msn=7&_HLS_part=1")
	f.Add("/live/cam/11223344_7.1.m4s", "")
	f.Add("/live/cam/../../x", "_HLS_msn=99999999999999999999")
	f.Add("//", "_HLS_skip=YES&_HLS_msn=-1")
	s, _, _ := live(f)
	s.config.FirstWait = time.Nanosecond
	f.Fuzz(func(t *testing.T, path, query string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is worth waiting for
		r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
		r.URL.Path, r.URL.RawQuery = path, query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 404, 503:
		default:
			t.Fatalf("status %d", w.Code)
		}
	})
}

func BenchmarkPublishPart(b *testing.B) {
	events := clipEvents(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		m := newMuxer(DefaultConfig(), "x", nil)
		for _, ev := range events {
			m.WriteEvent(ev)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/13, "ns/part")
}

func BenchmarkServePlaylist(b *testing.B) {
	s, _, _ := live(b)
	r := httptest.NewRequest(http.MethodGet, "/live/cam/stream.m3u8", nil)
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
}
