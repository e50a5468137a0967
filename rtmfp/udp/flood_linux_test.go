package udp_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// floodRate is how many bogus packets a second a node must bear.
const floodRate = 50_000

func modern(t testing.TB) rtmfp.Profile {
	t.Helper()
	s, err := profile.NewSecrets(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.NewNode(s, profile.NodeOptions{HardwareAES: profile.HardwareAES()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bogusPackets are what a stranger can send: hellos, keyings with cookies that
// are made up, packets to a live session, noise.
func bogusPackets(t testing.TB, epd []byte, live wire.SessionID) (all [][]byte) {
	startup := func(chunk []byte) {
		key := (&profile.Flash{}).Startup()
		b := make([]byte, 4+key.Head(), 1500)
		b = append(wire.AppendHeader(b, wire.Header{Mode: wire.ModeStartup}), chunk...)
		for len(b) < 320 {
			b = append(b, 0xff)
		}
		sealed := key.Seal(b[4:])
		binary.BigEndian.PutUint32(b, uint32(wire.Scramble(0, sealed)))
		all = append(all, b[:4+len(sealed)])
	}
	random := func(n int) []byte {
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for range 64 {
		startup(wire.AppendIHello(nil, wire.IHello{EPD: epd, Tag: random(16)}))
		startup(wire.AppendIIKeying(nil, wire.IIKeying{SessionID: 7, CookieEcho: random(64), Certificate: random(170), Component: random(37), Signature: random(20)}, nil))
		startup(wire.AppendRHello(nil, wire.RHello{TagEcho: random(16), Cookie: random(64), Certificate: random(170)}))
		forged := random(300)
		binary.BigEndian.PutUint32(forged, uint32(wire.Scramble(live, forged[4:])))
		all = append(all, forged, random(300))
	}
	return all
}

// BenchmarkFloodLive sends bogus packets to a node as fast as floodRate while
// messages that are not sent again go to it over a session, and reports what
// share of those is lost.
func BenchmarkFloodLive(b *testing.B) {
	from, to := newNode(b, modern(b)), newNode(b, modern(b))
	flow := from.connect(b, to)
	var live wire.SessionID
	_ = to.Do(func(reliability.Time) { live = to.SessionByEPD(from.Self().EPD).ReceiveID() })
	packets := bogusPackets(b, to.Self().EPD, live)
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to.LocalAddrs()[0]))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	attacker := ipv4.NewPacketConn(conn)
	batch := make([]ipv4.Message, 64)
	ctx, stop := context.WithCancel(context.Background())
	written := make(chan int64)
	go func() {
		count, message := int64(0), make([]byte, 1000)
		for ctx.Err() == nil {
			_ = from.Do(func(now reliability.Time) {
				if flow.Write(now, message, &rtmfp.Receipt{NoRetransmit: true}) == nil {
					count++
				}
			})
			time.Sleep(time.Millisecond)
		}
		written <- count
	}()
	b.ResetTimer()
	start := time.Now()
	for sent := 0; sent < b.N; {
		for i := range batch {
			batch[i].Buffers = [][]byte{packets[(sent+i)%len(packets)]}
		}
		n, err := attacker.WriteBatch(batch, 0)
		if err != nil {
			b.Fatal(err)
		}
		sent += n
		// Never faster than the rate, but catching up after a pause.
		if ahead := time.Duration(sent)*time.Second/floodRate - time.Since(start); ahead > 0 {
			time.Sleep(ahead)
		}
	}
	b.StopTimer()
	took := time.Since(start)
	stop()
	count := <-written
	time.Sleep(300 * time.Millisecond)
	lost := float64(count-to.got.Load()) / float64(count)
	b.ReportMetric(float64(b.N)/took.Seconds(), "bogus/s")
	b.ReportMetric(float64(count)/took.Seconds(), "messages/s")
	b.ReportMetric(100*lost, "%lost")
	if n := 0; b.N > floodRate {
		_ = to.Do(func(reliability.Time) { n = to.Sessions() })
		if n != 1 {
			b.Errorf("%d sessions after the flood, want the live one", n)
		}
	}
}
