package overlay

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// The model network: rings with addresses and places in a plane, sessions that
// take the time of an introduction and a handshake, messages that arrive late
// when lost, pairs that can't reach each other, members that crash. Everything
// follows from one seed.

type simOptions struct {
	seed        uint64
	loss        float64 // of each packet
	unreachable float64 // share of pairs
	caps        uint64
	params      RingParams
	routing     bool // nodes have a router and answer questions with their ID
	noJoin      bool // the introducer forwards hellos, but names nobody
	nearest     bool
	tune        func(i int, c *RingConfig)
}

type simNode struct {
	index   int
	ring    *Ring
	router  *Router
	routed  []RouterEvent
	id      PeerID
	pos     uint64
	x, y    float64
	delay   float64 // of its line, ms
	addr    netip.AddrPort
	alive   bool
	joined  reliability.Time
	timerAt reliability.Time
	peers   map[PeerID]*simSession // session ends at this node
	dials   map[PeerID]int         // attempt number
	circuit map[uint64]*simTunnel
	events  []Event
	ready   reliability.Time
	hostile *hostile
	sent    int // bytes of messages
	degree  int // largest
}

// simSession is one end of a session.
type simSession struct {
	far       *simNode
	info      SessionInfo
	lastHeard reliability.Time
	arrives   reliability.Time   // of the last message: they keep their order
	acks      []reliability.Time // when acknowledgements will come
	circuit   uint64
	gen       int
}

// simTunnel is one end of a session through a circuit.
type simTunnel struct {
	peer   PeerID
	opener bool
	in     []byte
}

type simEvent struct {
	at  reliability.Time
	seq int
	run func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

type sim struct {
	t       testing.TB
	o       simOptions
	r       *rand.Rand
	now     reliability.Time
	queue   simQueue
	seq     int
	nodes   []*simNode
	byID    map[PeerID]*simNode
	gen     int
	scratch Scratch
	spec    *groupspec.Spec
	// introducer is the place of the server; it may be down.
	introducerDown bool
	// parted says which halves can't talk now.
	parted func(a, b *simNode) bool
	dials  int // hellos to members, all nodes
	toAddr map[netip.AddrPort]int
	pings  int
	trace  uint64 // hash of all that happened
}

func testSpec(t testing.TB) *groupspec.Spec {
	t.Helper()
	spec, err := groupspec.New(groupspec.Settings{Name: "ring", Multicast: true, ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func newSim(t testing.TB, o simOptions) *sim {
	t.Helper()
	if o.params == (RingParams{}) {
		o.params = DefaultRingParams()
		o.params.HeardLimit = 150
	}
	s := &sim{
		t: t, o: o, r: rand.New(rand.NewPCG(o.seed, 77)), now: reliability.Start.Add(time.Hour),
		byID: map[PeerID]*simNode{}, toAddr: map[netip.AddrPort]int{}, spec: testSpec(t),
	}
	return s
}

func (s *sim) at(d time.Duration, run func()) {
	s.seq++
	heap.Push(&s.queue, simEvent{s.now.Add(d), s.seq, run})
}

// until runs the model up to an instant.
func (s *sim) until(at reliability.Time) {
	for len(s.queue) > 0 && s.queue[0].at <= at {
		e := heap.Pop(&s.queue).(simEvent)
		if e.at < s.now {
			s.t.Fatalf("seed %d: an event of the past", s.o.seed)
		}
		s.now = e.at
		e.run()
	}
	s.now = at
}

func (s *sim) run(d time.Duration) { s.until(s.now.Add(d)) }

// add makes a node, which does not know anybody.
func (s *sim) add() *simNode {
	i := len(s.nodes)
	n := &simNode{
		index: i, id: testID(uint32(i) + uint32(s.o.seed)<<16 + 1), x: s.r.Float64(), y: s.r.Float64(), delay: 2 + 6*s.r.ExpFloat64(), alive: true,
		joined: s.now, peers: map[PeerID]*simSession{}, dials: map[PeerID]int{}, circuit: map[uint64]*simTunnel{},
	}
	n.pos = n.id.Address().Top()
	n.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i>>12&0x7f), byte(i >> 4), byte(s.r.Uint32()), byte(1 + i&15)}), 1935)
	c := RingConfig{
		Self: n.id, Spec: s.spec, Params: s.o.params, Rand: rand.New(rand.NewPCG(s.o.seed, uint64(i))), Transport: simTransport{s, n},
		Caps: s.o.caps, Scratch: &s.scratch,
	}
	if s.o.tune != nil {
		s.o.tune(i, &c)
	}
	ring, err := NewRing(s.now, c)
	if err != nil {
		s.t.Fatal(err)
	}
	n.ring = ring
	if s.o.routing {
		n.router = NewRouter(RouterConfig{Self: n.id, Enabled: true, View: ring, Transport: c.Transport, Rand: c.Rand})
	}
	s.nodes = append(s.nodes, n)
	s.byID[n.id] = n
	ring.SetNearest(s.now, s.o.nearest)
	ring.SetOwnAddresses(s.now, []wire.Address{{AddrPort: introducerAddr, Origin: wire.OriginRelay}, {AddrPort: n.addr, Origin: wire.OriginObserved}})
	s.drain(n)
	s.join(n)
	return n
}

