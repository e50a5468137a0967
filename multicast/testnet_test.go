package multicast

import (
	"bytes"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// testNet is a deterministic network of engines on virtual time: latency, loss
// with retransmission, limited upload, members that come and go. It keeps a
// ledger of its own and checks what must hold in every run.
type testNet struct {
	t      testing.TB
	seed   uint64
	rand   *rand.Rand
	now    reliability.Time
	events netEvents
	serial uint64
	nodes  []*testNode
	byID   map[overlay.PeerID]*testNode
	loss   float64
	params Params

	published map[StreamKey]map[fragmenter.ID]*publishedMessage
	born      map[StreamKey]map[fragmenter.ID]reliability.Time
	messages  []*publishedMessage
	failures  int
	onMedia   func(from, to *testNode, id fragmenter.ID)
}

type publishedMessage struct {
	at     reliability.Time
	class  reliability.Class
	kind   packager.MessageType
	first  fragmenter.ID
	key    StreamKey
	sum    [32]byte
	length int
}

// testNode is one member.
type testNode struct {
	net      *testNet
	index    int
	id       overlay.PeerID
	engine   *Engine
	uplink   *Uplink
	x, y     float64
	access   time.Duration
	up       bool
	caps     uint64
	links    map[*testNode]*testLink
	peers    []*testNode // in order of linking
	wake     reliability.Time
	joined   reliability.Time
	left     reliability.Time
	playable reliability.Time
	down     float64 // bytes/s, 0 without limit
	lan      *testLAN

	got       map[fragmenter.ID]reliability.Time // by first fragment, of the last key
	lastTrack map[packager.MessageType]fragmenter.ID
	bound     StreamKey
	resets    int
	ended     int
	gaps      int
	second    bool // plays another stream beside, of which others messages came
	others    int
	sentBy    [uplinkClasses]int
	sent      ledger
	perSecond []int // bytes sent in each second
	queueMax  int
}

// ledger counts bytes on the line by kind.
type ledger struct {
	media, overhead, control, acks, again int
	fragments, duplicates, duplicateBytes int
}

// testLink is what a node knows of its session with another.
type testLink struct {
	latency   time.Duration
	heard     reliability.Time
	order     map[overlay.Flow]reliability.Time // when the last message of a reliable flow arrives
	unacked   int
	inFlight  int
	downBusy  reliability.Time
	streamOut map[StreamKey]bool
	// speed is what congestion control would allow: somewhat more than what got
	// through lately.
	speed      float64
	ackedSince reliability.Time
	ackedBytes int
}

func (l *testLink) acked(now reliability.Time, size int) {
	l.ackedBytes += size
	if d := now.Sub(l.ackedSince); d > 200*time.Millisecond {
		l.speed = max(1.5*float64(l.ackedBytes)/d.Seconds(), 0.8*l.speed)
		l.ackedSince, l.ackedBytes = now, 0
	}
}

type netEvent struct {
	at     reliability.Time
	serial uint64
	do     func()
}

type netEvents []netEvent

func (q netEvents) Len() int { return len(q) }
func (q netEvents) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q netEvents) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *netEvents) Push(x any)   { *q = append(*q, x.(netEvent)) }
func (q *netEvents) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = netEvent{}
	*q = old[:len(old)-1]
	return e
}

func newTestNet(t testing.TB, seed uint64) *testNet {
	p := DefaultParams()
	p.WindowDuration, p.RelayMarginDuration = 4*time.Second, time.Second
	p.FetchPeriod = time.Second
	p.FragmentSize = 1150
	return &testNet{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 7)), now: reliability.Start,
		byID: map[overlay.PeerID]*testNode{}, params: p, loss: 0.01,
		published: map[StreamKey]map[fragmenter.ID]*publishedMessage{},
		born:      map[StreamKey]map[fragmenter.ID]reliability.Time{},
	}
}

func (n *testNet) at(t reliability.Time, do func()) {
	n.serial++
	heap.Push(&n.events, netEvent{max(t, n.now), n.serial, do})
}

func (n *testNet) after(d time.Duration, do func()) { n.at(n.now.Add(d), do) }

// run steps through the events until a time.
func (n *testNet) run(until reliability.Time) {
	for len(n.events) > 0 && n.events[0].at <= until {
		e := heap.Pop(&n.events).(netEvent)
		n.now = e.at
		e.do()
	}
	n.now = until
}

