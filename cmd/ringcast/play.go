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

	"github.com/ringcast/ringcast/overlay/sharelink"
)

// playOptions say how the streams of share links are played.
type playOptions struct {
	// timeout ends the node if a stream has not come by then; 0 waits.
	timeout time.Duration
	// exec is the command line of a player, with {hls}, {rtsp}, {flv} and
	// {page} in place of addresses. The node ends with it.
	exec string
}

func newPlayCommand(inv *invocation) *cobra.Command {
	var flags nodeFlags
	var options playOptions
	cmd := &cobra.Command{
		Use:   "play LINK",
		Short: "Play the stream of a share link, and pass it on",
		Long: "Join the group of a share link, play its stream, pass it on to other viewers, and\n" +
			"serve it on this machine to any player: HLS, RTSP and HTTP-FLV. No port has to be\n" +
			"open: members are reached through the introducer that the link names.",
		Example: "  ringcast play 'rtmfp://192.0.2.1:1935/live/stream?fp=…#G:…'\n" +
			"  ringcast play --exec 'vlc {hls}' 'rtmfp://…'\n" +
			"  ringcast play --multicast-upload-limit 2M --timeout 20s 'rtmfp://…'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			link, err := sharelink.Parse(args[0])
			if err != nil {
				return usageError(fmt.Errorf("%w; a share link is what `ringcast publish` prints", err))
			}
			src := flags.sources(cmd, inv, map[string]string{"rtmp.listen": "", "rtmfp.listen": ":0"})
			loaded, err := load(src)
			if err != nil {
				return err
			}
			return runNode(cmd.Context(), inv, nodeOptions{
				sources: src, loaded: loaded, json: flags.json, reload: reloadSignals(),
				network: networkOptions{links: []*sharelink.Link{link}}, play: options,
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&options.timeout, "timeout", 0, "end with status 6 if the stream has not come by then; 0 waits for it")
	cmd.Flags().StringVar(&options.exec, "exec", "", "run this player when the stream plays and end with it; {hls}, {rtsp}, {flv} and {page} stand for addresses")
	return cmd
}

// patience is when somebody who waits for a stream is told why it may not come.
const patience = 10 * time.Second

// watchPlay waits for the streams, starts the player, and tells what is wrong
// when nothing comes.
func (n *node) watchPlay(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	warned := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		waited := time.Since(start)
		ok, reason := n.net.ready()
		switch {
		case ok:
			n.log.Info("stream plays", "stream", n.net.plays[0].path, "after", waited.Round(time.Millisecond))
			return n.runPlayer(ctx)
		case n.play.timeout > 0 && waited >= n.play.timeout:
			return &statusError{exitNoStream, fmt.Errorf("no stream within %v: %s; %s", n.play.timeout, reason, n.net.diagnosis())}
		case waited >= patience && !warned:
			warned = true
			n.log.Warn("still waiting for the stream", "reason", n.net.diagnosis())
		}
	}
}

// runPlayer runs the player, if one was asked for, and otherwise waits until
// ctx is done.
func (n *node) runPlayer(ctx context.Context) error {
	if n.play.exec == "" {
		<-ctx.Done()
		return nil
	}
	if err := n.waitForPlaylist(ctx); err != nil {
		return nil // stopped meanwhile
	}
	u := n.urls(n.net.plays[0].path, true)
	line := strings.NewReplacer("{hls}", u.HLS, "{rtsp}", u.RTSP, "{flv}", u.FLV, "{page}", u.Page).Replace(n.play.exec)
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
		return fmt.Errorf("--exec %q: the player is not installed", n.play.exec)
	}
	n.log.Info("player has ended", "err", err)
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
