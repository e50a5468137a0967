package e2e

import (
	"testing"

	"github.com/ringcast/ringcast/internal/hlscheck"
)

// TestHLSRules reloads the playlist of a live stream 200 times and holds it,
// and every segment and part, against the rules of HLS and low-latency HLS.
func TestHLSRules(t *testing.T) {
	t.Run("low latency", func(t *testing.T) {
		t.Parallel()
		n := startNode(t, "demo", "--peers", "0", "--hls-target-duration", "2s")
		r := checkRules(t, n.Streams[0].HLS, 200)
		if r.Parts < 150 || r.Segments < 10 || r.Deltas < 5 {
			t.Errorf("looked only at %d parts, %d segments and %d delta updates", r.Parts, r.Segments, r.Deltas)
		}
	})
	t.Run("separate audio", func(t *testing.T) {
		t.Parallel()
		n := startNode(t, "demo", "--peers", "0", "--hls-separate-audio")
		r := checkRules(t, n.Streams[0].HLS, 80)
		if r.Parts < 120 || r.Segments < 8 || r.Deltas < 2 {
			t.Errorf("looked only at %d parts, %d segments and %d delta updates", r.Parts, r.Segments, r.Deltas)
		}
	})
	t.Run("mpegts", func(t *testing.T) {
		t.Parallel()
		n := startNode(t, "demo", "--peers", "0", "--hls-variant", "mpegts")
		if r := checkRules(t, n.Streams[0].HLS, 15); r.Segments < 8 {
			t.Errorf("looked only at %d segments", r.Segments)
		}
	})
}

func checkRules(t *testing.T, index string, reloads int) *hlscheck.Report {
	t.Helper()
	r, err := hlscheck.Run(t.Context(), index, reloads)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	t.Logf("%d reloads, %d segments, %d parts, %d delta updates, %d problems", r.Reloads, r.Segments, r.Parts, r.Deltas, len(r.Problems))
	return r
}