func (n *testNet) runFor(d time.Duration) { n.run(n.now.Add(d)) }

func (n *testNet) fail(format string, args ...any) {
	n.t.Helper()
	if n.failures++; n.failures <= 10 {
		n.t.Errorf("seed %d, %v: %s", n.seed, time.Duration(n.now), fmt.Sprintf(format, args...))
	}
}

// addNode adds a member with an upload in bytes a second; 0 lets it find out,
// negative is UploadNone.
func (n *testNet) addNode(upload float64, caps uint64) *testNode {
	i := len(n.nodes)
	node := &testNode{
		net: n, index: i, id: peerID(i + 1000*int(n.seed%7)), caps: caps, up: true, joined: n.now,
		x: n.rand.Float64(), y: n.rand.Float64(),
		access: 2*time.Millisecond + time.Duration(n.rand.ExpFloat64()*float64(6*time.Millisecond)),
		links:  map[*testNode]*testLink{}, got: map[fragmenter.ID]reliability.Time{},
		lastTrack: map[packager.MessageType]fragmenter.ID{},
	}
	p := n.params
	if upload < 0 {
		p.UploadLimit, upload = UploadNone, 8000
	}
	node.uplink = NewUplink(UplinkParams{Rate: upload, Transport: node})
	node.engine = NewEngine(n.now, EngineConfig{
		Self: node.id, Params: p, Rand: rand.New(rand.NewPCG(n.seed, uint64(i))), Entropy: entropy{rand.New(rand.NewPCG(n.seed, uint64(i)+1<<32))},
		Transport: node, Uplink: node.uplink, Caps: caps, KeepMedia: true,
	})
	n.nodes = append(n.nodes, node)
	n.byID[node.id] = node
	return node
}

// entropy makes bytes of a seeded source.
type entropy struct{ r *rand.Rand }

func (e entropy) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e.r.Uint32())
	}
	return len(b), nil
}

func (n *testNet) latency(a, b *testNode) time.Duration {
	if a.lan != nil && a.lan == b.lan {
		return lanLatency
	}
	d := math.Hypot(a.x-b.x, a.y-b.y) * 90
	return time.Duration(d*float64(time.Millisecond)) + a.access + b.access
}

// link connects two members.
func (n *testNet) link(a, b *testNode) {
	if a == b || a.links[b] != nil || !a.up || !b.up {
		return
	}
	l := n.latency(a, b)
	for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
		x, y := pair[0], pair[1]
		x.links[y] = &testLink{latency: l, heard: n.now, order: map[overlay.Flow]reliability.Time{}, streamOut: map[StreamKey]bool{}}
		x.peers = append(x.peers, y)
	}
	for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
		x, y := pair[0], pair[1]
		x.engine.HandleNeighbor(n.now, overlay.LinkInfo{Peer: y.id, Addr: y.id.Address(), Since: n.now, Ready: true, Caps: x.caps & y.caps, RTT: 2 * l})
	}
	a.drain()
	b.drain()
}

// unlink ends a link; each end learns of it after a time of its own.
func (n *testNet) unlink(a, b *testNode, delay time.Duration) {
	for _, pair := range [][2]*testNode{{a, b}, {b, a}} {
		x, y := pair[0], pair[1]
		n.after(delay, func() {
			if x.links[y] == nil {
				return
			}
			delete(x.links, y)
			x.peers = slices.DeleteFunc(x.peers, func(p *testNode) bool { return p == y })
			if x.up {
				x.engine.HandleNeighborGone(n.now, y.id)
				x.drain()
			}
		})
	}
}

// mesh links a member with others: some near ones and some at random.
func (n *testNet) mesh(node *testNode, near, random int) {
	var others []*testNode
	for _, o := range n.nodes {
		if o != node && o.up {
			others = append(others, o)
		}
	}
	n.rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, o := range others[:min(random, len(others))] {
		n.link(node, o)
	}
	rest := slices.Clone(others[min(random, len(others)):])
	rest = rest[:min(len(rest), 40)]
	slices.SortStableFunc(rest, func(a, b *testNode) int { return int(n.latency(node, a) - n.latency(node, b)) })
	for _, o := range rest[:min(near, len(rest))] {
		n.link(node, o)
	}
}

