package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fixed is a Backend whose answers do not change.
type fixed struct {
	streams []StreamStatus
	reason  string
}

func (f fixed) Node() NodeStatus {
	return NodeStatus{Version: `v1 "x"`, Started: time.Now().Add(-time.Minute), Listeners: map[string]string{"http": "127.0.0.1:1"}}
}
func (f fixed) Streams() []StreamStatus { return f.streams }
func (f fixed) Ready() (bool, string)   { return f.reason == "", f.reason }

// echo answers with its name and the path that reached it.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "missing") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%s %s", name, r.URL.RequestURI())
	})
}

func newServer(t *testing.T, b Backend) *Server {
	t.Helper()
	s, err := New(Config{Hosts: []string{"node.example"}, Metrics: func() []Metric { return nil }, Backend: b, HLS: echo("hls"), FLV: echo("flv")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serve(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler(true).ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	s := newServer(t, fixed{})
	tests := []struct {
		target string
		status int
		want   string // part of the body, or the Location of a redirect
	}{
		{"/", 200, "dashboard.js"},
		{"/live/cam/", 200, "player.js"},
		{"/live/cam", 302, "/live/cam/"},
		{"/cam/", 302, "/live/cam/"},
		{"/cam", 302, "/live/cam/"},
		{"/a/b/c/", 200, "player.js"},
		{"/live/cam/index.m3u8", 200, "hls /live/cam/index.m3u8"},
		{"/live/cam/index.m3u8?_HLS_msn=5&_HLS_part=1", 200, "hls /live/cam/index.m3u8?_HLS_msn=5&_HLS_part=1"},
		{"/live/cam/7f3a_12.3.m4s", 200, "hls /live/cam/7f3a_12.3.m4s"},
		{"/live/cam/seg.ts", 200, "hls /live/cam/seg.ts"},
		{"/live/cam/init.mp4", 200, "hls /live/cam/init.mp4"},
		{"/live/missing/index.m3u8", 404, ""},
		{"/cam/index.m3u8?a=1", 200, "hls /live/cam/index.m3u8?a=1"},
		{"/cam/7f3a_12.3.m4s", 200, "hls /live/cam/7f3a_12.3.m4s"},
		{"/live/cam.m3u8?k=v", 302, "/live/cam/index.m3u8?k=v"},
		{"/cam.m3u8", 302, "/live/cam/index.m3u8"},
		{"/live/cam.flv", 200, "flv /live/cam.flv"},
		{"/cam.flv", 200, "flv /live/cam.flv"},
		{"/live/%2e%2e/cam/index.m3u8", 404, ""},
		{"/live/..%2f..%2fetc/passwd.ts", 404, ""},
		{"/live/a%00b/index.m3u8", 404, ""},
		{"/live/" + strings.Repeat("a", 300) + "/index.m3u8", 404, ""},
		{"/live/x.php", 404, ""},
		{"/assets/player.js", 200, "hls.js"},
		{"/assets/player.html", 404, ""},
		{"/assets/../doc.go", 404, ""},
		{"/api/v1/nothing", 404, "openapi"},
		{"/healthz", 200, "ok"},
		{"/readyz", 200, "ready"},
		{"/favicon.ico", 200, "<svg"},
	}
	for _, tt := range tests {
		w := serve(s, http.MethodGet, tt.target)
		got := w.Body.String()
		if w.Code == http.StatusFound {
			got = w.Header().Get("Location")
		}
		if w.Code != tt.status || !strings.Contains(got, tt.want) || (w.Code == 302 && got != tt.want) {
			t.Errorf("GET %s = %d %.80q, want %d with %q", tt.target, w.Code, got, tt.status, tt.want)
		}
	}
}

// HEAD answers as GET does, without the body, over a real connection.
func TestHeadEqualsGet(t *testing.T) {
	server := httptest.NewServer(newServer(t, fixed{}).Handler(true))
	defer server.Close()
	for _, target := range []string{"/", "/live/cam/", "/live/cam/index.m3u8", "/live/cam.flv", "/api/v1/node", "/metrics", "/healthz", "/live/missing/index.m3u8"} {
		get, err := http.Get(server.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		_ = get.Body.Close()
		head, err := http.Head(server.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		_ = head.Body.Close()
		if get.StatusCode != head.StatusCode || get.Header.Get("Content-Type") != head.Header.Get("Content-Type") {
			t.Errorf("HEAD %s = %d %s, GET says %d %s", target, head.StatusCode, head.Header.Get("Content-Type"), get.StatusCode, get.Header.Get("Content-Type"))
		}
	}
}

func TestHostCheck(t *testing.T) {
	s := newServer(t, fixed{})
	tests := map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1": true, "localhost:8080": true, "LocalHost": true, "[::1]:8080": true, "127.8.8.8": true,
		"node.example:8080": true, "demo.localhost": true,
		"evil.example": false, "192.0.2.1:8080": false, "": false, "localhost.evil.example": false, "127.0.0.1.evil.example:80": false,
	}
	for host, ok := range tests {
		w := serve(s, http.MethodGet, "/healthz", "Host", host)
		if (w.Code == http.StatusOK) != ok {
			t.Errorf("Host %q gives %d, allowed should be %v", host, w.Code, ok)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://evil.example/healthz", nil)
	s.Handler(false).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("without the check Host is refused with %d", w.Code)
	}
}

func TestCORS(t *testing.T) {
	s := newServer(t, fixed{})
	for _, target := range []string{"/live/cam/index.m3u8", "/live/missing/index.m3u8", "/live/cam.flv"} {
		if got := serve(s, http.MethodGet, target).Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("GET %s: Access-Control-Allow-Origin = %q, want *", target, got)
		}
	}
	w := serve(s, http.MethodOptions, "/live/cam/index.m3u8", "Access-Control-Request-Private-Network", "true")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Private-Network") != "true" || w.Header().Get("Access-Control-Allow-Headers") != "Range" {
		t.Errorf("OPTIONS = %d %v", w.Code, w.Header())
	}
	if got := serve(s, http.MethodGet, "/api/v1/node").Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("the API allows foreign pages: %q", got)
	}
	if w := serve(s, http.MethodPost, "/live/cam/index.m3u8"); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST = %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func manyStreams(n int) []StreamStatus {
	all := make([]StreamStatus, n)
	for i := range all {
		all[i] = StreamStatus{Name: fmt.Sprintf("live/%04d", i), State: "live", ReceivedBytes: uint64(i), Viewers: map[string]int{"hls": 2, "rtsp": 1}}
	}
	return all
}

func TestStreamsArePaged(t *testing.T) {
	s := newServer(t, fixed{streams: manyStreams(250)})
	tests := []struct {
		query        string
		status, len  int
		first, pages string
	}{
		{"", 200, 100, "live/0000", "3"},
		{"?page=2", 200, 50, "live/0200", "3"},
		{"?page=9", 200, 0, "", "3"},
		{"?itemsPerPage=1000", 200, 250, "live/0000", "1"},
		{"?itemsPerPage=0", 400, 0, "", ""},
		{"?itemsPerPage=1001", 400, 0, "", ""},
		{"?page=-1", 400, 0, "", ""},
		{"?page=x", 400, 0, "", ""},
		{"?page=1073741824&itemsPerPage=1000", 200, 0, "", "1"},
	}
	for _, tt := range tests {
		w := serve(s, http.MethodGet, "/api/v1/streams"+tt.query)
		var page listPage[StreamStatus]
		if w.Code != tt.status {
			t.Errorf("%q: status %d, want %d", tt.query, w.Code, tt.status)
			continue
		}
		if tt.status != 200 {
			continue
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Items) != tt.len || fmt.Sprint(page.PageCount) != tt.pages || page.ItemCount != 250 || (tt.len > 0 && page.Items[0].Name != tt.first) {
			t.Errorf("%q: %d items of %d, %d pages", tt.query, len(page.Items), page.ItemCount, page.PageCount)
		}
	}
	if w := serve(s, http.MethodGet, "/api/v1/streams/live/0007"); w.Code != 200 || !strings.Contains(w.Body.String(), `"receivedBytes":7`) {
		t.Errorf("one stream: %d %s", w.Code, w.Body)
	}
	if w := serve(s, http.MethodGet, "/api/v1/streams/live/x"); w.Code != 404 {
		t.Errorf("unknown stream: %d", w.Code)
	}
}

func TestReadyTellsWhyNot(t *testing.T) {
	w := serve(newServer(t, fixed{reason: "live/cam is not on air"}), http.MethodGet, "/readyz")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "live/cam is not on air") {
		t.Errorf("readyz = %d %s", w.Code, w.Body)
	}
}

// Metrics are written as Prometheus reads them: each is described once, its
// samples follow, and values of labels are escaped.
func TestAppendMetrics(t *testing.T) {
	got := string(AppendMetrics(nil, []Metric{
		{Name: "a_total", Kind: "counter", Help: "Things.", Samples: []MetricSample{{Value: 3}}},
		{Name: "b_seconds", Kind: "gauge", Help: "Time.", Labels: []string{"stream", "kind"}, Samples: []MetricSample{
			{Value: 0.25, Labels: []string{"live/\"quote\"\\\n", "x"}}, {Value: 1e12, Labels: []string{"", "y"}},
		}},
		{Name: "c", Kind: "gauge", Help: "None."},
	}))
	want := `# HELP a_total Things.
# TYPE a_total counter
a_total 3
# HELP b_seconds Time.
# TYPE b_seconds gauge
b_seconds{stream="live/\"quote\"\\\n",kind="x"} 0.25
b_seconds{stream="",kind="y"} 1e+12
# HELP c None.
# TYPE c gauge
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// No page, script or style names another host, so the node works offline.
func TestPagesAskNoOtherHost(t *testing.T) {
	s := newServer(t, fixed{})
	foreign := regexp.MustCompile(`(src|href|url|fetch|import)\s*[=(]\s*["']?(https?:)?//`)
	for name, a := range s.assets {
		if name == hlsScript {
			continue
		}
		if found := foreign.Find(a.body); found != nil {
			t.Errorf("%s asks another host: %s", name, found)
		}
	}
	csp := serve(s, http.MethodGet, "/live/cam/").Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "http") {
		t.Errorf("the player page's policy lets it ask others: %s", csp)
	}
}

// Run ends when its context does, after requests in flight were answered.
func TestRunStops(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "done")
	})
	s, err := New(Config{Backend: fixed{}, HLS: slow}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, 5*time.Second, l) }()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String() + "/live/x/index.m3u8")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-entered
	cancel()
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func FuzzClassify(f *testing.F) {
	for _, seed := range []string{"/live/cam/", "/live/cam.flv", "/a.m3u8", "/live/../x.ts", "//", "/live/cam/index.m3u8", "/\xff.ts"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !strings.HasPrefix(p, "/") {
			return
		}
		kind, target := classify(p)
		if kind == mediaNone {
			return
		}
		if strings.Contains(target, "/../") || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
			t.Fatalf("classify(%q) leads to %q", p, target)
		}
		// An alias leads to something that is none, so that there is no loop.
		if next, _ := classify(target); kind == mediaMoved && next == mediaMoved {
			t.Fatalf("classify(%q) leads to %q, which moves again", p, target)
		}
	})
}

// A status that cannot be written as JSON is an error, not an empty answer.
func TestUnwritableStatus(t *testing.T) {
	s := newServer(t, fixed{streams: []StreamStatus{{Name: "live/cam", Multicast: &MulticastStatus{WindowFill: math.NaN()}}}})
	if w := serve(s, http.MethodGet, "/api/v1/streams"); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "NaN") {
		t.Errorf("answer %d, %q", w.Code, w.Body)
	}
}
