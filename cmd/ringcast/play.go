package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/overlay/sharelink"
	"github.com/ringcast/ringcast/packager"
)

func newPlayCommand(inv *invocation) *cobra.Command {
	c := nodeCommand{inv: inv, defaults: map[string]string{"rtmp.listen": "", "rtmfp.listen": ":0"}}
	cmd := &cobra.Command{
		Use:   "play LINK…",
		Short: "Play the stream of a share link, and pass it on",
		Long: "Join the group of a share link, play its stream, pass it on to other viewers, and\n" +
			"serve it on this machine to any player: HLS, RTSP and HTTP-FLV. No port has to be\n" +
			"open: members are reached through the introducer that the link names.",
		Example: "  ringcast play 'rtmfp://192.0.2.1:1935/live/stream?fp=…#G:…'\n" +
			"  ringcast play --exec 'vlc {hls}' 'rtmfp://…'\n" +
			"  ringcast play --multicast-upload-limit 2M --timeout 20s 'rtmfp://…'",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // as if given by a flag, which comes before all others
				if err := cmd.Flags().Set("play", strings.Join(args, " ")); err != nil {
					return err
				}
			}
			options, err := c.load(cmd)
			if err != nil {
				return asArgument(err)
			}
			links, seeds, err := parseLinks(options.loaded)
			if err != nil {
				return asArgument(err)
			}
			if len(links) == 0 {
				return usageError(errors.New("play what? Give it a share link, which is what `ringcast publish` prints"))
			}
			options.network = networkOptions{links: links, seeds: seeds, introduce: introduces(options.loaded, false)}
			return runNode(cmd.Context(), inv, options)
		},
	}
	c.add(cmd)
	_ = cmd.Flags().MarkHidden("play")
	return cmd
}

// asArgument takes the flag out of an error about a link, since it was given as
// an argument.
func asArgument(err error) error {
	var e *config.Error
	if errors.As(err, &e) && e.Key == "play" && e.Origin.Flag != "" {
		return usageError(fmt.Errorf("play: %s; `ringcast publish` prints the link, in quotes", strings.TrimPrefix(e.Problem, "item 1: ")))
	}
	return err
}

// parseLinks reads the share links of what is to be played and seeded.
func parseLinks(loaded *config.Loaded) (links, seeds []*sharelink.Link, err error) {
	for _, part := range []struct {
		key  string
		text []string
		into *[]*sharelink.Link
	}{{"play", loaded.Play, &links}, {"seed", loaded.Seed, &seeds}} {
		for _, text := range part.text {
			link, err := sharelink.Parse(text)
			if err == nil {
				_, err = packager.CleanStreamPath(link.Stream)
			}
			if err != nil {
				return nil, nil, usageError(&config.Error{Key: part.key, Problem: err.Error(), Origin: loaded.Origin(part.key)})
			}
			*part.into = append(*part.into, link)
		}
	}
	return links, seeds, nil
}

// patience is when somebody who waits for a stream is told why it may not come.
const patience = 10 * time.Second

// watchPlay waits for the streams, starts the player, and tells what is wrong
// when nothing comes.
func (n *node) watchPlay(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	start, timeout := time.Now(), n.loaded.Timeout
	warned := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		waited := time.Since(start)
		ok, reason := n.net.hasFirst()
		switch {
		case ok:
			n.log.Info("stream plays", "stream", n.net.plays[0].path, "after", waited.Round(time.Millisecond))
			return n.runPlayer(ctx)
		case timeout > 0 && waited >= timeout:
			return &statusError{exitNoStream, fmt.Errorf("no stream within %v: %s; %s", timeout, reason, n.net.diagnosis())}
		case waited >= patience && !warned:
			warned = true
			n.log.Warn("still waiting for the stream", "reason", n.net.diagnosis())
		}
	}
}

// runPlayer runs the player, if one was asked for, and otherwise waits until
// ctx is done.
func (n *node) runPlayer(ctx context.Context) error {
	if n.loaded.Exec == "" {
		<-ctx.Done()
		return nil
	}
	if err := n.waitForPlaylist(ctx); err != nil {
		return nil // stopped meanwhile
	}
	u := n.urls(n.net.plays[0].path, true)
	line := strings.NewReplacer("{hls}", u.HLS, "{rtsp}", u.RTSP, "{flv}", u.FLV, "{page}", u.Page).Replace(n.loaded.Exec)
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Second
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	n.log.Info("starting the player", "command", line)
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 127 {
		return fmt.Errorf("--exec %q: the player is not installed", n.loaded.Exec)
	}
	if err != nil {
		n.log.Warn("player has failed", "err", err)
	} else {
		n.log.Info("player has ended")
	}
	return nil
}

// waitForPlaylist waits until the stream has a format, so that a player that
// asks finds something.
func (n *node) waitForPlaylist(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, s := range n.media.station.Streams() {
			if s.Path == n.net.plays[0].path && len(s.Tracks) > 0 {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