var introducerAddr = netip.MustParseAddrPort("198.51.100.1:1935")

// join asks the introducer for members: the nearest ones and some at random.
func (s *sim) join(n *simNode) {
	if s.o.noJoin {
		return
	}
	s.at(2*s.toIntroducer(n), func() {
		if s.introducerDown || !n.alive {
			return
		}
		others := slices.DeleteFunc(slices.Clone(s.nodes), func(o *simNode) bool { return o == n || !o.alive || o.hostile != nil && o.hostile.shy })
		slices.SortFunc(others, func(a, b *simNode) int { return cmp.Compare(a.pos-n.pos, b.pos-n.pos) })
		for i, o := range others {
			if i < 4 || i >= len(others)-4 || s.r.IntN(len(others)) < 6 {
				n.ring.HandleMember(s.now, o.id, []wire.Address{{AddrPort: introducerAddr, Origin: wire.OriginRelay}})
				s.drain(n)
			}
		}
	})
}

func (s *sim) toIntroducer(n *simNode) time.Duration {
	return time.Duration((math.Hypot(n.x-0.5, n.y-0.5)*90 + n.delay) * float64(time.Millisecond))
}

// delay returns how long a packet takes.
func (s *sim) delay(a, b *simNode) time.Duration {
	return time.Duration((math.Hypot(a.x-b.x, a.y-b.y)*90 + a.delay + b.delay) * float64(time.Millisecond))
}

// reachable tells whether a pair can ever talk directly.
func (s *sim) reachable(a, b *simNode) bool {
	if s.parted != nil && s.parted(a, b) {
		return false
	}
	x, y := min(a.pos, b.pos), max(a.pos, b.pos)
	h := (x*0x9e3779b97f4a7c15 ^ y) * 0xff51afd7ed558ccd
	return float64(h>>40)/(1<<24) >= s.o.unreachable
}

type simTransport struct {
	s *sim
	n *simNode
}

func (t simTransport) LastHeard(p PeerID) reliability.Time {
	e := t.n.peers[p]
	if e == nil {
		return 0
	}
	i := 0
	for i < len(e.acks) && e.acks[i] <= t.s.now {
		e.lastHeard = max(e.lastHeard, e.acks[i])
		i++
	}
	e.acks = slices.Delete(e.acks, 0, i)
	return e.lastHeard
}

func (t simTransport) RTT(p PeerID) (time.Duration, bool) {
	if e := t.n.peers[p]; e != nil {
		if e.circuit != 0 {
			return 4 * t.s.delay(t.n, e.far), true
		}
		return 2 * t.s.delay(t.n, e.far), true
	}
	return 0, false
}

func (t simTransport) Backlog(PeerID) (int, float64) { return 0, 0 }

// note adds to the trace.
func (s *sim) note(values ...uint64) {
	for _, v := range values {
		s.trace = (s.trace ^ v) * 0x100000001b3
	}
}

