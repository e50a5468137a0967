package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
)

// joinOptions are the flags of `ringcast group join`.
type joinOptions struct {
	user, answer string
	quiet        bool
}

func newGroupJoinCommand(inv *invocation) *cobra.Command {
	var o joinOptions
	cmd := &cobra.Command{
		Use:   "join GROUP",
		Short: "Talk with the members of a group",
		Long: "Join a group and talk: what you type goes to all members, line by line, and what\n" +
			"they say appears with their name and the time. Nothing proves a name; the digits\n" +
			"after it are the beginning of the peer ID that the message claims. Lines that\n" +
			"begin with a slash are commands: /who, /msg, /reply, /name, /quit; /help lists\n" +
			"them. Lines may come through a pipe too; the command then goes on when they end,\n" +
			"unless the last one is /quit. With --json all that happens in the group is told,\n" +
			"a JSON object a line, as by /api/v1/events.",
		Example: "  ringcast group join --name alice 'rtmfp://…#G:…'\n" +
			"  printf 'good evening\\n/quit\\n' | ringcast group join 'rtmfp://…#G:…'\n" +
			"  ringcast group join --json 'rtmfp://…#G:…' </dev/null | jq -r .message.text\n" +
			"  ringcast group join --reply-with 'you said {text}' 'rtmfp://…#G:…' </dev/null",
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.user, "name", "", "your `name`, for the others to see")
	flags.StringVar(&o.answer, "reply-with", "", "answer messages of send --reply with this `text`; {text} stands for the message, {from} for who asks")
	flags.BoolVar(&o.quiet, "quiet", false, "don't tell who comes and goes")
	c := newGroupFlags(inv, cmd, "0s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, args, memberOptions{groupFirst: true, arguments: atMost(0)}, func(ctx context.Context, m *member, _ []string) error {
			if m.loaded.Timeout > 0 {
				if err := m.waitNeighbor(ctx); err != nil {
					return err
				}
			}
			return newChat(m, o).run(ctx)
		})
	}
	return cmd
}

// chat is a conversation in a group.
type chat struct {
	m      *member
	o      joinOptions
	screen *chatScreen
	events chan peernode.Event
	posts  chan chatMessage
	// names are those that members have given themselves, and questions what
	// waits for /reply.
	names     map[overlay.PeerID]string
	questions []peernode.Event
}

// Bounds of a chat. Names come from others, and whoever types faster than a
// group takes waits.
const (
	maxNames     = 4096
	maxQuestions = 32
	maxPosts     = 64
	maxEvents    = 1024
)

func newChat(m *member, o joinOptions) *chat {
	return &chat{
		m: m, o: o, names: make(map[overlay.PeerID]string), events: make(chan peernode.Event, maxEvents), posts: make(chan chatMessage, maxPosts),
	}
}

// run talks until ctx is done or somebody quits.
func (c *chat) run(ctx context.Context) error {
	var err error
	if c.screen, err = openScreen(os.Stdin, c.m.inv.stdout, c.m.loaded.JSON); err != nil {
		return err
	}
	defer c.screen.close()
	stop := c.m.group.Listen(func(e peernode.Event) {
		select {
		case c.events <- e:
		default: // the terminal is too slow
		}
	})
	defer stop()
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		c.post(ctx)
	}()
	c.greet()
	err = c.talk(ctx)
	close(c.posts)
	select { // what was said before /quit still goes out
	case <-posted:
	case <-time.After(lastPosts):
	case <-ctx.Done():
	}
	return err
}

// lastPosts is how long the end waits for posts that nobody has taken.
const lastPosts = 3 * time.Second

// greet says where we are.
func (c *chat) greet() {
	g, id := c.m.group, c.m.net.node.PeerID()
	if c.m.loaded.JSON {
		c.printJSON(chatReady{Ready: true, PeerID: id.String(), Address: id.Address().String(), Group: g.ID(), Name: g.Spec().Settings().Name})
		return
	}
	c.note("%s, you are %s. /help lists commands", printable(g.Spec().Settings().Name), shortName(id, c.o.user))
	if len(g.Neighbors()) == 0 {
		c.note("nobody else is here yet")
	}
	for _, l := range g.Neighbors() {
		c.note("%s is here", c.name(l.Peer))
	}
}

// chatReady is the first line of --json.
type chatReady struct {
	Ready   bool   `json:"ready"`
	PeerID  string `json:"peerID"`
	Address string `json:"address"`
	Group   string `json:"group"`
	Name    string `json:"name"`
}

