package udp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
)

// testCore sends what is queued, and answers datagrams that begin with "echo".
type testCore struct {
	out      []run
	got      []rtmfp.Datagram
	batches  int
	deadline reliability.Time
	timeouts int
	works    []rtmfp.Work
	results  []any
	now      reliability.Time
}

func newTestCore() *testCore { return &testCore{deadline: reliability.Never} }

func (c *testCore) HandleDatagrams(now reliability.Time, batch []rtmfp.Datagram) {
	c.batches++
	c.now = now
	for _, d := range batch {
		d.Data = bytes.Clone(d.Data)
		c.got = append(c.got, d)
		if bytes.HasPrefix(d.Data, []byte("echo")) {
			c.out = append(c.out, run{d.Data[4:], rtmfp.Transmit{To: d.From, From: d.To, SegmentSize: len(d.Data)}})
		}
	}
}

func (c *testCore) HandleTimeout(now reliability.Time) {
	if now < c.deadline {
		panic("called before the deadline")
	}
	c.timeouts++
	c.deadline = reliability.Never
}

func (c *testCore) HandleWork(_ reliability.Time, r rtmfp.WorkResult) {
	c.results = append(c.results, r.Value)
}

func (c *testCore) PollTransmit(_ reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	if len(c.out) == 0 {
		return 0, rtmfp.Transmit{}, false
	}
	r := c.out[0]
	c.out = c.out[1:]
	return copy(buf, r.data), r.t, true
}

func (c *testCore) PollWork() (rtmfp.Work, bool) {
	if len(c.works) == 0 {
		return rtmfp.Work{}, false
	}
	w := c.works[0]
	c.works = c.works[1:]
	return w, true
}

func (c *testCore) PollTimeout() reliability.Time { return c.deadline }

// start runs a driver with a core until the test ends.
func start(t testing.TB, plain bool, listen ...string) (*Driver, *testCore) {
	t.Helper()
	config := DefaultConfig()
	config.Plain = plain
	config.Listen = nil
	for _, addr := range listen {
		config.Listen = append(config.Listen, netip.MustParseAddrPort(addr))
	}
	d, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	core := newTestCore()
	d.Attach(core, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the driver ended with %v", err)
		}
	})
	return d, core
}

// until waits until cond, called with the core at rest, holds.
func until(t testing.TB, d *Driver, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		ok := false
		if err := d.Do(func(reliability.Time) { ok = cond() }); err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s; %+v", what, d.Stats())
		}
	}
}

func each(t *testing.T, f func(t *testing.T, plain bool)) {
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "best", true: "plain"}[plain], func(t *testing.T) { f(t, plain) })
	}
}

// Datagrams go there and back over either family, with the right addresses.
func TestThereAndBack(t *testing.T) {
	each(t, func(t *testing.T, plain bool) {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"} {
			a, coreA := start(t, plain, addr)
			b, coreB := start(t, plain, addr)
			host := netip.MustParseAddr("127.0.0.1")
			if strings.HasPrefix(addr, "[") {
				host = netip.IPv6Loopback()
			}
			to := netip.AddrPortFrom(host, b.LocalAddrs()[0].Port())
			from := netip.AddrPortFrom(host, a.LocalAddrs()[0].Port())
			if err := a.Do(func(reliability.Time) {
				coreA.out = append(coreA.out, run{[]byte("echo hello"), rtmfp.Transmit{To: to, SegmentSize: 10}})
			}); err != nil {
				t.Fatal(err)
			}
			until(t, b, "the datagram", func() bool { return len(coreB.got) == 1 })
			until(t, a, "the answer", func() bool { return len(coreA.got) == 1 })
			if d := coreA.got[0]; string(d.Data) != " hello" || d.From != to {
				t.Errorf("%s: got %q from %v, want it from %v", addr, d.Data, d.From, to)
			}
			if d := coreB.got[0]; d.From != from || d.To.IsValid() && d.To != to {
				t.Errorf("%s: seen from %v at %v, want %v at %v", addr, d.From, d.To, from, to)
			}
			if runtime.GOOS == "linux" && !plain && coreB.got[0].To != to {
				t.Errorf("%s: the local address is not known: %v", addr, coreB.got[0].To)
			}
		}
	})
}

