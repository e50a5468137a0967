package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/multicast/swarm"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/packager"
)

// benchOptions say what is measured.
type benchOptions struct {
	nodes                int
	rate                 float64 // bit/s
	duration, settle     time.Duration
	delay, jitter        time.Duration
	loss                 float64
	window               time.Duration
	prediction, jsonLine bool
}

// multicastResult is what came of it.
type multicastResult struct {
	Nodes           int     `json:"nodes"`
	Seconds         float64 `json:"seconds"`
	Sent            int     `json:"messages"`
	Delivery        float64 `json:"delivery"`
	DelayP50        float64 `json:"delay_p50_s"`
	DelayP99        float64 `json:"delay_p99_s"`
	Egress          float64 `json:"egress_mean"`
	Cores           float64 `json:"cores"`
	BytesPerNode    float64 `json:"bytes_per_node"`
	DatagramsPerSec float64 `json:"datagrams_per_s"`
	JoinP50         float64 `json:"join_p50_s"`
}

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this machine", Long: "Measurements that load this machine and say what it can do.", Example: "  ringcast bench multicast --nodes 30"}
	cmd.AddCommand(newBenchMulticastCommand())
	return cmd
}

func newBenchMulticastCommand() *cobra.Command {
	o := benchOptions{}
	var rate string
	cmd := &cobra.Command{
		Use:   "multicast",
		Short: "Measure a group of real nodes on this machine",
		Long: "Run a publisher, an introducer and many viewers' nodes in this process, each with a\n" +
			"socket of its own on loopback, over a network that is made worse in user space, and\n" +
			"print what arrives, how late, and what it costs. The simulator runs the same group\n" +
			"for comparison.",
		Example: "  ringcast bench multicast\n  ringcast bench multicast --nodes 30 --rate 2M --loss 0.02",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.rate, err = swarm.ParseRate(rate); err != nil {
				return usageError(fmt.Errorf("--rate: %w", err))
			}
			if o.nodes < 1 || o.nodes > 1000 || o.loss < 0 || o.loss >= 1 || o.jitter > o.delay {
				return usageError(fmt.Errorf("want --nodes 1 to 1000, --loss 0 to below 1, --jitter up to --delay"))
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.nodes, "nodes", 100, "how many viewers' nodes")
	f.StringVar(&rate, "rate", "1M", "rate of the stream in bit/s")
	f.DurationVar(&o.duration, "duration", 20*time.Second, "how long to measure")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long the group runs before")
	f.DurationVar(&o.delay, "delay", 40*time.Millisecond, "delay of every way")
	f.DurationVar(&o.jitter, "jitter", 10*time.Millisecond, "largest deviation from it")
	f.Float64Var(&o.loss, "loss", 0.01, "share of datagrams that is lost")
	f.DurationVar(&o.window, "window", 4*time.Second, "window of the stream")
	f.BoolVar(&o.prediction, "predict", true, "run the simulator for comparison")
	f.BoolVar(&o.jsonLine, "json", false, "print the result as JSON")
	return cmd
}

// benchViewer notes what came to a viewer.
type benchViewer struct {
	mu     sync.Mutex
	got    int
	delays []time.Duration
	start  time.Time
	first  time.Duration
}

// bench is a running measurement.
type bench struct {
	o       *benchOptions
	epoch   time.Time
	mu      sync.Mutex
	from    uint32 // timestamps that are counted
	to      uint32
	nodes   []*peernode.Node
	viewers []*benchViewer
}

func (o *benchOptions) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := &bench{o: o, epoch: time.Now()}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	source, group, err := b.open(ctx, &running)
	if err != nil {
		return err
	}
	p, err := group.Publish("bench", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %.3g Mbit/s, %v ± %v and %.3g %% loss on every way; measuring %v after %v\n",
		countOf(o.nodes, "node"), o.rate/1e6, o.delay, o.jitter, 100*o.loss, o.duration, o.settle)
	result, err := b.measure(ctx, source, p)
	if err != nil {
		return err
	}
	if o.jsonLine {
		return json.NewEncoder(out).Encode(result)
	}
	var predicted swarm.Metrics
	if o.prediction {
		if predicted, err = o.predict(); err != nil {
			return err
		}
	}
	result.print(out, predicted)
	return nil
}

