package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDashboard opens the dashboard of a demo in headless Chromium, as wide as
// a desk and as narrow as a phone: the picture moves, the ring has its links,
// no other host is asked, whatever can be used has a name, and the keyboard
// comes to the streams first.
func TestDashboard(t *testing.T) {
	n := startNode(t, "demo", "--peers", "5")
	build, err := filepath.Abs(filepath.Join(moduleRoot, "build"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(build, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{1200, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "node", "dashboard.js", n.HTTP+"/", fmt.Sprint(width), filepath.Join(build, fmt.Sprintf("dashboard-%d.png", width)))
			cmd.Env = append(os.Environ(), "NODE_PATH="+browserModules(t))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("dashboard.js: %v", err)
			}
			var w struct {
				Requests, Console, Focus []string
				Failure                  string
				Seen                     struct {
					Summary, Ring, Rates, Share, Language string
					Neighbors, Links, TooWide, Live       int
					Nameless                              []string
				}
			}
			if err := json.Unmarshal(out, &w); err != nil {
				t.Fatalf("dashboard.js printed %.200q: %v", out, err)
			}
			s := &w.Seen
			if w.Failure != "" || len(w.Requests) != 1 || len(w.Console) > 0 {
				t.Fatalf("failure %q; it asked %v, want the node alone; console errors %v", w.Failure, w.Requests, w.Console)
			}
			if s.Summary != "1 of 1 stream on air" || s.Neighbors < 3 || s.Links == 0 || s.Ring == "" || s.Rates == "" || !strings.HasPrefix(s.Share, "ringcast play 'rtmfp://") {
				t.Errorf("it shows %+v", *s)
			}
			if s.TooWide > 0 || len(s.Nameless) > 0 || s.Live < 3 || s.Language != "en" {
				t.Errorf("%d pixels too wide, without a name %q, %d places tell news, language %q", s.TooWide, s.Nameless, s.Live, s.Language)
			}
			if len(w.Focus) < 2 || w.Focus[0] != "a To the streams" {
				t.Errorf("the keyboard comes to %q", w.Focus)
			}
			t.Logf("focus: %q; ring: %s; rates: %s", w.Focus, s.Ring, s.Rates)
		})
	}
}
