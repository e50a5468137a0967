package ipm

import (
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// SenderConfig says what a [Sender] works with.
type SenderConfig struct {
	// Keys are the group's; they may be shared with its Receiver.
	Keys *Keys
	// Self is this node.
	Self Tag
	// FirstSequence numbers the first datagram. It must be above all numbers
	// that a member of the same tag used before, also before a restart, or
	// receivers take the datagrams for repetitions: use a clock, such as Unix
	// time in units of 0.1 ms.
	FirstSequence uint64
	// Entropy makes the initialization vectors: nobody may be able to foresee
	// them.
	Entropy io.Reader
	// DatagramSize is how large datagrams may become by taking several chunks,
	// 256 to MaxDatagram. A chunk that does not fit has a larger one of its
	// own. With more than 1,472, or 1,452 for IPv6, the usual LAN splits them.
	DatagramSize int
}

// DefaultDatagramSize fits a packet of every usual network, with some room for
// tunnels.
const DefaultDatagramSize = 1400

// maxQueued bounds the bytes that wait in a Sender: more than the largest
// message.
const maxQueued = 8 << 20

// SenderStats counts what was sent.
type SenderStats struct {
	// Datagrams and Bytes went out, Fragments in them.
	Datagrams, Bytes, Fragments uint64
	// Refused are chunks that were too large or for which there was no room.
	Refused uint64
}

// Sender packs chunks into datagrams. Chunks are added, then datagrams polled
// until there is none.
type Sender struct {
	c        SenderConfig
	sequence uint64
	queue    []item
	head     int
	queued   int
	stats    SenderStats
}

// item is a chunk that waits; stream belongs to fragments only.
type item struct {
	body   []byte
	stream KeyPrefix
	kind   byte
}

func (i *item) len() int {
	n := chunkHead + len(i.body)
	if i.kind == TypeFragment {
		n += len(i.stream)
	}
	return n
}

// local reports whether the chunk must not leave the LAN.
func (i *item) local() bool { return i.kind < TypeStreamInfo }

// NewSender returns a Sender. It panics if the size is out of range.
func NewSender(c SenderConfig) *Sender {
	if c.DatagramSize < 256 || c.DatagramSize > MaxDatagram {
		panic(fmt.Sprintf("ipm: DatagramSize is %d: must be 256 to %d", c.DatagramSize, MaxDatagram))
	}
	return &Sender{c: c, sequence: c.FirstSequence}
}

// Stats returns the counters.
func (s *Sender) Stats() SenderStats { return s.stats }

// AddFragment adds a fragment as it is on flow GR 12. The bytes are kept until
// they are polled and must not change. It reports false if there is no room.
func (s *Sender) AddFragment(stream KeyPrefix, fragment []byte) bool {
	return s.add(item{kind: TypeFragment, stream: stream, body: fragment}, maxFragmentLen)
}

// AddStreamInfo adds the description of a stream. It reports false if there is
// no room.
func (s *Sender) AddStreamInfo(info StreamInfo) bool {
	return s.add(item{kind: TypeStreamInfo, body: AppendStreamInfo(nil, info)}, maxStreamInfo)
}

// AddMember adds a question for members (TypeMemberQuery) or what this node
// says of itself (TypeMemberInfo). It reports false if there is no room.
func (s *Sender) AddMember(kind byte, m Member) bool {
	if kind != TypeMemberQuery && kind != TypeMemberInfo {
		panic(fmt.Sprintf("ipm: chunk type %02x is not of a member", kind))
	}
	return s.add(item{kind: kind, body: AppendMember(nil, m)}, maxStreamInfo)
}

func (s *Sender) add(i item, limit int) bool {
	if len(i.body) > limit || s.queued+i.len() > maxQueued {
		s.stats.Refused++
		return false
	}
	if s.head > 0 && len(s.queue) == cap(s.queue) {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, i)
	s.queued += i.len()
	return true
}

// PollTransmit writes the next datagram to b, which must have MaxDatagram
// bytes, and returns its size, or false if nothing waits. local tells that it
// must not leave the LAN: it is to be sent with a TTL or hop limit of 1. An
// error of Entropy ends it for this time.
func (s *Sender) PollTransmit(b []byte) (n int, local, ok bool) {
	if s.head == len(s.queue) {
		return 0, false, false
	}
	_ = b[MaxDatagram-1]
	if _, err := io.ReadFull(s.c.Entropy, b[tagSize:Overhead]); err != nil {
		return 0, false, false
	}
	local = s.queue[s.head].local()
	p := binary.BigEndian.AppendUint32(append(b[:Overhead], version), uint32(s.c.Self))
	p = vlu.Append(p, s.sequence)
	for first := true; s.head < len(s.queue); first = false {
		i := &s.queue[s.head]
		if i.local() != local || !first && padded(len(p)+i.len()) > s.c.DatagramSize {
			break
		}
		p = s.take(p)
	}
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
	for len(p)%aes.BlockSize != 0 {
		p = append(p, typeEnd)
	}
	s.c.Keys.sealDatagram(p)
	s.sequence++
	s.stats.Datagrams++
	s.stats.Bytes += uint64(len(p))
	return len(p), local, true
}

func padded(n int) int { return (n + aes.BlockSize - 1) / aes.BlockSize * aes.BlockSize }

// take moves the first chunk of the queue to a datagram.
func (s *Sender) take(p []byte) []byte {
	i := s.queue[s.head]
	s.queue[s.head] = item{}
	s.head++
	s.queued -= i.len()
	p = binary.BigEndian.AppendUint16(append(p, i.kind), uint16(i.len()-chunkHead))
	if i.kind == TypeFragment {
		s.stats.Fragments++
		p = append(p, i.stream[:]...)
	}
	return append(p, i.body...)
}
