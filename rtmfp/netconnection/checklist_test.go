package netconnection_test

import (
	"bytes"
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

// TestChecklist goes through the points of the list in the comment of package
// rtmfp that are about NetConnection and NetStream.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"75 metadata", checkMetadata},
		{"76 messages", checkMessages},
		{"77 associations", checkAssociations},
		{"78 setPeerInfo", checkPeerInfo},
		{"79 flow synchronization", checkFlowSync},
		{"80 keepalive settings", checkKeepalive},
		{"81 streams between peers", checkDirect},
		{"82 exceptions", checkExceptions},
		{"83 a certificate for each connection", checkCertificates},
	} {
		t.Run(point.name, point.test)
	}
}

// raw is a far end of a server that speaks by hand.
type raw struct {
	*node
	t       *testing.T
	session *rtmfp.Session
	control *rtmfp.SendFlow
}

func newRaw(t *testing.T, n *vnet.Net, addr string, server *node) *raw {
	t.Helper()
	r := &raw{node: newNode(t, n, addr, false, vnet.LinkParams{Delay: 5 * time.Millisecond}), t: t}
	r.do(func(now rtmfp.Instant) {
		var err error
		if r.session, err = r.Open(now, profile.ServerEPD(uri), []netip.AddrPort{server.addr}); err != nil {
			t.Fatal(err)
		}
	})
	n.Run(time.Second)
	if r.session.State() != rtmfp.StateOpen {
		t.Fatalf("the session is %v", r.session.State())
	}
	return r
}

// flow opens a flow.
func (r *raw) flow(metadata []byte, answers *rtmfp.RecvFlow) (f *rtmfp.SendFlow) {
	r.t.Helper()
	r.do(func(now rtmfp.Instant) {
		var err error
		if f, err = r.session.OpenFlow(now, rtmfp.FlowConfig{Metadata: metadata, Return: answers}); err != nil {
			r.t.Fatal(err)
		}
	})
	return f
}

func (r *raw) say(f *rtmfp.SendFlow, message []byte) {
	r.t.Helper()
	r.do(func(now rtmfp.Instant) {
		if err := f.Write(now, message, nil); err != nil {
			r.t.Fatal(err)
		}
	})
}

func command(name string, id float64, args ...amf0.Value) []byte {
	return nc.AppendMessage(nil, nc.Message{Type: nc.TypeCommand, Payload: nc.AppendCommand(nil, nc.Command{Name: name, ID: id, Args: args})})
}

func userControl(event byte, values ...byte) []byte {
	return nc.AppendMessage(nil, nc.Message{Type: nc.TypeUserControl, Payload: append([]byte{0, event}, values...)})
}

// connect connects by hand.
func (r *raw) connect(n *vnet.Net) {
	r.t.Helper()
	r.control = r.flow(nc.AppendMetadata(nil, nc.Metadata{}), nil)
	r.say(r.control, command("connect", 1, amf0.Object(amf0.Property{Name: "app", Value: amf0.String("live")})))
	n.Run(time.Second)
}

