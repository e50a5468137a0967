package multicast_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
)

// member is an engine with all that it needs. The network between two of them
// is a function call.
type member struct {
	id     overlay.PeerID
	engine *multicast.Engine
	uplink *multicast.Uplink
	now    *reliability.Time
}

func newMember(seed uint64, now *reliability.Time) *member {
	m := &member{now: now, uplink: multicast.NewUplink(multicast.UplinkParams{Rate: 1e6})}
	m.id[0] = byte(seed)
	random := rand.New(rand.NewPCG(seed, 0))
	m.engine = multicast.NewEngine(*now, multicast.EngineConfig{
		Self: m.id, Params: multicast.DefaultParams(), Rand: random, Entropy: bytes.NewReader(make([]byte, 64)),
		Transport: m, Uplink: m.uplink, Caps: multicast.CapMulticast,
	})
	return m
}

// LastHeard, RTT and Backlog are the transport that the engine asks.
func (m *member) LastHeard(overlay.PeerID) reliability.Time { return *m.now }

func (m *member) RTT(overlay.PeerID) (time.Duration, bool)      { return 20 * time.Millisecond, true }
func (m *member) Backlog(overlay.PeerID) (bytes int, _ float64) { return 0, 1e6 }

// drain carries what m has to say to the other, and prints what it plays.
func (m *member) drain(other *member) (any bool) {
	for send, ok := m.engine.PollSend(); ok; send, ok = m.engine.PollSend() {
		other.engine.HandleMessage(*m.now, m.id, send.Key, send.Flow, send.Data)
		any = true
	}
	for p, ok := m.uplink.Poll(*m.now); ok; p, ok = m.uplink.Poll(*m.now) {
		other.engine.HandleMessage(*m.now, m.id, p.Key, p.Flow, p.Data)
		any = true
	}
	for e, ok := m.engine.PollEvent(); ok; e, ok = m.engine.PollEvent() {
		if body := e.Message.AppendBody(nil); e.Kind == multicast.EventMessage && string(body) == "the last" {
			fmt.Printf("plays %q\n", body)
		}
	}
	return any
}

// One engine publishes, its neighbor plays.
func ExampleEngine() {
	now := reliability.Start.Add(time.Second)
	publisher, viewer := newMember(1, &now), newMember(2, &now)
	pass := func(d time.Duration) {
		for end := now.Add(d); now < end; now = now.Add(5 * time.Millisecond) {
			for publisher.drain(viewer) || viewer.drain(publisher) {
			}
			for _, m := range []*member{publisher, viewer} {
				m.engine.HandleTimeout(now)
			}
		}
	}
	for _, pair := range [][2]*member{{publisher, viewer}, {viewer, publisher}} {
		pair[0].engine.HandleNeighbor(now, overlay.LinkInfo{Peer: pair[1].id, Addr: pair[1].id.Address(), Ready: true, Caps: multicast.CapMulticast})
	}
	viewer.engine.Play(now, "radio", multicast.PlayOptions{})
	key, err := publisher.engine.Publish(now, "radio", multicast.PublishOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pass(time.Second)
	for i := range 50 {
		text := "one of many"
		if i == 49 {
			text = "the last"
		}
		m := packager.NewMessage(packager.MessageData, uint32(20*i), []byte(text))
		if err := publisher.engine.Write(now, key, m); err != nil {
			fmt.Println(err)
		}
		pass(20 * time.Millisecond)
	}
	pass(time.Second)
	// Output:
	// plays "the last"
}
