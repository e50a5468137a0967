package rtmp

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"

	"github.com/ringcast/ringcast/packager"
)

// sendChunkSize is the chunk size that we announce before anything long.
const sendChunkSize = 65536

// Chunk streams that we send on.
const (
	chunksControl = 2
	chunksCommand = 3
	chunksAudio   = 4
	chunksStatus  = 5
	chunksVideo   = 6
	chunksData    = 7
)

// chunkWriter cuts messages into chunks. It is safe for concurrent use.
type chunkWriter struct {
	mu        sync.Mutex
	w         *bufio.Writer
	chunkSize int
	header    [32]byte // scratch
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

// writeMedia sends the messages of a stream that is played.
func (c *chunkWriter) writeMedia(stream uint32, batch []packager.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		b := &batch[i]
		m := message{kind: byte(b.Type), timestamp: b.Timestamp, stream: stream, chunks: chunksAudio, head: b.Header[:b.HeaderLen], body: b.Payload}
		switch b.Type {
		case packager.MessageVideo:
			m.chunks = chunksVideo
		case packager.MessageData:
			m.chunks = chunksData
		}
		if err := c.writeOne(m); err != nil {
			return err
		}
	}
	return c.w.Flush()
}

func (c *chunkWriter) writeOne(m message) error {
	time := min(m.timestamp, extended)
	n := len(m.head) + len(m.body)
	h := append(c.header[:0], byte(m.chunks), byte(time>>16), byte(time>>8), byte(time), byte(n>>16), byte(n>>8), byte(n), m.kind)
	h = binary.LittleEndian.AppendUint32(h, m.stream)
	first := len(h)
	if time == extended {
		h = binary.BigEndian.AppendUint32(h, m.timestamp)
	}
	field := h[first:] // which every chunk repeats
	head, body := m.head, m.body
	for {
		// The buffer remembers its first error; that of the last write tells.
		_, _ = c.w.Write(h)
		part := min(len(head), c.chunkSize)
		_, _ = c.w.Write(head[:part])
		head = head[part:]
		part = min(len(body), c.chunkSize-part)
		if _, err := c.w.Write(body[:part]); err != nil {
			return err
		}
		if body = body[part:]; len(head)+len(body) == 0 {
			return nil
		}
		h = append(append(c.header[first+len(field):first+len(field)], 0xC0|byte(m.chunks)), field...)
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
