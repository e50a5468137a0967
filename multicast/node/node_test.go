package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/amf0"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// start runs a node on a free port of this machine until the test ends.
func start(t *testing.T, introducer bool) *node.Node {
	t.Helper()
	return startWith(t, introducer, func(*node.Config) {})
}

// startWith is start with another configuration.
func startWith(t *testing.T, introducer bool, change func(*node.Config)) *node.Node {
	t.Helper()
	secrets, err := profile.NewSecrets(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.NewNode(secrets, profile.NodeOptions{Server: introducer, HardwareAES: profile.HardwareAES()})
	if err != nil {
		t.Fatal(err)
	}
	c := node.DefaultConfig()
	c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	c.Introducer, c.Profile = introducer, p
	change(&c)
	n, err := node.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return n
}

// group starts members of a group that all know one introducer, the first of
// them.
func group(t *testing.T, settings groupspec.Settings, members int) []*node.Group {
	t.Helper()
	settings.Name, settings.ServerChannel = "test", true
	spec, err := groupspec.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	var list []*node.Group
	var at []node.Introducer
	for i := range members {
		n := start(t, i == 0)
		g, err := n.Join(t.Context(), spec, node.JoinOptions{Introducers: at})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			at = []node.Introducer{{Addr: n.LocalAddrs()[0].String()}}
		}
		list = append(list, g)
	}
	for i, g := range list {
		if err := g.WaitReady(limit(t)); err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
	return list
}

// limit is a context for what should take no time.
func limit(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(stop)
	return ctx
}

// listen returns a channel of the group's events with a code.
func listen(t *testing.T, g *node.Group, code string) <-chan node.Event {
	events := make(chan node.Event, 1024)
	t.Cleanup(g.Listen(func(e node.Event) {
		if e.Code == code {
			select {
			case events <- e:
			default:
			}
		}
	}))
	return events
}

func next(t *testing.T, events <-chan node.Event) node.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-limit(t).Done():
		t.Fatal("no event")
		return node.Event{}
	}
}

func TestPost(t *testing.T) {
	g := group(t, groupspec.Settings{Posting: true}, 3)
	a, b := listen(t, g[1], overlay.StatusPosting), listen(t, g[2], overlay.StatusPosting)
	value := amf0.Object(amf0.Property{Name: "text", Value: amf0.String("hello")}, amf0.Property{Name: "n", Value: amf0.Number(1)})
	id, err := g[0].Post(limit(t), value)
	if err != nil {
		t.Fatal(err)
	}
	for _, events := range []<-chan node.Event{a, b} {
		if e := next(t, events); e.PostID != id || e.Value.Text("text") != "hello" {
			t.Errorf("event %+v, want post %x", e, id)
		}
	}
	if g[1].SendToNearest(overlay.Address{}, value) != overlay.RouteError {
		t.Error("a group without routing routes")
	}
	if err := g[1].AddWant(0, 1); !errors.Is(err, overlay.ErrNotPermitted) {
		t.Errorf("a group without objects: %v", err)
	}
}

