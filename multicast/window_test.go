package multicast

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// at returns the time so many milliseconds after the start.
func at(ms int) reliability.Time { return reliability.Start.Add(time.Duration(ms) * time.Millisecond) }

// fragmentOf returns the bytes of a fragment that can be told from all others.
func fragmentOf(id fragmenter.ID, length int) []byte {
	b := bytes.Repeat([]byte{byte(id)}, max(length, 8))
	binary.BigEndian.PutUint64(b, uint64(id))
	return b
}

func TestWindowKeepsAndExpires(t *testing.T) {
	p := DefaultWindowParams()
	p.Duration, p.Margin = 4*time.Second, time.Second
	w := NewWindow(p)
	if w.PollTimeout() != reliability.Never || w.Newest() != 0 || w.Oldest() != 0 || w.Missing() != 0 || w.Has(0) {
		t.Error("an empty window holds something")
	}
	for id := fragmenter.ID(101); id <= 110; id++ {
		if id == 105 || id == 107 {
			continue
		}
		if got := w.Insert(at(int(id)*100), id, fragmentOf(id, 100), SourcePush); got != Inserted {
			t.Fatalf("%d: %v", id, got)
		}
	}
	w.Know(at(11_100), 112)
	checks := []struct {
		name string
		got  any
		want any
	}{
		{"oldest", w.Oldest(), fragmenter.ID(101)},
		{"live", w.Live(), fragmenter.ID(101)},
		{"newest", w.Newest(), fragmenter.ID(110)},
		{"known", w.Known(), fragmenter.ID(112)},
		{"complete", w.Complete(), fragmenter.ID(104)},
		{"missing", w.Missing(), 4},
		{"held", w.Len(), 8},
		{"newest of slice 5", w.NewestInSlice(5), fragmenter.ID(109)},
		{"newest of slice 3", w.NewestInSlice(3), fragmenter.ID(0)},
		{"105 became known with 106", w.KnownAt(105), at(10_600)},
		{"sought until", w.SoughtUntil(106), at(14_600)},
		{"kept until", w.KeptUntil(106), at(15_600)},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if id, ok := w.NextMissing(106); id != 107 || !ok {
		t.Errorf("next missing is %d, %v", id, ok)
	}
	if id, ok := w.NextMissingInSlice(0, 1); id != 112 || !ok {
		t.Errorf("next missing of slice 0 is %d, %v", id, ok)
	}
	if _, ok := w.NextMissingInSlice(1, 106); ok {
		t.Error("something of slice 1 is missing")
	}

	// 106 is known since 10.6 s: it is sought for 4 s and kept for 5 s.
	w.Expire(at(14_599))
	if w.Live() != 105 || w.Oldest() != 101 || w.PollTimeout() != at(14_600) {
		t.Errorf("live %d, oldest %d, next at %v", w.Live(), w.Oldest(), w.PollTimeout())
	}
	w.Expire(at(14_600))
	if w.Live() != 107 {
		t.Errorf("live %d", w.Live())
	}
	if got := w.Insert(at(14_600), 105, fragmentOf(105, 100), SourcePull); got != Inserted {
		t.Errorf("what is late but within the margin: %v", got)
	}
	w.Expire(at(15_600))
	if w.Oldest() != 107 || w.Has(106) || !w.Has(108) || w.Len() != 3 {
		t.Errorf("oldest %d, %d held", w.Oldest(), w.Len())
	}
	if got := w.Insert(at(15_600), 106, fragmentOf(106, 100), SourcePull); got != InsertOld {
		t.Errorf("what has left: %v", got)
	}
	w.Expire(at(60_000))
	if w.Len() != 0 || w.Newest() != 0 || w.Oldest() != 113 || w.Live() != 113 || w.MemoryBytes() != 0 || w.PollTimeout() != reliability.Never {
		t.Errorf("%d held, oldest %d, live %d, %d bytes", w.Len(), w.Oldest(), w.Live(), w.MemoryBytes())
	}
	// The stream goes on after a pause: what is missing in between is sought.
	if got := w.Insert(at(60_000), 120, fragmentOf(120, 100), SourcePush); got != Inserted || w.Oldest() != 113 || w.Missing() != 7 {
		t.Errorf("after a pause: %v, oldest %d, %d missing", got, w.Oldest(), w.Missing())
	}
	if s := w.Stats(); s.Fragments[SourcePush] != 9 || s.Bytes[SourcePush] != 900 || s.Fragments[SourcePull] != 1 || s.Old != 1 {
		t.Errorf("%+v", s)
	}
}

// A joiner fetches what is older than the first that it saw; this is sought no
// longer than that one.
func TestWindowGrowsDownwards(t *testing.T) {
	w := NewWindow(DefaultWindowParams())
	w.Know(at(1000), 900)
	w.Know(at(3000), 950)
	if got := w.Insert(at(5000), 400, fragmentOf(400, 50), SourcePull); got != Inserted {
		t.Fatal(got)
	}
	if w.Oldest() != 400 || w.Live() != 400 || w.Missing() != 550 || w.KnownAt(400) != w.KnownAt(900) || w.KnownAt(950).Sub(w.KnownAt(900)) != 2*time.Second {
		t.Errorf("oldest %d, live %d, %d missing, known at %v and %v", w.Oldest(), w.Live(), w.Missing(), w.KnownAt(400), w.KnownAt(900))
	}
	w.Expire(at(9000))
	if w.Live() != 901 {
		t.Errorf("live %d", w.Live())
	}
	// Below the margin, what becomes known is not sought at all.
	w.Know(at(9000), 390)
	if w.Live() != 901 || w.Oldest() != 390 {
		t.Errorf("live %d, oldest %d", w.Live(), w.Oldest())
	}
}

func TestWindowBounds(t *testing.T) {
	p := DefaultWindowParams()
	p.MaxSpan, p.MaxBytes = 1024, 256<<10
	w := NewWindow(p)
	if w.Insert(at(0), 0, fragmentOf(0, 9), SourcePush) != InsertOld || w.Insert(at(0), fragmenter.MaxID+1, nil, SourcePush) != InsertTooFar {
		t.Error("a number that none has is taken")
	}
	if got := w.Insert(at(0), 5, make([]byte, maxFragmentLen+1), SourcePush); got != InsertTooLarge {
		t.Errorf("too large: %v", got)
	}
	if got := w.Insert(at(0), 5, make([]byte, maxFragmentLen), SourcePush); got != Inserted {
		t.Errorf("as large as may be: %v", got)
	}
	if got := w.Insert(at(0), 5, []byte{1}, SourceNative); got != InsertDuplicate || w.Stats().Duplicates[SourceNative] != 1 {
		t.Errorf("again: %v", got)
	}
	if w.Insert(at(0), 5+1024, []byte{1}, SourcePush) != InsertTooFar || w.Know(at(0), fragmenter.MaxID) {
		t.Error("a fragment far ahead is taken")
	}
	if got := w.Insert(at(0), 5+1023, []byte{1}, SourcePush); got != Inserted {
		t.Errorf("the furthest: %v", got)
	}
	// The memory is bounded whatever comes.
	for id := fragmenter.ID(6); id < 1000; id++ {
		w.Insert(at(0), id, fragmentOf(id, 16_000), SourcePush)
		if w.MemoryBytes() > p.MaxBytes {
			t.Fatalf("%d bytes are kept", w.MemoryBytes())
		}
	}
	if s := w.Stats(); s.Displaced == 0 || w.Has(10) || !w.Has(999) || w.Oldest() < 900 || w.Newest() != 999 {
		t.Errorf("oldest %d, newest %d, %+v", w.Oldest(), w.Newest(), s)
	}
	// When all is gone, a far number begins anew.
	w.Expire(at(20_000))
	if got := w.Insert(at(20_000), 1<<40, []byte{1}, SourcePush); got != Inserted || w.Oldest() != 1<<40 || w.Len() != 1 {
		t.Errorf("%v, oldest %d", got, w.Oldest())
	}
	for _, change := range []func(*WindowParams){
		func(p *WindowParams) { p.Duration = 0 }, func(p *WindowParams) { p.Margin = -1 }, func(p *WindowParams) { p.MaxSpan = 1000 },
		func(p *WindowParams) { p.MaxBytes = 1000 }, func(p *WindowParams) { p.MaxBytes = 1 << 30 },
	} {
		p := DefaultWindowParams()
		if change(&p); p.Validate() == nil {
			t.Errorf("%+v is valid", p)
		}
	}
}

// What is published goes in as it would come in at others.
func TestInsertFragment(t *testing.T) {
	w := NewWindow(DefaultWindowParams())
	m := packager.Message{Type: packager.MessageVideo, Timestamp: 40, HeaderLen: 5, Header: [8]byte{0x17, 1}, Payload: bytes.Repeat([]byte{7}, 3000)}
	fragments, err := fragmenter.New(fragmenter.DefaultParams()).Split(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	r := fragmenter.NewReassembler(fragmenter.DefaultReassemblerParams(), w)
	r.Start(1)
	for i := range fragments {
		if got := w.InsertFragment(at(i), &fragments[i]); got != Inserted {
			t.Fatal(got)
		}
		b, ok := w.Fragment(fragments[i].ID)
		if want := fragmenter.AppendFragment(nil, &fragments[i]); !ok || !bytes.Equal(b, want) || w.SourceOf(fragments[i].ID) != SourceLocal {
			t.Errorf("fragment %d is kept as %x", i, b)
		}
		r.Insert(&fragments[i])
	}
	if d, ok := r.PollMessage(nil); !ok || !bytes.Equal(d.Payload, m.AppendBody(nil)) {
		t.Errorf("%v: %d bytes are joined", ok, len(d.Payload))
	}
}

// Bytes that were handed out never change, even when the window has long gone
// on.
func TestFragmentsAreImmutable(t *testing.T) {
	p := DefaultWindowParams()
	p.Duration, p.Margin = time.Second, 0
	w := NewWindow(p)
	var handed [][]byte
	for id := fragmenter.ID(1); id < 5000; id++ {
		now := at(int(id) * 5)
		w.Expire(now)
		w.Insert(now, id, fragmentOf(id, 700), SourcePush)
		b, _ := w.Fragment(id)
		if cap(b) != len(b) {
			t.Fatal("a fragment can be extended into the next one's")
		}
		handed = append(handed, b)
	}
	for i, b := range handed {
		if !bytes.Equal(b, fragmentOf(fragmenter.ID(i+1), 700)) {
			t.Fatalf("fragment %d has changed", i+1)
		}
	}
	if w.MemoryBytes() > 4*200*700 {
		t.Errorf("%d bytes are kept for 200 fragments of 700", w.MemoryBytes())
	}
}

// model is the plainest window.
type model struct {
	p                        WindowParams
	base, live, known, floor fragmenter.ID
	at                       map[fragmenter.ID]reliability.Time
	held                     map[fragmenter.ID][]byte
}

func (m *model) know(now reliability.Time, id fragmenter.ID) bool {
	if id < m.floor {
		return false
	}
	if m.base == 0 {
		m.base, m.live, m.known = id, id, id-1
	}
	if max(m.known, id)-min(m.base, id) >= fragmenter.ID(m.p.MaxSpan) {
		if len(m.held) > 0 || id < m.base {
			return false
		}
		m.base, m.live, m.known = id, id, id-1
	}
	for m.known < id {
		m.known++
		m.at[m.known] = now
	}
	for m.base > id {
		m.base--
		m.at[m.base] = m.at[m.base+1]
		if m.live == m.base+1 {
			m.live = m.base
		}
	}
	return true
}

func (m *model) insert(now reliability.Time, id fragmenter.ID, b []byte) InsertResult {
	switch {
	case id < m.floor:
		return InsertOld
	case !m.know(now, id):
		return InsertTooFar
	case m.held[id] != nil:
		return InsertDuplicate
	}
	m.held[id] = b
	return Inserted
}

func (m *model) expire(now reliability.Time) {
	for m.base <= m.known && m.base > 0 && now.Sub(m.at[m.base]) >= m.p.Duration+m.p.Margin {
		delete(m.held, m.base)
		m.base++
		m.floor = m.base
	}
	m.live = max(m.live, m.base)
	for m.live <= m.known && m.live > 0 && now.Sub(m.at[m.live]) >= m.p.Duration {
		m.live++
	}
}

// check compares a window with the model in all that can be asked.
func (m *model) check(t testing.TB, w *Window) {
	t.Helper()
	if w.Oldest() != m.base || w.Live() != m.live || w.Known() != m.known || w.Len() != len(m.held) {
		t.Fatalf("oldest %d, live %d, known %d, %d held; want %d, %d, %d, %d",
			w.Oldest(), w.Live(), w.Known(), w.Len(), m.base, m.live, m.known, len(m.held))
	}
	newest := [fragmenter.SliceCount + 1]fragmenter.ID{}
	missing := 0
	nextMissing := [fragmenter.SliceCount + 1]fragmenter.ID{}
	for id := m.known; id >= m.base && id > 0; id-- {
		b, ok := w.Fragment(id)
		if ok != (m.held[id] != nil) || !bytes.Equal(b, m.held[id]) || ok != w.Has(id) {
			t.Fatalf("%d: held %v as %x", id, ok, b)
		}
		if w.KnownAt(id) != m.at[id] {
			t.Fatalf("%d is known since %v, want %v", id, w.KnownAt(id), m.at[id])
		}
		if ok {
			newest[id.Slice()] = max(newest[id.Slice()], id)
			newest[8] = max(newest[8], id)
		} else {
			nextMissing[id.Slice()], nextMissing[8] = id, id
			if id >= m.live {
				missing++
			}
		}
		start := id
		for start > m.base && (m.held[start-1] != nil) == ok {
			start--
		}
		if got := w.RunStart(id, m.base); got != start {
			t.Fatalf("the run of %d begins at %d, want %d", id, got, start)
		}
		if floor := (id + start + 1) / 2; w.RunStart(id, floor) != floor {
			t.Fatalf("the run of %d with floor %d begins at %d", id, floor, w.RunStart(id, floor))
		}
	}
	if w.Newest() != newest[8] || w.Missing() != missing {
		t.Fatalf("newest %d, %d missing; want %d, %d", w.Newest(), w.Missing(), newest[8], missing)
	}
	for s := range fragmenter.SliceCount {
		id, ok := w.NextMissingInSlice(s, m.base)
		if w.NewestInSlice(s) != newest[s] || id != nextMissing[s] || ok != (id > 0) {
			t.Fatalf("slice %d: newest %d, next missing %d; want %d, %d", s, w.NewestInSlice(s), id, newest[s], nextMissing[s])
		}
	}
	if id, _ := w.NextMissing(0); id != nextMissing[8] {
		t.Fatalf("next missing %d, want %d", id, nextMissing[8])
	}
	m.checkMaps(t, w)
}

func (m *model) checkMaps(t testing.TB, w *Window) {
	t.Helper()
	if len(m.held) == 0 {
		if b := w.AppendMap(nil); len(b) > 0 {
			t.Fatalf("the map of nothing is %x", b)
		}
		return
	}
	plain, err := wire.ParseMap(w.AppendMap(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, runs, err := wire.ParseStatus(w.AppendStatus(nil, wire.Status{}, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	walk := runs.Runs()
	for run, ok := walk.Next(); ok; run, ok = walk.Next() {
		for id := run.First; id <= run.Last; id++ {
			if run.Held != (m.held[id] != nil) || plain.Has(id) != run.Held && id >= plain.Oldest() {
				t.Fatalf("%d: the run map says %v, the plain one %v", id, run.Held, plain.Has(id))
			}
		}
	}
	if runs.First != m.base || runs.Last != w.Newest() {
		t.Fatalf("the map tells of %d to %d", runs.First, runs.Last)
	}
}

// script runs operations that are made of bytes on a window and the model.
func script(t testing.TB, ops []byte) {
	p := WindowParams{Duration: time.Second, Margin: 300 * time.Millisecond, MaxSpan: 1024, MaxBytes: 128 << 20}
	w := NewWindow(p)
	m := &model{p: p, floor: 1, at: map[fragmenter.ID]reliability.Time{}, held: map[fragmenter.ID][]byte{}}
	now, next := reliability.Time(0), fragmenter.ID(500)
	for len(ops) >= 3 {
		op, a, b := ops[0], ops[1], ops[2]
		ops = ops[3:]
		id := next + fragmenter.ID(a) - min(next, fragmenter.ID(b))
		switch op % 8 {
		case 0:
			now = now.Add(time.Duration(a) * time.Millisecond)
			w.Expire(now)
			m.expire(now)
		case 1:
			if got, want := w.Know(now, id), m.know(now, id); got != want {
				t.Fatalf("know %d: %v, want %v", id, got, want)
			}
		case 2:
			next += fragmenter.ID(a) * fragmenter.ID(b) // now and then a large step
		default:
			next = max(next, id+1)
			data := fragmentOf(id, int(a)*8)
			if got, want := w.Insert(now, id, data, SourcePush), m.insert(now, id, data); got != want {
				t.Fatalf("insert %d: %v, want %v", id, got, want)
			}
		}
		if op >= 128 || len(ops) < 3 {
			m.check(t, w)
		}
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte{3, 0, 0, 3, 1, 0, 3, 5, 0, 128, 200, 0, 131, 0, 9, 128, 255, 0})
	f.Add([]byte{2, 255, 255, 3, 0, 0, 2, 9, 9, 3, 0, 0, 128, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 131, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) < 3000 {
			script(t, ops)
		}
	})
}

func TestWindowAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		ops := make([]byte, 3*300)
		for i := range ops {
			ops[i] = byte(rng.Uint32())
			switch {
			case i%3 == 0 && ops[i] >= 128 && rng.IntN(20) > 0:
				ops[i] -= 128 // compare seldom
			case i%3 == 0 && ops[i]%8 == 2 && rng.IntN(10) > 0:
				ops[i]++
			case i%3 > 0 && rng.IntN(3) > 0:
				ops[i] %= 16
			}
		}
		script(t, ops)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// steady fills a window as a stream of 1 Mbit/s does.
func steady(fragment []byte) (*Window, func()) {
	w := NewWindow(DefaultWindowParams())
	id, now := fragmenter.ID(0), reliability.Time(0)
	step := func() {
		id++
		now = now.Add(8 * time.Millisecond)
		w.Expire(now)
		w.Insert(now, id, fragment, SourcePush)
	}
	for range 5000 {
		step()
	}
	return w, step
}

func TestWindowInsertDoesNotAllocate(t *testing.T) {
	_, step := steady(make([]byte, 1000))
	// One slab for each 64 fragments is all.
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations for each fragment", n)
	}
}

func BenchmarkWindowInsert(b *testing.B) {
	fragment := make([]byte, 1000)
	_, step := steady(fragment)
	b.ReportAllocs()
	b.SetBytes(int64(len(fragment)))
	for b.Loop() {
		step()
	}
}

func BenchmarkWindowStatus(b *testing.B) {
	w, step := steady(make([]byte, 1000))
	for range 100 {
		w.Know(w.now, w.Known()+3)
		step()
	}
	buffer := make([]byte, 0, 1200)
	b.ReportAllocs()
	for b.Loop() {
		w.AppendStatus(buffer, wire.Status{}, 1100)
	}
}

func BenchmarkWindowNextMissing(b *testing.B) {
	w, _ := steady(make([]byte, 1000))
	b.ReportAllocs()
	for b.Loop() {
		w.NextMissingInSlice(3, w.Live())
	}
}
