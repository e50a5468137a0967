package playout

import (
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// BufferParams are the settings of a [Buffer].
type BufferParams struct {
	// Delay is how long a message is held beyond the quickest one, to put
	// late ones in order and to even out the network's jitter. With 0
	// messages pass at once in the order in which they come.
	Delay time.Duration
	// MaxMessages and MaxBytes bound what is held; beyond them the message of
	// the lowest class goes, the oldest first.
	MaxMessages int
	MaxBytes    int
}

// DefaultBufferParams hold nothing back and fit 8 s of a 20 Mbit/s stream.
func DefaultBufferParams() BufferParams {
	return BufferParams{MaxMessages: 4096, MaxBytes: 24 << 20}
}

// BufferStats counts what a [Buffer] did.
type BufferStats struct {
	Passed uint64
	// Late counts messages that came after their place was passed, Overflow
	// those that were dropped for room, by class.
	Late, Overflow [reliability.ClassCount]uint64
}

// Buffer stands between the network and the outputs of one stream: it orders
// messages by time within Delay, drops those that come too late for their
// place, and hands them out at an even pace. It is a pure core: Push, then
// Poll until it answers false; PollTimeout tells when to Poll again.
type Buffer struct {
	params  BufferParams
	queue   []held // by time, stable
	bytes   int
	clock   packager.Unwrapper
	started bool
	// base is the least difference of arrival and media time seen: the
	// quickest message.
	base     time.Duration
	released [3]time.Duration // by kind: last time handed out
	seen     [3]bool
	stats    BufferStats
}

type held struct {
	m  packager.Message
	at time.Duration // media time
}

// NewBuffer returns a buffer for one stream.
func NewBuffer(p BufferParams) *Buffer { return &Buffer{params: p} }

// Stats returns the counters.
func (b *Buffer) Stats() BufferStats { return b.stats }

// Len returns the number of messages held.
func (b *Buffer) Len() int { return len(b.queue) }

func kindOf(t packager.MessageType) int {
	switch t {
	case packager.MessageVideo:
		return 0
	case packager.MessageAudio:
		return 1
	}
	return 2
}

// jump is a step in time that is no reordering but a new timeline.
const jump = 10 * time.Second

// Push takes a message that arrived now and keeps it.
func (b *Buffer) Push(now reliability.Time, m packager.Message) {
	at := b.clock.Unwrap(m.Timestamp)
	arrival := now.Sub(0) - at
	k := kindOf(m.Type)
	if step := arrival - b.base; !b.started || step < 0 || step > b.params.Delay+jump {
		b.base = arrival
	}
	b.started = true
	if b.params.Delay > 0 && b.seen[k] && at < b.released[k] {
		if b.released[k]-at < jump {
			b.stats.Late[m.Class]++
			return
		}
		b.seen = [3]bool{} // a new timeline
	}
	b.insert(held{m, at})
	for len(b.queue) > b.params.MaxMessages || b.bytes > b.params.MaxBytes {
		b.dropLowest()
	}
}

func (b *Buffer) insert(h held) {
	i := len(b.queue)
	if b.params.Delay > 0 {
		for i > 0 && b.queue[i-1].at > h.at {
			i--
		}
	}
	b.queue = append(b.queue, held{})
	copy(b.queue[i+1:], b.queue[i:])
	b.queue[i] = h
	b.bytes += h.m.Len()
}

func (b *Buffer) dropLowest() {
	worst := 0
	for i := range b.queue {
		if b.queue[i].m.Class < b.queue[worst].m.Class {
			worst = i
		}
	}
	b.stats.Overflow[b.queue[worst].m.Class]++
	b.remove(worst)
}

func (b *Buffer) remove(i int) {
	b.bytes -= b.queue[i].m.Len()
	copy(b.queue[i:], b.queue[i+1:])
	b.queue[len(b.queue)-1] = held{}
	b.queue = b.queue[:len(b.queue)-1]
}

// due returns when the first message is to be handed out.
func (b *Buffer) due() reliability.Time {
	if b.params.Delay == 0 {
		return 0
	}
	return reliability.Time(b.queue[0].at + b.base + b.params.Delay)
}

// Poll returns the next message whose time has come.
func (b *Buffer) Poll(now reliability.Time) (packager.Message, bool) {
	if len(b.queue) == 0 || now < b.due() {
		return packager.Message{}, false
	}
	h := b.queue[0]
	b.remove(0)
	k := kindOf(h.m.Type)
	b.released[k], b.seen[k] = h.at, true
	b.stats.Passed++
	return h.m, true
}

// PollTimeout returns when Poll has something again.
func (b *Buffer) PollTimeout() reliability.Time {
	if len(b.queue) == 0 {
		return reliability.Never
	}
	return b.due()
}
