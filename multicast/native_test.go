package multicast

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// twoLANs is a publisher on a LAN with native multicast, and a second LAN into
// which the stream has to come once.
type twoLANs struct {
	*swarm
	here, there *testLAN
	into        int // fragments that came into the second LAN from elsewhere
}

func newTwoLANs(t *testing.T, seed uint64, near, far int) *twoLANs {
	n := newTestNet(t, seed)
	w := &twoLANs{swarm: &swarm{testNet: n, source: n.addNode(100*streamRate, CapMulticast)}}
	for range near + far {
		n.addNode(100*streamRate, CapMulticast)
	}
	w.here = n.addLAN(n.nodes[:near+1]...)
	w.there = n.addLAN(n.nodes[near+1:]...)
	n.onMedia = func(from, to *testNode, _ fragmenter.ID) {
		if from.lan != w.there && to.lan == w.there {
			w.into++
		}
	}
	for i, node := range n.nodes {
		for _, other := range n.nodes[:i] {
			n.link(node, other)
		}
	}
	w.key = n.publish(w.source, "live", 1)
	for _, node := range n.nodes[1:] {
		node.play()
	}
	return w
}

// passedOn returns how often the second LAN gets the stream from elsewhere, over
// a time.
func (w *twoLANs) passedOn(d time.Duration) float64 {
	before, known := w.into, w.stream().win.known
	w.runFor(d)
	return float64(w.into-before) / float64(w.stream().win.known-known)
}

// One copy of a stream comes into a LAN. Whoever passes it on there must not be
// fed by members that have it only from its own multicast: what goes round in
// such a ring is new to nobody, and then each member pulls it from elsewhere by
// itself.
func TestOneCopyComesIntoALAN(t *testing.T) {
	for seed := range uint64(12) {
		w := newTwoLANs(t, seed, 9, 10)
		w.runFor(8 * time.Second)
		copies := w.passedOn(8 * time.Second)
		t.Logf("seed %d: %.3f copies come into the LAN", seed, copies)
		// The loss of links is made good by the transport; a change of parents
		// costs some fragments twice.
		if copies > 1.05 {
			w.fail("%.3f copies of the stream come into the LAN, want one", copies)
		}
		w.check(8*time.Second, 12*time.Second, 1, 0)
	}
}

// A LAN whose members lose a fiftieth of what is multicast there makes it good
// by itself: no more comes into it for that.
func TestLossOnALANIsMadeGoodThere(t *testing.T) {
	w := newTwoLANs(t, 3, 9, 10)
	w.runFor(8 * time.Second)
	w.here.loss, w.there.loss = 0.02, 0.02
	copies := w.passedOn(8 * time.Second)
	t.Logf("%.3f copies come into the LAN", copies)
	if copies > 1.05 {
		w.fail("%.3f copies of the stream come into the LAN, want one", copies)
	}
	w.check(8*time.Second, 12*time.Second, 1, 0)
}

// The one that passes a stream on goes without a word: another takes over, and
// nobody misses anything.
func TestAnotherPassesTheStreamOn(t *testing.T) {
	for seed := range uint64(4) {
		w := newTwoLANs(t, seed, 9, 10)
		w.runFor(8 * time.Second)
		for range 2 {
			first := w.passing()
			if len(first) != 1 {
				w.fail("%d members pass the stream on, want one", len(first))
				return
			}
			w.kill(first[0], false)
			w.runFor(6 * time.Second)
		}
		if copies := w.passedOn(4 * time.Second); copies > 1.05 || len(w.passing()) != 1 {
			w.fail("%.3f copies of the stream come into the LAN, %d pass it on, want one", copies, len(w.passing()))
		}
		w.check(8*time.Second, 22*time.Second, 1, 0)
	}
}

// passing returns the members of the second LAN that pass the stream on.
func (w *twoLANs) passing() (who []*testNode) {
	for _, node := range w.there.members {
		if s := node.engine.byKey[w.key]; node.up && s.passesOn() {
			who = append(who, node)
		}
	}
	return who
}

