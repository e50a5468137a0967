package wire

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// AppendPullList appends a request for some fragments: at least one and at most
// MaxIDs, ascending. A list that is not is a caller error and panics.
//
//	u8  type 67
//	    list: vlu count, vlu first, vlu difference to the one before - 1 […]
func AppendPullList(b []byte, ids []fragmenter.ID) []byte {
	return appendIDs(append(b, TypePullList), ids)
}

// ParsePullList appends the fragments that are asked for to dst, ascending.
func ParsePullList(dst []fragmenter.ID, b []byte) ([]fragmenter.ID, error) {
	return parseIDs(dst, open(b, TypePullList))
}

// AppendNotHeld appends the answer that fragments which were asked for are not
// held. The list is as for AppendPullList.
//
//	u8  type 68
//	    list as of type 67
func AppendNotHeld(b []byte, ids []fragmenter.ID) []byte {
	return appendIDs(append(b, TypeNotHeld), ids)
}

// ParseNotHeld appends the fragments that are not held to dst, ascending.
func ParseNotHeld(dst []fragmenter.ID, b []byte) ([]fragmenter.ID, error) {
	return parseIDs(dst, open(b, TypeNotHeld))
}

// maxPause is the longest pause that a busy message can ask for, in
// milliseconds.
const maxPause = 60_000

// AppendBusy appends the answer that fragments which were asked for will not
// be sent, and for how long to ask nothing more; that has the grain of a
// millisecond. The list is as for AppendPullList, but may be empty.
//
//	u8  type 69
//	vlu pause, ms
//	    list as of type 67
func AppendBusy(b []byte, pause time.Duration, ids []fragmenter.ID) []byte {
	b = vlu.Append(append(b, TypeBusy), min(milliseconds(pause), maxPause))
	return appendIDs(b, ids)
}

// ParseBusy appends the fragments that will not be sent to dst, ascending, and
// returns the pause, at most a minute.
func ParseBusy(dst []fragmenter.ID, b []byte) (ids []fragmenter.ID, pause time.Duration, err error) {
	r := open(b, TypeBusy)
	pause = durationOf(min(r.Number(), maxPause))
	ids, err = parseIDs(dst, r)
	return ids, pause, err
}

func appendIDs(b []byte, ids []fragmenter.ID) []byte {
	if len(ids) > MaxIDs {
		panic("wire: too many fragments in a list")
	}
	b = vlu.Append(b, uint64(len(ids)))
	before := fragmenter.ID(0)
	for i, id := range ids {
		if id <= before {
			panic("wire: fragments of a list are not ascending")
		}
		step := id - before
		if i > 0 {
			step--
		}
		b = vlu.Append(b, uint64(step))
		before = id
	}
	return b
}

// parseIDs reads a list to the end of the message. On an error it returns dst
// as it was.
func parseIDs(dst []fragmenter.ID, r reader) ([]fragmenter.ID, error) {
	start := len(dst)
	id := fragmenter.ID(0)
	for i := range r.Count(MaxIDs) {
		step := r.id()
		if i > 0 {
			step++
		}
		id += step
		if step == 0 || id > fragmenter.MaxID {
			r.Fail(ErrMalformed)
		}
		dst = append(dst, id)
	}
	if err := r.End(); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// Range is the fragments First to Last, both included.
type Range struct{ First, Last fragmenter.ID }

// AppendLost appends a report of fragments that a link has lost: at least one
// and at most MaxRanges ranges, ascending, of MaxLost fragments together.
// Ranges that are not are a caller error and panic.
//
//	u8  type 66
//	vlu count
//	    ranges: vlu first - last of the one before, vlu length - 1 each
func AppendLost(b []byte, ranges []Range) []byte {
	if len(ranges) > MaxRanges {
		panic("wire: too many ranges in a loss report")
	}
	b = vlu.Append(append(b, TypeLost), uint64(len(ranges)))
	before, total := fragmenter.ID(0), fragmenter.ID(0)
	for _, r := range ranges {
		total += r.Last - r.First + 1
		if r.First <= before || r.Last < r.First || total > MaxLost {
			panic("wire: ranges of a loss report are not ascending or too long")
		}
		b = vlu.Append(b, uint64(r.First-before))
		b = vlu.Append(b, uint64(r.Last-r.First))
		before = r.Last
	}
	return b
}

// ParseLost appends the ranges that a link has lost to dst, ascending.
func ParseLost(dst []Range, b []byte) ([]Range, error) {
	r := open(b, TypeLost)
	start := len(dst)
	last, total := fragmenter.ID(0), fragmenter.ID(0)
	for range r.Count(MaxRanges) {
		gap, more := r.id(), r.id()
		first := last + gap
		last = first + more
		if gap == 0 || last > fragmenter.MaxID {
			r.Fail(ErrMalformed)
			break
		}
		if total += more + 1; total > MaxLost {
			r.Fail(ErrLimit)
			break
		}
		dst = append(dst, Range{first, last})
	}
	if err := r.End(); err != nil {
		return dst[:start], err
	}
	return dst, nil
}
