package multicast

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/reliability"
)

// Source says how a fragment came.
type Source uint8

// The sources.
const (
	SourceLocal  Source = iota // published by this node
	SourcePush                 // pushed by a neighbor
	SourcePull                 // sent by a neighbor that was asked for it
	SourceNative               // from native IP multicast
	SourceServer               // from a server

	sourceCount = int(SourceServer) + 1
)

// String returns the source's name as metrics show it.
func (s Source) String() string {
	names := [sourceCount]string{"local", "push", "pull", "native", "server"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// InsertResult is what became of a fragment that was given to a [Window].
type InsertResult uint8

// The results.
const (
	Inserted        InsertResult = iota
	InsertDuplicate              // it is held already
	InsertOld                    // it has left window and margin
	InsertTooFar                 // it is further ahead than MaxSpan, or has no valid number
	InsertTooLarge               // it is longer than any fragment may be
)

// WindowParams are the settings of a [Window].
type WindowParams struct {
	// Duration is how long fragments are sought, Margin how much longer they
	// are kept. Both count from when a fragment, or one with a higher number,
	// first became known.
	Duration, Margin time.Duration
	// MaxSpan is how far apart the lowest and the highest number may lie, a
	// power of two from 256 to 1<<20. It bounds the memory beside the
	// fragments' own: 12 bytes for each number of the span in use.
	MaxSpan int
	// MaxBytes bounds the fragments' own memory: the oldest go first. 256 KiB
	// to 128 MiB.
	MaxBytes int
	// Shared tells that the bytes given to Insert are never written again and
	// may be kept: the window then copies nothing, and MaxBytes bounds nothing.
	Shared bool
}

// DefaultWindowParams returns settings for streams of up to 20 Mbit/s.
func DefaultWindowParams() WindowParams {
	return WindowParams{Duration: 8 * time.Second, Margin: 2 * time.Second, MaxSpan: 1 << 16, MaxBytes: 64 << 20}
}

// Validate reports the first setting that is out of range.
func (p WindowParams) Validate() error {
	switch {
	case p.Duration < windowMin || p.Duration > windowMax:
		return fmt.Errorf("multicast: Duration is %v: must be %v to %v", p.Duration, windowMin, windowMax)
	case p.Margin < 0 || p.Margin > windowMax:
		return fmt.Errorf("multicast: Margin is %v: must be 0 to %v", p.Margin, windowMax)
	case p.MaxSpan < minWindowSpan || p.MaxSpan > 1<<20 || p.MaxSpan&(p.MaxSpan-1) != 0:
		return fmt.Errorf("multicast: MaxSpan is %d: must be a power of two from %d to %d", p.MaxSpan, minWindowSpan, 1<<20)
	case p.MaxBytes < 256<<10 || p.MaxBytes > 128<<20:
		return fmt.Errorf("multicast: MaxBytes is %d: must be %d to %d", p.MaxBytes, 256<<10, 128<<20)
	}
	return nil
}

const (
	// minWindowSpan is the span that memory is kept for from the start.
	minWindowSpan = 256
	// maxFragmentLen is the longest fragment with its head.
	maxFragmentLen = fragmenter.MaxFragmentSize + fragmenter.MaxHead
)

// windowEntry is what a Window keeps of one number.
type windowEntry struct {
	known  millis // when it first became known
	slab   uint16 // number of the slab, modulo 2^16
	offset uint16
	length uint16
	source Source
	mark   mark // what the engine notes
}

// Window keeps the fragments of one stream for the time that they are sought
// and some more in which others may ask for them. Fragments meet here whatever
// way they took.
//
// Numbers from [Window.Oldest] to [Window.Known] are kept track of: each is
// held or missing. [Window.Live] divides them: what is missing below it is not
// sought any more. Time moves both ([Window.Expire]).
//
// A fragment's bytes are copied into large slabs that are written once and then
// left to the garbage collector, so what [Window.Fragment] returns is never
// written again, however long it is kept.
type Window struct {
	params WindowParams
	now    reliability.Time

	// entries and held are rings: a number stands at its value modulo the
	// length. Bits of held outside base to known are zero.
	entries []windowEntry
	held    []uint64
	base    fragmenter.ID // the lowest number kept track of, 0 until anything is known
	live    fragmenter.ID // the lowest that is still sought
	known   fragmenter.ID // the highest known
	floor   fragmenter.ID // none below it is taken any more
	count   int           // held

	newest [fragmenter.SliceCount]fragmenter.ID
	slabs  slabs
	// shared points to the fragments of params.Shared, in a ring like entries.
	shared []*byte
	stats  WindowStats
}

// WindowStats counts what came, by source.
type WindowStats struct {
	// Fragments and Bytes were new, Duplicates and DuplicateBytes had come
	// before.
	Fragments, Bytes, Duplicates, DuplicateBytes [sourceCount]uint64
	// Old had left window and margin, Refused were too far ahead or too large.
	Old, Refused uint64
	// Displaced were dropped before their time because MaxBytes was reached.
	Displaced uint64
}

// NewWindow returns an empty window. It panics if the settings are invalid.
func NewWindow(p WindowParams) *Window {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	w := &Window{params: p, entries: make([]windowEntry, minWindowSpan), held: make([]uint64, minWindowSpan/64), floor: 1}
	if p.Shared {
		w.shared = make([]*byte, minWindowSpan)
	}
	return w
}

var (
	_ fragmenter.Store = (*Window)(nil)
	_ wire.Holdings    = (*Window)(nil)
)

// SetDurations changes for how long fragments are sought and kept.
func (w *Window) SetDurations(duration, margin time.Duration) {
	w.params.Duration, w.params.Margin = duration, margin
}

// Stats returns the counters.
func (w *Window) Stats() WindowStats { return w.stats }

// Len returns how many fragments are held.
func (w *Window) Len() int { return w.count }

// MemoryBytes returns how much memory is kept for fragments.
func (w *Window) MemoryBytes() int { return w.slabs.bytes }

// Insert keeps a copy of a fragment in the form that it has on the wire, or with
// WindowParams.Shared the bytes themselves.
func (w *Window) Insert(now reliability.Time, id fragmenter.ID, b []byte, from Source) InsertResult {
	if result := w.admit(now, id, len(b), from); result != Inserted {
		return result
	}
	if w.shared != nil {
		w.share(id, b, from)
	} else {
		copy(w.place(id, len(b), from), b)
	}
	return Inserted
}

// InsertFragment keeps a fragment that this node publishes: it is written into
// the window in the form that it has on the wire.
func (w *Window) InsertFragment(now reliability.Time, f *fragmenter.Fragment) InsertResult {
	length := f.Len()
	if result := w.admit(now, f.ID, length, SourceLocal); result != Inserted {
		return result
	}
	if w.shared != nil {
		w.share(f.ID, fragmenter.AppendFragment(make([]byte, 0, length), f), SourceLocal)
	} else {
		fragmenter.AppendFragment(w.place(f.ID, length, SourceLocal)[:0], f)
	}
	return Inserted
}

// admit checks that a fragment is new and makes its number known.
func (w *Window) admit(now reliability.Time, id fragmenter.ID, length int, from Source) InsertResult {
	switch {
	case length > maxFragmentLen:
		w.stats.Refused++
		return InsertTooLarge
	case id < w.floor:
		w.stats.Old++
		return InsertOld
	case !w.Know(now, id):
		w.stats.Refused++
		return InsertTooFar
	case w.Has(id):
		w.stats.Duplicates[from]++
		w.stats.DuplicateBytes[from] += uint64(length)
		return InsertDuplicate
	}
	return Inserted
}

// place makes room for a fragment that was admitted.
func (w *Window) place(id fragmenter.ID, length int, from Source) []byte {
	for w.slabs.bytes+slabMax > w.params.MaxBytes && w.slabs.several() {
		w.displace(id)
	}
	e := w.at(id)
	var data []byte
	data, e.slab, e.offset = w.slabs.room(w.now, id, length, w.params.Duration)
	w.note(id, length, from)
	return data
}

// share keeps the bytes of a fragment that was admitted.
func (w *Window) share(id fragmenter.ID, b []byte, from Source) {
	w.shared[id&fragmenter.ID(len(w.shared)-1)] = unsafe.SliceData(b)
	w.note(id, len(b), from)
}

// note enters a fragment in the books.
func (w *Window) note(id fragmenter.ID, length int, from Source) {
	e := w.at(id)
	e.length, e.source = uint16(length), from
	w.held[w.word(id)] |= 1 << (id & 63)
	w.count++
	s := &w.newest[id.Slice()]
	*s = max(*s, id)
	w.stats.Fragments[from]++
	w.stats.Bytes[from] += uint64(length)
}

// Know tells that numbers up to id exist, as a map or a later fragment shows.
// Those that are new count as known since now; those below all that is known
// so far, as long as the lowest of these. It reports false if id has left the
// window, or is further ahead than MaxSpan.
func (w *Window) Know(now reliability.Time, id fragmenter.ID) bool {
	if id < w.floor || id > fragmenter.MaxID {
		return false
	}
	w.now = max(w.now, now)
	if w.base == 0 || w.count == 0 && id > w.base && id-w.base >= fragmenter.ID(w.params.MaxSpan) {
		// Nothing is held, and the gap is not one to fill: begin here.
		w.base, w.live, w.known = id, id, id-1
	}
	if !w.reach(min(w.base, id), max(w.known, id)) {
		return false
	}
	ms := wrapped(w.now)
	for ; w.known < id; w.known++ {
		*w.at(w.known + 1) = windowEntry{known: ms}
	}
	if id < w.base {
		if w.live == w.base {
			w.live = id
		}
		ms = w.at(w.base).known
		for ; w.base > id; w.base-- {
			*w.at(w.base - 1) = windowEntry{known: ms}
		}
	}
	return true
}

// wrapped returns a time as ages are reckoned with, 0 included.
func wrapped(t reliability.Time) millis { return millis(t / reliability.Time(time.Millisecond)) }

// reach makes room for the numbers low to high.
func (w *Window) reach(low, high fragmenter.ID) bool {
	if high-low >= fragmenter.ID(w.params.MaxSpan) {
		return false
	}
	size := len(w.entries)
	if high-low < fragmenter.ID(size) {
		return true
	}
	for high-low >= fragmenter.ID(size) {
		size *= 2
	}
	old, oldHeld := w.entries, w.held
	w.entries, w.held = make([]windowEntry, size), make([]uint64, size/64)
	for id := w.base; id <= w.known; id++ {
		i := id & fragmenter.ID(len(old)-1)
		*w.at(id) = old[i]
		w.held[w.word(id)] |= oldHeld[i/64] & (1 << (i & 63))
	}
	if w.shared != nil {
		old := w.shared
		w.shared = make([]*byte, size)
		for id := w.base; id <= w.known; id++ {
			w.shared[id&fragmenter.ID(size-1)] = old[id&fragmenter.ID(len(old)-1)]
		}
	}
	return true
}

// Expire drops what has left window and margin and moves Live.
func (w *Window) Expire(now reliability.Time) {
	w.now = max(w.now, now)
	if w.base == 0 {
		return
	}
	ms := wrapped(w.now)
	kept := int((w.params.Duration + w.params.Margin) / time.Millisecond)
	id := w.base
	for id <= w.known && ms.after(w.at(id).known) >= kept {
		id++
	}
	if id > w.base {
		w.trim(id)
	}
	sought := int(w.params.Duration / time.Millisecond)
	for w.live <= w.known && ms.after(w.at(w.live).known) >= sought {
		w.live++
	}
}

// trim forgets all numbers below id.
func (w *Window) trim(id fragmenter.ID) {
	for i := w.base; i < id; i++ {
		bit := uint64(1) << (i & 63)
		if word := &w.held[w.word(i)]; *word&bit != 0 {
			*word &^= bit
			w.count--
		}
	}
	w.base, w.live, w.floor = id, max(w.live, id), id
	w.slabs.release(id)
}

// displace drops the oldest slab with all that is in it, and what is missing
// below the fragments that are left and the one that is to come: a stream
// beyond MaxBytes has a shorter window.
func (w *Window) displace(coming fragmenter.ID) {
	w.newest = [fragmenter.SliceCount]fragmenter.ID{}
	for id := w.base; id <= w.known; id++ {
		bit := uint64(1) << (id & 63)
		word := &w.held[w.word(id)]
		switch {
		case *word&bit == 0:
		case w.at(id).slab == w.slabs.first:
			*word &^= bit
			w.count--
			w.stats.Displaced++
		default:
			w.newest[id.Slice()] = id
		}
	}
	w.slabs.drop(1)
	oldest := w.base
	for oldest < coming && !w.Has(oldest) {
		oldest++
	}
	w.trim(oldest)
}

// PollTimeout returns when Expire has something to do next, or Never.
func (w *Window) PollTimeout() reliability.Time {
	if w.base == 0 || w.base > w.known {
		return reliability.Never
	}
	next := w.KnownAt(w.base).Add(w.params.Duration + w.params.Margin)
	if w.live <= w.known {
		next = reliability.Earliest(next, w.KnownAt(w.live).Add(w.params.Duration))
	}
	return next
}

func (w *Window) at(id fragmenter.ID) *windowEntry {
	return &w.entries[id&fragmenter.ID(len(w.entries)-1)]
}

// word returns the index of the word of held in which the number's bit is; the
// bit is the number modulo 64.
func (w *Window) word(id fragmenter.ID) int { return int(id&fragmenter.ID(len(w.entries)-1)) / 64 }

// Fragment returns a fragment as it is on the wire, and whether it is held. The
// bytes are never written again.
func (w *Window) Fragment(id fragmenter.ID) ([]byte, bool) {
	if !w.Has(id) {
		return nil, false
	}
	e := w.at(id)
	if w.shared != nil {
		return unsafe.Slice(w.shared[id&fragmenter.ID(len(w.shared)-1)], e.length), true
	}
	return w.slabs.slice(e.slab, e.offset, e.length), true
}

// SourceOf returns how a fragment that is held came.
func (w *Window) SourceOf(id fragmenter.ID) Source { return w.at(id).source }

// KnownAt returns when the number first became known, to the millisecond, for
// a number from Oldest to Known.
func (w *Window) KnownAt(id fragmenter.ID) reliability.Time {
	ago := wrapped(w.now) - w.at(id).known
	return w.now.Add(-time.Duration(ago) * time.Millisecond)
}

// SoughtUntil returns when a missing fragment is given up, for a number from
// Oldest to Known.
func (w *Window) SoughtUntil(id fragmenter.ID) reliability.Time {
	return w.KnownAt(id).Add(w.params.Duration)
}

// KeptUntil returns when a fragment is dropped: nobody is to be sent it later.
// It is for numbers from Oldest to Known.
func (w *Window) KeptUntil(id fragmenter.ID) reliability.Time {
	return w.KnownAt(id).Add(w.params.Duration + w.params.Margin)
}
