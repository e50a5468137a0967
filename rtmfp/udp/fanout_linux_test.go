package udp_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/udp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// node is an endpoint on a socket of loopback.
type node struct {
	*rtmfp.Endpoint
	*udp.Driver
	got atomic.Int64
	on  func(e rtmfp.Event)
}

func newNode(t testing.TB, p rtmfp.Profile) *node {
	t.Helper()
	config := udp.DefaultConfig()
	config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	d, err := udp.Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Endpoint: e, Driver: d}
	d.Attach(e, func(reliability.Time) bool {
		any := false
		for {
			event, ok := e.PollEvent()
			if !ok {
				return any
			}
			any = true
			switch event.Kind {
			case rtmfp.FlowOpened:
				event.Recv.SetBorrowed(true)
			case rtmfp.MessageReceived:
				n.got.Add(1)
			}
			if n.on != nil {
				n.on(event)
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n
}

// connect opens a session and a flow from n to another node.
func (n *node) connect(t testing.TB, to *node) (f *rtmfp.SendFlow) {
	t.Helper()
	var s *rtmfp.Session
	if err := n.Do(func(now reliability.Time) {
		s, _ = n.Open(now, to.Self().EPD, []netip.AddrPort{to.LocalAddrs()[0]})
	}); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); f == nil; time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("no session after 20 s")
		}
		_ = n.Do(func(now reliability.Time) { f, _ = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("x")}) })
	}
	return f
}

// threadTime returns the processor time of this thread.
func threadTime(t testing.TB) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkFanout is what sending the same to several neighbors costs the
// sender's thread, from Write to the end of the system call that sends it all.
// The plain profile leaves cryptography out.
func BenchmarkFanout(b *testing.B) {
	profiles := map[string]func(i int) rtmfp.Profile{
		"plain":  func(i int) rtmfp.Profile { return vnet.NewPlainProfile(fmt.Sprint(i), false) },
		"modern": func(int) rtmfp.Profile { return modern(b) },
	}
	for _, name := range []string{"plain", "modern"} {
		for _, packets := range []int{2, 4, 6} {
			b.Run(fmt.Sprintf("%s/packets=%d", name, packets), func(b *testing.B) { fanout(b, profiles[name], packets) })
		}
	}
}

func fanout(b *testing.B, make2 func(i int) rtmfp.Profile, packets int) {
	const peers = 8
	sender := newNode(b, make2(0))
	var flows []*rtmfp.SendFlow
	var all []*node
	for i := range peers {
		n := newNode(b, make2(i+1))
		all = append(all, n)
		flows = append(flows, sender.connect(b, n))
	}
	message := make([]byte, 1100) // one for each packet
	round := int64(0)
	send := func() time.Duration {
		round++
		start := threadTime(b)
		_ = sender.Do(func(now reliability.Time) {
			for _, f := range flows {
				for range packets {
					_ = f.Write(now, message, nil)
				}
			}
		})
		took := threadTime(b) - start
		for idle := false; !idle; {
			// The neighbors and their acknowledgements are not in the figure.
			runtime.Gosched()
			idle = true
			for _, n := range all {
				idle = idle && n.got.Load() == round*int64(packets)
			}
			if idle {
				_ = sender.Do(func(reliability.Time) {
					for _, f := range flows {
						idle = idle && f.Queued() == 0
					}
				})
			}
			if !idle {
				time.Sleep(50 * time.Microsecond)
			}
		}
		return took
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 50 {
		send()
	}
	before := sender.Driver.Stats()
	var took time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		took += send()
	}
	b.StopTimer()
	after := sender.Driver.Stats()
	count := float64(b.N * peers * packets)
	b.ReportMetric(float64(took.Nanoseconds())/count, "send-ns/packet")
	b.ReportMetric(float64(after.WriteCalls-before.WriteCalls)/count, "calls/packet")
	b.ReportMetric(float64(after.WriteDatagrams-before.WriteDatagrams)/count, "datagrams/packet")
}
