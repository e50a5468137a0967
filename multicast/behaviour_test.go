package multicast

import (
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

func fixedUpload(times float64) func(int) float64 {
	return func(int) float64 { return times * streamRate }
}

// Groups of a handful play everything, and the source still sends little more
// than one copy where the viewers have upload.
func TestSmallGroups(t *testing.T) {
	for _, tt := range []struct {
		viewers        int
		upload, egress float64
	}{
		{1, 1, 1.25},
		{2, 2, 1.25},
		{3, 2, 1.25},
		{5, 2, 1.25},
		{10, 2, 1.25},
		{3, 0.05, 3.6}, // viewers that can pass nothing on: the source feeds all
	} {
		s := newSwarm(t, 3, tt.viewers, fixedUpload(tt.upload), CapMulticast)
		s.runFor(16 * time.Second)
		t.Logf("%d viewers with %.2f times the rate", tt.viewers, tt.upload)
		s.check(8*time.Second, 12*time.Second, 1, tt.egress)
	}
}

// When parents die without a word, others take over at once and nobody misses
// anything.
func TestDeadParentsAreReplaced(t *testing.T) {
	s := newSwarm(t, 2, 60, fixedUpload(2), CapMulticast)
	s.runFor(12 * time.Second)
	victim := s.nodes[1]
	for _, n := range s.nodes[1:] {
		if n.engine.byKey[s.key].used > victim.engine.byKey[s.key].used {
			victim = n
		}
	}
	orphans := 0
	for _, n := range s.nodes[1:] {
		if n != victim {
			orphans += s.slicesFrom(n, victim)
		}
	}
	if orphans < 4 {
		t.Fatalf("the busiest relay feeds only %d slices", orphans)
	}
	s.kill(victim, false)
	s.runFor(1500 * time.Millisecond)
	for _, n := range s.nodes[1:] {
		if !n.up {
			continue
		}
		if left := s.slicesFrom(n, victim); left > 0 {
			s.fail("node %d still waits for %d slices of a dead neighbor", n.index, left)
		}
		for c := range n.engine.byKey[s.key].slices {
			if sl := &n.engine.byKey[s.key].slices[c]; sl.parent == none {
				s.fail("node %d has no parent for slice %d", n.index, c)
			}
		}
	}
	s.runFor(6 * time.Second)
	s.check(10*time.Second, 15*time.Second, 1, 0)
}

// slicesFrom counts the slices that a node expects of another.
func (s *swarm) slicesFrom(n, from *testNode) int {
	count := 0
	st := n.engine.byKey[s.key]
	for c := range st.slices {
		if p := st.slices[c].parent; p != none && n.engine.neighbors[p].id == from.id {
			count++
		}
	}
	return count
}

// When the source's first hops go, politely or not, no fragment is lost for
// all.
func TestFirstHopsAreReplaced(t *testing.T) {
	for _, polite := range []bool{true, false} {
		s := newSwarm(t, 5, 40, fixedUpload(2), CapMulticast)
		s.runFor(10 * time.Second)
		for range 3 {
			hop := s.stream().slices[s.rand.IntN(sliceCount)].hop()
			s.kill(s.byID[s.source.engine.neighbors[hop.index].id], polite)
			s.runFor(2 * time.Second)
		}
		s.runFor(6 * time.Second)
		t.Logf("polite: %v", polite)
		s.check(8*time.Second, 17*time.Second, 1, 0)
	}
}

// A late joiner begins with the newest key frame, soon, and misses nothing from
// there on.
func TestLateJoiner(t *testing.T) {
	s := newSwarm(t, 4, 50, mixedUpload, CapMulticast)
	s.runFor(11 * time.Second)
	for range 6 {
		s.runFor(330 * time.Millisecond)
		s.lateJoin()
	}
	s.runFor(5 * time.Second)
	s.check(9*time.Second, 12*time.Second, 1, 0)
}

func (s *swarm) lateJoin() {
	s.t.Helper()
	newest := fragmenter.ID(0)
	for _, m := range s.messages {
		if m.class == reliability.ClassKey {
			newest = max(newest, m.first)
		}
	}
	n := s.join(2*streamRate, CapMulticast)
	s.runFor(1500 * time.Millisecond)
	if n.playable == 0 {
		s.fail("nothing to play after 1.5 s")
		return
	}
	first := fragmenter.ID(1 << 62)
	for id := range n.got {
		first = min(first, id)
	}
	if first < newest || s.published[s.key][first].class != reliability.ClassKey {
		s.fail("begins with fragment %d of class %v; the newest key frame was at %d", first, s.published[s.key][first].class, newest)
	}
	if took := n.playable.Sub(n.joined); took > time.Second {
		s.fail("the first picture took %v", took)
	}
}

// Over any second nobody sends more than its upload, apart from what the
// transport sends by itself after a loss.
func TestUploadLimitIsObeyed(t *testing.T) {
	s := newSwarm(t, 6, 60, mixedUpload, CapMulticast)
	s.runFor(14 * time.Second)
	for _, n := range s.nodes {
		rate := n.uplink.Rate()
		for sec, bytes := range n.perSecond {
			// Handshake and first announcements are not what is tested.
			if sec > 2 && float64(bytes) > 1.08*rate+6000 {
				s.fail("node %d sent %d bytes in second %d with an upload of %.0f", n.index, bytes, sec, rate)
			}
		}
	}
}

// Members that are not to relay anything get everything and send no media.
func TestMembersWithoutUpload(t *testing.T) {
	s := newSwarm(t, 7, 40, func(i int) float64 {
		if i%2 == 0 {
			return -1
		}
		return 3 * streamRate
	}, CapMulticast)
	s.runFor(18 * time.Second)
	for _, n := range s.nodes[1:] {
		if n.engine.config.Params.UploadLimit == UploadNone && n.sent.fragments > 0 {
			s.fail("node %d sent %d fragments", n.index, n.sent.fragments)
		}
	}
	s.check(8*time.Second, 14*time.Second, 1, 1.25)
}

// A viewer whose line carries less than the stream gets what ranks first.
func TestSlowViewerGetsWhatRanksFirst(t *testing.T) {
	s := newSwarm(t, 8, 30, fixedUpload(3), CapMulticast)
	s.runFor(6 * time.Second)
	slow := s.addNode(8000, CapMulticast)
	slow.down = 0.6 * streamRate
	s.mesh(slow, 5, 9)
	slow.play()
	s.runFor(20 * time.Second)
	var got, all [reliability.ClassCount]int
	for _, m := range s.messages {
		if m.at < slow.playable.Add(2*time.Second) || s.now.Sub(m.at) < 5*time.Second {
			continue
		}
		all[m.class]++
		if _, ok := slow.got[m.first]; ok {
			got[m.class]++
		}
	}
	share := func(c reliability.Class) float64 { return float64(got[c]) / float64(max(all[c], 1)) }
	t.Logf("audio %.3f, key frames %.3f, other pictures %.3f", share(reliability.ClassAudio), share(reliability.ClassKey), share(reliability.ClassReference))
	if share(reliability.ClassAudio) < 0.95 || share(reliability.ClassReference) > 0.95 {
		s.fail("audio %.3f, pictures %.3f", share(reliability.ClassAudio), share(reliability.ClassReference))
	}
}

// A stream that ends is delivered to its last message, everywhere, and a new
// one of the same name is taken up.
func TestEndAndRestart(t *testing.T) {
	s := newSwarm(t, 9, 20, fixedUpload(2), CapMulticast)
	s.runFor(8 * time.Second)
	s.source.engine.EndPublish(s.now, s.key)
	s.source.drain()
	last := s.messages[len(s.messages)-1]
	s.runFor(3 * time.Second)
	for _, n := range s.nodes[1:] {
		if _, ok := n.got[last.first]; !ok || n.ended != 1 {
			s.fail("node %d: last message delivered %v, ends %d", n.index, ok, n.ended)
		}
	}
	second := s.publish(s.source, "live", 1)
	s.runFor(8 * time.Second)
	for _, n := range s.nodes[1:] {
		if n.bound != second || n.resets != 1 {
			s.fail("node %d plays another stream, %d resets", n.index, n.resets)
		}
	}
	s.key = second
	s.check(13*time.Second, 15*time.Second, 1, 0)
}

// Of two publishers under one name the viewers play one; when it falls silent
// they go on with the other.
func TestSeveralPublishersUnderOneName(t *testing.T) {
	s := newSwarm(t, 10, 20, fixedUpload(3), CapMulticast)
	s.runFor(6 * time.Second)
	other := s.join(10*streamRate, CapMulticast)
	second := s.publish(other, "live", 0.5)
	s.runFor(4 * time.Second)
	for _, n := range s.nodes[1:21] {
		if n.bound != s.key {
			s.fail("node %d changed the stream though the first one goes on", n.index)
		}
	}
	s.kill(s.source, false)
	s.runFor(9 * time.Second)
	for _, n := range s.nodes[1:21] {
		if n.bound != second || n.resets != 1 {
			s.fail("node %d: plays the second stream %v, %d resets", n.index, n.bound == second, n.resets)
		}
	}
}

// Who stops playing is left in peace, and can come back.
func TestStopPlay(t *testing.T) {
	s := newSwarm(t, 11, 20, fixedUpload(2), CapMulticast)
	s.runFor(6 * time.Second)
	n := s.nodes[5]
	n.engine.StopPlay(s.now, "live")
	n.drain()
	s.runFor(time.Second)
	got := 0
	s.onMedia = func(_, to *testNode, _ fragmenter.ID) {
		if to == n {
			got++
		}
	}
	s.runFor(3 * time.Second)
	if got > 0 {
		s.fail("%d fragments came after the end of the subscription", got)
	}
	s.onMedia = nil
	before := len(n.got)
	n.play()
	s.runFor(3 * time.Second)
	if len(n.got) <= before+60 {
		s.fail("%d messages after coming back", len(n.got)-before)
	}
}

// The publisher's own subscription plays what it publishes.
func TestPublisherPlaysItself(t *testing.T) {
	s := newSwarm(t, 12, 3, fixedUpload(2), CapMulticast)
	s.source.play()
	s.runFor(4 * time.Second)
	if len(s.source.got) < 200 {
		t.Errorf("%d messages at the publisher", len(s.source.got))
	}
}

// Two streams share a node's upload; both are played whole.
func TestTwoStreamsOfOneNode(t *testing.T) {
	s := newSwarm(t, 13, 30, fixedUpload(4), CapMulticast)
	key := s.publish(s.source, "second", 0.5)
	for _, n := range s.nodes[1:] {
		n.second = true
		n.engine.Play(s.now, "second", PlayOptions{})
		n.drain()
	}
	s.runFor(16 * time.Second)
	s.check(8*time.Second, 12*time.Second, 1, 0)
	due := 0
	for _, m := range s.messages {
		if m.key == key && m.at > 8*second && m.at < 12*second {
			due++
		}
	}
	for _, n := range s.nodes[1:] {
		if n.others < due {
			s.fail("node %d got %d messages of the second stream, %d were due", n.index, n.others, due)
		}
	}
}

// Messages that no stream can carry are refused at the publisher.
func TestWriteErrors(t *testing.T) {
	s := newSwarm(t, 14, 1, fixedUpload(1), CapMulticast)
	e := s.source.engine
	if err := e.Write(s.now, StreamKey{1}, packager.NewMessage(packager.MessageAudio, 0, []byte{0xaf, 1, 2})); err != ErrNoStream {
		t.Errorf("unknown stream: %v", err)
	}
	if _, err := e.Publish(s.now, "", PublishOptions{}); err != ErrName {
		t.Errorf("no name: %v", err)
	}
	huge := packager.NewMessage(packager.MessageVideo, 0, make([]byte, fragmenter.MaxMessageLen+1))
	if err := e.Write(s.now, s.key, huge); err == nil {
		t.Error("a message that is too long was taken")
	}
	names := []string{}
	for _, i := range e.Streams() {
		names = append(names, i.Name)
	}
	if !slices.Equal(names, []string{"live"}) {
		t.Errorf("streams %v", names)
	}
}

// When a publisher dies without a word and nobody follows, its stream has ended
// for the viewers when it is forgotten; till then the counters stay numbers,
// though nothing is left in the window.
func TestStreamOfDeadPublisherEnds(t *testing.T) {
	s := newSwarm(t, 14, 3, fixedUpload(2), CapMulticast)
	s.runFor(4 * time.Second)
	s.kill(s.source, false)
	s.runFor(30 * time.Second)
	for _, n := range s.nodes[1:] {
		if i := n.engine.Stats("live"); i.Held != 0 || i.WindowFill != 0 {
			s.fail("node %d holds %d fragments, a share of %v of its window", n.index, i.Held, i.WindowFill)
		}
		if n.ended != 0 {
			s.fail("node %d gave the stream up already", n.index)
		}
	}
	s.runFor(lifetime*time.Millisecond - 20*time.Second)
	for _, n := range s.nodes[1:] {
		if n.ended != 1 {
			s.fail("node %d was told %d times that the stream has ended", n.index, n.ended)
		}
	}
}
