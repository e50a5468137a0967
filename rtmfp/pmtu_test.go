package rtmfp_test

import (
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// A session finds out how large its datagrams may be, and notices when that
// changes; what was cut larger before arrives all the same.
func TestPathMTU(t *testing.T) {
	const overhead = 28
	n := vnet.New(1)
	link := vnet.LinkParams{Delay: 10 * time.Millisecond, Rate: 20e6, MTU: 1500}
	a := newNode(t, n, nil, "192.0.2.1:1000", false, link)
	b := newNode(t, n, nil, "192.0.2.2:1935", true, link)
	s := connect(t, a, b, serverURI)
	var f *rtmfp.SendFlow
	a.do(func(now rtmfp.Instant) { f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")}) })
	written := 0
	transfer := func(size int, d time.Duration) {
		a.do(func(now rtmfp.Instant) {
			for range size / 50_000 {
				written++
				if err := f.Write(now, make([]byte, 50_000), nil); err != nil {
					t.Fatal(err)
				}
			}
		})
		n.Run(d)
	}
	// A few messages are not worth the while.
	a.do(func(now rtmfp.Instant) { _ = f.Write(now, make([]byte, 40_000), nil) })
	written++
	if n.Run(10 * time.Second); s.DatagramSize() != 1200 {
		t.Errorf("datagrams of %d bytes after little data", s.DatagramSize())
	}
	transfer(1_000_000, 10*time.Second)
	if s.DatagramSize() != 1452 {
		t.Errorf("datagrams of %d bytes on a path that carries 1,500, want 1,452", s.DatagramSize())
	}
	narrow := func(mtu int) {
		link.MTU = mtu
		for _, end := range []*node{a, b} {
			if err := end.host.SetLinks(end.addr, link, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	// In the middle of a transfer the path gets narrow.
	transfer(3_000_000, 300*time.Millisecond)
	narrow(1300)
	if !n.RunWhile(2*time.Minute, func() bool { return b.count(rtmfp.MessageReceived) < written }) {
		t.Fatalf("%d of %d messages came over the path that got narrow; datagrams of %d bytes", b.count(rtmfp.MessageReceived), written, s.DatagramSize())
	}
	if s.DatagramSize() != 1200 || n.Stats().TooBig == 0 {
		t.Errorf("datagrams of %d bytes on a path of 1,300, %d were too big", s.DatagramSize(), n.Stats().TooBig)
	}
	// Later it is tried again, and what fits is found.
	for range 13 {
		transfer(100_000, time.Minute)
	}
	if size := s.DatagramSize(); size+overhead > 1300 || size < 1200+40 {
		t.Errorf("datagrams of %d bytes on a path of 1,300", size)
	}
	if got := b.count(rtmfp.MessageReceived); got != written {
		t.Errorf("%d of %d messages came", got, written)
	}
}

// A session over another one has its own bound, and asks for nothing more.
func TestDatagramSizeIsKept(t *testing.T) {
	n := vnet.New(1)
	a := newNode(t, n, nil, "192.0.2.1:1000", false, vnet.LinkParams{Delay: time.Millisecond, MTU: 900 + 28})
	b := newNode(t, n, nil, "192.0.2.2:1935", true, vnet.LinkParams{})
	s := connect(t, a, b, serverURI)
	s.SetDatagramSize(900)
	a.do(func(now rtmfp.Instant) {
		f, _ := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("m")})
		_ = f.Write(now, make([]byte, 500_000), nil)
	})
	n.Run(20 * time.Minute)
	if b.count(rtmfp.MessageReceived) != 1 || n.Stats().TooBig != 0 || s.DatagramSize() != 900 {
		t.Errorf("%d messages, %d datagrams too big, size %d", b.count(rtmfp.MessageReceived), n.Stats().TooBig, s.DatagramSize())
	}
}
