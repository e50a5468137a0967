package main

import (
	"github.com/spf13/cobra"
)

// defaultStream is the name of a stream that was given none.
const defaultStream = "live/stream"

func newPublishCommand(inv *invocation) *cobra.Command {
	c := nodeCommand{inv: inv, defaults: map[string]string{"rtmp.listen": ":1935", "rtmfp.listen": ":1935", "stream": defaultStream}}
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Take a stream in and publish it",
		Long: "Run a node that takes a stream in, pushed by OBS, ffmpeg or a camera, or fetched\n" +
			"from --source, and publishes it into a group. Prints the share link with which\n" +
			"others play it. It is the group's introducer unless --introducer names one.\n" +
			"Listening beyond this machine without --publish-key, it makes a key and prints it.",
		Example: "  ringcast publish\n  ringcast publish --introducer meet.example:1935 --multicast-upload-limit 10M\n" +
			"  ringcast publish --stream live/camera --source rtsp://192.0.2.7/stream1\n  ringcast publish --source talk.mp4 --loop",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := c.load(cmd)
			if err != nil {
				return err
			}
			loaded := options.loaded
			options.network = networkOptions{publish: true, introduce: introduces(loaded, len(loaded.Introducers) == 0)}
			return runNode(cmd.Context(), inv, options)
		},
	}
	c.add(cmd)
	return cmd
}
