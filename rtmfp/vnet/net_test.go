package vnet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// box is a receiver that remembers what came, and may answer.
type box struct {
	host   *Host
	got    []arrival
	wakes  []reliability.Time
	echo   bool
	onWake func(reliability.Time)
}

type arrival struct {
	at       reliability.Time
	from, to netip.AddrPort
	data     string
}

func (b *box) HandleArrival(now reliability.Time, from, to netip.AddrPort, data []byte) {
	b.got = append(b.got, arrival{now, from, to, string(data)})
	if b.echo {
		b.host.Send(to, from, data)
	}
}

func (b *box) HandleWake(now reliability.Time) {
	b.wakes = append(b.wakes, now)
	if b.onWake != nil {
		b.onWake(now)
	}
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func addBox(t testing.TB, n *Net, lan *LAN, addr string, link LinkParams) *box {
	t.Helper()
	h := n.AddHost()
	if err := h.AddInterface(lan, ap(addr), link, link); err != nil {
		t.Fatal(err)
	}
	b := &box{host: h}
	h.SetReceiver(b)
	return b
}

func addNAT(t testing.TB, n *Net, nat NATParams, outside string) *LAN {
	t.Helper()
	lan, err := n.AddLAN(LANParams{NAT: &nat, Outside: netip.MustParseAddr(outside)})
	if err != nil {
		t.Fatal(err)
	}
	return lan
}

func TestDatagramCrossesBothCablesAndTheCore(t *testing.T) {
	n := New(1)
	a := addBox(t, n, nil, "192.0.2.1:1000", LinkParams{Delay: 10 * time.Millisecond})
	b := addBox(t, n, nil, "192.0.2.2:2000", LinkParams{Delay: 5 * time.Millisecond})
	n.SetCorePath(func(netip.Addr, netip.Addr) time.Duration { return time.Millisecond })
	b.echo = true
	start := n.Now()
	a.host.Send(netip.AddrPort{}, ap("192.0.2.2:2000"), []byte("hello"))
	n.Run(time.Second)
	if len(b.got) != 1 || b.got[0] != (arrival{start.Add(16 * time.Millisecond), ap("192.0.2.1:1000"), ap("192.0.2.2:2000"), "hello"}) {
		t.Errorf("b got %v", b.got)
	}
	if len(a.got) != 1 || a.got[0].at != start.Add(32*time.Millisecond) {
		t.Errorf("a got %v", a.got)
	}
}

func TestIPv6AndSeveralInterfaces(t *testing.T) {
	n := New(1)
	a := addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	if err := a.host.AddInterface(nil, ap("[2001:db8::1]:1000"), LinkParams{}, LinkParams{}); err != nil {
		t.Fatal(err)
	}
	b := addBox(t, n, nil, "[2001:db8::2]:2000", LinkParams{})
	a.host.Send(netip.AddrPort{}, ap("[2001:db8::2]:2000"), []byte("six"))
	n.Run(time.Second)
	if len(b.got) != 1 || b.got[0].from != ap("[2001:db8::1]:1000") {
		t.Errorf("got %v", b.got)
	}
}

func TestAddressesAreUniqueAndChecked(t *testing.T) {
	n := New(1)
	addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	h := n.AddHost()
	for _, bad := range []netip.AddrPort{ap("192.0.2.1:1000"), ap("192.0.2.9:0"), ap("224.0.0.1:5"), {}} {
		if h.AddInterface(nil, bad, LinkParams{}, LinkParams{}) == nil {
			t.Errorf("%v could be bound", bad)
		}
	}
	if h.AddInterface(nil, ap("192.0.2.3:1"), LinkParams{Loss: 2}, LinkParams{}) == nil {
		t.Error("a loss of 2 is accepted")
	}
	if _, err := n.AddLAN(LANParams{NAT: &NATParams{}}); err == nil {
		t.Error("a NAT without outside address is accepted")
	}
}

func TestWakeAtKeepsTheLastWish(t *testing.T) {
	n := New(1)
	b := addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	b.host.WakeAt(n.Now().Add(10 * time.Millisecond))
	b.host.WakeAt(n.Now().Add(5 * time.Millisecond))
	b.host.WakeAt(n.Now().Add(20 * time.Millisecond))
	n.Run(time.Second)
	if len(b.wakes) != 1 || b.wakes[0] != reliability.Start.Add(20*time.Millisecond) {
		t.Errorf("woken at %v, want once at 20 ms", b.wakes)
	}
	b.host.WakeAt(n.Now().Add(time.Millisecond))
	b.host.WakeAt(reliability.Never)
	n.Run(time.Second)
	if len(b.wakes) != 1 {
		t.Error("woken although no longer wanted")
	}
	if n.Pending() != 0 {
		t.Errorf("%d events are left over", n.Pending())
	}
}

func TestPartitionUnplugAndRebind(t *testing.T) {
	n := New(1)
	a := addBox(t, n, nil, "192.0.2.1:1000", LinkParams{})
	b := addBox(t, n, nil, "192.0.2.2:1000", LinkParams{})
	say := func(to string) int {
		before := len(b.got)
		a.host.Send(netip.AddrPort{}, ap(to), []byte("x"))
		n.Run(time.Millisecond)
		return len(b.got) - before
	}
	if say("192.0.2.2:1000") != 1 {
		t.Error("nothing arrives")
	}
	b.host.SetPartition(1)
	if say("192.0.2.2:1000") != 0 || n.Stats().Partitioned != 1 {
		t.Error("partition has no effect")
	}
	b.host.SetPartition(0)
	b.host.SetPlugged(false)
	if say("192.0.2.2:1000") != 0 || n.Stats().Unplugged != 1 {
		t.Error("unplugging has no effect")
	}
	b.host.SetPlugged(true)
	if err := b.host.Rebind(ap("192.0.2.2:1000"), nil, ap("198.51.100.7:77")); err != nil {
		t.Fatal(err)
	}
	if say("192.0.2.2:1000") != 0 || say("198.51.100.7:77") != 1 || say("198.51.100.7:78") != 0 {
		t.Error("rebinding has no effect")
	}
}

func TestMulticastStaysOnItsLAN(t *testing.T) {
	n := New(1)
	lan1, _ := n.AddLAN(LANParams{})
	lan2, _ := n.AddLAN(LANParams{})
	group := netip.MustParseAddr("239.1.2.3")
	var boxes []*box
	for i, lan := range []*LAN{lan1, lan1, lan1, lan2} {
		b := addBox(t, n, lan, fmt.Sprintf("10.0.0.%d:5000", i+1), LinkParams{Delay: time.Millisecond})
		if i != 2 {
			if err := b.host.Join(ap(fmt.Sprintf("10.0.0.%d:5000", i+1)), group); err != nil {
				t.Fatal(err)
			}
		}
		boxes = append(boxes, b)
	}
	boxes[0].host.Send(netip.AddrPort{}, netip.AddrPortFrom(group, 5000), []byte("all"))
	n.Run(time.Second)
	for i, want := range []int{0, 1, 0, 0} {
		if len(boxes[i].got) != want {
			t.Errorf("host %d got %d datagrams, want %d", i, len(boxes[i].got), want)
		}
	}
	boxes[1].host.Leave(ap("10.0.0.2:5000"), group)
	boxes[0].host.Send(netip.AddrPort{}, netip.AddrPortFrom(group, 5000), []byte("all"))
	n.Run(time.Second)
	if len(boxes[1].got) != 1 {
		t.Error("a host that left the group still gets its datagrams")
	}
}

// randomRun lets many hosts behind all kinds of NATs talk at random over bad
// links and returns the network.
func randomRun(t testing.TB, seed uint64) *Net {
	n := New(seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	nats := []NATParams{FullCone(), AddressRestricted(), PortRestricted(), Symmetric()}
	var boxes []*box
	for i := range 20 {
		link := LinkParams{
			Delay: time.Duration(rng.IntN(50)) * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.05,
			Bursts: BurstLoss(0.02, 4), Reorder: 0.05, ReorderDelay: 20 * time.Millisecond, Duplicate: 0.05,
			Corrupt: 0.01, Rate: 1e6, MTU: 1400,
		}
		var lan *LAN
		addr := fmt.Sprintf("192.0.2.%d:1000", i+1)
		if i%2 == 1 {
			nat := nats[rng.IntN(4)]
			nat.Hairpin = rng.IntN(2) == 0
			lan = addNAT(t, n, nat, fmt.Sprintf("198.51.100.%d", i+1))
			addr = "10.0.0.1:1000"
		}
		b := addBox(t, n, lan, addr, link)
		b.echo = i%4 != 3
		boxes = append(boxes, b)
	}
	for range 2000 {
		from := boxes[rng.IntN(len(boxes))]
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + rng.IntN(24))}), 1000)
		data := make([]byte, rng.IntN(1500))
		n.After(time.Duration(rng.Int64N(int64(5*time.Second))), func(reliability.Time) {
			from.host.Send(netip.AddrPort{}, to, data)
		})
	}
	return n
}