// drain takes what a ring has to say after a mutation and does it.
func (s *sim) drain(n *simNode) {
	if n.hostile != nil && n.hostile.act != nil {
		defer n.hostile.act(s, n)
	}
	for {
		a, ok := n.ring.PollAction()
		if !ok {
			break
		}
		s.note(uint64(n.index), uint64(a.Kind), uint64(s.now), uint64(len(a.Data)))
		s.do(n, a)
	}
	for {
		e, ok := n.ring.PollEvent()
		if !ok {
			break
		}
		n.degree = max(n.degree, len(n.ring.links))
		if n.router != nil && e.Kind == EventNeighborDown {
			n.router.HandleLinkDown(s.now, e.Link.Peer)
		} else if n.router != nil && e.Kind <= EventNeighborChanged {
			n.router.HandleLink(s.now, e.Link)
		}
		if e.Kind == EventReady {
			n.ready = s.now
		}
		n.events = append(n.events, e)
		if len(n.events) > 64 {
			n.events = n.events[32:]
		}
	}
	if n.router != nil {
		s.drainRouter(n)
	}
	s.wake(n)
}

// drainRouter answers questions with the node's ID.
func (s *sim) drainRouter(n *simNode) {
	for {
		if m, ok := n.router.PollSend(); ok {
			s.send(n, m.Peer, m.Flow, m.Data)
		} else if e, ok := n.router.PollEvent(); ok {
			n.routed = append(n.routed, e)
			if e.Kind == RouterQuestion {
				n.router.Answer(s.now, e.Origin, e.Number, n.id[:])
			}
		} else {
			return
		}
	}
}

// wake keeps one timer for each node.
func (s *sim) wake(n *simNode) {
	at := n.ring.PollTimeout()
	if n.router != nil {
		at = min(at, n.router.PollTimeout())
	}
	if at == reliability.Never || n.timerAt != 0 && n.timerAt <= at {
		return
	}
	if at < s.now {
		s.t.Fatalf("seed %d: node %d: deadline %v ago", s.o.seed, n.index, s.now.Sub(at))
	}
	n.timerAt = at
	s.at(at.Sub(s.now), func() {
		if n.timerAt != at || !n.alive {
			return
		}
		n.timerAt = 0
		n.ring.HandleTimeout(s.now)
		if n.router != nil {
			n.router.HandleTimeout(s.now)
		}
		s.drain(n)
	})
}

func (s *sim) do(n *simNode, a Action) {
	switch a.Kind {
	case ActionDial:
		s.dial(n, a)
	case ActionCancelDial:
		delete(n.dials, a.Peer)
	case ActionSend:
		s.send(n, a.Peer, a.Flow, a.Data)
	case ActionPing:
		s.ping(n, a.Peer)
	case ActionCloseLink:
		s.later(n, a.Peer, func(far *simNode) { far.ring.HandleFlowClosed(s.now, n.id, FlowMember) })
	case ActionRelease:
		s.later(n, a.Peer, func(far *simNode) {
			delete(far.peers, n.id)
			far.ring.HandleSessionClosed(s.now, n.id)
		})
		delete(n.peers, a.Peer)
	case ActionRejoin:
		s.join(n)
	case ActionRelaySession:
		n.circuit[a.Circuit] = &simTunnel{peer: a.Peer, opener: true}
		s.tunnel(n, a.Circuit, append([]byte{tunnelHello}, n.id[:]...))
	case ActionRelayData:
		s.fromTunnel(n, a)
	case ActionRelayClosed:
		if c := n.circuit[a.Circuit]; c != nil {
			delete(n.circuit, a.Circuit)
			if e := n.peers[c.peer]; e != nil && e.circuit == a.Circuit {
				delete(n.peers, c.peer)
			}
		}
	default:
		s.t.Fatalf("action %d", a.Kind)
	}
}

