package fragmenter

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// shelf is the plainest Store.
type shelf map[ID][]byte

func (s shelf) Fragment(id ID) ([]byte, bool) {
	b, ok := s[id]
	return b, ok
}

// bench is a reassembler with a store, and writes down what it hands over.
type bench struct {
	*Reassembler
	t     testing.TB
	store shelf
	sent  map[ID]Fragment
	next  ID
}

func newBench(t testing.TB, order Order) *bench {
	b := &bench{t: t, store: shelf{}, sent: map[ID]Fragment{}, next: 1}
	p := DefaultReassemblerParams()
	p.Order = order
	b.Reassembler = NewReassembler(p, b.store)
	return b
}

// send makes a message of fragments that hold one byte each; it is of the
// class that the letter stands for: key, reference, disposable, audio, data,
// config.
func (b *bench) send(class byte, fragments int) ID {
	head := map[byte]struct {
		kind packager.MessageType
		body string
	}{
		'k': {9, "1701"}, 'r': {9, "2701"}, 'd': {9, "3701"}, 'a': {8, "af01"}, 't': {18, "05"}, 'c': {18, "020011" + fmt.Sprintf("%x", packager.CatalogName)},
	}[class]
	first := b.next
	for i := range fragments {
		f := Fragment{ID: b.next, Countdown: uint8(fragments - 1 - i), Payload: []byte{byte(b.next)}}
		if i == 0 {
			f.Kind, f.Type, f.Timestamp, f.Payload = KindWhole, head.kind, uint32(first), unhex(b.t, head.body)
		}
		if i < fragments-1 {
			f.Kind |= KindNext
		}
		b.sent[b.next] = f
		b.next++
	}
	return first
}

// come inserts fragments that were sent.
func (b *bench) come(ids ...ID) {
	for _, id := range ids {
		f := b.sent[id]
		b.store[id] = AppendFragment(nil, &f)
		parsed, err := ParseFragment(b.store[id])
		if err != nil {
			b.t.Fatal(err)
		}
		b.Insert(&parsed)
	}
}

// want polls and compares the numbers of the messages' fragments.
func (b *bench) want(what, list string) {
	b.t.Helper()
	var got []string
	for {
		d, ok := b.PollMessage(nil)
		if !ok {
			break
		}
		if d.Timestamp != uint32(d.First) {
			b.t.Errorf("%s: the message of %d has the time of %d", what, d.First, d.Timestamp)
		}
		got = append(got, fmt.Sprintf("%d-%d", d.First, d.Last))
	}
	if have := strings.Join(got, " "); have != list {
		b.t.Errorf("%s: got %q, want %q", what, have, list)
	}
}

func span(from, to ID) (ids []ID) {
	for ; from <= to; from++ {
		ids = append(ids, from)
	}
	return ids
}

func TestMessagesComeWholeAndInOrder(t *testing.T) {
	b := newBench(t, OrderStream)
	b.send('k', 3) // 1-3
	b.send('a', 1) // 4
	b.send('r', 2) // 5-6
	b.come(1, 2)
	b.want("before Start", "")
	b.Start(1)
	b.want("incomplete", "")
	b.come(4, 6)
	b.want("out of order", "")
	b.come(3)
	b.want("first whole", "1-3 4-4")
	b.come(5, 5, 3)
	b.want("the rest", "5-6")
	if s := b.Stats(); b.Next() != 7 || s.Delivered[reliability.ClassKey] != 1 || s.GivenUp+s.Orphans+s.Broken != 0 {
		t.Errorf("next %d, %+v", b.Next(), s)
	}
}

