package netconnection_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
	nc "github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// publishing makes r publish a stream and returns a function that opens flows
// of it.
func (r *raw) publishing(n *vnet.Net) func() *rtmfp.SendFlow {
	r.t.Helper()
	r.connect(n)
	var in *rtmfp.RecvFlow
	for _, e := range r.plain {
		if e.Kind == rtmfp.FlowOpened {
			in = e.Recv
		}
	}
	r.say(r.control, command("createStream", 2, amf0.Null()))
	n.Run(time.Second)
	flow := func() *rtmfp.SendFlow { return r.flow(nc.AppendMetadata(nil, nc.Metadata{StreamID: 1}), in) }
	r.say(flow(), command("publish", 0, amf0.Null(), amf0.String("cam")))
	n.Run(time.Second)
	return flow
}

// relayed returns the first bytes of the media that a server has relayed.
func (n *node) relayed() (s string) {
	for _, e := range n.served {
		if e.Kind == nc.StreamMessage {
			s += string(e.Message.Payload)
		}
	}
	return s
}

func checkFlowSync(t *testing.T) {
	if got := fmt.Sprintf("%x", userControl(34, 0, 0, 0, 8, 0, 0, 0, 2)); got != "04000000000022"+"00000008"+"00000002" {
		t.Errorf("a synchronization is %s", got)
	}
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	r := newRaw(t, n, "192.0.2.1:1000", server)
	open := r.publishing(n)
	a, b, c := open(), open(), open()
	media := func(f *rtmfp.SendFlow, text string) {
		r.say(f, nc.AppendMessage(nil, nc.Message{Type: nc.TypeAudio, Payload: []byte(text)}))
	}
	sync := func(f *rtmfp.SendFlow, id, count byte) { r.say(f, userControl(34, 0, 0, 0, id, 0, 0, 0, count)) }
	want := func(name, want string) {
		t.Helper()
		n.Run(time.Second)
		if got := server.relayed(); got != want {
			t.Errorf("%s: relayed %q, want %q", name, got, want)
		}
		server.served = nil
	}
	// What follows the synchronization in one packet is held, too.
	r.do(func(now rtmfp.Instant) {
		_ = a.Write(now, userControl(34, 0, 0, 0, 8, 0, 0, 0, 2), nil)
		_ = a.Write(now, nc.AppendMessage(nil, nc.Message{Type: nc.TypeAudio, Payload: []byte("a1")}), nil)
	})
	media(a, "a2")
	media(c, "c1")
	want("one of two", "c1")
	media(b, "b1")
	sync(b, 8, 2)
	media(b, "b2")
	want("two of two", "b1a1a2b2")
	// One that counts to one holds nobody; neither does a second round.
	sync(a, 9, 1)
	media(a, "a3")
	want("one of one", "a3")
	// Three, of which one ends without having said so.
	sync(a, 10, 3)
	sync(b, 10, 3)
	media(a, "a4")
	media(b, "b4")
	want("two of three", "")
	r.do(func(now rtmfp.Instant) { c.Close(now) })
	want("the third has ended", "a4b4")
	// Held by two barriers.
	sync(a, 11, 2)
	media(a, "a5")
	sync(b, 11, 2)
	sync(b, 12, 2)
	media(b, "b5")
	want("the first barrier", "a5")
	sync(a, 12, 2)
	want("the second barrier", "b5")
	// Nonsense.
	sync(a, 13, 0)
	r.say(a, userControl(34))
	media(a, "a6")
	want("without meaning", "a6")
}

func checkKeepalive(t *testing.T) {
	for _, c := range []struct{ server, peer, wantServer, wantPeer uint32 }{{7000, 8000, 7000, 8000}, {1000, 0, 5000, 5000}} {
		n := vnet.New(1)
		far := newNode(t, n, "192.0.2.8:1935", true, vnet.LinkParams{})
		far.server = nil
		client := newNode(t, n, "192.0.2.2:1000", false, vnet.LinkParams{})
		client.connect(t, far)
		n.Run(time.Second)
		control := far.plain[len(far.plain)-1].Recv
		far.do(func(now rtmfp.Instant) {
			out, _ := control.Session().OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("TC\x04\x00"), Return: control})
			_ = out.Write(now, command("_result", 1, amf0.Null(), amf0.Object()), nil)
			b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, c.server), c.peer)
			_ = out.Write(now, userControl(41, b...), nil)
		})
		n.Run(time.Second)
		if got := client.client.PeerKeepalive; got != time.Duration(c.wantPeer)*time.Millisecond {
			t.Errorf("%d ms for peers becomes %v, want %d ms", c.peer, got, c.wantPeer)
		}
		before := client.Stats().Sent
		n.Run(70 * time.Second)
		if got, want := client.Stats().Sent-before, uint64(70000/c.wantServer); got < want-1 || got > want+2 {
			t.Errorf("%d ms for the server: %d pings in 70 s, want %d", c.server, got, want)
		}
	}
	if got := fmt.Sprintf("%x", userControl(41, 0, 0, 0x3a, 0x98, 0, 0, 0x27, 0x10)); got != "04000000000029"+"00003a98"+"00002710" {
		t.Errorf("the setting is %s", got)
	}
}

