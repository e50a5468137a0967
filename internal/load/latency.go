package load

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// Latency collects how long after a [Publisher] had sent them video frames
// arrived somewhere.
type Latency struct {
	Publisher *Publisher

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
	for m := range l.Publisher.marks(10 * time.Second) {
		if bytes.Contains(body, m[:]) {
			l.arrived(m, at)
		}
	}
}

func (l *Latency) arrived(m mark, at time.Time) {
	sent, ok := l.Publisher.sentAt(m)
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