// kill takes a member away: politely, or so that others notice only by
// themselves.
func (n *testNet) kill(node *testNode, polite bool) {
	if polite {
		node.engine.Close(n.now)
		node.drain()
	}
	node.up, node.left = false, n.now
	for _, p := range slices.Clone(node.peers) {
		delay := 3*time.Second + time.Duration(n.rand.Int64N(int64(3*time.Second)))
		if polite {
			delay = n.latency(node, p)
		}
		n.unlink(node, p, delay)
	}
}

// Transport.

// LastHeard implements overlay.Transport.
func (node *testNode) LastHeard(p overlay.PeerID) reliability.Time {
	if l := node.links[node.net.byID[p]]; l != nil {
		return l.heard
	}
	return 0
}

// RTT implements overlay.Transport.
func (node *testNode) RTT(p overlay.PeerID) (time.Duration, bool) {
	if l := node.links[node.net.byID[p]]; l != nil {
		return 2 * l.latency, true
	}
	return 0, false
}

// Backlog implements overlay.Transport.
func (node *testNode) Backlog(p overlay.PeerID) (int, float64) {
	other := node.net.byID[p]
	if l := node.links[other]; l != nil {
		return l.inFlight, max(l.speed, 40_000)
	}
	return 0, 0
}

// drain carries out all that an engine wants, after each mutation.
func (node *testNode) drain() {
	n := node.net
	if !node.up {
		return
	}
	for {
		s, ok := node.engine.PollSend()
		if !ok {
			break
		}
		node.sendControl(s)
	}
	for {
		r, ok := node.engine.PollReject()
		if !ok {
			break
		}
		other := n.byID[r.Peer]
		l := node.links[other]
		if l == nil {
			continue
		}
		delete(l.streamOut, r.Key)
		node.reliable(other, r.Flow, 40, func() { other.engine.HandleStreamClosed(n.now, node.id, r.Key, r.Flow) })
	}
	for {
		p, ok := node.engine.PollPing()
		if !ok {
			break
		}
		node.ping(n.byID[p])
	}
	for {
		e, ok := node.engine.PollEvent()
		if !ok {
			break
		}
		node.handleEvent(e)
	}
	node.multicast()
	node.transmit()
	next := min(node.engine.PollTimeout(), node.uplink.PollTimeout())
	if next <= n.now && next != reliability.Never {
		n.fail("node %d: deadline %v is not after a full drain", node.index, time.Duration(next))
		next = n.now + 1
	}
	if next != reliability.Never && (node.wake == 0 || next < node.wake) {
		node.wake = next
		n.at(next, func() { node.onWake(next) })
	}
	node.queueMax = max(node.queueMax, node.uplink.Len())
	if node.uplink.Len() > uplinkPackets {
		n.fail("node %d: %d packets queued", node.index, node.uplink.Len())
	}
}

func (node *testNode) onWake(at reliability.Time) {
	if node.wake == at {
		node.wake = 0
	}
	if !node.up {
		return
	}
	node.engine.HandleTimeout(node.net.now)
	node.drain()
}

func (node *testNode) transmit() {
	for {
		p, ok := node.uplink.Poll(node.net.now)
		if !ok {
			return
		}
		node.sendMedia(p, 0)
	}
}

func (node *testNode) note(bytes int) {
	s := int(node.net.now / second)
	for len(node.perSecond) <= s {
		node.perSecond = append(node.perSecond, 0)
	}
	node.perSecond[s] += bytes
}

// sendControl sends a message reliably and in order.
func (node *testNode) sendControl(s Send) {
	n := node.net
	other := n.byID[s.Peer]
	if node.links[other] == nil {
		return
	}
	size := len(s.Data) + packetOverhead
	node.sent.control += size
	node.uplink.Charge(n.now, size)
	node.reliable(other, s.Flow, size, func() { other.engine.HandleMessage(n.now, node.id, s.Key, s.Flow, s.Data) })
}

