package main

import (
	"github.com/spf13/cobra"
)

func newDemoCommand(inv *invocation) *cobra.Command {
	var flags nodeFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine with a built-in clip",
		Long: "Run a node that plays a built-in clip in a loop (or --source URL) and serves it as\n" +
			"HLS, RTSP and HTTP-FLV. Prints the addresses to open, and the ffmpeg line that puts\n" +
			"your own video in the clip's place.",
		Example: "  ringcast demo\n  ringcast demo --source talk.mp4 --loop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src := flags.sources(cmd, inv, map[string]string{"stream": "live/demo", "source": "test:", "loop": "true"})
			loaded, err := load(src)
			if err != nil {
				return err
			}
			return runNode(cmd.Context(), inv, nodeOptions{
				sources: src, loaded: loaded, json: flags.json, reload: reloadSignals(), demo: true,
			})
		},
	}
	flags.add(cmd)
	return cmd
}
