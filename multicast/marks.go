package multicast

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/reliability"
)

// mark is what an engine notes of a fragment in its window, beside the bytes:
// the class of its message plus one in the lower bits, 0 if unknown, and flags.
type mark uint8

const (
	markClass mark = 1<<3 - 1
	// markBegins: it is held and begins its message.
	markBegins mark = 1 << iota << 2
	// markDead: it is missing and not sought any more.
	markDead
	// markPulled: it is missing and has been asked for.
	markPulled
)

// class returns the class of the fragment's message, if it is known.
func (m mark) class() (reliability.Class, bool) {
	return reliability.Class(m&markClass) - 1, m&markClass != 0
}

func (m *mark) setClass(c reliability.Class) { *m = *m&^markClass | mark(c) + 1 }

// contains reports whether a number is kept track of.
func (w *Window) contains(id fragmenter.ID) bool {
	return id >= w.base && id <= w.known && w.base > 0
}