// direct puts streams between peers onto a node.
func (n *node) direct() *nc.Direct {
	d := nc.NewDirect(n.Endpoint)
	inner := n.driver.React
	n.driver.React = func(now rtmfp.Instant) bool {
		any := inner(now)
		for len(n.plain) > 0 {
			e := n.plain[0]
			n.plain = n.plain[1:]
			if !d.HandleEvent(now, e) && e.Kind == rtmfp.FlowOpened {
				e.Recv.Reject(now, 0)
			}
			any = true
		}
		return any
	}
	return d
}

func drain(d *nc.Direct) (events []nc.DirectEvent) {
	for {
		e, ok := d.PollEvent()
		if !ok {
			return events
		}
		events = append(events, e)
	}
}

func payloads(events []nc.DirectEvent) (s string) {
	for _, e := range events {
		if e.Kind == nc.DirectMessage {
			s += string(e.Message.Payload[1:2])
		}
	}
	return s
}

func checkDirect(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	server := newNode(t, n, "192.0.2.9:1935", true, link)
	pub, sub := newNode(t, n, "192.0.2.1:1000", false, link), newNode(t, n, "192.0.2.2:1000", false, link)
	pub.connect(t, server)
	sub.connect(t, server)
	n.Run(time.Second)
	pub.client.Session().SetAcceptForwarded(true)
	out, in := pub.direct(), sub.direct()
	var offer *nc.Offer
	pub.do(func(rtmfp.Instant) { offer, _ = out.Publish("cam") })
	write := func(kind uint8, text string) {
		pub.do(func(now rtmfp.Instant) { offer.Write(now, nc.Message{Type: kind, Payload: []byte(text)}) })
		n.Run(100 * time.Millisecond)
	}
	write(nc.TypeAudio, "\xaf\x00c") // a decoder's configuration, before anybody plays
	in.Keepalive = sub.client.PeerKeepalive
	var s *nc.Subscription
	sub.do(func(now rtmfp.Instant) {
		var err error
		if s, err = in.Play(now, profile.PeerEPD(pub.Self().Fingerprint), []netip.AddrPort{server.addr}, "cam"); err != nil {
			t.Fatal(err)
		}
	})
	n.Run(2 * time.Second)
	joined := drain(out)
	if len(joined) != 1 || joined[0].Kind != nc.SubscriberJoined || offer.Subscribers() != 1 || s.Session().FarAddr() != pub.addr {
		t.Fatalf("the publisher saw %+v", joined)
	}
	write(nc.TypeAudio, "\xaf1x")
	write(nc.TypeVideo, "\x272x") // no key frame yet
	write(nc.TypeVideo, "\x173x")
	write(nc.TypeVideo, "\x274x")
	got := drain(in)
	var codes []string
	for _, e := range got {
		if e.Kind == nc.DirectStatus {
			codes = append(codes, e.Code)
		}
	}
	if payloads(got) != "\x00134" || !slices.Equal(codes, []string{"NetStream.Play.Reset", "NetStream.Play.Start"}) {
		t.Errorf("the subscriber got %q and %v", payloads(got), codes)
	}
	// What is not offered is refused, and the session goes on.
	var none *nc.Subscription
	sub.do(func(now rtmfp.Instant) { none, _ = in.Play(now, profile.PeerEPD(pub.Self().Fingerprint), nil, "other") })
	n.Run(time.Second)
	if e := drain(in); len(e) != 1 || e[0].Kind != nc.SubscriptionEnded || e[0].Subscription != none {
		t.Errorf("playing what is not there: %+v", e)
	}
	// Either end can close.
	sub.do(func(now rtmfp.Instant) { s.Close(now) })
	n.Run(time.Second)
	if e := drain(out); len(e) != 1 || e[0].Kind != nc.SubscriberLeft || offer.Subscribers() != 0 {
		t.Errorf("after the subscriber has left: %+v", e)
	}
	sub.do(func(now rtmfp.Instant) { s, _ = in.Play(now, profile.PeerEPD(pub.Self().Fingerprint), nil, "cam") })
	n.Run(time.Second)
	pub.do(func(now rtmfp.Instant) { offer.Close(now) })
	n.Run(time.Second)
	last := drain(in)
	if len(last) == 0 || last[len(last)-1].Kind != nc.SubscriptionEnded || last[len(last)-1].Subscription != s {
		t.Errorf("after the end of the offer: %+v", last)
	}
	checkDirectShape(t)
}

