package rtmfp_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

var (
	campaignSeeds = flag.Int("seeds", 80, "how many seeds TestCampaign runs")
	campaignSeed  = flag.Int64("seed", -1, "the one seed that TestCampaign runs")
)

// TestCampaign runs whole lives of sessions over networks that lose up to a
// third of all packets, reorder, double and damage them, translate addresses
// in every way and move hosts about. Whatever happens: reliable messages come
// once, unaltered and in order; none is sent any more once it is given up;
// each receipt ends in one way; and nothing is left when all is closed.
//
// A failing seed prints the line that replays it. Seeds that have failed once
// are kept in testdata/seeds.txt.
func TestCampaign(t *testing.T) {
	if *campaignSeed >= 0 {
		runCampaign(t, uint64(*campaignSeed))
		return
	}
	seeds := *campaignSeeds
	if testing.Short() {
		seeds = min(seeds, 20)
	}
	for _, seed := range failedSeeds(t) {
		runCampaign(t, seed)
	}
	var sum tally
	for seed := range uint64(seeds) {
		sum.add(runCampaign(t, seed))
	}
	t.Logf("%d seeds: %+v", seeds, sum)
	if sum.abandoned == 0 || sum.moved == 0 || sum.retransmitted == 0 {
		t.Error("the runs do not show what they should")
	}
}

// tally is what happened in a run.
type tally struct {
	sessions, streams, messages, delivered, abandoned int
	moved, addressChanges, wide                       int
	sent, retransmitted, lost                         uint64
}

func (a *tally) add(b tally) {
	a.sessions += b.sessions
	a.streams += b.streams
	a.messages += b.messages
	a.delivered += b.delivered
	a.abandoned += b.abandoned
	a.moved += b.moved
	a.addressChanges += b.addressChanges
	a.wide += b.wide
	a.sent += b.sent
	a.retransmitted += b.retransmitted
	a.lost += b.lost
}

// count adds up a run.
func (w *world) count() tally {
	sum := w.tally
	sum.sessions, sum.streams, sum.lost = len(w.opened), len(w.streams), w.net.Stats().Dropped()
	for _, s := range w.streams {
		sum.messages += len(s.items)
		for _, x := range s.items {
			if x.got {
				sum.delivered++
			}
			if x.receipt.Abandoned() {
				sum.abandoned++
			}
		}
	}
	for _, n := range append([]*node{w.server}, w.nodes()...) {
		sum.sent += n.Stats().Sent
		sum.retransmitted += n.Stats().Retransmitted
		sum.addressChanges += n.count(rtmfp.AddressChanged)
	}
	return sum
}

// failedSeeds reads the seeds that have failed before.
func failedSeeds(t *testing.T) (seeds []uint64) {
	t.Helper()
	file, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("testdata/seeds.txt: %v", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// world is one run.
type world struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	net     *vnet.Net
	server  *node
	peers   []*peer
	streams []*stream
	closed  map[*rtmfp.Session]int
	opened  map[*rtmfp.Session]bool
	buffers map[*node]int    // what a session may hold, in bytes
	shorts  map[*node][]byte // discriminators of short identities
	loss    float64
	tally   tally
	pause   time.Duration // longest between writes
}

// peer is a node with what the run needs to move it.
type peer struct {
	*node
	lan    *vnet.LAN
	nat    vnet.NATParams
	buffer int // of a session, in bytes
}

// fail ends the run and says how to replay it.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d at %v: %s\nreplay: go test ./rtmfp -run TestCampaign -seed %d", w.seed,
		time.Duration(w.net.Now()).Round(time.Millisecond), fmt.Sprintf(format, args...), w.seed)
}

func runCampaign(t *testing.T, seed uint64) tally {
	t.Helper()
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 77)), net: vnet.New(seed),
		closed: make(map[*rtmfp.Session]int), opened: make(map[*rtmfp.Session]bool), buffers: make(map[*node]int),
		shorts: make(map[*node][]byte),
	}
	// A third each: clients that move, peers that are introduced, both.
	kind := seed % 3
	w.loss = w.rng.Float64() * 0.3
	server := w.add("192.0.2.9:1935", nil, true, w.link())
	w.server, w.buffers[server.node] = server.node, server.buffer
	w.server.on = func(now rtmfp.Instant, e rtmfp.Event) { w.serve(now, e) }
	n := 1 + w.rng.IntN(3)
	if kind > 0 {
		n = max(n, 2)
	}
	for i := range n {
		w.addPeer(i, kind > 0)
	}
	var sessions []*rtmfp.Session
	for _, p := range w.peers {
		s := w.open(p, serverURI, []netip.AddrPort{w.server.addr})
		s.SetAcceptForwarded(true)
		sessions = append(sessions, s)
		if kind != 1 {
			w.addStreams(p.node, s)
		}
	}
	if kind > 0 {
		s := w.open(w.peers[0], profile.PeerEPD(w.peers[1].Self().Fingerprint), []netip.AddrPort{w.server.addr})
		sessions = append(sessions, s)
		w.addStreams(w.peers[0].node, s)
	}
	w.pause = 300 * time.Millisecond
	if kind == 0 {
		w.pause = 2 * time.Second
		w.moveAbout()
	}
	w.write()
	w.finish(sessions)
	return w.count()
}

