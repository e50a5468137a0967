package wire

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ringcast/ringcast/fragmenter"
)

// fuzz checks that a parser takes any bytes, and that what it accepts comes
// back the same from its own bytes.
func fuzz[T any](f *testing.F, kind byte, parse func([]byte) (T, error), again func([]byte, T) []byte, equal func(a, b T) bool) {
	for _, c := range codecs() {
		if b := c.append(nil); b[0] == kind {
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(append(slices.Clone(b), 0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		input := bytes.Clone(b)
		m, err := parse(b)
		if !bytes.Equal(b, input) {
			t.Fatal("the parser writes to its input")
		}
		if err != nil {
			return
		}
		second, err := parse(again(nil, m))
		if err != nil || !equal(m, second) {
			t.Fatalf("%+v comes back as %+v, %v", m, second, err)
		}
	})
}

func same[T comparable](a, b T) bool { return a == b }

func FuzzParseAnnouncement(f *testing.F) {
	fuzz(f, TypeAnnouncement, ParseAnnouncement, AppendAnnouncement, same)
}
func FuzzParseEnd(f *testing.F)     { fuzz(f, TypeEnd, ParseEnd, AppendEnd, same) }
func FuzzParsePull(f *testing.F)    { fuzz(f, TypePull, ParsePull, AppendPull, same) }
func FuzzParseMask(f *testing.F)    { fuzz(f, TypeMask, ParseMask, AppendMask, same) }
func FuzzParseRequest(f *testing.F) { fuzz(f, TypeRequest, ParseRequest, AppendRequest, same) }
func FuzzParseRefuse(f *testing.F)  { fuzz(f, TypeRefuse, ParseRefuse, AppendRefuse, same) }
func FuzzParseStop(f *testing.F)    { fuzz(f, TypeStop, ParseStop, AppendStop, same) }
func FuzzParseEvict(f *testing.F)   { fuzz(f, TypeEvict, ParseEvict, AppendEvict, same) }

func FuzzParseAccept(f *testing.F) {
	fuzz(f, TypeAccept, ParseAccept, func(b []byte, m Accept) []byte { return AppendAccept(b, &m) }, same)
}

func FuzzParseAncestors(f *testing.F) {
	fuzz(f, TypeAncestors, ParseAncestors, func(b []byte, m Ancestors) []byte { return AppendAncestors(b, &m) }, same)
}

func FuzzParseLost(f *testing.F) {
	fuzz(f, TypeLost, func(b []byte) ([]Range, error) { return ParseLost(nil, b) }, AppendLost, slices.Equal)
}

func FuzzParsePullList(f *testing.F) {
	parse := func(b []byte) ([]fragmenter.ID, error) { return ParsePullList(nil, b) }
	fuzz(f, TypePullList, parse, AppendPullList, slices.Equal)
}

func FuzzParseNotHeld(f *testing.F) {
	parse := func(b []byte) ([]fragmenter.ID, error) { return ParseNotHeld(nil, b) }
	fuzz(f, TypeNotHeld, parse, AppendNotHeld, slices.Equal)
}

func FuzzParseBusy(f *testing.F) {
	parse := func(b []byte) (busy, error) {
		ids, pause, err := ParseBusy(nil, b)
		return busy{ids, pause}, err
	}
	fuzz(f, TypeBusy, parse, func(b []byte, m busy) []byte { return AppendBusy(b, m.Pause, m.IDs) },
		func(a, b busy) bool { return a.Pause == b.Pause && slices.Equal(a.IDs, b.IDs) })
}

func FuzzParseMap(f *testing.F) {
	f.Add(AppendMap(nil, holdRange(285, 300)))
	f.Add([]byte{TypeMap, 5, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMap(b)
		if err != nil {
			return
		}
		h := hold(m.Oldest(), m.Last)
		for id := m.Oldest(); id < m.Last; id++ {
			if m.Has(id) {
				h.held[id] = true
			}
		}
		again, err := ParseMap(AppendMap(nil, h))
		if err != nil || again.Last != m.Last {
			t.Fatalf("comes back as %+v, %v", again, err)
		}
		for id := m.Oldest(); id <= m.Last; id++ {
			if again.Has(id) != m.Has(id) {
				t.Fatalf("%d: %v comes back", id, again.Has(id))
			}
		}
	})
}

// told is what a run map tells, as Holdings.
type told struct {
	m    RunMap
	runs []Run
}

func (h told) Newest() fragmenter.ID { return h.m.Last }
func (h told) Oldest() fragmenter.ID { return max(h.m.First, 1) }
func (h told) run(id fragmenter.ID) Run {
	for _, r := range h.runs {
		if id >= r.First && id <= r.Last {
			return r
		}
	}
	return Run{First: id, Last: id}
}
func (h told) Has(id fragmenter.ID) bool                      { return h.run(id).Held }
func (h told) RunStart(id, floor fragmenter.ID) fragmenter.ID { return max(h.run(id).First, floor) }

func FuzzParseStatus(f *testing.F) {
	f.Add(AppendStatus(nil, Status{Slots: 3, Leaf: true, KeyFrame: 7}, hold(1, 4, 5, 9, 12, 13), 1000))
	f.Add(AppendStatus(nil, Status{}, hold(1), 1000))
	f.Add(AppendStatus(nil, Status{HasClock: true, Stratum: 2, Clock: 77_000}, hold(1, 4, 5), 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, m, err := ParseStatus(b)
		if err != nil {
			return
		}
		h := told{m: m}
		next := m.Last
		for runs := m.Runs(); ; {
			r, ok := runs.Next()
			if !ok {
				break
			}
			if r.Last != next || r.First > r.Last || r.Held != (len(h.runs)%2 == 0) {
				t.Fatalf("run %d of %+v is %+v", len(h.runs), m, r)
			}
			next = r.First - 1
			h.runs = append(h.runs, r)
		}
		if m.Last > 0 && next != m.First-1 {
			t.Fatalf("the runs of %+v end at %d", m, next)
		}
		again, second, err := ParseStatus(AppendStatus(nil, s, h, 1<<20))
		if err != nil || again != s || second.Last != m.Last || second.First != m.First {
			t.Fatalf("%+v, %+v come back as %+v, %+v, %v", s, m, again, second, err)
		}
		a, b2 := m.Runs(), second.Runs()
		for range h.runs {
			x, _ := a.Next()
			if y, _ := b2.Next(); x != y {
				t.Fatalf("%+v comes back as %+v", x, y)
			}
		}
	})
}