// dial opens a session by way of the introducer, a forwarder, or directly.
func (s *sim) dial(n *simNode, a Action) {
	s.dials++
	s.gen++
	for _, addr := range a.Addrs {
		s.toAddr[addr.AddrPort]++
	}
	if n.peers[a.Peer] != nil {
		info := n.peers[a.Peer].info
		s.at(0, func() { n.ring.HandleSession(s.now, info); s.drain(n) })
		return
	}
	attempt := s.gen
	n.dials[a.Peer] = attempt
	to := s.byID[a.Peer]
	if to == nil || !to.alive {
		return
	}
	way := time.Duration(math.MaxInt64)
	for _, addr := range a.Addrs {
		switch {
		case addr.AddrPort == introducerAddr && !s.introducerDown:
			way = min(way, s.toIntroducer(n)+s.toIntroducer(to))
		case addr.AddrPort == to.addr:
			way = min(way, s.delay(n, to))
		}
	}
	for _, via := range a.Via {
		if f := s.byID[via]; f != nil && f.alive && f.peers[to.id] != nil {
			way = min(way, s.delay(n, f)+s.delay(f, to))
		}
	}
	if way == math.MaxInt64 || !s.reachable(n, to) || to.hostile != nil && to.hostile.deaf {
		return
	}
	rtt := 2 * s.delay(n, to)
	if s.r.Float64() < 6*s.o.loss {
		way += time.Second
	}
	s.at(way+2*rtt, func() {
		if n.dials[to.id] == attempt && n.alive && to.alive && s.reachable(n, to) {
			delete(n.dials, to.id)
			s.open(n, to, 0, 0)
		}
	})
}

// open makes the two ends of a session.
func (s *sim) open(a, b *simNode, circuitA, circuitB uint64) {
	s.gen++
	nonce := func(who byte) []byte {
		return binary.BigEndian.AppendUint64([]byte{who}, uint64(s.gen))
	}
	ends := [2]*simSession{
		{far: b, gen: s.gen, circuit: circuitA, lastHeard: s.now, info: SessionInfo{Peer: b.id, Initiator: true, Far: b.addr, NearNonce: nonce(1), FarNonce: nonce(2), Relayed: circuitA != 0}},
		{far: a, gen: s.gen, circuit: circuitB, lastHeard: s.now, info: SessionInfo{Peer: a.id, Far: a.addr, NearNonce: nonce(2), FarNonce: nonce(1), Relayed: circuitB != 0}},
	}
	if b.peers[a.id] != nil && b.peers[a.id].far == a && a.peers[b.id] != nil && circuitA == 0 && a.peers[b.id].circuit == 0 {
		return // the other end's opening came first
	}
	delete(b.dials, a.id)
	delete(a.dials, b.id)
	a.peers[b.id], b.peers[a.id] = ends[0], ends[1]
	for i, n := range [2]*simNode{b, a} {
		n.ring.HandleSession(s.now, ends[1-i].info)
		s.drain(n)
	}
}

// later tells the far end of a session something, one way later and in order.
func (s *sim) later(n *simNode, peer PeerID, tell func(far *simNode)) {
	e := n.peers[peer]
	if e == nil {
		return
	}
	if e.circuit != 0 {
		return // ended with its circuit
	}
	s.deliver(n, e, 0, tell)
}

func (s *sim) deliver(n *simNode, e *simSession, size int, tell func(far *simNode)) {
	d := s.delay(n, e.far)
	for range 1 + size/1200 {
		if s.r.Float64() < s.o.loss {
			d += 300 * time.Millisecond
		}
	}
	at := max(s.now.Add(d), e.arrives+1)
	e.arrives = at
	far, gen := e.far, e.gen
	s.at(at.Sub(s.now), func() {
		back := far.peers[n.id]
		if !far.alive || back == nil || back.gen != gen || s.parted != nil && s.parted(n, far) {
			return
		}
		back.lastHeard = s.now
		if len(e.acks) > 64 {
			simTransport{s, n}.LastHeard(far.id)
		}
		e.acks = append(e.acks, s.now.Add(s.delay(n, far)+20*time.Millisecond))
		tell(far)
		s.drain(far)
	})
}

