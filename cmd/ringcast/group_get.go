package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast/files"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/manifest"
)

// getOptions are the flags of `ringcast group get`.
type getOptions struct {
	output, sum, order string
	seed, force, list  bool
	quiet              bool
	seedFor            time.Duration
}

func newGroupGetCommand(inv *invocation) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get GROUP [NAME]",
		Short: "Fetch a file from a group",
		Long: "Fetch a file that a member of the group offers, check each piece by its hash as it\n" +
			"comes and the whole at the end, and give pieces to others meanwhile. Without a name\n" +
			"the one file that the neighbors offer is fetched, unless its name begins with a dot,\n" +
			"or a list of them is printed. Until it is complete the file is called NAME.part;\n" +
			"started again, the command goes on where it was. If nothing comes for --timeout it\n" +
			"ends with status 6. A file comes from neighbors alone, the members that this node is\n" +
			"linked with: all of a small group, some 33 of a thousand. What none of them has is\n" +
			"not found until one of them fetches it. Whoever is in the group can offer a file\n" +
			"under any name: --sha256 makes sure which one it is.",
		Example: "  ringcast group get 'rtmfp://…#G:…' talk.mp4\n" +
			"  ringcast group get -o /srv/talk.mp4 --seed --sha256 9f86… 'rtmfp://…#G:…' talk.mp4\n" +
			"  ringcast group get --order lowest-first 'rtmfp://…#G:…' talk.mp4\n" +
			"  ringcast group get --list 'rtmfp://…#G:…'",
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "the `file` or folder to write to (default: NAME)")
	flags.StringVar(&o.sum, "sha256", "", "the `hash` that the file must have")
	flags.StringVar(&o.order, "order", "rarest-first", "which pieces come first: rarest-first, the best for all together, or lowest-first, to read it from the start")
	flags.BoolVar(&o.seed, "seed", false, "go on giving it to others when it is complete, until Ctrl-C")
	flags.DurationVar(&o.seedFor, "seed-for", 0, "go on giving it to others for this `time`")
	flags.BoolVar(&o.force, "force", false, "replace another file of that name")
	flags.BoolVar(&o.list, "list", false, "list the files that neighbors offer, and end")
	flags.BoolVar(&o.quiet, "quiet", false, "don't show how far it is")
	_ = cmd.MarkFlagFilename("output")
	c := newGroupFlags(inv, cmd, "30s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("order", o.order, "rarest-first", "lowest-first"); err != nil {
			return err
		}
		m := memberOptions{needs: "object replication", arguments: atMost(1), strategy: overlay.ReplicationRarestFirst}
		if o.order == "lowest-first" {
			m.strategy = overlay.ReplicationLowestFirst
		}
		return c.run(cmd, args, m, func(ctx context.Context, m *member, args []string) error {
			g := getter{m: m, o: o}
			return g.run(ctx, args)
		})
	}
	return cmd
}

// getter fetches one file.
type getter struct {
	m       *member
	o       getOptions
	options files.FetchOptions
}

func (g *getter) run(ctx context.Context, args []string) error {
	if err := g.prepare(); err != nil {
		return err
	}
	if g.o.list || len(args) == 0 {
		name, err := g.choose(ctx)
		if err != nil || name == "" {
			return err
		}
		args = []string{name}
	}
	g.options.Name = args[0]
	if err := manifest.CheckName(args[0]); err != nil {
		return usageError(fmt.Errorf("%q: %w", args[0], err))
	}
	g.options.Path = g.o.output
	if info, err := os.Stat(g.o.output); g.o.output == "" || err == nil && info.IsDir() {
		g.options.Path = filepath.Join(g.o.output, args[0])
	}
	if err := g.m.waitNeighbor(ctx); err != nil {
		return err
	}
	return g.fetch(ctx)
}

