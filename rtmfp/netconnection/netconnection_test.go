package netconnection_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
	nc "github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

const uri = "rtmfp://192.0.2.9:1935/live"

// node is an endpoint on the virtual network with a server or client on it.
type node struct {
	*rtmfp.Endpoint
	driver  *vnet.Driver
	addr    netip.AddrPort
	server  *nc.Server
	client  *nc.Client
	served  []nc.ServerEvent
	events  []nc.ClientEvent
	plain   []rtmfp.Event
	onEvent func(now rtmfp.Instant, e nc.ClientEvent)
}

func newNode(t testing.TB, n *vnet.Net, addr string, server bool, link vnet.LinkParams) *node {
	t.Helper()
	h := n.AddHost()
	ap := netip.MustParseAddrPort(addr)
	if err := h.AddInterface(nil, ap, link, link); err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{ap.Addr().As4()[3]})
	p, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: random})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: random})
	if err != nil {
		t.Fatal(err)
	}
	node := &node{Endpoint: e, addr: ap}
	if server {
		node.server = nc.NewServer(e, nc.DefaultServerParams())
	}
	node.driver = vnet.Drive(h, e)
	node.driver.React = node.react
	return node
}

func (n *node) react(now reliability.Time) bool {
	any := false
	for {
		e, ok := n.PollEvent()
		if !ok {
			break
		}
		any = true
		switch {
		case n.server != nil && n.server.HandleEvent(now, e):
		case n.client != nil && n.client.HandleEvent(now, e):
		default:
			n.plain = append(n.plain, e)
		}
	}
	for n.server != nil {
		e, ok := n.server.PollEvent()
		if !ok {
			break
		}
		n.served = append(n.served, e)
	}
	for n.client != nil {
		e, ok := n.client.PollEvent()
		if !ok {
			break
		}
		any = true
		n.events = append(n.events, e)
		if n.onEvent != nil {
			n.onEvent(now, e)
		}
	}
	return any
}

func (n *node) do(f func(now rtmfp.Instant)) { n.driver.Do(f) }

