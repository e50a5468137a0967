package fragmenter

import (
	"fmt"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// Store is where the bytes of fragments lie.
type Store interface {
	// Fragment returns a fragment as it is on the wire, and whether it is
	// there. The bytes are borrowed until the store changes.
	Fragment(id ID) ([]byte, bool)
}

// Order is the order in which a [Reassembler] hands messages over.
type Order uint8

const (
	// OrderTracks keeps the order within audio, within video and within the
	// rest, so that a missing piece of a picture does not hold up the sound.
	// It looks past a gap only where it knows to which message the missing
	// fragments belong.
	OrderTracks Order = iota
	// OrderStream keeps the order of all messages.
	OrderStream
)

// ReassemblerParams are the settings of a [Reassembler].
type ReassemblerParams struct {
	Order Order
	// MaxSpan is how far apart the oldest fragment that is followed and the
	// newest may lie, a power of two from 512 to 1<<20. It bounds the memory:
	// 4 bytes for each number of the span in use.
	MaxSpan int
	// OmitBody hands messages over without payload, for measurements, which
	// then need not read and copy the media.
	OmitBody bool
}

// DefaultReassemblerParams returns settings for streams of up to some
// thousand fragments a second.
func DefaultReassemblerParams() ReassemblerParams {
	return ReassemblerParams{Order: OrderTracks, MaxSpan: 1 << 16}
}

// Validate reports the first setting that is out of range.
func (p ReassemblerParams) Validate() error {
	if p.Order > OrderStream {
		return fmt.Errorf("fragmenter: Order is %d: must be %d or %d", p.Order, OrderTracks, OrderStream)
	}
	if p.MaxSpan < minSpan || p.MaxSpan > maxSpan || p.MaxSpan&(p.MaxSpan-1) != 0 {
		return fmt.Errorf("fragmenter: MaxSpan is %d: must be a power of two from %d to %d", p.MaxSpan, minSpan, maxSpan)
	}
	return nil
}

const (
	minSpan = 512 // memory for so many is kept from the start
	maxSpan = 1 << 20
)

// piece is what a Reassembler knows of one fragment.
type piece struct {
	flags     uint8
	countdown uint8
	// Of the message that the piece begins:
	class reliability.Class
	track uint8
}

const (
	pieceHeld    uint8 = 1 << iota
	pieceLost          // given up before its time
	pieceDone          // handed over or dropped
	pieceBegins        // held, and begins a message
	pieceMore          // held, and more follow
	pieceCounted       // held, and the countdown is known
)

func (p *piece) is(flags uint8) bool { return p.flags&flags != 0 }

// Reassembler joins the fragments of one stream to messages and hands them over
// whole and in order. It is told which fragments have come ([Reassembler.Insert])
// and which are not waited for any more ([Reassembler.AbandonThrough],
// [Reassembler.Abandon]), and asked for messages ([Reassembler.PollMessage])
// until it has none. Before [Reassembler.Start] it hands over nothing, but
// follows the stream.
//
// It knows to which message a fragment belongs, so it can also tell what one is
// worth ([Reassembler.Class]) and whether it is still of use
// ([Reassembler.Wanted]).
type Reassembler struct {
	params ReassemblerParams
	store  Store
	// pieces holds what is known of the numbers base to top, each at the
	// number modulo the length, which is a power of two. Those of all other
	// numbers are zero.
	pieces  []piece
	base    ID // 0 until anything is known
	top     ID // at least base-1
	through ID // what is missing up to here is given up
	playing bool
	newest  [trackCount]ID // last handed over
	chain   reliability.Chain
	stats   ReassemblerStats
}

// ReassemblerStats counts what became of the stream's messages.
type ReassemblerStats struct {
	// Delivered is the messages handed over, by class.
	Delivered [reliability.ClassCount]uint64
	// Lost is the messages of which a piece was given up, by class. Those of
	// which the first piece never came are not among them.
	Lost [reliability.ClassCount]uint64
	// GivenUp is the fragments that were not there when the delivery went past
	// them.
	GivenUp uint64
	// Orphans is the fragments without the beginning of their message. A lone
	// end, which Flash sends now and then, is one.
	Orphans uint64
	// Broken is the messages whose fragments contradict each other or the
	// store.
	Broken uint64
	// Late is the fragments that came after they had been given up, TooFar
	// those that were beyond the span.
	Late, TooFar uint64
}

// NewReassembler returns a Reassembler that finds the bytes of fragments in
// store. It panics if the settings are invalid.
func NewReassembler(p ReassemblerParams, store Store) *Reassembler {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	return &Reassembler{params: p, store: store, pieces: make([]piece, minSpan)}
}

// Start lets the delivery begin with the first message that begins at first or
// after it. What lies below is forgotten. A second Start moves to another
// place.
func (r *Reassembler) Start(first ID) {
	first = max(first, 1)
	r.playing = true
	r.newest = [trackCount]ID{}
	r.through = min(r.through, first-1)
	switch {
	case r.base == 0 || first > r.top || r.top-first >= ID(r.params.MaxSpan):
		clear(r.pieces)
		r.base, r.top = first, first-1
	case first < r.base:
		r.reach(first)
	default:
		r.drop(first)
	}
}

// Started reports whether Start was called.
func (r *Reassembler) Started() bool { return r.playing }

// Next returns the lowest number that the delivery is not done with, 0 before
// Start.
func (r *Reassembler) Next() ID {
	if !r.playing {
		return 0
	}
	return r.base
}

// Stats returns the counters.
func (r *Reassembler) Stats() ReassemblerStats { return r.stats }

func (r *Reassembler) at(id ID) *piece { return &r.pieces[id&ID(len(r.pieces)-1)] }

// lost reports whether a number between base and top will not come any more.
func (r *Reassembler) lost(id ID) bool {
	p := r.at(id)
	return !p.is(pieceHeld) && (id <= r.through || p.is(pieceLost))
}

// drop forgets all numbers below to.
func (r *Reassembler) drop(to ID) {
	for ; r.base < to && r.base <= r.top; r.base++ {
		*r.at(r.base) = piece{}
	}
	if r.base < to {
		r.base, r.top = to, to-1
	}
}

// reach extends the span to a number. It reports false if that is too far.
func (r *Reassembler) reach(id ID) bool {
	low, high := min(r.base, id), max(r.top, id)
	if high-low >= ID(r.params.MaxSpan) {
		return false
	}
	if need := high - low + 1; need > ID(len(r.pieces)) {
		size := ID(len(r.pieces))
		for size < need {
			size *= 2
		}
		old := r.pieces
		r.pieces = make([]piece, size)
		for i := r.base; i <= r.top; i++ {
			*r.at(i) = old[i&ID(len(old)-1)]
		}
	}
	r.base, r.top = low, high
	return true
}

// Insert tells that a fragment has come and lies in the store. It reports
// whether that is news: it is not for one that came before, is done with or
// given up, or lies too far ahead.
func (r *Reassembler) Insert(f *Fragment) bool {
	switch {
	case f.ID == 0:
		return false
	case r.base == 0:
		r.base, r.top = f.ID, f.ID-1
	case f.ID <= r.through:
		r.stats.Late++
		return false
	case f.ID < r.base && r.playing:
		return false
	}
	if !r.reach(f.ID) {
		r.stats.TooFar++
		return false
	}
	p := r.at(f.ID)
	if p.is(pieceHeld | pieceDone | pieceLost) {
		return false
	}
	p.flags |= pieceHeld
	if f.Kind.Begins() {
		p.flags |= pieceBegins
		p.class = f.Class()
		p.track = trackOf(f.Type, p.class)
		r.chain.Know(uint64(f.ID), p.class)
	}
	if f.Kind.More() {
		p.flags |= pieceMore
	}
	if !f.NoCountdown {
		p.flags |= pieceCounted
		p.countdown = f.Countdown
	}
	return true
}

// Delivery is a message that a [Reassembler] hands over. The message's body
// is its payload; it belongs to whom it is handed.
type Delivery struct {
	packager.Message
	// First and Last are the numbers of its fragments.
	First, Last ID
}

// PollMessage returns the next message that is whole and has its turn. Its body
// is appended to b, which may be nil; with a b of enough capacity nothing is
// allocated.
func (r *Reassembler) PollMessage(b []byte) (Delivery, bool) {
	if !r.playing {
		return Delivery{}, false
	}
	var blocked [trackCount]bool
	for id := r.base; id <= r.top; {
		p := r.at(id)
		if p.is(pieceDone) || r.lost(id) {
			id++
			continue
		}
		if !p.is(pieceHeld) {
			break // it could belong to any track
		}
		if !p.is(pieceBegins) {
			id = r.dropOrphan(id)
			continue
		}
		last, state := r.message(id)
		if state == messageWhole && id < r.newest[p.track] {
			// Its numbers were taken for a part of another message, by a false
			// countdown, and later messages have been handed over.
			r.stats.Broken++
			state = messageDead
		}
		if state == messageWhole && !blocked[p.track] {
			if d, ok := r.join(id, last, b); ok {
				r.newest[p.track] = id
				r.finish(id, last)
				r.advance()
				return d, true
			}
			state = messageDead
		}
		if state == messageDead {
			r.kill(id, last)
		}
		if state == messageOpen || state == messagePartial && r.params.Order == OrderStream {
			break
		}
		if state == messagePartial {
			blocked[p.track] = true
		}
		id = last + 1
	}
	r.advance()
	return Delivery{}, false
}

// join makes the message of the fragments id to last.
func (r *Reassembler) join(id, last ID, b []byte) (Delivery, bool) {
	d := Delivery{First: id, Last: last}
	start := len(b)
	for i := id; i <= last; i++ {
		bytes, ok := r.store.Fragment(i)
		f, err := ParseFragment(bytes)
		if !ok || err != nil || f.ID != i || len(b)-start+len(f.Payload) > MaxMessageLen {
			r.stats.Broken++
			return Delivery{}, false
		}
		if i == id {
			d.Message = packager.Message{Type: f.Type, Timestamp: f.Timestamp, Class: r.at(id).class}
			if r.params.OmitBody {
				break
			}
			if last > id && cap(b)-len(b) < len(f.Payload) {
				b = append(make([]byte, 0, len(b)+len(f.Payload)*int(last-id+1)), b...)
			}
		}
		b = append(b, f.Payload...)
	}
	d.Payload = b[start:len(b):len(b)]
	r.stats.Delivered[d.Class]++
	return d, true
}

// AbandonThrough gives up what is missing of the numbers up to id, and with it
// the messages that it belongs to, the rest of which is of no use any more.
// Messages that are whole are still handed over.
func (r *Reassembler) AbandonThrough(id ID) {
	if id <= r.through || r.base == 0 {
		return
	}
	r.through = id
	if !r.playing {
		r.drop(id + 1)
		return
	}
	for i := r.base; i <= min(r.top, id); {
		p := r.at(i)
		switch {
		case p.is(pieceDone) || !p.is(pieceHeld):
			i++
		case !p.is(pieceBegins):
			i = r.dropOrphan(i)
		default:
			last, state := r.message(i)
			if state == messageDead {
				r.kill(i, last)
			}
			if state == messageOpen {
				last = id // nothing behind it is decided
			}
			i = last + 1
		}
	}
	r.advance()
}

// Abandon gives up the message that the fragment belongs to, or the fragment
// alone if that is not known. A message that is whole is not given up.
func (r *Reassembler) Abandon(id ID) {
	if r.base == 0 || id < r.base || id > r.top {
		return
	}
	begin, ok := r.find(id)
	if !ok {
		if p := r.at(id); !p.is(pieceHeld) {
			p.flags |= pieceLost
		}
		return
	}
	if r.at(begin).is(pieceDone) {
		return
	}
	switch last, state := r.message(begin); state {
	case messageOpen:
		r.kill(begin, id)
	case messagePartial, messageDead:
		r.kill(begin, last)
	}
}

// Class returns what the message is worth that the fragment belongs to, and
// whether that is known: the fragment that begins it must have come.
func (r *Reassembler) Class(id ID) (reliability.Class, bool) {
	begin, ok := r.find(id)
	if !ok {
		return 0, false
	}
	return r.at(begin).class, true
}

// Wanted reports whether the fragment is missing and of any use: not given up,
// nor part of a picture that cannot be decoded for lack of an earlier one.
func (r *Reassembler) Wanted(id ID) bool {
	if id == 0 || id <= r.through || r.playing && id < r.base {
		return false
	}
	if r.base == 0 || id < r.base {
		return true
	}
	if id <= r.top && r.at(id).is(pieceHeld|pieceDone|pieceLost) {
		return false
	}
	begin, ok := r.find(id)
	return !ok || !r.chain.Broken(uint64(begin), r.at(begin).class)
}
