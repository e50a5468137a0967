package hls

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestViewersAreCounted: a browser that asks over six connections is one
// viewer, three at one address are three though one of them lags, players that
// do not wait count by their connections, and who is gone is forgotten.
func TestViewersAreCounted(t *testing.T) {
	start := time.Unix(1e9, 0)
	ask := func(v *viewerCount, at time.Time, remote, agent string, d directives) {
		v.note(&http.Request{RemoteAddr: remote, Header: http.Header{"User-Agent": {agent}}}, 0, d, at)
	}
	for _, tt := range []struct {
		name string
		run  func(*viewerCount) (end time.Time)
		want int
	}{
		{"a browser", func(v *viewerCount) time.Time {
			ask(v, start, "192.0.2.1:1000", "browser", directives{part: -1})
			for i := range 200 {
				ask(v, start.Add(time.Duration(i)*200*time.Millisecond), fmt.Sprint("192.0.2.1:", 1000+i%6), "browser", directives{true, uint64(i / 10), i % 10})
			}
			return start.Add(40 * time.Second)
		}, 1},
		{"three at one address", func(v *viewerCount) time.Time {
			for i := range 200 {
				at := start.Add(time.Duration(i) * 200 * time.Millisecond)
				for viewer := range 3 {
					n := max(i-viewer, 0)
					ask(v, at, fmt.Sprint("192.0.2.1:", 1000+i%6), "browser", directives{true, uint64(n / 10), n % 10})
				}
			}
			return start.Add(40 * time.Second)
		}, 3},
		{"two that poll, and another program", func(v *viewerCount) time.Time {
			for i := range 5 {
				at := start.Add(time.Duration(i) * 2 * time.Second)
				ask(v, at, "192.0.2.1:1", "vlc", directives{part: -1})
				ask(v, at, "192.0.2.1:2", "vlc", directives{part: -1})
				ask(v, at, "192.0.2.1:3", "mpv", directives{part: -1})
			}
			return start.Add(10 * time.Second)
		}, 3},
		{"gone", func(v *viewerCount) time.Time {
			ask(v, start, "192.0.2.1:1", "vlc", directives{part: -1})
			ask(v, start, "192.0.2.2:1", "browser", directives{true, 1, 1})
			return start.Add(viewerExpiry + time.Second)
		}, 0},
		{"two of three leave", func(v *viewerCount) time.Time {
			for i := range 300 {
				at := start.Add(time.Duration(i) * 200 * time.Millisecond)
				for viewer := range 3 {
					if viewer == 0 || i < 100 {
						ask(v, at, "192.0.2.1:9", "browser", directives{true, uint64(i / 10), i % 10})
					}
				}
			}
			return start.Add(60 * time.Second)
		}, 1},
		{"a long name", func(v *viewerCount) time.Time {
			for range 2 {
				ask(v, start, "192.0.2.1:1", strings.Repeat("x", 1<<14), directives{part: -1})
			}
			for name := range v.clients {
				if len(name) > 300 {
					t.Errorf("%d bytes of a name are remembered", len(name))
				}
			}
			v.tell(&http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"User-Agent": {strings.Repeat("x", 1<<14)}}})
			if left := v.untold(start); left != 0 {
				t.Errorf("%d viewers are untold, want none", left)
			}
			return start.Add(time.Second)
		}, 1},
		{"a flood", func(v *viewerCount) time.Time {
			for i := range 2 * maxViewers {
				ask(v, start, fmt.Sprintf("[2001:db8::%x]:1", i), "x", directives{part: -1})
			}
			if v.held > maxViewers {
				t.Errorf("%d are remembered, want %d at most", v.held, maxViewers)
			}
			return start.Add(viewerExpiry + time.Second)
		}, 0},
	} {
		var v viewerCount
		end := tt.run(&v)
		if got := v.count(end); got != tt.want {
			t.Errorf("%s: %d viewers, want %d", tt.name, got, tt.want)
		}
		if tt.want == 0 && v.held != 0 {
			t.Errorf("%s: %d are still counted as remembered", tt.name, v.held)
		}
	}
}
