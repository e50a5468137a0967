package rtmp

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"
)

// sendChunkSize is the chunk size that we announce before anything long.
const sendChunkSize = 65536

// Chunk streams that we send on.
const (
	chunksControl = 2
	chunksCommand = 3
	chunksStatus  = 5
)

// chunkWriter cuts messages into chunks. It is safe for concurrent use.
type chunkWriter struct {
	mu        sync.Mutex
	w         *bufio.Writer
	chunkSize int
}

func newChunkWriter(w io.Writer) *chunkWriter {
	return &chunkWriter{w: bufio.NewWriterSize(w, 4096), chunkSize: defaultChunkSize}
}

// write sends messages at once. A Set Chunk Size among them counts from the
// next message on.
func (c *chunkWriter) write(messages ...message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		if err := c.writeOne(m); err != nil {
			return err
		}
		if m.kind == typeSetChunkSize {
			c.chunkSize = int(binary.BigEndian.Uint32(m.body))
		}
	}
	return c.w.Flush()
}

func (c *chunkWriter) writeOne(m message) error {
	time := min(m.timestamp, extended)
	n := len(m.body)
	h := []byte{byte(m.chunks), byte(time >> 16), byte(time >> 8), byte(time), byte(n >> 16), byte(n >> 8), byte(n), m.kind}
	h = binary.LittleEndian.AppendUint32(h, m.stream)
	var field []byte
	if time == extended {
		field = binary.BigEndian.AppendUint32(nil, m.timestamp)
	}
	body := m.body
	for {
		if _, err := c.w.Write(append(h, field...)); err != nil {
			return err
		}
		part := min(len(body), c.chunkSize)
		if _, err := c.w.Write(body[:part]); err != nil {
			return err
		}
		if body = body[part:]; len(body) == 0 {
			return nil
		}
		h = []byte{0xC0 | byte(m.chunks)}
	}
}

// control returns a protocol control message with one number.
func control(kind byte, value uint32) message {
	return message{kind: kind, chunks: chunksControl, body: binary.BigEndian.AppendUint32(nil, value)}
}

// User control events.
const (
	eventStreamBegin  = 0
	eventStreamEOF    = 1
	eventSetBuffer    = 3
	eventPingRequest  = 6
	eventPingResponse = 7
)

// userControl returns a user control message with its values.
func userControl(event uint16, values ...uint32) message {
	b := binary.BigEndian.AppendUint16(nil, event)
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return message{kind: typeUserControl, chunks: chunksControl, body: b}
}
