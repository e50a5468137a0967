package multicast

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/reliability"
)

// fakeTransport answers with what a test sets.
type fakeTransport struct {
	backlog map[overlay.PeerID]int
	rate    map[overlay.PeerID]float64
	rtt     time.Duration
	heard   map[overlay.PeerID]reliability.Time
}

func (f *fakeTransport) LastHeard(p overlay.PeerID) reliability.Time { return f.heard[p] }
func (f *fakeTransport) RTT(overlay.PeerID) (time.Duration, bool)    { return f.rtt, f.rtt > 0 }
func (f *fakeTransport) Backlog(p overlay.PeerID) (int, float64)     { return f.backlog[p], f.rate[p] }

func peerID(n int) overlay.PeerID {
	var id overlay.PeerID
	copy(id[:], fmt.Sprintf("peer %d", n))
	return id
}

func packetFor(peer int, class uint8, size int, deadline reliability.Time) Packet {
	return Packet{Peer: peerID(peer), Flow: overlay.FlowMedia, Class: class, Data: make([]byte, size), Deadline: deadline}
}

// drain sends all that may go until a time and returns it with the times.
func drain(u *Uplink, from, until reliability.Time) (sent []Packet, at []reliability.Time) {
	now := from
	for now <= until {
		for {
			p, ok := u.Poll(now)
			if !ok {
				break
			}
			sent, at = append(sent, p), append(at, now)
		}
		next := u.PollTimeout()
		if next <= now {
			panic("the next deadline is not after a full drain")
		}
		now = next
	}
	return sent, at
}

const second = reliability.Time(time.Second)

