package fragmenter

import (
	"math/rand/v2"
	"testing"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// sent is a message as it was cut, with what has become of it.
type sent struct {
	first, last ID
	kind        packager.MessageType
	class       reliability.Class
	delivered   bool
}

// model knows the whole stream, and of each fragment whether it was handed to
// the reassembler before it was given up.
type model struct {
	t        testing.TB
	r        *Reassembler
	order    Order
	messages []sent
	store    shelf
	taken    map[ID]bool
	lost     map[ID]bool // given up by Abandon
	through  ID
	last     [trackCount]ID
}

func newModel(t testing.TB, order Order, rng *rand.Rand) *model {
	m := &model{t: t, order: order, store: shelf{}, taken: map[ID]bool{}, lost: map[ID]bool{}}
	m.r = NewReassembler(ReassemblerParams{Order: order, MaxSpan: 4096}, m.store)
	f := New(Params{MinFragmentSize, 1})
	for range 200 {
		body := [][]byte{{0x17, 1}, {0x27, 1}, {0x37, 1}, {0xaf, 1}, {5}, {0x17, 0}}[rng.IntN(6)]
		kind := packager.MessageVideo
		switch body[0] {
		case 0xaf:
			kind = packager.MessageAudio
		case 5:
			kind = packager.MessageData
		}
		size := rng.IntN(3 * MinFragmentSize)
		if rng.IntN(20) == 0 {
			size = rng.IntN(40 * MinFragmentSize)
		}
		body = append(append([]byte{}, body...), make([]byte, size)...)
		msg := packager.NewMessage(kind, uint32(f.Next()), body)
		fragments, err := f.Split(nil, &msg)
		if err != nil {
			t.Fatal(err)
		}
		for i := range fragments {
			m.store[fragments[i].ID] = AppendFragment(nil, &fragments[i])
		}
		m.messages = append(m.messages, sent{first: fragments[0].ID, last: f.Next() - 1, kind: kind, class: Classify(kind, body)})
	}
	m.r.Start(1)
	return m
}

func (m *model) end() ID { return m.messages[len(m.messages)-1].last }

func (m *model) insert(id ID) {
	f, err := ParseFragment(m.store[id])
	if err != nil {
		m.t.Fatal(err)
	}
	wanted := m.r.Wanted(id)
	if news := m.r.Insert(&f); news && (m.taken[id] || m.lost[id] || id <= m.through) {
		m.t.Fatalf("%d is news: taken %v, given up %v, through %d", id, m.taken[id], m.lost[id], m.through)
	} else if !news && wanted {
		m.t.Fatalf("%d is wanted and not taken", id)
	} else if news {
		m.taken[id] = true
	}
}

func (m *model) whole(s sent) bool {
	for id := s.first; id <= s.last; id++ {
		if !m.taken[id] {
			return false
		}
	}
	return true
}

// poll takes what is handed over and checks that it is right, and that nothing
// is held back that has its turn.
func (m *model) poll() {
	for {
		d, ok := m.r.PollMessage(nil)
		if !ok {
			break
		}
		s := m.find(d.First)
		if s == nil || s.last != d.Last || s.delivered || !m.whole(*s) || s.class != d.Class || s.kind != d.Type || d.Timestamp != uint32(s.first) {
			m.t.Fatalf("got %d to %d as %v; sent %+v", d.First, d.Last, d.Class, s)
		}
		s.delivered = true
		track := 0
		if m.order == OrderTracks {
			track = int(trackOf(s.kind, s.class))
		}
		if d.First <= m.last[track] {
			m.t.Fatalf("%d comes after %d", d.First, m.last[track])
		}
		m.last[track] = d.First
	}
	for i := range m.messages {
		s := &m.messages[i]
		if !s.delivered && m.whole(*s) {
			m.t.Fatalf("%d to %d is whole, has its turn and is not handed over", s.first, s.last)
		}
		for id := s.first; id <= s.last; id++ {
			if !m.taken[id] && !m.lost[id] && id > m.through && !m.dead(s) {
				return // what follows waits for this
			}
		}
	}
}

// dead reports whether a message is known to be lost: its beginning has come,
// and a fragment was given up.
func (m *model) dead(s *sent) bool {
	if !m.taken[s.first] {
		return false
	}
	for id := s.first; id <= s.last; id++ {
		if !m.taken[id] && (m.lost[id] || id <= m.through) {
			return true
		}
	}
	return false
}

func (m *model) find(first ID) *sent {
	for i := range m.messages {
		if m.messages[i].first == first {
			return &m.messages[i]
		}
	}
	return nil
}

func (m *model) abandon(id ID) {
	m.r.Abandon(id)
	for i := range m.messages {
		s := &m.messages[i]
		if id < s.first || id > s.last || m.taken[id] && !m.taken[s.first] || m.whole(*s) || id > m.r.top {
			continue
		}
		if !m.taken[s.first] {
			m.lost[id] = true
			continue
		}
		for i := s.first; i <= s.last; i++ {
			if !m.taken[i] {
				m.lost[i] = true
			}
		}
	}
}

// A stream with losses, disorder and repetitions gives the messages that can
// be had, in order, as soon as can be known.
func TestReassemblerAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		m := newModel(t, Order(seed%2), rng)
		loss, disorder := rng.IntN(20), 1+rng.IntN(60)
		for next := ID(1); next <= m.end() || m.through < m.end(); {
			switch rng.IntN(12) {
			case 0:
				m.through = max(m.through, min(next, next-ID(min(int(next)-1, rng.IntN(2*disorder)))))
				m.r.AbandonThrough(m.through)
				if next > m.end() {
					next += ID(disorder)
				}
			case 1:
				if rng.IntN(4) == 0 {
					m.abandon(next - ID(min(int(next)-1, rng.IntN(disorder))))
				}
			case 2, 3:
				m.poll()
			default:
				if id := next - ID(min(int(next)-1, rng.IntN(disorder))); id <= m.end() {
					m.insert(id)
				}
				if next <= m.end() {
					if rng.IntN(100) >= loss {
						m.insert(next)
					}
					next++
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		m.poll()
		for _, s := range m.messages {
			if !s.delivered && m.whole(s) {
				t.Fatalf("seed %d: %d to %d never came", seed, s.first, s.last)
			}
		}
		if m.r.Next() <= m.end() || len(m.r.pieces) > 4096 {
			t.Fatalf("seed %d: next is %d of %d, %d pieces", seed, m.r.Next(), m.end(), len(m.r.pieces))
		}
		delivered := uint64(0)
		for _, n := range m.r.Stats().Delivered {
			delivered += n
		}
		if loss == 0 && delivered == 0 {
			t.Fatalf("seed %d: nothing was delivered", seed)
		}
	}
}

// Whatever fragments a hostile peer makes up, messages come in order and once,
// the memory is bounded and the delivery can always go on.
func FuzzReassembler(f *testing.F) {
	f.Add(uint8(0), []byte{0x30, 1, 2, 0, 0x10, 2, 1, 0, 0x00, 3, 0, 0, 0x20, 4, 0, 0, 0xff, 0, 0, 0})
	f.Add(uint8(1), []byte{0x30, 1, 255, 0, 0x10, 2, 255, 0, 0xfe, 3, 0, 0, 0x10, 200, 9, 0, 0xfd, 200, 0, 0, 0xff, 0, 0, 0})
	f.Fuzz(func(t *testing.T, order uint8, ops []byte) {
		store := shelf{}
		r := NewReassembler(ReassemblerParams{Order: Order(order % 2), MaxSpan: 512}, store)
		last, base, done := [trackCount]ID{}, ID(0), map[ID]bool{}
		poll := func() {
			for n := 0; ; n++ {
				d, ok := r.PollMessage(nil)
				if !ok {
					break
				}
				track := int(trackOf(d.Type, d.Class))
				if r.params.Order == OrderStream {
					track = 0
				}
				if d.First <= last[track] || d.Last < d.First || d.Last-d.First >= MaxFragments {
					t.Fatalf("%d to %d after %d", d.First, d.Last, last[track])
				}
				last[track] = d.First
				for id := d.First; id <= d.Last; id++ {
					if done[id] {
						t.Fatalf("%d comes twice", id)
					}
					done[id] = true
				}
			}
			if r.Next() < base {
				t.Fatalf("next goes back from %d to %d", base, r.Next())
			}
			base = r.Next()
		}
		for ; len(ops) >= 4; ops = ops[4:] {
			id := ID(ops[1]) + ID(ops[3])<<5
			switch ops[0] {
			case 0xff:
				if !r.Started() {
					r.Start(id)
				}
				poll()
			case 0xfe:
				r.AbandonThrough(id)
			case 0xfd:
				r.Abandon(id)
			case 0xfc:
				r.Class(id)
				r.Wanted(id)
			default:
				g := Fragment{ID: id, Kind: Kind(ops[0] & 0x30), Countdown: ops[2], Type: packager.MessageType(8 + ops[2]%2), Payload: []byte{ops[2], 1}}
				if id > 0 && store[id] == nil {
					store[id] = AppendFragment(nil, &g)
				}
				g.NoCountdown = ops[0]&1 != 0
				r.Insert(&g)
			}
			if len(r.pieces) > 512 || r.base > 0 && (r.top+1 < r.base || r.top-r.base+1 > 512) {
				t.Fatalf("%d pieces, %d to %d", len(r.pieces), r.base, r.top)
			}
		}
		if !r.Started() {
			r.Start(1)
		}
		poll()
		r.AbandonThrough(100_000)
		poll()
		if r.Next() != 100_001 {
			t.Fatalf("next is %d", r.Next())
		}
		for i := range r.pieces {
			if r.pieces[i] != (piece{}) {
				t.Fatalf("a piece is left: %+v", r.pieces[i])
			}
		}
	})
}

// steady is a stream of 25 pictures of four fragments and 43 sounds a second,
// kept in a ring as a window would.
type steady struct {
	r     *Reassembler
	store ring
	f     *Fragmenter
	buf   []Fragment
	wire  [1 << 10][1100]byte
	body  []byte
	out   []byte
	n     int
	count int
}

type ring [1 << 10][]byte

func (s *ring) Fragment(id ID) ([]byte, bool) { return s[id&(1<<10-1)], true }

func newSteady() *steady {
	s := &steady{f: New(DefaultParams()), body: make([]byte, 3800), out: make([]byte, 0, 1<<16)}
	s.r = NewReassembler(DefaultReassemblerParams(), &s.store)
	s.r.Start(1)
	return s
}

// step sends a message and receives it; it returns how many fragments it had.
func (s *steady) step() int {
	m := packager.NewMessage(packager.MessageVideo, uint32(s.n), s.body)
	s.body[0], s.body[1] = 0x27, 1
	if s.n++; s.n%3 > 0 {
		m = packager.NewMessage(packager.MessageAudio, uint32(s.n), s.body[:186])
	} else if s.n%75 == 0 {
		s.body[0] = 0x17
	}
	s.buf, _ = s.f.Split(s.buf[:0], &m)
	for i := range s.buf {
		id := s.buf[i].ID & (1<<10 - 1)
		s.store[id] = AppendFragment(s.wire[id][:0], &s.buf[i])
		g, _ := ParseFragment(s.store[id])
		s.r.Insert(&g)
	}
	if _, ok := s.r.PollMessage(s.out[:0]); ok {
		s.count++
	}
	return len(s.buf)
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := newSteady()
	for range 2000 {
		s.step()
	}
	if n := testing.AllocsPerRun(1000, func() { s.step() }); n != 0 {
		t.Errorf("%v allocations for each message", n)
	}
	if s.count != s.n {
		t.Errorf("%d of %d messages came", s.count, s.n)
	}
}

func BenchmarkSplitAndReassemble(b *testing.B) {
	s := newSteady()
	fragments := 0
	b.ReportAllocs()
	for b.Loop() {
		fragments += s.step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(fragments), "ns/fragment")
}

func BenchmarkParseFragment(b *testing.B) {
	p := AppendFragment(nil, &Fragment{ID: 300_000, Kind: KindStart, Countdown: 4, Type: packager.MessageVideo, Payload: make([]byte, 959)})
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		_, _ = ParseFragment(p)
	}
}