func (n *node) connect(t testing.TB, server *node) {
	t.Helper()
	n.do(func(now rtmfp.Instant) {
		var err error
		n.client, err = nc.NewClient(now, n.Endpoint, nc.ClientConfig{
			EPD: profile.ServerEPD(uri), Candidates: []netip.AddrPort{server.addr}, URL: uri, App: "live", Addresses: []netip.AddrPort{n.addr},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func (n *node) codes() (codes []string) {
	for _, e := range n.events {
		if e.Code != "" {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

func (n *node) messages(kind uint8) (c int) {
	for _, e := range n.events {
		if e.Kind == nc.MessageArrived && e.Message.Type == kind {
			c++
		}
	}
	return c
}

func metadata() []byte {
	return amf0.Append(nil, amf0.String("@setDataFrame"), amf0.String("onMetaData"), amf0.ECMAArray(amf0.Property{Name: "width", Value: amf0.Number(640)}))
}

// A client publishes, another one plays from before, a third joins late: all
// see the codes that players expect, and decoder configurations come first.
func TestPublishAndPlay(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond, Loss: 0.01}
	server := newNode(t, n, "192.0.2.9:1935", true, link)
	var publisher *nc.Stream
	pub := newNode(t, n, "192.0.2.1:1000", false, link)
	pub.onEvent = func(now rtmfp.Instant, e nc.ClientEvent) {
		switch e.Kind {
		case nc.Connected:
			publisher, _ = pub.client.CreateStream(now)
		case nc.StreamReady:
			if err := e.Stream.Publish(now, "cam"); err != nil {
				t.Error(err)
			}
		}
	}
	player := func(addr string) *node {
		p := newNode(t, n, addr, false, link)
		p.onEvent = func(now rtmfp.Instant, e nc.ClientEvent) {
			switch e.Kind {
			case nc.Connected:
				_, _ = p.client.CreateStream(now)
			case nc.StreamReady:
				if err := e.Stream.Play(now, "cam"); err != nil {
					t.Error(err)
				}
			}
		}
		p.connect(t, server)
		return p
	}
	early := player("192.0.2.2:1000")
	n.Run(time.Second)
	pub.connect(t, server)
	if !n.RunWhile(20*time.Second, func() bool { return publisher == nil || len(pub.codes()) < 2 }) {
		t.Fatalf("the publisher got %v", pub.codes())
	}
	write := func(m nc.Message) {
		pub.do(func(now rtmfp.Instant) {
			if err := publisher.Write(now, m, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	write(nc.Message{Type: nc.TypeData, Payload: metadata()})
	write(nc.Message{Type: nc.TypeVideo, Payload: []byte{0x17, 0, 0, 0, 0, 1}})
	write(nc.Message{Type: nc.TypeAudio, Payload: []byte{0xaf, 0, 0x12, 0x10}})
	var late *node
	for i := range 100 {
		head := byte(0x27)
		if i%25 == 0 {
			head = 0x17
		}
		write(nc.Message{Type: nc.TypeVideo, Timestamp: uint32(i * 40), Payload: append([]byte{head, 1, 0, 0, 0}, make([]byte, 2000)...)})
		write(nc.Message{Type: nc.TypeAudio, Timestamp: uint32(i * 40), Payload: append([]byte{0xaf, 1}, make([]byte, 200)...)})
		n.Run(40 * time.Millisecond)
		if i == 30 {
			late = player("192.0.2.3:1000")
		}
	}
	n.Run(3 * time.Second)
	if got := early.messages(nc.TypeVideo); got != 101 || early.messages(nc.TypeAudio) != 101 || early.messages(nc.TypeData) != 1 {
		t.Errorf("the early player got %d pictures and %d sounds, want 101 of each", got, early.messages(nc.TypeAudio))
	}
	if got := late.messages(nc.TypeVideo); got < 45 || got > 51 {
		t.Errorf("the late player got %d pictures, want its configuration and all from the next key frame", got)
	}
	for _, e := range late.events {
		if e.Kind == nc.MessageArrived && e.Message.Type == nc.TypeVideo {
			if !bytes.Equal(e.Message.Payload, []byte{0x17, 0, 0, 0, 0, 1}) {
				t.Errorf("the late player's first picture is %x", e.Message.Payload[:6])
			}
			break
		}
	}
	pub.do(func(now rtmfp.Instant) { pub.client.Close(now) })
	n.Run(2 * time.Second)
	want := []string{
		"NetConnection.Connect.Success", "NetStream.Play.Reset", "NetStream.Play.Start", "NetStream.Play.PublishNotify",
		"NetStream.Play.UnpublishNotify",
	}
	for _, p := range []*node{early, late} {
		got := p.codes()
		if len(got) != len(want) {
			t.Fatalf("codes %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("code %d is %s, want %s", i, got[i], want[i])
			}
		}
	}
	if got := pub.codes(); got[1] != "NetStream.Publish.Start" {
		t.Errorf("the publisher got %v", got)
	}
	if early.client.PeerKeepalive != 10*time.Second {
		t.Errorf("the keepalive towards peers is %v, want 10 s", early.client.PeerKeepalive)
	}
}

// A second publisher of a name is refused.
func TestBadName(t *testing.T) {
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	var nodes []*node
	for _, addr := range []string{"192.0.2.1:1000", "192.0.2.2:1000"} {
		p := newNode(t, n, addr, false, vnet.LinkParams{})
		p.onEvent = func(now rtmfp.Instant, e nc.ClientEvent) {
			switch e.Kind {
			case nc.Connected:
				_, _ = p.client.CreateStream(now)
			case nc.StreamReady:
				_ = e.Stream.Publish(now, "cam")
			}
		}
		p.connect(t, server)
		n.Run(time.Second)
		nodes = append(nodes, p)
	}
	if a, b := nodes[0].codes(), nodes[1].codes(); a[1] != "NetStream.Publish.Start" || b[1] != "NetStream.Publish.BadName" {
		t.Errorf("codes %v and %v", a, b)
	}
}

// Clients of a server are introduced to each other, those who have sent
// setPeerInfo.
func TestIntroduction(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	server := newNode(t, n, "192.0.2.9:1935", true, link)
	a, b := newNode(t, n, "192.0.2.1:1000", false, link), newNode(t, n, "192.0.2.2:1000", false, link)
	a.connect(t, server)
	b.connect(t, server)
	n.Run(time.Second)
	b.client.Session().SetAcceptForwarded(true)
	var s *rtmfp.Session
	a.do(func(now rtmfp.Instant) {
		s, _ = a.Open(now, profile.PeerEPD(b.Self().Fingerprint), []netip.AddrPort{server.addr})
	})
	if !n.RunWhile(10*time.Second, func() bool { return s.State() != rtmfp.StateOpen }) {
		t.Fatal("no session comes of the introduction")
	}
	if server.server.Stats().Introduced == 0 || s.FarAddr() != b.addr {
		t.Errorf("connected to %v with %+v", s.FarAddr(), server.server.Stats())
	}
}

func TestVectors(t *testing.T) {
	for want, m := range map[string]nc.Metadata{"54430400": {}, "54430505": {StreamID: 5, NetworkOrder: true}, "544304fa8901": {StreamID: 2000001}} {
		b := nc.AppendMetadata(nil, m)
		if hex.EncodeToString(b) != want {
			t.Errorf("%+v is %x, want %s", m, b, want)
		}
		if back, err := nc.ParseMetadata(b); back != m || err != nil {
			t.Errorf("%x comes back as %+v, %v", b, back, err)
		}
	}
	for _, bad := range []string{"", "TC", "TC\x00", "TC\x00\x00", "GR\x1c", "TC\x04\xff"} {
		if _, err := nc.ParseMetadata([]byte(bad)); err == nil {
			t.Errorf("metadata %q parses", bad)
		}
	}
	connect := nc.AppendCommand(nil, nc.Command{Name: "connect", ID: 1, Args: []amf0.Value{amf0.Object(amf0.Property{Name: "app", Value: amf0.String("live")})}})
	if got := hex.EncodeToString(connect); got != "020007636f6e6e656374003ff00000000000000300036170700200046c697665000009" {
		t.Errorf("connect is %s", got)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(nc.AppendMessage(nil, nc.Message{Type: nc.TypeCommand, Payload: nc.AppendCommand(nil, nc.Command{Name: "play", ID: 2, Args: []amf0.Value{amf0.Null(), amf0.String("x")}})}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = nc.ParseMetadata(b)
		m, err := nc.ParseMessage(b)
		if err != nil {
			return
		}
		if !bytes.Equal(nc.AppendMessage(nil, m), b) {
			t.Fatal("a message does not come back")
		}
		_, _ = nc.ParseCommand(m)
	})
}
