package introducer_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// meeting is an introducer on a virtual network.
type meeting struct {
	t    *testing.T
	net  *vnet.Net
	addr netip.AddrPort
	meet *introducer.Introducer
	seed uint64
	all  []*client
}

// client is somebody who joins.
type client struct {
	*rtmfp.Endpoint
	driver  *vnet.Driver
	session *rtmfp.Session
	flows   []*rtmfp.SendFlow
	named   []overlay.PeerID
	refused int
}

func (c *client) id() overlay.PeerID { return overlay.PeerID(c.Self().Fingerprint) }

func newMeeting(t *testing.T, params introducer.Params) *meeting {
	t.Helper()
	m := &meeting{t: t, net: vnet.New(1), addr: netip.MustParseAddrPort("198.51.100.1:1935")}
	var err error
	if m.meet, err = introducer.New(params, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	e, driver := m.endpoint(m.addr, true)
	driver.React = func(now reliability.Time) bool {
		any := false
		for {
			event, ok := e.PollEvent()
			if !ok {
				return any
			}
			any = true
			m.meet.HandleEvent(now, event)
		}
	}
	return m
}

func (m *meeting) endpoint(addr netip.AddrPort, server bool) (*rtmfp.Endpoint, *vnet.Driver) {
	m.t.Helper()
	m.seed++
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], m.seed)
	entropy := rand.NewChaCha8(seed)
	p, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: entropy})
	if err != nil {
		m.t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: entropy})
	if err != nil {
		m.t.Fatal(err)
	}
	h := m.net.AddHost()
	cable := vnet.LinkParams{Delay: time.Millisecond}
	if err := h.AddInterface(nil, addr, cable, cable); err != nil {
		m.t.Fatal(err)
	}
	return e, vnet.Drive(h, e)
}

// client opens a session with the introducer.
func (m *meeting) client(addr string) *client {
	m.t.Helper()
	c := &client{}
	c.Endpoint, c.driver = m.endpoint(netip.MustParseAddrPort(addr), false)
	c.driver.React = func(reliability.Time) bool {
		for {
			e, ok := c.PollEvent()
			if !ok {
				return false
			}
			switch e.Kind {
			case rtmfp.MessageReceived:
				id, err := wire.ParseMember(e.Data)
				if err != nil {
					m.t.Errorf("introducer says %x: %v", e.Data, err)
				}
				c.named = append(c.named, overlay.PeerID(id))
			case rtmfp.FlowRejected:
				c.refused++
			}
		}
	}
	c.driver.Do(func(now reliability.Time) {
		var err error
		if c.session, err = c.Open(now, profile.ServerEPD("rtmfp://x/"), []netip.AddrPort{m.addr}); err != nil {
			m.t.Fatal(err)
		}
	})
	m.net.Run(time.Second)
	if c.session.State() != rtmfp.StateOpen {
		m.t.Fatalf("session of %s is %v", addr, c.session.State())
	}
	m.all = append(m.all, c)
	return c
}

// say opens a flow of the server channel and sends its first message.
func (m *meeting) say(c *client, message []byte) {
	m.t.Helper()
	c.driver.Do(func(now reliability.Time) {
		f, err := c.session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(introducer.Metadata)})
		if err != nil {
			m.t.Fatal(err)
		}
		c.flows = append(c.flows, f)
		_ = f.Write(now, message, nil)
	})
	m.net.Run(time.Second)
}

var town = [32]byte{1}

func TestNewcomersAreToldOfTheNearest(t *testing.T) {
	params := introducer.DefaultParams()
	params.Near, params.Random = 2, 3
	m := newMeeting(t, params)
	for i := range 20 {
		c := m.client(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 4000).String())
		before := slices.Clone(m.all[:i])
		m.say(c, wire.AppendJoin(nil, town))
		// All for a small group, else two on each side and three others, never
		// twice and never oneself.
		want := min(i, 7)
		if len(c.named) != want {
			t.Fatalf("newcomer %d is told of %d members, want %d", i, len(c.named), want)
		}
		slices.SortFunc(before, func(a, b *client) int {
			return a.id().Address().Sub(c.id().Address()).Compare(b.id().Address().Sub(c.id().Address()))
		})
		if i >= 4 {
			for _, near := range []*client{before[0], before[1], before[i-1], before[i-2]} {
				if !slices.Contains(c.named, near.id()) {
					t.Errorf("newcomer %d is not told of its neighbor %s", i, near.id().Short())
				}
			}
		}
		for k, id := range c.named {
			if id == c.id() || slices.Contains(c.named[:k], id) {
				t.Errorf("newcomer %d is told of %s", i, id.Short())
			}
		}
	}
	if n := m.meet.Members(town); n != 20 {
		t.Errorf("%d members, want 20", n)
	}
}