// A run arrives as the datagrams that it holds, in order.
func TestRunsAreSplit(t *testing.T) {
	each(t, func(t *testing.T, plain bool) {
		a, coreA := start(t, plain, "127.0.0.1:0")
		b, coreB := start(t, plain, "127.0.0.1:0")
		var want []string
		if err := a.Do(func(reliability.Time) {
			for r := range 6 {
				var data []byte
				for i := range 16 {
					piece := bytes.Repeat([]byte{byte('a' + r), byte('0' + i)}, 500)
					if i == 15 {
						piece = piece[:333]
					}
					want = append(want, string(piece))
					data = append(data, piece...)
				}
				coreA.out = append(coreA.out, run{data, rtmfp.Transmit{To: b.LocalAddrs()[0], SegmentSize: 1000}})
			}
		}); err != nil {
			t.Fatal(err)
		}
		until(t, b, "96 datagrams", func() bool { return len(coreB.got) >= 96 })
		for i, d := range coreB.got {
			if string(d.Data) != want[i] {
				t.Fatalf("datagram %d has %d bytes and begins %q, want %d and %q", i, len(d.Data), d.Data[:2], len(want[i]), want[i][:2])
			}
		}
		s := a.Stats()
		if s.WriteDatagrams != 96 || s.WriteBytes != 6*15333 {
			t.Errorf("counted %d datagrams and %d bytes", s.WriteDatagrams, s.WriteBytes)
		}
		if plain && s.WriteCalls != 96 {
			t.Errorf("%d calls in plain mode, want 96", s.WriteCalls)
		}
		if runtime.GOOS == "linux" && !plain && s.WriteCalls > 16 {
			t.Errorf("%d calls for 6 runs: they are not batched", s.WriteCalls)
		}
	})
}

func TestTimerFiresAndIsMoved(t *testing.T) {
	d, core := start(t, false, "127.0.0.1:0")
	set := func(after time.Duration) {
		if err := d.Do(func(now reliability.Time) { core.deadline = now.Add(after) }); err != nil {
			t.Fatal(err)
		}
	}
	set(time.Hour)
	set(20 * time.Millisecond) // earlier: must not wait for the hour
	until(t, d, "the first deadline", func() bool { return core.timeouts == 1 })
	set(30 * time.Millisecond)
	set(60 * time.Millisecond) // later: testCore panics if it is called early
	until(t, d, "the second deadline", func() bool { return core.timeouts == 2 })
}

func TestWorkIsDoneElsewhere(t *testing.T) {
	d, core := start(t, false, "127.0.0.1:0")
	release := make(chan struct{})
	if err := d.Do(func(reliability.Time) {
		for i := range 1000 { // more than fit into the queue
			core.works = append(core.works, rtmfp.Work{ID: uint64(i), Compute: func() any { <-release; return i }})
		}
	}); err != nil {
		t.Fatal(err)
	}
	until(t, d, "the core to stay free", func() bool { return len(core.results) == 0 })
	close(release)
	until(t, d, "all results", func() bool { return len(core.results) == 1000 })
	if d.Stats().Works != 1000 {
		t.Errorf("%d works counted", d.Stats().Works)
	}
}

func TestReactIsCalledUntilItRests(t *testing.T) {
	config := DefaultConfig()
	config.Listen = config.Listen[:1]
	d, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Do(func(reliability.Time) {}); !errors.Is(err, ErrStopped) {
		t.Errorf("Do without a core returned %v", err)
	}
	calls := 0
	d.Attach(newTestCore(), func(reliability.Time) bool { calls++; return calls < 3 })
	if err := d.Do(func(reliability.Time) {}); err != nil || calls != 3 {
		t.Errorf("%d calls, error %v; want 3 calls", calls, err)
	}
}

