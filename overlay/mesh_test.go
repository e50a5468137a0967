package overlay

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/reliability"
)

// The mesh is a model network for the cores above the ring: links stand as the
// ring would have made them and stay unless a test takes them down, messages
// take the time of the way and of the sender's uplink, and arrive late when
// lost. Everything follows from one seed.

// meshCore is what runs at each node of a mesh.
type meshCore interface {
	HandleLink(now reliability.Time, l LinkInfo)
	HandleLinkDown(now reliability.Time, id PeerID)
	HandleMessage(now reliability.Time, from PeerID, f Flow, b []byte)
	HandleTimeout(now reliability.Time)
	PollTimeout() reliability.Time
	PollSend() (Send, bool)
}

type meshOptions struct {
	nodes  int
	seed   uint64
	loss   float64 // of each packet
	degree int     // links of a node beside its six ring neighbors, about
	caps   uint64
}

type meshNode[C meshCore] struct {
	mesh    *mesh[C]
	index   int
	id      PeerID
	addr    Address
	x, y    float64
	core    C
	alive   bool
	links   []*meshLink[C] // sorted by peer
	upload  float64        // bytes a second; 0 is no limit
	freeAt  reliability.Time
	sent    int // bytes
	timerAt reliability.Time
	// react takes the events of the core.
	react func()
	// hostile, if set, takes messages in place of the core.
	hostile func(from PeerID, f Flow, b []byte)
}

type meshLink[C meshCore] struct {
	far     *meshNode[C]
	side    int
	relayed bool
	down    bool
	heard   reliability.Time
	arrives map[Flow]reliability.Time
	waiting int // bytes that have not left
}

type mesh[C meshCore] struct {
	t     testing.TB
	o     meshOptions
	r     *rand.Rand
	now   reliability.Time
	queue simQueue
	seq   int
	nodes []*meshNode[C]
	byID  map[PeerID]*meshNode[C]
}

func newMesh[C meshCore](t testing.TB, o meshOptions, make func(n *meshNode[C]) C) *mesh[C] {
	t.Helper()
	m := &mesh[C]{t: t, o: o, r: rand.New(rand.NewPCG(o.seed, 5)), now: reliability.Start.Add(time.Hour), byID: map[PeerID]*meshNode[C]{}}
	for i := range o.nodes {
		n := &meshNode[C]{mesh: m, index: i, id: testID(uint32(i) + uint32(o.seed)<<16 + 1), x: m.r.Float64(), y: m.r.Float64(), alive: true}
		n.addr = n.id.Address()
		m.nodes = append(m.nodes, n)
		m.byID[n.id] = n
	}
	slices.SortFunc(m.nodes, func(a, b *meshNode[C]) int { return a.addr.Compare(b.addr) })
	for i, n := range m.nodes {
		n.index = i
		n.core = make(n)
	}
	for i, n := range m.nodes {
		for side := 1; side <= ringSide; side++ {
			m.link(n, m.nodes[(i+side)%o.nodes], side)
		}
	}
	for range o.nodes * o.degree / 2 {
		m.link(m.nodes[m.r.IntN(o.nodes)], m.nodes[m.r.IntN(o.nodes)], 0)
	}
	return m
}

// link makes a link both ways; side is where b is as seen from a.
func (m *mesh[C]) link(a, b *meshNode[C], side int) {
	if a == b || a.to(b) != nil {
		return
	}
	for i, n := range [2]*meshNode[C]{a, b} {
		far, side := b, side
		if i == 1 {
			far, side = a, -side
		}
		n.links = append(n.links, &meshLink[C]{far: far, side: side, heard: m.now, arrives: map[Flow]reliability.Time{}})
		slices.SortFunc(n.links, func(a, b *meshLink[C]) int { return a.far.addr.Compare(b.far.addr) })
	}
	for i, n := range [2]*meshNode[C]{a, b} {
		far := [2]*meshNode[C]{b, a}[i]
		n.core.HandleLink(m.now, n.info(n.to(far)))
		m.drain(n)
	}
}

func (n *meshNode[C]) to(far *meshNode[C]) *meshLink[C] {
	for _, l := range n.links {
		if l.far == far {
			return l
		}
	}
	return nil
}

func (n *meshNode[C]) info(l *meshLink[C]) LinkInfo {
	return LinkInfo{Peer: l.far.id, Addr: l.far.addr, Side: l.side, Caps: n.mesh.o.caps, Ready: true, Nearest: true, Relayed: l.relayed}
}

// LastHeard, RTT and Backlog make a node the Transport of its core.
func (n *meshNode[C]) LastHeard(id PeerID) reliability.Time {
	if l := n.to(n.mesh.byID[id]); l != nil {
		return l.heard
	}
	return 0
}

func (n *meshNode[C]) RTT(id PeerID) (time.Duration, bool) {
	return 2 * n.mesh.delay(n, n.mesh.byID[id]), true
}