func TestComingAndGoing(t *testing.T) {
	m := newMeeting(t, introducer.DefaultParams())
	a, b := m.client("192.0.2.1:4000"), m.client("192.0.2.2:4000")
	m.say(a, wire.AppendJoin(nil, town))
	m.say(b, wire.AppendJoin(nil, town))
	m.say(b, wire.AppendJoin(nil, [32]byte{2}))
	if got := m.meet.Stats(); got.Groups != 2 || got.Members != 3 {
		t.Fatalf("two groups of three members in all: %+v", got)
	}
	// Joining again on a new flow replaces the membership.
	m.say(a, wire.AppendJoin(nil, town))
	if n := m.meet.Members(town); n != 2 || a.refused != 1 {
		t.Errorf("after joining twice %d members, %d flows refused; want 2 and the old flow", n, a.refused)
	}
	// The end of the flow is the end of the membership, and so is that of the
	// session.
	b.driver.Do(func(now reliability.Time) { b.flows[0].Close(now) })
	m.net.Run(time.Second)
	if n := m.meet.Members(town); n != 1 {
		t.Errorf("after one has left %d members, want 1", n)
	}
	for _, c := range m.all {
		c.driver.Do(func(now reliability.Time) { c.session.Close(now) })
	}
	m.net.Run(10 * time.Second)
	if got := m.meet.Stats(); got.Groups != 0 || got.Members != 0 || got.Joined != got.Left {
		t.Errorf("all have left: %+v", got)
	}
}

func TestOwnNodeIsAMember(t *testing.T) {
	m := newMeeting(t, introducer.DefaultParams())
	own := overlay.PeerID{7}
	m.meet.JoinLocal(town, own, overlay.PeerID{})
	m.meet.JoinLocal(town, own, overlay.PeerID{})
	c := m.client("192.0.2.1:4000")
	m.say(c, wire.AppendJoin(nil, town))
	if !slices.Equal(c.named, []overlay.PeerID{own}) {
		t.Errorf("newcomer is told of %v, want the introducer's own node", c.named)
	}
	m.meet.LeaveLocal(town, own)
	if n := m.meet.Members(town); n != 1 {
		t.Errorf("%d members, want 1", n)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name                           string
		groups, perSession, perAddress int
		wantGroups, wantMembers        int
	}{
		{"groups", 2, 10, 10, 2, 2}, {"session", 10, 3, 10, 3, 3}, {"address", 10, 10, 4, 4, 4},
	} {
		params := introducer.DefaultParams()
		params.Groups, params.PerSession, params.PerAddress = tt.groups, tt.perSession, tt.perAddress
		m := newMeeting(t, params)
		c := m.client("192.0.2.1:4000")
		for i := range 6 {
			m.say(c, wire.AppendJoin(nil, [32]byte{byte(i)}))
		}
		if got := m.meet.Stats(); got.Groups != tt.wantGroups || got.Members != tt.wantMembers || got.Refused != uint64(6-tt.wantMembers) {
			t.Errorf("limit of %s: %+v", tt.name, got)
		}
	}
	m := newMeeting(t, introducer.DefaultParams())
	for _, bad := range [][]byte{{}, {1}, {2, 3}, wire.AppendJoin(nil, town)[:20]} {
		before := m.meet.Stats().Malformed
		c := m.client(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(len(m.all))}), 4000).String())
		m.say(c, bad)
		if m.meet.Stats().Malformed != before+1 || c.refused != 1 {
			t.Errorf("join %x is taken", bad)
		}
	}
}

func TestParams(t *testing.T) {
	for _, change := range []func(*introducer.Params){
		func(p *introducer.Params) { p.Near = 9 }, func(p *introducer.Params) { p.Random = -1 }, func(p *introducer.Params) { p.Groups = 0 },
		func(p *introducer.Params) { p.PerAddress = 0 },
	} {
		p := introducer.DefaultParams()
		change(&p)
		if _, err := introducer.New(p, nil); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}