func TestBodyIsJoined(t *testing.T) {
	m := packager.Message{Type: packager.MessageVideo, Timestamp: 77, HeaderLen: 5, Header: [8]byte{0x17, 1, 0, 0, 40}, Payload: body(3000)}
	fragments, err := New(DefaultParams()).Split(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	store := shelf{}
	r := NewReassembler(DefaultReassemblerParams(), store)
	r.Start(1)
	for i := range fragments {
		store[fragments[i].ID] = AppendFragment(nil, &fragments[i])
		r.Insert(&fragments[i])
	}
	d, ok := r.PollMessage([]byte("before"))
	if !ok || d.Type != m.Type || d.Timestamp != 77 || d.Class != reliability.ClassKey || !bytes.Equal(d.AppendBody(nil), m.AppendBody(nil)) {
		t.Errorf("%v, %+v", ok, d)
	}
}

// Sound does not wait for a picture where the missing fragments are known to
// be the picture's; it does where they are not.
func TestTracksDoNotWaitForEachOther(t *testing.T) {
	b := newBench(t, OrderTracks)
	b.Start(1)
	b.send('k', 4) // 1-4
	b.send('a', 1) // 5
	b.send('r', 1) // 6
	b.send('a', 2) // 7-8
	b.send('t', 1) // 9
	b.send('c', 1) // 10
	b.come(1, 3, 5, 6, 8, 9, 10)
	b.want("a picture has a gap", "5-5")
	b.come(7)
	b.want("sound and data go on", "7-8 9-9")
	b.come(2, 4)
	b.want("the pictures follow", "1-4 6-6 10-10")

	b.send('k', 4) // 11-14
	b.send('a', 1) // 15
	b.come(12, 15)
	b.want("a gap of unknown belonging", "")
	b.AbandonThrough(11)
	b.want("given up", "15-15")
	if s := b.Stats(); s.Orphans != 1 || s.Lost[reliability.ClassKey] != 0 || b.Wanted(13) || b.Wanted(14) {
		t.Errorf("%+v, 13 wanted: %v", s, b.Wanted(13))
	}
}

func TestGivenUpHolesAreSkipped(t *testing.T) {
	b := newBench(t, OrderStream)
	b.Start(1)
	b.send('k', 3) // 1-3
	b.send('r', 3) // 4-6
	b.send('a', 1) // 7
	b.send('r', 4) // 8-11
	b.come(2, 3, 4, 6, 7, 8, 9)
	b.AbandonThrough(1)
	b.want("the beginning of a key frame is lost", "")
	if b.Wanted(2) || !b.Wanted(5) || !b.Wanted(10) || !b.Wanted(99) || b.Next() != 4 {
		t.Errorf("wanted: 2 %v, 5 %v, 10 %v, 99 %v; next %d", b.Wanted(2), b.Wanted(5), b.Wanted(10), b.Wanted(99), b.Next())
	}
	b.AbandonThrough(5)
	b.want("a hole in the next frame", "7-7")
	// What came too late is not taken.
	b.come(1, 5)
	b.want("too late", "")
	if s := b.Stats(); s.Late != 2 || s.Lost[reliability.ClassReference] != 1 || s.GivenUp != 2 || s.Orphans != 2 {
		t.Errorf("%+v", s)
	}
	// A message that reaches beyond what is given up may still come.
	b.AbandonThrough(9)
	b.come(10, 11)
	b.want("rest of a message", "8-11")
	// Far beyond all that is known.
	b.AbandonThrough(1 << 40)
	b.want("nothing is left", "")
	if b.Next() != 1<<40+1 {
		t.Errorf("next is %d", b.Next())
	}
}

// The rest of a message of which a part was given up is not asked for, also
// beyond the place up to which was given up.
func TestRestOfALostMessageIsNotWanted(t *testing.T) {
	b := newBench(t, OrderTracks)
	b.Start(1)
	b.send('r', 6) // 1-6
	b.send('a', 1) // 7
	b.come(1, 4)
	b.AbandonThrough(2)
	for id, want := range map[ID]bool{2: false, 3: false, 5: false, 6: false, 7: true} {
		if b.Wanted(id) != want {
			t.Errorf("%d wanted: %v", id, b.Wanted(id))
		}
	}
	b.come(7)
	b.want("what follows", "7-7")
	if b.Next() != 8 {
		t.Errorf("next is %d", b.Next())
	}
}

func TestBrokenChainIsNotWanted(t *testing.T) {
	b := newBench(t, OrderTracks)
	b.Start(1)
	b.send('k', 2)           // 1-2
	b.send('r', 2)           // 3-4
	b.send('d', 2)           // 5-6
	b.send('a', 2)           // 7-8
	second := b.send('k', 2) // 9-10
	b.send('r', 2)           // 11-12
	b.come(1, 2, 3, 5, 7, second, 11)
	b.want("first key frame", "1-2")
	for _, id := range []ID{4, 6, 8, 10, 12} {
		if !b.Wanted(id) {
			t.Errorf("%d is not wanted from the start", id)
		}
	}
	if c, ok := b.Class(6); c != reliability.ClassDisposable || !ok {
		t.Errorf("class of 6 is %v, %v", c, ok)
	}
	if _, ok := b.Class(13); ok {
		t.Error("the class of what has not come is known")
	}
	b.Abandon(4)
	for id, want := range map[ID]bool{4: false, 6: false, 8: true, 10: true, 12: true} {
		if b.Wanted(id) != want {
			t.Errorf("after a reference frame is lost, %d wanted: %v", id, b.Wanted(id))
		}
	}
	b.Abandon(10)
	if b.Wanted(12) || !b.Wanted(8) {
		t.Error("after the key frame is lost its group is still wanted")
	}
	b.Abandon(500) // unknown: nothing to be done
	b.come(6, 8)
	// What came anyway is handed over: a decoder may conceal the loss.
	b.want("what came", "5-6 7-8")
}

// A lone end fragment is dropped in silence, and a start without a countdown is
// completed by the end.
func TestQuirks(t *testing.T) {
	b := newBench(t, OrderTracks)
	b.Start(1)
	b.send('k', 1)
	b.sent[2] = Fragment{ID: 2, Kind: KindEnd}
	b.next = 3
	b.send('a', 1)
	b.send('k', 3) // 4-6
	b.come(1, 2, 3)
	b.want("around a lone end", "1-1 3-3")
	raw := unhex(t, "30 04 09 00000004 1701")
	f, err := ParseFragment(raw)
	if err != nil || !f.NoCountdown {
		t.Fatalf("%+v, %v", f, err)
	}
	b.store[4] = raw
	b.Insert(&f)
	b.want("no end yet", "")
	b.come(6)
	b.want("a gap", "")
	b.come(5)
	b.want("the end is there", "4-6")
	if s := b.Stats(); s.Orphans != 1 || s.Broken != 0 {
		t.Errorf("%+v", s)
	}
}

func TestContradictions(t *testing.T) {
	b := newBench(t, OrderTracks)
	b.Start(1)
	b.send('k', 3)
	b.next = 3
	b.send('a', 1) // 3 begins another message
	b.come(1, 2, 3)
	b.want("a message within another", "3-3")
	if s := b.Stats(); s.Broken != 1 || s.Lost[reliability.ClassKey] != 1 {
		t.Errorf("%+v", s)
	}
	// A message without an end.
	b = newBench(t, OrderTracks)
	b.Start(1)
	b.sent[1] = Fragment{ID: 1, Kind: KindStart, Type: 9, Timestamp: 1, Payload: []byte{0x17, 1}}
	for id := ID(2); id <= 300; id++ {
		b.sent[id] = Fragment{ID: id, Kind: KindNext}
	}
	b.next = 301
	b.send('a', 1)
	b.come(span(1, 301)...)
	b.want("without an end", "301-301")
	if s := b.Stats(); s.Broken != 1 || b.Next() != 302 {
		t.Errorf("next %d, %+v", b.Next(), s)
	}
	// The store has lost what it had.
	b.send('a', 1)
	b.send('a', 1)
	b.come(302, 303)
	delete(b.store, 302)
	b.want("store without a fragment", "303-303")
}

func TestStartAnywhere(t *testing.T) {
	b := newBench(t, OrderTracks)
	for range 100 {
		b.send('k', 3)
		b.send('a', 1)
	}
	b.come(span(200, 300)...)
	b.come(span(150, 199)...) // before Start, older ones may come
	if c, ok := b.Class(154); c != reliability.ClassKey || !ok {
		t.Errorf("before Start, the class is %v, %v", c, ok)
	}
	b.AbandonThrough(160)
	if b.Wanted(160) || !b.Wanted(301) || b.Started() || b.Next() != 0 {
		t.Error("before Start, what was abandoned is wanted")
	}
	b.Start(291)
	b.want("from within a message", "292-292 293-295 296-296 297-299 300-300")
	b.Start(285)
	b.come(span(285, 290)...)
	b.want("back again", "285-287 288-288")
	b.Start(1 << 50)
	b.want("far away", "")
	if b.Next() != 1<<50 {
		t.Errorf("next is %d", b.Next())
	}
}

func TestSpanIsBounded(t *testing.T) {
	store := shelf{}
	r := NewReassembler(ReassemblerParams{Order: OrderStream, MaxSpan: 1024}, store)
	r.Start(10)
	for id := ID(11); id < 20_000; id++ {
		r.Insert(&Fragment{ID: id, Kind: KindWhole, Type: 8})
	}
	r.Insert(&Fragment{ID: MaxID, Kind: KindWhole, Type: 8})
	if len(r.pieces) != 1024 || r.top != 10+1023 {
		t.Errorf("%d pieces up to %d", len(r.pieces), r.top)
	}
	if s := r.Stats(); s.TooFar != 20_000-11-1023+1 {
		t.Errorf("%d were too far", s.TooFar)
	}
	for _, p := range []ReassemblerParams{{MaxSpan: 1000}, {MaxSpan: 256}, {MaxSpan: 1 << 21}, {Order: 2, MaxSpan: 1024}} {
		if p.Validate() == nil {
			t.Errorf("%+v is valid", p)
		}
	}
}
