package multicast

import (
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// swarm is a test network with one source and some viewers.
type swarm struct {
	*testNet
	source *testNode
	key    StreamKey
}

// newSwarm links a source with 10 times the stream's rate of upload and viewers
// with what upload tells, and lets them play.
func newSwarm(t testing.TB, seed uint64, viewers int, upload func(i int) float64, caps uint64) *swarm {
	n := newTestNet(t, seed)
	s := &swarm{testNet: n, source: n.addNode(10*streamRate, caps)}
	for i := range viewers {
		n.addNode(upload(i), caps)
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

func (node *testNode) play() {
	node.engine.Play(node.net.now, "live", PlayOptions{})
	node.drain()
}

// join adds a viewer to a running swarm.
func (s *swarm) join(upload float64, caps uint64) *testNode {
	node := s.addNode(upload, caps)
	s.mesh(node, 5, 9)
	node.play()
	return node
}

func (s *swarm) stream() *stream { return s.source.engine.byKey[s.key] }

// check fails unless enough was delivered and the source sent little enough.
func (s *swarm) check(from, to time.Duration, delivered, egress float64) {
	s.t.Helper()
	r, text := s.report(s.key, s.source, at2(from), at2(to))
	s.t.Log(text)
	if r.share() < delivered {
		s.fail("%.4f%% delivered, want %.4f%%", 100*r.share(), 100*delivered)
	}
	if r.pairs == 0 {
		s.fail("nobody played")
	}
	if got := s.egress(from, to); egress > 0 && got > egress {
		s.fail("the source sent %.3f times the stream, want at most %.3f", got, egress)
	}
}

// Members come and go, half of them without a word, a hundred times as often as
// viewers do.
func TestSwarmWithChurn(t *testing.T) {
	s := newSwarm(t, 1, 100, mixedUpload, CapMulticast)
	s.runFor(10 * time.Second)
	for s.now < 22*second {
		s.runFor(1500 * time.Millisecond)
		s.churn()
	}
	s.runFor(6 * time.Second)
	s.check(12*time.Second, 22*time.Second, 0.995, 1.4)
}

// churn takes a member away and puts another in.
func (s *swarm) churn() {
	alive := slices.DeleteFunc(slices.Clone(s.nodes[1:]), func(n *testNode) bool { return !n.up })
	s.kill(alive[s.rand.IntN(len(alive))], s.rand.IntN(2) == 0)
	s.join(mixedUpload(len(s.nodes)), CapMulticast)
}

func at2(d time.Duration) reliability.Time { return reliability.Start.Add(d) }

// egress returns what the source sent between two times, over what it
// published.
func (s *swarm) egress(from, to time.Duration) float64 {
	sent, published := 0, 0
	for sec := int(from / time.Second); sec < int(to/time.Second) && sec < len(s.source.perSecond); sec++ {
		sent += s.source.perSecond[sec]
	}
	for _, m := range s.messages {
		if m.key == s.key && m.at >= at2(from) && m.at < at2(to) {
			published += m.length
		}
	}
	return float64(sent) / float64(published)
}
