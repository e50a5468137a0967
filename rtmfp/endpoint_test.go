package rtmfp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

var serverURI = profile.ServerEPD("rtmfp://example.com/live")

// A session opens, messages of all sizes go over it, in order, and it closes
// at both ends.
func TestMessagesBothWays(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	client := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	server := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	server.on = func(now rtmfp.Instant, e rtmfp.Event) {
		switch e.Kind {
		case rtmfp.FlowOpened:
			f, err := e.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("echo"), Return: e.Recv})
			if err != nil {
				t.Error(err)
			}
			e.Recv.User = f
		case rtmfp.MessageReceived:
			if err := e.Recv.User.(*rtmfp.SendFlow).Write(now, e.Data, nil); err != nil {
				t.Error(err)
			}
		}
	}
	start := n.Now()
	s := connect(t, client, server, serverURI)
	if took := n.Now().Sub(start); took != 80*time.Millisecond {
		t.Errorf("opening took %v, want two round trips of 40 ms", took)
	}
	var flow *rtmfp.SendFlow
	sizes := []int{0, 1, 1000, 1150, 1160, 5000, 200_000, 3}
	client.do(func(now rtmfp.Instant) {
		flow, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("test")})
		for i, size := range sizes {
			data := make([]byte, size)
			for j := range data {
				data[j] = byte(i + j)
			}
			if err := flow.Write(now, data, nil); err != nil {
				t.Fatal(err)
			}
		}
	})
	if !n.RunWhile(30*time.Second, func() bool { return client.count(rtmfp.MessageReceived) < len(sizes) }) {
		t.Fatalf("%d of %d messages came back", client.count(rtmfp.MessageReceived), len(sizes))
	}
	i := 0
	for _, e := range client.events {
		if e.Kind != rtmfp.MessageReceived {
			continue
		}
		if len(e.Data) != sizes[i] || e.Skipped {
			t.Errorf("message %d has %d bytes, skipped %v; want %d", i, len(e.Data), e.Skipped, sizes[i])
		}
		for j, b := range e.Data {
			if b != byte(i+j) {
				t.Fatalf("message %d is altered at %d", i, j)
			}
		}
		if e.Recv.Return() != flow || string(e.Recv.Metadata()) != "echo" {
			t.Errorf("came on flow %q in answer to %v", e.Recv.Metadata(), e.Recv.Return())
		}
		i++
	}
	if rtt, ok := s.RTT(); !ok || rtt < 36*time.Millisecond || rtt > 48*time.Millisecond {
		t.Errorf("round trip is taken for %v, want about 40 ms", rtt)
	}
	client.do(func(now rtmfp.Instant) { s.Close(now) })
	n.Run(30 * time.Second)
	if client.Sessions() != 0 || server.Sessions() != 0 || server.count(rtmfp.SessionClosed) != 1 {
		t.Errorf("left over: %d and %d sessions", client.Sessions(), server.Sessions())
	}
}

// Whatever the path does, reliable messages come once, unaltered and in order,
// and nothing is left when the sessions have closed.
func TestReliableOverBadPaths(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 5))
		link := vnet.LinkParams{
			Delay: time.Duration(1+rng.IntN(80)) * time.Millisecond, Jitter: time.Duration(rng.IntN(10)) * time.Millisecond,
			Loss: rng.Float64() * 0.15, Reorder: rng.Float64() * 0.2, ReorderDelay: 30 * time.Millisecond, Duplicate: rng.Float64() * 0.1,
			Corrupt: rng.Float64() * 0.02,
		}
		if rng.IntN(3) == 0 {
			link.Bursts = vnet.BurstLoss(0.03, 3)
		}
		n := vnet.New(seed)
		a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
		b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
		s := connect(t, a, b, serverURI)
		const flows, messages = 3, 60
		next := map[*rtmfp.RecvFlow]uint32{}
		b.on = func(_ rtmfp.Instant, e rtmfp.Event) {
			if e.Kind != rtmfp.MessageReceived {
				return
			}
			if got := binary.BigEndian.Uint32(e.Data); got != next[e.Recv] || e.Skipped {
				t.Fatalf("seed %d: message %d (skipped %v) comes when %d is due", seed, got, e.Skipped, next[e.Recv])
			}
			for i, c := range e.Data[4:] {
				if c != byte(i) {
					t.Fatalf("seed %d: altered", seed)
				}
			}
			next[e.Recv]++
		}
		for i := range flows {
			a.do(func(now rtmfp.Instant) {
				f, err := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte{byte(i)}, Priority: i})
				if err != nil {
					t.Fatal(err)
				}
				for m := range uint32(messages) {
					data := binary.BigEndian.AppendUint32(nil, m)
					for j := range rng.IntN(4000) {
						data = append(data, byte(j))
					}
					if err := f.Write(now, data, nil); err != nil {
						t.Fatal(err)
					}
				}
				f.Close(now)
			})
		}
		if !n.RunWhile(10*time.Minute, func() bool { return a.count(rtmfp.FlowCompleted) < flows }) {
			t.Fatalf("seed %d: %d of %d flows are complete after 10 min; %+v", seed, a.count(rtmfp.FlowCompleted), flows, a.Stats())
		}
		if got := b.count(rtmfp.MessageReceived); got != flows*messages || b.count(rtmfp.FlowEnded) != flows {
			t.Fatalf("seed %d: %d messages and %d flow ends", seed, got, b.count(rtmfp.FlowEnded))
		}
		b.do(func(now rtmfp.Instant) { b.last(rtmfp.SessionOpened).Session.Close(now) })
		n.Run(2 * time.Minute)
		if a.Sessions() != 0 || b.Sessions() != 0 {
			t.Fatalf("seed %d: %d and %d sessions are left", seed, a.Sessions(), b.Sessions())
		}
	}
}

