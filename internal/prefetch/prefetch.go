package prefetch

import "unsafe"

// lineSize is the size of a cache line in bytes, or half of it.
const lineSize = 64

// Region is some memory that is read together. It keeps nothing alive: to ask
// for memory that is no more does no harm.
type Region struct {
	at    uintptr
	lines int
}

// Of returns the region of a variable.
func Of[T any](p *T) Region { return Part(unsafe.Pointer(p), unsafe.Sizeof(*p)) }

// Part returns the region of size bytes at p, which must be more than 0.
func Part(p unsafe.Pointer, size uintptr) Region {
	begin := uintptr(p) &^ (lineSize - 1)
	return Region{begin, int((uintptr(p) - begin + size + lineSize - 1) / lineSize)}
}

// Fetch asks for the region.
func (r Region) Fetch() {
	if r.lines > 0 {
		lines(r.at, r.lines)
	}
}

// Fetch asks for the memory of a variable.
func Fetch[T any](p *T) { Of(p).Fetch() }
