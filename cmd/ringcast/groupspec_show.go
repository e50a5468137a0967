package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/sharelink"
)

func newGroupspecShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show G:… | LINK | -",
		Short: "Say in plain words what is in a groupspec or share link",
		Long: "Say what a groupspec or share link contains, option by option. It shows passwords\n" +
			"that are in it. Put links in quotes; with - the text is read from standard input.",
		Example: "  ringcast groupspec show G:027f0201010103010c050e74657374011b00\n" +
			"  ringcast groupspec show 'rtmfp://meet.example:1935/live/cam#G:027f020101010c050e7465737400'\n" +
			"  ringcast groupspec new show | ringcast groupspec show --json -",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[0]
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxGroupspecInput))
				if err != nil {
					return err
				}
				text = string(b)
			}
			spec, link, err := readGroupspec(text)
			if err != nil {
				return usageError(err)
			}
			d := describeGroupspec(spec)
			d.addLink(link)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), d)
			}
			return d.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// readGroupspec reads a groupspec, or a share link with one.
func readGroupspec(text string) (*groupspec.Spec, *sharelink.Link, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, groupspec.Prefix) {
		spec, err := groupspec.Parse(text)
		return spec, nil, err
	}
	if !strings.Contains(text, ":/") {
		return nil, nil, fmt.Errorf(`%.40q is neither a groupspec, which begins with "G:", nor a share link, which begins with "rtmfp://"`, text)
	}
	link, err := sharelink.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	return link.Spec, link, nil
}

// groupspecDescription is what is said of a groupspec. Its JSON form is part of
// the command's contract.
type groupspecDescription struct {
	Groupspec             string `json:"groupspec"`
	WithoutAuthorizations string `json:"withoutAuthorizations"`
	ID                    string `json:"id"`
	Version               int    `json:"version"`
	Name                  string `json:"name"`
	Unique                string `json:"unique,omitempty"`

	Multicast         bool `json:"multicast"`
	Posting           bool `json:"posting"`
	Routing           bool `json:"routing"`
	ObjectReplication bool `json:"objectReplication"`
	ServerChannel     bool `json:"serverChannel"`
	PeerToPeer        bool `json:"peerToPeer"`
	MemberUpdates     bool `json:"ipMulticastMemberUpdates"`

	PublishPassword *groupspecPassword `json:"publishPassword,omitempty"`
	PostingPassword *groupspecPassword `json:"postingPassword,omitempty"`

	IPMulticast    []string `json:"ipMulticast,omitempty"`
	BootstrapPeers []string `json:"bootstrapPeers,omitempty"`

	Options []groupspecOption `json:"options"`

	Stream      string   `json:"stream,omitempty"`
	Introducers []string `json:"introducers,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
}

// groupspecPassword tells of a password that something needs.
type groupspecPassword struct {
	Salt string `json:"salt,omitempty"` // in hexadecimal, as Hash
	Hash string `json:"hash,omitempty"`
	// Password is set where the groupspec holds it, and Right if it is the one.
	Password string `json:"password,omitempty"`
	Right    bool   `json:"right"`
}

type groupspecOption struct {
	Hex     string `json:"hex"`
	Meaning string `json:"meaning"`
	spaced  string
}

func describeGroupspec(spec *groupspec.Spec) *groupspecDescription {
	s, id := spec.Settings(), spec.ID()
	d := &groupspecDescription{
		Groupspec: spec.String(), WithoutAuthorizations: spec.WithoutAuthorizations(), ID: hex.EncodeToString(id[:]),
		Version: s.Version, Name: s.Name, Unique: hex.EncodeToString(s.Unique),
		Multicast: s.Multicast, Posting: s.Posting, Routing: s.Routing, ObjectReplication: s.ObjectReplication,
		ServerChannel: s.ServerChannel, PeerToPeer: !s.PeerToPeerDisabled, MemberUpdates: s.MemberUpdates,
		PublishPassword: describePassword(s.Publish, s.PublishPassword),
		PostingPassword: describePassword(s.Post, s.PostPassword),
	}
	for _, a := range s.Addresses {
		d.IPMulticast = append(d.IPMulticast, a.String())
	}
	for _, p := range s.BootstrapPeers {
		d.BootstrapPeers = append(d.BootstrapPeers, hex.EncodeToString(p[:]))
	}
	for _, o := range spec.Options() {
		d.Options = append(d.Options, groupspecOption{o.Text, o.Meaning(), strings.TrimRight(o.Head()+" "+o.Body(), " ")})
	}
	return d
}

func describePassword(v *groupspec.Verifier, password string) *groupspecPassword {
	if v == nil {
		return nil
	}
	return &groupspecPassword{hex.EncodeToString(v.Salt), hex.EncodeToString(v.Hash[:]), password, v.Check(password)}
}

func (d *groupspecDescription) addLink(link *sharelink.Link) {
	if link == nil {
		return
	}
	d.Stream, d.Introducers = link.Stream, link.Introducers
	if link.HasFingerprint {
		d.Fingerprint = hex.EncodeToString(link.Fingerprint[:])
	}
}

// print writes the description for people.
func (d *groupspecDescription) print(w io.Writer) error {
	b := &strings.Builder{}
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-14s %s\n", name, value)
		}
	}
	row("stream", quoted(d.Stream))
	row("introducers", strings.Join(d.Introducers, ", "))
	row("fingerprint", d.Fingerprint)
	row("group", strconv.Quote(d.Name))
	if d.Unique != "" {
		row("unique", d.Unique)
	} else {
		row("unique", "no: whoever guesses the rest can join")
	}
	row("group ID", d.ID)
	row("version", strconv.Itoa(d.Version))
	row("allows", d.allows())
	row("publishing", d.PublishPassword.sentence())
	row("posting", d.PostingPassword.sentence())
	row("found by", d.foundBy())
	row("IP multicast", strings.Join(d.IPMulticast, ", "))
	row("begins with", strings.Join(d.BootstrapPeers, ", "))
	if d.WithoutAuthorizations != d.Groupspec {
		row("for viewers", d.WithoutAuthorizations)
	}
	b.WriteString("\noptions\n")
	for _, o := range d.Options {
		fmt.Fprintf(b, "  %-44s %s\n", o.Meaning, o.spaced)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func (d *groupspecDescription) allows() string {
	return listed("nothing", map[string]bool{
		"streams": d.Multicast, "posting": d.Posting, "directed routing": d.Routing, "object replication": d.ObjectReplication,
	}, "streams", "posting", "directed routing", "object replication")
}

func (d *groupspecDescription) foundBy() string {
	if !d.PeerToPeer {
		return "nobody: there are no links between members, only IP multicast"
	}
	return listed("nothing but bootstrap peers and neighbors", map[string]bool{
		"introducers": d.ServerChannel, "the local network": d.MemberUpdates,
	}, "introducers", "the local network")
}

// listed joins the words that are true, in the order given.
func listed(none string, is map[string]bool, words ...string) string {
	var all []string
	for _, w := range words {
		if is[w] {
			all = append(all, w)
		}
	}
	if len(all) == 0 {
		return none
	}
	return strings.Join(all, ", ")
}

func (p *groupspecPassword) sentence() string {
	switch {
	case p == nil:
		return ""
	case p.Right:
		return "needs a password, which is in the groupspec: " + strconv.Quote(p.Password)
	case p.Password != "":
		return "needs a password; the one in the groupspec is wrong: " + strconv.Quote(p.Password)
	}
	return "needs a password, which is not in the groupspec"
}
