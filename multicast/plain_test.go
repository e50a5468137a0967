package multicast

import (
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
)

// newMixedSwarm links members of which some speak the plain protocol alone.
func newMixedSwarm(t testing.TB, seed uint64, viewers int, times float64, isPlain func(i int) bool) *swarm {
	n := newTestNet(t, seed)
	caps := func(i int) uint64 {
		if isPlain(i) {
			return 0
		}
		return CapMulticast
	}
	s := &swarm{testNet: n, source: n.addNode(10*streamRate, caps(0))}
	for i := range viewers {
		n.addNode(times*streamRate, caps(i+1))
	}
	for _, node := range n.nodes {
		n.mesh(node, 5, 9)
	}
	s.key = n.publish(s.source, "live", 1)
	for _, node := range n.nodes[1:] {
		node.play()
	}
	return s
}

// Members that all speak the plain protocol play by maps, masks and pulls.
func TestPlainGroup(t *testing.T) {
	s := newMixedSwarm(t, 1, 30, 3, func(int) bool { return true })
	s.runFor(20 * time.Second)
	s.check(8*time.Second, 15*time.Second, 0.999, 0)
}

// Members of both kinds play in one group, whoever publishes, and the source is
// spared where its neighbors can be told whom to ask.
func TestMixedGroup(t *testing.T) {
	for _, tt := range []struct {
		name    string
		isPlain func(i int) bool
		egress  float64
	}{
		{"half of them plain", func(i int) bool { return i%2 == 1 }, 2.6},
		{"a few plain", func(i int) bool { return i%10 == 1 }, 2.6},
		{"all but a few plain", func(i int) bool { return i%10 != 0 }, 5.7},
		{"a plain publisher", func(i int) bool { return i == 0 }, 0},
	} {
		s := newMixedSwarm(t, 2, 40, 3, tt.isPlain)
		s.runFor(20 * time.Second)
		t.Log(tt.name)
		s.check(8*time.Second, 15*time.Second, 0.999, tt.egress)
	}
}

// Plain neighbors are pushed to no more than the limit says, and who may relay
// nothing is not asked by them.
func TestPlainLimits(t *testing.T) {
	s := newMixedSwarm(t, 3, 12, 20, func(int) bool { return true })
	s.runFor(8 * time.Second)
	for _, n := range s.nodes {
		st := n.engine.byKey[s.key]
		for c := range st.slices {
			if got := len(st.slices[c].children); got > n.engine.config.Params.PushNeighborLimit {
				s.fail("node %d pushes slice %d to %d neighbors", n.index, c, got)
			}
		}
	}
}

// Members of other makes ask all their neighbors for all slices, also those who
// get the stream from nobody else than them. One that does so is pulled from
// and asked to push all the same: it does not wait for us, as its maps show.
func TestPlainNeighborThatAsksForAll(t *testing.T) {
	e := newLoneEngine(t, false)
	for i := range 3 {
		e.HandleNeighborGone(e.now, peerID(i))
	}
	e.drain()
	const other = 3
	e.handle(other, overlay.FlowStream, wire.AppendMask(nil, wire.MaskOf(0xff)))
	w := NewWindow(DefaultWindowParams())
	hold := func(id fragmenter.ID) {
		f := fragmenter.Fragment{ID: id, Kind: fragmenter.KindWhole, Type: packager.MessageAudio, Timestamp: uint32(id) * 15, Payload: []byte{0xaf, 1, 2, 3}}
		w.Insert(e.now, id, fragmenter.AppendFragment(nil, &f), SourcePush)
	}
	asked, pulled := uint8(0), 0
	// What it is asked for it sends, but it pushes nothing.
	answer := func() {
		for _, s := range slices.Clone(e.sent) {
			switch s.Data[0] {
			case wire.TypeMask:
				m, _ := wire.ParseMask(s.Data)
				asked |= m.Slices()
			case wire.TypePull:
				id, _ := wire.ParsePull(s.Data)
				if b, ok := w.Fragment(id); ok {
					pulled++
					e.handle(other, overlay.FlowMedia, b)
				}
			}
		}
	}
	// It holds a slice at once, as if pushed, and the others when they are three
	// seconds old, as if pulled.
	const perTick, late = 10, 20
	for tick := range fragmenter.ID(60) {
		last := 8 + perTick*tick
		for id := fragmenter.ID(1); id <= last; id++ {
			if tick == 0 || id.Slice() == 1 || id+perTick*late <= last {
				hold(id)
			}
		}
		e.handle(other, overlay.FlowStream, w.AppendMap(nil))
		answer()
		for range 15 {
			e.now = e.now.Add(10 * time.Millisecond)
			e.transport.heard[peerID(other)] = e.now
			e.HandleTimeout(e.now)
			e.drain()
			answer()
		}
	}
	if asked != 0xff {
		t.Errorf("slices %08b were asked for, want all", asked)
	}
	s := e.byKey[e.key]
	if s.slices[1].fed() == 0 {
		t.Error("the neighbor is pushed nothing")
	}
	if want := perTick * (60 - late) * 8 / 10; pulled < want {
		t.Errorf("%d fragments were pulled, want at least %d", pulled, want)
	}
}
