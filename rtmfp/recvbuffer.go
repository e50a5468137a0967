package rtmfp

import (
	"bytes"
	"slices"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// rxFragment is a fragment that has come and waits for others.
type rxFragment struct {
	sn   wire.SequenceNumber
	data []byte // of a blockPool
	kind wire.Fragmentation
	// run is how many fragments of one message lie here without a gap. It is
	// right in the first and the last of them only, which is enough: a
	// fragment in between is never looked at.
	run int32
}

// recvBuffer holds the fragments of a flow that cannot be handed over yet, in
// the order of their numbers.
type recvBuffer []rxFragment

// find returns the place of the first fragment from sn on.
func (b recvBuffer) find(sn wire.SequenceNumber) int {
	if n := len(b); n == 0 || b[n-1].sn < sn {
		return n
	}
	i, _ := slices.BinarySearchFunc(b, sn, func(r rxFragment, sn wire.SequenceNumber) int {
		if r.sn < sn {
			return -1
		}
		return 1
	})
	return i
}

// insert puts a fragment in its place, which is not taken, and joins it with
// those of its message on both sides.
func (b *recvBuffer) insert(fr rxFragment) {
	i := b.find(fr.sn)
	*b = slices.Insert(*b, i, fr)
	all := *b
	first, last := i, i
	if i > 0 && follows(&all[i-1], &fr) {
		first -= int(all[i-1].run)
	}
	if i+1 < len(all) && follows(&fr, &all[i+1]) {
		last += int(all[i+1].run)
	}
	run := int32(last - first + 1)
	all[first].run, all[last].run = run, run
}

// follows reports whether b is the fragment after a in the same message.
func follows(a, b *rxFragment) bool {
	return b.sn == a.sn+1 && (a.kind == wire.Begin || a.kind == wire.Middle) && (b.kind == wire.Middle || b.kind == wire.End)
}

// run returns how many fragments from the i-th on belong together, where the
// i-th is the first of them, and whether they are a whole message.
func (b recvBuffer) run(i int) (n int, complete bool) {
	n = int(b[i].run)
	first, last := b[i].kind, b[i+n-1].kind
	return n, first == wire.Whole || first == wire.Begin && last == wire.End
}

// blockPool recycles the memory of fragments that wait, so that a session in
// steady state allocates nothing for them. Blocks are of few sizes, each less
// than twice the one before: waiting fragments are counted by their length.
type blockPool struct {
	free [blockSizes][][]byte
	most int // size of the largest blocks
}

const (
	blockSizes = 5
	// maxFreeBlocks is how many blocks of each size are kept for use again.
	maxFreeBlocks = 512
)

// size returns the i-th size: the largest last, and from 128 bytes on twice the
// one before.
func (p *blockPool) size(i int) int {
	if i == blockSizes-1 {
		return p.most
	}
	return min(128<<i, p.most)
}

// clone returns a copy of data. What is larger than the largest block has
// memory of its own.
func (p *blockPool) clone(data []byte) []byte {
	i := 0
	for p.size(i) < len(data) {
		if i++; i == blockSizes {
			return bytes.Clone(data)
		}
	}
	n := len(p.free[i])
	if n == 0 {
		return append(make([]byte, 0, p.size(i)), data...)
	}
	block := p.free[i][n-1]
	p.free[i][n-1] = nil
	p.free[i] = p.free[i][:n-1]
	return append(block, data...)
}

// release takes back what clone returned.
func (p *blockPool) release(data []byte) {
	for i := range p.free {
		if cap(data) == p.size(i) {
			if len(p.free[i]) < maxFreeBlocks {
				p.free[i] = append(p.free[i], data[:0])
			}
			return
		}
	}
}

// lending is memory for messages that are only shown to the application until
// the next mutation.
type lending struct{ memory []byte }

// maxLending is how much of it is kept, in bytes.
const maxLending = 1 << 20

// take returns n bytes.
func (l *lending) take(n int) []byte {
	l.memory = slices.Grow(l.memory, n)
	at := len(l.memory)
	l.memory = l.memory[:at+n]
	return l.memory[at : at+n : at+n]
}

// reset takes everything back.
func (l *lending) reset() {
	if cap(l.memory) > maxLending {
		l.memory = nil
	}
	l.memory = l.memory[:0]
}
