package rtmp

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// ackWindow is how many bytes each side may send before it wants to hear that
// they arrived.
const ackWindow = 2500000

// maxMessageStreams bounds the streams that a client creates.
const maxMessageStreams = 16

// Errors that end a session.
var (
	errRefused   = errors.New("client was refused")
	errSecondApp = errors.New("client connects twice")
)

// session is the server's side of one connection. Its methods run on the
// connection's goroutine; the watcher beside it pings and ends it.
type session struct {
	ctx    context.Context // ends with the connection
	server *Server
	conn   net.Conn
	reader *chunkReader
	writer *chunkWriter
	input  *countingConn

	connected      bool
	app, tcURL     string
	authorized     bool // by the Adobe challenge
	messageStreams uint32
	publication    *ingest.Publication
	publishedOn    uint32
	media          *mediaReader
	published      chan published // to the watcher
	playing        *playing
	inUse          atomic.Bool // the client publishes or plays: it is pinged
}

// published is a stream that the client has just published.
type published struct {
	publication *ingest.Publication
	on          uint32
}

// countingConn counts what is read, and gives each read the time that the
// state of the connection allows.
type countingConn struct {
	net.Conn
	read    uint64
	acked   uint64
	perRead atomic.Int64 // nanoseconds; 0 leaves the deadline alone
	// perWrite is how long a write may take.
	perWrite time.Duration
}

func (c *countingConn) Read(p []byte) (int, error) {
	if d := c.perRead.Load(); d > 0 {
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(d)))
	}
	n, err := c.Conn.Read(p)
	c.read += uint64(n)
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.perWrite))
	return c.Conn.Write(p)
}

// serve handles a connection until it ends.
func serve(ctx context.Context, server *Server, conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(publishWithin))
	input := &countingConn{Conn: conn, perWrite: server.writeWithin}
	buffered := bufio.NewReaderSize(input, 8<<10)
	if err := serveHandshake(readWriter{buffered, input}); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	var watcher sync.WaitGroup
	defer watcher.Wait()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	s := &session{
		ctx: watching, server: server, conn: conn, input: input, reader: newChunkReader(buffered), writer: newChunkWriter(input),
		published: make(chan published, 1),
	}
	watcher.Go(func() { s.watch(watching) })
	err := s.loop()
	s.unpublish(err)
	_ = conn.Close() // so that nothing is being written any more
	_ = s.stopPlaying()
	return err
}

type readWriter struct {
	*bufio.Reader
	w net.Conn
}

func (rw readWriter) Write(p []byte) (int, error) { return rw.w.Write(p) }

func (s *session) loop() error {
	for {
		m, err := s.reader.read()
		if err != nil {
			return err
		}
		if s.input.read-s.input.acked >= ackWindow {
			s.input.acked = s.input.read
			if err := s.writer.write(control(typeAck, uint32(s.input.read))); err != nil {
				return err
			}
		}
		if err := s.handle(m); err != nil {
			return err
		}
	}
}

func (s *session) handle(m message) error {
	switch m.kind {
	case typeAudio, typeVideo, typeDataAMF0, typeDataAMF3, typeAggregate:
		if s.publication == nil {
			return nil // late media after an unpublish
		}
		return s.media.handle(m)
	case typeCommandAMF0, typeCommandAMF3:
		c, err := parseCommand(m)
		if err != nil {
			return err
		}
		return s.command(c)
	case typeUserControl:
		if len(m.body) >= 6 && binary.BigEndian.Uint16(m.body) == eventPingRequest {
			return s.writer.write(userControl(eventPingResponse, binary.BigEndian.Uint32(m.body[2:])))
		}
	}
	return nil
}

// watch pings the client, and closes the connection when the server stops or
// the stream is taken away.
func (s *session) watch(ctx context.Context) {
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	began := time.Now()
	var current published
	var taken <-chan struct{}
	for {
		select {
		case current = <-s.published:
			taken = current.publication.Done()
		case <-ping.C:
			if s.inUse.Load() {
				_ = s.writer.write(userControl(eventPingRequest, uint32(time.Since(began).Milliseconds())))
			}
		case <-taken:
			taken = nil
			if errors.Is(current.publication.Err(), ingest.ErrClosed) {
				continue // the client gave it up by itself, or the server stops
			}
			_ = s.writer.write(status(current.on, "error", "NetStream.Publish.BadName", "another publisher took the stream over"))
			s.wait(ctx)
			_ = s.conn.Close()
			return
		case <-ctx.Done():
			_ = s.conn.Close()
			return
		}
	}
}

// wait lets a client that is sent away read why.
func (s *session) wait(ctx context.Context) {
	select {
	case <-time.After(s.server.lastWords):
	case <-ctx.Done():
	}
}

// unpublish gives the stream up, if the client has one.
func (s *session) unpublish(reason error) {
	if s.publication == nil {
		return
	}
	_ = s.media.flush() // refused if the stream was taken away
	s.publication.Close(reason)
	s.publication, s.media = nil, nil
}

// refuse tells the client why it may not publish, and ends the session.
func (s *session) refuse(stream uint32, code, why string) error {
	if err := s.writer.write(status(stream, "error", code, why)); err != nil {
		return err
	}
	time.Sleep(s.server.lastWords)
	return fmt.Errorf("%w: %s", errRefused, why)
}

func undefined() amf0.Value { return amf0.Value{} }
