package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/rtmfp"
)

func newRTMFPBenchCommand(o *rtmfpOptions) *cobra.Command {
	var b rtmfpBench
	var size int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "bench [rtmfp://host/app | peer-id@host:port]",
		Example: "  ringcast rtmfp bench\n  ringcast rtmfp bench rtmfp://192.0.2.7/live",
		Short:   "Measure the throughput to a running `ringcast rtmfp serve`",
		Long: "Measure the throughput to a running `ringcast rtmfp serve`. Without a target, one is\n" +
			"started on this machine for each kind of cryptography in turn, and a table compares them.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if size < 1 || size > 1<<20 {
				return usageError(fmt.Errorf("--size %d: want 1 to 1048576", size))
			}
			if len(args) == 0 {
				return compareRTMFP(cmd, o, size, b.duration)
			}
			t, err := parseRTMFPTarget(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			b.payload = make([]byte, size)
			r, err := b.run(cmd, o, t)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			r.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().IntVar(&size, "size", 16384, "bytes in a message")
	cmd.Flags().DurationVar(&b.duration, "time", 5*time.Second, "how long to send")
	cmd.Flags().DurationVar(&b.wait, "timeout", 10*time.Second, "how long to wait for the session")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the figures as one JSON object")
	return cmd
}

// benchResult is what a run has shown, between two ends that both count.
type benchResult struct {
	Crypto   string  `json:"crypto"`
	Seconds  float64 `json:"seconds"`
	Bytes    uint64  `json:"bytes"`   // of messages that were acknowledged
	Size     int     `json:"size"`    // of one
	Packets  uint64  `json:"packets"` // datagrams sent
	Calls    uint64  `json:"calls"`   // system calls for them
	Answers  uint64  `json:"answers"` // datagrams received
	Again    uint64  `json:"again"`   // fragments sent again
	RTT      float64 `json:"rttSeconds"`
	Window   int     `json:"windowBytes"`
	Sender   endCost `json:"sender"`
	Receiver endCost `json:"receiver"`
	// Both tells that the receiver has said what it used.
	Both bool `json:"both"`
}

// endCost is what one end has used.
type endCost struct {
	CPU         float64 `json:"cpuSeconds"`
	Allocations uint64  `json:"allocations"`
}

func (u usage) cost() endCost { return endCost{u.cpu.Seconds(), u.mallocs} }

// perGB returns CPU seconds for 10^9 bytes.
func (r *benchResult) perGB(c endCost) float64 { return c.CPU / float64(max(r.Bytes, 1)) * 1e9 }

// perPacket returns allocations for each packet of data.
func (r *benchResult) perPacket(c endCost) float64 {
	return float64(c.Allocations) / float64(max(r.Packets, 1))
}

func (r *benchResult) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n%.1f MB/s, %.0f messages/s\n", r.Crypto, float64(r.Bytes)/r.Seconds/1e6, float64(r.Bytes)/float64(r.Size)/r.Seconds)
	fmt.Fprintf(out, "sender   %.2f CPU-s/GB, %.3f allocations a packet\n", r.perGB(r.Sender), r.perPacket(r.Sender))
	if r.Both {
		fmt.Fprintf(out, "receiver %.2f CPU-s/GB, %.3f allocations a packet\n", r.perGB(r.Receiver), r.perPacket(r.Receiver))
	}
	fmt.Fprintf(out, "%.0f packets/s out in %.0f calls/s, %.0f/s in\nrtt %.1f ms, window %d bytes, %d fragments sent again\n",
		float64(r.Packets)/r.Seconds, float64(r.Calls)/r.Seconds, float64(r.Answers)/r.Seconds, r.RTT*1e3, r.Window, r.Again)
}

// rtmfpBench keeps a flow full.
type rtmfpBench struct {
	duration, wait time.Duration
	payload        []byte // shared by all messages
	flow           *rtmfp.SendFlow
	written        uint64
	asked          *rtmfp.SendFlow
	answers        chan usage
}

