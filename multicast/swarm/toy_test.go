package swarm

import (
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// toy is a core that connects to whom it is told of, and passes each fragment
// on to all others once. It stands in for the real cores where the network
// between them is under test.
type toy struct {
	now     reliability.Time
	links   map[overlay.PeerID]bool
	order   []overlay.PeerID
	actions []Action
	media   []Media
	pings   reliability.Time
	period  time.Duration
	seen    map[string]bool
	flood   bool

	got      []string
	pongs    []reliability.Time
	opened   []reliability.Time
	closed   []overlay.PeerID
	failed   []overlay.DialError
	channels int
	charged  int
}

func newToy(*Sim, *Node) (Core, error) {
	return &toy{links: map[overlay.PeerID]bool{}, seen: map[string]bool{}, pings: reliability.Never, flood: true}, nil
}

func (t *toy) do(a overlay.Action) { t.actions = append(t.actions, Action{Action: a}) }

func (t *toy) HandleSession(now reliability.Time, s overlay.SessionInfo) {
	if !t.links[s.Peer] {
		t.links[s.Peer] = true
		t.order = append(t.order, s.Peer)
	}
	t.opened = append(t.opened, now)
}

func (t *toy) HandleSessionClosed(_ reliability.Time, p overlay.PeerID) {
	delete(t.links, p)
	t.closed = append(t.closed, p)
}

func (t *toy) HandleDialFailed(_ reliability.Time, _ overlay.PeerID, why overlay.DialError) {
	t.failed = append(t.failed, why)
}

func (t *toy) HandleMessage(now reliability.Time, from overlay.PeerID, c Channel, b []byte) {
	t.now = now
	t.got = append(t.got, string(b))
	if c.Flow != overlay.FlowMedia || t.seen[string(b)] {
		return
	}
	t.seen[string(b)] = true
	t.send(b, from)
}

// send sends a fragment to all links but one.
func (t *toy) send(b []byte, but overlay.PeerID) {
	t.seen[string(b)] = true
	for _, p := range t.order {
		if t.links[p] && p != but && t.flood {
			t.media = append(t.media, Media{Peer: p, Key: Key{1}, Data: b, Deadline: t.now.Add(4 * time.Second)})
		}
	}
}

func (t *toy) HandleChannelClosed(reliability.Time, overlay.PeerID, Channel) { t.channels++ }
func (t *toy) HandlePong(now reliability.Time, _ overlay.PeerID)             { t.pongs = append(t.pongs, now) }

func (t *toy) HandleMember(_ reliability.Time, p overlay.PeerID, addrs []wire.Address) {
	if !t.links[p] {
		t.do(overlay.Action{Kind: overlay.ActionDial, Peer: p, Addrs: addrs})
	}
}
func (t *toy) SetOwnAddresses(reliability.Time, []wire.Address) {}
func (t *toy) SendRelay(reliability.Time, uint64, []byte)       {}
func (t *toy) Observe(reliability.Time, *Node) bool             { return false }
func (t *toy) Charge(_ reliability.Time, bytes int)             { t.charged += bytes }
func (t *toy) Links() []overlay.LinkInfo                        { return nil }
func (t *toy) PollTimeout() reliability.Time                    { return t.pings }
func (t *toy) Leave(reliability.Time)                           {}

func (t *toy) HandleTimeout(now reliability.Time) {
	t.now = now
	for _, p := range t.order {
		t.do(overlay.Action{Kind: overlay.ActionPing, Peer: p})
	}
	t.pings = now.Add(t.period)
}

func (t *toy) PollAction() (Action, bool) {
	if len(t.actions) == 0 {
		return Action{}, false
	}
	a := t.actions[0]
	t.actions = t.actions[1:]
	return a, true
}

func (t *toy) PollMedia(reliability.Time) (Media, bool) {
	if len(t.media) == 0 {
		return Media{}, false
	}
	m := t.media[0]
	t.media = t.media[1:]
	return m, true
}