// Messages with a deadline come before it or not at all, and do not hold up
// the others.
func TestPartialReliability(t *testing.T) {
	for seed := range uint64(20) {
		n := vnet.New(seed)
		link := vnet.LinkParams{Delay: 20 * time.Millisecond, Loss: 0.01, Rate: 3e6}
		a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
		b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
		s := connect(t, a, b, serverURI)
		const limit = 300 * time.Millisecond
		var receipts []*rtmfp.Receipt
		sent := map[uint32]rtmfp.Instant{}
		got := map[uint32]bool{}
		last := int64(-1)
		b.on = func(now rtmfp.Instant, e rtmfp.Event) {
			if e.Kind != rtmfp.MessageReceived {
				return
			}
			id := binary.BigEndian.Uint32(e.Data)
			if int64(id) <= last {
				t.Fatalf("seed %d: message %d after %d", seed, id, last)
			}
			last = int64(id)
			got[id] = true
			// It may still be under way when it is given up.
			if late := now.Sub(sent[id]); late > limit+time.Second {
				t.Fatalf("seed %d: message %d comes after %v", seed, id, late)
			}
		}
		var f *rtmfp.SendFlow
		a.do(func(now rtmfp.Instant) {
			f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m"), TimeCritical: true})
		})
		for id := range uint32(400) {
			a.do(func(now rtmfp.Instant) {
				r := &rtmfp.Receipt{FinishBy: now.Add(limit)}
				receipts = append(receipts, r)
				sent[id] = now
				if err := f.Write(now, binary.BigEndian.AppendUint32(make([]byte, 0, 2500), id)[:2500], r); err != nil {
					t.Fatal(err)
				}
			})
			n.Run(11 * time.Millisecond) // 1.8 Mb/s: more than such a path always carries
		}
		a.do(func(now rtmfp.Instant) { f.Close(now) })
		if !n.RunWhile(time.Minute, func() bool { return a.count(rtmfp.FlowCompleted) < 1 || b.count(rtmfp.FlowEnded) < 1 }) {
			t.Fatalf("seed %d: the flow does not end: %d %d queued %d %+v %+v", seed, a.count(rtmfp.FlowCompleted), b.count(rtmfp.FlowEnded), f.Queued(), a.Stats(), b.Stats())
		}
		abandoned := 0
		for id, r := range receipts {
			if r.Abandoned() == r.Delivered() {
				t.Fatalf("seed %d: receipt %d is abandoned %v and delivered %v", seed, id, r.Abandoned(), r.Delivered())
			}
			if r.Delivered() && !got[uint32(id)] {
				t.Fatalf("seed %d: message %d is said to be delivered", seed, id)
			}
			if r.Abandoned() {
				abandoned++
			}
		}
		if abandoned == 0 || len(got) < 100 {
			t.Fatalf("seed %d: %d abandoned and %d delivered of %d", seed, abandoned, len(got), len(receipts))
		}
	}
}