const (
	// benchQueue is how much is kept waiting in the flow: enough that it
	// never runs dry between two acknowledgements.
	benchQueue = 4 << 20
	// benchWarmup is sent before anything is counted: what allocates once has
	// allocated, and the window has grown.
	benchWarmup = 500 * time.Millisecond
)

func (b *rtmfpBench) handle(_ rtmfp.Instant, e rtmfp.Event) {
	if e.Kind == rtmfp.MessageReceived && string(e.Recv.Metadata()) == flowUsage {
		if u, ok := parseUsage(e.Data); ok {
			select {
			case b.answers <- u:
			default:
			}
		}
	}
}

func (b *rtmfpBench) fill(now rtmfp.Instant) bool {
	if b.flow == nil || b.flow.Queued() > benchQueue/2 {
		return false
	}
	any := false
	for b.flow.Queued() < benchQueue && b.flow.Write(now, b.payload, nil) == nil {
		b.written += uint64(len(b.payload))
		any = true
	}
	return any
}

// reading is what is counted at the beginning and at the end.
type reading struct {
	at       time.Time
	near     usage
	far      usage
	both     bool
	bytes    uint64
	endpoint rtmfp.Stats
	packets  uint64
	calls    uint64
	answers  uint64
}

// read counts. The far end is asked first, so that its answer is as old as what
// is read here.
func (b *rtmfpBench) read(n *rtmfpNode, s *rtmfp.Session) (r reading, err error) {
	if err := n.driver.Do(func(now rtmfp.Instant) { _ = b.asked.Write(now, nil, nil) }); err != nil {
		return r, err
	}
	select {
	case r.far = <-b.answers:
		r.both = true
	case <-time.After(2 * time.Second): // another make, or an older one
	}
	err = n.driver.Do(func(rtmfp.Instant) {
		if s.State() != rtmfp.StateOpen {
			return
		}
		r.at, r.near, r.endpoint = time.Now(), readUsage(), n.Stats()
		r.bytes = b.written - uint64(b.flow.Queued())
		io := n.driver.Stats()
		r.packets, r.calls, r.answers = io.WriteDatagrams, io.WriteCalls, io.ReadDatagrams
	})
	if err == nil && r.at.IsZero() {
		err = &statusError{exitAddress, errors.New("the session ended")}
	}
	return r, err
}

func (b *rtmfpBench) run(cmd *cobra.Command, o *rtmfpOptions, t rtmfpTarget) (*benchResult, error) {
	b.answers = make(chan usage, 1)
	n, err := o.start(cmd.Context(), false, b.handle)
	if err != nil {
		return nil, err
	}
	defer n.stop()
	s, err := n.open(cmd.Context(), t, b.wait)
	if err != nil {
		return nil, err
	}
	if stopped := n.driver.Do(func(now rtmfp.Instant) {
		if b.flow, err = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(flowSink)}); err != nil {
			return
		}
		b.asked, err = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(flowUsage), Priority: 1})
		n.after = b.fill
		b.fill(now)
	}); stopped != nil || err != nil {
		return nil, fmt.Errorf("open flow: %w", errors.Join(stopped, err))
	}
	pause := func(d time.Duration) {
		select {
		case <-cmd.Context().Done():
		case <-time.After(d):
		}
	}
	pause(min(benchWarmup, b.duration/4))
	first, err := b.read(n, s)
	if err != nil {
		return nil, err
	}
	pause(b.duration)
	last, err := b.read(n, s)
	if err != nil {
		return nil, err
	}
	r := &benchResult{
		Seconds: last.at.Sub(first.at).Seconds(), Bytes: last.bytes - first.bytes, Size: len(b.payload),
		Packets: last.packets - first.packets, Calls: last.calls - first.calls, Answers: last.answers - first.answers,
		Again:  last.endpoint.Retransmitted - first.endpoint.Retransmitted,
		Sender: last.near.since(first.near).cost(), Receiver: last.far.since(first.far).cost(), Both: first.both && last.both,
	}
	return r, n.driver.Do(func(now rtmfp.Instant) {
		n.after = nil
		rtt, _ := s.RTT()
		r.RTT = rtt.Seconds()
		r.Window, _ = s.Window()
		r.Crypto = s.Describe()
		s.Abort(now)
	})
}
