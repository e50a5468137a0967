package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// from asks a node that listens beyond loopback, as a client at that address.
func from(t *testing.T, s *Server, remote, host, target string, header ...string) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://"+host+target, nil)
	r.RemoteAddr = remote
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler(false).ServeHTTP(w, r)
	return w.Code
}

// TestAccess: the dashboard, the API and metrics are for the networks of
// http.admin, and not for whoever stands behind a proxy; media are for all.
func TestAccess(t *testing.T) {
	access, err := ParseAccess([]string{"private", "198.51.100.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Access: &access, Metrics: func() []Metric { return nil }, Backend: fixed{}, HLS: echo("hls"), FLV: echo("flv")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		remote string
		header []string
		status int
	}{
		{"127.0.0.1:1000", nil, http.StatusOK},
		{"192.168.1.7:1000", nil, http.StatusOK},
		{"[fe80::1%eth0]:1000", nil, http.StatusOK},
		{"[::ffff:10.1.2.3]:1000", nil, http.StatusOK},
		{"198.51.100.9:1000", nil, http.StatusOK},
		{"203.0.113.9:1000", nil, http.StatusForbidden},
		{"[2001:db8::1]:1000", nil, http.StatusForbidden},
		{"127.0.0.1:1000", []string{"X-Forwarded-For", "203.0.113.9"}, http.StatusForbidden},
		{"127.0.0.1:1000", []string{"Forwarded", "for=127.0.0.1"}, http.StatusForbidden},
		{"", nil, http.StatusForbidden},
	} {
		for _, target := range []string{"/", "/api/v1/streams", "/metrics"} {
			if got := from(t, s, tt.remote, "10.0.0.1:8080", target, tt.header...); got != tt.status {
				t.Errorf("%s of %q with %v: %d, want %d", target, tt.remote, tt.header, got, tt.status)
			}
		}
		if got := from(t, s, tt.remote, "10.0.0.1:8080", "/live/cam/index.m3u8", tt.header...); got != http.StatusOK {
			t.Errorf("media for %q: %d", tt.remote, got)
		}
	}
	// A name that a stranger may own leads to media and metrics alone.
	for target, want := range map[string]int{"/api/v1/streams": http.StatusMisdirectedRequest, "/": http.StatusMisdirectedRequest, "/live/cam/index.m3u8": http.StatusOK} {
		if got := from(t, s, "192.168.1.7:1000", "rebound.example", target); got != want {
			t.Errorf("%s by a strange name: %d, want %d", target, got, want)
		}
	}
}

// TestPprof: profiles are off, and for this machine under its own name when
// they are on.
func TestPprof(t *testing.T) {
	for _, tt := range []struct {
		on           bool
		remote, host string
		header       []string
		path         string
		status       int
	}{
		{false, "127.0.0.1:1", "127.0.0.1", nil, "", http.StatusNotFound},
		{true, "127.0.0.1:1", "127.0.0.1", nil, "", http.StatusOK},
		{true, "127.0.0.1:1", "127.0.0.1", nil, "cmdline", http.StatusNotFound},
		{true, "192.168.1.7:1", "192.168.1.2", nil, "", http.StatusNotFound},
		{true, "127.0.0.1:1", "127.0.0.1", []string{"X-Forwarded-For", "::1"}, "", http.StatusNotFound},
		{true, "127.0.0.1:1", "rebound.example", nil, "", http.StatusNotFound},
	} {
		s, err := New(Config{Pprof: tt.on, Backend: fixed{}}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := from(t, s, tt.remote, tt.host, "/debug/pprof/"+tt.path, tt.header...); got != tt.status {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

// TestPagePolicy: pages load nothing from elsewhere, and nobody frames the
// dashboard; the player may stand in other pages.
func TestPagePolicy(t *testing.T) {
	s := newServer(t, fixed{})
	for target, framed := range map[string]bool{"/": false, "/live/cam/": true} {
		policy := serve(s, http.MethodGet, target).Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "connect-src 'self'") ||
			strings.Contains(policy, "frame-ancestors 'none'") == framed {
			t.Errorf("%s: policy %q", target, policy)
		}
	}
}
