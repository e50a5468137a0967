package reliability

// Thinner leaves messages out at the publisher when a group cannot carry all of
// a stream. Whatever is dropped further on is dropped by each node for itself:
// everybody then lacks something else, and hardly a picture comes through
// whole. What the publisher leaves out is the same for all, and can be chosen:
// first disposable frames, evenly; if that is not enough, the end of each group
// of pictures, since a reference frame takes all that follow with it. Sound,
// key frames, configurations and data are always kept.
//
// The zero value keeps everything. Not safe for concurrent use.
type Thinner struct {
	less float64 // share of the bytes that is to be left out
	owed float64 // bytes that should have been left out and were not

	// Of the present group of pictures: bytes of all messages, and of those that
	// may be left out. Of the last one the same.
	all, loose         float64
	lastAll, lastLoose float64
	tail               bool // the rest of the group is left out
}

// SetShare sets the share of the stream's bytes that is to be kept, 0 to 1. As
// many are left out as may be; what must be kept can be more than the share.
func (t *Thinner) SetShare(share float64) { t.less = 1 - min(max(share, 0), 1) }

// Share returns the share of the stream's bytes that is to be kept.
func (t *Thinner) Share() float64 { return 1 - t.less }

// Keep takes the next message of a stream, in decoding order, and reports
// whether it is to be sent.
func (t *Thinner) Keep(class Class, size int) bool {
	bytes := float64(size)
	if class == ClassKey {
		t.lastAll, t.lastLoose = t.all, t.loose
		t.all, t.loose, t.tail = 0, 0, false
	}
	t.all += bytes
	t.owed += t.less * bytes
	if class != ClassDisposable && class != ClassReference {
		return true
	}
	t.loose += bytes
	if t.less == 0 {
		t.owed = 0
		return !t.tail
	}
	if class == ClassReference && !t.tail {
		t.tail = t.mustEnd(bytes)
	}
	if drop := t.tail || class == ClassDisposable && t.owed >= bytes/2; !drop {
		t.owed = min(t.owed, t.lastAll)
		return true
	}
	t.owed = max(t.owed-bytes, -max(t.lastAll, bytes))
	return false
}

// mustEnd reports whether all that may still be left out of the group of
// pictures, this frame included, is needed to pay what is owed by its end.
func (t *Thinner) mustEnd(bytes float64) bool {
	if t.lastLoose == 0 {
		return false // nothing is known of how long a group is
	}
	left := t.lastLoose - t.loose + bytes
	more := t.less * max(t.lastAll-t.all, 0)
	return left >= bytes && t.owed+more >= left
}
