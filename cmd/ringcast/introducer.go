package main

import (
	"github.com/spf13/cobra"
)

func newIntroducerCommand(inv *invocation) *cobra.Command {
	var flags nodeFlags
	cmd := &cobra.Command{
		Use:   "introducer",
		Short: "Be a meeting point for groups",
		Long: "Run the meeting point where members of groups find each other and get through\n" +
			"their NATs. It carries no media, keeps its directory in memory, and knows of a\n" +
			"group no more than a hash. Keep its identity in a file, so that links to it stay\n" +
			"valid after a restart.",
		Example: "  ringcast introducer\n  ringcast introducer --rtmfp-listen :1935 --rtmfp-identity introducer.key --public-address meet.example:1935",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src := flags.sources(cmd, inv, map[string]string{"rtmp.listen": "", "rtsp.listen": "", "rtmfp.listen": ":1935"})
			loaded, err := load(src)
			if err != nil {
				return err
			}
			return runNode(cmd.Context(), inv, nodeOptions{
				sources: src, loaded: loaded, json: flags.json, reload: reloadSignals(), network: networkOptions{introduce: true},
			})
		},
	}
	flags.add(cmd)
	return cmd
}
