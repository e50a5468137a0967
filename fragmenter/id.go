package fragmenter

// ID numbers the fragments of one stream, upwards without gaps. Publishers
// start at 1; a receiver assumes nothing about the start. 0 is no fragment.
type ID uint64

// MaxID is the largest number that is accepted from others. No stream lives
// long enough to get there, and sums of an ID and a count stay in range.
const MaxID ID = 1<<62 - 1

// SliceCount is the number of slices that a stream is divided into: a fragment
// belongs to the slice of its number modulo SliceCount. Parents are chosen for
// each slice.
const SliceCount = 8

// Slice returns the slice that the fragment belongs to, 0 to SliceCount-1.
func (id ID) Slice() int { return int(id % SliceCount) }
