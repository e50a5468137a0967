package multicast

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

const (
	// tick is how often an engine looks after its streams.
	tick       = 50 * time.Millisecond
	tickMillis = int(tick / time.Millisecond)
	// maxStreams bounds what neighbors can announce in a group.
	maxStreams = 64
	// freshen is how often old times are forgotten, long before they wrap.
	freshen = 10 * 60 * 1000 // ms
)

// Engine holds all streams of one group at one node: those it publishes, plays
// and relays. See the package comment for how it is driven. Not safe for
// concurrent use.
type Engine struct {
	config EngineConfig
	tag    wire.Tag // of this node
	ext    bool     // requests and grants are spoken
	now    reliability.Time
	ms     millis // now in milliseconds

	neighbors []*neighbor // nil where there is none any more
	// ids are the beginnings of their IDs, at the same places: few dozen numbers
	// that lie together are found sooner than by a map.
	ids     []uint64
	streams []*stream // in the order in which they were first seen
	byKey   map[StreamKey]*stream
	recent  *stream // of the last message
	plays   []*subscription
	native  nativeState
	hasty   bool // the policy gives some classes up before the window ends

	nextTick    reliability.Time
	freshenedAt millis
	refreshNext int
	deaths      [2]millis // when the last two neighbors were found dead
	probing     bool
	wish        int    // for so many more neighbors
	wishedAt    millis // when there was one last
	wishes      int    // how many there have been in a row

	sends   queue[outgoing]
	rejects queue[Reject]
	pings   queue[*neighbor]
	events  queue[Event]
	arena   arena
	scratch scratch
}

// outgoing is a control message before it is polled.
type outgoing struct {
	to     *neighbor
	stream *stream
	flow   overlay.Flow
	data   []byte
}

// scratch is room for lists that live within one call.
type scratch struct {
	ids       []fragmenter.ID
	missing   []fragmenter.ID
	busy      []fragmenter.ID
	wanted    []wantedID
	ranges    []wire.Range
	fragments []fragmenter.Fragment
}

// NewEngine returns an engine without neighbors and streams. It panics on
// settings that Params.Validate refuses.
func NewEngine(now reliability.Time, c EngineConfig) *Engine {
	if err := c.Params.Validate(); err != nil {
		panic(fmt.Sprintf("multicast: %v", err))
	}
	e := &Engine{
		config: c, tag: tagOf(c.Self.Address()), ext: c.Caps&CapMulticast != 0,
		byKey: make(map[StreamKey]*stream),
	}
	e.hasty = isHasty(&e.config.Params.Policy)
	e.enter(now)
	e.freshenedAt = e.ms
	// The ticks of many nodes in one process don't fall together.
	e.nextTick = now.Add(time.Duration(c.Rand.Int64N(int64(tick))) + 1)
	return e
}

func tagOf(a overlay.Address) wire.Tag { return wire.Tag(a[0])<<8 | wire.Tag(a[1]) }

// enter begins a mutation.
func (e *Engine) enter(now reliability.Time) {
	e.now = now
	e.ms = millisOf(now)
}

// HandleNeighbor tells of a neighbor that is up or has changed.
func (e *Engine) HandleNeighbor(now reliability.Time, link overlay.LinkInfo) {
	e.enter(now)
	ext := e.ext && link.Caps&CapMulticast != 0
	n := e.neighbor(&link.Peer)
	if link.Relayed {
		// What leads through a third member carries the ring's control and no
		// media: the relay would drop nearly all of it.
		if n != nil {
			e.removeNeighbor(n)
		}
		return
	}
	if n != nil && n.ext != ext {
		e.removeNeighbor(n) // it connected anew, as another implementation
		n = nil
	}
	isNew := n == nil
	if isNew {
		n = e.addNeighbor(link, ext)
	}
	n.relayed = link.Relayed
	if link.RTT > 0 {
		n.rtt = float32(link.RTT) / float32(time.Millisecond)
	}
	if link.Suspect {
		n.suspect = e.ms + suspectTime
	}
	if !isNew {
		return
	}
	for _, s := range e.streams {
		if s.active && s.shouldAnnounce() {
			s.announce(n)
		}
	}
}

