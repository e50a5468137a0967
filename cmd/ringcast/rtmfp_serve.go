package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
)

func newRTMFPServeCommand(o *rtmfpOptions) *cobra.Command {
	var echoAll bool
	cmd := &cobra.Command{
		Use:     "serve",
		Example: "  ringcast rtmfp serve\n  ringcast rtmfp serve --listen 127.0.0.1:1935 --trace packets.json",
		Short:   "Be a server: clients publish, play and find each other",
		Long: "Be a server for RTMFP clients: relay what they publish to those who play it,\n" +
			"introduce them to each other, and answer ping and bench.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.listen) == 0 {
				o.listen = []string{"0.0.0.0:" + rtmfpPort, "[::]:" + rtmfpPort}
			}
			s := &rtmfpServer{out: cmd.OutOrStdout(), echoAll: echoAll}
			ready := make(chan struct{})
			n, err := o.start(cmd.Context(), true, func(now rtmfp.Instant, e rtmfp.Event) {
				<-ready
				s.handle(now, e)
			})
			if err != nil {
				return err
			}
			s.nc = netconnection.NewServer(n.Endpoint, netconnection.DefaultServerParams())
			close(ready)
			for _, addr := range n.driver.LocalAddrs() {
				fmt.Fprintf(s.out, "listening on %v\n", addr)
			}
			fmt.Fprintf(s.out, "peer %x\n", n.Self().Fingerprint)
			<-cmd.Context().Done()
			return n.stop()
		},
	}
	cmd.Flags().BoolVar(&echoAll, "echo", false, "send the messages of unknown flows back")
	return cmd
}

// rtmfpServer is what answers at a server. It is called under the driver's
// mutex.
type rtmfpServer struct {
	out     io.Writer
	nc      *netconnection.Server
	echoAll bool
}

func (s *rtmfpServer) handle(now rtmfp.Instant, e rtmfp.Event) {
	if !s.nc.HandleEvent(now, e) {
		s.handleOther(now, e)
	}
	for {
		event, ok := s.nc.PollEvent()
		if !ok {
			return
		}
		names := map[netconnection.ServerEventKind]string{
			netconnection.ClientConnected: "connected", netconnection.ClientDisconnected: "disconnected",
			netconnection.PublishStarted: "publishes", netconnection.PublishEnded: "ends", netconnection.PlayStarted: "plays",
		}
		if name := names[event.Kind]; name != "" {
			fmt.Fprintf(s.out, "client %s %s %s\n", shortID(event.Session), name, event.Name)
		}
	}
}

func (s *rtmfpServer) handleOther(now rtmfp.Instant, e rtmfp.Event) {
	switch e.Kind {
	case rtmfp.SessionOpened:
		fmt.Fprintf(s.out, "session %s from %v, %s\n", shortID(e.Session), e.Session.FarAddr(), e.Session.Describe())
	case rtmfp.SessionClosed:
		fmt.Fprintf(s.out, "session %s closed: %v\n", shortID(e.Session), e.Err)
	case rtmfp.FlowOpened:
		switch kind := string(e.Recv.Metadata()); {
		case kind == flowSink:
			e.Recv.SetBorrowed(true)
		case kind == flowEcho || kind == flowObserved || kind == flowUsage || s.echoAll:
			back, err := e.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: e.Recv.Metadata(), Return: e.Recv})
			if err != nil {
				e.Recv.Reject(now, 0)
				return
			}
			e.Recv.User = back
		default:
			e.Recv.Reject(now, 0)
		}
	case rtmfp.MessageReceived:
		back, ok := e.Recv.User.(*rtmfp.SendFlow)
		if !ok {
			return
		}
		data := e.Data
		switch string(e.Recv.Metadata()) {
		case flowObserved:
			data = []byte(e.Session.FarAddr().String())
		case flowUsage:
			data = readUsage().append(nil)
		}
		_ = back.Write(now, data, nil)
	case rtmfp.FlowEnded:
		if back, ok := e.Recv.User.(*rtmfp.SendFlow); ok {
			back.Close(now)
		}
	}
}

// shortID is enough of a peer ID to tell clients apart.
func shortID(s *rtmfp.Session) string {
	id := s.Far().Fingerprint
	return hex.EncodeToString(id[:8])
}
