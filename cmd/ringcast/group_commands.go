package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ringcast/ringcast/overlay"
)

const chatHelp = `/who            who is here
/msg ID TEXT    send to one member; the beginning of its peer ID will do
/reply TEXT     answer the last question
/name NAME      what you are called
/quit           leave; Ctrl-C or Ctrl-D does it too
//TEXT          say a line that begins with a slash`

// line takes a line that was typed, and reports whether it was the last.
func (c *chat) line(text string) (quit bool) {
	text = strings.TrimRight(text, "\r\n\t ")
	switch {
	case text == "":
		return false
	case !utf8.ValidString(text) || len(text) > maxMessage:
		c.note("not sent: not text, or longer than %d bytes", maxMessage)
		return false
	case strings.HasPrefix(text, "//"):
		text = text[1:]
	case text[0] == '/':
		return c.command(text)
	}
	c.posts <- chatMessage{Text: text, User: c.o.user, Sender: c.m.net.node.PeerID()}
	if c.screen.interactive {
		c.print("%s: %s", shortName(c.m.net.node.PeerID(), c.o.user), printable(text))
	}
	return false
}

func (c *chat) command(text string) (quit bool) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "/quit", "/q", "/exit":
		return true
	case "/who", "/w":
		c.who()
	case "/msg", "/m":
		to, message, _ := strings.Cut(rest, " ")
		c.message(to, strings.TrimSpace(message))
	case "/reply", "/r":
		c.reply(rest)
	case "/name", "/nick":
		c.o.user = rest
		c.note("you are %s", shortName(c.m.net.node.PeerID(), rest))
	case "/help", "/h", "/?":
		for line := range strings.SplitSeq(chatHelp, "\n") {
			c.note("%s", line)
		}
	default:
		c.note("%s is no command; /help lists them", printable(word))
	}
	return false
}

// who lists the neighbors.
func (c *chat) who() {
	ring, links := c.m.group.Ring(), c.m.group.Neighbors()
	c.note("%s (you)", shortName(c.m.net.node.PeerID(), c.o.user))
	for _, l := range links {
		about := ""
		if l.RTT > 0 {
			about = fmt.Sprintf(", %.0f ms away", l.RTT.Seconds()*1000)
		}
		c.note("%s%s", c.name(l.Peer), about)
	}
	if others := int(ring.EstimatedMembers) - len(links) - 1; others > 0 {
		c.note("and about %s not linked with you", countOf(others, "other member"))
	}
}

func (c *chat) message(to, text string) {
	if text == "" {
		c.note("/msg ID TEXT")
		return
	}
	known := make([]overlay.PeerID, 0, len(c.names))
	for id := range c.names {
		known = append(known, id)
	}
	peer, err := c.m.findPeer(to, known)
	if err != nil {
		c.note("%v", err)
		return
	}
	message := chatMessage{Text: text, User: c.o.user, Sender: c.m.net.node.PeerID(), To: peer}
	if result := c.m.sendTo(peer, &message); result != overlay.RouteSent {
		c.note("not sent: %s", result)
		return
	}
	c.print("you to %s: %s", c.name(peer), printable(text))
}

func (c *chat) reply(text string) {
	if len(c.questions) == 0 || text == "" {
		c.note("/reply TEXT, if somebody has asked")
		return
	}
	last := len(c.questions) - 1
	c.answer(c.questions[last], text)
	c.questions = c.questions[:last]
}

// findPeer finds the member that text names: a whole peer ID, or the beginning
// of that of a neighbor or of one of known.
func (m *member) findPeer(text string, known []overlay.PeerID) (overlay.PeerID, error) {
	if id, err := overlay.ParsePeerID(text); err == nil {
		return id, nil
	}
	const least = 4
	text = strings.ToLower(strings.TrimSuffix(text, "…"))
	if len(text) < least {
		return overlay.PeerID{}, errors.New("a peer ID has 64 hexadecimal digits, of which the first 4 or more will do for those who are here")
	}
	for _, l := range m.group.Neighbors() {
		known = append(known, l.Peer)
	}
	var found []overlay.PeerID
	for _, id := range known {
		if strings.HasPrefix(id.String(), text) && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return overlay.PeerID{}, fmt.Errorf("nobody here has a peer ID that begins with %s", printable(text))
	}
	return overlay.PeerID{}, fmt.Errorf("%d members have peer IDs that begin with %s", len(found), printable(text))
}

// sendTo sends a message to one member: directly to a neighbor, of whatever
// make, and from node to node to others.
func (m *member) sendTo(peer overlay.PeerID, message *chatMessage) overlay.RouteResult {
	for _, l := range m.group.Neighbors() {
		if l.Peer == peer {
			return m.group.SendToNearest(peer.Address(), message.value())
		}
	}
	return m.group.Route(peer.Address(), message.value())
}