// Every packet is accounted for, and the same seed gives the same run.
func TestConservationAndDeterminism(t *testing.T) {
	for seed := range uint64(20) {
		n := randomRun(t, seed)
		n.RunUntil(reliability.Start.Add(2 * time.Second))
		hash := n.Hash()
		again := randomRun(t, seed)
		again.RunUntil(reliability.Start.Add(2 * time.Second))
		if again.Hash() != hash || again.Stats() != n.Stats() {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		n.Run(2 * time.Second)
		for _, h := range n.hosts {
			h.receiver.(*box).echo = false
		}
		n.Run(time.Minute)
		s := n.Stats()
		if s.Sent+s.Duplicated+s.Multicast != s.Delivered+s.Flooded+s.Dropped() {
			t.Fatalf("seed %d: packets do not add up: %+v", seed, s)
		}
		if s.Delivered == 0 || s.Lost == 0 || s.Duplicated == 0 || s.Reordered == 0 || s.TooBig == 0 || s.NoRoute == 0 || s.Corrupted == 0 {
			t.Fatalf("seed %d: something never happened: %+v", seed, s)
		}
		if n.Pending() != 0 {
			t.Fatalf("seed %d: %d events are left over", seed, n.Pending())
		}
	}
	if randomRun(t, 1).Hash() == func() uint64 { n := randomRun(t, 1); n.Run(time.Second); return n.Hash() }() {
		t.Error("the hash does not change")
	}
}

func FuzzNet(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		n := New(seed)
		nat := NATParams{Mapping: Dependence(seed % 3), Filtering: Dependence(seed / 3 % 3), Hairpin: seed&8 != 0, Timeout: time.Second}
		outer := addNAT(t, n, nat, "198.51.100.1")
		inner, err := outer.AddLAN(LANParams{NAT: &nat, Outside: netip.MustParseAddr("10.1.0.2")})
		if err != nil {
			t.Fatal(err)
		}
		boxes := []*box{
			addBox(t, n, nil, "192.0.2.1:1000", LinkParams{Delay: time.Millisecond}),
			addBox(t, n, outer, "10.1.0.1:1000", LinkParams{}),
			addBox(t, n, inner, "10.2.0.1:1000", LinkParams{Rate: 1e5}),
			addBox(t, n, inner, "10.2.0.2:1000", LinkParams{Duplicate: 0.5}),
		}
		addrs := []string{"192.0.2.1", "10.1.0.1", "10.2.0.1", "10.2.0.2", "198.51.100.1", "10.1.0.2", "203.0.113.1", "239.0.0.1"}
		for len(script) >= 4 {
			to := netip.AddrPortFrom(netip.MustParseAddr(addrs[script[1]%8]), binary.BigEndian.Uint16(script[2:])|1000)
			boxes[script[0]%4].host.Send(netip.AddrPort{}, to, script)
			n.Run(time.Duration(script[0]) * 10 * time.Millisecond)
			script = script[4:]
		}
		n.Run(time.Minute)
		if s := n.Stats(); s.Sent+s.Duplicated+s.Multicast != s.Delivered+s.Flooded+s.Dropped() {
			t.Fatalf("packets do not add up: %+v", s)
		}
	})
}

