package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/groupspec"
)

// newGroupspecCommand returns the command that makes groupspecs and explains
// them.
func newGroupspecCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "groupspec",
		Short: "Make a groupspec, or say what is in one",
		Long: "A groupspec names a group, says what its members may do, and is the secret that\n" +
			"admits them. It is text that begins with G: and can be pasted anywhere.",
		Example: "  ringcast groupspec new show --unique\n" +
			"  ringcast groupspec show G:027f0201010103010c050e74657374011b00",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGroupspecNewCommand(), newGroupspecShowCommand())
	return cmd
}

// groupspecFlags are what a new groupspec is made of.
type groupspecFlags struct {
	settings                                  groupspec.Settings
	unique, serverless, noPeers, json         bool
	publish, publishFile, publishSalt         string
	posting, postingFile, postingSalt         string
	addresses, peers                          []string
	multicast, post, route, replicate, lanOff bool
}

func newGroupspecNewCommand() *cobra.Command {
	var f groupspecFlags
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a groupspec and print it",
		Long: "Make a groupspec. Without flags everything is allowed: streams, posting, directed\n" +
			"routing and object replication, by way of introducers and on the local network.\n" +
			"Whoever knows or guesses all of it can join, so give --unique unless the name is\n" +
			"meant to be enough.",
		Example: "  ringcast groupspec new show --unique                            # a group of its own\n" +
			"  ringcast groupspec new show --unique --publish-password-file -  # only who has the password publishes\n" +
			"  ringcast groupspec new lan --no-server-channel --ip-multicast 239.255.7.1:30303\n" +
			"  ringcast groupspec new tv --no-peers --ip-multicast 10.0.0.7@232.1.2.3:30000\n" +
			"  ringcast groupspec new show --unique --json",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.unique, "unique", false, "add 32 random bytes, so that nobody can guess the groupspec")
	flags.BoolVar(&f.multicast, "multicast", true, "allow streams")
	flags.BoolVar(&f.post, "posting", true, "allow posting")
	flags.BoolVar(&f.route, "routing", true, "allow directed routing")
	flags.BoolVar(&f.replicate, "object-replication", true, "allow object replication")
	flags.BoolVar(&f.serverless, "no-server-channel", false, "no introducer: members find each other on the local network or by bootstrap peers")
	flags.BoolVar(&f.noPeers, "no-peers", false, "no links between members, only native IP multicast")
	flags.BoolVar(&f.lanOff, "no-member-updates", false, "members do not look for each other by native IP multicast")
	flags.StringVar(&f.publish, "publish-password", "", "`password` that publishing streams needs")
	flags.StringVar(&f.publishFile, "publish-password-file", "", "read it from this `file`; - is standard input")
	flags.StringVar(&f.publishSalt, "publish-salt", "", "`salt` of its hash (default: random)")
	flags.StringVar(&f.posting, "posting-password", "", "`password` that posting needs")
	flags.StringVar(&f.postingFile, "posting-password-file", "", "read it from this `file`; - is standard input")
	flags.StringVar(&f.postingSalt, "posting-salt", "", "`salt` of its hash (default: random)")
	flags.StringArrayVar(&f.addresses, "ip-multicast", nil, "native IP multicast `[SOURCE@]ADDRESS:PORT`; may be repeated")
	flags.StringArrayVar(&f.peers, "bootstrap-peer", nil, "`ID` of a peer to begin with, 64 hexadecimal digits; may be repeated")
	flags.IntVar(&f.settings.Version, "groupspec-version", groupspec.MaxVersion, "1 for members with players from before 2012")
	flags.BoolVar(&f.json, "json", false, "print everything about it as JSON")
	return cmd
}

func (f *groupspecFlags) run(cmd *cobra.Command, name string) error {
	spec, err := f.build(cmd.InOrStdin(), name)
	if err != nil {
		return err
	}
	out, notes := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if f.json {
		return printJSON(out, describeGroupspec(spec))
	}
	if _, err := fmt.Fprintln(out, spec); err != nil {
		return err
	}
	if spec.Authorizations() != "" {
		fmt.Fprintf(notes, "It holds the passwords. For those who must not have them:\n%s\n", spec.WithoutAuthorizations())
	}
	if !f.unique {
		fmt.Fprintln(notes, "Whoever guesses the name can join; with --unique nobody can.")
	}
	return nil
}

// build makes the groupspec that the flags ask for.
func (f *groupspecFlags) build(stdin io.Reader, name string) (*groupspec.Spec, error) {
	s := &f.settings
	s.Name = name
	s.Multicast, s.Posting, s.Routing, s.ObjectReplication = f.multicast, f.post, f.route, f.replicate
	s.ServerChannel = !f.serverless && !f.noPeers
	s.PeerToPeerDisabled, s.MemberUpdates = f.noPeers, !f.lanOff && !f.noPeers
	for _, text := range f.addresses {
		a, err := groupspec.ParseAddress(text)
		if err != nil {
			return nil, usageError(fmt.Errorf("--ip-multicast %s: %w", text, err))
		}
		s.Addresses = append(s.Addresses, a)
	}
	for _, text := range f.peers {
		id, err := overlay.ParsePeerID(text)
		if err != nil {
			return nil, usageError(fmt.Errorf("--bootstrap-peer: %w", err))
		}
		s.BootstrapPeers = append(s.BootstrapPeers, id)
	}
	publish, err := passwordOf("publish", f.publish, f.publishFile, &f.publishSalt, stdin)
	if err != nil {
		return nil, err
	}
	posting, err := passwordOf("posting", f.posting, f.postingFile, &f.postingSalt, stdin)
	if err != nil {
		return nil, err
	}
	s.SetPublishPassword(publish, f.publishSalt)
	s.SetPostPassword(posting, f.postingSalt)
	if f.unique {
		if err := s.MakeUnique(rand.Reader); err != nil {
			return nil, err
		}
	}
	spec, err := groupspec.New(*s)
	if err != nil {
		return nil, usageError(err)
	}
	return spec, nil
}

// passwordOf returns the password that a pair of flags gives, and draws a salt
// for it if there is none.
func passwordOf(what, value, file string, salt *string, stdin io.Reader) (string, error) {
	switch {
	case value != "" && file != "":
		return "", usageError(fmt.Errorf("--%s-password and --%[1]s-password-file: give one of them", what))
	case file == "-":
		b, err := io.ReadAll(io.LimitReader(stdin, maxGroupspecInput))
		if err != nil {
			return "", fmt.Errorf("--%s-password-file: %w", what, err)
		}
		value = string(b)
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", usageError(fmt.Errorf("--%s-password-file: %w", what, err))
		}
		value = string(b)
	}
	if file != "" {
		value = strings.TrimRight(value, "\r\n")
		if value == "" {
			return "", usageError(fmt.Errorf("--%s-password-file %s: it is empty", what, file))
		}
	}
	if value != "" && *salt == "" {
		b := make([]byte, 8)
		if _, err := rand.Read(b); err != nil {
			return "", err
		}
		*salt = hex.EncodeToString(b)
	}
	return value, nil
}

// maxGroupspecInput bounds what is read from standard input.
const maxGroupspecInput = 64 << 10

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
