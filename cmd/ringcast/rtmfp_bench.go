package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/rtmfp"
)

func newRTMFPBenchCommand(o *rtmfpOptions) *cobra.Command {
	var size int
	var duration, wait time.Duration
	cmd := &cobra.Command{
		Use:   "bench rtmfp://host/app | peer-id@host:port",
		Short: "Measure the throughput to a running `ringcast rtmfp serve`",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if size < 1 || size > 1<<20 {
				return usageError(fmt.Errorf("--size %d: want 1 to 1048576", size))
			}
			t, err := parseRTMFPTarget(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			b := &rtmfpBench{payload: make([]byte, size)}
			n, err := o.start(cmd.Context(), false, b.handle)
			if err != nil {
				return err
			}
			defer n.stop()
			s, err := n.open(cmd.Context(), t, wait)
			if err != nil {
				return err
			}
			return b.run(cmd, n, s, duration)
		},
	}
	cmd.Flags().IntVar(&size, "size", 16384, "bytes in a message")
	cmd.Flags().DurationVar(&duration, "time", 5*time.Second, "how long to send")
	cmd.Flags().DurationVar(&wait, "timeout", 10*time.Second, "how long to wait for the session")
	return cmd
}

// rtmfpBench keeps a flow full.
type rtmfpBench struct {
	payload []byte // shared by all messages
	flow    *rtmfp.SendFlow
	written uint64
}

// benchQueue is how much is kept waiting in the flow: enough that it never
// runs dry between two acknowledgements.
const benchQueue = 4 << 20

func (b *rtmfpBench) handle(rtmfp.Instant, rtmfp.Event) {}

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

func (b *rtmfpBench) run(cmd *cobra.Command, n *rtmfpNode, s *rtmfp.Session, duration time.Duration) error {
	var err error
	cpu, start := processCPU(), time.Now()
	if stopped := n.driver.Do(func(now rtmfp.Instant) {
		b.flow, err = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(flowSink)})
		n.after = b.fill
		b.fill(now)
	}); stopped != nil || err != nil {
		return fmt.Errorf("open flow: %v %w", stopped, err)
	}
	select {
	case <-cmd.Context().Done():
	case <-time.After(duration):
	}
	return n.driver.Do(func(now rtmfp.Instant) {
		n.after = nil
		took := time.Since(start).Seconds()
		delivered := float64(b.written) - float64(b.flow.Queued())
		rtt, _ := s.RTT()
		window, _ := s.Window()
		stats, io := n.Stats(), n.driver.Stats()
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n%.1f MB/s, %.0f messages/s, %.2f CPU-s/GB at this end\n%.0f datagrams/s out in %.0f calls/s, %.0f/s in\n"+
			"rtt %v, window %d bytes, %d fragments sent again\n",
			s.Describe(), delivered/took/1e6, delivered/float64(len(b.payload))/took, (processCPU()-cpu).Seconds()/delivered*1e9,
			float64(io.WriteDatagrams)/took, float64(io.WriteCalls)/took, float64(io.ReadDatagrams)/took, rtt, window, stats.Retransmitted)
		s.Abort(now)
	})
}