// Most of a group have native multicast in common with the publisher, and lose
// it all at once. Each has a place with a neighbor by then, so that hardly
// anybody looks for one: 99 of 100 members get every message in time.
func TestNativeMulticastGoesAway(t *testing.T) {
	members, missed := 0, 0
	for seed := range uint64(3) {
		n := newTestNet(t, seed)
		s := &swarm{testNet: n, source: n.addNode(10*streamRate, CapMulticast)}
		for i := range 80 {
			n.addNode(mixedUpload(i), CapMulticast)
		}
		lan := n.addLAN(n.nodes[:61]...)
		lan.loss = 0.02
		for _, node := range n.nodes {
			n.mesh(node, 5, 9)
		}
		s.key = n.publish(s.source, "live", 1)
		for _, node := range n.nodes[1:] {
			node.play()
		}
		s.runFor(12 * time.Second)
		natively, stand := 0, 0
		for _, node := range lan.members[1:] {
			st := node.engine.byKey[s.key]
			for c := range st.slices {
				if st.slices[c].native {
					natively++
				}
				if s.stands(node, c) {
					stand++
				}
			}
		}
		t.Logf("seed %d: %d slices come natively, %d would come otherwise", seed, natively, stand)
		if natively < 60*sliceCount || stand < 60*sliceCount*98/100 {
			s.fail("%d slices come natively, %d would come otherwise, of %d", natively, stand, 60*sliceCount)
		}
		lan.down = true
		s.runFor(8 * time.Second)
		s.check(11*time.Second, 16*time.Second, 0.999, 0)
		for _, node := range n.nodes[1:] {
			members++
			if s.missed(node, at2(11*time.Second), at2(16*time.Second)) > 0 {
				missed++
			}
		}
	}
	t.Logf("%d of %d members missed something", missed, members)
	if missed > members/100 {
		t.Errorf("%d of %d members missed something, want at most 1 %%", missed, members)
	}
}

// missed counts the messages published between two times that a node did not
// get.
func (s *swarm) missed(node *testNode, from, to reliability.Time) (count int) {
	for _, m := range s.messages {
		if _, got := node.got[m.first]; m.key == s.key && m.at >= from && m.at < to && !got {
			count++
		}
	}
	return count
}

// stands reports whether a way leads from the source to a node, over parents and
// standbys.
func (s *swarm) stands(node *testNode, c int) bool {
	for range 40 {
		if node == s.source {
			return true
		}
		st := node.engine.byKey[s.key]
		up := st.slices[c].parent
		if up == none {
			up = st.slices[c].standby
		}
		if up == none {
			return false
		}
		node = s.byID[st.e.neighbors[up].id]
	}
	return false
}

// A stream with a message now and then is silent most of the time: that is no
// reason to leave native multicast each time.
func TestSparseStreamStaysNative(t *testing.T) {
	n := newTestNet(t, 1)
	source := n.addNode(10*streamRate, CapMulticast)
	for range 12 {
		n.addNode(2*streamRate, CapMulticast)
	}
	n.addLAN(n.nodes...)
	for _, node := range n.nodes {
		n.mesh(node, 5, 5)
	}
	key, err := source.engine.Publish(n.now, "live", PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.published[key], n.born[key] = map[fragmenter.ID]*publishedMessage{}, map[fragmenter.ID]reliability.Time{}
	source.drain()
	begin := n.now
	var write func()
	write = func() {
		if source.write(key, packager.MessageVideo, true, 6000, begin) {
			n.after(600*time.Millisecond, write)
		}
	}
	write()
	for _, node := range n.nodes[1:] {
		node.play()
	}
	n.runFor(12 * time.Second)
	for range 100 {
		n.runFor(100 * time.Millisecond)
		for _, node := range n.nodes[1:] {
			if s := node.engine.byKey[key]; s.nat == nil || !s.nat.on {
				n.fail("node %d has left native multicast", node.index)
				return
			}
		}
	}
}
