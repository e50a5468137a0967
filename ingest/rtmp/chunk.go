package rtmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Message types of the chunk layer and above.
const (
	typeSetChunkSize  = 1
	typeAbort         = 2
	typeAck           = 3
	typeUserControl   = 4
	typeWindowAckSize = 5
	typePeerBandwidth = 6
	typeAudio         = 8
	typeVideo         = 9
	typeDataAMF3      = 15
	typeCommandAMF3   = 17
	typeDataAMF0      = 18
	typeCommandAMF0   = 20
	typeAggregate     = 22
)

// Limits of the chunk layer. They bound what a stranger can make us hold.
const (
	defaultChunkSize = 128
	maxChunkSize     = 0xFFFFFF
	maxChunkStreams  = 64
	maxVideoMessage  = 16 << 20
	maxAudioMessage  = 1 << 20
	maxOtherMessage  = 256 << 10
	maxPartialBytes  = 32 << 20
	extended         = 0xFFFFFF
)

// Errors of the chunk layer. All of them end the connection, since the reader
// no longer knows where the next chunk begins or what it belongs to.
var (
	errChunkSize    = errors.New("chunk size out of range")
	errChunkStreams = errors.New("too many chunk streams")
	errMessageLong  = errors.New("message too long")
	errPartial      = errors.New("too many unfinished messages")
	errNoHeader     = errors.New("chunk refers to a header that was never sent")
	errControl      = errors.New("malformed control message")
)

// message is one RTMP message.
type message struct {
	kind      byte
	timestamp uint32
	stream    uint32
	chunks    int // chunk stream it came on
	// head comes before body in messages that are sent, so that a body can be
	// shared; it is empty in those that were read.
	head, body []byte
}

// chunkReader puts messages together from chunks (RTMP 1.0 section 5.3). It
// handles Set Chunk Size and Abort itself.
type chunkReader struct {
	r         *bufio.Reader
	chunkSize int
	streams   map[int]*chunkStream
	partial   int // bytes of unfinished messages
	scratch   [16]byte
}

// chunkStream is the state of one chunk stream.
type chunkStream struct {
	known     bool
	timestamp uint32 // of the current message
	delta     uint32
	field     uint32 // extended timestamp as last sent, if hasField
	hasField  bool
	length    int
	kind      byte
	stream    uint32
	filling   bool
	body      []byte
}

func newChunkReader(r *bufio.Reader) *chunkReader {
	return &chunkReader{r: r, chunkSize: defaultChunkSize, streams: make(map[int]*chunkStream)}
}

// read returns the next complete message, whose body nobody else has.
func (c *chunkReader) read() (message, error) {
	for {
		m, complete, err := c.readChunk()
		if err != nil {
			return message{}, err
		}
		if !complete {
			continue
		}
		switch m.kind {
		case typeSetChunkSize, typeAbort:
			if err := c.control(m); err != nil {
				return message{}, err
			}
		default:
			return m, nil
		}
	}
}

func (c *chunkReader) control(m message) error {
	if len(m.body) < 4 {
		return errControl
	}
	value := binary.BigEndian.Uint32(m.body)
	if m.kind == typeAbort {
		if s := c.streams[int(value)]; s != nil {
			c.drop(s)
		}
		return nil
	}
	if value < 1 || value > maxChunkSize {
		return errChunkSize
	}
	c.chunkSize = int(value)
	return nil
}

// drop forgets the unfinished message of a chunk stream.
func (c *chunkReader) drop(s *chunkStream) {
	c.partial -= len(s.body)
	s.body, s.filling = nil, false
}

// readChunk reads one chunk, and returns a message if it was its last.
func (c *chunkReader) readChunk() (message, bool, error) {
	format, id, err := c.readBasicHeader()
	if err != nil {
		return message{}, false, err
	}
	s := c.streams[id]
	if s == nil {
		if len(c.streams) >= maxChunkStreams {
			return message{}, false, errChunkStreams
		}
		s = &chunkStream{}
		c.streams[id] = s
	}
	if err := c.readHeader(s, format); err != nil {
		return message{}, false, err
	}
	n := min(c.chunkSize, s.length-len(s.body))
	if c.partial += n; c.partial > maxPartialBytes {
		return message{}, false, errPartial
	}
	// The body grows with what has really come, not with what was announced.
	at := len(s.body)
	s.body = slices.Grow(s.body, n)[:at+n]
	if _, err := io.ReadFull(c.r, s.body[at:]); err != nil {
		return message{}, false, err
	}
	s.filling = len(s.body) < s.length
	if s.filling {
		return message{}, false, nil
	}
	m := message{kind: s.kind, timestamp: s.timestamp, stream: s.stream, chunks: id, body: s.body}
	c.partial -= len(s.body)
	s.body = nil
	return m, true, nil
}

func (c *chunkReader) readBasicHeader() (format byte, id int, err error) {
	b, err := c.r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	format, id = b>>6, int(b&0x3f)
	switch id {
	case 0:
		_, err = io.ReadFull(c.r, c.scratch[:1])
		id = int(c.scratch[0]) + 64
	case 1:
		_, err = io.ReadFull(c.r, c.scratch[:2])
		id = int(c.scratch[0]) + int(c.scratch[1])<<8 + 64
	}
	return format, id, err
}

// headerLengths are those of the message headers by format.
var headerLengths = [...]int{11, 7, 3, 0}

// readHeader reads the message header and brings the chunk stream's state up
// to it.
func (c *chunkReader) readHeader(s *chunkStream, format byte) error {
	if format != 0 && !s.known {
		return errNoHeader
	}
	if format == 3 {
		return c.continueMessage(s)
	}
	if s.filling {
		c.drop(s) // the sender gave the message up
	}
	h := c.scratch[:headerLengths[format]]
	if _, err := io.ReadFull(c.r, h); err != nil {
		return err
	}
	time := uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2])
	if format <= 1 {
		s.length, s.kind = int(h[3])<<16|int(h[4])<<8|int(h[5]), h[6]
		if err := checkLength(s.kind, s.length); err != nil {
			return err
		}
	}
	if format == 0 {
		s.stream = binary.LittleEndian.Uint32(h[7:])
	}
	if s.hasField = time == extended; s.hasField {
		if _, err := io.ReadFull(c.r, c.scratch[:4]); err != nil {
			return err
		}
		time = binary.BigEndian.Uint32(c.scratch[:4])
		s.field = time
	}
	// A type 3 chunk that begins a message after a type 0 chunk repeats its
	// timestamp as a delta (section 5.3.1.2.4).
	s.delta, s.known = time, true
	if format == 0 {
		s.timestamp = time
	} else {
		s.timestamp += time
	}
	return nil
}

// continueMessage handles a chunk without a message header. Some devices do
// not repeat the extended timestamp there, so it is taken only if it is the
// one that is expected.
func (c *chunkReader) continueMessage(s *chunkStream) error {
	if s.hasField {
		// An error shows again when the body is read.
		if next, err := c.r.Peek(4); err == nil && binary.BigEndian.Uint32(next) == s.field {
			_, _ = c.r.Discard(4) // it is in the buffer
		}
	}
	if !s.filling {
		s.timestamp += s.delta
	}
	return nil
}

func checkLength(kind byte, length int) error {
	limit := maxOtherMessage
	switch kind {
	case typeVideo, typeAggregate:
		limit = maxVideoMessage
	case typeAudio:
		limit = maxAudioMessage
	}
	if length > limit {
		return fmt.Errorf("%w: %d bytes of type %d", errMessageLong, length, kind)
	}
	return nil
}
