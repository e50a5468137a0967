package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
)

// sendOptions are the flags of `ringcast group send`.
type sendOptions struct {
	user, to, nearest, next string
	all, reply              bool
}

func newGroupSendCommand(inv *invocation) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send GROUP TEXT",
		Short: "Send a message to one member, or to a place on the ring",
		Long: "Send a message to one member of a group, to the member nearest to an address on the\n" +
			"ring, to the next neighbor up or down, or to all neighbors, and print what became\n" +
			"of it: sent, no route (nobody is there to take it), or error (the group does not\n" +
			"allow it, or the message is too long). With --reply the answer is printed instead,\n" +
			"and who it comes from on standard error; a member answers from `group join`, by\n" +
			"/reply or --reply-with, or over HTTP. Without a text, or with -, standard input is\n" +
			"the message. Ends with status 6 for no route, and if nobody answers.",
		Example: "  ringcast group send 'rtmfp://…#G:…' --to 3c6f… 'Your sound is off'\n" +
			"  ringcast group send 'rtmfp://…#G:…' --to 3c6f… --reply 'Is the sound all right?'\n" +
			"  ringcast group send 'rtmfp://…#G:…' --to-nearest 8000000000000000000000000000000000000000000000000000000000000000 --reply 'Who has this?'\n" +
			"  ringcast group send G:… --introducer meet.example:1935 --to-next increasing 'pass it on'",
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", "", "the `peer ID` of a member; of a neighbor the first digits will do")
	flags.StringVar(&o.nearest, "to-nearest", "", "an `address` on the ring, 64 hexadecimal digits: to the member nearest to it")
	flags.StringVar(&o.next, "to-next", "", "the next neighbor on the ring: increasing or decreasing")
	flags.BoolVar(&o.all, "to-all-neighbors", false, "every neighbor")
	flags.BoolVar(&o.reply, "reply", false, "wait for an answer and print it; with --to or --to-nearest")
	flags.StringVar(&o.user, "name", "", "your `name`, for the others to see")
	c := newGroupFlags(inv, cmd, "30s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return c.run(cmd, args, memberOptions{needs: "routing", arguments: atMost(1)}, func(ctx context.Context, m *member, args []string) error {
			text, err := messageText(args)
			if err != nil {
				return err
			}
			if err := m.waitReady(ctx); err != nil {
				return err
			}
			s := sender{m: m, o: o, message: chatMessage{Text: text, User: o.user, Sender: m.net.node.PeerID()}}
			return s.run(ctx)
		})
	}
	return cmd
}

// check refuses flags that don't go together.
func (o *sendOptions) check() error {
	count := 0
	for _, given := range []bool{o.to != "", o.nearest != "", o.next != "", o.all} {
		if given {
			count++
		}
	}
	switch {
	case count != 1:
		return usageError(errors.New("to whom? Give one of --to, --to-nearest, --to-next, --to-all-neighbors"))
	case o.reply && o.to == "" && o.nearest == "":
		return usageError(errors.New("--reply goes with --to or --to-nearest"))
	case o.next != "":
		return oneOf("to-next", o.next, "increasing", "decreasing")
	}
	return nil
}

// sender sends one message.
type sender struct {
	m       *member
	o       sendOptions
	message chatMessage
}

// sendResult is what --json prints.
type sendResult struct {
	Result string `json:"result"`
	// Answer is what was answered, From by whom, over how many links and after
	// how long.
	Answer       any     `json:"answer,omitempty"`
	From         string  `json:"from,omitempty"`
	Hops         int     `json:"hops,omitempty"`
	Milliseconds float64 `json:"milliseconds,omitempty"`
}

func (s *sender) run(ctx context.Context) error {
	g := s.m.group
	var addr overlay.Address
	var err error
	switch {
	case s.o.to != "":
		if s.message.To, err = s.m.findPeer(s.o.to, nil); err != nil {
			return usageError(fmt.Errorf("--to: %w", err))
		}
		addr = s.message.To.Address()
	case s.o.nearest != "":
		if addr, err = overlay.ParseAddress(s.o.nearest); err != nil {
			return usageError(fmt.Errorf("--to-nearest: %w", err))
		}
	}
	switch {
	case s.o.reply:
		return s.ask(ctx, addr)
	case s.o.to != "":
		return s.sent(s.m.sendTo(s.message.To, &s.message))
	case s.o.nearest != "":
		return s.sent(g.Route(addr, s.message.value()))
	case s.o.all:
		return s.sent(g.SendToAllNeighbors(s.message.value()))
	case s.o.next == "decreasing":
		return s.sent(g.SendToNeighbor(overlay.NextDecreasing, s.message.value()))
	}
	return s.sent(g.SendToNeighbor(overlay.NextIncreasing, s.message.value()))
}

// sent prints what became of the message.
func (s *sender) sent(result overlay.RouteResult) error {
	if err := s.print(sendResult{Result: result.String()}, result.String()); err != nil {
		return err
	}
	switch result {
	case overlay.RouteSent:
		return nil
	case overlay.RouteNone:
		return &statusError{exitNoStream, errors.New("nobody is there to take the message")}
	}
	return errors.New("the group does not allow the message")
}

// ask sends the message and waits for the answer.
func (s *sender) ask(ctx context.Context, addr overlay.Address) error {
	begin := time.Now()
	var answer peernode.Answer
	err := s.m.wait(ctx, "answer", func(ctx context.Context) error {
		var err error
		answer, err = s.m.group.Ask(ctx, addr, s.message.value())
		return err
	})
	switch {
	case errors.Is(err, peernode.ErrNoAnswer):
		return &statusError{exitNoStream, errors.New("nobody has answered: no member there answers questions (see `ringcast group join --help`)")}
	case err != nil:
		return err
	case s.o.to != "" && answer.From != s.message.To:
		return &statusError{exitNoStream, fmt.Errorf("%s is not in the group: %s has answered in its place", s.message.To.Short(), answer.From.Short())}
	}
	took := time.Since(begin)
	message := parseChat(answer.Value)
	if !s.m.loaded.JSON {
		s.m.say("answer of %s after %v, over %s", shortName(answer.From, message.User), took.Round(time.Millisecond), countOf(answer.Hops, "link"))
	}
	return s.print(sendResult{
		Result: "sent", Answer: jsonOf(answer.Value), From: answer.From.String(), Hops: answer.Hops, Milliseconds: float64(took.Microseconds()) / 1000,
	}, printable(message.Text))
}

func (s *sender) print(r sendResult, text string) error {
	if !s.m.loaded.JSON {
		_, err := fmt.Fprintln(s.m.inv.stdout, text)
		return err
	}
	return json.NewEncoder(s.m.inv.stdout).Encode(r)
}