// prepare reads the flags.
func (g *getter) prepare() error {
	g.options = files.FetchOptions{Overwrite: g.o.force, Patience: g.m.loaded.Timeout}
	if g.o.sum == "" {
		return nil
	}
	b, err := hex.DecodeString(g.o.sum)
	if err != nil || len(b) != len(manifest.Hash{}) {
		return usageError(fmt.Errorf("--sha256 %q: want 64 hexadecimal digits", g.o.sum))
	}
	sum := manifest.Hash(b)
	g.options.Sum = &sum
	return nil
}

// choose finds out what neighbors offer. It returns the name of the only file,
// or prints a list.
func (g *getter) choose(ctx context.Context) (string, error) {
	if err := g.m.waitReady(ctx); err != nil {
		return "", err
	}
	var heads []*manifest.Head
	err := g.m.wait(ctx, "file on offer", func(ctx context.Context) error {
		var err error
		heads, err = files.List(ctx, g.m.group)
		return err
	})
	if err != nil {
		return "", err
	}
	// A stranger does not choose what a hidden file here holds: programs read
	// some of those by themselves.
	only := len(heads) == 1 && !strings.HasPrefix(heads[0].Name, ".")
	if !g.o.list && only {
		return heads[0].Name, nil
	}
	for _, h := range heads {
		if g.m.loaded.JSON {
			err = json.NewEncoder(g.m.inv.stdout).Encode(g.m.fileReady(h))
		} else {
			_, err = fmt.Fprintf(g.m.inv.stdout, "%x  %9s  %s\n", h.Sum, byteSize(int64(h.Size)), printable(h.Name))
		}
		if err != nil {
			return "", err
		}
	}
	if !g.o.list {
		return "", usageError(errors.New("which file? Give its name after the group: several are on offer, or a hidden one"))
	}
	return "", nil
}

// fetch fetches the file and gives what it has to others meanwhile, and then for
// as long as it was told to.
func (g *getter) fetch(ctx context.Context) error {
	share := files.NewShare(g.m.group)
	defer share.Close()
	t := newTransfer(g.m, g.options.Name, g.o.quiet)
	g.options.Progress = t.show
	begin := time.Now()
	serving := g.m.serve(ctx, share)
	err := share.Fetch(ctx, g.options)
	t.clear()
	if err == nil {
		err = g.done(share.Head(), time.Since(begin))
	} else {
		err = g.failed(ctx, err)
	}
	if err == nil && (g.o.seed || g.o.seedFor > 0) {
		return serving.last(ctx, g.o.seedFor, t)
	}
	return errors.Join(err, serving.end())
}

// done says what has come.
func (g *getter) done(h *manifest.Head, took time.Duration) error {
	came := g.m.group.Replication().BytesReceived
	if g.m.loaded.JSON {
		line := g.m.fileReady(h)
		line.Path, line.Bytes, line.Seconds = g.options.Path, came, took.Seconds()
		return json.NewEncoder(g.m.inv.stdout).Encode(line)
	}
	g.m.say("%s: %s in %v, %s/s; SHA-256 %x is right", printable(g.options.Path), byteSize(int64(h.Size)), took.Round(time.Millisecond),
		byteSize(int64(float64(came)/took.Seconds())), h.Sum)
	return nil
}

// failed says why the file has not come, and what to do.
func (g *getter) failed(ctx context.Context, err error) error {
	kept := ""
	if _, stat := os.Stat(g.options.Path + files.PartSuffix); stat == nil {
		kept = fmt.Sprintf("; what has come is in %q, and the same command goes on from there", g.options.Path+files.PartSuffix)
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the end" + kept)
	case errors.Is(err, files.ErrNotFound):
		return &statusError{exitNoStream, fmt.Errorf("nobody has offered %q within %v: %s", g.options.Name, g.options.Patience, g.m.diagnosis())}
	case errors.Is(err, files.ErrStalled):
		return &statusError{exitNoStream, fmt.Errorf("nothing of %q has come for %v: who had it has gone%s", g.options.Name, g.options.Patience, kept)}
	case errors.Is(err, files.ErrExists):
		return usageError(fmt.Errorf("%w; --force replaces it, -o writes elsewhere", err))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return &statusError{exitAddress, err}
	}
	return err
}
