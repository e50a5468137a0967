package rtmfp_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Each ping of the application is answered once, with its number and time.
func TestPingsAreAnswered(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 20 * time.Millisecond}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	s := connect(t, a, b, serverURI)
	var numbers [2]uint64
	for i := range numbers {
		a.do(func(now rtmfp.Instant) { numbers[i] = s.Ping(now) })
		n.Run(10 * time.Millisecond)
	}
	n.Run(time.Second)
	if got := a.count(rtmfp.PingAnswered); got != 2 || numbers[0] == numbers[1] {
		t.Fatalf("%d answers to the pings %v, want 2", got, numbers)
	}
	if e := a.last(rtmfp.PingAnswered); e.Code != numbers[1] || e.Session != s || e.Elapsed != 80*time.Millisecond {
		t.Errorf("the last answer is to %d after %v, want %d after 80 ms", e.Code, e.Elapsed, numbers[1])
	}
	if heard := n.Now().Sub(s.LastHeard()); heard < 900*time.Millisecond || heard > time.Second {
		t.Errorf("last heard of the far end %v ago", heard)
	}
	a.do(func(now rtmfp.Instant) { s.Close(now) })
	if got := s.Ping(n.Now()); got != 0 {
		t.Errorf("a closed session sent ping %d", got)
	}
}

// A session with a keepalive longer than Params.DeadAfter is asked before it
// is given up.
func TestLongKeepaliveAsksFirst(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	for _, end := range []*node{a, b} {
		end.do(func(now rtmfp.Instant) { end.last(rtmfp.SessionOpened).Session.SetKeepalive(now, 10*time.Minute) })
	}
	n.Run(time.Hour)
	if s.State() != rtmfp.StateOpen {
		t.Errorf("the session is %v after an hour", s.State())
	}
}

// A session that was told to is given up sooner than the others.
func TestDeadAfter(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	a.do(func(now rtmfp.Instant) { s.SetDeadAfter(now, 10*time.Second) })
	n.Run(5 * time.Minute)
	if s.State() != rtmfp.StateOpen {
		t.Fatal("an idle session was closed")
	}
	b.host.SetPlugged(false)
	keepalive := rtmfp.DefaultParams().Keepalive
	n.Run(9 * time.Second)
	if s.State() != rtmfp.StateOpen {
		t.Error("the session was given up too soon")
	}
	n.Run(keepalive + 2*time.Second)
	if s.State() != rtmfp.StateClosed || a.last(rtmfp.SessionClosed).Err != rtmfp.ErrTimeout {
		t.Errorf("the session is %v after %v and a keepalive of %v", s.State(), 10*time.Second, keepalive)
	}
}

// A peer that knows both hands on the hello, with or without a redirect, and
// the one that is wanted does what its policy says.
func TestForwarding(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy rtmfp.ForwardPolicy
		opens  bool
	}{{"ignore", rtmfp.ForwardIgnore, false}, {"answer", rtmfp.ForwardAnswer, true}, {"redirect", rtmfp.ForwardRedirect, true}, {"ask", rtmfp.ForwardAsk, true}} {
		t.Run(c.name, func(t *testing.T) {
			n := vnet.New(1)
			link := vnet.LinkParams{Delay: 5 * time.Millisecond}
			a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
			b := newNode(t, n, nil, "192.0.2.2:1000", false, link)
			via := newNode(t, n, nil, "192.0.2.9:1935", true, link)
			via.on = func(now rtmfp.Instant, e rtmfp.Event) {
				if e.Kind == rtmfp.HelloForOther {
					if target := via.SessionByEPD(e.Hello.EPD); target != nil {
						via.Forward(now, e.Hello, target)
					}
				}
			}
			b.on = func(now rtmfp.Instant, e rtmfp.Event) {
				if e.Kind == rtmfp.HelloForwarded {
					if e.Hello.From.AddrPort != a.addr || e.Hello.From.Origin != wire.OriginObserved {
						t.Errorf("the hello is said to come from %v", e.Hello.From)
					}
					b.AnswerHello(now, e.Hello)
				}
			}
			known := connect(t, a, via, serverURI)
			connect(t, b, via, serverURI).SetForwardPolicy(c.policy)
			var s *rtmfp.Session
			a.do(func(now rtmfp.Instant) {
				s, _ = a.OpenWith(now, rtmfp.OpenConfig{
					EPD: profile.PeerEPD(b.Self().Fingerprint), Via: []*rtmfp.Session{known}, Timeout: 10 * time.Second, Hellos: 3,
				})
			})
			n.Run(9 * time.Second)
			if opened := s.State() == rtmfp.StateOpen; opened != c.opens {
				t.Fatalf("the session is %v", s.State())
			}
			if opening := s.Opening(); !c.opens && (opening.Hellos != 3 || opening.Answered || opening.Redirects != 0) {
				t.Errorf("after 9 s without an answer: %+v", opening)
			}
			n.Run(2 * time.Second)
			if !c.opens && a.last(rtmfp.SessionFailed).Err != rtmfp.ErrTimeout {
				t.Errorf("after 11 s the session is %v", s.State())
			}
		})
	}
}

