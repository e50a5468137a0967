package congestion

import (
	"math"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// Constants of RFC 7016 appendix A.
const (
	// SMSS is the sender's maximum segment size for the arithmetic, in bytes.
	SMSS = 1460
	// Initial is the first window, in bytes.
	Initial = 3 * SMSS
	// Memory is how long time-critical traffic is taken to go on.
	Memory = 800 * time.Millisecond

	largeWindow = 67200
)

// Controller is the transmission budget of a session: data may be sent while
// less than Window bytes are outstanding. Its zero value is not ready: use
// NewController.
type Controller struct {
	window, threshold, accumulator int
	// recover is how many bytes must still be acknowledged before a loss
	// counts as a new event: all that was outstanding when the window was
	// last cut.
	recover int
	// critical is when time-critical data was last sent in this session,
	// reverse when a packet last told that its sender gets such data.
	critical, reverse reliability.Time
}

// NewController returns a controller at its initial window.
func NewController() Controller {
	return Controller{window: Initial, threshold: math.MaxInt, critical: long, reverse: long}
}

// long ago, so that nothing is remembered at the start.
const long = reliability.Time(math.MinInt64 / 2)

// Window returns the most bytes that may be outstanding.
func (c *Controller) Window() int { return c.window }

// TimeCriticalSent tells that a packet with time-critical data goes out.
func (c *Controller) TimeCriticalSent(now reliability.Time) { c.critical = now }

// ReverseReceived tells that a packet came with the reverse notification.
func (c *Controller) ReverseReceived(now reliability.Time) { c.reverse = now }

// Packet is what a received packet meant to the sender.
type Packet struct {
	// Outstanding is how many bytes were outstanding before it.
	Outstanding int
	// Acked is how many of them it acknowledged.
	Acked int
	// Acks, Naks and Loss tell whether it held acknowledgements, whether any
	// fragment was passed over by them, and whether one is now taken for lost.
	Acks, Naks, Loss bool
}

// HandlePacket adjusts the window. elsewhere tells that time-critical data was
// sent lately in any session of the endpoint.
func (c *Controller) HandlePacket(now reliability.Time, p Packet, elsewhere bool) {
	fast := now.Sub(c.reverse) > Memory && !elsewhere
	critical := now.Sub(c.critical) <= Memory
	c.recover = max(c.recover-p.Acked, 0)
	switch {
	case p.Loss && c.recover > 0:
		// One event cuts the window once, however many packets it took.
	case p.Loss && (critical || p.Outstanding > largeWindow && fast):
		c.cut(p, p.Outstanding*7/8)
	case p.Loss:
		c.cut(p, p.Outstanding/2)
	case p.Acks && !p.Naks && p.Outstanding >= c.window:
		// The limit is for each acknowledgement. One that stands for many, as
		// a receiver sends that reads in batches, counts for as many as there
		// would be with one for every second packet.
		limit := max(SMSS, p.Acked/2)
		c.window = max(c.window+min(c.increase(p.Acked, fast, critical), limit), Initial)
	}
}

func (c *Controller) cut(p Packet, to int) {
	c.threshold = max(to, Initial)
	c.window, c.accumulator = c.threshold, 0
	c.recover = max(p.Outstanding-p.Acked, 0)
}

func (c *Controller) increase(acked int, fast, critical bool) int {
	slow := c.window < c.threshold
	switch {
	case fast && slow:
		return acked
	case !fast && critical && slow:
		return (acked + 3) / 4
	}
	gain, limit := 24, 4800
	if fast {
		gain = 48
	} else if critical {
		limit = 2400
	}
	step := min(max(c.window/16, 64), limit)
	c.accumulator += acked
	n := c.accumulator / step
	c.accumulator -= n * step
	return n * gain
}

// HandleTimeout adjusts the window when nothing was acknowledged for a whole
// timeout. loss tells that anything was outstanding.
func (c *Controller) HandleTimeout(loss bool) {
	c.threshold = max(c.threshold, addThreeQuarters(c.window))
	c.accumulator, c.recover = 0, 0
	c.window = Initial
	if loss {
		c.window = SMSS
	}
}

func addThreeQuarters(window int) int { return window/4*3 + window%4*3/4 }

// Reset forgets the path: the far end has moved.
func (c *Controller) Reset() {
	critical, reverse := c.critical, c.reverse
	*c = NewController()
	c.critical, c.reverse = critical, reverse
}
