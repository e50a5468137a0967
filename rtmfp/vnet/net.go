package vnet

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
)

// eventKind says what an event does.
type eventKind uint8

const (
	evForward eventKind = iota // pkt is on LAN what
	evInbound                  // pkt comes to LAN what from outside
	evDeliver                  // pkt comes to port what
	evWake                     // host what asked for it
	evCall                     // call what is due
)

// event is one thing that will happen.
type event struct {
	pkt  *packet
	what int32 // index of the host, LAN or call
	arg  uint32
	kind eventKind
}

// Net is a virtual network: hosts, LANs, NATs and links, and the queue of all
// that is going to happen. Everything it does follows from its seed and from
// the order of the calls. Not safe for concurrent use.
type Net struct {
	now    reliability.Time
	events timer.Calendar[event]
	core   *LAN
	lans   []*LAN
	hosts  []*Host
	ports  []*port
	calls  []func(reliability.Time)
	idle   []int32 // free places in calls
	pool   packetPool
	seed   rand.PCG
	stats  Stats
	hash   uint64
	size   func([]byte) int
	buf    []byte // scratch for the runs that drivers send
}

// New returns an empty network whose clock stands at reliability.Start. The
// same seed and the same calls give the same network run, packet for packet.
func New(seed uint64) *Net {
	n := &Net{now: reliability.Start, seed: *rand.NewPCG(seed, 0x72696e6763617374), hash: 14695981039346656037}
	n.core = n.newLAN(nil)
	return n
}

// Now returns the network's time.
func (n *Net) Now() reliability.Time { return n.now }

// Core returns the network in the middle, the make-believe Internet.
func (n *Net) Core() *LAN { return n.core }

// Stats returns the counters.
func (n *Net) Stats() Stats { return n.stats }

// Pending returns how many events are waiting.
func (n *Net) Pending() int { return n.events.Len() }

// Hash returns a digest of all deliveries so far: who got how many bytes and
// when. Two runs with the same seed have the same hash.
func (n *Net) Hash() uint64 { return n.hash }

// SetNominalSize makes links count a datagram as f(payload) bytes instead of
// len(payload), so that a large simulation can send short stand-ins.
func (n *Net) SetNominalSize(f func(payload []byte) int) { n.size = f }

// SetCorePath gives every packet over the core the extra one-way delay that
// delay returns for the two addresses as the core sees them. It is called for
// each packet and must be quick and depend on its arguments only.
func (n *Net) SetCorePath(delay func(from, to netip.Addr) time.Duration) { n.core.path = delay }

// At calls f at t, or at once after what is due now if t has passed.
func (n *Net) At(t reliability.Time, f func(now reliability.Time)) {
	i := int32(len(n.calls))
	if k := len(n.idle); k > 0 {
		i, n.idle = n.idle[k-1], n.idle[:k-1]
		n.calls[i] = f
	} else {
		n.calls = append(n.calls, f)
	}
	n.events.Push(max(t, n.now), event{kind: evCall, what: i})
}

// After calls f after d.
func (n *Net) After(d time.Duration, f func(now reliability.Time)) { n.At(n.now.Add(d), f) }

// NextEvent returns when the next thing happens, or Never.
func (n *Net) NextEvent() reliability.Time { return n.events.Peek() }

// Step lets the next thing happen and reports whether there was one.
func (n *Net) Step() bool {
	e, at, ok := n.events.Pop()
	if !ok {
		return false
	}
	n.now = max(n.now, at)
	n.stats.Events++
	switch e.kind {
	case evForward:
		n.lans[e.what].forward(e.pkt)
	case evInbound:
		n.lans[e.what].enter(e.pkt)
	case evDeliver:
		n.ports[e.what].deliver(e.pkt)
	case evWake:
		n.hosts[e.what].wake(e.arg)
	case evCall:
		f := n.calls[e.what]
		n.calls[e.what] = nil
		n.idle = append(n.idle, e.what)
		f(n.now)
	}
	return true
}

