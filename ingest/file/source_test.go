package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// recorder is a sink that notes what came and when.
type recorder struct {
	start   time.Time
	tracks  []packager.Track
	changes int
	samples []packager.Sample
	at      []time.Duration
	failAt  int // the sample at which the stream is taken away, 0 for never
}

var errTaken = errors.New("taken")

func (r *recorder) SetTracks(tracks []packager.Track) error {
	r.tracks = tracks
	r.changes++
	return nil
}

func (r *recorder) WriteSample(s packager.Sample) error {
	r.samples = append(r.samples, s)
	r.at = append(r.at, time.Since(r.start))
	if r.failAt > 0 && len(r.samples) >= r.failAt {
		return errTaken
	}
	return nil
}

// play runs a source for a virtual time and returns what it delivered.
func play(t *testing.T, s *Source, within time.Duration) (*recorder, error) {
	t.Helper()
	var r *recorder
	var err error
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		r = &recorder{start: time.Now()}
		err = s.Run(ctx, r)
	})
	return r, err
}

// The clip has 400 pictures and 750 AAC units in 16 s, and loops without a
// seam: every step from one sample of a track to the next is that of the
// track, also from the last to the first.
func TestClipLoopsWithoutASeam(t *testing.T) {
	r, err := play(t, Clip(), 50*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.tracks) != 2 || r.changes < 1 {
		t.Fatalf("tracks: %+v", r.tracks)
	}
	var last [3]time.Duration
	var count [3]int
	keys := 0
	step := [3]time.Duration{0, 40 * time.Millisecond, 1024 * time.Second / 48000}
	for i, s := range r.samples {
		if count[s.Track] > 0 {
			if got := s.DTS - last[s.Track]; (got - step[s.Track]).Abs() > time.Millisecond {
				t.Fatalf("%v sample %d comes %v after the one before, want %v", s.Track, count[s.Track], got, step[s.Track])
			}
		}
		last[s.Track] = s.DTS
		count[s.Track]++
		if s.Track == packager.TrackVideo && s.Key {
			keys++
		}
		if late := r.at[i] - s.DTS; late < 0 || late > time.Second {
			t.Fatalf("sample with DTS %v came at %v", s.DTS, r.at[i])
		}
	}
	if count[1] < 1249 || count[1] > 1251 || keys < 50 || keys > 51 || count[2] < 2343 || count[2] > 2345 {
		t.Errorf("50 s have %d pictures, %d of them key frames, and %d audio units", count[1], keys, count[2])
	}
}

func TestFileEndsOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clip.flv")
	if err := os.WriteFile(name, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(name, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := play(t, s, time.Hour)
	if err != nil || len(r.samples) != 1150 {
		t.Errorf("Run = %v after %d samples, want nil after 1150", err, len(r.samples))
	}
	if last := r.at[len(r.at)-1]; last < 15900*time.Millisecond || last > 16*time.Second {
		t.Errorf("the last sample came after %v, want 16 s", last)
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name    string
		content []byte
		samples int // at least
		fails   bool
	}{
		{"empty.flv", nil, 0, true},
		{"text.flv", []byte("this is no video at all, but long enough"), 0, true},
		{"header.flv", clip[:13], 0, true},
		{"cut.flv", clip[:len(clip)/2], 400, false},
	}
	for _, tt := range tests {
		name := filepath.Join(dir, tt.name)
		if err := os.WriteFile(name, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := New(name, tt.fails)
		if err != nil {
			t.Fatal(err)
		}
		r, err := play(t, s, time.Minute)
		if (err != nil) != tt.fails || len(r.samples) < tt.samples {
			t.Errorf("%s: %v after %d samples", tt.name, err, len(r.samples))
		}
	}
	missing, err := New(filepath.Join(dir, "none.flv"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := play(t, missing, time.Minute); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := New("x.avi", false); err == nil {
		t.Error("a file of another kind is accepted")
	}
}

// A source whose stream is taken away stops with that error.
func TestTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{start: time.Now(), failAt: 100}
		if err := Clip().Run(t.Context(), r); !errors.Is(err, errTaken) || len(r.samples) != 100 {
			t.Errorf("Run = %v after %d samples", err, len(r.samples))
		}
	})
}
