package swarm

import (
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// message is a message that the publisher has written.
type message struct {
	at    reliability.Time
	class reliability.Class
	video bool
	size  int32
}

// media is what the publisher has written, for comparison with what arrives.
type media struct {
	messages []message
	audio    []int32 // index of the n-th audio and video message
	video    []int32
	first    int // the first message of the measurement
	until    int // the first after it, 0 if there is none
	// born and bytes of fragments, from their first transmission.
	born []reliability.Time
	sum  []uint32
	head uint64 // number of born[0]

	delay      [reliability.ClassCount]Histogram
	all        Histogram
	late       uint64 // handed over after their deadline
	windowSize time.Duration
	margin     time.Duration
}

// index finds a message by what a receiver is told of it.
func (m *media) index(msg *packager.Message) (int, bool) {
	list, k := m.audio, int((uint64(msg.Timestamp)*audioRate+audioSamples*1000-1)/(audioSamples*1000))
	if msg.Type == packager.MessageVideo {
		list, k = m.video, int(msg.Timestamp/frameMillis)
	}
	if k >= len(list) {
		return 0, false
	}
	return int(list[k]), true
}

// checkFragment holds an arrived fragment against the one that was sent first.
func (m *media) checkFragment(s *Sim, n *Node, id uint64, b []byte) {
	i := int(id - m.head)
	if len(m.born) == 0 || id < m.head || i >= len(m.born) {
		return
	}
	if m.sum[i] != checksum(b) {
		s.fail("fragments arrive unaltered", "node %d got fragment %d altered", n.index, id)
	}
}

// checkAge notes when a fragment first leaves, and that it does not leave when
// it is too old.
func (m *media) checkAge(s *Sim, n *Node, id uint64, b []byte) {
	if len(m.born) == 0 {
		m.head = id
	}
	if id < m.head {
		return
	}
	i := int(id - m.head)
	if i >= len(m.born)+1<<16 {
		s.fail("fragments are numbered one after the other", "node %d sent fragment %d of the future", n.index, id)
		return
	}
	for i >= len(m.born) {
		m.born = append(m.born, 0)
		m.sum = append(m.sum, 0)
	}
	if m.born[i] == 0 {
		m.born[i], m.sum[i] = s.now, checksum(b)
		return
	}
	// The window counts from when a node learned of a fragment. That is later
	// than its birth by the way to the node, by as much as a newcomer looks back,
	// under overload by the queues of all hops, and by how long a fault has held
	// it up. Twice the window more is taken for all that.
	if age := s.now.Sub(m.born[i]); age > 3*m.windowSize+m.margin+s.fault.held {
		s.fail("nothing older than window and margin is passed on", "node %d passed fragment %d on after %v", n.index, id, age)
	}
}

// checksum of what tells a fragment from others and shows that it is whole.
// Its middle is left out: the cores do not look at it.
func checksum(b []byte) uint32 {
	h := uint32(2166136261) ^ uint32(len(b))
	const edge = 24
	for i := 0; i < len(b) && i < edge; i++ {
		h = (h ^ uint32(b[i])) * 16777619
	}
	for i := max(edge, len(b)-edge); i < len(b); i++ {
		h = (h ^ uint32(b[i])) * 16777619
	}
	return h
}

// viewMessages is how many messages a view remembers one by one: more than are
// written in a window. viewFragments likewise.
const (
	viewMessages  = 2048
	viewFragments = 4096
)

// view is what one member has received of the stream.
type view struct {
	sim  *Sim
	node *Node
	// first is the first message that it could play, -1 before that.
	first    int
	playable reliability.Time
	handed   reliability.Time // when the last message was handed over
	got      [viewMessages / 64]uint64
	have     [viewFragments / 64]uint64
	newest   uint64
	last     [2]int // the last audio and video message

	// Counts of messages that were handed over in time, all and by class.
	delivered [reliability.ClassCount]uint32
	due       [reliability.ClassCount]uint32
	counted   int      // messages below this one have been judged
	parents   [8]int32 // who sent the last fragment of each slice
	closed    bool
}

func newView(s *Sim, n *Node) *view {
	v := &view{sim: s, node: n, first: -1, last: [2]int{-1, -1}}
	for i := range v.parents {
		v.parents[i] = -1
	}
	return v
}

// fragment notes a fragment and reports whether it is the first time.
func (v *view) fragment(id uint64) bool {
	for v.newest < id {
		v.newest++
		k := v.newest % viewFragments
		v.have[k/64] &^= 1 << (k % 64)
	}
	if id+viewFragments <= v.newest {
		return false
	}
	k := id % viewFragments
	seen := v.have[k/64]&(1<<(k%64)) != 0
	v.have[k/64] |= 1 << (k % 64)
	return !seen
}

// from notes who a fragment came from first.
func (v *view) from(n *Node, id uint64) { v.parents[id%8] = n.index }

// handOver takes a message that the core gives to its application.
func (v *view) handOver(msg *packager.Message) {
	s := v.sim
	m := &s.ledger.media
	v.node.books.messages++
	v.handed = s.now
	i, ok := m.index(msg)
	if !ok {
		s.fail("only what was written is handed over", "node %d handed over a message of time %d that nobody wrote", v.node.index, msg.Timestamp)
		return
	}
	w := &m.messages[i]
	track := 0
	if w.video {
		track = 1
	}
	if i <= v.last[track] {
		s.fail("order is kept", "node %d handed over message %d after %d", v.node.index, i, v.last[track])
	}
	v.last[track] = i
	if v.first < 0 {
		if w.class != reliability.ClassKey {
			return
		}
		v.first, v.playable, v.counted = i, s.now, i
		s.ledger.joins.playable(v)
	}
	v.judge(s.now)
	age := s.now.Sub(w.at)
	if age > m.windowSize {
		m.late++
		return
	}
	if i < v.counted {
		return
	}
	k := i % viewMessages
	if v.got[k/64]&(1<<(k%64)) != 0 {
		s.fail("a message is handed over once", "node %d handed message %d over twice", v.node.index, i)
	}
	v.got[k/64] |= 1 << (k % 64)
	if s.ledger.on && i >= m.first && w.at >= v.playable {
		m.delay[w.class].Add(age)
		m.all.Add(age)
	}
}

// judge counts the messages whose deadline has passed.
func (v *view) judge(now reliability.Time) {
	if v.first < 0 || v.closed {
		return
	}
	m := &v.sim.ledger.media
	for ; v.counted < len(m.messages); v.counted++ {
		w := &m.messages[v.counted]
		if w.at.Add(m.windowSize) > now {
			break
		}
		k := v.counted % viewMessages
		got := v.got[k/64]&(1<<(k%64)) != 0
		v.got[k/64] &^= 1 << (k % 64)
		if !v.sim.ledger.on || v.counted < m.first || m.until > 0 && v.counted >= m.until {
			continue
		}
		v.due[w.class]++
		if got {
			v.delivered[w.class]++
		}
	}
}

// close ends a view: what is not due yet doesn't count.
func (v *view) close(now reliability.Time) {
	v.judge(now)
	v.closed = true
}

// share returns how much of what was due has been delivered, and how much that
// was; of the classes in the list, or of all without a list.
func (v *view) share(classes ...reliability.Class) (delivered, due uint64) {
	for c := range reliability.ClassCount {
		wanted := len(classes) == 0
		for _, k := range classes {
			wanted = wanted || int(k) == c
		}
		if wanted {
			delivered += uint64(v.delivered[c])
			due += uint64(v.due[c])
		}
	}
	return delivered, due
}

// joins are the times from a member's start to its first playable frame.
type joins struct {
	times Histogram
	// network is the part up to the introducer's answer.
	network Histogram
}

// playable notes that a member has begun to play. Members of the cold start
// don't count.
func (j *joins) playable(v *view) {
	n := v.node
	if v.sim.ledger.on && n.Born >= v.sim.ledger.begun {
		j.times.Add(v.playable.Sub(n.Born))
		j.network.Add(n.Joined.Sub(n.Born))
	}
}
