package rtmfp_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// FuzzEndpoint feeds an endpoint that has sessions in all states with packets
// as they are after decryption, and makes its application do everything it
// can, as a script of bytes says. Whatever it is: nothing panics, what is
// counted agrees with what is there, no bound is passed, and in the end all
// comes to rest.
func FuzzEndpoint(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		b := make([]byte, 100+rng.IntN(900))
		for i := range b {
			b[i] = byte(rng.Uint32())
			if rng.IntN(3) > 0 {
				b[i] %= 16 // numbers that meet each other
			}
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		newScript(t, b).run()
	})
}

// script is a run of operations that bytes stand for.
type script struct {
	st    *stage
	b     []byte
	fars  []*far
	out   []*rtmfp.SendFlow
	in    []*rtmfp.RecvFlow
	moved int // packets from elsewhere
}

func newScript(t *testing.T, b []byte) *script {
	st := newStage(t, func(p *rtmfp.Params) {
		p.ReceiveBuffer, p.SessionBuffer, p.SendQueue = 16<<10, 32<<10, 64<<10
		p.AcceptForwarded = len(b)%2 == 0
	})
	s := &script{st: st, b: b}
	s.fars = []*far{st.accept(farAddr, "Pa"), st.open(otherAddr, "Pb")}
	return s
}

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

// number is small most of the time, and anything now and then.
func (s *script) number() uint64 {
	c := s.byte()
	switch {
	case c < 0xf0:
		return uint64(c % 24)
	case c < 0xfe:
		return uint64(s.byte())<<8 | uint64(s.byte())
	}
	return uint64(s.byte())<<56 | uint64(c)
}

func (s *script) bytes() []byte {
	n := min(int(s.byte())*4, len(s.b))
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

func (s *script) run() {
	for len(s.b) > 0 {
		f := s.fars[int(s.byte())%len(s.fars)]
		switch op := s.byte() % 16; op {
		case 0, 1, 2, 3, 4, 5, 6, 7, 8:
			s.packet(f)
		case 9:
			s.st.run(time.Duration(s.byte()) * 10 * time.Millisecond)
		case 10:
			s.st.run(time.Duration(s.byte()) * 500 * time.Millisecond)
		case 11, 12:
			s.write(f)
		case 13:
			s.application(f)
		default:
			s.startup(f)
		}
		s.collect()
		if err := s.st.CheckInvariants(); err != nil {
			s.st.t.Fatal(err)
		}
		if next := s.st.PollTimeout(); next < s.st.now {
			s.st.t.Fatalf("a deadline has passed %v ago", s.st.now.Sub(next))
		}
		if n := s.st.Footprint(); n > 1000 {
			s.st.t.Fatalf("%d things are kept", n)
		}
	}
	s.st.run(20 * time.Minute)
	if s.st.Footprint() != 0 {
		s.st.t.Fatalf("%d things are left, %d sessions", s.st.Footprint(), s.st.Sessions())
	}
}

// collect notes what has opened, and forgets what was sent.
func (s *script) collect() {
	for _, e := range s.st.events {
		if e.Kind == rtmfp.FlowOpened && len(s.in) < 32 {
			s.in = append(s.in, e.Recv)
		}
	}
	s.st.clear()
}

// packet hands the session a packet of a few chunks.
func (s *script) packet(f *far) {
	h := wire.Header{Mode: f.mode}
	flags := s.byte()
	if flags&0xe0 == 0xe0 {
		h.Mode = wire.Mode(flags & 3)
	}
	if h.Mode == 0 {
		h.Mode = wire.ModeStartup
	}
	h.TimeCritical, h.TimeCriticalReverse = flags&4 != 0, flags&8 != 0
	if flags&16 != 0 {
		h.HasTimestamp, h.Timestamp, h.HasEcho, h.Echo = true, uint16(s.number()), true, s.st.tick()-uint16(s.byte())
	}
	var chunks [][]byte
	for range 1 + s.byte()%4 {
		chunks = append(chunks, s.chunk())
	}
	addr := f.addr
	if s.byte() == 7 && s.moved < 5 {
		s.moved++
		f.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, s.byte()}), 9)
	}
	f.sendWith(h, chunks...)
	f.addr = addr
}

