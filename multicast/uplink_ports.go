package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// openPort returns the port of a neighbor for one more user.
func (u *Uplink) openPort(peer overlay.PeerID) *port {
	p := u.portOf(peer)
	p.users++
	return p
}

// closePort gives back a use of a port.
func (u *Uplink) closePort(p *port) {
	p.users--
	u.release(p)
}

// portOf returns the port of a neighbor, which lives as long as it has users or
// packets.
func (u *Uplink) portOf(peer overlay.PeerID) *port {
	p := u.ports[peer]
	if p == nil {
		p = &port{peer: peer}
		u.ports[peer] = p
	}
	return p
}

func (u *Uplink) release(p *port) {
	if p.users == 0 && p.count == 0 && u.ports[p.peer] == p {
		delete(u.ports, p.peer)
	}
}

// ownerOf returns the books of a stream.
func (u *Uplink) ownerOf(key StreamKey) *uplinkOwner {
	o := u.owners[key]
	if o == nil {
		o = &uplinkOwner{key: key}
		u.owners[key] = o
	}
	return o
}

// forgetOwner ends the books of a stream. What is still queued for it goes out
// or expires.
func (u *Uplink) forgetOwner(o *uplinkOwner) {
	u.commit(o, 0)
	delete(u.owners, o.key)
}

// isOpen reports whether the neighbor's transport has room.
func (u *Uplink) isOpen(now reliability.Time, p *port) bool {
	if p.recheck > now {
		return false
	}
	if p.recheck == 0 && (p.sent < portBacklog/2 || u.transport == nil) {
		return true
	}
	p.sent = 0
	backlog, rate := u.transport.Backlog(p.peer)
	limit := portUnknown
	if rate > 0 {
		limit = portBacklog
		rtt, _ := u.transport.RTT(p.peer)
		limit = max(limit, int(rate*(rtt+portSlack).Seconds()))
	}
	if backlog < limit {
		p.recheck = 0
		return true
	}
	p.recheck = now.Add(portRecheck)
	return false
}

// park puts a packet aside until its neighbor's transport has room.
func (u *Uplink) park(e entry) {
	if e.port.aside == nil {
		e.port.aside = new([uplinkClasses]fifo)
		u.parked = append(u.parked, e.port)
	}
	e.port.aside[e.class].push(e)
	u.aside.packets++
	u.aside.bytes += e.size()
}

// reopen looks again at the ports that have packets put aside, drops what has
// expired, and forgets ports that have none left.
func (u *Uplink) reopen(now reliability.Time) {
	kept := u.parked[:0]
	for _, p := range u.parked {
		left := 0
		for c := range p.aside {
			q := &p.aside[c]
			for q.n > 0 && q.front().deadline <= now {
				e := q.pop()
				u.aside.take(&e)
				u.forget(&e, DropExpired)
			}
			left += q.n
		}
		if left == 0 {
			p.aside = nil
			continue
		}
		kept = append(kept, p)
	}
	clear(u.parked[len(kept):])
	u.parked = kept
}

func (u *Uplink) nextParked(now reliability.Time, class int) (entry, bool) {
	for _, p := range u.parked {
		if p.aside[class].n > 0 && u.isOpen(now, p) {
			e := p.aside[class].pop()
			u.aside.take(&e)
			return e, true
		}
	}
	return entry{}, false
}

// volume counts packets and their bytes on the line.
type volume struct{ packets, bytes int }

func (v *volume) take(e *entry) {
	v.packets--
	v.bytes -= e.size()
}

// rateEstimate finds out what the line carries when no limit is set: the rate
// grows while it is used and the sessions keep up, and falls to what went
// through when most of the traffic is backlogged.
type rateEstimate struct {
	on    bool
	since reliability.Time
	over  int // intervals in a row that were backlogged
}

const (
	estimateStart    = 625_000.0 // bytes/s, 5 Mbit/s
	estimateMin      = 16_000.0
	estimateMax      = 125_000_000.0
	estimateInterval = 200 * time.Millisecond
	estimateGrowth   = 1.04
	// estimateSettle is how many intervals a cut has to show its effect: what
	// waits already must drain first.
	estimateSettle = 4
	// estimateDelay is for how long sent bytes count as backlog on a healthy
	// session, beyond the round trip: delayed acknowledgements.
	estimateDelay = 250 * time.Millisecond
)

// learn ends an interval of the estimate when it is over.
func (u *Uplink) learn(now reliability.Time) {
	s := &u.estimate
	elapsed := now.Sub(s.since)
	if elapsed < estimateInterval {
		return
	}
	sent, late := 0, 0
	for _, p := range u.ports {
		if p.interval == 0 {
			continue
		}
		sent += p.interval
		if u.isLate(p, elapsed) {
			late += p.interval
		}
		p.interval = 0
	}
	s.since = now
	rate := float64(sent) / elapsed.Seconds()
	switch {
	case elapsed > 4*estimateInterval:
		s.over = 0 // too long ago to tell
	case late*2 > sent:
		// One slow neighbor is its own affair; most of the traffic late twice
		// in a row is the line.
		if s.over++; s.over >= 2 {
			u.rate = max(0.85*min(rate, u.rate), estimateMin)
			s.over = -estimateSettle
		}
	default:
		s.over = min(s.over, 0)
		if rate > 0.8*u.rate {
			u.rate = min(u.rate*estimateGrowth, estimateMax)
		}
	}
}

// isLate reports whether more waits for a neighbor than what was sent lately
// would explain.
func (u *Uplink) isLate(p *port, elapsed time.Duration) bool {
	if u.transport == nil {
		return false
	}
	backlog, _ := u.transport.Backlog(p.peer)
	rtt, _ := u.transport.RTT(p.peer)
	usual := float64(p.interval) / elapsed.Seconds() * (rtt + estimateDelay).Seconds()
	return backlog > portBacklog/2 && float64(backlog) > usual
}

// entry is a queued packet.
type entry struct {
	port     *port
	owner    *uplinkOwner
	data     []byte
	deadline reliability.Time
	id       fragmenter.ID
	value    float32
	flow     overlay.Flow
	class    uint8
	media    reliability.Class
	pulled   bool
}

func (e *entry) size() int { return len(e.data) + packetOverhead }

// fifo is a ring of entries that grows as needed.
type fifo struct {
	buf  []entry
	head int
	n    int
}

func (q *fifo) at(i int) *entry { return &q.buf[(q.head+i)&(len(q.buf)-1)] }

func (q *fifo) front() *entry { return &q.buf[q.head] }

func (q *fifo) push(e entry) {
	if q.n == len(q.buf) {
		grown := make([]entry, max(4, 2*len(q.buf)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.buf, q.head = grown, 0
	}
	*q.at(q.n) = e
	q.n++
}

func (q *fifo) pop() entry {
	slot := &q.buf[q.head]
	e := *slot
	*slot = entry{} // lets go of the data
	q.head = (q.head + 1) & (len(q.buf) - 1)
	if q.n--; q.n == 0 && len(q.buf) > fifoKept {
		q.buf, q.head = nil, 0 // it was a burst
	}
	return e
}

// fifoKept is how much room an empty fifo keeps.
const fifoKept = 16

// remove takes out the entries for which drop answers true, keeping the order
// of the others.
func (q *fifo) remove(drop func(*entry) bool) {
	kept := 0
	for i := range q.n {
		e := q.at(i)
		if drop(e) {
			continue
		}
		if kept != i {
			*q.at(kept) = *e
		}
		kept++
	}
	for i := kept; i < q.n; i++ {
		*q.at(i) = entry{}
	}
	q.n = kept
}
