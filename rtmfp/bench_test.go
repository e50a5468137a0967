package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// profiles are the kinds of sessions whose cost is told apart.
var profiles = []struct {
	name string
	make func(t testing.TB, server bool, seed uint64) rtmfp.Profile
}{
	{"plain", func(_ testing.TB, server bool, seed uint64) rtmfp.Profile {
		return vnet.NewPlainProfile(fmt.Sprint(seed), server)
	}},
	{"modern", func(t testing.TB, server bool, seed uint64) rtmfp.Profile {
		return newModernProfile(t, entropy(seed), profile.NodeOptions{Server: server, HardwareAES: true})
	}},
	{"modern-chacha", func(t testing.TB, server bool, seed uint64) rtmfp.Profile {
		return newModernProfile(t, entropy(seed), profile.NodeOptions{Server: server})
	}},
	{"flash-hmac", func(t testing.TB, server bool, seed uint64) rtmfp.Profile {
		return newFlash(t, profile.FlashConfig{Server: server, RequireHMAC: true, Entropy: entropy(seed)})
	}},
	{"flash-checksum", func(t testing.TB, server bool, seed uint64) rtmfp.Profile {
		return newFlash(t, profile.FlashConfig{Server: server, ChecksumOnly: true, Entropy: entropy(seed)})
	}},
}

func newFlash(t testing.TB, config profile.FlashConfig) *profile.Flash {
	t.Helper()
	p, err := profile.NewFlash(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// end is one end of a wire between two endpoints in memory, without a network
// and its cost.
type end struct {
	*rtmfp.Endpoint
	addr    netip.AddrPort
	session *rtmfp.Session
	got     int // messages
	bytes   int
	packets int // datagrams sent
	// borrow makes the messages of new flows borrowed.
	borrow bool
}

// wire joins two endpoints directly.
type wire2 struct {
	now   rtmfp.Instant
	ends  [2]*end
	buf   []byte
	batch []rtmfp.Datagram
}

func newWire(t testing.TB, make2 func(t testing.TB, server bool, seed uint64) rtmfp.Profile) *wire2 {
	t.Helper()
	w := &wire2{now: reliability.Start.Add(time.Hour), buf: make([]byte, 1<<16)}
	for i := range w.ends {
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: make2(t, i == 1, uint64(i+1)), Entropy: entropy(uint64(i + 50))})
		if err != nil {
			t.Fatal(err)
		}
		w.ends[i] = &end{Endpoint: e, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 1935)}
	}
	var err error
	if w.ends[0].session, err = w.ends[0].Open(w.now, serverURI, []netip.AddrPort{w.ends[1].addr}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.step(time.Millisecond)
	}
	if w.ends[0].session.State() != rtmfp.StateOpen || w.ends[1].session == nil {
		t.Fatalf("not connected: %+v", w.ends[1].Stats())
	}
	return w
}

// step moves the clock and lets both ends send what they have.
func (w *wire2) step(d time.Duration) {
	w.now = w.now.Add(d)
	for i, e := range w.ends {
		if e.PollTimeout() <= w.now {
			e.HandleTimeout(w.now)
		}
		w.drain(i)
	}
}

// drain takes all that an end has to send and hands it to the other, run by
// run, as sockets with segmentation offload do.
func (w *wire2) drain(i int) {
	e, other := w.ends[i], w.ends[1-i]
	for more := true; more; {
		more = false
		for {
			n, t, ok := e.PollTransmit(w.now, w.buf)
			if !ok {
				break
			}
			more = true
			w.batch = w.batch[:0]
			for run := w.buf[:n]; len(run) > 0; {
				size := min(t.SegmentSize, len(run))
				w.batch = append(w.batch, rtmfp.Datagram{Data: run[:size:size], From: e.addr, To: other.addr})
				run = run[size:]
			}
			e.packets += len(w.batch)
			other.HandleDatagrams(w.now, w.batch)
			other.events(w.now)
		}
		for {
			work, ok := e.PollWork()
			if !ok {
				break
			}
			more = true
			e.HandleWork(w.now, rtmfp.WorkResult{ID: work.ID, Value: work.Compute()})
		}
		e.events(w.now)
	}
}

func (e *end) events(now rtmfp.Instant) {
	for {
		event, ok := e.PollEvent()
		if !ok {
			return
		}
		switch event.Kind {
		case rtmfp.SessionOpened:
			e.session = event.Session
		case rtmfp.FlowOpened:
			event.Recv.SetBorrowed(e.borrow)
		case rtmfp.MessageReceived:
			e.got++
			e.bytes += len(event.Data)
		}
	}
}

// transfer sends n messages and waits until all have come.
func (w *wire2) transfer(t testing.TB, flow *rtmfp.SendFlow, message []byte, n int) {
	goal := w.ends[1].got + n
	for sent := 0; w.ends[1].got < goal; {
		for sent < n && flow.Queued() < 1<<20 {
			if err := flow.Write(w.now, message, nil); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		w.step(100 * time.Microsecond)
	}
}

// BenchmarkTransfer is what the two ends of a session cost without the
// network: queues, crypto, acknowledgements and delivery.
func BenchmarkTransfer(b *testing.B) {
	for _, size := range []int{1000, 16384} {
		for _, p := range profiles {
			b.Run(fmt.Sprintf("%s/size=%d", p.name, size), func(b *testing.B) {
				w := newWire(b, p.make)
				flow, err := w.ends[0].session.OpenFlow(w.now, rtmfp.FlowConfig{Metadata: []byte("x")})
				if err != nil {
					b.Fatal(err)
				}
				message := make([]byte, size)
				w.transfer(b, flow, message, 4000)
				packets, cpu := w.ends[0].packets, cpuTime(b)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				w.transfer(b, flow, message, b.N)
				packets = w.ends[0].packets - packets
				cpu = cpuTime(b) - cpu
				b.ReportMetric(float64(cpu.Nanoseconds())/float64(packets), "cpu-ns/packet")
				b.ReportMetric(cpu.Seconds()/float64(b.N*size)*1e9, "cpu-s/GB")
			})
		}
	}
}