// An introducer that names nothing anybody could send to says that the peer
// has left.
func TestGone(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	server := newNode(t, n, nil, "192.0.2.9:1935", true, link)
	server.on = func(now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.HelloForOther {
			server.Redirect(now, e.Hello, []wire.Address{{AddrPort: netip.MustParseAddrPort("0.0.0.0:0")}})
		}
	}
	var s *rtmfp.Session
	a.do(func(now rtmfp.Instant) {
		s, _ = a.Open(now, profile.PeerEPD([32]byte{1}), []netip.AddrPort{server.addr})
	})
	n.Run(time.Second)
	if err := a.last(rtmfp.SessionFailed).Err; !errors.Is(err, rtmfp.ErrGone) || !s.Opening().Gone {
		t.Errorf("failed with %v, %+v; want gone", err, s.Opening())
	}
}

// A message's own priority lets it overtake those of other flows, but not
// those before it in its flow.
func TestMessagePriority(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: 10 * time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	var order []byte
	b.on = func(_ rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.MessageReceived {
			order = append(order, e.Data[0])
		}
	}
	a.do(func(now rtmfp.Instant) {
		bulk, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("bulk"), Priority: 1})
		other, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("other")})
		for range 30 {
			_ = bulk.Write(now, append([]byte{'b'}, make([]byte, 1000)...), nil)
		}
		for i, r := range []*rtmfp.Receipt{{Priority: 5}, nil, {Priority: 5}} {
			_ = other.Write(now, append([]byte{'1' + byte(i)}, make([]byte, 1000)...), r)
		}
	})
	n.Run(5 * time.Second)
	if len(order) != 33 || order[0] != '1' || string(order[31:]) != "23" {
		t.Errorf("came in the order %q, want 1, all b, then 2 and 3", order)
	}
}

// What the session tells of its path is about right, and nothing is queued
// any more at the end.
func TestRatesOfAPath(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 20 * time.Millisecond, Rate: 8e6, Queue: 50 * time.Millisecond}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	s := connect(t, a, b, serverURI)
	if s.DeliveryRate() != 0 {
		t.Error("a rate is known before anything was sent")
	}
	var f *rtmfp.SendFlow
	a.do(func(now rtmfp.Instant) {
		f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("bulk")})
		for range 80 {
			_ = f.Write(now, make([]byte, 50_000), nil)
		}
	})
	if got := s.Queued(); got != 4_000_000 {
		t.Errorf("%d bytes are queued, want 4,000,000", got)
	}
	n.Run(3 * time.Second)
	for name, rate := range map[string]float64{"delivered": s.DeliveryRate(), "allowed": s.SendRate()} {
		if rate < 0.6e6 || rate > 1.5e6 {
			t.Errorf("%s: %.0f bytes/s over a path of 1,000,000", name, rate)
		}
	}
	n.Run(5 * time.Second)
	if got := s.Queued(); got != 0 || f.Queued() != 0 {
		t.Errorf("%d bytes are still queued", got)
	}
}

// The end of a session is the end of every message that was not acknowledged.
func TestReceiptsEndWithTheSession(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: 10 * time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	var receipts [3]rtmfp.Receipt
	a.do(func(now rtmfp.Instant) {
		f, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")})
		_ = f.Write(now, []byte("x"), &receipts[0])
	})
	n.Run(time.Second)
	a.do(func(now rtmfp.Instant) {
		f, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")})
		_ = f.Write(now, make([]byte, 5000), &receipts[1])
		_ = f.Write(now, nil, &receipts[2])
		s.Abort(now)
	})
	if !receipts[0].Delivered() || receipts[0].Abandoned() {
		t.Error("an acknowledged message is not taken for delivered")
	}
	for i := range receipts[1:] {
		if r := &receipts[1+i]; r.Delivered() || !r.Abandoned() {
			t.Errorf("receipt %d: delivered %v, abandoned %v after the end of the session", 1+i, r.Delivered(), r.Abandoned())
		}
	}
	if s.Queued() != 0 {
		t.Errorf("%d bytes are queued in a closed session", s.Queued())
	}
}