// chunk makes one of any type, in its own shape or in none.
func (s *script) chunk() []byte {
	switch s.byte() % 12 {
	case 0, 1, 2, 3:
		return s.userData()
	case 4, 5, 6:
		a := wire.Ack{FlowID: wire.FlowID(s.number()), Blocks: s.number(), Cumulative: wire.SequenceNumber(s.number())}
		var ranges []wire.Range
		at := a.Cumulative
		for range s.byte() % 4 {
			from := at + 2 + wire.SequenceNumber(s.byte()%8)
			at = from + wire.SequenceNumber(s.byte()%8)
			ranges = append(ranges, wire.Range{From: from, To: at})
		}
		if a.Cumulative > 1<<60 {
			ranges = nil
		}
		b, _ := wire.AppendAckRanges(nil, a, ranges, 1000)
		return b
	case 7:
		return wire.AppendFlowException(nil, wire.FlowException{FlowID: wire.FlowID(s.number()), Code: s.number()})
	case 8:
		return wire.AppendPacketFragment(nil, wire.PacketFragment{More: s.byte()&1 != 0, PacketID: s.number(), Number: s.number(), Data: append(s.bytes(), 'x')})
	case 9:
		return wire.AppendBufferProbe(nil, wire.FlowID(s.number()))
	case 10:
		kinds := []byte{wire.TypePing, wire.TypePingReply, wire.TypeFIHello, wire.TypeNextUserData, wire.TypeAckBitmap, wire.TypeCloseRequest}
		kind := kinds[int(s.byte())%len(kinds)]
		if kind == wire.TypeCloseRequest && s.byte() > 3 {
			kind = wire.TypePing // sessions should live for a while
		}
		return wire.AppendChunk(nil, kind, s.bytes())
	}
	return wire.AppendChunk(nil, s.byte(), s.bytes())
}

func (s *script) userData() []byte {
	flags := s.byte()
	u := wire.UserData{
		Fragmentation: wire.Fragmentation(flags & 3), Abandoned: flags&0x1c == 0x1c, Final: flags&0xe0 == 0xe0,
		FlowID: wire.FlowID(s.number()), SequenceNumber: wire.SequenceNumber(max(s.number(), 1)),
	}
	u.ForwardSequenceNumber = u.SequenceNumber - min(u.SequenceNumber, wire.SequenceNumber(1+s.byte()%16))
	if u.Abandoned && flags&1 != 0 {
		u.ForwardSequenceNumber = u.SequenceNumber
	}
	if s.byte()%4 < 3 {
		o := wire.FlowOptions{Metadata: s.bytes()}
		if s.byte()%8 == 0 {
			o.HasReturnFlow, o.ReturnFlow = true, wire.FlowID(s.number())
		}
		if len(o.Metadata) <= 512 {
			u.Options = wire.AppendFlowOptions(nil, o)
		}
	}
	u.Data = s.bytes()
	if s.byte()%4 == 0 {
		u.Data = make([]byte, 700+int(s.byte())*2)
	}
	return data(u)
}

// write opens a flow or writes to one.
func (s *script) write(f *far) {
	if len(s.out) == 0 || s.byte()%4 == 0 && len(s.out) < 16 {
		flow, err := f.session.OpenFlow(s.st.now, rtmfp.FlowConfig{Metadata: s.bytes()[:0], Priority: int(s.byte() % 3), TimeCritical: s.byte()&1 != 0})
		if err != nil {
			return
		}
		s.out = append(s.out, flow)
	}
	out := s.out[int(s.byte())%len(s.out)]
	r := &rtmfp.Receipt{NoRetransmit: s.byte()%4 == 0, Priority: int(s.byte() % 3)}
	switch s.byte() % 4 {
	case 0:
		r.StartBy = s.st.now.Add(time.Duration(s.byte()) * 10 * time.Millisecond)
	case 1:
		r.FinishBy = s.st.now.Add(time.Duration(s.byte()) * 10 * time.Millisecond)
	case 2:
		r = nil
	}
	size := int(s.byte()) * int(s.byte())
	s.st.do(func() { _ = out.Write(s.st.now, make([]byte, size), r) })
	if r != nil && s.byte()%8 == 0 {
		r.Abandon()
	}
}

