package rtmfp_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
	"github.com/ringcast/ringcast/rtmfp/vnet"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// stage is an endpoint without a network: the test plays its far ends, packet
// by packet and in clear, and moves its clock.
type stage struct {
	*rtmfp.Endpoint
	t       testing.TB
	now     rtmfp.Instant
	profile *vnet.PlainProfile
	events  []rtmfp.Event
	sent    []packet
	works   []rtmfp.Work
	// hold keeps slow work back until release.
	hold bool
	// raw keeps every datagram as it was sent.
	raw  [][]byte
	buf  []byte
	fars int
}

// packet is a packet that the endpoint has sent.
type packet struct {
	at       rtmfp.Instant
	to, from netip.AddrPort
	id       wire.SessionID
	header   wire.Header
	chunks   []wire.Chunk
	size     int // of the plain packet
}

// has reports whether the packet holds a chunk of the type.
func (p *packet) has(kind byte) bool {
	return slices.ContainsFunc(p.chunks, func(c wire.Chunk) bool { return c.Type == kind })
}

func newStage(t testing.TB, change func(p *rtmfp.Params)) *stage {
	t.Helper()
	st := &stage{t: t, now: reliability.Start.Add(time.Hour), profile: vnet.NewPlainProfile("m", true), buf: make([]byte, 1<<16)}
	params := rtmfp.DefaultParams()
	if change != nil {
		change(&params)
	}
	var err error
	if st.Endpoint, err = rtmfp.NewEndpoint(rtmfp.Config{Params: params, Profile: st.profile, Entropy: entropy(7)}); err != nil {
		t.Fatal(err)
	}
	return st
}

// do makes one mutation and drains the endpoint.
func (st *stage) do(f func()) {
	st.t.Helper()
	f()
	for more := true; more; {
		more = false
		for {
			n, tr, ok := st.PollTransmit(st.now, st.buf)
			if !ok {
				break
			}
			more = true
			for run := st.buf[:n]; len(run) > 0; {
				size := min(tr.SegmentSize, len(run))
				st.take(run[:size], tr)
				run = run[size:]
			}
		}
		for {
			e, ok := st.PollEvent()
			if !ok {
				break
			}
			more = true
			st.events = append(st.events, e)
		}
		for {
			w, ok := st.PollWork()
			if !ok {
				break
			}
			more = true
			if st.works = append(st.works, w); !st.hold {
				st.works = st.works[:len(st.works)-1]
				st.HandleWork(st.now, rtmfp.WorkResult{ID: w.ID, Value: w.Compute()})
			}
		}
	}
}

// release lets the slow work be done that was held back.
func (st *stage) release() {
	works := st.works
	st.works, st.hold = nil, false
	for _, w := range works {
		st.do(func() { st.HandleWork(st.now, rtmfp.WorkResult{ID: w.ID, Value: w.Compute()}) })
	}
}

// take reads a datagram that the endpoint sends.
func (st *stage) take(d []byte, tr rtmfp.Transmit) {
	st.t.Helper()
	st.raw = append(st.raw, bytes.Clone(d))
	body := bytes.Clone(d[4:])
	if binary.BigEndian.Uint32(body) != crc32.ChecksumIEEE(body[4:]) {
		st.t.Fatalf("sent a packet with a wrong checksum: %x", d)
	}
	p := packet{at: st.now, to: tr.To, from: tr.From, id: wire.Scramble(wire.SessionID(binary.BigEndian.Uint32(d)), body), size: len(body) - 4}
	h, n, err := wire.ParseHeader(body[4:])
	if err != nil {
		st.t.Fatalf("sent a packet without a header: %x", body)
	}
	p.header = h
	for rest := body[4+n:]; ; {
		c, n, ok := wire.ParseChunk(rest)
		if !ok {
			break
		}
		p.chunks, rest = append(p.chunks, c), rest[n:]
	}
	st.sent = append(st.sent, p)
}

// run lets time pass.
func (st *stage) run(d time.Duration) {
	st.t.Helper()
	for end := st.now.Add(d); ; {
		next := st.PollTimeout()
		if next > end {
			st.now = end
			return
		}
		st.now = max(st.now, next)
		st.do(func() { st.HandleTimeout(st.now) })
	}
}

// datagram makes a datagram of a plain packet.
func datagram(id wire.SessionID, plain []byte) []byte {
	body := append(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(plain)), plain...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(wire.Scramble(id, body))), body...)
}

// inject hands the endpoint a plain packet.
func (st *stage) inject(from netip.AddrPort, id wire.SessionID, plain []byte) {
	st.t.Helper()
	st.do(func() {
		st.HandleDatagrams(st.now, []rtmfp.Datagram{{Data: datagram(id, plain), From: from, To: stageAddr}})
	})
}

