package file

import (
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// readAll returns the samples of a file.
func readAll(t *testing.T, name string) (tracks []packager.Track, samples []packager.Sample) {
	t.Helper()
	s, err := New(name, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		ev, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return tracks, samples
		case err != nil:
			t.Fatal(err)
		case ev.Kind == packager.EventTracks:
			tracks = ev.Tracks
		case ev.Sample.Track != packager.TrackData:
			samples = append(samples, ev.Sample)
		}
	}
}

// Files of all containers hold the same samples at the same times, up to the
// containers' own offsets and a millisecond.
func TestContainersHoldTheSame(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "a.flv")
	if err := os.WriteFile(source, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	_, want := readAll(t, source)
	for _, name := range []string{"a.mp4", "a.ts"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			if out, err := exec.Command("ffmpeg", "-v", "error", "-i", source, "-c", "copy", file).CombinedOutput(); err != nil {
				t.Fatalf("ffmpeg: %v\n%s", err, out)
			}
			tracks, got := readAll(t, file)
			if len(tracks) != 2 {
				t.Fatalf("%d tracks", len(tracks))
			}
			for _, id := range []packager.TrackID{packager.TrackVideo, packager.TrackAudio} {
				compareTrack(t, id, want, got)
			}
		})
	}
}

func compareTrack(t *testing.T, id packager.TrackID, want, got []packager.Sample) {
	t.Helper()
	only := func(all []packager.Sample) (list []packager.Sample) {
		for _, s := range all {
			if s.Track == id {
				list = append(list, s)
			}
		}
		return list
	}
	w, g := only(want), only(got)
	if len(w) != len(g) || len(w) == 0 {
		t.Fatalf("%v: %d samples, want %d", id, len(g), len(w))
	}
	offset := g[0].DTS - w[0].DTS
	worst := 0.0
	for i := range w {
		worst = max(worst, math.Abs(float64(g[i].DTS-w[i].DTS-offset)), math.Abs(float64(g[i].PTS-w[i].PTS-offset)))
		if g[i].Key != w[i].Key {
			t.Fatalf("%v sample %d: key is %v", id, i, g[i].Key)
		}
	}
	if worst > float64(2*time.Millisecond) {
		t.Errorf("%v: times differ by up to %v", id, time.Duration(worst))
	}
	t.Logf("%v: %d samples, worst difference %v", id, len(w), time.Duration(worst))
}

func TestBrokenContainers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.mp4", "a.ts"} {
		for _, content := range []string{"", "garbage that is no container at all", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\xff\xff\xff\xffmoov"} {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := New(file, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context(), refusing{}); err == nil {
				t.Errorf("%s with %.10q plays", name, content)
			}
		}
	}
}

// refusing is a sink that takes nothing.
type refusing struct{}

func (refusing) SetTracks([]packager.Track) error  { return io.ErrClosedPipe }
func (refusing) WriteSample(packager.Sample) error { return io.ErrClosedPipe }
