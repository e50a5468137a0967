package e2e

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

// TestNodesServeTheSameBytes publishes on one node and plays on another, which
// joins later, over the network between them. Their playlists name the same
// files, and the files are the same to the byte.
func TestNodesServeTheSameBytes(t *testing.T) {
	first := startNodeArgs(t, "publish", "--source", "test:", "--loop", "--stream", "live/clip", "--json",
		"--rtmp-listen", "", "--rtmfp-listen", "127.0.0.1:0", "--rtsp-listen", "", "--http-listen", "127.0.0.1:0")
	time.Sleep(3 * time.Second) // the other one joins in mid-stream
	second := startNodeArgs(t, "play", first.Link, "--json", "--rtmfp-listen", "127.0.0.1:0", "--rtsp-listen", "", "--http-listen", "127.0.0.1:0")
	names := func(n *node) []string {
		_, list := get(t, n.HTTP+"/live/clip/stream.m3u8")
		return regexp.MustCompile(`(?m)^\S+\.m4s$`).FindAllString(string(list), -1)
	}
	var shared []string
	eventually(t, 60*time.Second, "four segments that both have", func() bool {
		theirs := map[string]bool{}
		for i, name := range names(second) {
			theirs[name] = i > 0 // all but the one that it joined in
		}
		shared = nil
		for _, name := range names(first) {
			if theirs[name] {
				shared = append(shared, name)
			}
		}
		return len(shared) >= 4
	})
	for _, name := range shared {
		_, a := get(t, first.HTTP+"/live/clip/"+name)
		_, b := get(t, second.HTTP+"/live/clip/"+name)
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s has %d bytes on one node and %d on the other, or they differ", name, len(a), len(b))
		}
	}
}