// startup hands it chunks in a packet of the startup, padded as ours are so
// that answers are not limited.
func (st *stage) startup(from netip.AddrPort, id wire.SessionID, chunks ...[]byte) {
	st.t.Helper()
	plain := append([]byte{byte(wire.ModeStartup)}, slices.Concat(chunks...)...)
	for len(plain) < 320 {
		plain = append(plain, 0xff)
	}
	st.inject(from, id, plain)
}

// chunks returns those of a type that were sent since the last clear.
func (st *stage) chunks(kind byte) (all []wire.Chunk) {
	for _, p := range st.sent {
		for _, c := range p.chunks {
			if c.Type == kind {
				all = append(all, c)
			}
		}
	}
	return all
}

// clear forgets what was sent and what has happened.
func (st *stage) clear() { st.sent, st.events, st.raw = nil, nil, nil }

func (st *stage) count(kind rtmfp.EventKind) (n int) {
	for _, e := range st.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (st *stage) last(kind rtmfp.EventKind) (last rtmfp.Event) {
	for _, e := range st.events {
		if e.Kind == kind {
			last = e
		}
	}
	return last
}

var (
	stageAddr = netip.MustParseAddrPort("192.0.2.1:1935")
	farAddr   = netip.MustParseAddrPort("192.0.2.77:1077")
	otherAddr = netip.MustParseAddrPort("198.51.100.9:999")
)

// anyServer is a discriminator that selects all servers.
var anyServer = vlu.AppendOption(nil, 0x0a, []byte("rtmfp://x/y"))

// far is a far end that the test plays.
type far struct {
	st      *stage
	addr    netip.AddrPort
	cert    []byte
	id      wire.SessionID // what the endpoint sends to
	peer    wire.SessionID // what we send to
	mode    wire.Mode
	session *rtmfp.Session
}

func farComponent(n byte) []byte { return bytes.Repeat([]byte{n}, 16) }

// rhello returns the last RHello that was sent.
func (st *stage) rhello() wire.RHello {
	st.t.Helper()
	all := st.chunks(wire.TypeRHello)
	if len(all) == 0 {
		st.t.Fatal("no RHello was sent")
	}
	c, err := wire.ParseRHello(all[len(all)-1].Payload)
	if err != nil {
		st.t.Fatal(err)
	}
	return c
}

// keying returns an IIKeying chunk as a far end sends it.
func (f *far) keying(cookie []byte, component byte) []byte {
	return wire.AppendIIKeying(nil, wire.IIKeying{SessionID: f.id, CookieEcho: cookie, Certificate: f.cert, Component: farComponent(component)},
		func(b, _ []byte) []byte { return append(b, 'X') })
}

// newFar returns a far end without a session.
func (st *stage) newFar(addr netip.AddrPort, cert string) *far {
	st.fars++
	return &far{st: st, addr: addr, cert: []byte(cert), id: wire.SessionID(0x11223300 + st.fars), mode: wire.ModeInitiator}
}

// cookie asks the endpoint for a cookie.
func (f *far) cookie() []byte {
	f.st.t.Helper()
	f.st.startup(f.addr, 0, wire.AppendIHello(nil, wire.IHello{EPD: f.st.Self().EPD, Tag: []byte("0123456789abcdef")}))
	return bytes.Clone(f.st.rhello().Cookie)
}

// accept opens a session from a far end.
func (st *stage) accept(addr netip.AddrPort, cert string) *far {
	st.t.Helper()
	f := st.newFar(addr, cert)
	st.startup(addr, 0, f.keying(f.cookie(), 1))
	f.opened()
	st.clear()
	return f
}

// opened notes the session that the endpoint's RIKeying opens.
func (f *far) opened() {
	f.st.t.Helper()
	all := f.st.chunks(wire.TypeRIKeying)
	if len(all) == 0 {
		f.st.t.Fatalf("no RIKeying was sent: %+v", f.st.Stats())
	}
	c, err := wire.ParseRIKeying(all[len(all)-1].Payload)
	if err != nil {
		f.st.t.Fatal(err)
	}
	f.peer, f.session = c.SessionID, f.st.last(rtmfp.SessionOpened).Session
}

// open makes the endpoint open a session with a far end.
func (st *stage) open(addr netip.AddrPort, cert string) *far {
	st.t.Helper()
	f := st.newFar(addr, cert)
	f.mode = wire.ModeResponder
	id, err := st.profile.Identify(f.cert)
	if err != nil {
		st.t.Fatal(err)
	}
	st.do(func() { f.session, err = st.Open(st.now, id.EPD, []netip.AddrPort{addr}) })
	if err != nil {
		st.t.Fatal(err)
	}
	f.answerHello([]byte("cookie"))
	f.answerKeying(2)
	if f.session.State() != rtmfp.StateOpen {
		st.t.Fatalf("the session is %v", f.session.State())
	}
	st.clear()
	return f
}

// answerHello answers the endpoint's last IHello.
func (f *far) answerHello(cookie []byte) {
	f.st.t.Helper()
	f.st.startup(f.addr, 0, wire.AppendRHello(nil, wire.RHello{TagEcho: f.st.tag(), Cookie: cookie, Certificate: f.cert}))
}

// tag returns the tag of the last IHello.
func (st *stage) tag() []byte {
	st.t.Helper()
	all := st.chunks(wire.TypeIHello)
	if len(all) == 0 {
		st.t.Fatal("no IHello was sent")
	}
	c, err := wire.ParseIHello(all[len(all)-1].Payload)
	if err != nil {
		st.t.Fatal(err)
	}
	return bytes.Clone(c.Tag)
}

// iikeying returns the last IIKeying that was sent.
func (st *stage) iikeying() wire.IIKeying {
	st.t.Helper()
	all := st.chunks(wire.TypeIIKeying)
	if len(all) == 0 {
		st.t.Fatal("no IIKeying was sent")
	}
	c, err := wire.ParseIIKeying(all[len(all)-1].Payload)
	if err != nil {
		st.t.Fatal(err)
	}
	return c
}

// rikeying returns the chunk that answers the endpoint's IIKeying.
func (f *far) rikeying(component []byte) []byte {
	return wire.AppendRIKeying(nil, wire.RIKeying{SessionID: f.id, Component: component}, func(b, _ []byte) []byte { return append(b, 'X') })
}

func (f *far) answerKeying(component byte) {
	f.st.t.Helper()
	f.peer = f.st.iikeying().SessionID
	f.st.startup(f.addr, f.peer, f.rikeying(farComponent(component)))
}

// send sends chunks in one packet of the session.
func (f *far) send(chunks ...[]byte) {
	f.st.t.Helper()
	f.sendWith(wire.Header{Mode: f.mode}, chunks...)
}

func (f *far) sendWith(h wire.Header, chunks ...[]byte) {
	f.st.t.Helper()
	f.st.inject(f.addr, f.peer, append(wire.AppendHeader(nil, h), slices.Concat(chunks...)...))
}

// data returns a User Data chunk.
func data(u wire.UserData) []byte { return wire.AppendUserData(nil, &u) }

// first returns the options of a flow.
func first(metadata string) []byte {
	return wire.AppendFlowOptions(nil, wire.FlowOptions{Metadata: []byte(metadata)})
}

// ack returns an acknowledgement.
func ack(id wire.FlowID, blocks uint64, cumulative wire.SequenceNumber, ranges ...wire.Range) []byte {
	b, _ := wire.AppendAckRanges(nil, wire.Ack{FlowID: id, Blocks: blocks, Cumulative: cumulative}, ranges, 1000)
	return b
}

// userData returns the user data that was sent, in order, with the options of
// chunks that have any.
func (st *stage) userData() (all []wire.UserData) {
	st.t.Helper()
	for _, p := range st.sent {
		var last wire.UserData
		for _, c := range p.chunks {
			var u wire.UserData
			var err error
			switch c.Type {
			case wire.TypeUserData:
				u, err = wire.ParseUserData(c.Payload)
			case wire.TypeNextUserData:
				u, err = wire.ParseNextUserData(c.Payload, &last)
			default:
				continue
			}
			if err != nil {
				st.t.Fatalf("sent malformed user data: %x", c.Payload)
			}
			last = u
			all = append(all, u)
		}
	}
	return all
}

// acked is an acknowledgement that the endpoint has sent.
type acked struct {
	wire.Ack
	ranges []wire.Range
}

func (st *stage) acks() (all []acked) {
	st.t.Helper()
	for _, c := range st.chunks(wire.TypeAckRanges) {
		a, err := wire.ParseAck(c.Type, c.Payload)
		if err != nil {
			st.t.Fatal(err)
		}
		got := acked{Ack: a}
		var r wire.RangeReader
		for {
			next, ok := r.Next(&a)
			if !ok {
				break
			}
			got.ranges = append(got.ranges, next)
		}
		all = append(all, got)
	}
	return all
}

// lastAck returns the last acknowledgement.
func (st *stage) lastAck() acked {
	st.t.Helper()
	all := st.acks()
	if len(all) == 0 {
		st.t.Fatal("no acknowledgement was sent")
	}
	return all[len(all)-1]
}

// openFlow opens a flow to the far end.
func (f *far) openFlow(config rtmfp.FlowConfig) *rtmfp.SendFlow {
	f.st.t.Helper()
	if config.Metadata == nil {
		config.Metadata = []byte("m")
	}
	flow, err := f.session.OpenFlow(f.st.now, config)
	if err != nil {
		f.st.t.Fatal(err)
	}
	return flow
}

// write writes a message of size bytes, all of them its number.
func (st *stage) write(f *rtmfp.SendFlow, n byte, size int, r *rtmfp.Receipt) {
	st.t.Helper()
	st.do(func() {
		if err := f.Write(st.now, bytes.Repeat([]byte{n}, size), r); err != nil {
			st.t.Fatal(err)
		}
	})
}