func (s *sim) send(n *simNode, peer PeerID, f Flow, data []byte) {
	e := n.peers[peer]
	if e == nil {
		return
	}
	if n.hostile != nil && n.hostile.forge != nil {
		if data = n.hostile.forge(s, n, peer, f, data); data == nil {
			return
		}
	}
	n.sent += len(data) + 60*(1+len(data)/1200)
	if e.circuit != 0 {
		s.sendTunnel(n, e, f, data)
		return
	}
	s.deliver(n, e, len(data), func(far *simNode) {
		s.handle(far, n.id, f, data)
	})
}

func (s *sim) handle(far *simNode, from PeerID, f Flow, data []byte) {
	if far.hostile != nil && far.hostile.handle != nil && far.hostile.handle(s, far, from, f, data) {
		return
	}
	if f == FlowRoute {
		if far.router != nil {
			far.router.HandleMessage(s.now, from, f, data)
		}
		return
	}
	far.ring.HandleMessage(s.now, from, f, data)
}

func (s *sim) ping(n *simNode, peer PeerID) {
	e := n.peers[peer]
	s.pings++
	n.sent += 60
	if e == nil || s.r.Float64() < 2*s.o.loss {
		return
	}
	if e.circuit != 0 {
		s.tunnel(n, e.circuit, []byte{tunnelPing})
		return
	}
	far, gen := e.far, e.gen
	s.at(s.delay(n, far), func() {
		back := far.peers[n.id]
		if !far.alive || back == nil || back.gen != gen || s.parted != nil && s.parted(n, far) {
			return
		}
		back.lastHeard = s.now
		far.sent += 60
		s.at(s.delay(n, far), func() {
			if e := n.peers[peer]; n.alive && e != nil && e.gen == gen {
				e.lastHeard = s.now
				n.ring.HandlePong(s.now, peer)
				s.drain(n)
			}
		})
	})
}

// A session through a circuit is a few datagrams of its own.
const (
	tunnelHello = iota
	tunnelAck
	tunnelPiece // of a message, more follow
	tunnelLast  // of a message; flow
	tunnelPing
	tunnelPong
	tunnelReceipt
)

func (s *sim) tunnel(n *simNode, circuit uint64, datagram []byte) {
	n.ring.SendRelay(s.now, circuit, datagram)
	s.at(0, func() { s.drain(n) })
}

func (s *sim) sendTunnel(n *simNode, e *simSession, f Flow, data []byte) {
	for len(data) > 1000 {
		s.tunnel(n, e.circuit, append([]byte{tunnelPiece}, data[:1000]...))
		data = data[1000:]
	}
	s.tunnel(n, e.circuit, append([]byte{tunnelLast, byte(f)}, data...))
}

func (s *sim) fromTunnel(n *simNode, a Action) {
	c := n.circuit[a.Circuit]
	if c == nil {
		c = &simTunnel{peer: a.Peer}
		n.circuit[a.Circuit] = c
	}
	if e := n.peers[c.peer]; e != nil {
		e.lastHeard = s.now
	}
	body := a.Data[1:]
	switch a.Data[0] {
	case tunnelHello:
		from := s.byID[PeerID(body)]
		s.tunnel(n, a.Circuit, binary.BigEndian.AppendUint64(append([]byte{tunnelAck}, n.id[:]...), a.Circuit))
		_ = from
	case tunnelAck:
		far := s.byID[PeerID(body[:32])]
		s.at(0, func() {
			if far.alive {
				s.open(n, far, a.Circuit, binary.BigEndian.Uint64(body[32:]))
			}
		})
	case tunnelPiece:
		c.in = append(c.in, body...)
	case tunnelLast:
		message := append(c.in, body[1:]...)
		c.in = nil
		s.tunnel(n, a.Circuit, []byte{tunnelReceipt})
		s.at(0, func() { s.handle(n, c.peer, Flow(body[0]), message); s.drain(n) })
	case tunnelPing:
		s.tunnel(n, a.Circuit, []byte{tunnelPong})
	case tunnelPong:
		s.at(0, func() { n.ring.HandlePong(s.now, c.peer); s.drain(n) })
	}
}

// crash stops a node without a word.
func (s *sim) crash(n *simNode) { n.alive = false }

// living returns the honest nodes that are up, in ring order.
func (s *sim) living() []*simNode {
	var list []*simNode
	for _, n := range s.nodes {
		if n.alive && n.hostile == nil {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b *simNode) int { return cmp.Compare(a.pos, b.pos) })
	return list
}