// After Run has ended nothing of the driver is left, and Do says so.
func TestShutdownLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		d, err := Listen(DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		d.Attach(newTestCore(), nil)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, cancel)
		if err := d.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.Do(func(reliability.Time) { t.Error("called") }); !errors.Is(err, ErrStopped) {
			t.Errorf("Do after the end returned %v", err)
		}
		if err := d.Run(context.Background()); !errors.Is(err, ErrStopped) {
			t.Errorf("a second Run returned %v", err)
		}
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// Destinations that cannot be reached cost an error count, nothing more.
func TestUnreachableDestinations(t *testing.T) {
	each(t, func(t *testing.T, plain bool) {
		a, coreA := start(t, plain, "127.0.0.1:0")
		b, coreB := start(t, plain, "127.0.0.1:0")
		bad := []string{"127.0.0.1:1", "240.0.0.1:9", "[::1]:9"}
		if err := a.Do(func(reliability.Time) {
			for _, to := range bad {
				coreA.out = append(coreA.out, run{[]byte("lost"), rtmfp.Transmit{To: netip.MustParseAddrPort(to), SegmentSize: 4}})
				coreA.out = append(coreA.out, run{make([]byte, 4000), rtmfp.Transmit{To: netip.MustParseAddrPort(to), SegmentSize: 1000}})
			}
			coreA.out = append(coreA.out, run{[]byte("fine"), rtmfp.Transmit{To: b.LocalAddrs()[0], SegmentSize: 4}})
		}); err != nil {
			t.Fatal(err)
		}
		until(t, b, "the good datagram", func() bool { return len(coreB.got) == 1 })
		s := a.Stats()
		if s.Unroutable != 2 {
			t.Errorf("%d runs without a socket, want the two over IPv6", s.Unroutable)
		}
		if s.WriteErrors == 0 {
			t.Errorf("no write error counted: %+v", s)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"Listen":        func(c *Config) { c.Listen = nil },
		"listen":        func(c *Config) { c.Listen = []netip.AddrPort{{}} },
		"ReceiveBuffer": func(c *Config) { c.ReceiveBuffer = 1 },
		"SendBuffer":    func(c *Config) { c.SendBuffer = 1 << 31 },
		"Workers":       func(c *Config) { c.Workers = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if _, err := Listen(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	taken, _ := start(t, false, "127.0.0.1:0")
	c := DefaultConfig()
	c.Listen = taken.LocalAddrs()
	if _, err := Listen(c); err == nil || !strings.Contains(err.Error(), "listen on") {
		t.Errorf("a taken port: got error %v", err)
	}
}

// pump is a core that keeps a window of datagrams in flight to another one.
type pump struct {
	testCore
	to         netip.AddrPort
	segments   int
	window     int
	sent, seen int
	goal       int
	acks       bool
	ackTo      netip.AddrPort
	owed       int
	done       chan struct{}
}

const pumpSize = 1200

func (p *pump) HandleDatagrams(_ reliability.Time, batch []rtmfp.Datagram) {
	for _, d := range batch {
		if p.acks {
			p.owed++
			p.ackTo = d.From
		} else {
			p.seen += int(d.Data[0]) | int(d.Data[1])<<8
		}
	}
	if !p.acks && p.seen >= p.goal {
		select {
		case <-p.done:
		default:
			close(p.done)
		}
	}
}

func (p *pump) PollTransmit(_ reliability.Time, buf []byte) (int, rtmfp.Transmit, bool) {
	if p.acks {
		if p.owed == 0 {
			return 0, rtmfp.Transmit{}, false
		}
		buf[0], buf[1] = byte(p.owed), byte(p.owed>>8)
		p.owed = 0
		return 64, rtmfp.Transmit{To: p.ackTo, SegmentSize: 64}, true
	}
	room := min(p.window-(p.sent-p.seen), p.goal-p.sent, p.segments)
	if room <= 0 || room < p.segments && p.sent-p.seen > p.window/2 {
		return 0, rtmfp.Transmit{}, false
	}
	p.sent += room
	return room * pumpSize, rtmfp.Transmit{To: p.to, SegmentSize: pumpSize}, true
}

// BenchmarkPump moves datagrams of 1,200 bytes over loopback between two
// drivers of one process. CPU time is what counts on a shared machine.
func BenchmarkPump(b *testing.B) {
	for _, c := range []struct {
		plain    bool
		segments int
	}{{true, 1}, {false, 1}, {false, 6}, {false, 16}} {
		b.Run(fmt.Sprintf("plain=%v/run=%d", c.plain, c.segments), func(b *testing.B) {
			from, _ := start(b, c.plain, "127.0.0.1:0")
			to, _ := start(b, c.plain, "127.0.0.1:0")
			to.Attach(&pump{testCore: *newTestCore(), acks: true}, nil)
			p := &pump{
				testCore: *newTestCore(), to: to.LocalAddrs()[0], segments: c.segments, window: 400, goal: b.N,
				done: make(chan struct{}),
			}
			b.SetBytes(pumpSize)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			from.Attach(p, nil)
			_ = from.Do(func(reliability.Time) {})
			for waiting := true; waiting; {
				select {
				case <-p.done:
					waiting = false
				case <-time.After(500 * time.Millisecond):
					// Loopback may drop: let the window go on.
					_ = from.Do(func(reliability.Time) {
						if p.sent > p.seen {
							p.seen = p.sent
						}
						if p.seen >= p.goal {
							waiting = false
						}
					})
				}
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()/float64(b.N)/pumpSize*1e9, "cpu-s/GB")
		})
	}
}
