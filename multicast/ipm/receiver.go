package ipm

import (
	"encoding/binary"
	"errors"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// What Open says of a datagram that it does not take, besides ErrMalformed.
var (
	// ErrForeign means that the datagram is not of this group.
	ErrForeign = errors.New("ipm: datagram of another group")
	// ErrOwn means that this node made the datagram: the network gives it back
	// to who sends.
	ErrOwn = errors.New("ipm: own datagram")
	// ErrRepeated means that the datagram came before, or is too old to tell.
	ErrRepeated = errors.New("ipm: repeated datagram")
)

const (
	// maxSenders bounds the senders that are followed; the longest silent one
	// goes when another comes.
	maxSenders = 256
	// replayWindow is how far behind the newest a datagram may come.
	replayWindow = 1024
	// restartGap is a step of the sequence that is taken for a restart of the
	// sender and not for loss.
	restartGap = 1 << 14
)

// SenderInfo is what a [Receiver] knows of a sender.
type SenderInfo struct {
	Tag Tag
	// Received is the datagrams that came, Lost those that are missing among
	// them so far, Repeated those that came again.
	Received, Lost, Repeated uint64
	// LastHeard is when the last one came.
	LastHeard reliability.Time
}

// ReceiverStats counts what came, over all senders.
type ReceiverStats struct {
	// Datagrams and Bytes were taken, Fragments were in them.
	Datagrams, Bytes, Fragments uint64
	// Lost is the datagrams that did not come, as far as is known.
	Lost uint64
	// Foreign, Own, Repeated and Malformed were dropped.
	Foreign, Own, Repeated, Malformed uint64
}

// Receiver opens the datagrams of one group.
type Receiver struct {
	keys    *Keys
	self    Tag
	senders []sender
	byTag   map[Tag]int
	lost    uint64 // of senders that are no longer followed
	stats   ReceiverStats
}

// sender is a sender's run of sequence numbers, which ends when it restarts.
type sender struct {
	tag                Tag
	first, highest     uint64
	came               uint64 // of this run
	received, repeated uint64 // of all runs
	gaps               uint64 // lost in earlier runs
	heard              reliability.Time
	// seen has a bit for each of the newest numbers. One word more than the
	// window has, since the newest numbers fill only a part of theirs.
	seen [replayWindow/64 + 1]uint64
}

// NewReceiver returns a Receiver for a node, which drops its own datagrams.
func NewReceiver(keys *Keys, self Tag) *Receiver {
	return &Receiver{keys: keys, self: self, byTag: make(map[Tag]int)}
}

// Stats returns the counters.
func (r *Receiver) Stats() ReceiverStats {
	s := r.stats
	s.Lost = r.lost
	for i := range r.senders {
		s.Lost += r.senders[i].lost()
	}
	return s
}

// Senders appends what is known of the senders to dst, in no particular but
// always the same order.
func (r *Receiver) Senders(dst []SenderInfo) []SenderInfo {
	for i := range r.senders {
		s := &r.senders[i]
		dst = append(dst, SenderInfo{s.tag, s.received, s.lost(), s.repeated, s.heard})
	}
	return dst
}

// Packet is a datagram that was opened. Its chunks are borrowed from it.
type Packet struct {
	Sender   Tag
	Sequence uint64
	rest     []byte
	stats    *ReceiverStats
}

// Open checks and decrypts a datagram in place. What a node that is in several
// groups gets, it gives to the Receiver of each until one does not answer
// ErrForeign; that leaves the datagram unchanged.
func (r *Receiver) Open(now reliability.Time, datagram []byte) (Packet, error) {
	b, ok := r.keys.openDatagram(datagram)
	if !ok {
		r.stats.Foreign++
		return Packet{}, ErrForeign
	}
	if len(b) < 5 || b[0] != version {
		r.stats.Malformed++
		return Packet{}, ErrMalformed
	}
	tag := Tag(binary.BigEndian.Uint32(b[1:]))
	sequence, n, err := vlu.Parse(b[5:])
	if err != nil {
		r.stats.Malformed++
		return Packet{}, ErrMalformed
	}
	if tag == r.self {
		r.stats.Own++
		return Packet{}, ErrOwn
	}
	s := r.sender(tag, sequence)
	if !s.take(sequence) {
		s.repeated++
		r.stats.Repeated++
		return Packet{}, ErrRepeated
	}
	s.heard = now
	r.stats.Datagrams++
	r.stats.Bytes += uint64(len(datagram))
	return Packet{tag, sequence, b[5+n:], &r.stats}, nil
}

// Next returns the next chunk of the datagram, of a known type or not, and
// false at the end. One that is cut off ends it.
func (p *Packet) Next() (Chunk, bool) {
	c, n, err := parseChunk(p.rest)
	if err != nil {
		p.stats.Malformed++
	}
	if n == 0 {
		p.rest = nil
		return Chunk{}, false
	}
	p.rest = p.rest[n:]
	if c.Type == TypeFragment {
		p.stats.Fragments++
	}
	return c, true
}

// sender returns the state of a sender; a new one begins with this number.
func (r *Receiver) sender(tag Tag, sequence uint64) *sender {
	if i, ok := r.byTag[tag]; ok {
		return &r.senders[i]
	}
	i := len(r.senders)
	if i < maxSenders {
		r.senders = append(r.senders, sender{})
	} else {
		i = 0
		for j := range r.senders {
			if r.senders[j].heard < r.senders[i].heard {
				i = j
			}
		}
		r.lost += r.senders[i].lost()
		delete(r.byTag, r.senders[i].tag)
	}
	r.senders[i] = sender{tag: tag, first: sequence, highest: sequence}
	r.byTag[tag] = i
	return &r.senders[i]
}

// lost returns how many datagrams are missing between the first and the
// newest.
func (s *sender) lost() uint64 { return s.gaps + s.highest - s.first + 1 - s.came }

// take notes a number and reports whether it is new.
func (s *sender) take(sequence uint64) bool {
	const words = uint64(len(s.seen))
	switch {
	case s.came == 0:
	case sequence > s.highest && sequence-s.highest > restartGap:
		*s = sender{tag: s.tag, received: s.received, repeated: s.repeated, gaps: s.lost(), first: sequence, highest: sequence}
	case sequence > s.highest:
		for w := s.highest/64 + 1; w <= sequence/64 && w <= s.highest/64+words; w++ {
			s.seen[w%words] = 0
		}
		s.highest = sequence
	case s.highest-sequence >= replayWindow:
		return false
	}
	word, bit := &s.seen[sequence/64%words], uint64(1)<<(sequence%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	s.first = min(s.first, sequence) // it may have been overtaken by the first
	s.came++
	s.received++
	return true
}
