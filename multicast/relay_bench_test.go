package multicast_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// timedCore is a core whose time is taken, and nothing else's.
type timedCore struct {
	vnet.Core
	spent   time.Duration
	in, out int // datagrams
}

func (c *timedCore) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	defer c.stop(time.Now())
	c.in += len(batch)
	c.Core.HandleDatagrams(now, batch)
}

func (c *timedCore) HandleTimeout(now reliability.Time) {
	defer c.stop(time.Now())
	c.Core.HandleTimeout(now)
}

func (c *timedCore) PollTransmit(now reliability.Time, buf []byte) (n int, t rtmfp.Transmit, ok bool) {
	defer c.stop(time.Now())
	n, t, ok = c.Core.PollTransmit(now, buf)
	for size := n; ok && size > 0; size -= t.SegmentSize {
		c.out++
	}
	return n, t, ok
}

func (c *timedCore) stop(began time.Time) { c.spent += time.Since(began) }

// BenchmarkRelayedFragment is a whole relay without its socket: a fragment
// comes in a packet, is decrypted, goes into the window, is queued for three
// children and leaves in three encrypted packets. Only the relay's core is
// timed; acknowledgements, states and ring of five nodes are in it. See where
// it goes with
//
//	go test ./multicast -run '^$' -bench RelayedFragment -cpuprofile cpu.out
func BenchmarkRelayedFragment(b *testing.B) {
	for _, kind := range []struct {
		name string
		aes  bool
	}{{"AES-GCM", true}, {"ChaCha20", false}} {
		b.Run(kind.name, func(b *testing.B) { benchmarkRelay(b, kind.aes) })
	}
}

func benchmarkRelay(b *testing.B, aes bool) {
	tn := newTestNet(b, 1)
	spec := testSpec(b)
	own := func(entropy io.Reader) (rtmfp.Profile, error) {
		secrets, err := profile.NewSecrets(entropy)
		if err != nil {
			return nil, err
		}
		return profile.NewNode(secrets, profile.NodeOptions{HardwareAES: aes})
	}
	join := func(i int, upload int64) *testNode {
		n := tn.addKind(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 0, byte(i)}), 1935), nil, own)
		params := multicast.DefaultParams()
		params.UploadLimit = upload
		tn.joinWith(n, multicast.JoinConfig{Spec: spec, Ring: overlay.DefaultRingParams(), Params: params, Extensions: true})
		return n
	}
	publisher, relay := join(1, 100<<20), join(2, 100<<20)
	core := &timedCore{Core: relay.Node}
	relay.driver = vnet.Drive(relay.host, core)
	relay.driver.React = relay.react
	for i := range 3 {
		viewer := join(3+i, multicast.UploadNone)
		viewer.driver.Do(func(now reliability.Time) {
			viewer.group.Engine().Play(now, "live", multicast.PlayOptions{OmitBody: true})
		})
	}
	relay.driver.Do(func(now reliability.Time) {
		relay.group.Engine().Play(now, "live", multicast.PlayOptions{OmitBody: true})
	})
	key, err := publisher.group.Engine().Publish(tn.net.Now(), "live", multicast.PublishOptions{})
	if err != nil {
		b.Fatal(err)
	}
	body, at := make([]byte, 920), uint32(0)
	write := func() { // 4 Mbit/s
		publisher.driver.Do(func(now reliability.Time) {
			if err := publisher.group.Engine().Write(now, key, packager.NewMessage(packager.MessageAudio, at/500, body)); err != nil {
				b.Fatal(err)
			}
		})
		at += 920
		tn.net.Run(1840 * time.Microsecond)
	}
	for range 10_000 {
		write()
	}
	before := relay.group.Engine().Stats("live")
	core.spent, core.in, core.out = 0, 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		write()
	}
	b.StopTimer()
	after := relay.group.Engine().Stats("live")
	in, out := after.FragmentsPushedFromPeers-before.FragmentsPushedFromPeers, after.FragmentsPushedToPeers-before.FragmentsPushedToPeers
	if in == 0 || out == 0 {
		b.Fatalf("the relay got %d fragments and pushed %d", in, out)
	}
	b.ReportMetric(float64(core.spent.Nanoseconds())/1000/float64(in), "relay-µs/fragment")
	b.ReportMetric(float64(out)/float64(in), "pushes/fragment")
	b.ReportMetric(float64(core.in)/float64(in), "datagrams-in/fragment")
	b.ReportMetric(float64(core.out)/float64(in), "datagrams-out/fragment")
}
