package main

import (
	"strings"
	"testing"
)

// TestHealth: a node that plays is ready; one that waits for its stream is only
// well; where nobody answers the status is 1.
func TestHealth(t *testing.T) {
	demo := startProgram(t, "demo", "--peers", "1")
	waitFor(t, "the stream", func() bool { return demo.hasStream("live/demo", "live") })
	waiting := startProgram(t, "play", "rtmfp://127.0.0.1:9/live/x#"+passwordGroup(t))
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"health", "--node", demo.ready.HTTP}, exitOK, "ok"},
		{[]string{"health", "--ready", "--node", demo.ready.HTTP + "/"}, exitOK, "ready"},
		{[]string{"health", "--node", waiting.ready.HTTP}, exitOK, "ok"},
		{[]string{"health", "--ready", "--node", waiting.ready.HTTP}, exitFailure, "has not come yet"},
		{[]string{"health", "--node", "http://127.0.0.1:9"}, exitFailure, "refused"},
		{[]string{"health", "--node", "://"}, exitUsage, "missing protocol scheme"},
	} {
		status, stdout, stderr := finish(t, nil, tt.args...)
		if status != tt.status || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%q: status %d, %q, want %d with %q", tt.args, status, stdout+stderr, tt.status, tt.want)
		}
	}
}