// Lower classes wait for higher ones; inside a class the order stays.
func TestUplinkServesClassesInOrder(t *testing.T) {
	u := NewUplink(UplinkParams{Rate: 1e6})
	order := []uint8{3, 1, 4, 2, 1, 3, 0}
	for i, class := range order {
		p := packetFor(i, class, 100, reliability.Never)
		p.Value = float32(i)
		u.Push(second, p)
	}
	sent, _ := drain(u, second, 2*second)
	got := ""
	for _, p := range sent {
		got += fmt.Sprintf("%d:%d ", p.Class, int(p.Value))
	}
	if want := "0:6 1:1 1:4 2:3 3:0 3:5 4:2 "; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// Over any stretch of time the uplink sends no more than its rate and one
// burst, control included.
func TestUplinkKeepsToItsRate(t *testing.T) {
	const rate = 100_000.0
	u := NewUplink(UplinkParams{Rate: rate})
	for i := range 400 {
		u.Push(second, packetFor(i%7, uint8(1+i%4), 200+i%800, reliability.Never))
	}
	u.Charge(second, 20_000)
	sent, at := drain(u, second, 20*second)
	if len(sent) != 400 {
		t.Fatalf("sent %d packets of 400", len(sent))
	}
	total := 20_000.0
	for i, p := range sent {
		total += float64(len(p.Data) + packetOverhead)
		allowed := rate*at[i].Sub(second).Seconds() + uplinkBurstBytes + 1100
		if total > allowed {
			t.Fatalf("after %v: %.0f bytes sent, %.0f allowed", at[i].Sub(second), total, allowed)
		}
	}
	want := total / rate
	if took := at[len(at)-1].Sub(second).Seconds(); took > want*1.02+0.01 {
		t.Errorf("took %.3f s, the rate allows %.3f", took, want)
	}
}

func TestUplinkDropsWhatIsLate(t *testing.T) {
	u := NewUplink(UplinkParams{Rate: 10_000})
	for range 20 {
		u.Push(second, packetFor(1, UplinkLeaves, 936, second.Add(450*time.Millisecond)))
	}
	sent, at := drain(u, second, 10*second)
	for i := range sent {
		if at[i] >= sent[i].Deadline {
			t.Errorf("packet %d sent %v after its deadline", i, at[i].Sub(sent[i].Deadline))
		}
	}
	if got := u.Stats().Expired; int(got)+len(sent) != 20 || len(sent) < 4 || len(sent) > 9 {
		t.Errorf("%d sent, %d expired", len(sent), got)
	}
	if u.Len() != 0 || u.bytes != 0 || len(u.ports) != 0 {
		t.Errorf("left: %d packets, %d bytes, %d ports", u.Len(), u.bytes, len(u.ports))
	}
}

// A neighbor whose session is backlogged holds nobody else up, and gets its
// packets in order when it can take them.
func TestUplinkLeavesBackloggedNeighborsAside(t *testing.T) {
	transport := &fakeTransport{backlog: map[overlay.PeerID]int{peerID(1): 1 << 20}}
	u := NewUplink(UplinkParams{Rate: 1e6, Transport: transport})
	for i := range 80 {
		p := packetFor(1+i%2, UplinkRelayed, 900, reliability.Never)
		p.Value = float32(i)
		u.Push(second, p)
	}
	sent, _ := drain(u, second, second.Add(200*time.Millisecond))
	// The first bytes go unasked, since so little cannot be waiting.
	slow := 0
	for _, p := range sent {
		if p.Peer == peerID(1) {
			slow++
		}
	}
	if slow > 18 || len(sent)-slow != 40 {
		t.Errorf("%d packets to the slow neighbor, %d of 40 to the other", slow, len(sent)-slow)
	}
	if q := u.QueueTime(second.Add(200 * time.Millisecond)); q > 5*time.Millisecond {
		t.Errorf("queue time %v counts what nobody can take", q)
	}
	transport.backlog[peerID(1)] = 0
	rest, _ := drain(u, second.Add(300*time.Millisecond), 2*second)
	last := float32(-1)
	for _, p := range append(sent, rest...) {
		if p.Peer == peerID(1) {
			if p.Value <= last {
				t.Errorf("packet %v after %v", p.Value, last)
			}
			last = p.Value
		}
	}
	if slow+len(rest) != 40 {
		t.Errorf("%d packets of 40 arrived in the end", slow+len(rest))
	}
}

// A full queue gives up the oldest of the least important.
func TestUplinkIsBounded(t *testing.T) {
	u := NewUplink(UplinkParams{Rate: 1})
	for i := range uplinkPackets + 100 {
		p := packetFor(i%50, UplinkRest, 1, reliability.Never)
		p.Value = float32(i)
		u.Push(second, p)
	}
	if u.Len() != uplinkPackets || u.queues[UplinkRest].front().value != 100 {
		t.Errorf("%d packets, oldest %v", u.Len(), u.queues[UplinkRest].front().value)
	}
	for i := range uplinkPackets {
		u.Push(second, packetFor(i%50, UplinkFirst, 1, reliability.Never))
	}
	if u.queues[UplinkRest].n != 0 || u.Len() != uplinkPackets {
		t.Errorf("%d of the lowest class are left", u.queues[UplinkRest].n)
	}
	u.Push(second, packetFor(1, UplinkLeaves, 1, reliability.Never))
	if u.queues[UplinkLeaves].n != 0 {
		t.Error("a low class displaced a high one")
	}
}

func TestUplinkWithdraw(t *testing.T) {
	transport := &fakeTransport{backlog: map[overlay.PeerID]int{peerID(1): 1 << 20}}
	u := NewUplink(UplinkParams{Rate: 1e6, Transport: transport})
	for i := range 40 {
		p := packetFor(1, UplinkRelayed, 900, reliability.Never)
		p.id = 101
		p.Value = float32(i)
		u.Push(second, p)
	}
	drain(u, second, second.Add(50*time.Millisecond))
	left := u.Len()
	if left == 0 || u.aside.packets != left {
		t.Fatalf("%d queued, %d of them aside", left, u.aside.packets)
	}
	u.withdraw(u.ports[peerID(1)], u.ownerOf(StreamKey{}), func(id fragmenter.ID) bool { return id == 101 })
	if u.Len() != 0 || u.aside.packets != 0 || u.aside.bytes != 0 || u.bytes != 0 {
		t.Errorf("left: %d packets, %+v aside, %d bytes", u.Len(), u.aside, u.bytes)
	}
}

// Without a limit the rate grows while sessions keep up and falls when most
// of the traffic is late.
func TestUplinkFindsItsRate(t *testing.T) {
	transport := &fakeTransport{
		backlog: map[overlay.PeerID]int{}, rate: map[overlay.PeerID]float64{}, rtt: 40 * time.Millisecond,
	}
	u := NewUplink(UplinkParams{Transport: transport})
	for i := range 4 {
		transport.rate[peerID(1+i)] = 1e7
		u.openPort(peerID(1 + i))
	}
	line := 2e6
	now, waiting, flying := second, 0.0, 0.0
	random := rand.New(rand.NewPCG(1, 2))
	var rates []float64
	for range 6000 {
		now = now.Add(10 * time.Millisecond)
		for range 40 { // 4 MB/s are wanted
			u.Push(now, packetFor(1+random.IntN(4), UplinkRelayed, 936, now.Add(100*time.Millisecond)))
		}
		for {
			p, ok := u.Poll(now)
			if !ok {
				break
			}
			waiting += float64(len(p.Data) + packetOverhead)
		}
		through := min(waiting, line/100)
		waiting -= through
		flying += through - flying/20 // acknowledged after 200 ms
		for i := range 4 {
			transport.backlog[peerID(1+i)] = int((waiting + flying) / 4)
		}
		rates = append(rates, u.Rate())
	}
	late := rates[3000:]
	low, high := late[0], late[0]
	for _, r := range late {
		low, high = min(low, r), max(high, r)
	}
	if low < 0.6*line || high > 1.4*line {
		t.Errorf("rate between %.0f and %.0f bytes/s on a line of %.0f", low, high, line)
	}
}

func BenchmarkUplink(b *testing.B) {
	u := NewUplink(UplinkParams{Rate: 1e12})
	ports := make([]*port, 8)
	for i := range ports {
		ports[i] = u.openPort(peerID(i))
	}
	own := u.ownerOf(StreamKey{})
	data := make([]byte, 1000)
	now := second
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		u.Push(now, Packet{Class: UplinkRelayed, Data: data, Deadline: reliability.Never, port: ports[now/1000%8], owner: own})
		u.Poll(now)
	}
}