// application does one of the other things that an application can.
func (s *script) application(f *far) {
	now := s.st.now
	pick := int(s.byte())
	s.st.do(func() {
		switch op := s.byte() % 16; {
		case op < 3 && len(s.in) > 0:
			s.in[pick%len(s.in)].SetSuspended(now, op != 0)
		case op < 5 && len(s.in) > 0:
			s.in[pick%len(s.in)].SetNetworkOrder(op == 3)
		case op == 5 && len(s.in) > 0:
			s.in[pick%len(s.in)].Reject(now, s.number())
		case op < 8 && len(s.out) > 0:
			s.out[pick%len(s.out)].Close(now)
		case op == 8:
			f.session.Ping(now)
		case op == 9:
			f.session.SetKeepalive(now, time.Duration(s.byte())*time.Second)
		case op == 10 && pick%4 == 0:
			f.session.Close(now)
		case op == 11 && pick%8 == 0:
			f.session.Abort(now)
		case op == 12:
			_, _ = s.st.OpenWith(now, rtmfp.OpenConfig{EPD: s.st.farEPD("Pc"), Candidates: []netip.AddrPort{otherAddr}, Timeout: 10 * time.Second, Hellos: 2})
		}
	})
}

// startup hands over a packet of the startup, or an IIKeying that is right.
func (s *script) startup(f *far) {
	st := s.st
	switch s.byte() % 6 {
	case 0:
		g := st.newFar(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, s.byte() % 8}), 7), "P"+string(rune('a'+s.byte()%4)))
		st.startup(g.addr, 0, wire.AppendIHello(nil, wire.IHello{EPD: st.Self().EPD, Tag: []byte("0123456789abcdef")}))
		if all := st.chunks(wire.TypeRHello); len(all) > 0 {
			if c, err := wire.ParseRHello(all[len(all)-1].Payload); err == nil {
				st.startup(g.addr, 0, g.keying(c.Cookie, s.byte()))
			}
		}
	case 1:
		c := wire.Redirect{TagEcho: s.bytes()}
		if all := st.chunks(wire.TypeIHello); len(all) > 0 {
			c.TagEcho = st.tag()
		}
		for range s.byte() % 8 {
			c.Destinations = append(c.Destinations, wire.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, s.byte()}), 1)})
		}
		st.startup(f.addr, 0, wire.AppendRedirect(nil, c))
	case 2:
		st.startup(f.addr, 0, wire.AppendChunk(nil, wire.TypePacketFragment, s.bytes()))
	default:
		kinds := []byte{wire.TypeIHello, wire.TypeRHello, wire.TypeRedirect, wire.TypeIIKeying, wire.TypeRIKeying, wire.TypeCookieChange}
		id := wire.SessionID(0)
		if s.byte()&1 != 0 {
			id = f.peer
		}
		st.startup(f.addr, id, wire.AppendChunk(nil, kinds[int(s.byte())%len(kinds)], s.bytes()))
	}
}

// FuzzDatagrams feeds an endpoint with anything at all from the network, under
// the default key or none.
func FuzzDatagrams(f *testing.F) {
	hello := wire.AppendIHello([]byte{byte(wire.ModeStartup)}, wire.IHello{EPD: anyServer, Tag: []byte("tag")})
	f.Add(hello, true)
	f.Add(datagram(0, hello), false)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if len(b) > 1<<12 {
			return
		}
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: vnet.NewPlainProfile("m", true), Entropy: entropy(1)})
		if err != nil {
			t.Fatal(err)
		}
		if sealed {
			b = datagram(0, b)
		}
		e.HandleDatagrams(1, []rtmfp.Datagram{{Data: b, From: farAddr}, {Data: binary.BigEndian.AppendUint32(nil, 7), From: otherAddr}})
		if e.Sessions() != 0 {
			t.Fatal("one datagram of a stranger makes a session")
		}
	})
}

// The same scripts at random, so that every run of the tests goes through some
// thousand of them.
func TestRandomScripts(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 9))
		b := make([]byte, 50+rng.IntN(600))
		for i := range b {
			b[i] = byte(rng.Uint32())
			if rng.IntN(3) > 0 {
				b[i] %= 16
			}
		}
		newScript(t, b).run()
	}
}
