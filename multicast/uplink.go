package multicast

import (
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// The classes of the upload queue, in the order in which they are served. A
// key frame's burst is paid for by the last hop only, because what is passed
// on further goes before what is not.
const (
	// UplinkControl is for whatever must not wait behind media.
	UplinkControl uint8 = iota
	// UplinkFirst is for audio, data, decoder configurations, and for what was
	// lost on the way and is sent again.
	UplinkFirst
	// UplinkRelayed is for video to children that pass it on, and for key
	// frames to all.
	UplinkRelayed
	// UplinkLeaves is for video to children that don't.
	UplinkLeaves
	// UplinkRest is for what nobody was promised: answers to pulls, and video to
	// children that get what is left over.
	UplinkRest

	uplinkClasses = int(UplinkRest) + 1
)

const (
	// packetOverhead is what a fragment costs on the line beside its own bytes:
	// IP, UDP and packet headers, chunk header, tag and padding.
	packetOverhead = 64
	// uplinkBurst is for how long the uplink may send faster than its rate
	// after a pause; less than two packets are never held back for it.
	uplinkBurst      = 10 * time.Millisecond
	uplinkBurstBytes = 3000
	// uplinkPace is the shortest wait for the rate: packets that become due
	// within it go out together, which costs a wake-up instead of several.
	uplinkPace = 2 * time.Millisecond
	// uplinkPackets bounds the queue: 8 s of 1,000 packets a second.
	uplinkPackets = 8192
	// uplinkDebt bounds how far control can put media back.
	uplinkDebt = 500 * time.Millisecond
	// portBacklog is how many bytes may wait in one neighbor's transport in any
	// case, portUnknown while its speed is not known, and portSlack for how long
	// they may beyond the round trip. A neighbor with a slow line has several
	// parents, and all that waits in their transports is out of order.
	portUnknown = 32 << 10
	portBacklog = 8 << 10
	portSlack   = 100 * time.Millisecond
	// portRecheck is when a neighbor whose transport was full is looked at
	// again.
	portRecheck = 5 * time.Millisecond
)

// UplinkParams are the settings of an uplink.
type UplinkParams struct {
	// Rate is how many bytes a second may be sent, IP and UDP headers included.
	// 0 means that the uplink finds out by itself, beginning with 625,000.
	Rate float64
	// Transport tells what waits in the sessions' own queues. Nil means that
	// nothing ever does.
	Transport overlay.Transport
}

// Packet is one fragment for one neighbor.
type Packet struct {
	Peer overlay.PeerID
	Key  StreamKey
	Flow overlay.Flow
	// Class is one of UplinkControl to UplinkRest.
	Class uint8
	// Data is not changed while it is queued or afterwards.
	Data []byte
	// Deadline is from when on it need not be sent any more, nor sent again.
	Deadline reliability.Time
	// Value tells what the receiver is worth: how many others it feeds.
	Value float32
	// NoRetransmit says that it is not sent again when it is lost.
	NoRetransmit bool

	// What an engine knows about its own packets.
	port  *port
	owner *uplinkOwner
	id    fragmenter.ID
	media reliability.Class
	// pulled is set for answers to pulls.
	pulled bool
}

// Uplink is a node's one upload queue, shared by the engines of all its
// groups. It keeps to a rate, serves the classes strictly in order and each
// first in, first out, leaves the packets for a neighbor whose session is
// backlogged aside, and drops what is past its deadline. Not safe for
// concurrent use.
type Uplink struct {
	transport overlay.Transport
	rate      float64
	estimate  rateEstimate

	queues [uplinkClasses]fifo
	// parked are the ports that have packets put aside.
	parked []*port
	count  int     // packets queued, parked ones included
	bytes  int     // their bytes on the line
	rest   int     // of these, what nobody was promised
	aside  volume  // what of both is parked
	tokens float64 // bytes that may go now; negative is debt
	last   reliability.Time

	ports  map[overlay.PeerID]*port
	owners map[StreamKey]*uplinkOwner
	// committed is what all streams have promised to their children, in bytes
	// a second.
	committed float64
	charges   chargeMeter
	stats     UplinkStats
}

// chargeMeter measures what is sent beside the queue, in bytes a second over
// the last few seconds.
type chargeMeter struct {
	since reliability.Time
	bytes int
	rate  float64
}

const chargeInterval = 500 * time.Millisecond

func (m *chargeMeter) update(now reliability.Time) {
	elapsed := now.Sub(m.since)
	if elapsed < chargeInterval {
		return
	}
	weight := min(elapsed.Seconds()/4, 1)
	m.rate += weight * (float64(m.bytes)/elapsed.Seconds() - m.rate)
	m.since, m.bytes = now, 0
}

// UplinkStats are an uplink's counters.
type UplinkStats struct {
	// Packets and Bytes went out by class; bytes include what a packet costs on
	// the line.
	Packets, Bytes [5]uint64
	// ChargedBytes were sent beside the queue.
	ChargedBytes uint64
	// Expired, Overflowed and Withdrawn are packets that were not sent: past
	// their deadline, no room, not wanted any more.
	Expired, Overflowed, Withdrawn uint64
}

// uplinkOwner is a stream as the uplink knows it.
type uplinkOwner struct {
	key   StreamKey
	drops DropCounts
	// What went out to children, and to those who pulled it.
	pushed, pushedBytes, pulled, pulledBytes uint64
	sent                                     rateMeter
	// committed is the stream's part of Uplink.committed.
	committed float64
}

// port is a neighbor as the uplink knows it.
type port struct {
	peer  overlay.PeerID
	users int // engines that hold it
	count int // packets queued
	// sent is what went to it since its backlog was last asked for; a
	// neighbor that got little cannot have much waiting.
	sent    int
	recheck reliability.Time // blocked until then, 0 if open
	aside   *[uplinkClasses]fifo
	// interval is what went to it in the current interval of rateEstimate.
	interval int
}

// NewUplink returns an empty uplink.
func NewUplink(p UplinkParams) *Uplink {
	u := &Uplink{transport: p.Transport, ports: make(map[overlay.PeerID]*port), owners: make(map[StreamKey]*uplinkOwner)}
	u.SetRate(p.Rate)
	return u
}

// SetRate changes the limit in bytes a second; 0 means that the uplink finds
// out by itself.
func (u *Uplink) SetRate(rate float64) {
	u.estimate = rateEstimate{on: rate <= 0}
	u.rate = rate
	if rate <= 0 {
		u.rate = estimateStart
	}
}

// Rate returns the limit or the estimate in bytes a second.
func (u *Uplink) Rate() float64 { return u.rate }

// IsEstimating reports whether the uplink finds its rate out by itself. What is
// sent beside it must then not be held to the rate, which is not known to be the
// line's.
func (u *Uplink) IsEstimating() bool { return u.estimate.on }

// Stats returns the counters.
func (u *Uplink) Stats() UplinkStats { return u.stats }

// Bytes returns how many bytes are queued, with what they cost on the line.
func (u *Uplink) Bytes() int { return u.bytes }

// Len returns how many packets are queued.
func (u *Uplink) Len() int { return u.count }

// Push queues a packet. When the queue is full, the oldest packet of the
// lowest class that is not above the packet's makes room, or the packet itself
// is dropped.
func (u *Uplink) Push(now reliability.Time, p Packet) {
	if p.Class >= uint8(uplinkClasses) {
		panic("multicast: no such class of the uplink")
	}
	if p.port == nil {
		p.port = u.portOf(p.Peer)
	}
	if p.owner == nil {
		p.owner = u.ownerOf(p.Key)
	}
	e := entry{
		port: p.port, owner: p.owner, data: p.Data, deadline: p.Deadline,
		id: p.id, value: p.Value, flow: p.Flow, class: p.Class, media: p.media, pulled: p.pulled,
	}
	if u.count >= uplinkPackets && !u.makeRoom(p.Class) {
		u.stats.Overflowed++
		e.owner.drops.add(e.media, DropQueueFull)
		u.release(e.port)
		return
	}
	u.accrue(now)
	u.queues[p.Class].push(e)
	u.count++
	u.book(&e, 1)
	e.port.count++
}

// Poll returns the next packet that may go now.
func (u *Uplink) Poll(now reliability.Time) (Packet, bool) {
	if u.count == 0 {
		return Packet{}, false
	}
	u.accrue(now)
	if u.tokens <= 0 {
		return Packet{}, false
	}
	if len(u.parked) > 0 {
		u.reopen(now)
	}
	for c := range u.queues {
		if len(u.parked) > 0 {
			if e, ok := u.nextParked(now, c); ok {
				return u.emit(e), true
			}
		}
		q := &u.queues[c]
		for q.n > 0 {
			e := q.pop()
			switch {
			case e.deadline <= now:
				u.forget(&e, DropExpired)
			case !u.isOpen(now, e.port):
				u.park(e)
			default:
				return u.emit(e), true
			}
		}
	}
	return Packet{}, false
}

// PollTimeout returns when Poll may have something, after it had nothing.
func (u *Uplink) PollTimeout() reliability.Time {
	if u.count == 0 {
		return reliability.Never
	}
	ready := u.last
	if u.tokens <= 0 {
		wait := time.Duration((1-u.tokens)/u.rate*float64(time.Second)) + 1
		ready = u.last.Add(max(wait, uplinkPace))
	}
	if u.count > u.aside.packets {
		return max(ready, u.last+1)
	}
	next := reliability.Never
	for _, p := range u.parked {
		next = reliability.Earliest(next, p.recheck)
	}
	return max(ready, next, u.last+1)
}

// QueueTime returns how long what is queued for neighbors that can take it
// will need.
func (u *Uplink) QueueTime(now reliability.Time) time.Duration {
	u.accrue(now)
	waiting := float64(u.bytes-u.aside.bytes) - min(u.tokens, 0)
	return time.Duration(waiting / u.rate * float64(time.Second))
}

// promisedTime returns how long what was promised to children will need, of
// what is queued for those that can take it.
func (u *Uplink) promisedTime(now reliability.Time) time.Duration {
	u.accrue(now)
	waiting := max(float64(u.bytes-u.rest-u.aside.bytes), 0) - min(u.tokens, 0)
	return time.Duration(waiting / u.rate * float64(time.Second))
}

// book adds an entry to the bytes queued, or takes it away.
func (u *Uplink) book(e *entry, sign int) {
	u.bytes += sign * e.size()
	if e.class == UplinkRest {
		u.rest += sign * e.size()
	}
}

// Charge counts bytes that were sent beside the queue, headers included.
func (u *Uplink) Charge(now reliability.Time, bytes int) {
	u.accrue(now)
	u.stats.ChargedBytes += uint64(bytes)
	u.charges.bytes += bytes
	u.tokens = max(u.tokens-float64(bytes), -u.rate*uplinkDebt.Seconds())
}

// available returns how much of the rate is left for a stream, of what the
// others have not promised to their children, and how much of that is spent
// beside the queue.
func (u *Uplink) available(now reliability.Time, own *uplinkOwner) (upload, beside float64) {
	u.charges.update(now)
	return u.rate - (u.committed - own.committed), u.charges.rate
}

// commit states what a stream has promised to its children, in bytes a second.
func (u *Uplink) commit(own *uplinkOwner, rate float64) {
	u.committed += rate - own.committed
	own.committed = rate
}

// withdraw drops what is queued for a neighbor and a stream, if want agrees.
func (u *Uplink) withdraw(p *port, own *uplinkOwner, want func(id fragmenter.ID) bool) {
	if p.count == 0 {
		return
	}
	drop := func(e *entry) bool { return e.port == p && e.owner == own && want(e.id) }
	for c := range u.queues {
		u.queues[c].remove(func(e *entry) bool {
			if !drop(e) {
				return false
			}
			u.forget(e, DropNotWanted)
			return true
		})
	}
	if p.aside == nil {
		return
	}
	for c := range p.aside {
		p.aside[c].remove(func(e *entry) bool {
			if !drop(e) {
				return false
			}
			u.aside.take(e)
			u.forget(e, DropNotWanted)
			return true
		})
	}
}

func (u *Uplink) accrue(now reliability.Time) {
	elapsed := now.Sub(u.last)
	if elapsed <= 0 {
		return
	}
	u.last = now
	burst := max(u.rate*uplinkBurst.Seconds(), uplinkBurstBytes)
	u.tokens = min(u.tokens+u.rate*elapsed.Seconds(), burst)
	if u.estimate.on {
		u.learn(now)
	}
}

// emit takes an entry out of the books and counts it as sent.
func (u *Uplink) emit(e entry) Packet {
	size := e.size()
	u.count--
	u.book(&e, -1)
	u.tokens -= float64(size)
	u.stats.Packets[e.class]++
	u.stats.Bytes[e.class] += uint64(size)
	e.port.count--
	e.port.sent += size
	e.port.interval += size
	e.owner.count(&e)
	p := Packet{
		Peer: e.port.peer, Key: e.owner.key, Flow: e.flow, Class: e.class, Data: e.data,
		Deadline: e.deadline, Value: e.value, port: e.port, owner: e.owner, id: e.id, media: e.media,
	}
	u.release(e.port)
	return p
}

// count counts a fragment that goes out.
func (o *uplinkOwner) count(e *entry) {
	o.sent.add(len(e.data))
	if e.pulled {
		o.pulled++
		o.pulledBytes += uint64(len(e.data))
	} else {
		o.pushed++
		o.pushedBytes += uint64(len(e.data))
	}
}

// forget takes an entry that will not be sent out of the books.
func (u *Uplink) forget(e *entry, why DropReason) {
	u.count--
	u.book(e, -1)
	e.port.count--
	e.owner.drops.add(e.media, why)
	switch why {
	case DropExpired:
		u.stats.Expired++
	case DropQueueFull:
		u.stats.Overflowed++
	default:
		u.stats.Withdrawn++
	}
	u.release(e.port)
}

// makeRoom drops the oldest packet of the lowest class down to class.
func (u *Uplink) makeRoom(class uint8) bool {
	for c := uplinkClasses - 1; c >= int(class); c-- {
		if u.queues[c].n > 0 {
			e := u.queues[c].pop()
			u.forget(&e, DropQueueFull)
			return true
		}
		for _, p := range u.parked {
			if p.aside[c].n > 0 {
				e := p.aside[c].pop()
				u.aside.take(&e)
				u.forget(&e, DropQueueFull)
				return true
			}
		}
	}
	return false
}