// reliable delivers something in the order of its flow, late if it is lost.
func (node *testNode) reliable(other *testNode, f overlay.Flow, size int, do func()) {
	n := node.net
	node.note(size)
	l := node.links[other]
	at := n.now.Add(l.latency)
	for n.rand.Float64() < n.loss {
		at = at.Add(2*l.latency + 30*time.Millisecond)
	}
	at = max(at, l.order[f])
	l.order[f] = at
	n.at(at, func() { other.receive(node, do) })
}

// receive runs what a packet does, if the session still stands.
func (node *testNode) receive(from *testNode, do func()) {
	l := node.links[from]
	if !node.up || l == nil || from.links[node] == nil && from.up {
		return
	}
	l.heard = node.net.now
	do()
	node.drain()
}

func (node *testNode) ping(other *testNode) {
	n := node.net
	if node.links[other] == nil {
		return
	}
	node.sent.control += 52
	node.note(52)
	n.after(node.links[other].latency, func() {
		if !other.up || other.links[node] == nil {
			return
		}
		other.links[node].heard = n.now
		other.note(52)
		other.sent.control += 52
		n.after(n.latency(node, other), func() {
			if l := node.links[other]; l != nil {
				l.heard = n.now
			}
		})
	})
}

// sendMedia sends a fragment, and sends it again when it is lost until its
// deadline.
func (node *testNode) sendMedia(p Packet, try int) {
	n := node.net
	other := n.byID[p.Peer]
	l := node.links[other]
	if l == nil || !node.up {
		return
	}
	id, ok := fragmenter.PeekID(p.Data)
	if !ok {
		n.fail("node %d sends what is no fragment", node.index)
		return
	}
	born := n.born[p.Key][id]
	if age := n.now.Sub(born); age > n.params.WindowDuration+n.params.RelayMarginDuration+2*time.Second {
		n.fail("node %d sends fragment %d at the age of %v", node.index, id, age)
	}
	size := len(p.Data) + packetOverhead
	node.note(size)
	if try == 0 {
		node.sent.media += len(p.Data)
		node.sent.overhead += packetOverhead
		node.sentBy[p.Class]++
		node.sent.fragments++
	} else {
		node.sent.again += size
		node.uplink.Charge(n.now, size)
	}
	l.inFlight += size
	arrive := n.now.Add(l.latency)
	if other.down > 0 {
		ol := other.firstLink()
		start := max(arrive, ol.downBusy)
		arrive = start.Add(time.Duration(float64(size) / other.down * float64(time.Second)))
		ol.downBusy = arrive
	}
	if n.rand.Float64() < n.loss {
		n.at(arrive.Add(l.latency+20*time.Millisecond), func() {
			l.inFlight -= size
			if p.Deadline > n.now {
				node.sendMedia(p, try+1)
			}
		})
		return
	}
	n.at(arrive, func() {
		n.after(l.latency, func() {
			l.inFlight -= size
			l.acked(n.now, size)
		})
		other.receive(node, func() {
			if n.onMedia != nil {
				n.onMedia(node, other, id)
			}
			other.acknowledge(node)
			other.engine.HandleMessage(n.now, node.id, p.Key, p.Flow, p.Data)
		})
	})
}

// firstLink keeps the time until which the downlink is busy.
func (node *testNode) firstLink() *testLink {
	if len(node.peers) == 0 {
		return &testLink{}
	}
	return node.links[node.peers[0]]
}

// acknowledge tells the sender of media that the receiver lives: at the second
// packet or after 200 ms, at most each 100 ms.
func (node *testNode) acknowledge(from *testNode) {
	n := node.net
	l := node.links[from]
	l.unacked++
	if l.unacked > 1 {
		return
	}
	n.after(150*time.Millisecond, func() {
		if !node.up || node.links[from] != l {
			return
		}
		l.unacked = 0
		node.sent.acks += 52
		node.note(52)
		node.uplink.Charge(n.now, 52)
		if n.rand.Float64() < n.loss {
			return
		}
		n.after(l.latency, func() {
			if back := from.links[node]; back != nil {
				back.heard = n.now
			}
		})
	})
}

// Application.

// handleEvent checks what an engine delivers.
func (node *testNode) handleEvent(e Event) {
	n := node.net
	switch e.Kind {
	case EventPlayable:
		if node.second && e.Name != "live" {
			return
		}
		if node.playable == 0 {
			node.playable = n.now
		}
	case EventReset:
		node.resets++
	case EventGap:
		node.gaps++
	case EventEnd:
		node.ended++
	case EventMessage:
		if node.second && e.Name != "live" {
			node.others++
			return
		}
		node.checkMessage(e)
	}
}

