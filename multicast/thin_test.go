package multicast

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// silent is a transport that knows nothing of anybody.
type silent struct{}

func (silent) LastHeard(overlay.PeerID) reliability.Time                  { return 0 }
func (silent) RTT(overlay.PeerID) (time.Duration, bool)                   { return 0, false }
func (silent) Backlog(overlay.PeerID) (bytes int, bytesPerSecond float64) { return 0, 0 }

// publisherAmong returns an engine that publishes, and n neighbors that take
// part, relay, and state a lack.
func publisherAmong(t *testing.T, policy reliability.Policy, n int, lack float32) (*Engine, *stream) {
	t.Helper()
	p := DefaultParams()
	p.Policy = policy
	e := NewEngine(1, EngineConfig{
		Params: p, Rand: rand.New(rand.NewPCG(1, 2)), Entropy: rand.NewChaCha8([32]byte{}),
		Transport: silent{}, Uplink: NewUplink(UplinkParams{Rate: 1e6}), Caps: CapMulticast,
	})
	key, err := e.Publish(1, "live", PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := e.byKey[key]
	for i := range n {
		e.HandleNeighbor(1, overlay.LinkInfo{Peer: overlay.PeerID{byte(i + 1)}, Caps: CapMulticast, RTT: 20 * time.Millisecond})
		s.peers[i].flags |= peerIn | peerOut
		s.peers[i].lack = lack
	}
	s.used = s.slots.k
	return e, s
}

// pass lets time pass; the neighbors repeat what they state, with so many of
// their ten slots used.
func (s *stream) pass(seconds int, used uint16) {
	for range seconds {
		s.e.enter(s.e.now.Add(time.Second))
		for i := range s.peers {
			p := &s.peers[i]
			p.statusAt, p.slots, p.used = s.e.ms, 10, used
		}
		s.measureLack()
		s.thin()
	}
}

// What members lack makes the publisher send less, down to what they can carry;
// free slots keep it from that; and when nothing is lacking any more it comes
// back to the whole stream.
func TestPublisherFollowsTheLack(t *testing.T) {
	_, s := publisherAmong(t, reliability.Balanced(), 16, 0.2)
	share := func() float64 { return s.source.thinning.thinner.Share() }
	s.pass(10, 5)
	if got := share(); got != 1 {
		t.Errorf("%v is sent though half of the slots are free", got)
	}
	s.pass(5, 10)
	if got := share(); got > 0.85 || got < 0.6 {
		t.Errorf("%v is sent after 5 s in which a fifth was lacking", got)
	}
	for i := range s.peers {
		s.peers[i].lack = 0
	}
	s.pass(7, 10)
	low := share()
	s.pass(4, 10)
	if got := share(); got <= low || got > low+2*thinStep {
		t.Errorf("%v is sent after 11 s without a lack, %v before: it must go up by a little", got, low)
	}
	s.pass(200, 10)
	if got := share(); got != 1 {
		t.Errorf("%v is sent long after", got)
	}
}

// A few neighbors that lie cannot make the publisher send less, and a policy that
// keeps everything is obeyed.
func TestWhoMakesAStreamThin(t *testing.T) {
	_, s := publisherAmong(t, reliability.Balanced(), 16, 0)
	s.peers[3].lack, s.peers[9].lack = 1, 1
	s.pass(60, 10)
	if got := s.source.thinning.thinner.Share(); got != 1 {
		t.Errorf("two liars of 16 make the share %v", got)
	}
	_, s = publisherAmong(t, reliability.Balanced(), 16, 0.5)
	s.used = 0
	s.pass(60, 10)
	if got := s.source.thinning.thinner.Share(); got != 1 {
		t.Errorf("the share is %v in a group that the publisher could feed by itself", got)
	}
	_, s = publisherAmong(t, reliability.Complete(), 16, 0.5)
	s.pass(60, 10)
	if got := s.source.thinning.thinner.Share(); got != 1 {
		t.Errorf("with the policy complete the share is %v", got)
	}
}

// Who plays the stream at the publisher's own node gets all of it, in order;
// what is left out takes no fragment numbers.
func TestLeftOutOnlyForOthers(t *testing.T) {
	e, s := publisherAmong(t, reliability.Balanced(), 1, 0)
	e.Play(e.now, "live", PlayOptions{})
	s.source.thinning.thinner.SetShare(0.5)
	const frames = 20
	for i := range frames {
		body := make([]byte, 500)
		body[0], body[1] = 0x37, 1 // a disposable frame of H.264
		if i == 0 {
			body[0] = 0x17
		}
		if err := e.Write(e.now.Add(40*time.Millisecond), s.key, packager.NewMessage(packager.MessageVideo, uint32(40*i), body)); err != nil {
			t.Fatal(err)
		}
	}
	got := uint32(0)
	for event, ok := e.PollEvent(); ok; event, ok = e.PollEvent() {
		if event.Kind != EventMessage {
			continue
		}
		if event.Message.Timestamp != 40*got || event.Message.Len() != 500 {
			t.Errorf("message %d is of time %d and %d bytes", got, event.Message.Timestamp, event.Message.Len())
		}
		got++
	}
	if got != frames {
		t.Errorf("%d messages of %d were handed over at the publisher", got, frames)
	}
	info := s.info()
	if info.LeftOut != frames/2 || s.win.Known() != frames/2 {
		t.Errorf("%d messages left out and %d fragments; want %d of each", info.LeftOut, s.win.Known(), frames/2)
	}
}