// open makes the nodes.
func (b *bench) open(ctx context.Context, running *sync.WaitGroup) (*peernode.Node, *peernode.Group, error) {
	spec, err := benchSpec()
	if err != nil {
		return nil, nil, err
	}
	params := multicast.DefaultParams()
	params.WindowDuration, params.RelayMarginDuration = b.o.window, min(params.RelayMarginDuration, b.o.window)
	join := peernode.JoinOptions{Params: &params}
	listen := func(introducer bool) (*peernode.Node, error) {
		profile, err := viewerProfile(introducer)
		if err != nil {
			return nil, err
		}
		c := peernode.DefaultConfig()
		c.Profile, c.Introducer, c.Listen = profile, introducer, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		c.UploadLimit = int64(10 * b.o.rate / 8)
		c.Faults = &peernode.Faults{Delay: b.o.delay, Jitter: b.o.jitter, Loss: b.o.loss}
		n, err := peernode.Listen(c)
		if err == nil {
			b.nodes = append(b.nodes, n)
			running.Go(func() { _ = n.Run(ctx) })
		}
		return n, err
	}
	source, err := listen(true)
	if err != nil {
		return nil, nil, err
	}
	group, err := source.Join(ctx, spec, join)
	if err != nil {
		return nil, nil, err
	}
	own := [32]byte(source.PeerID())
	join.Introducers = []peernode.Introducer{{Addr: source.LocalAddrs()[0].String(), Fingerprint: &own}}
	for range b.o.nodes {
		n, err := listen(false)
		if err != nil {
			return nil, nil, err
		}
		v := &benchViewer{start: time.Now()}
		b.viewers = append(b.viewers, v)
		g, err := n.Join(ctx, spec, join)
		if err != nil {
			return nil, nil, err
		}
		if _, err := g.Play("bench", peernode.Handler{Message: func(m packager.Message) { b.take(v, m) }}); err != nil {
			return nil, nil, err
		}
	}
	return source, group, nil
}

func benchSpec() (*groupspec.Spec, error) {
	s := groupspec.Settings{Name: "bench", Multicast: true, ServerChannel: true}
	if err := s.MakeUnique(rand.Reader); err != nil {
		return nil, err
	}
	return groupspec.New(s)
}

// take notes a message at a viewer. Its timestamp says when it was written.
func (b *bench) take(v *benchViewer, m packager.Message) {
	at := time.Since(b.epoch)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.first == 0 {
		v.first = time.Since(v.start)
	}
	b.mu.Lock()
	from, to := b.from, b.to
	b.mu.Unlock()
	if from != 0 && m.Timestamp >= from && (to == 0 || m.Timestamp < to) {
		v.got++
		v.delays = append(v.delays, at-time.Duration(m.Timestamp)*time.Millisecond)
	}
}

// measure writes the stream and counts what came of it.
func (b *bench) measure(ctx context.Context, source *peernode.Node, p *peernode.Publication) (*multicastResult, error) {
	media := benchMedia{rate: b.o.rate}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	sent, bytes := 0, 0
	var cpu time.Duration
	var egress, datagrams uint64
	var began time.Time
	end := b.o.settle + b.o.duration
	for time.Since(b.epoch) < end+b.o.window {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		now := time.Since(b.epoch)
		for {
			m, ok := media.next(now)
			if !ok || now >= end {
				break
			}
			if began.IsZero() && now >= b.o.settle {
				b.mu.Lock()
				b.from = m.Timestamp
				b.mu.Unlock()
				began, cpu = time.Now(), processCPU()
				egress, datagrams = source.SocketStats().WriteBytes, b.datagrams()
			}
			if !began.IsZero() {
				sent++
				bytes += m.Len()
			}
			if err := p.Write(m); err != nil {
				return nil, err
			}
		}
		if b.to == 0 && now >= end {
			b.mu.Lock()
			b.to = uint32(end.Milliseconds()) + 1
			b.mu.Unlock()
			cpu = processCPU() - cpu
			egress, datagrams = source.SocketStats().WriteBytes-egress, b.datagrams()-datagrams
		}
	}
	return b.result(sent, bytes, cpu, egress, datagrams), nil
}

// datagrams is how many datagrams all nodes have sent.
func (b *bench) datagrams() (n uint64) {
	for _, node := range b.nodes {
		n += node.SocketStats().WriteDatagrams
	}
	return n
}