func (node *testNode) checkMessage(e Event) {
	n := node.net
	if e.Key != node.bound {
		node.bound = e.Key
		node.got = map[fragmenter.ID]reliability.Time{}
		node.lastTrack = map[packager.MessageType]fragmenter.ID{}
	}
	m := n.published[e.Key][e.First]
	if m == nil {
		n.fail("node %d: message at fragment %d was never published", node.index, e.First)
		return
	}
	if _, twice := node.got[e.First]; twice {
		n.fail("node %d: message at fragment %d twice", node.index, e.First)
	}
	node.got[e.First] = n.now
	if last := node.lastTrack[m.kind]; e.First <= last {
		n.fail("node %d: message %d after %d of the same track", node.index, e.First, last)
	}
	node.lastTrack[m.kind] = e.First
	if age := n.now.Sub(m.at); age > n.params.WindowDuration+2*time.Second {
		n.fail("node %d: message %d delivered after %v", node.index, e.First, age)
	}
	if e.Message.Type != m.kind || e.Message.Len() != m.length || sha256.Sum256(e.Message.AppendBody(nil)) != m.sum {
		n.fail("node %d: message %d was altered", node.index, e.First)
	}
}

// publish begins a stream of about a megabit a second at a node: 25 pictures,
// 43 sounds, a key frame each 2 s.
func (n *testNet) publish(node *testNode, name string, scale float64) StreamKey {
	key, err := node.engine.Publish(n.now, name, PublishOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	n.published[key] = map[fragmenter.ID]*publishedMessage{}
	n.born[key] = map[fragmenter.ID]reliability.Time{}
	node.drain()
	begin := n.now
	frame, sound := 0, 0
	var video, audio func()
	size := func(base int) int { return int(float64(base)*scale) + 10 }
	video = func() {
		if !node.write(key, packager.MessageVideo, frame%50 == 0, size(map[bool]int{true: 28_000, false: 4200}[frame%50 == 0]), begin) {
			return
		}
		frame++
		n.after(40*time.Millisecond, video)
	}
	audio = func() {
		if !node.write(key, packager.MessageAudio, false, 186, begin) {
			return
		}
		sound++
		n.after(23220*time.Microsecond, audio)
	}
	video()
	audio()
	return key
}

// write publishes one message of random content.
func (node *testNode) write(key StreamKey, kind packager.MessageType, isKey bool, size int, begin reliability.Time) bool {
	n := node.net
	if !node.up {
		return false
	}
	s := node.engine.byKey[key]
	if s == nil || s.end != 0 {
		return false
	}
	body := make([]byte, size)
	binary.BigEndian.PutUint64(body[2:], n.rand.Uint64())
	switch {
	case kind == packager.MessageAudio:
		body[0], body[1] = 0xaf, 1
	case isKey:
		body[0], body[1] = 0x17, 1
	default:
		body[0], body[1] = 0x27, 1
	}
	copy(body[5:9], []byte{0, 0, 0, byte(min(size-9, 255))})
	if len(body) > 9 {
		body[9] = 0x41 // a slice that others refer to
		if isKey {
			body[9] = 0x65
		}
	}
	stamp := uint32(n.now.Sub(begin) / time.Millisecond)
	first := s.source.cutter.Next()
	m := &publishedMessage{at: n.now, kind: kind, first: first, key: key, sum: sha256.Sum256(body), length: size}
	m.class = fragmenter.Classify(kind, body)
	n.published[key][first] = m
	n.messages = append(n.messages, m)
	message := packager.NewMessage(kind, stamp, body)
	message.Class = m.class
	if err := node.engine.Write(n.now, key, message); err != nil {
		n.fail("write: %v", err)
		return false
	}
	for id := first; id < s.source.cutter.Next(); id++ {
		n.born[key][id] = n.now
	}
	node.drain()
	return true
}

// Measurements.

// result is what a run gave.
type result struct {
	pairs, delivered int
	byClass          [reliability.ClassCount][2]int
	delays           []time.Duration
	worst            float64 // share of the worst node
	worstNode        int
}

func (r *result) share() float64 { return float64(r.delivered) / float64(max(r.pairs, 1)) }

func (r *result) percentile(p float64) time.Duration {
	if len(r.delays) == 0 {
		return 0
	}
	return r.delays[min(int(p/100*float64(len(r.delays))), len(r.delays)-1)]
}

func (r *result) String() string {
	return fmt.Sprintf("%.4f%% of %d delivered, worst node %d %.2f%%, delay p50 %v p99 %v p99.9 %v", 100*r.share(), r.pairs, r.worstNode, 100*r.worst,
		r.percentile(50).Round(time.Millisecond), r.percentile(99).Round(time.Millisecond), r.percentile(99.9).Round(time.Millisecond))
}

// measure looks at the messages published between two times, for all nodes that
// could play by then and did not leave before the message's deadline.
func (n *testNet) measure(key StreamKey, from, to reliability.Time) *result {
	r := &result{worst: 2}
	for _, node := range n.nodes {
		if node.playable == 0 || node.bound != key {
			continue
		}
		pairs, delivered := 0, 0
		for _, m := range n.messages {
			if m.key != key || m.at < from || m.at >= to || m.at < node.playable {
				continue
			}
			if node.left != 0 && node.left < m.at.Add(n.params.WindowDuration) {
				continue
			}
			pairs++
			r.byClass[m.class][1]++
			if at, ok := node.got[m.first]; ok {
				delivered++
				r.byClass[m.class][0]++
				r.delays = append(r.delays, at.Sub(m.at))
			}
		}
		r.pairs += pairs
		r.delivered += delivered
		if pairs > 0 {
			if share := float64(delivered) / float64(pairs); share < r.worst {
				r.worst, r.worstNode = share, node.index
			}
		}
	}
	slices.Sort(r.delays)
	return r
}

// totals adds up the ledgers of all nodes.
func (n *testNet) totals() ledger {
	var t ledger
	for _, node := range n.nodes {
		t.media += node.sent.media
		t.overhead += node.sent.overhead
		t.control += node.sent.control
		t.acks += node.sent.acks
		t.again += node.sent.again
		t.fragments += node.sent.fragments
		for _, s := range node.engine.streams {
			t.duplicates += int(s.counts.duplicates)
			t.duplicateBytes += int(s.counts.duplicateBytes)
		}
	}
	return t
}

func (n *testNet) report(key StreamKey, source *testNode, from, to reliability.Time) (*result, string) {
	r := n.measure(key, from, to)
	t := n.totals()
	useful := float64(t.media - t.duplicateBytes)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n", r)
	egress, worst, seconds := 0, 0, 0
	for s := int(from/second) + 1; s < int(to/second); s++ {
		if s < len(source.perSecond) {
			egress += source.perSecond[s]
			worst = max(worst, source.perSecond[s])
			seconds++
		}
	}
	payload := 0
	for _, m := range n.messages {
		if m.key == key && m.at >= from && m.at < to {
			payload += m.length
		}
	}
	rate := float64(payload) / to.Sub(from).Seconds()
	fmt.Fprintf(&b, "source %.3f r mean, %.3f r worst; control %.2f%%, acks %.2f%%, duplicates %.2f%%, again %.2f%%, framing %.2f%%\n",
		float64(egress)/float64(max(seconds, 1))/rate, float64(worst)/rate,
		100*float64(t.control)/useful, 100*float64(t.acks)/useful, 100*float64(t.duplicateBytes)/useful, 100*float64(t.again)/useful, 100*float64(t.overhead)/useful)
	var changes, lost, refused, pulls uint64
	for _, node := range n.nodes {
		for _, s := range node.engine.streams {
			changes += s.counts.parentChanges
			lost += s.counts.parentsLost
			refused += s.counts.refusals
			if s.win != nil {
				pulls += s.win.Stats().Fragments[SourcePull]
			}
		}
	}
	fmt.Fprintf(&b, "parent changes %d, lost %d, refusals %d, pulled %d of %d fragments; classes", changes, lost, refused, pulls, t.fragments)
	for c, v := range r.byClass {
		if v[1] > 0 {
			fmt.Fprintf(&b, " %v %.3f%%", reliability.Class(c), 100*float64(v[0])/float64(v[1]))
		}
	}
	return r, b.String()
}