// share returns a link's loss so that two links lose the whole.
func (w *world) link() vnet.LinkParams {
	r := w.rng
	p := vnet.LinkParams{
		Delay: time.Duration(1+r.IntN(60)) * time.Millisecond, Jitter: time.Duration(r.IntN(15)) * time.Millisecond,
		Loss: w.loss / 2, Reorder: r.Float64() * 0.15, ReorderDelay: time.Duration(1+r.IntN(80)) * time.Millisecond,
		Duplicate: r.Float64() * 0.1, Corrupt: r.Float64() * 0.01,
	}
	if r.IntN(4) == 0 {
		p.Loss, p.Bursts = w.loss/4, vnet.BurstLoss(w.loss/4, 1+4*r.Float64())
	}
	if r.IntN(3) > 0 {
		// Above what all start with, around what they try.
		p.MTU = 1428 + r.IntN(73)
	}
	if r.IntN(4) == 0 {
		p.Rate = 3e5 + r.Float64()*5e6
	}
	return p
}

// add puts an endpoint onto the network, of any profile that the others know.
func (w *world) add(addr string, lan *vnet.LAN, server bool, link vnet.LinkParams) *peer {
	w.t.Helper()
	params := rtmfp.DefaultParams()
	params.DeadAfter = 4 * time.Minute // so that chance alone ends nobody
	params.ReceiveBuffer = 32 << 10 << w.rng.IntN(4)
	params.SessionBuffer = 2 * params.ReceiveBuffer
	params.DatagramSize = []int{576, 1200, 1400}[w.rng.IntN(3)]
	profile := w.profile(addr, server)
	n := &peer{lan: lan, buffer: params.SessionBuffer, node: addNodeTraced(w.t, w.net, lan, addr, profile, params, link, func(n *node) rtmfp.Tracer { return newWatcher(w, n) })}
	if p, ok := profile.(interface{ Short() rtmfp.Identity }); ok {
		w.shorts[n.node] = p.Short().EPD
	}
	return n
}

// profile returns what an endpoint speaks: nothing secret in every second run,
// else Flash, or both profiles at all nodes or at some.
func (w *world) profile(addr string, server bool) rtmfp.Profile {
	w.t.Helper()
	random := entropyOf(addr, w.seed)
	switch {
	case w.seed%2 == 0:
		return campaignPlain{vnet.NewPlainProfile(addr, server)}
	case w.seed%8 == 3, w.seed%8 == 7 && addr[len(addr)-6]%2 == 1:
		return newModernProfile(w.t, random, profile.NodeOptions{Server: server, HardwareAES: w.seed%16 < 8})
	}
	return newFlash(w.t, profile.FlashConfig{Server: server, Entropy: random})
}

// campaignPlain is the plain profile under the discriminators of the other.
type campaignPlain struct{ *vnet.PlainProfile }

// addPeer adds a host behind a NAT of its own. Peers that are to be introduced
// have NATs that can be opened from both sides, and none that forget soon.
func (w *world) addPeer(i int, introduced bool) {
	w.t.Helper()
	kinds := []vnet.NATParams{vnet.FullCone(), vnet.AddressRestricted(), vnet.PortRestricted(), vnet.Symmetric()}
	nat := kinds[w.rng.IntN(len(kinds))]
	if introduced && i < 2 {
		nat = kinds[w.rng.IntN(3)]
		nat.Timeout = 10 * time.Minute
	}
	var lan *vnet.LAN
	addr := fmt.Sprintf("192.0.2.%d:1000", 20+i)
	if w.rng.IntN(5) > 0 {
		lan = w.newLAN(nat, i)
		addr = fmt.Sprintf("10.0.0.%d:1000", 1+i)
	}
	p := w.add(addr, lan, false, w.link())
	p.nat = nat
	w.buffers[p.node] = p.buffer
	p.on = func(now rtmfp.Instant, e rtmfp.Event) { w.handle(p.node, now, e) }
	w.peers = append(w.peers, p)
}

func (w *world) newLAN(nat vnet.NATParams, i int) *vnet.LAN {
	w.t.Helper()
	lan, err := w.net.AddLAN(vnet.LANParams{NAT: &nat, Outside: netip.AddrFrom4([4]byte{198, 51, byte(100 + i), byte(1 + w.rng.IntN(250))})})
	if err != nil {
		w.t.Fatal(err)
	}
	return lan
}