// The flows between peers are as the standard has them.
func checkDirectShape(t *testing.T) {
	n := vnet.New(1)
	pub := newNode(t, n, "192.0.2.1:1935", true, vnet.LinkParams{})
	pub.server = nil
	d := pub.direct()
	_, _ = d.Publish("cam")
	r := newRaw(t, n, "192.0.2.2:1000", pub)
	control := r.flow(nc.AppendMetadata(nil, nc.Metadata{StreamID: 2000001}), nil)
	r.say(control, command("play", 0, amf0.Null(), amf0.String("cam")))
	n.Run(time.Second)
	opened := 0
	for _, e := range r.plain {
		if e.Kind == rtmfp.FlowOpened {
			opened++
			if e.Recv.Return() != control || !bytes.Equal(e.Recv.Metadata(), []byte("TC\x04\xfa\x89\x01")) {
				t.Errorf("a flow of the stream has metadata %x and answers %v", e.Recv.Metadata(), e.Recv.Return())
			}
		}
	}
	if got := r.received(); opened == 0 || !slices.Equal(got, []string{"onStatus", "onStatus"}) {
		t.Errorf("%d flows, %v", opened, got)
	}
	// A control flow without a stream number is none.
	bad := r.flow(nc.AppendMetadata(nil, nc.Metadata{}), nil)
	r.say(bad, command("play", 0, amf0.Null(), amf0.String("cam")))
	n.Run(time.Second)
	if bad.IsOpen() {
		t.Error("a subscriber without a stream number is served")
	}
}

func checkExceptions(t *testing.T) {
	// A client refuses the server's control flow.
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	r := newRaw(t, n, "192.0.2.1:1000", server)
	r.connect(n)
	r.do(func(now rtmfp.Instant) {
		for _, e := range r.plain {
			if e.Kind == rtmfp.FlowOpened {
				e.Recv.Reject(now, 0)
			}
		}
	})
	n.Run(time.Second)
	if r.session.State() == rtmfp.StateOpen || server.served[len(server.served)-1].Kind != nc.ClientDisconnected {
		t.Error("a server goes on without its control flow")
	}
	// A server refuses the client's.
	far := newNode(t, n, "192.0.2.8:1935", true, vnet.LinkParams{})
	far.server = nil
	c := newNode(t, n, "192.0.2.2:1000", false, vnet.LinkParams{})
	c.connect(t, far)
	n.Run(time.Second)
	far.do(func(now rtmfp.Instant) { far.plain[len(far.plain)-1].Recv.Reject(now, 0) })
	n.Run(time.Second)
	if got := c.events[len(c.events)-1].Kind; got != nc.Disconnected || c.client.Session().State() == rtmfp.StateOpen {
		t.Errorf("a client whose control flow is refused tells %v", got)
	}
	// A player refuses one flow of a stream: it is not opened again, and the
	// others go on.
	p := newRaw(t, n, "192.0.2.3:1000", server)
	open := p.publishing(n)
	media := open()
	v := newRaw(t, n, "192.0.2.4:1000", server)
	v.connect(n)
	v.say(v.control, command("createStream", 2, amf0.Null()))
	n.Run(time.Second)
	v.say(v.flow(nc.AppendMetadata(nil, nc.Metadata{StreamID: 1}), nil), command("play", 0, amf0.Null(), amf0.String("cam")))
	n.Run(time.Second)
	send := func(kind uint8, text string) {
		p.say(media, nc.AppendMessage(nil, nc.Message{Type: kind, Payload: []byte(text)}))
		n.Run(time.Second)
	}
	send(nc.TypeAudio, "\xaf1")
	send(nc.TypeVideo, "\x172")
	before := v.countPlain(rtmfp.FlowOpened)
	v.do(func(now rtmfp.Instant) {
		for _, e := range v.plain {
			if e.Kind == rtmfp.MessageReceived && e.Data[0] == nc.TypeAudio {
				e.Recv.Reject(now, 0)
			}
		}
	})
	n.Run(time.Second)
	v.plain = nil
	for range 5 {
		send(nc.TypeAudio, "\xaf3")
		send(nc.TypeVideo, "\x174")
	}
	if got := v.countPlain(rtmfp.MessageReceived); before < 3 || got != 5 || v.countPlain(rtmfp.FlowOpened) != 0 {
		t.Errorf("after the sound is refused %d messages came and %d flows were opened", got, v.countPlain(rtmfp.FlowOpened))
	}
}

func checkCertificates(t *testing.T) {
	n := vnet.New(1)
	a, b := newNode(t, n, "192.0.2.1:1000", false, vnet.LinkParams{}), newNode(t, n, "192.0.2.2:1000", false, vnet.LinkParams{})
	if a.Self().Fingerprint == b.Self().Fingerprint {
		t.Error("two clients have one peer ID")
	}
	// The certificate holds the key itself, so that nobody else can have the ID.
	if c := a.Self().Certificate; len(c) != 132 || !bytes.HasPrefix(c, []byte{0x81, 0x02, 0x1d, 0x02}) {
		t.Errorf("a client's certificate is %x", c)
	}
}
