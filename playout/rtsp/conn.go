package rtsp

import (
	"net"
	"sync"
	"time"
)

// listener wraps each connection in a [conn].
type listener struct {
	net.Listener
	timeout time.Duration
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, timeout: l.timeout}, nil
}

// conn is a control connection whose media are written around the RTSP
// library: it would make a system call for each packet, and here one write
// carries all packets of an access unit, built once for all readers.
type conn struct {
	net.Conn
	timeout time.Duration

	mu sync.Mutex // one writer at a time
	// onWrite runs after the next write, which is the answer to PLAY.
	onWrite func()
}

// Write is what the library calls, for answers and RTCP.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	n, err := c.Conn.Write(b)
	f := c.onWrite
	c.onWrite = nil
	c.mu.Unlock()
	if f != nil {
		f()
	}
	return n, err
}

// afterNextWrite makes f run once the next write has gone out.
func (c *conn) afterNextWrite(f func()) {
	c.mu.Lock()
	c.onWrite = f
	c.mu.Unlock()
}

// writeMedia sends complete interleaved frames.
func (c *conn) writeMedia(frames net.Buffers) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
	_, err := frames.WriteTo(c.Conn)
	return err
}