// A running network allocates nothing for its packets.
func TestNoAllocationsInSteadyState(t *testing.T) {
	n, hosts := ring(t, 100)
	n.Run(2 * time.Second)
	if allocs := testing.AllocsPerRun(20, func() { n.Run(100 * time.Millisecond) }); allocs > 40 {
		t.Errorf("%.0f allocations in 100 ms of %d hosts, want hardly any", allocs, len(hosts))
	}
}

// pacer sends one datagram to its neighbour every 10 ms.
type pacer struct {
	host *Host
	to   netip.AddrPort
	data []byte
}

func (p *pacer) HandleArrival(reliability.Time, netip.AddrPort, netip.AddrPort, []byte) {}

func (p *pacer) HandleWake(now reliability.Time) {
	p.host.Send(netip.AddrPort{}, p.to, p.data)
	p.host.WakeAt(now.Add(10 * time.Millisecond))
}

func ring(t testing.TB, count int) (*Net, []*Host) {
	n := New(1)
	n.SetNominalSize(func([]byte) int { return 1200 })
	addr := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
	}
	var hosts []*Host
	for i := range count {
		h := n.AddHost()
		link := LinkParams{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.01, Rate: 10e6}
		if err := h.AddInterface(nil, addr(i), link, link); err != nil {
			t.Fatal(err)
		}
		h.SetReceiver(&pacer{h, addr((i + 1) % count), make([]byte, 32)})
		h.WakeAt(reliability.Time(1 + i*int(10*time.Millisecond)/count))
		hosts = append(hosts, h)
	}
	return n, hosts
}

// BenchmarkRing reports what one datagram over the whole network costs when
// 10,000 hosts send 100 a second each.
func BenchmarkRing(b *testing.B) {
	n, _ := ring(b, 10_000)
	n.Run(200 * time.Millisecond)
	b.ReportAllocs()
	events, sent := n.Stats().Events, n.Stats().Sent
	for b.Loop() {
		n.Step()
	}
	events, sent = n.Stats().Events-events, n.Stats().Sent-sent
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/datagram")
	b.ReportMetric(float64(events)/float64(sent), "events/datagram")
}