// neighbor returns a neighbor by its ID, or nil.
func (e *Engine) neighbor(id *overlay.PeerID) *neighbor {
	begin := idBegin(id)
	for i, other := range e.ids {
		if other == begin {
			if n := e.neighbors[i]; n != nil && n.id == *id {
				return n
			}
		}
	}
	return nil
}

func idBegin(id *overlay.PeerID) uint64 { return binary.LittleEndian.Uint64(id[:8]) }

// stream returns a stream by its key, or nil.
func (e *Engine) stream(key *StreamKey) *stream {
	if s := e.recent; s != nil && s.key == *key {
		return s
	}
	s := e.byKey[*key]
	if s != nil {
		e.recent = s
	}
	return s
}

func (e *Engine) addNeighbor(link overlay.LinkInfo, ext bool) *neighbor {
	n := &neighbor{id: link.Peer, tag: tagOf(link.Addr), ext: ext, up: e.now, rtt: defaultRTT}
	n.port = e.config.Uplink.openPort(link.Peer)
	n.lan = slices.Contains(e.native.lan, link.Peer)
	index := -1
	for i, other := range e.neighbors {
		if other == nil {
			index = i
			break
		}
	}
	if index < 0 {
		index = len(e.neighbors)
		e.neighbors = append(e.neighbors, nil)
		e.ids = append(e.ids, 0)
		for _, s := range e.streams {
			if len(s.peers) == cap(s.peers) {
				// Small steps: thousands of engines may live in one process.
				s.peers = append(make([]peer, 0, len(s.peers)+8), s.peers...)
			}
			s.peers = append(s.peers, peer{})
		}
	}
	n.index = int16(index)
	e.neighbors[index] = n
	e.ids[index] = idBegin(&link.Peer)
	for _, s := range e.streams {
		s.peers[index] = peer{}
		if ext {
			s.peers[index].flags = peerExt
		}
	}
	return n
}

// HandleNeighborGone tells that a neighbor is none any more.
func (e *Engine) HandleNeighborGone(now reliability.Time, id overlay.PeerID) {
	e.enter(now)
	if n := e.neighbor(&id); n != nil {
		e.removeNeighbor(n)
	}
}

func (e *Engine) removeNeighbor(n *neighbor) {
	for _, s := range e.streams {
		s.dropPeer(n)
		s.peers[n.index] = peer{}
	}
	e.neighbors[n.index] = nil
	e.config.Uplink.closePort(n.port)
}

// HandleMessage takes a message that a neighbor sent on one of the three flows
// of a stream. b is borrowed, unless EngineConfig.KeepMedia says otherwise.
func (e *Engine) HandleMessage(now reliability.Time, from overlay.PeerID, key StreamKey, f overlay.Flow, b []byte) {
	e.enter(now)
	n, s := e.neighbor(&from), e.stream(&key)
	if n == nil {
		return
	}
	if s == nil {
		if f == overlay.FlowStream {
			e.handleFirst(n, key, b)
		}
		return
	}
	switch f {
	case overlay.FlowMedia:
		s.handleMedia(n, b)
	case overlay.FlowStream:
		s.counts.gotControl.add(len(b))
		s.handleControl(n, b)
	case overlay.FlowStreamExt:
		s.counts.gotControl.add(len(b))
		if n.ext && s.peers[n.index].is(peerIn) {
			s.handleExt(n, b)
		}
	}
}

// HandleStreamClosed tells that a neighbor has closed a flow of its own or
// refused one of ours.
func (e *Engine) HandleStreamClosed(now reliability.Time, from overlay.PeerID, key StreamKey, f overlay.Flow) {
	e.enter(now)
	n, s := e.neighbor(&from), e.stream(&key)
	if n == nil || s == nil {
		return
	}
	switch f {
	case overlay.FlowStream:
		s.dropPeer(n)
		s.peers[n.index].flags = s.peers[n.index].flags&peerExt | peerRefused
	case overlay.FlowMedia:
		s.dropChildren(n)
	case overlay.FlowStreamExt:
		// It goes with the flow of the stream.
	}
}

