package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"
)

const pushChunkSize = 1 << 16

// Publisher pushes a clip by RTMP in real time, over and over, and remembers
// when it sent each video frame.
type Publisher struct {
	Clip *Clip
	// Addr is the server's host and port, App and Name the two halves of the
	// stream path.
	Addr, App, Name string
	// Offset is added to every timestamp.
	Offset time.Duration
	// Rounds is how often the clip is sent; 0 is for ever.
	Rounds int
	// Fault, if set, says what to do with a tag, by its time since the start.
	Fault func(at time.Duration, tag Tag) Fault

	moved time.Duration // by faults

	mu       sync.Mutex
	sent     map[mark]time.Time
	first    time.Time
	firstKey time.Time
	frames   int
}

// Fault is what a Publisher does with a tag besides sending it.
type Fault struct {
	// Drop leaves it out.
	Drop bool
	// Wait is how long nothing is sent before it; everything after it comes
	// later by as much, with the same timestamps.
	Wait time.Duration
	// Config sends the decoder configuration of its track again before it.
	Config bool
	// Move is added to the timestamps from here on.
	Move time.Duration
}

// SentAt returns when the frame with this mark was last sent.
func (p *Publisher) sentAt(m mark) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.sent[m]
	return t, ok
}

// First returns when the first byte and the first key frame were sent; zero if
// they were not yet.
func (p *Publisher) First() (connected, key time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first, p.firstKey
}

// Frames returns the number of video frames sent.
func (p *Publisher) Frames() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frames
}

// marks returns the marks of all frames sent within the last d.
func (p *Publisher) marks(d time.Duration) map[mark]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return recent(p.sent, d)
}

// Run connects and publishes until ctx is done, which is not an error.
func (p *Publisher) Run(ctx context.Context) error {
	p.mu.Lock()
	p.sent = make(map[mark]time.Time)
	p.first = time.Now()
	p.mu.Unlock()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = p.publish(ctx, conn)
	if ctx.Err() != nil || err == nil {
		return nil
	}
	return fmt.Errorf("publish to %s: %w", p.Addr, err)
}

func (p *Publisher) publish(ctx context.Context, conn net.Conn) error {
	if err := handshake(conn); err != nil {
		return err
	}
	w := bufio.NewWriterSize(conn, 1<<17)
	writeMessage(w, 2, 1, 0, 0, binary.BigEndian.AppendUint32(nil, pushChunkSize))
	connect := amf("connect", 1.0, object{{"app", p.App}, {"type", "nonprivate"}, {"tcUrl", "rtmp://" + p.Addr + "/" + p.App}})
	writeMessage(w, 3, 20, 0, 0, connect)
	writeMessage(w, 3, 20, 0, 0, amf("createStream", 2.0, nil))
	writeMessage(w, 3, 20, 0, 1, amf("publish", 3.0, nil, p.Name, "live"))
	if err := w.Flush(); err != nil {
		return err
	}
	// The replies are read and thrown away: a server that refuses closes.
	go func() { _, _ = io.Copy(io.Discard, conn) }()

	start := time.Now()
	for round := 0; p.Rounds == 0 || round < p.Rounds; round++ {
		base := time.Duration(round) * p.Clip.Length
		for _, tag := range p.Clip.Tags {
			if round > 0 && (tag.Type == 18 || tag.IsConfig()) {
				continue
			}
			if p.Fault != nil {
				f := p.Fault(base+tag.Time, tag)
				if start = start.Add(f.Wait); f.Drop {
					continue
				}
				p.moved += f.Move
				if f.Config {
					p.sendConfig(w, tag.Type)
				}
			}
			if err := p.send(ctx, w, tag, base, start); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Publisher) send(ctx context.Context, w *bufio.Writer, tag Tag, base time.Duration, start time.Time) error {
	if wait := time.Until(start.Add(base + tag.Time)); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if tag.Type == 9 && !tag.IsConfig() {
		p.note(tag)
	}
	ms := uint32((p.Offset + p.moved + base + tag.Time) / time.Millisecond)
	writeMessage(w, 4+tag.Type%8, tag.Type, ms, 1, tag.Body)
	return w.Flush()
}

func (p *Publisher) sendConfig(w *bufio.Writer, kind byte) {
	for _, tag := range p.Clip.Tags {
		if tag.Type == kind && tag.IsConfig() {
			writeMessage(w, 4+tag.Type%8, tag.Type, 0, 1, tag.Body)
			return
		}
	}
}

func (p *Publisher) note(tag Tag) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.firstKey.IsZero() && tag.IsKeyFrame() {
		p.firstKey = now
	}
	p.frames++
	if m, ok := markOf(tag.Body); ok {
		p.sent[m] = now
	}
}

func handshake(conn net.Conn) error {
	c0c1 := make([]byte, 1537)
	c0c1[0] = 3
	if _, err := conn.Write(c0c1); err != nil {
		return err
	}
	answer := make([]byte, 1537+1536)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	_, err := conn.Write(answer[1:1537])
	return err
}

// writeMessage writes one RTMP message with full headers, cut into chunks.
func writeMessage(w *bufio.Writer, csid, kind byte, ms, stream uint32, body []byte) {
	size := len(body)
	header := []byte{csid, 0, 0, 0, byte(size >> 16), byte(size >> 8), byte(size), kind, byte(stream), byte(stream >> 8), byte(stream >> 16), byte(stream >> 24)}
	field := min(ms, 0xffffff)
	header[1], header[2], header[3] = byte(field>>16), byte(field>>8), byte(field)
	var extended []byte
	if field == 0xffffff {
		extended = binary.BigEndian.AppendUint32(nil, ms)
	}
	limit := pushChunkSize
	if kind < 8 || kind == 20 {
		limit = 128 // the announcement itself may still be on its way
	}
	_, _ = w.Write(append(header, extended...))
	for {
		n := min(limit, len(body))
		_, _ = w.Write(body[:n])
		if body = body[n:]; len(body) == 0 {
			return
		}
		_, _ = w.Write(append([]byte{0xc0 | csid}, extended...))
	}
}

type object [][2]string

// amf writes AMF0 values: strings, numbers, null and flat objects of strings.
func amf(values ...any) []byte {
	var b []byte
	text := func(s string) { b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) }
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, 5)
		case string:
			b = append(b, 2)
			text(v)
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, 0), math.Float64bits(v))
		case object:
			b = append(b, 3)
			for _, pair := range v {
				text(pair[0])
				b = append(b, 2)
				text(pair[1])
			}
			b = append(b, 0, 0, 9)
		}
	}
	return b
}