// rightness compares what nodes are linked with to the truth: the share of nodes
// whose nearest neighbors are right, and the share with all six.
type rightness struct {
	nodes, first, six int
	mean              float64
	largest           int
}

func (w rightness) String() string {
	return fmt.Sprintf("%d nodes, first %.2f %%, six %.2f %%, degree %.1f, largest %d", w.nodes,
		100*float64(w.first)/float64(w.nodes), 100*float64(w.six)/float64(w.nodes), w.mean, w.largest)
}

func (s *sim) rightness() (w rightness) {
	list := s.living()
	n := len(list)
	for i, node := range list {
		w.nodes++
		right := 0
		for k := 1; k <= min(ringSide, (n-1)/2); k++ {
			for _, side := range [2]struct {
				l *link
				o *simNode
			}{{node.ring.up[k-1], list[(i+k)%n]}, {node.ring.down[k-1], list[(i-k+n)%n]}} {
				if side.l != nil && node.ring.id(side.l) == side.o.id {
					right++
				} else if k == 1 {
					right -= 100
				}
			}
		}
		if right >= 0 {
			w.first++
		}
		if right == 2*min(ringSide, (n-1)/2) {
			w.six++
		}
		w.mean += float64(len(node.ring.links))
		w.largest = max(w.largest, len(node.ring.links))
	}
	w.mean /= float64(max(1, n))
	return w
}

// untilRight runs the model until all six neighbors of every node are right, at
// most for limit, and returns how long that took.
func (s *sim) untilRight(limit time.Duration) (time.Duration, bool) {
	start := s.now
	for s.now.Sub(start) < limit {
		s.run(250 * time.Millisecond)
		if w := s.rightness(); w.six == w.nodes {
			return s.now.Sub(start), true
		}
	}
	return limit, false
}

// fill adds nodes, one each pace.
func (s *sim) fill(count int, pace time.Duration) {
	for range count {
		s.add()
		s.run(pace)
	}
}

// islands counts the parts that the living fall into.
func (s *sim) islands() int {
	list := s.living()
	seen := map[PeerID]bool{}
	parts := 0
	for _, n := range list {
		if seen[n.id] {
			continue
		}
		parts++
		stack := []*simNode{n}
		seen[n.id] = true
		for len(stack) > 0 {
			x := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, l := range x.ring.links {
				if o := s.byID[x.ring.id(l)]; o != nil && o.alive && o.hostile == nil && !seen[o.id] {
					seen[o.id] = true
					stack = append(stack, o)
				}
			}
		}
	}
	return parts
}

// totals adds up what all rings have counted, and the bytes they sent.
func (s *sim) totals() (st RingStats, bytes int) {
	for _, n := range s.nodes {
		x := n.ring.Stats()
		st.ReportsSent += x.ReportsSent
		st.Dials += x.Dials
		st.RingDials += x.RingDials
		st.DialsFailed += x.DialsFailed
		st.Unreachable += x.Unreachable
		st.Accepted += x.Accepted
		st.Refused += x.Refused
		st.RefusedByOthers += x.RefusedByOthers
		st.DisconnectsAsked += x.DisconnectsAsked
		st.DisconnectsGranted += x.DisconnectsGranted
		st.Pings += x.Pings
		st.Suspected += x.Suspected
		st.FalseAlarms += x.FalseAlarms
		st.Buried += x.Buried
		st.MassFailures += x.MassFailures
		st.CircuitsOpened += x.CircuitsOpened
		st.CircuitsRelayed += x.CircuitsRelayed
		st.RelayedBytes += x.RelayedBytes
		st.RelayDropped += x.RelayDropped
		st.Rejoins += x.Rejoins
		st.BadProofs += x.BadProofs
		st.Malformed += x.Malformed
		st.Flooded += x.Flooded
		st.NamesIgnored += x.NamesIgnored
		st.NamesOverLimit += x.NamesOverLimit
		st.AddrsWithheld += x.AddrsWithheld
		bytes += n.sent
	}
	return
}