// received returns the commands that came.
func (n *node) received() (names []string) {
	for _, e := range n.plain {
		if e.Kind != rtmfp.MessageReceived {
			continue
		}
		m, err := nc.ParseMessage(e.Data)
		if err != nil {
			continue
		}
		if c, err := nc.ParseCommand(m); err == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

func (n *node) countPlain(kind rtmfp.EventKind) (c int) {
	for _, e := range n.plain {
		if e.Kind == kind {
			c++
		}
	}
	return c
}

func checkMetadata(t *testing.T) {
	TestVectors(t)
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	r := newRaw(t, n, "192.0.2.1:1000", server)
	r.connect(n)
	for _, bad := range []string{"TC", "TC\x00", "TC\x00\x05", "TC\x01", "TC\x04"} {
		before := r.countPlain(rtmfp.FlowRejected)
		r.say(r.flow([]byte(bad), nil), command("x", 0))
		n.Run(time.Second)
		if got := r.countPlain(rtmfp.FlowRejected) - before; got != 1 {
			t.Errorf("a flow with metadata %q is not refused", bad)
		}
	}
	// Others' flows are not taken: whoever drives the core refuses them.
	for _, other := range []string{"GR\x1c", "tc\x04\x00", ""} {
		r.say(r.flow([]byte(other), nil), []byte("hello"))
		n.Run(time.Second)
		last := server.plain[len(server.plain)-1]
		if last.Kind != rtmfp.MessageReceived || string(last.Data) != "hello" {
			t.Errorf("a flow with metadata %q is taken for a NetConnection's", other)
		}
	}
	if m, err := nc.ParseMetadata([]byte("TC\x05\x05trailing")); err != nil || !m.NetworkOrder || m.StreamID != 5 {
		t.Errorf("trailing bytes: %+v, %v", m, err)
	}
	if _, err := nc.ParseMetadata([]byte("TC\x04\x90\x80\x80\x80\x00")); err == nil {
		t.Error("a stream ID of 2^32 is taken")
	}
}

func checkMessages(t *testing.T) {
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	r := newRaw(t, n, "192.0.2.1:1000", server)
	r.control = r.flow(nc.AppendMetadata(nil, nc.Metadata{}), nil)
	for _, kind := range []byte{0, 1, 2, 3, 5, 6, 7, 22, 255} {
		r.say(r.control, nc.AppendMessage(nil, nc.Message{Type: kind, Payload: []byte{0, 0, 0, 1}}))
	}
	for size := range 5 {
		r.say(r.control, make([]byte, size))
	}
	r.say(r.control, []byte{20, 0, 0, 0, 0}) // no payload
	r.say(r.control, command("connect", 1, amf0.Object()))
	n.Run(time.Second)
	if got := r.received(); !slices.Equal(got, []string{"_result"}) || server.server.Stats().Malformed != 6 {
		t.Errorf("answered with %v; %+v", got, server.server.Stats())
	}
	m := nc.Message{Type: nc.TypeVideo, Timestamp: 0xfffffff0, Payload: []byte{1, 2}}
	if b := nc.AppendMessage(nil, m); !bytes.Equal(b, []byte{9, 0xff, 0xff, 0xff, 0xf0, 1, 2}) {
		t.Errorf("a message is %x", b)
	}
}

func checkAssociations(t *testing.T) {
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	r := newRaw(t, n, "192.0.2.1:1000", server)
	r.connect(n)
	var opened []*rtmfp.RecvFlow
	flows := func() []*rtmfp.RecvFlow {
		opened = nil
		for _, e := range r.plain {
			if e.Kind == rtmfp.FlowOpened {
				opened = append(opened, e.Recv)
			}
		}
		return opened
	}
	if got := flows(); len(got) != 1 || got[0].Return() != r.control || !bytes.Equal(got[0].Metadata(), []byte("TC\x04\x00")) {
		t.Fatalf("the server opens %d flows", len(got))
	}
	// Playing opens more, all in answer to the control flow.
	r.say(r.control, command("createStream", 2, amf0.Null()))
	stream := r.flow(nc.AppendMetadata(nil, nc.Metadata{StreamID: 1}), opened[0])
	n.Run(time.Second)
	r.say(stream, command("play", 0, amf0.Null(), amf0.String("x")))
	n.Run(time.Second)
	for i, f := range flows()[1:] {
		if f.Return() != r.control || !bytes.Equal(f.Metadata(), []byte("TC\x04\x01")) {
			t.Errorf("flow %d has metadata %x and answers %v", i+1, f.Metadata(), f.Return())
		}
	}
	// Our client's, as a server that notes them sees them.
	far := newNode(t, n, "192.0.2.8:1935", true, vnet.LinkParams{})
	far.server = nil
	c := newNode(t, n, "192.0.2.2:1000", false, vnet.LinkParams{})
	c.connect(t, far)
	n.Run(time.Second)
	first := far.plain[len(far.plain)-1]
	if first.Kind != rtmfp.MessageReceived || first.Recv.Return() != nil || !bytes.Equal(first.Recv.Metadata(), []byte("TC\x04\x00")) {
		t.Fatalf("the client begins with %+v", first)
	}
	far.do(func(now rtmfp.Instant) {
		out, err := first.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("TC\x04\x00"), Return: first.Recv})
		if err != nil {
			t.Fatal(err)
		}
		first.Recv.User = out
		_ = out.Write(now, command("_result", 1, amf0.Null(), amf0.Object()), nil)
	})
	n.Run(time.Second)
	c.do(func(now rtmfp.Instant) { _, _ = c.client.CreateStream(now) })
	n.Run(time.Second)
	far.do(func(now rtmfp.Instant) {
		_ = first.Recv.User.(*rtmfp.SendFlow).Write(now, command("_result", 2, amf0.Null(), amf0.Number(7)), nil)
	})
	c.onEvent = func(now rtmfp.Instant, e nc.ClientEvent) {
		if e.Kind == nc.StreamReady {
			_ = e.Stream.Publish(now, "cam")
		}
	}
	n.Run(time.Second)
	last := far.plain[len(far.plain)-1]
	if last.Recv == nil || last.Recv.Return() != first.Recv.User.(*rtmfp.SendFlow) || !bytes.Equal(last.Recv.Metadata(), []byte("TC\x04\x07")) {
		t.Errorf("the client's stream comes on a flow with %+v", last)
	}
}

