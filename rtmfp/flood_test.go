package rtmfp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// bogus are packets that a stranger can make without knowing anything secret.
// to is the endpoint's discriminator, session the ID of a live session of it.
func bogus(kind string, i int, to []byte, session wire.SessionID) []byte {
	startup := func(chunk []byte) []byte {
		key := (&profile.Flash{}).Startup()
		b := make([]byte, 4+key.Head(), 1500)
		b = wire.AppendHeader(b, wire.Header{Mode: wire.ModeStartup, HasTimestamp: true})
		b = append(b, chunk...)
		for len(b) < 320 {
			b = append(b, 0xff)
		}
		sealed := key.Seal(b[4:])
		binary.BigEndian.PutUint32(b, uint32(wire.Scramble(0, sealed)))
		return b[:4+len(sealed)]
	}
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	tag := random(16)
	switch kind {
	case "hello":
		return startup(wire.AppendIHello(nil, wire.IHello{EPD: to, Tag: tag}))
	case "hello-short":
		return hello(to, uint64(i))
	case "hello-other":
		return startup(wire.AppendIHello(nil, wire.IHello{EPD: profile.PeerEPD([32]byte(random(32))), Tag: tag}))
	case "answer":
		return startup(wire.AppendRHello(nil, wire.RHello{TagEcho: tag, Cookie: random(64), Certificate: random(170)}))
	case "keying":
		return startup(wire.AppendIIKeying(nil, wire.IIKeying{
			SessionID: 7, CookieEcho: append([]byte{0, 0, 0, 0, 0xd6, 0x93, 0xa4, 0}, random(56)...), Certificate: random(170), Component: random(37), Signature: random(20),
		}, nil))
	case "forged":
		b := random(1200)
		binary.BigEndian.PutUint32(b, uint32(wire.Scramble(session, b[4:])))
		return b
	}
	return random(300)
}

var bogusKinds = []string{"hello", "hello-short", "hello-other", "answer", "keying", "forged", "noise"}

// BenchmarkFlood is what packets of strangers cost an endpoint, whose answers
// are built but not sent. 50,000 of them a second and less than a core want
// less than 20,000 ns for each.
func BenchmarkFlood(b *testing.B) {
	for _, kind := range bogusKinds {
		b.Run(kind, func(b *testing.B) { flood(b, kind, b.N) })
	}
}

// flood hands n bogus packets to an endpoint with a live session.
func flood(t testing.TB, kind string, n int) *end {
	w := newWire(t, profiles[1].make) // modern
	e := w.ends[1]
	const pool = 1024
	packets := make([][]byte, pool)
	for i := range packets {
		packets[i] = bogus(kind, i, e.Self().EPD, e.session.ReceiveID())
	}
	buf := make([]byte, 2048)
	batch := make([]rtmfp.Datagram, 1)
	if b, ok := t.(*testing.B); ok {
		b.ReportAllocs()
		b.ResetTimer()
	}
	for i := range n {
		p := buf[:copy(buf, packets[i%pool])]
		// A new address each time, as forged ones are.
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
		batch[0] = rtmfp.Datagram{Data: p, From: from, To: e.addr}
		w.now += 10_000
		e.HandleDatagrams(w.now, batch)
		for {
			if _, _, ok := e.PollTransmit(w.now, w.buf); !ok {
				break
			}
		}
		for {
			if _, ok := e.PollWork(); !ok {
				break
			}
		}
		e.events(w.now)
	}
	return e
}

// No packet of a stranger leaves anything behind but in counters.
func TestFloodLeavesNothing(t *testing.T) {
	for _, kind := range bogusKinds {
		e := flood(t, kind, 20_000)
		if e.Sessions() != 1 || e.session.State() != rtmfp.StateOpen || e.Stats().SessionsOpened != 1 {
			t.Errorf("%s: %d sessions, the live one is %v", kind, e.Sessions(), e.session.State())
		}
		if got := fmt.Sprintf("%+v", e.Stats()); testing.Verbose() {
			t.Log(kind, got)
		}
	}
}
