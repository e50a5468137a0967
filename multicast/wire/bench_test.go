package wire

import (
	"testing"

	"github.com/ringcast/ringcast/fragmenter"
)

// gappy is ten seconds at 100 fragments a second with a tenth missing.
type gappy struct{}

func (gappy) Newest() fragmenter.ID     { return 50_999 }
func (gappy) Oldest() fragmenter.ID     { return 50_000 }
func (gappy) Has(id fragmenter.ID) bool { return id%10 != 0 }
func (gappy) RunStart(id, floor fragmenter.ID) fragmenter.ID {
	if id%10 == 0 {
		return id
	}
	return max(id/10*10+1, floor)
}

var scratch [2048]byte

// No message that is sent or read for each fragment or map allocates.
func TestNoAllocations(t *testing.T) {
	var lists [MaxIDs]fragmenter.ID
	var ranges [MaxRanges]Range
	status := AppendStatus(nil, Status{}, gappy{}, 1000)
	plain := AppendMap(nil, gappy{})
	pulls := AppendPullList(nil, ids(3, 4, 9))
	report := AppendLost(nil, []Range{{3, 9}})
	accept := Accept{Slice: 1, Ancestors: tags(1, 2, 3)}
	for name, f := range map[string]func(){
		"append status": func() { AppendStatus(scratch[:0], Status{}, gappy{}, 1000) },
		"parse status": func() {
			_, m, _ := ParseStatus(status)
			for runs := m.Runs(); ; {
				if _, ok := runs.Next(); !ok {
					break
				}
			}
		},
		"append map":    func() { AppendMap(scratch[:0], gappy{}) },
		"parse map":     func() { _, _ = ParseMap(plain) },
		"append pulls":  func() { AppendPullList(scratch[:0], lists[:0]) },
		"parse pulls":   func() { _, _ = ParsePullList(lists[:0], pulls) },
		"parse lost":    func() { _, _ = ParseLost(ranges[:0], report) },
		"mask":          func() { m, _ := ParseMask(AppendMask(scratch[:0], MaskOf(3))); m.Wants(3) },
		"pull":          func() { _, _ = ParsePull(AppendPull(scratch[:0], 300)) },
		"request":       func() { _, _ = ParseRequest(AppendRequest(scratch[:0], Request{Start: 300})) },
		"accept":        func() { _, _ = ParseAccept(AppendAccept(scratch[:0], &accept)) },
		"stop":          func() { _, _ = ParseStop(AppendStop(scratch[:0], Stop{1, 300})) },
		"announcements": func() { AppendAnnouncement(scratch[:0], Announcement{Name: "test"}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkAppendStatus(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		AppendStatus(scratch[:0], Status{}, gappy{}, 1000)
	}
}

func BenchmarkParseStatus(b *testing.B) {
	status := AppendStatus(nil, Status{}, gappy{}, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(status)))
	for b.Loop() {
		_, m, _ := ParseStatus(status)
		for runs := m.Runs(); ; {
			if _, ok := runs.Next(); !ok {
				break
			}
		}
	}
}

func BenchmarkAppendMap(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		AppendMap(scratch[:0], gappy{})
	}
}
