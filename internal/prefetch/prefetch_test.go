package prefetch

import (
	"testing"
	"unsafe"
)

// A region covers all lines that its bytes lie on, and no other.
func TestRegionCoversWholeLines(t *testing.T) {
	buf := make([]byte, 1024)
	begin := unsafe.Pointer(&buf[0])
	begin = unsafe.Add(begin, (lineSize-uintptr(begin)%lineSize)%lineSize)
	for _, c := range []struct {
		offset, size uintptr
		first, lines int
	}{
		{0, 1, 0, 1}, {0, 64, 0, 1}, {0, 65, 0, 2}, {63, 1, 0, 1}, {63, 2, 0, 2}, {64, 128, 1, 2}, {100, 100, 1, 3},
	} {
		r := Part(unsafe.Add(begin, c.offset), c.size)
		if first := int(r.at-uintptr(begin)) / lineSize; first != c.first || r.lines != c.lines || r.at%lineSize != 0 {
			t.Errorf("%d bytes at %d: lines from %d, %d of them; want %d, %d", c.size, c.offset, first, r.lines, c.first, c.lines)
		}
		r.Fetch()
	}
}

// Any address may be asked for: it is a hint.
func TestFetchReadsNothing(t *testing.T) {
	Fetch[[3]uint64](nil)
	Region{}.Fetch()
	Region{^uintptr(0) &^ (lineSize - 1), 2}.Fetch()
}