func (n *meshNode[C]) Backlog(id PeerID) (int, float64) {
	l := n.to(n.mesh.byID[id])
	if l == nil {
		return 0, 0
	}
	return l.waiting, n.upload
}

func (m *mesh[C]) delay(a, b *meshNode[C]) time.Duration {
	return time.Duration((math.Hypot(a.x-b.x, a.y-b.y)*90 + 10) * float64(time.Millisecond))
}

func (m *mesh[C]) at(at reliability.Time, run func()) {
	m.seq++
	heap.Push(&m.queue, simEvent{max(at, m.now), m.seq, run})
}

// run runs the mesh for a time, or until done says so.
func (m *mesh[C]) run(d time.Duration, done func() bool) {
	end := m.now.Add(d)
	for len(m.queue) > 0 && m.queue[0].at <= end {
		if done != nil && done() {
			return
		}
		e := heap.Pop(&m.queue).(simEvent)
		m.now = e.at
		e.run()
	}
	m.now = end
}

// do runs f at a node and takes what its core then has to say.
func (m *mesh[C]) do(n *meshNode[C], f func(now reliability.Time)) {
	f(m.now)
	m.drain(n)
}

func (m *mesh[C]) drain(n *meshNode[C]) {
	if n.react != nil {
		n.react()
	}
	for {
		s, ok := n.core.PollSend()
		if !ok {
			break
		}
		m.send(n, s)
	}
	m.wake(n)
}

func (m *mesh[C]) wake(n *meshNode[C]) {
	at := n.core.PollTimeout()
	if at == reliability.Never || n.timerAt != 0 && n.timerAt <= at {
		return
	}
	if at < m.now {
		m.t.Fatalf("seed %d: node %d: deadline %v ago", m.o.seed, n.index, m.now.Sub(at))
	}
	n.timerAt = at
	m.at(at, func() {
		if n.timerAt != at || !n.alive {
			return
		}
		n.timerAt = 0
		n.core.HandleTimeout(m.now)
		m.drain(n)
	})
}

func (m *mesh[C]) send(n *meshNode[C], s Send) {
	l := n.to(m.byID[s.Peer])
	if l == nil || !n.alive {
		return
	}
	size := len(s.Data)
	packets := 1 + size/1200
	size += 60 * packets
	n.sent += size
	leaves := m.now
	if n.upload > 0 {
		took := time.Duration(float64(size) / n.upload * 1e9)
		n.freeAt = max(n.freeAt, m.now).Add(took)
		leaves = n.freeAt
		if s.Flow != FlowObjects { // control goes before
			leaves = m.now.Add(took)
		}
		l.waiting += size
		m.at(leaves, func() {
			l.waiting -= size
			n.core.HandleTimeout(m.now) // early calls are harmless
			m.drain(n)
		})
	}
	way := m.delay(n, l.far)
	for range packets {
		if m.r.Float64() < m.o.loss {
			way += 300 * time.Millisecond
		}
	}
	at := max(leaves.Add(way), l.arrives[s.Flow]+1)
	l.arrives[s.Flow] = at
	m.at(at, func() {
		back := l.far.to(n)
		if !l.far.alive || back == nil || l.down {
			return
		}
		back.heard = m.now
		if l.far.hostile != nil {
			l.far.hostile(n.id, s.Flow, s.Data)
		} else {
			l.far.core.HandleMessage(m.now, n.id, s.Flow, s.Data)
		}
		m.drain(l.far)
		m.at(m.now.Add(m.delay(n, l.far)), func() { l.heard = max(l.heard, m.now) }) // the acknowledgement
	})
}

// crash takes a node away. Its neighbors notice after a while.
func (m *mesh[C]) crash(n *meshNode[C], notice time.Duration) {
	n.alive = false
	for _, l := range n.links {
		far := l.far
		m.at(m.now.Add(notice), func() { m.unlink(far, n) })
	}
}

func (m *mesh[C]) unlink(n, far *meshNode[C]) {
	l := n.to(far)
	if l == nil || !n.alive {
		return
	}
	l.down = true
	n.links = slices.DeleteFunc(n.links, func(o *meshLink[C]) bool { return o == l })
	n.core.HandleLinkDown(m.now, far.id)
	m.drain(n)
}

// living lists the nodes that are alive and mean well.
func (m *mesh[C]) living() (list []*meshNode[C]) {
	for _, n := range m.nodes {
		if n.alive && n.hostile == nil {
			list = append(list, n)
		}
	}
	return list
}

func everything(t testing.TB) *groupspec.Spec {
	t.Helper()
	spec, err := groupspec.New(groupspec.Settings{Name: "all", Posting: true, Routing: true, ObjectReplication: true, ServerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// percentile returns the value that a share of all values is not above.
func percentile[T cmp.Ordered](values []T, share float64) (v T) {
	if len(values) == 0 {
		return v
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
