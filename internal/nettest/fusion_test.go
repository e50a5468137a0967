package nettest

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringcast/ringcast/internal/lab"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// multicastInfo is what a node counts of its stream.
type multicastInfo struct {
	BytesPushedFromPeers, BytesRequestedFromPeers, BytesReceivedFromIPMulticast uint64
	BytesRequestedByPeers, BytesPushedToPeers                                   uint64
	FragmentsPushedFromPeers, FragmentsRequestedFromPeers                       uint64
	FragmentsReceivedFromIPMulticast                                            uint64
	Owners                                                                      int
}

type streamStatus struct {
	Name, State                     string
	ReceivedBytes, ReceivedMessages uint64
	DroppedMessages, Gaps           uint64
	Multicast                       multicastInfo
}

func (n *node) stream(t *testing.T) streamStatus {
	t.Helper()
	var page struct{ Items []streamStatus }
	if err := n.get("/api/v1/streams", &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%s: %d streams, %v", n.host.Name(), len(page.Items), err)
	}
	return page.Items[0]
}

// TestTwoLANs: two LANs with native multicast, joined by routers without it.
// One copy crosses the WAN, whoever loses something on the LAN gets it from the
// LAN, and when one LAN loses its multicast nobody stalls.
func TestTwoLANs(t *testing.T) {
	lab.Need(t)
	l := lab.New(t)
	here, there := l.AddLAN("here", lab.LANConfig{}), l.AddLAN("there", lab.LANConfig{})
	publisher := start(t, here.AddHost("pub", lab.HostConfig{}), "publish", "--source", "test:", "--loop", "--stream", "live/cam",
		"--rtmp-listen", "", "--group-ip-multicast", "239.255.7.8:30304")
	lossy := vnet.LinkParams{}
	var near, far []*node
	for i := range 9 {
		near = append(near, start(t, here.AddHost(fmt.Sprint("n", i), lab.HostConfig{}), "play", "--fusion-relay-to-lan", publisher.Link))
	}
	for i := range 10 {
		far = append(far, start(t, there.AddHost(fmt.Sprint("f", i), lab.HostConfig{Down: &lossy}), "play", "--fusion-relay-to-lan", publisher.Link))
	}
	all := append(append([]*node{}, near...), far...)
	wait(t, "all play", 20*time.Second, func() bool {
		for _, v := range all {
			if !v.plays() {
				return false
			}
		}
		return true
	})
	// All but the one that passes it on, in both LANs: together they could be
	// all of one LAN and most of the other.
	took := wait(t, "native multicast has proved itself", 30*time.Second, func() bool {
		return len(fedNatively(t, near)) == len(near) && len(fedNatively(t, far)) == len(far)-1
	})
	t.Logf("native multicast feeds all but the one that passes it on after %v", took.Round(100*time.Millisecond))

	copies := measureWAN(t, there, publisher, 8*time.Second)
	t.Logf("the WAN link carries %.2f copies of the stream", copies)
	if copies > 1.9 {
		t.Errorf("the WAN link carries %.2f copies of the stream, want about one", copies)
	}
	fed := fedNatively(t, far)
	if count := len(fed) + len(fedNatively(t, near)); count < len(all)-2 {
		t.Fatalf("%d of %d viewers get the stream natively, want all but the one that passes it on", count, len(all))
	}

	// Loss on the far LAN is made good there.
	viewer := fed[0]
	before, asked := viewer.stream(t), publisher.stream(t).Multicast.BytesRequestedByPeers
	lossy = vnet.LinkParams{Loss: 0.02}
	for _, v := range far {
		v.host.(*lab.Host).SetFaults(nil, &lossy)
	}
	time.Sleep(8 * time.Second)
	after := publisher.stream(t).Multicast.BytesRequestedByPeers
	received := viewer.stream(t).Multicast.BytesReceivedFromIPMulticast - before.Multicast.BytesReceivedFromIPMulticast
	t.Logf("with 2 %% loss on the LAN: publisher was asked for %d bytes while a viewer got %d natively", after-asked, received)
	if received == 0 || after-asked > received/100 {
		t.Errorf("with loss on the LAN the publisher was asked for %d bytes, while %s got %d natively", after-asked, viewer.host.Name(), received)
	}

	noStall(t, far, 10*time.Second, 2*time.Second, func() { there.SetMulticast(lab.NoMulticast) })
	for _, v := range all {
		if s := v.stream(t); s.Gaps != 0 || s.DroppedMessages != 0 {
			t.Errorf("%s has lost something: %d gaps, %d messages dropped", v.host.Name(), s.Gaps, s.DroppedMessages)
		}
	}
}

// fedNatively returns those of the viewers that get nearly everything by native
// multicast, measured over a second. That no neighbor pushes to one says less:
// so it is too while it pulls all from elsewhere, and before it has found
// anybody to push.
func fedNatively(t *testing.T, viewers []*node) (fed []*node) {
	t.Helper()
	before := make([]multicastInfo, len(viewers))
	for i, v := range viewers {
		before[i] = v.stream(t).Multicast
	}
	time.Sleep(time.Second)
	for i, v := range viewers {
		m := v.stream(t).Multicast
		came := m.BytesReceivedFromIPMulticast - before[i].BytesReceivedFromIPMulticast
		other := m.BytesPushedFromPeers + m.BytesRequestedFromPeers - before[i].BytesPushedFromPeers - before[i].BytesRequestedFromPeers
		if m.Owners == 0 && came > 9*other {
			fed = append(fed, v)
		}
	}
	return fed
}

// measureWAN returns how many times the stream crosses the WAN link into a LAN.
func measureWAN(t *testing.T, lan *lab.LAN, publisher *node, d time.Duration) float64 {
	t.Helper()
	in1, _ := lan.WANBytes()
	before := publisher.stream(t).ReceivedBytes
	time.Sleep(d)
	in2, _ := lan.WANBytes()
	return float64(in2-in1) / float64(publisher.stream(t).ReceivedBytes-before)
}

// noStall does something and then watches that no viewer stands still for longer
// than limit.
func noStall(t *testing.T, viewers []*node, d, limit time.Duration, what func()) {
	t.Helper()
	type progress struct {
		messages uint64
		at       time.Time
		longest  time.Duration
	}
	seen := make([]progress, len(viewers))
	for i := range seen {
		seen[i].at = time.Now()
	}
	what()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
		for i, v := range viewers {
			if m := v.stream(t).ReceivedMessages; m != seen[i].messages {
				seen[i].messages, seen[i].at = m, time.Now()
			}
			seen[i].longest = max(seen[i].longest, time.Since(seen[i].at))
		}
	}
	for i, v := range viewers {
		t.Logf("%s stood still for %v at most", v.host.Name(), seen[i].longest.Round(10*time.Millisecond))
		if seen[i].longest > limit {
			t.Errorf("%s stood still for %v", v.host.Name(), seen[i].longest)
		}
	}
}
