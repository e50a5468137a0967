package wire

import (
	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// RunMap is the form of a map between our own nodes: the lengths of runs of
// held and missing fragments, from the newest downwards.
//
//	vlu last, the highest fragment held; 0 if nothing is
//	vlu last - first, where first is the lowest fragment told of
//	vlu length[…] of runs that are held, missing, held, … in turn, from last-1
//	    down to first; a run of zero stands where the order needs one
//
// The zero value tells of nothing.
type RunMap struct {
	// Last is the highest fragment held, First the lowest that is told of.
	Last, First fragmenter.ID
	runs        []byte
}

// A Run is the fragments First to Last, both included, all held or all
// missing.
type Run struct {
	First, Last fragmenter.ID
	Held        bool
}

// Runs walks over a map from its newest run to its oldest.
type Runs struct {
	rest  []byte
	next  fragmenter.ID // the highest number not told of yet
	first fragmenter.ID
	held  bool
	head  bool // Last itself is still to come
}

// Runs returns a walker over the map. The first run holds at least Last.
func (m RunMap) Runs() Runs {
	if m.Last == 0 {
		return Runs{first: 1}
	}
	return Runs{rest: m.runs, next: m.Last, first: m.First, held: true, head: true}
}

// Next returns the next run. Runs are never empty and alternate.
func (w *Runs) Next() (Run, bool) {
	if w.next < w.first {
		return Run{}, false
	}
	length := fragmenter.ID(w.length())
	if w.head {
		w.head = false
		length++
	} else if length == 0 {
		// Only a map that was not checked can have one here.
		return Run{}, false
	}
	run := Run{First: w.next + 1 - length, Last: w.next, Held: w.held}
	w.next -= length
	w.held = !w.held
	return run, true
}

func (w *Runs) length() uint64 {
	if w.head && w.next == w.first {
		return 0 // nothing below Last
	}
	length, n, err := vlu.Parse(w.rest)
	if err != nil {
		return 0
	}
	w.rest = w.rest[n:]
	return length
}

// appendRunMap appends a map of h in at most limit bytes and MaxRuns runs: what
// does not fit is left out at the old end. At least the newest fragment is
// told of.
func appendRunMap(b []byte, h Holdings, limit int) []byte {
	last := h.Newest()
	if last == 0 {
		return append(b, 0, 0)
	}
	first := runMapStart(h, last, limit)
	b = vlu.Append(b, uint64(last))
	b = vlu.Append(b, uint64(last-first))
	id, held := last, true // id is the lowest number told of
	for id > first {
		from := id
		if h.Has(id-1) == held {
			from = h.RunStart(id-1, first)
		}
		b = vlu.Append(b, uint64(id-from))
		id, held = from, !held
	}
	return b
}

// runMapStart returns how far down a map of at most limit bytes can go.
func runMapStart(h Holdings, last fragmenter.ID, limit int) fragmenter.ID {
	oldest := min(max(h.Oldest(), 1), last)
	size := vlu.Len(uint64(last)) + vlu.Len(uint64(last-oldest))
	id, held := last, true
	for runs := 0; id > oldest && runs < MaxRuns; runs++ {
		from := id
		if h.Has(id-1) == held {
			from = h.RunStart(id-1, oldest)
		}
		size += vlu.Len(uint64(id - from))
		if size > limit {
			break
		}
		id, held = from, !held
	}
	return id
}

// runMap reads a map to the end of the message and checks that its runs cover
// exactly what it tells of.
func (r *reader) runMap() RunMap {
	m := RunMap{Last: r.id()}
	below := fragmenter.ID(r.Number())
	if r.Err == nil && (below > m.Last || below == m.Last && m.Last != 0) {
		r.Fail(ErrMalformed)
	}
	if r.Err != nil {
		return RunMap{}
	}
	m.First, m.runs = m.Last-below, r.B
	left := uint64(below)
	for runs := 0; left > 0; runs++ {
		if runs == MaxRuns {
			r.Fail(ErrLimit)
			break
		}
		length := r.Number()
		if length > left || length == 0 && runs > 0 {
			r.Fail(ErrMalformed)
		}
		if r.Err != nil {
			break
		}
		left -= length
	}
	if r.End() != nil {
		return RunMap{}
	}
	return m
}
