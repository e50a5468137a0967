package reliability_test

import (
	"testing"

	"github.com/ringcast/ringcast/reliability"
)

// gop is a group of pictures of 2 s with sound, as class and size; every other
// frame is disposable if wanted.
func gop(disposable bool) (list []struct {
	class reliability.Class
	size  int
},
) {
	add := func(class reliability.Class, size int) {
		list = append(list, struct {
			class reliability.Class
			size  int
		}{class, size})
	}
	for frame := range 50 {
		switch {
		case frame == 0:
			add(reliability.ClassKey, 28_000)
		case disposable && frame%2 == 1:
			add(reliability.ClassDisposable, 4200)
		default:
			add(reliability.ClassReference, 4200)
		}
		for range 2 - frame%2 {
			add(reliability.ClassAudio, 186)
		}
	}
	return list
}

// What is left out comes to the share, takes disposable frames first, breaks no
// chain, and never touches sound and key frames.
func TestThinner(t *testing.T) {
	for _, c := range []struct {
		share      float64
		disposable bool
		// tail tells that disposable frames alone are not enough.
		tail bool
	}{
		{1, true, false},
		{0.95, true, false},
		{0.7, true, false},
		{0.4, true, true},
		{0.8, false, true},
	} {
		var thin reliability.Thinner
		thin.SetShare(c.share)
		all, kept, lost, broken := 0, 0, 0, false
		for range 20 {
			ended := false
			for _, m := range gop(c.disposable) {
				all += m.size
				keep := thin.Keep(m.class, m.size)
				if keep {
					kept += m.size
				}
				switch {
				case keep && ended && (m.class == reliability.ClassReference || m.class == reliability.ClassDisposable):
					broken = true
				case !keep && m.class == reliability.ClassReference:
					ended = true
					lost++
				case !keep && m.class != reliability.ClassDisposable:
					t.Errorf("share %v: a message of class %v is left out", c.share, m.class)
				}
			}
		}
		if broken {
			t.Errorf("share %v: a frame is kept though one it needs is not", c.share)
		}
		if c.tail != (lost > 0) {
			t.Errorf("share %v, disposable frames %v: %d reference frames left out", c.share, c.disposable, lost)
		}
		// The first group's length is not known, so its tail stays.
		if got := float64(kept) / float64(all); got < c.share-0.03 || got > c.share+0.03 {
			t.Errorf("share %v, disposable frames %v: %.3f kept", c.share, c.disposable, got)
		}
	}
}

// A share that cannot be reached leaves sound and key frames, and full measure
// is there again with the next group once the share is 1.
func TestThinnerAtItsEnd(t *testing.T) {
	var thin reliability.Thinner
	thin.SetShare(0.05)
	for range 3 {
		for _, m := range gop(true) {
			thin.Keep(m.class, m.size)
		}
	}
	for _, m := range gop(true) {
		if keep := thin.Keep(m.class, m.size); keep != (m.class == reliability.ClassKey || m.class == reliability.ClassAudio) {
			t.Fatalf("class %v: kept %v", m.class, keep)
		}
	}
	thin.SetShare(1)
	for _, m := range gop(true) {
		if !thin.Keep(m.class, m.size) {
			t.Fatalf("class %v is left out of the whole stream", m.class)
		}
	}
	if got := thin.Share(); got != 1 {
		t.Errorf("share %v, want 1", got)
	}
}
