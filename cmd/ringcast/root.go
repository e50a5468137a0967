package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand returns the command without a name, which prints the usage
// with three lines to copy.
func newRootCommand(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:   "ringcast",
		Short: "Carry a live stream to many viewers",
		Long: "Ringcast takes a live stream in, spreads it among peers, and serves it at every\n" +
			"node to any player.\n\n" +
			"  ringcast publish --rtmp-listen 127.0.0.1:1935       # start a node, then push to it:\n" +
			"  ffmpeg " + testInputs + " \\\n" +
			"    -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -c:a aac -f flv rtmp://127.0.0.1:1935/live/stream\n" +
			"  vlc http://127.0.0.1:8080/live/stream/index.m3u8    # watch it\n" +
			"  xdg-open http://127.0.0.1:8080/                     # open the dashboard\n\n" +
			"Without a camera at hand: ringcast demo",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionLine(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
	})
	root.AddCommand(
		newRunCommand(inv), newPublishCommand(inv), newPlayCommand(inv), newIntroducerCommand(inv), newDemoCommand(inv),
		newGroupspecCommand(), newRTMFPCommand(), newTopCommand(), newBenchCommand(), newDoctorCommand(), newHealthCommand(), newSimCommand(inv),
		newGroupCommand(inv), newVersionCommand(inv),
	)
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}

// strict makes wrong arguments of a command and of those below it errors of
// usage.
func strict(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		// The library would show the help whatever the arguments are.
		cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = strictArgs(cmd.Args)
	for _, c := range cmd.Commands() {
		strict(c)
	}
}

// strictArgs makes wrong arguments an error of usage that says what is right.
func strictArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil || check(cmd, args) == nil {
			return nil
		}
		if cmd.HasSubCommands() {
			return usageError(fmt.Errorf("unknown command %q for %q%s; see %s --help", args[0], cmd.CommandPath(), didYouMean(cmd, args[0]), cmd.CommandPath()))
		}
		return usageError(fmt.Errorf("wrong number of arguments, %d; the form is %s; see %s --help", len(args), cmd.UseLine(), cmd.CommandPath()))
	}
}

// didYouMean returns a hint at the subcommands that a wrong name may stand for.
func didYouMean(cmd *cobra.Command, wrong string) string {
	cmd.SuggestionsMinimumDistance = 2
	names := cmd.SuggestionsFor(wrong)
	if len(names) == 0 {
		return ""
	}
	return " (did you mean " + strings.Join(names, " or ") + "?)"
}
