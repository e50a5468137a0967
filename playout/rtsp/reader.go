package rtsp

import (
	"net"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/pion/rtp"

	"github.com/ringcast/ringcast/packager"
)

// tcpReader is a player over TCP: a bounded queue of access units and the
// goroutine that writes them.
type tcpReader struct {
	conn     *conn
	session  *gortsplib.ServerSession
	channels [8]byte // the reader's channel for each track
	want     wanted  // the tracks that it has set up
	plain    bool    // the channels are those that units are built for
	limit    int

	mu       sync.Mutex
	wake     *sync.Cond
	queue    net.Buffers
	bytes    int
	skipping bool // video is left out until the next key frame
	running  bool
	closed   bool
	dropped  uint64
	done     chan struct{} // closed when run has ended
}

func newTCPReader(c *conn, session *gortsplib.ServerSession, channels [8]byte, limit int) *tcpReader {
	r := &tcpReader{conn: c, session: session, channels: channels, limit: limit, plain: true, done: make(chan struct{})}
	for i, ch := range channels {
		r.plain = r.plain && int(ch) == 2*i
	}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// put queues access units, or drops them if the reader is too slow. Units are
// never cut: an interleaved frame that is not whole ends the session.
func (r *tcpReader) put(units ...*unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for _, u := range units {
		r.queueUnit(u)
	}
	r.wake.Signal()
}

func (r *tcpReader) queueUnit(u *unit) {
	if !r.want[u.lane.index] {
		return
	}
	if r.bytes > r.limit {
		r.dropped += uint64(len(r.queue))
		r.queue, r.bytes, r.skipping = nil, 0, true
	}
	if r.skipping && u.track == packager.TrackVideo {
		if !u.key {
			r.dropped++
			return
		}
		r.skipping = false
	}
	frame := u.frame
	if !r.plain {
		frame = u.retarget(r.channels)
	}
	r.queue = append(r.queue, frame)
	r.bytes += len(frame)
}

// udpReader is a player over UDP. The library queues its packets.
type udpReader struct {
	want     wanted
	skipping bool // video is left out until the next key frame
	skipped  int
	since    time.Duration // media time of the first picture left out
}

// takes reports whether the player gets a unit. Pictures before the first key
// frame could only be shown broken. A stream that has none, because it is
// refreshed bit by bit, begins after cacheTime.
func (r *udpReader) takes(u *unit) bool {
	if !r.want[u.lane.index] {
		return false
	}
	if !r.skipping || u.track != packager.TrackVideo {
		return true
	}
	if r.skipped == 0 {
		r.since = u.dts
	}
	r.skipping = !u.key && u.dts-r.since < cacheTime
	r.skipped++
	return !r.skipping
}

// run writes until the reader is closed.
func (r *tcpReader) run() {
	defer close(r.done)
	r.mu.Lock()
	r.running = true
	r.mu.Unlock()
	for {
		r.mu.Lock()
		for len(r.queue) == 0 && !r.closed {
			r.wake.Wait()
		}
		if len(r.queue) == 0 {
			r.mu.Unlock()
			return // closed, and all is written
		}
		frames := r.queue
		r.queue, r.bytes = nil, 0
		r.mu.Unlock()
		if err := r.conn.writeMedia(frames); err != nil {
			r.close(false)
			r.session.Close()
			return
		}
	}
}

// close ends the reader, after what is queued if drain is set.
func (r *tcpReader) close(drain bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if !drain {
		r.queue = nil
	}
	r.wake.Broadcast()
}

// drained waits until what was queued before close is written, or cannot be: a
// write that gets nowhere has a deadline.
func (r *tcpReader) drained() {
	r.mu.Lock()
	running := r.running
	r.mu.Unlock()
	if running {
		<-r.done
	}
}

// unit is an access unit, ready to be sent. It is immutable.
type unit struct {
	track packager.TrackID
	key   bool
	dts   time.Duration
	lane  *lane
	// packets are for UDP; frame has all of them interleaved on the channel
	// of the track's place in the stream, for TCP.
	packets []*rtp.Packet
	frame   []byte
}

// retarget returns the frame with the channels of a reader that asked for
// others.
func (u *unit) retarget(channels [8]byte) []byte {
	b := append([]byte(nil), u.frame...)
	for at := 0; at+4 <= len(b); at += 4 + int(b[at+2])<<8 + int(b[at+3]) {
		b[at+1] = channels[b[at+1]/2%8] + b[at+1]%2
	}
	return b
}
