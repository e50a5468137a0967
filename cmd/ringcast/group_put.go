package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast/files"
	"github.com/ringcast/ringcast/overlay/manifest"
)

func newGroupPutCommand(inv *invocation) *cobra.Command {
	var name string
	var seedFor time.Duration
	var quiet bool
	cmd := &cobra.Command{
		Use:   "put GROUP FILE",
		Short: "Offer a file to a group",
		Long: "Offer a file to the members of a group, until Ctrl-C or for --seed-for. Whoever\n" +
			"fetches it passes it on, so the file leaves here about once, whatever the number of\n" +
			"members. It is known by its name: `group get` finds it by that, and checks each\n" +
			"piece by its hash. Pieces are read from the disk when they are asked for. In a group\n" +
			"of more than some twenty members those who are linked with this node get it first,\n" +
			"and others from them.",
		Example: "  ringcast group put 'rtmfp://…#G:…' talk.mp4\n" +
			"  ringcast group put --multicast-upload-limit 20M --seed-for 1h 'rtmfp://…#G:…' talk.mp4\n" +
			"  ringcast group put --name today.pdf --introducer meet.example:1935 G:… slides-v7.pdf",
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "", "what others fetch it by (default: the name of the file)")
	flags.DurationVar(&seedFor, "seed-for", 0, "end after this `time`; 0s waits for Ctrl-C")
	flags.BoolVar(&quiet, "quiet", false, "don't tell how it is going")
	c := newGroupFlags(inv, cmd, "0s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := memberOptions{needs: "object replication", arguments: exactly(1, "which file? Give its name after the group")}
		return c.run(cmd, args, o, func(ctx context.Context, m *member, args []string) error {
			if m.loaded.Multicast.UploadLimit == 0 {
				return configError(m.loaded, "multicast.uploadLimit", "0", errors.New("nobody gets the file from a node that sends nothing"))
			}
			p := putter{m: m, share: files.NewShare(m.group), transfer: newTransfer(m, filepath.Base(args[0]), quiet)}
			defer p.share.Close()
			return p.run(ctx, args[0], name, seedFor)
		})
	}
	return cmd
}

// exactly returns a check of how many arguments follow the group.
func exactly(count int, missing string) func(args []string) error {
	return func(args []string) error {
		if len(args) < count {
			return errors.New(missing)
		}
		return atMost(count)(args)
	}
}

// putter offers one file.
type putter struct {
	m        *member
	share    *files.Share
	transfer *transfer
}

// fileReady is the line of --json when a file is offered or has been fetched.
type fileReady struct {
	Ready  bool   `json:"ready"`
	PeerID string `json:"peerID"`
	Group  string `json:"group"`
	Name   string `json:"name"`
	// Path is where a fetched file is.
	Path   string `json:"path,omitempty"`
	Size   uint64 `json:"size"`
	SHA256 string `json:"sha256"`
	Pieces int    `json:"pieces"`
	// Bytes is how many came from others, Seconds how long it took.
	Bytes   uint64  `json:"bytes,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

func (m *member) fileReady(h *manifest.Head) fileReady {
	return fileReady{
		Ready: true, PeerID: m.net.node.PeerID().String(), Group: m.group.ID(), Name: h.Name, Size: h.Size,
		SHA256: hex.EncodeToString(h.Sum[:]), Pieces: h.Pieces(),
	}
}

func (p *putter) run(ctx context.Context, path, name string, seedFor time.Duration) error {
	err := p.share.Load(ctx, path, files.LoadOptions{Name: name, Progress: p.transfer.show})
	p.transfer.clear()
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid), errors.Is(err, manifest.ErrName), errors.Is(err, files.ErrTooLong):
		return usageError(err)
	case errors.Is(err, fs.ErrPermission):
		return &statusError{exitAddress, err}
	case err != nil:
		return err
	}
	h := p.share.Head()
	if p.m.loaded.JSON {
		if err := json.NewEncoder(p.m.inv.stdout).Encode(p.m.fileReady(h)); err != nil {
			return err
		}
	} else {
		p.m.say("%s: %s, SHA-256 %x", printable(h.Name), byteSize(int64(h.Size)), h.Sum)
		p.m.say("Others fetch it with: ringcast group get GROUP %q", h.Name)
	}
	return p.m.serve(ctx, p.share).last(ctx, seedFor, p.transfer)
}