// talk handles lines and events until the end.
func (c *chat) talk(ctx context.Context) error {
	for {
		lines := c.screen.lines
		var again <-chan time.Time
		if len(c.posts) == cap(c.posts) {
			lines = nil // they wait where they come from
			again = time.After(100 * time.Millisecond)
		}
		select {
		case line, ok := <-lines:
			if !ok {
				if c.screen.interactive {
					return nil
				}
				c.screen.lines = nil // a pipe has ended; go on listening
				continue
			}
			if c.line(line) {
				return nil
			}
		case e := <-c.events:
			c.event(e)
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// post sends lines, one after the other.
func (c *chat) post(ctx context.Context) {
	for message := range c.posts {
		id, err := c.m.group.Post(ctx, message.value())
		if err == nil {
			// The next one waits for it, so that nobody floods the group.
			limited, cancel := context.WithTimeout(ctx, lastPosts)
			_ = c.m.group.WaitTaken(limited, id)
			cancel()
			continue
		}
		if ctx.Err() == nil && !errors.Is(err, peernode.ErrLeft) {
			c.note("not sent: %v", err)
		}
	}
}

// event shows what has happened.
func (c *chat) event(e peernode.Event) {
	if e.Question && c.o.answer != "" && c.isForMe(&e) {
		c.answer(e, strings.NewReplacer("{text}", parseChat(e.Value).Text, "{from}", e.Peer.Short()).Replace(c.o.answer))
	}
	if c.m.loaded.JSON {
		c.printJSON(describeEvent(&e, c.m.group.ID()))
		return
	}
	switch e.Code {
	case overlay.StatusNeighborConnect, overlay.StatusNeighborDisconnect:
		if c.o.quiet {
			return
		}
		if e.Code == overlay.StatusNeighborConnect {
			c.note("%s has come", c.name(e.Peer))
		} else {
			c.note("%s has gone", c.name(e.Peer))
		}
	case overlay.StatusPosting:
		message := parseChat(e.Value)
		c.learn(message.Sender, message.User)
		c.print("%s: %s", shortName(message.Sender, message.User), printable(message.Text))
	case overlay.StatusSendTo:
		c.routed(e)
	}
}

// routed shows a message that was sent to this node.
func (c *chat) routed(e peernode.Event) {
	message := parseChat(e.Value)
	if !c.isForMe(&e) {
		return
	}
	from := e.Peer
	if from == (overlay.PeerID{}) {
		from = message.Sender
	}
	c.learn(from, message.User)
	name := shortName(from, message.User)
	if !e.Question {
		c.print("%s to you: %s", name, printable(message.Text))
		return
	}
	c.print("%s asks you: %s", name, printable(message.Text))
	if c.o.answer != "" {
		return
	}
	if len(c.questions) == maxQuestions {
		c.questions = slices.Delete(c.questions, 0, 1)
	}
	c.questions = append(c.questions, e)
	c.note("/reply TEXT answers within some seconds")
}

// isForMe reports whether a routed message is for this node, and not for a
// member in whose place it stands because that one has left.
func (c *chat) isForMe(e *peernode.Event) bool {
	to := parseChat(e.Value).To
	return to == (overlay.PeerID{}) || to == c.m.net.node.PeerID()
}

func (c *chat) answer(e peernode.Event, text string) {
	message := chatMessage{Text: text, User: c.o.user, Sender: c.m.net.node.PeerID()}
	if err := c.m.group.Answer(e.Peer, e.Number, message.value()); err != nil {
		c.note("no answer sent: %v", err)
	}
}

// learn remembers how a member calls itself.
func (c *chat) learn(id overlay.PeerID, user string) {
	if _, known := c.names[id]; (known || len(c.names) < maxNames) && id != (overlay.PeerID{}) {
		c.names[id] = displayName(user)
	}
}

func (c *chat) name(id overlay.PeerID) string { return shortName(id, c.names[id]) }

// note tells something that nobody has said, print what somebody has.
func (c *chat) note(format string, args ...any) {
	if !c.m.loaded.JSON {
		c.print("* "+format, args...)
	} else {
		c.m.log.Warn(fmt.Sprintf(format, args...))
	}
}

func (c *chat) print(format string, args ...any) {
	c.screen.write(time.Now().Format("15:04:05 ") + fmt.Sprintf(format, args...) + "\n")
}

func (c *chat) printJSON(v any) {
	text, err := json.Marshal(v)
	if err == nil {
		c.screen.write(string(text) + "\n")
	}
}
