package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/rtmfp"
)

func newRTMFPPingCommand(o *rtmfpOptions) *cobra.Command {
	var count int
	var wait, interval time.Duration
	cmd := &cobra.Command{
		Use:     "ping rtmfp://host/app | peer-id@host:port",
		Example: "  ringcast rtmfp ping rtmfp://192.0.2.7:1935/live\n  ringcast rtmfp ping --count 10 rtmfp://192.0.2.7/live",
		Short:   "Reach a server or peer and show how it answers",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseRTMFPTarget(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var observed string
			n, err := o.start(cmd.Context(), false, func(_ rtmfp.Instant, e rtmfp.Event) {
				if e.Kind == rtmfp.MessageReceived && string(e.Recv.Metadata()) == flowObserved {
					observed = string(e.Data)
				}
			})
			if err != nil {
				return err
			}
			defer n.stop()
			start := time.Now()
			s, err := n.open(cmd.Context(), t, wait)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "peer %x\naddr %v\ncrypto %s\nopened in %v\n", s.Far().Fingerprint, s.FarAddr(), s.Describe(), time.Since(start).Round(10*time.Microsecond))
			_ = n.driver.Do(func(now rtmfp.Instant) {
				if f, err := s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte(flowObserved)}); err == nil {
					_ = f.Write(now, nil, nil)
				}
			})
			for i := range count {
				if err := n.pingOnce(cmd, s, i+1, interval); err != nil {
					return err
				}
			}
			_ = n.driver.Do(func(rtmfp.Instant) {
				if observed != "" {
					fmt.Fprintf(out, "seen as %s\n", observed)
				}
			})
			n.closeSession(s)
			return nil
		},
	}
	cmd.Flags().IntVar(&count, "count", 4, "how many pings")
	cmd.Flags().DurationVar(&wait, "timeout", 10*time.Second, "how long to wait for the session")
	cmd.Flags().DurationVar(&interval, "interval", 250*time.Millisecond, "time between pings")
	return cmd
}

// pingOnce sends a ping and prints what the path is like after the interval.
func (n *rtmfpNode) pingOnce(cmd *cobra.Command, s *rtmfp.Session, number int, interval time.Duration) error {
	if err := n.driver.Do(func(now rtmfp.Instant) { s.Ping(now) }); err != nil {
		return err
	}
	select {
	case <-cmd.Context().Done():
		return cmd.Context().Err()
	case <-time.After(interval):
	}
	return n.driver.Do(func(rtmfp.Instant) {
		rtt, known := s.RTT()
		if s.State() == rtmfp.StateOpen && known {
			fmt.Fprintf(cmd.OutOrStdout(), "ping %d rtt %v (in steps of 4ms)\n", number, rtt.Round(100*time.Microsecond))
		} else {
			fmt.Fprintf(cmd.OutOrStdout(), "ping %d no answer yet\n", number)
		}
	})
}
