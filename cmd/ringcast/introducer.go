package main

import (
	"github.com/spf13/cobra"
)

func newIntroducerCommand(inv *invocation) *cobra.Command {
	c := nodeCommand{inv: inv, defaults: map[string]string{"rtmp.listen": "", "rtsp.listen": "", "rtmfp.listen": ":1935"}}
	cmd := &cobra.Command{
		Use:   "introducer",
		Short: "Be a meeting point for groups",
		Long: "Run the meeting point where members of groups find each other and get through\n" +
			"their NATs. It carries no media, keeps its directory in memory, and knows of a\n" +
			"group no more than a hash. Keep its identity in a file, so that links to it stay\n" +
			"valid after a restart. With --seed it takes part in a group too, and passes its\n" +
			"stream on to others.",
		Example: "  ringcast introducer\n  ringcast introducer --rtmfp-identity introducer.key --public-address meet.example:1935\n" +
			"  ringcast introducer --seed 'rtmfp://meet.example:1935/live/stream?fp=…#G:…' --multicast-upload-limit 100M",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := c.load(cmd)
			if err != nil {
				return err
			}
			_, seeds, err := parseLinks(options.loaded)
			if err != nil {
				return err
			}
			options.network = networkOptions{introduce: true, seeds: seeds}
			return runNode(cmd.Context(), inv, options)
		},
	}
	c.add(cmd)
	return cmd
}