func (b *bench) result(sent, bytes int, cpu time.Duration, egress, datagrams uint64) *multicastResult {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r := &multicastResult{
		Nodes: b.o.nodes, Seconds: b.o.duration.Seconds(), Sent: sent, Egress: float64(egress) / float64(max(bytes, 1)),
		Cores: cpu.Seconds() / b.o.duration.Seconds(), BytesPerNode: float64(memory.Sys-memory.HeapReleased) / float64(len(b.nodes)),
		DatagramsPerSec: float64(datagrams) / b.o.duration.Seconds(),
	}
	var delays, joins []time.Duration
	got := 0
	for _, v := range b.viewers {
		v.mu.Lock()
		got += v.got
		delays = append(delays, v.delays...)
		joins = append(joins, v.first)
		v.mu.Unlock()
	}
	r.Delivery = float64(got) / float64(max(sent*len(b.viewers), 1))
	r.DelayP50, r.DelayP99, r.JoinP50 = quantile(delays, 0.5), quantile(delays, 0.99), quantile(joins, 0.5)
	return r
}

// quantile returns a quantile in seconds.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)].Seconds()
}

// predict runs the same group in the simulator.
func (o *benchOptions) predict() (swarm.Metrics, error) {
	sc, err := swarm.Named("steady", o.nodes)
	if err != nil {
		return nil, err
	}
	sc.Ramp, sc.Settle, sc.Duration = time.Second, o.settle, o.duration
	sc.Rate, sc.Window, sc.Margin = o.rate, o.window, min(2*time.Second, o.window)
	sc.Rho, sc.Upload, sc.SourceUpload = 0, []swarm.UploadClass{{Share: 1, Upload: 10}}, 10
	sc.SquareDelay, sc.AccessDelay, sc.AccessJitter = 0, o.delay/2, o.jitter/4
	sc.Loss, sc.LossBurst, sc.Unreachable, sc.Churn.On = o.loss, 1, 0, false
	report, err := swarm.Run(sc, swarm.Options{})
	if err != nil {
		return nil, err
	}
	return report.Metrics, nil
}

// print writes the table, with the targets and the simulator's prediction
// beside the figures.
func (r *multicastResult) print(w io.Writer, predicted swarm.Metrics) {
	row := func(name, unit string, value float64, target, key string) {
		text := "-"
		if v, ok := predicted[key]; ok {
			text = fmt.Sprintf("%.4g", v)
		}
		fmt.Fprintf(w, "%-26s %12.5g %-6s %-10s %s\n", name, value, unit, target, text)
	}
	fmt.Fprintf(w, "%-26s %12s %-6s %-10s %s\n", "", "measured", "", "target", "simulated")
	row("delivered", "", r.Delivery, "≥ 0.9999", "delivery")
	row("delay p50", "s", r.DelayP50, "", "delay_p50_s")
	row("delay p99", "s", r.DelayP99, "≤ 0.5", "delay_p99_s")
	row("publisher sends", "× rate", r.Egress, "≤ 1.1", "egress_mean")
	row("start to first message p50", "s", r.JoinP50, "", "join_p50_s")
	row("processors", "cores", r.Cores, "≤ 1.7", "")
	row("processors a node", "% core", 100*r.Cores/float64(r.Nodes+1), "≤ 1.7", "")
	row("memory a node", "MB", r.BytesPerNode/1e6, "≤ 15", "")
	row("datagrams, all nodes", "1/s", r.DatagramsPerSec, "", "")
}

// benchMedia makes a stream of the shape that the targets speak of: 25 pictures
// a second with a key frame each 2 s, and 64 kbit/s of sound.
type benchMedia struct {
	rate          float64
	frame, sample int
}

const (
	benchFrame     = 40 * time.Millisecond
	benchSound     = 23 * time.Millisecond
	benchGOP       = 50
	benchSoundSize = 184
	// benchKey is how much larger a key frame is than the others.
	benchKey = 6
)

// next returns the next message that is due.
func (b *benchMedia) next(now time.Duration) (packager.Message, bool) {
	picture, sound := time.Duration(b.frame)*benchFrame, time.Duration(b.sample)*benchSound
	if min(picture, sound) > now {
		return packager.Message{}, false
	}
	if sound < picture {
		b.sample++
		body := make([]byte, benchSoundSize)
		body[0], body[1] = 0xaf, 1
		return packager.NewMessage(packager.MessageAudio, uint32(now.Milliseconds()), body), true
	}
	soundRate := benchSoundSize * 8 / benchSound.Seconds()
	mean := (b.rate - soundRate) / 8 * benchFrame.Seconds()
	size := mean * benchGOP / (benchGOP - 1 + benchKey)
	head := byte(0x27)
	if b.frame%benchGOP == 0 {
		size *= benchKey
		head = 0x17
	}
	b.frame++
	body := make([]byte, max(int(size), 16))
	body[0], body[1] = head, 1
	return packager.NewMessage(packager.MessageVideo, uint32(now.Milliseconds()), body), true
}