// PollSend returns the next control message.
func (e *Engine) PollSend() (Send, bool) {
	for {
		o, ok := e.sends.pop()
		if !ok {
			return Send{}, false
		}
		if e.neighbors[o.to.index] == o.to {
			return Send{Peer: o.to.id, Key: o.stream.key, Flow: o.flow, Data: o.data}, true
		}
	}
}

// PollReject returns the next flow to refuse or close.
func (e *Engine) PollReject() (Reject, bool) { return e.rejects.pop() }

// PollPing returns the next neighbor to ask for a sign of life. The answer is
// seen in Transport.LastHeard.
func (e *Engine) PollPing() (overlay.PeerID, bool) {
	n, ok := e.pings.pop()
	if !ok {
		return overlay.PeerID{}, false
	}
	return n.id, true
}

// PollEvent returns the next event.
func (e *Engine) PollEvent() (Event, bool) { return e.events.pop() }

// HandleTimeout does what is due.
func (e *Engine) HandleTimeout(now reliability.Time) {
	e.enter(now)
	if now < e.nextTick {
		return
	}
	e.nextTick = now.Add(tick)
	e.refreshRTT()
	for _, s := range e.streams {
		if s.active {
			s.tick()
		}
	}
	e.tickNative()
	e.endTick()
	if e.ms.after(e.freshenedAt) > freshen {
		e.freshen()
	}
}

// PollTimeout returns the next deadline.
func (e *Engine) PollTimeout() reliability.Time {
	if len(e.streams) == 0 && len(e.plays) == 0 {
		return reliability.Never
	}
	return e.nextTick
}

// refreshRTT asks the transport for the round-trip time of the next neighbor,
// and whether one that was suspected has been heard again.
func (e *Engine) refreshRTT() {
	if len(e.neighbors) == 0 {
		return
	}
	e.refreshNext = (e.refreshNext + 1) % len(e.neighbors)
	n := e.neighbors[e.refreshNext]
	if n == nil {
		return
	}
	if rtt, ok := e.config.Transport.RTT(n.id); ok {
		n.rtt = float32(rtt) / float32(time.Millisecond)
	}
}

// freshen forgets times that are long past.
func (e *Engine) freshen() {
	e.freshenedAt = e.ms
	forget := func(limit *millis) {
		if !limit.isAhead(e.ms) {
			*limit = 0
		}
	}
	for _, n := range e.neighbors {
		if n != nil {
			forget(&n.suspect)
		}
	}
	for _, s := range e.streams {
		for i := range s.peers {
			p := &s.peers[i]
			forget(&p.busy)
			for c := range p.refused {
				forget(&p.refused[c])
			}
		}
	}
}

// send queues a control message of a stream.
func (s *stream) send(n *neighbor, f overlay.Flow, data []byte) {
	s.counts.sentControl.add(len(data))
	s.e.sends.push(outgoing{n, s, f, data})
}

// queue is a list that is filled at one end and emptied at the other. It is
// empty most of the time, since every mutation is followed by polls.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

func (q *queue[T]) pop() (item T, ok bool) {
	if q.head == len(q.items) {
		return item, false
	}
	var zero T
	item, q.items[q.head] = q.items[q.head], zero
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > queueKept {
			q.items = nil // it was an exceptional burst
		}
	}
	return item, true
}

// queueKept is how much room an empty queue keeps.
const queueKept = 32

// arena is where control messages are made. A block holds many of them, so that
// each costs no allocation of its own; blocks are never used again.
type arena struct{ free []byte }

const (
	arenaBlock   = 1024
	arenaMessage = 256 // room for all but the longest control messages
)

// begin returns an empty slice to append a message to.
func (a *arena) begin() []byte {
	if cap(a.free) < arenaMessage {
		a.free = make([]byte, 0, arenaBlock)
	}
	return a.free
}

// end takes a message that was appended to begin's slice out of the arena.
func (a *arena) end(b []byte) []byte {
	n := len(b)
	if cap(b) == cap(a.free) { // it still lies in the block
		a.free = a.free[n:n]
	}
	return b[:n:n]
}