func checkPeerInfo(t *testing.T) {
	for _, addrs := range [][]netip.AddrPort{nil, {netip.MustParseAddrPort("192.0.2.129:50001"), netip.MustParseAddrPort("[2001:db8:1::2]:50002")}} {
		n := vnet.New(1)
		far := newNode(t, n, "192.0.2.8:1935", true, vnet.LinkParams{})
		far.server = nil
		c := newNode(t, n, "192.0.2.2:1000", false, vnet.LinkParams{})
		c.do(func(now rtmfp.Instant) {
			c.client, _ = nc.NewClient(now, c.Endpoint, nc.ClientConfig{EPD: profile.ServerEPD(uri), Candidates: []netip.AddrPort{far.addr}, App: "live", Addresses: addrs})
		})
		n.Run(time.Second)
		if got := far.received(); !slices.Equal(got, []string{"connect"}) {
			t.Fatalf("before it is accepted the client says %v", got)
		}
		control := far.plain[len(far.plain)-1].Recv
		far.do(func(now rtmfp.Instant) {
			out, _ := control.Session().OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("TC\x04\x00"), Return: control})
			_ = out.Write(now, command("_result", 1, amf0.Null(), amf0.Object()), nil)
		})
		n.Run(time.Second)
		args := []amf0.Value{amf0.Null()}
		for _, a := range addrs {
			args = append(args, amf0.String(a.String()))
		}
		if got, want := far.plain[len(far.plain)-1].Data, command("setPeerInfo", 0, args...); !bytes.Equal(got, want) {
			t.Errorf("with %v the client says %x, want %x", addrs, got, want)
		}
	}
	two := command("setPeerInfo", 0, amf0.Null(), amf0.String("192.0.2.129:50001"), amf0.String("[2001:db8:1::2]:50002"))
	if got := fmt.Sprintf("%x", two); got != "140000000002000b73657450656572496e666f000000000000000000050200113139322e302e322e3132393a35303030310200155b323030313a6462383a313a3a325d3a3530303032" {
		t.Errorf("two addresses are told as %s", got)
	}
	if got := fmt.Sprintf("%x", userControl(0, 0, 0, 0, 5)); got != "04000000000000"+"00000005" {
		t.Errorf("Stream Begin is %s", got)
	}
	// A server introduces only those who have sent it, in either form.
	n := vnet.New(1)
	server := newNode(t, n, "192.0.2.9:1935", true, vnet.LinkParams{})
	asker := newRaw(t, n, "192.0.2.2:1000", server)
	for i, info := range [][]byte{nil, command("setPeerInfo", 0, amf0.Null()), command("setPeerInfo", 0, amf0.String("10.1.1.1:7"), amf0.String("127.0.0.1:7"))} {
		r := newRaw(t, n, fmt.Sprintf("192.0.2.%d:1000", 20+i), server)
		r.connect(n)
		if info != nil {
			r.say(r.control, info)
		}
		n.Run(time.Second)
		before := server.server.Stats().Introduced
		asker.do(func(now rtmfp.Instant) {
			_, _ = asker.Open(now, profile.PeerEPD(r.Self().Fingerprint), []netip.AddrPort{server.addr})
		})
		n.Run(500 * time.Millisecond)
		if got := server.server.Stats().Introduced > before; got != (info != nil) {
			t.Errorf("client %d: introduced %v", i, got)
		}
	}
}
