package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/config"
)

// newGroupCommand returns the commands that use a group for other things than
// streams.
func newGroupCommand(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Chat, route messages and share files in a group",
		Long: "Use a group for other things than streams: talk with its members, send messages to\n" +
			"one of them or to a place on the ring, and spread files among them. A group is\n" +
			"given by the share link of any of its streams, or by its groupspec (G:…) and\n" +
			"--introducer. Without an introducer members find each other on the local network,\n" +
			"if the groupspec has a native multicast address. A link is a secret: group.spec in\n" +
			"a file, or RINGCAST_GROUP_SPEC_FILE, keeps it off the command line.",
		Example: "  ringcast group join 'rtmfp://192.0.2.1:1935/live/stream?fp=…#G:…'\n" +
			"  ringcast group post 'rtmfp://…#G:…' 'We start in five minutes'\n" +
			"  ringcast group send 'rtmfp://…#G:…' --to 3c6f… --reply 'Is the sound all right?'\n" +
			"  ringcast group put 'rtmfp://…#G:…' slides.pdf\n" +
			"  ringcast group get 'rtmfp://…#G:…' slides.pdf",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGroupJoinCommand(inv), newGroupPostCommand(inv), newGroupSendCommand(inv), newGroupPutCommand(inv), newGroupGetCommand(inv))
	return cmd
}

// groupSettingKeys are the settings that the commands of a group have flags
// for.
func groupSettingKeys() []string {
	return []string{
		"timeout", "json", "introducer", "group.spec", "group.postingPassword", "group.ipMulticast", "group.bootstrapPeers", "group.extensions",
		"rtmfp.listen", "rtmfp.identity", "rtmfp.legacyPeers", "multicast.uploadLimit", "log.level", "log.format",
	}
}

// groupCommand is what the commands of a group have in common.
type groupCommand struct{ nodeCommand }

// newGroupFlags prepares a command whose timeout is that by default. Its own
// flags were added before.
func newGroupFlags(inv *invocation, cmd *cobra.Command, timeout string) *groupCommand {
	c := &groupCommand{nodeCommand{inv: inv, defaults: map[string]string{
		"timeout": timeout, "rtmfp.listen": ":0", "log.level": "warn", "rtmp.listen": "", "rtsp.listen": "", "http.listen": "",
	}}}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&c.file, "config", "c", "", "YAML `file` with settings ("+config.EnvFile+")")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	config.AddFlagsFor(flags, groupSettingKeys(), c.defaults)
	flags.Lookup("timeout").Usage = "end with status 6 if the group, or what is asked of it, is not there by then; 0s waits for ever"
	flags.Lookup("json").Usage = "print JSON lines for scripts instead of text"
	return c
}

// settings reads the settings and the group, and returns the arguments after
// it. The first argument is the group if it looks like one, or first is set.
func (c *groupCommand) settings(cmd *cobra.Command, args []string, first bool) (*groupTarget, []string, error) {
	src := c.sources(cmd)
	src.Command, src.AnyGroup = "group "+cmd.Name(), true
	loaded, err := load(src)
	if err != nil {
		return nil, nil, err
	}
	t := &groupTarget{loaded: loaded}
	given := len(args) > 0 && (first || looksLikeGroup(args[0]))
	switch {
	case given:
		err = t.parse(args[0])
		args = args[1:]
	case loaded.Group.Spec != "":
		err = t.parse(loaded.Group.Spec)
	default:
		err = usageError(errors.New("which group? Give a share link, or a groupspec (G:…) with --introducer"))
	}
	return t, args, err
}

// looksLikeGroup tells a group from a text to be posted.
func looksLikeGroup(text string) bool {
	return strings.HasPrefix(text, "G:") || strings.HasPrefix(strings.ToLower(text), "rtmfp:")
}

// run joins the group of the arguments, has f use it, and leaves it.
func (c *groupCommand) run(cmd *cobra.Command, args []string, o memberOptions, f func(ctx context.Context, m *member, args []string) error) error {
	target, rest, err := c.settings(cmd, args, o.groupFirst)
	if err != nil {
		return err
	}
	if o.arguments != nil {
		if err := o.arguments(rest); err != nil {
			return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
		}
	}
	m, err := openMember(cmd.Context(), c.inv, target, o)
	if err != nil {
		return err
	}
	err = f(cmd.Context(), m, rest)
	return errors.Join(err, m.close())
}

// atMost returns a check of how many arguments follow the group.
func atMost(count int) func(args []string) error {
	return func(args []string) error {
		if len(args) > count {
			return fmt.Errorf("%q is one argument too many", args[count])
		}
		return nil
	}
}

// oneOf returns a check of a flag's value.
func oneOf(flag, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return usageError(fmt.Errorf("--%s %q: want %s", flag, value, strings.Join(choices, " or ")))
}
