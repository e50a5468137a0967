package swarm

import (
	"time"
	"unsafe"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/internal/prefetch"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// A large group has far more state than the processor's caches hold, and each
// event is another node's: a run would spend most of its time waiting for
// memory. The calendar tells which events come next. Each is prepared in steps,
// since one object tells where the next lies, and a step is taken so early that
// what it asks for is there when the next step reads it.
const (
	aheadPacket  = 20
	aheadSession = 16
	aheadNode    = 12
	aheadHot     = 8
	aheadState   = 4
)

// aheadNodes is from how many nodes on it is worth the trouble.
const aheadNodes = 200

// hotPeriod is how long a node's list of what is hot is taken as it is.
const hotPeriod = 2 * time.Second

// hotRegions is how many regions a node lists.
const hotRegions = 12

// hotList is the memory of a node's core that most events touch.
type hotList struct {
	regions [hotRegions]prefetch.Region
	n       int
	until   reliability.Time
}

// prepare asks for the memory that the next events will touch.
func (s *Sim) prepare() {
	if e, ok := s.events.Ahead(aheadPacket); ok && e.p != nil {
		prefetch.Fetch(e.p)
	}
	if e, ok := s.events.Ahead(aheadSession); ok && e.p != nil {
		prefetch.Fetch(e.p.s)
		if n := len(e.p.data); n > 0 {
			prefetch.Fetch(&e.p.data[0])
			prefetch.Fetch(&e.p.data[n-1])
		}
	}
	if e, ok := s.events.Ahead(aheadNode); ok {
		if from, to := s.ends(e); to != nil {
			prefetch.Fetch(to)
			if from != nil {
				prefetch.Part(unsafe.Pointer(&from.index), fromLines).Fetch()
			}
		}
	}
	if e, ok := s.events.Ahead(aheadHot); ok {
		if _, to := s.ends(e); to != nil {
			for i := range to.hot.n {
				to.hot.regions[i].Fetch()
			}
		}
	}
	if e, ok := s.events.Ahead(aheadState); ok {
		if from, to := s.ends(e); from != nil && e.p.flow == overlay.FlowMedia {
			to.expect(from, e.p.data)
		}
	}
}

// fromLines is how many bytes of a sender are looked at when a packet arrives.
const fromLines = 128

// ends returns who an event comes from and whom it is for, nil if that is
// nobody.
func (s *Sim) ends(e event) (from, to *Node) {
	switch {
	case e.p != nil && e.p.s != nil:
		return e.p.s.end[e.p.side], e.p.s.end[1-e.p.side]
	case e.node >= 0 && int(e.node) < len(s.nodes):
		return nil, s.nodes[e.node]
	}
	return nil, nil
}

// expect asks for what the node has on a fragment that will come.
func (n *Node) expect(from *Node, b []byte) {
	c, isMember := n.Core.(*memberCore)
	id, isFragment := fragmentID(b)
	if !isMember || !isFragment {
		return
	}
	c.Engine().Expect(&from.ID, fragmenter.ID(id))
	if n.View != nil {
		prefetch.Fetch(&n.View.have[id%viewFragments/64])
	}
}

// listHot lists what is hot at a node, from time to time.
func (n *Node) listHot() {
	h := &n.hot
	if h.until > n.sim.now {
		return
	}
	h.until = n.sim.now.Add(hotPeriod)
	h.n = 0
	c, ok := n.Core.(*memberCore)
	if !ok {
		return
	}
	list := c.Engine().Hot(h.regions[:0])
	list = append(list, prefetch.Of(c), prefetch.Of(c.Member))
	if v := n.View; v != nil {
		list = append(list, prefetch.Part(unsafe.Pointer(&v.sim), unsafe.Offsetof(v.got)), prefetch.Part(unsafe.Pointer(&v.newest), unsafe.Sizeof(*v)-unsafe.Offsetof(v.newest)))
	}
	h.n = copy(h.regions[:], list)
}