// Two peers behind NATs find each other through an introducer; the table says
// which pairs connect directly.
func TestNATMatrix(t *testing.T) {
	kinds := []vnet.NATParams{vnet.FullCone(), vnet.AddressRestricted(), vnet.PortRestricted(), vnet.Symmetric()}
	table := fmt.Sprintf("in the virtual network:\n%-20s%-20v%-20v%-20v%-20v", "from \\ to", kinds[0], kinds[1], kinds[2], kinds[3])
	for i, left := range kinds {
		table += fmt.Sprintf("\n%-20s", left)
		for j, right := range kinds {
			ok := introduce(t, left, right)
			table += fmt.Sprintf("%-20s", map[bool]string{true: "direct", false: "-"}[ok])
			// A symmetric NAT shows everybody another port, so that only far
			// ends that filter by address at most can be reached through it.
			want := !(i == 3 && j >= 2 || j == 3 && i >= 2)
			if ok != want {
				t.Errorf("%v to %v: connected %v, want %v", left, right, ok, want)
			}
		}
	}
	t.Log(table)
}

func introduce(t *testing.T, left, right vnet.NATParams) bool {
	n := vnet.New(7)
	link := vnet.LinkParams{Delay: 15 * time.Millisecond}
	lan := func(nat vnet.NATParams, outside string) *vnet.LAN {
		l, err := n.AddLAN(vnet.LANParams{NAT: &nat, Outside: netip.MustParseAddr(outside)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	server := newNode(t, n, nil, "192.0.2.9:1935", true, link)
	a := newNode(t, n, lan(left, "198.51.100.1"), "10.0.0.1:1000", false, link)
	b := newNode(t, n, lan(right, "198.51.100.2"), "10.0.0.2:1000", false, link)
	server.on = func(now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.HelloForOther {
			if target := server.SessionByEPD(e.Hello.EPD); target != nil {
				server.Introduce(now, e.Hello, target, nil)
			}
		}
	}
	connect(t, a, server, serverURI)
	connect(t, b, server, serverURI)
	b.last(rtmfp.SessionOpened).Session.SetAcceptForwarded(true)
	var s *rtmfp.Session
	a.do(func(now rtmfp.Instant) {
		s, _ = a.Open(now, profile.PeerEPD(b.Self().Fingerprint), []netip.AddrPort{server.addr})
	})
	return n.RunWhile(30*time.Second, func() bool { return s.State() != rtmfp.StateOpen })
}

// Both open to each other at the same moment: one session comes of it.
func TestGlare(t *testing.T) {
	for seed := range uint64(20) {
		n := vnet.New(seed)
		link := vnet.LinkParams{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1}
		a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
		b := newNode(t, n, nil, "192.0.2.2:1000", false, link)
		a.do(func(now rtmfp.Instant) {
			_, _ = a.Open(now, profile.PeerEPD(b.Self().Fingerprint), []netip.AddrPort{b.addr})
		})
		n.Run(time.Duration(seed) * 4 * time.Millisecond)
		b.do(func(now rtmfp.Instant) {
			_, _ = b.Open(now, profile.PeerEPD(a.Self().Fingerprint), []netip.AddrPort{a.addr})
		})
		n.Run(20 * time.Second)
		if a.Sessions() != 1 || b.Sessions() != 1 {
			t.Fatalf("seed %d: %d and %d sessions, want one", seed, a.Sessions(), b.Sessions())
		}
		sa, sb := a.SessionByEPD(profile.PeerEPD(b.Self().Fingerprint)), b.SessionByEPD(profile.PeerEPD(a.Self().Fingerprint))
		if sa == nil || sb == nil || sa.IsInitiator() == sb.IsInitiator() {
			t.Fatalf("seed %d: sessions %v and %v do not belong together", seed, sa, sb)
		}
	}
}

// A session goes on when one end gets another address.
func TestAddressMobility(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	s := connect(t, a, b, serverURI)
	var f *rtmfp.SendFlow
	a.do(func(now rtmfp.Instant) { f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")}) })
	say := func() { a.do(func(now rtmfp.Instant) { _ = f.Write(now, []byte("x"), nil) }) }
	say()
	n.Run(time.Second)
	if err := a.host.Rebind(a.addr, nil, netip.MustParseAddrPort("198.51.100.5:77")); err != nil {
		t.Fatal(err)
	}
	say()
	n.Run(5 * time.Second)
	say()
	n.Run(time.Second)
	far := b.last(rtmfp.SessionOpened).Session
	if far.FarAddr() != netip.MustParseAddrPort("198.51.100.5:77") || b.count(rtmfp.AddressChanged) != 1 {
		t.Errorf("the far end is taken to be at %v", far.FarAddr())
	}
	if got := b.count(rtmfp.MessageReceived); got != 3 || f.Queued() != 0 {
		t.Errorf("%d messages of 3 came, %d bytes are unacknowledged", got, f.Queued())
	}
}

// A far end that has vanished is noticed, and an idle one is kept.
func TestKeepaliveAndDeath(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	connect(t, a, b, serverURI)
	n.Run(10 * time.Minute)
	if a.count(rtmfp.SessionClosed)+b.count(rtmfp.SessionClosed) != 0 {
		t.Fatal("an idle session was closed")
	}
	if sent := a.Stats().Sent + b.Stats().Sent; sent > 200 {
		t.Errorf("%d packets to keep a session for 10 min", sent)
	}
	b.host.SetPlugged(false)
	n.Run(2 * time.Minute)
	if a.count(rtmfp.SessionClosed) != 1 || a.last(rtmfp.SessionClosed).Err != rtmfp.ErrTimeout || a.Sessions() != 0 {
		t.Error("a vanished far end is not noticed")
	}
}

// An explicit ping is answered, and repeated like any other while it is not.
func TestPing(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: 20 * time.Millisecond})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	b.host.SetPlugged(false)
	before := a.Stats().Sent
	a.do(func(now rtmfp.Instant) { s.Ping(now) })
	n.Run(5 * time.Second)
	if sent := a.Stats().Sent - before; sent < 2 || sent > 6 {
		t.Errorf("%d pings in 5 s without an answer, want a few", sent)
	}
	b.host.SetPlugged(true)
	n.Run(5 * time.Second)
	if rtt, known := s.RTT(); !known || rtt < 36*time.Millisecond || rtt > 44*time.Millisecond {
		t.Errorf("round trip %v, want 40 ms", rtt)
	}
}

func TestUnansweredOpeningFails(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{})
	a.do(func(now rtmfp.Instant) {
		_, _ = a.Open(now, serverURI, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.77:1")})
	})
	n.Run(94 * time.Second)
	if a.count(rtmfp.SessionFailed) != 0 {
		t.Error("given up too early")
	}
	n.Run(2 * time.Second)
	if a.count(rtmfp.SessionFailed) != 1 || a.Sessions() != 0 || n.Pending() > 1 {
		t.Errorf("after 96 s: %d failures, %d sessions", a.count(rtmfp.SessionFailed), a.Sessions())
	}
	// Hellos at 0, 1, 3.5, 7.5, 13, 20, 28.5, 38.5, 50, 63, 77.5, 93.5 s.
	if got := a.Stats().Sent; got != 12 {
		t.Errorf("%d hellos, want 12", got)
	}
}

func TestRejectedFlow(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 5 * time.Millisecond, Loss: 0.2}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	b.on = func(now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.FlowOpened {
			e.Recv.Reject(now, 7)
		}
	}
	s := connect(t, a, b, serverURI)
	var f *rtmfp.SendFlow
	a.do(func(now rtmfp.Instant) {
		f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("unwanted")})
		_ = f.Write(now, make([]byte, 50_000), nil)
	})
	n.Run(time.Minute)
	if a.count(rtmfp.FlowRejected) != 1 || a.last(rtmfp.FlowRejected).Code != 7 || a.count(rtmfp.FlowCompleted) != 1 || b.count(rtmfp.MessageReceived) != 0 {
		t.Errorf("rejected %d times with code %d, completed %d times", a.count(rtmfp.FlowRejected), a.last(rtmfp.FlowRejected).Code, a.count(rtmfp.FlowCompleted))
	}
	if err := f.Write(n.Now(), []byte("x"), nil); err != rtmfp.ErrClosed {
		t.Errorf("writing to a rejected flow returned %v", err)
	}
}

// A bulk flow fills a fast path.
func TestThroughput(t *testing.T) {
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond, Rate: 50e6, Queue: 50 * time.Millisecond}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	s := connect(t, a, b, serverURI)
	const size = 20 << 20
	a.do(func(now rtmfp.Instant) {
		f, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("bulk")})
		for range size / (64 << 10) {
			if err := f.Write(now, make([]byte, 64<<10), nil); err != nil {
				return
			}
		}
	})
	start := n.Now()
	n.RunWhile(time.Minute, func() bool { return b.count(rtmfp.MessageReceived) < (15<<20)/(64<<10) })
	took := n.Now().Sub(start).Seconds()
	if rate := float64(15<<20) * 8 / took / 1e6; rate < 35 {
		t.Errorf("%.1f Mb/s over a path of 50 Mb/s and 40 ms, want 35 or more; %+v", rate, a.Stats())
	}
}
