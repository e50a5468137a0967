package multicast

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/reliability"
)

// recorded is one line of testdata/viewer.txt: what a viewer of another
// implementation received and the maps that it sent (M) and got (m), with the
// time in milliseconds. Of a fragment (F) the head and the first bytes are
// there, and its length.
type recorded struct {
	at   reliability.Time
	kind byte
	b    []byte
}

func recording(t *testing.T) (lines []recorded) {
	t.Helper()
	text, err := os.ReadFile("testdata/viewer.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var ms, length int
		var kind, digits string
		n, _ := fmt.Sscan(line, &ms, &kind, &digits, &length)
		b, err := hex.DecodeString(digits)
		if n < 3 || err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		b = append(b, make([]byte, max(length-len(b), 0))...)
		lines = append(lines, recorded{at(ms), kind[0], b})
	}
	return lines
}

// Given the same fragments at the same times, our window tells of the same
// fragments as another implementation's did, but for those that it was about to
// forget; and the messages can be put together.
func TestWindowTellsWhatAnotherTold(t *testing.T) {
	w := NewWindow(DefaultWindowParams())
	r := fragmenter.NewReassembler(fragmenter.DefaultReassemblerParams(), w)
	r.Start(1)
	maps, equal, delivered := 0, 0, [reliability.ClassCount]int{}
	for _, l := range recording(t) {
		w.Expire(l.at)
		switch l.kind {
		case 'F':
			f, err := fragmenter.ParseFragment(l.b)
			if err != nil || !bytes.Equal(fragmenter.AppendFragment(nil, &f), l.b) {
				t.Fatalf("fragment %x: %v", l.b, err)
			}
			if w.Insert(l.at, f.ID, l.b, SourcePush) == Inserted {
				r.Insert(&f)
			}
		case 'm':
			m, err := wire.ParseMap(l.b)
			if err != nil {
				t.Fatalf("map %x: %v", l.b, err)
			}
			if w.Known() == 0 {
				w.Know(l.at, m.Oldest())
			}
			w.Know(l.at, m.Last)
		case 'M':
			maps++
			if ours := w.AppendMap(nil); bytes.Equal(ours, l.b) {
				equal++
			} else {
				compareMaps(t, ours, l.b)
			}
		}
		r.AbandonThrough(max(w.Live(), 1) - 1)
		for d, ok := r.PollMessage(nil); ok; d, ok = r.PollMessage(nil) {
			delivered[d.Class]++
		}
	}
	if maps != 89 || equal < 60 {
		t.Errorf("%d of %d maps are equal to the byte", equal, maps)
	}
	// 13 key frames, each after its configuration or that of sound.
	want := [reliability.ClassCount]int{reliability.ClassReference: 300, reliability.ClassKey: 13, reliability.ClassAudio: 541, reliability.ClassConfig: 18}
	if s := r.Stats(); delivered != want || s.Lost != [reliability.ClassCount]uint64{} || s.Orphans+s.Broken > 1 {
		t.Errorf("messages by class: %v, want %v; %+v", delivered, want, s)
	}
}

// compareMaps compares what both maps can tell of. The other side looked at
// the age of fragments every 75 ms only, in which up to ten came.
func compareMaps(t *testing.T, ours, theirs []byte) {
	t.Helper()
	mine, err := wire.ParseMap(ours)
	if err != nil {
		t.Fatal(err)
	}
	other, err := wire.ParseMap(theirs)
	if err != nil {
		t.Fatal(err)
	}
	for id := max(mine.Oldest(), other.Oldest()) + 16; id <= other.Last; id++ {
		if mine.Has(id) != other.Has(id) {
			t.Errorf("the map of %d says %v of %d, ours %v", other.Last, other.Has(id), id, mine.Has(id))
		}
	}
}