func TestPostNeedsANeighborAndThePassword(t *testing.T) {
	var settings groupspec.Settings
	settings.Posting = true
	settings.SetPostPassword("secret", "salt")
	settings.PostPassword = ""
	g := group(t, settings, 2)
	if _, err := g[0].Post(limit(t), amf0.String("x")); !errors.Is(err, overlay.ErrNotPermitted) {
		t.Errorf("without the password: %v", err)
	}
	alone, err := start(t, false).Join(t.Context(), g[0].Spec(), node.JoinOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := alone.Post(ctx, amf0.String("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a neighbor: %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := alone.Post(t.Context(), amf0.String("x")); !errors.Is(err, node.ErrLeft) {
			t.Errorf("while leaving: %v", err)
		}
	})
	time.Sleep(10 * time.Millisecond) // either way the answer must be ErrLeft
	if err := alone.Leave(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestRoute(t *testing.T) {
	g := group(t, groupspec.Settings{Routing: true}, 4)
	// One hop, by address and by direction.
	there := listen(t, g[2], overlay.StatusSendTo)
	to := g[2].Ring().Address
	if r := g[0].SendToNearest(to, amf0.String("to you")); r != overlay.RouteSent {
		t.Errorf("result %v", r)
	}
	if e := next(t, there); e.Value.String != "to you" || e.From != g[0].Ring().Address || e.FromLocal {
		t.Errorf("event %+v", e)
	}
	self := listen(t, g[0], overlay.StatusSendTo)
	if g[0].SendToNearest(g[0].Ring().Address, amf0.String("to me")); !next(t, self).FromLocal {
		t.Error("a message to this node does not say so")
	}
	if r := g[0].SendToNeighbor(overlay.NextDecreasing, amf0.String("down")); r.String() != "sent" {
		t.Errorf("result %v", r)
	}
	if r := g[0].SendToAllNeighbors(amf0.Number(4)); r != overlay.RouteSent {
		t.Errorf("result %v", r)
	}
	for e := next(t, there); e.Value.Number != 4; e = next(t, there) {
	}
	// All the way, and back.
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := g[2].Answers(ctx, func(q node.Value, _ overlay.PeerID) (node.Value, bool) {
			return amf0.String("re: " + q.String), q.String != "silence"
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Answers ends with %v", err)
		}
	})
	answer, err := g[0].Ask(limit(t), to, amf0.String("how are you?"))
	if err != nil || answer.Value.String != "re: how are you?" || answer.From.Address() != to {
		t.Errorf("answer %+v, %v", answer, err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := g[0].Ask(brief, to, amf0.String("silence")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	stop()
	wg.Wait()
}

func TestObjects(t *testing.T) {
	g := group(t, groupspec.Settings{ObjectReplication: true}, 4)
	object := func(i uint64) []byte { return bytes.Repeat([]byte{byte(i)}, 40_000) }
	ctx, stop := context.WithCancel(t.Context())
	var serving, receiving sync.WaitGroup
	serve := func(g *node.Group, f func(uint64) ([]byte, bool)) {
		serving.Go(func() {
			if err := g.Serve(ctx, f); !errors.Is(err, context.Canceled) {
				t.Errorf("Serve ends with %v", err)
			}
		})
	}
	// Two stores, one of even indexes.
	serve(g[0], func(i uint64) ([]byte, bool) { return object(i), i%2 == 0 })
	serve(g[0], func(i uint64) ([]byte, bool) { return object(i), true })
	if err := g[0].AddOriginal(0, 199); err != nil {
		t.Fatal(err)
	}
	for i, m := range g[1:] {
		var mu sync.Mutex
		got := map[uint64][]byte{}
		serve(m, func(i uint64) ([]byte, bool) {
			mu.Lock()
			defer mu.Unlock()
			o, ok := got[i]
			return o, ok
		})
		receiving.Go(func() {
			refused := 0
			// One that was refused is asked for again after some pauses.
			within, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := m.Receive(within, []overlay.ObjectRange{{First: 0, Last: 99}, {First: 150, Last: 199}}, func(index uint64, o []byte) error {
				if index == 7 && refused == 0 {
					refused++
					return fmt.Errorf("looks odd: %w", node.ErrWrongObject)
				}
				mu.Lock()
				defer mu.Unlock()
				if got[index] != nil || !bytes.Equal(o, object(index)) {
					t.Errorf("object %d came twice or wrong", index)
				}
				got[index] = o
				return nil
			})
			if err != nil || len(got) != 150 {
				t.Errorf("member %d has %d objects, %v", i+1, len(got), err)
			}
		})
	}
	if o, err := g[3].Fetch(limit(t), 120); err != nil || !bytes.Equal(o, object(120)) {
		t.Errorf("object 120 is %d bytes, %v", len(o), err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := g[3].Fetch(brief, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an object that nobody has: %v", err)
	}
	broken := errors.New("disk full")
	if err := g[1].Receive(limit(t), []overlay.ObjectRange{{First: 140, Last: 149}}, func(uint64, []byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("Receive ends with %v", err)
	}
	receiving.Wait()
	stop()
	serving.Wait()
	t.Logf("the seed gave %d objects", g[0].Replication().Given)
}

func ExampleGroup_Post() {
	var g *node.Group // of Node.Join
	if g == nil {
		return
	}
	stop := g.Listen(func(e node.Event) {
		if e.Code == overlay.StatusPosting {
			fmt.Println(e.Value.String)
		}
	})
	defer stop()
	_, _ = g.Post(context.Background(), amf0.String("hello, everybody"))
}

// An introducer that is named twice, by two groups or one, is connected to once.
func TestIntroducerIsConnectedToOnce(t *testing.T) {
	meeting, n := start(t, true), start(t, false)
	at := node.Introducer{Addr: meeting.LocalAddrs()[0].String()}
	var groups []*node.Group
	for _, name := range []string{"one", "two"} {
		spec, err := groupspec.New(groupspec.Settings{Name: name, ServerChannel: true})
		if err != nil {
			t.Fatal(err)
		}
		g, err := n.Join(t.Context(), spec, node.JoinOptions{Introducers: []node.Introducer{at, at}})
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	if err := n.WaitIntroducer(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := groups[0].Leave(); err != nil {
		t.Fatal(err)
	}
	if list := n.Introducers(); len(list) != 1 || !list[0].Up || n.Stats().Sessions != 1 {
		t.Errorf("introducers %+v, %d sessions; want one that is up", list, n.Stats().Sessions)
	}
	if err := groups[1].Leave(); err != nil {
		t.Fatal(err)
	}
	if list := n.Introducers(); len(list) != 0 {
		t.Errorf("introducers %+v are left", list)
	}
}

// flowNames notes the metadata-like strings of what a node sends.
type flowNames struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

// TracePacket implements rtmfp.Tracer.
func (f *flowNames) TracePacket(_ rtmfp.Instant, p rtmfp.TracedPacket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.Sent {
		f.sent.Write(p.Plain)
	}
}

// TraceState implements rtmfp.Tracer.
func (*flowNames) TraceState(rtmfp.Instant, *rtmfp.Session, rtmfp.SessionState, rtmfp.SessionState) {}

// An introducer of another make is asked nothing that it does not know: one of
// them takes an unknown flow for an offence and closes the session.
func TestForeignIntroducerIsAskedNothingOfOurs(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		meeting := start(t, true)
		if foreign {
			p, err := profile.NewFlash(profile.FlashConfig{Server: true, ChecksumOnly: true, Entropy: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			meeting = startWith(t, true, func(c *node.Config) { c.Profile = p })
		}
		secrets, err := profile.NewSecrets(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p, err := profile.NewNode(secrets, profile.NodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		trace := &flowNames{}
		n := startWith(t, false, func(c *node.Config) { c.Profile, c.Tracer = p, trace })
		spec, err := groupspec.New(groupspec.Settings{Name: "test", ServerChannel: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Join(t.Context(), spec, node.JoinOptions{Introducers: []node.Introducer{{Addr: meeting.LocalAddrs()[0].String()}}}); err != nil {
			t.Fatal(err)
		}
		if err := n.WaitIntroducer(limit(t)); err != nil {
			t.Fatal(err)
		}
		n.Stats() // what was begun is on its way
		trace.mu.Lock()
		asked := bytes.Contains(trace.sent.Bytes(), []byte("ringcast:"))
		trace.mu.Unlock()
		if asked == foreign {
			t.Errorf("introducer of another make: %v; asked where the node is seen from: %v", foreign, asked)
		}
	}
}
