package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringcast/ringcast/playout/web"
)

// get fetches a path of the node and returns the status and the body.
func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(r.ready.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// state returns the state that the API gives of a stream, empty if it does not
// know the stream.
func (r *running) state(t *testing.T, stream string) string {
	t.Helper()
	_, body := r.get(t, "/api/v1/streams")
	var list struct{ Items []web.StreamStatus }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %q", err, body)
	}
	for _, s := range list.Items {
		if s.Name == stream {
			return s.State
		}
	}
	return ""
}

// kill ends the program as a crash does.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}

// A publisher that crashes leaves its viewers with a stream that has stalled,
// and they say so; once it is back under its address, they play again.
func TestPublisherCrashes(t *testing.T) {
	dir := t.TempDir()
	args := []string{
		"publish", "--source", "test:", "--loop", "--stream", "live/show", "--group-unique=false",
		"--rtmfp-identity", filepath.Join(dir, "key"), "--json", "--rtmp-listen", "", "--rtsp-listen", "", "--http-listen", "127.0.0.1:0",
	}
	pub := startExactly(t, nil, append(args, "--rtmfp-listen", "127.0.0.1:0")...)
	viewer := startProgram(t, "play", "--rtmp-listen", "", "--ingest-stall-after", "1s", pub.ready.Link)
	waitFor(t, "the stream plays", func() bool { return viewer.state(t, "live/show") == "live" })
	if status, body := viewer.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d, %s while the stream plays", status, body)
	}
	pub.kill()
	waitFor(t, "the stream stalls", func() bool { return viewer.state(t, "live/show") == "stalled" })
	if status, body := viewer.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d, %s when the stream has stalled", status, body)
	}
	// The publisher is the introducer too, which viewers come back to within half
	// a minute: its pings must remain unanswered for a while.
	startExactly(t, nil, append(args, "--rtmfp-listen", pub.ready.RTMFP)...)
	waitLong(t, 35*time.Second, "the stream plays again", func() bool { return viewer.state(t, "live/show") == "live" })
}