// open opens a session, however often it takes.
func (w *world) open(p *peer, epd []byte, candidates []netip.AddrPort) (s *rtmfp.Session) {
	w.t.Helper()
	for range 6 {
		p.do(func(now rtmfp.Instant) {
			var err error
			if s, err = p.Open(now, epd, candidates); err != nil {
				w.t.Fatal(err)
			}
		})
		// A responder may wait until the initiator has shown that it has the
		// keys.
		done := func() bool {
			if s.State() != rtmfp.StateOpen {
				return s.State() == rtmfp.StateClosed
			}
			_, back := w.back(p.node, s)
			return back != nil
		}
		w.net.RunWhile(2*time.Minute, func() bool { return !done() })
		if s.State() == rtmfp.StateOpen && done() {
			return s
		}
	}
	w.fail("no session opens: %+v, server %+v", p.Stats(), w.server.Stats())
	return nil
}

// back returns the node at the far end of a session of n, and its side of the
// session; nil if there is none. Others know a node by its short identity.
func (w *world) back(n *node, s *rtmfp.Session) (far *node, back *rtmfp.Session) {
	w.t.Helper()
	for _, x := range append([]*node{w.server}, w.nodes()...) {
		if x.Self().Fingerprint == s.Far().Fingerprint || bytes.Equal(w.shorts[x], s.Far().EPD) {
			far = x
		}
	}
	if far == nil {
		w.fail("a session with nobody")
	}
	if back = far.SessionByEPD(n.Self().EPD); back == nil {
		back = far.SessionByEPD(w.shorts[n])
	}
	return far, back
}

// serve is what the server does beside what all do.
func (w *world) serve(now rtmfp.Instant, e rtmfp.Event) {
	if e.Kind == rtmfp.HelloForOther {
		if target := w.server.SessionByEPD(e.Hello.EPD); target != nil {
			w.server.Introduce(now, e.Hello, target, nil)
		}
	}
	w.handle(w.server, now, e)
}

// moveAbout moves peers to other networks, or restarts their routers, in the
// course of the run.
func (w *world) moveAbout() {
	at := w.net.Now()
	for range w.rng.IntN(4) {
		at = at.Add(time.Duration(1000+w.rng.IntN(15_000)) * time.Millisecond)
		i := w.rng.IntN(len(w.peers))
		w.net.At(at, func(rtmfp.Instant) {
			p := w.peers[i]
			w.tally.moved++
			if w.rng.IntN(2) == 0 {
				up, down := w.link(), w.link()
				if err := p.host.SetLinks(p.addr, up, down); err != nil {
					w.t.Fatal(err)
				}
			}
			if p.lan != nil && w.rng.IntN(2) == 0 {
				p.lan.ResetNAT()
				return
			}
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(w.rng.IntN(256)), byte(w.rng.IntN(256)), byte(1 + i)}), uint16(1000+w.rng.IntN(1000)))
			lan := w.newLAN(p.nat, 50+w.rng.IntN(100))
			if err := p.host.Rebind(p.addr, lan, to); err != nil {
				w.t.Fatal(err)
			}
			p.addr, p.lan = to, lan
		})
	}
}

// finish waits until all streams have ended, closes all and looks for what is
// left over.
func (w *world) finish(sessions []*rtmfp.Session) {
	w.t.Helper()
	done := func() bool {
		for _, s := range w.streams {
			if !s.completed || !s.ended {
				return false
			}
		}
		return true
	}
	if !w.net.RunWhile(30*time.Minute, func() bool { return !done() }) {
		for _, s := range w.streams {
			if !s.completed || !s.ended {
				w.fail("stream %d of kind %d is not done: completed %v, ended %v, %d bytes queued, session %v; loss %.2f", s.id, s.kind, s.completed, s.ended, s.flow.Queued(), s.flow.Session().State(), w.loss)
			}
		}
	}
	for _, s := range w.streams {
		s.settle()
		if s.flow.Session().DatagramSize() > 1400 {
			w.tally.wide++
		}
	}
	for i, s := range sessions {
		end := w.peers[min(i, len(w.peers)-1)]
		if i >= len(w.peers) {
			end = w.peers[0]
		}
		end.do(func(now rtmfp.Instant) {
			if w.rng.IntN(3) == 0 {
				s.Abort(now)
			} else {
				s.Close(now)
			}
		})
	}
	// What is aborted with a packet that gets lost dies of silence.
	w.net.Run(8 * time.Minute)
	for _, n := range append([]*node{w.server}, w.nodes()...) {
		if n.Footprint() != 0 {
			w.fail("%v keeps %d things of sessions that are over, %d sessions", n.addr, n.Footprint(), n.Sessions())
		}
	}
	for s := range w.opened {
		if w.closed[s] != 1 {
			w.fail("the end of a session was told %d times", w.closed[s])
		}
	}
}

func (w *world) nodes() (all []*node) {
	for _, p := range w.peers {
		all = append(all, p.node)
	}
	return all
}