// RunUntil lets everything happen that is due by t, and sets the clock to t.
func (n *Net) RunUntil(t reliability.Time) {
	for n.events.Peek() <= t && t != reliability.Never {
		n.Step()
	}
	n.now = max(n.now, t)
}

// Run lets d pass.
func (n *Net) Run(d time.Duration) { n.RunUntil(n.now.Add(d)) }

// RunWhile lets things happen while cond holds, for at most d. It reports
// whether cond has ceased to hold: what was waited for has come about.
func (n *Net) RunWhile(d time.Duration, cond func() bool) bool {
	end := n.now.Add(d)
	for cond() {
		if n.events.Peek() > end {
			n.now = max(n.now, end)
			return false
		}
		n.Step()
	}
	return true
}

func (n *Net) newLAN(parent *LAN) *LAN {
	l := &LAN{
		net: n, id: int32(len(n.lans)), parent: parent,
		routes: make(map[netip.Addr]route), groups: make(map[netip.Addr][]*port),
	}
	n.lans = append(n.lans, l)
	return l
}

func (n *Net) newLink(params LinkParams) Link {
	a, b := n.seeds()
	return newLink(params, a, b)
}

func (n *Net) seeds() (uint64, uint64) { return n.seed.Uint64(), n.seed.Uint64() }

// scratch returns the one buffer that all drivers share: only one of them ever
// runs, and none of them keeps anything in it.
func (n *Net) scratch() []byte {
	if n.buf == nil {
		n.buf = make([]byte, 1<<16)
	}
	return n.buf
}

func (n *Net) nominal(data []byte) int {
	if n.size != nil {
		return n.size(data)
	}
	return len(data)
}

// send passes pkt over l; at the other end the event kind happens to what.
// A link without any properties costs no event.
func (n *Net) send(l *Link, kind eventKind, what int32, pkt *packet) {
	if l.params == (LinkParams{}) && kind != evDeliver {
		n.arrive(kind, what, pkt)
		return
	}
	size := pkt.size
	if pkt.fragmented && l.params.MTU > 0 {
		size = min(size, l.params.MTU)
	}
	o := l.Pass(n.now, size)
	if o.Reordered {
		n.stats.Reordered++
	}
	switch o.Fate {
	case Lost:
		n.drop(pkt, &n.stats.Lost)
		return
	case QueueFull:
		n.drop(pkt, &n.stats.QueueDropped)
		return
	case TooBig:
		n.drop(pkt, &n.stats.TooBig)
		return
	}
	if o.Corrupt != 0 && len(pkt.data) > 0 {
		n.stats.Corrupted++
		bit := int(o.Corrupt % uint64(8*len(pkt.data)))
		pkt.data[bit/8] ^= 1 << (bit % 8)
	}
	if o.Copies == 2 {
		n.stats.Duplicated++
		n.schedule(o.Arrivals[1], kind, what, n.pool.clone(pkt))
	}
	n.schedule(o.Arrivals[0], kind, what, pkt)
}

func (n *Net) schedule(at reliability.Time, kind eventKind, what int32, pkt *packet) {
	if kind == evForward {
		if path := n.lans[what].path; path != nil {
			at = at.Add(path(pkt.from.Addr(), pkt.to.Addr()))
		}
	}
	n.events.Push(at, event{kind: kind, what: what, pkt: pkt})
}

// arrive is schedule without delay.
func (n *Net) arrive(kind eventKind, what int32, pkt *packet) {
	switch {
	case n.lans[what].path != nil && kind == evForward:
		n.schedule(n.now, kind, what, pkt)
	case kind == evForward:
		n.lans[what].forward(pkt)
	default:
		n.lans[what].enter(pkt)
	}
}

func (n *Net) drop(pkt *packet, counter *uint64) {
	*counter++
	n.pool.release(pkt)
}

// mix adds v to the digest (FNV-1a over words).
func (n *Net) mix(v uint64) { n.hash = (n.hash ^ v) * 1099511628211 }
