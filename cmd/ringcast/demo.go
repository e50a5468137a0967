package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"

	"github.com/spf13/cobra"

	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

func newDemoCommand(inv *invocation) *cobra.Command {
	c := nodeCommand{inv: inv, defaults: map[string]string{
		"stream": "live/demo", "source": "test:", "loop": "true", "rtmfp.listen": "127.0.0.1:0",
	}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine with a built-in clip",
		Long: "Run the whole system on this machine, in one process over real UDP: a publisher fed\n" +
			"by a built-in clip in a loop (or --source URL), an introducer, and viewers' nodes\n" +
			"that pass the stream on to each other. What the page shows has come through the\n" +
			"network: it is served by the first viewer's node. Prints the addresses to open, and\n" +
			"the ffmpeg line that puts your own video in the clip's place.",
		Example: "  ringcast demo\n  ringcast demo --peers 30\n  ringcast demo --source talk.mp4 --loop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := c.load(cmd)
			if err != nil {
				return err
			}
			peers := options.loaded.Peers
			options.demo = true
			options.network = networkOptions{publish: true, introduce: true, noLoopback: peers > 0, demoPeers: peers}
			return runNode(cmd.Context(), inv, options)
		},
	}
	c.add(cmd)
	return cmd
}

// addDemoPeers makes the viewers' nodes of a demo. The first one feeds the
// outputs and is what the dashboard shows; the others only pass the stream on.
func (n *network) addDemoPeers(ctx context.Context, stream string) error {
	own := [32]byte(n.node.PeerID())
	at := []peernode.Introducer{{Addr: n.node.LocalAddrs()[0].String(), Fingerprint: &own}}
	for i := range n.options.demoPeers {
		p, err := viewerProfile(false)
		if err != nil {
			return err
		}
		settings := peernode.DefaultConfig()
		settings.Profile, settings.Listen = p, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		settings.Logger = slog.New(quiet{n.log.With("demo", i+1).Handler(), func() bool { return ctx.Err() != nil }})
		v, err := peernode.Listen(settings)
		if err != nil {
			return err
		}
		n.viewerNodes = append(n.viewerNodes, v)
		g, err := v.Join(ctx, n.group.Spec(), n.joinOptions(at))
		if err != nil {
			return err
		}
		shown := &played{path: stream, group: g}
		handler := peernode.Handler{Message: func(packager.Message) {}}
		if i == 0 {
			handler = n.handler(shown)
			n.plays = append(n.plays, shown)
		}
		if _, err := g.Play(groupName(stream), handler); err != nil {
			return err
		}
	}
	return nil
}

// viewerProfile makes the identity of a viewer's node, a new one each time.
func viewerProfile(server bool) (rtmfp.Profile, error) {
	secrets, err := profile.NewSecrets(rand.Reader)
	if err != nil {
		return nil, err
	}
	return profile.NewNode(secrets, profile.NodeOptions{Server: server, HardwareAES: profile.HardwareAES()})
}
