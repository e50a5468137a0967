package udp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func newBatchSocket(t testing.TB) *batchSocket {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var c counters
	s, err := newSocket(conn, false, &c)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*batchSocket)
}

// Whatever control data holds, parsing it ends within its bounds.
func FuzzParseControl(f *testing.F) {
	s := newBatchSocket(f)
	f.Add(s.appendSource(make([]byte, 0, controlSize), netip.MustParseAddrPort("127.0.0.9:1")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 17, 0, 0, 0, 104, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > controlSize {
			b = b[:controlSize]
		}
		var buf [controlSize]byte // aligned, as the kernel's is
		var d rtmfp.Datagram
		segment := 7
		s.parseControl(append(buf[:0], b...), &d, &segment)
	})
}

// When the kernel refuses an offloaded run, it arrives all the same, and no
// more such runs are tried.
func TestRefusedRunIsSentInPieces(t *testing.T) {
	s := newBatchSocket(t)
	if !s.gso {
		t.Fatal("this kernel has no UDP_SEGMENT: the test needs Linux 4.18 or later")
	}
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	// More segments than the kernel takes.
	data := make([]byte, 200)
	s.write([]run{{data, rtmfp.Transmit{To: localAddr(receiver), SegmentSize: 1}}})
	if s.gso || s.count.offloadRefusals.Load() != 1 || s.count.writeDatagrams.Load() != 200 {
		t.Errorf("offload still on: %v, refusals %d, datagrams %d", s.gso, s.count.offloadRefusals.Load(), s.count.writeDatagrams.Load())
	}
	buf := make([]byte, 10)
	for i := range 200 {
		_ = receiver.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := receiver.Read(buf); n != 1 || err != nil {
			t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
		}
	}
}

// Steady reading and writing allocates nothing.
func TestNoAllocations(t *testing.T) {
	a, b := newBatchSocket(t), newBatchSocket(t)
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), b.local.Port())
	runs := []run{{make([]byte, 4800), rtmfp.Transmit{To: to, SegmentSize: 1200}}}
	batch := make([]rtmfp.Datagram, 0, 256)
	allocs := testing.AllocsPerRun(200, func() {
		a.write(runs)
		for n := 0; n < 4; {
			var err error
			if batch, err = b.read(batch[:0]); err != nil {
				t.Fatal(err)
			}
			n += len(batch)
		}
	})
	if allocs != 0 {
		t.Errorf("%.1f allocations for a run of four, want none", allocs)
	}
}

// A host with two addresses answers from the one that was asked.
func TestAnswerComesFromTheAddressAsked(t *testing.T) {
	l := lab.New(t)
	lan := l.AddLAN("net", lab.LANConfig{})
	host, peer := lan.AddHost("host", lab.HostConfig{}), lan.AddHost("peer", lab.HostConfig{Up: &vnet.LinkParams{}, Down: &vnet.LinkParams{}})
	host.AddAddr(netip.MustParsePrefix("10.1.0.200/24"))
	var drivers [2]*Driver
	var cores [2]*testCore
	for i, h := range []*lab.Host{host, peer} {
		if err := h.Do(func() error {
			drivers[i], cores[i] = start(t, false, "0.0.0.0:0")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("10.1.0.200"), drivers[0].LocalAddrs()[0].Port())
	if err := drivers[1].Do(func(reliability.Time) {
		cores[1].out = append(cores[1].out, run{[]byte("echo!"), rtmfp.Transmit{To: to, SegmentSize: 5}})
	}); err != nil {
		t.Fatal(err)
	}
	until(t, drivers[1], "the answer", func() bool { return len(cores[1].got) > 0 })
	if from := cores[1].got[0].From; from != to {
		t.Errorf("the answer came from %v, want %v", from, to)
	}
}
