package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// holding is the plainest Holdings: a set with bounds.
type holding struct {
	oldest, newest fragmenter.ID
	held           map[fragmenter.ID]bool
}

func hold(oldest fragmenter.ID, ids ...fragmenter.ID) *holding {
	h := &holding{oldest: oldest, held: map[fragmenter.ID]bool{}}
	for _, id := range ids {
		h.held[id] = true
		h.newest = max(h.newest, id)
	}
	return h
}

func holdRange(oldest, last fragmenter.ID) *holding {
	h := hold(oldest)
	for id := oldest; id <= last; id++ {
		h.held[id] = true
	}
	h.newest = last
	return h
}

func (h *holding) Newest() fragmenter.ID     { return h.newest }
func (h *holding) Oldest() fragmenter.ID     { return h.oldest }
func (h *holding) Has(id fragmenter.ID) bool { return h.held[id] }
func (h *holding) all() []fragmenter.ID      { return h.between(h.oldest, h.newest) }
func (h *holding) without(id fragmenter.ID)  { delete(h.held, id) }
func (h *holding) RunStart(id, floor fragmenter.ID) fragmenter.ID {
	for id > floor && h.held[id-1] == h.held[id] {
		id--
	}
	return id
}

func (h *holding) between(from, to fragmenter.ID) []fragmenter.ID {
	var ids []fragmenter.ID
	for id := from; id <= to; id++ {
		if h.held[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func key(first byte) (k StreamKey) {
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

// codec is one message with its bytes, in a form that fits all of them.
type codec struct {
	name   string
	bytes  string
	append func([]byte) []byte
	parse  func([]byte) (any, error)
	want   any
	// open is set where bytes may follow or be missing at the end.
	open bool
}

func lost(b []byte) (any, error)    { return ParseLost(nil, b) }
func pulls(b []byte) (any, error)   { return ParsePullList(nil, b) }
func notHeld(b []byte) (any, error) { return ParseNotHeld(nil, b) }

// wrap turns a Parse function into one that returns any.
func wrap[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) { return parse(b) }
}

type busy struct {
	IDs   []fragmenter.ID
	Pause time.Duration
}

func parseBusy(b []byte) (any, error) {
	ids, pause, err := ParseBusy(nil, b)
	return busy{ids, pause}, err
}

func ids(list ...fragmenter.ID) []fragmenter.ID { return list }

func tags(list ...Tag) (t Tags) {
	for _, tag := range list {
		t.Add(tag)
	}
	return t
}

func codecs() []codec {
	announcement := Announcement{Name: "test", Key: key(0xa0), StreamParams: DefaultStreamParams()}
	cam := Announcement{Name: "cam", StreamParams: DefaultStreamParams()}
	copy(cam.Key[:], []byte("\xc3\xcd\xa8\x0a\x27\x0e\xb8\x7d\x75\xa6\x57\xcf\x24\xfe\x30\x5e\x94\xd2\x52\x2c\x81\x8c\xb8\x63\xc3\xaf\xc2\x48\x6a\xe0\x30\x60"))
	odd := announcement
	odd.WindowDuration, odd.FetchPeriod, odd.SendToAll = 4*time.Second, time.Second, true
	accept := Accept{3, 300, true, tags(0x111a, 0x2e71)}
	ancestors := Ancestors{7, tags(0xffff)}
	return []codec{
		{
			"announcement", "21 050074657374 2101a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf 0102 0303be40 040492a760 020564 03079344",
			func(b []byte) []byte { return AppendAnnouncement(b, announcement) }, wrap(ParseAnnouncement), announcement, true,
		},
		{
			"announcement of a recording", "21 0400 63616d 2101 c3cda80a270eb87d75a657cf24fe305e94d2522c818cb863c3afc2486ae03060 0102 0303be40 040492a760 020564 03079344",
			func(b []byte) []byte { return AppendAnnouncement(b, cam) }, wrap(ParseAnnouncement), cam, true,
		},
		{
			"announcement with other values", "21 050074657374 2101a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf 0102 03039f20 040492a760 020564 03078768 0106",
			func(b []byte) []byte { return AppendAnnouncement(b, odd) }, wrap(ParseAnnouncement), odd, true,
		},
		{"end", "21 8952", func(b []byte) []byte { return AppendEnd(b, 1234) }, wrap(ParseEnd), fragmenter.ID(1234), true},
		{"pull", "2b 822c", func(b []byte) []byte { return AppendPull(b, 300) }, wrap(ParsePull), fragmenter.ID(300), true},
		{"mask", "23 28", func(b []byte) []byte { return AppendMask(b, MaskOf(0x28)) }, wrap(ParseMask), MaskOf(0x28), true},
		{"stop pushing", "23 00", func(b []byte) []byte { return AppendMask(b, Mask{}) }, wrap(ParseMask), MaskOf(0), true},
		{
			"request", "61 05 822c 31 03", func(b []byte) []byte { return AppendRequest(b, Request{5, 300, ValueOf(12.25), true, true}) },
			wrap(ParseRequest),
			Request{5, 300, 49, true, true},
			false,
		},
		{
			"calm request", "61 00 01 00 00", func(b []byte) []byte { return AppendRequest(b, Request{Start: 1}) },
			wrap(ParseRequest),
			Request{Start: 1},
			false,
		},
		{"accept", "62 03 822c 01 02 111a 2e71", func(b []byte) []byte { return AppendAccept(b, &accept) }, wrap(ParseAccept), accept, false},
		{"refuse", "63 06 02", func(b []byte) []byte { return AppendRefuse(b, Refuse{6, RefuseLoop}) }, wrap(ParseRefuse), Refuse{6, RefuseLoop}, false},
		{"stop", "64 01 822c", func(b []byte) []byte { return AppendStop(b, Stop{1, 300}) }, wrap(ParseStop), Stop{1, 300}, false},
		{"stop at once", "64 01 00", func(b []byte) []byte { return AppendStop(b, Stop{1, 0}) }, wrap(ParseStop), Stop{1, 0}, false},
		{"evict", "65 07 822c", func(b []byte) []byte { return AppendEvict(b, Evict{7, 300}) }, wrap(ParseEvict), Evict{7, 300}, false},
		{
			"lost", "66 02 822c 00 02 04", func(b []byte) []byte { return AppendLost(b, []Range{{300, 300}, {302, 306}}) },
			lost,
			[]Range{{300, 300}, {302, 306}},
			false,
		},
		{"pull list", "67 03 822c 00 07", func(b []byte) []byte { return AppendPullList(b, ids(300, 301, 309)) }, pulls, ids(300, 301, 309), false},
		{"not held", "68 01 05", func(b []byte) []byte { return AppendNotHeld(b, ids(5)) }, notHeld, ids(5), false},
		{"busy", "69 8374 01 05", func(b []byte) []byte { return AppendBusy(b, 500*time.Millisecond, ids(5)) }, parseBusy, busy{ids(5), 500 * time.Millisecond}, false},
		{"busy without a list", "69 05 00", func(b []byte) []byte { return AppendBusy(b, 5*time.Millisecond, nil) }, parseBusy, busy{nil, 5 * time.Millisecond}, false},
		{"ancestors", "6a 07 01 ffff", func(b []byte) []byte { return AppendAncestors(b, &ancestors) }, wrap(ParseAncestors), ancestors, false},
	}
}

// Each message has the bytes that are written down here, both ways; nothing of
// it can be left out and, on the flow of our own nodes, nothing added.
func TestMessages(t *testing.T) {
	for _, c := range codecs() {
		want := unhex(t, c.bytes)
		if got := c.append([]byte{9}); !bytes.Equal(got, append([]byte{9}, want...)) {
			t.Errorf("%s: got %x, want 09 and %x", c.name, got, want)
		}
		got, err := c.parse(want)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %x parses as %+v, %v; want %+v", c.name, want, got, err, c.want)
		}
		if TypeName(want[0]) == "Unknown" {
			t.Errorf("%s has no name", c.name)
		}
		if _, err := c.parse(append([]byte{want[0] ^ 0x40}, want[1:]...)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: with another type: %v", c.name, err)
		}
		for i := range want {
			if _, err := c.parse(want[:i]); err == nil && !strings.HasPrefix(c.name, "announcement") {
				t.Errorf("%s: %x parses", c.name, want[:i])
			}
		}
		if _, err := c.parse(append(want, 0)); err == nil && !c.open {
			t.Errorf("%s: bytes that follow are not noticed", c.name)
		}
	}
	if TypeName(0x24) != "Unknown" {
		t.Error("a type that does not exist has a name")
	}
}

// An announcement may end between two options, but not within one nor before
// the key.
func TestAnnouncementForms(t *testing.T) {
	whole := AppendAnnouncement(nil, Announcement{Name: "test", Key: key(1), StreamParams: DefaultStreamParams()})
	ends := map[int]bool{41: true, 43: true, 47: true, 52: true, 55: true} // behind 01, 02, 03, 04, 05
	for i := range whole {
		if _, err := ParseAnnouncement(whole[:i]); (err == nil) != ends[i] {
			t.Errorf("the first %d bytes parse with %v", i, err)
		}
	}
	k := key(1)
	keyOption := "2101" + hex.EncodeToString(k[:])
	for _, c := range []struct {
		name, bytes string
		ok          bool
		name2       string
	}{
		{"another order, unknown options and a marker", "21 0307 8768 " + keyOption + " 047e0102ff 0106 0200 41 00 ffff", true, "A"},
		{"the first name counts", "21 0200 41 0200 42 " + keyOption, true, "A"},
		{"an empty name", "21 0100 " + keyOption, true, ""},
		{"no name", "21 " + keyOption, false, ""},
		{"no key", "21 0200 41", false, ""},
		{"a short key", "21 0200 41 0301 0102", false, ""},
		{"a parameter without a value", "21 0200 41 " + keyOption + " 0103", false, ""},
		{"a name that is too long", "21 8402 00 " + strings.Repeat("41", 513) + keyOption, false, ""},
	} {
		a, err := ParseAnnouncement(unhex(t, c.bytes))
		if (err == nil) != c.ok || a.Name != c.name2 {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
}

func TestClamped(t *testing.T) {
	const ms = time.Millisecond
	d := DefaultStreamParams()
	for _, c := range []struct {
		name                  string
		window, update, fetch time.Duration
		want                  [3]time.Duration
		replaced              int
	}{
		{"defaults", d.WindowDuration, d.UpdatePeriod, d.FetchPeriod, [3]time.Duration{d.WindowDuration, d.UpdatePeriod, d.FetchPeriod}, 0},
		{"least", 500 * ms, 50 * ms, 0, [3]time.Duration{500 * ms, 50 * ms, 0}, 0},
		{"most", time.Minute, 5 * time.Second, time.Minute, [3]time.Duration{time.Minute, 5 * time.Second, time.Minute}, 0},
		{"below", 499 * ms, 49 * ms, -ms, [3]time.Duration{8 * time.Second, 100 * ms, 2500 * ms}, 3},
		{"above", time.Minute + ms, 5001 * ms, time.Minute + ms, [3]time.Duration{8 * time.Second, 100 * ms, 2500 * ms}, 3},
	} {
		p := StreamParams{WindowDuration: c.window, UpdatePeriod: c.update, FetchPeriod: c.fetch, Lifetime: 1}
		got, replaced := p.Clamped()
		if have := [3]time.Duration{got.WindowDuration, got.UpdatePeriod, got.FetchPeriod}; have != c.want || replaced != c.replaced || got.Lifetime != 1 {
			t.Errorf("%s: %v with %d replaced, want %v with %d", c.name, have, replaced, c.want, c.replaced)
		}
	}
	// The map period of a misconfigured publisher.
	a, err := ParseAnnouncement(append(AppendAnnouncement(nil, Announcement{Name: "x"})[:38], unhex(t, "06058fffffff48")...))
	if err != nil || a.UpdatePeriod != 4294967240*ms {
		t.Fatalf("got %v, %v", a.UpdatePeriod, err)
	}
	if p, n := a.Clamped(); p.UpdatePeriod != 100*ms || n != 1 {
		t.Errorf("clamped to %v, %d replaced", p.UpdatePeriod, n)
	}
	// What does not fit a duration becomes the longest one.
	if durationOf(math.MaxUint64) != math.MaxInt64 {
		t.Error("a duration overflows")
	}
}

func TestMaps(t *testing.T) {
	for _, c := range []struct {
		name string
		h    *holding
		want string
	}{
		{"only 5", hold(1, 5), "22 05"},
		{"90 to 100", holdRange(90, 100), "22 64 ff03"},
		{"some of 90 to 100", hold(90, 90, 91, 93, 94, 96, 97, 98, 100), "22 64 6e03"},
		{"285 to 300", holdRange(285, 300), "22 822c ff7f"},
		{"9 and 17", hold(1, 9, 17), "22 11 80"},
		{"four of a slice", hold(1, 9, 17, 25, 33), "22 21 808080"},
		{"1 to 11", holdRange(1, 11), "22 0b ff03"},
		{"nothing", hold(1), ""},
	} {
		want := unhex(t, c.want)
		if got := AppendMap(nil, c.h); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
		if c.want == "" {
			continue
		}
		m, err := ParseMap(want)
		if err != nil || m.Last != c.h.newest {
			t.Errorf("%s: parses as %+v, %v", c.name, m, err)
		}
		for id := fragmenter.ID(0); id < 400; id++ {
			if m.Has(id) != c.h.held[id] {
				t.Errorf("%s: Has(%d) = %v", c.name, id, m.Has(id))
			}
		}
		if m.Oldest() > c.h.all()[0] {
			t.Errorf("%s: tells of nothing below %d", c.name, m.Oldest())
		}
	}
	for _, bad := range []string{"", "22", "22 00", "22 00 ff", "22 80", "23 05", "22 c080808080808080 00"} {
		if _, err := ParseMap(unhex(t, bad)); err == nil {
			t.Errorf("%q parses as a map", bad)
		}
	}
	// Bits that would stand for numbers below 1 mean nothing.
	if m, err := ParseMap(unhex(t, "22 03 ff")); err != nil || m.Has(0) || !m.Has(1) || m.Has(fragmenter.MaxID) || m.Oldest() != 1 {
		t.Errorf("a map beyond the start: %+v, %v", m, err)
	}
}

// A map tells of 8,192 fragments at most, the newest; one from others that
// tells of more is read as far.
func TestMapIsBounded(t *testing.T) {
	b := AppendMap(nil, holdRange(1, 20_000))
	if len(b) != 1+3+MaxMapBytes {
		t.Errorf("the map has %d bytes", len(b))
	}
	m, err := ParseMap(append(b, 0xff))
	if err != nil || !m.Has(20_000-MaxMapBytes*8) || m.Has(20_000-MaxMapBytes*8-1) || m.Oldest() != 20_000-MaxMapBytes*8 {
		t.Errorf("%v, oldest %d", err, m.Oldest())
	}
}

func TestMasks(t *testing.T) {
	m := MaskOf(0x28)
	for id := fragmenter.ID(0); id < 100; id++ {
		if m.Wants(id) != (id%8 == 3 || id%8 == 5) {
			t.Errorf("wants %d: %v", id, m.Wants(id))
		}
	}
	long, err := ParseMask(unhex(t, "23 01 0080"))
	if err != nil || long.Len() != 3 || long.Slices() != 0x81 {
		t.Fatalf("%+v, %v", long, err)
	}
	for id := fragmenter.ID(0); id < 100; id++ {
		if long.Wants(id) != (id%24 == 0 || id%24 == 23) {
			t.Errorf("long mask wants %d: %v", id, long.Wants(id))
		}
	}
	if (Mask{}).Wants(0) || (Mask{}).Slices() != 0 {
		t.Error("an empty mask wants something")
	}
	if _, err := ParseMask(unhex(t, "23 000000000000000000")); !errors.Is(err, ErrLimit) {
		t.Errorf("a mask of nine bytes: %v", err)
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want Lag
	}{{-time.Second, 0}, {3 * time.Millisecond, 0}, {4 * time.Millisecond, 1}, {404 * time.Millisecond, 51}, {2031 * time.Millisecond, 254}, {2036 * time.Millisecond, LagUnknown}, {time.Hour, LagUnknown}} {
		if got := LagOf(c.d); got != c.want {
			t.Errorf("LagOf(%v) = %d, want %d", c.d, got, c.want)
		}
	}
	if d, known := Lag(51).Duration(); d != 408*time.Millisecond || !known {
		t.Errorf("%v, %v", d, known)
	}
	if _, known := LagUnknown.Duration(); known {
		t.Error("an unknown lag is known")
	}
	for _, c := range []struct {
		v    float64
		want Value
	}{{-1, 0}, {math.NaN(), 0}, {0.124, 0}, {0.125, 1}, {8, 32}, {63.4, 254}, {1e9, 254}, {math.Inf(1), 254}} {
		if got := ValueOf(c.v); got != c.want {
			t.Errorf("ValueOf(%v) = %d, want %d", c.v, got, c.want)
		}
	}
	if Value(50).Float() != 12.5 {
		t.Errorf("Float = %v", Value(50).Float())
	}
}

// A hostile list or range is refused, never walked.
func TestListBounds(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		want        error
	}{
		{"count above the bound", "67 41 01", ErrLimit},
		{"no first fragment", "67 01 00", ErrMalformed},
		{"a step out of range", "67 02 05 bfffffffffffffff7f", ErrMalformed},
		{"beyond 64 bits", "67 01 83ffffffffffffffff7f", ErrMalformed},
		{"one that is missing", "67 02 05", ErrTruncated},
	} {
		dst := ids(7)
		got, err := ParsePullList(dst, unhex(t, c.bytes))
		if !errors.Is(err, c.want) || len(got) != 1 {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	for _, c := range []struct {
		name, bytes string
		want        error
	}{
		{"count above the bound", "66 41 01 00", ErrLimit},
		{"a range that touches the one before at its end", "66 02 05 00 00 00", ErrMalformed},
		{"too many in all", "66 02 05 8700 01 877f", ErrLimit},
		{"a range out of range", "66 01 bfffffffffffffff7f 01", ErrMalformed},
	} {
		got, err := ParseLost([]Range{{1, 1}}, unhex(t, c.bytes))
		if !errors.Is(err, c.want) || len(got) != 1 {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	full := tags()
	for i := range MaxTags {
		if !full.Add(Tag(i)) {
			t.Fatal("not even as many tags as are allowed fit")
		}
	}
	if full.Add(1) || full.Len() != MaxTags || !full.Contains(31) || full.Contains(32) || full.At(3) != 3 {
		t.Errorf("%d tags", full.Len())
	}
	for _, c := range []struct{ all, now, standby Tags }{
		{},
		{tags(7, 8), tags(7, 8), tags()},
		{tags(7, TagStandby, 8, 9), tags(7), tags(8, 9)},
		{tags(7, TagStandby, 8, 5, TagStandby, 9), tags(7), tags(8, 5, TagStandby, 9)},
		{tags(7, TagStandby), tags(7), tags()},
		{tags(TagStandby, 7), tags(), tags(7)},
	} {
		if now, standby := c.all.Now(), c.all.Standby(); now != c.now || standby != c.standby {
			t.Errorf("%v parts into %v and %v", c.all, now, standby)
		}
		if rooted := c.all != tags(7, TagStandby); c.all.IsRooted() != rooted {
			t.Errorf("%v: rooted %v, want %v", c.all, !rooted, rooted)
		}
	}
	if _, err := ParseAncestors(append([]byte{TypeAncestors, 0, MaxTags + 1}, make([]byte, 2*(MaxTags+1))...)); !errors.Is(err, ErrLimit) {
		t.Errorf("a longer chain: %v", err)
	}
	if _, err := ParseStop([]byte{TypeStop, 8, 0}); !errors.Is(err, ErrMalformed) {
		t.Errorf("slice 8: %v", err)
	}
	if _, pause, err := ParseBusy(nil, unhex(t, "69 8fffffff7f 00")); err != nil || pause != time.Minute {
		t.Errorf("a long pause: %v, %v", pause, err)
	}
}

// A list that no receiver would take is not written.
func TestCallersMistakes(t *testing.T) {
	for name, f := range map[string]func(){
		"too many":        func() { AppendPullList(nil, make([]fragmenter.ID, MaxIDs+1)) },
		"not ascending":   func() { AppendPullList(nil, ids(5, 5)) },
		"zero":            func() { AppendPullList(nil, ids(0)) },
		"too many ranges": func() { AppendLost(nil, make([]Range, MaxRanges+1)) },
		"range reversed":  func() { AppendLost(nil, []Range{{5, 4}}) },
		"too many lost":   func() { AppendLost(nil, []Range{{1, MaxLost + 1}}) },
		"name too long":   func() { AppendAnnouncement(nil, Announcement{Name: strings.Repeat("x", MaxNameLen+1)}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: does not panic", name)
				}
			}()
			f()
		}()
	}
}
