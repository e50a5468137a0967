package load

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// Origin knows when each video frame was seen first: at a [Publisher] that sent
// it, or by a [Tap].
type Origin interface {
	// sentAt returns when the frame with this mark was last sent.
	sentAt(m mark) (time.Time, bool)
	// marks returns the marks of all frames sent within the last d.
	marks(d time.Duration) map[mark]time.Time
}

var (
	_ Origin = (*Publisher)(nil)
	_ Origin = (*Tap)(nil)
)

// Tap notes when the video frames of an RTSP output came, so that delays
// from there on can be measured whoever pushes the stream.
type Tap struct {
	mu   sync.Mutex
	sent map[mark]time.Time
}

// Packet takes an RTP packet of video.
func (t *Tap) Packet(packet []byte) {
	m, ok := markOf(packet)
	if !ok || packet[1]&0x80 == 0 {
		return // not the last one of a frame
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == nil {
		t.sent = make(map[mark]time.Time)
	}
	t.sent[m] = time.Now()
}

func (t *Tap) sentAt(m mark) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.sent[m]
	return at, ok
}

func (t *Tap) marks(d time.Duration) map[mark]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return recent(t.sent, d)
}

// recent returns the entries that are younger than d.
func recent(sent map[mark]time.Time, d time.Duration) map[mark]time.Time {
	young := make(map[mark]time.Time)
	for m, at := range sent {
		if time.Since(at) < d {
			young[m] = at
		}
	}
	return young
}

// Latency collects how long after its [Origin] had seen them video frames
// arrived somewhere.
type Latency struct {
	Origin Origin

	mu    sync.Mutex
	seen  map[mark]time.Time // send time of the round that was counted
	delay []time.Duration
}

// Packet looks at an RTP packet: the last one of a frame ends like the frame.
func (l *Latency) Packet(packet []byte) {
	if m, ok := markOf(packet); ok {
		l.arrived(m, time.Now())
	}
}

// Media looks for frames in a segment or part that arrived at the given time.
func (l *Latency) Media(body []byte, at time.Time) {
	for m := range l.Origin.marks(10 * time.Second) {
		if bytes.Contains(body, m[:]) {
			l.arrived(m, at)
		}
	}
}

func (l *Latency) arrived(m mark, at time.Time) {
	sent, ok := l.Origin.sentAt(m)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = make(map[mark]time.Time)
	}
	if l.seen[m] != sent {
		l.seen[m] = sent
		l.delay = append(l.delay, at.Sub(sent))
	}
}

// Reset forgets what was measured so far.
func (l *Latency) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = nil
}

// Quantiles returns the number of frames and their delay at each of the given
// quantiles (0 to 1).
func (l *Latency) Quantiles(q ...float64) (frames int, at []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at = make([]time.Duration, len(q))
	if len(l.delay) == 0 {
		return 0, at
	}
	slices.Sort(l.delay)
	for i, q := range q {
		at[i] = l.delay[min(int(q*float64(len(l.delay))), len(l.delay)-1)]
	}
	return len(l.delay), at
}
