package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/overlay"
)

func newGroupPostCommand(inv *invocation) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "post GROUP [TEXT]",
		Short: "Post one message to all members",
		Long: "Post one message to all members of a group and end as soon as a neighbor has taken\n" +
			"it, who passes it on. Without a text, or with -, standard input is the message: 60\n" +
			"KB at most. Ends with status 6 if nobody takes it within --timeout, 5 if the group\n" +
			"has a posting password that was not given.",
		Example: "  ringcast group post 'rtmfp://…#G:…' 'We start in five minutes'\n" +
			"  uptime | ringcast group post --name web1 'rtmfp://…#G:…'\n" +
			"  ringcast group post G:… --introducer meet.example:1935 hello",
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&user, "name", "", "your `name`, for the others to see")
	c := newGroupFlags(inv, cmd, "30s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, args, memberOptions{needs: "posting", arguments: atMost(1)}, func(ctx context.Context, m *member, args []string) error {
			text, err := messageText(args)
			if err != nil {
				return err
			}
			message := chatMessage{Text: text, User: user, Sender: m.net.node.PeerID()}
			id, err := m.post(ctx, &message)
			if err != nil {
				return err
			}
			if m.loaded.JSON {
				_, err = fmt.Fprintf(inv.stdout, "{\"messageID\":\"%x\"}\n", id)
			}
			return err
		})
	}
	return cmd
}

// post posts a message and waits until a neighbor has it.
func (m *member) post(ctx context.Context, message *chatMessage) (id overlay.PostID, err error) {
	if err := m.waitNeighbor(ctx); err != nil {
		return id, err
	}
	err = m.wait(ctx, "neighbor that takes the message", func(ctx context.Context) error {
		if id, err = m.group.Post(ctx, message.value()); err != nil {
			return err
		}
		return m.group.WaitTaken(ctx, id)
	})
	return id, err
}

// maxMessage bounds a message, in bytes: what else is in a post takes the rest.
const maxMessage = 60_000

// messageText is the text of the last argument, or what comes by standard input.
func messageText(args []string) (string, error) {
	text := ""
	if len(args) > 0 && args[0] != "-" {
		text = args[0]
	} else {
		b, err := io.ReadAll(io.LimitReader(os.Stdin, maxMessage+1))
		if err != nil {
			return "", fmt.Errorf("read the message: %w", err)
		}
		text = strings.TrimRight(string(b), "\r\n")
	}
	switch {
	case text == "":
		return "", usageError(errors.New("the message is empty"))
	case len(text) > maxMessage:
		return "", usageError(fmt.Errorf("the message is longer than %d bytes", maxMessage))
	case !utf8.ValidString(text):
		return "", usageError(errors.New("the message is not text (UTF-8); `ringcast group put` sends files"))
	}
	return text, nil
}
