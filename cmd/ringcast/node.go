package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/playout/web"
)

// stopWithin is how long a stop may take in all; viewersWithin is the part of
// it in which viewers may fetch the end of what they watch.
const (
	stopWithin    = 5 * time.Second
	viewersWithin = time.Second
)

// nodeOptions say how a command runs a node.
type nodeOptions struct {
	sources config.Sources
	loaded  *config.Loaded
	// json prints JSON lines on standard output instead of text.
	json bool
	// demo prints more about what to try.
	demo bool
	// reload delivers SIGHUP.
	reload chan os.Signal
	// network is the node's part in groups.
	network networkOptions
	// play says how the streams of share links are played.
	play playOptions
}

// node is a running node: listeners, media and web server.
type node struct {
	nodeOptions
	out     io.Writer
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time

	rtmp, rtmps, rtsp, http net.Listener
	// generatedKey is the publish key that the node made for itself.
	generatedKey string

	media *media
	web   *web.Server
	// net is the node's part in groups; nil without one.
	net *network
}

// runNode runs a node until ctx is done or a part of it fails.
func runNode(ctx context.Context, inv *invocation, options nodeOptions) error {
	log, level := newLogger(inv.stderr, options.loaded.Log)
	n := &node{nodeOptions: options, out: inv.stdout, log: log, level: level, started: time.Now()}
	origin := options.loaded.File
	if origin == "" {
		origin = "defaults, environment and flags"
	}
	log.Info("starting", "version", version(), "configuration", origin, "pid", os.Getpid())
	if err := n.open(ctx); err != nil {
		n.closeListeners()
		return err
	}
	return n.run(ctx)
}

// open binds every listener and builds every part, so that what cannot work
// shows before anything runs.
func (n *node) open(ctx context.Context) error {
	c := &n.loaded.Config
	var err error
	if n.rtmp, err = listen(ctx, n.loaded, "rtmp.listen", c.RTMP.Listen, n.log); err != nil {
		return err
	}
	if n.rtmps, err = listenTLS(ctx, n.loaded, n.log); err != nil {
		return err
	}
	if n.rtsp, err = listen(ctx, n.loaded, "rtsp.listen", c.RTSP.Listen, n.log); err != nil {
		return err
	}
	if n.http, err = listen(ctx, n.loaded, "http.listen", c.HTTP.Listen, n.log); err != nil {
		return err
	}
	// The demo's key is what lets a push take the place of the clip.
	if c.Publish.Key == "" && c.Publish.User == "" && (n.demo || beyondLoopback(n.rtmp) || beyondLoopback(n.rtmps) || beyondLoopback(n.rtsp)) {
		n.generatedKey = rand.Text()
		c.Publish.Key = n.generatedKey
	}
	if n.network.any() {
		if n.net, err = openNetwork(ctx, n.loaded, n.network, n.log.With("component", "rtmfp")); err != nil {
			return err
		}
	}
	if n.media, err = newMedia(n); err != nil {
		return err
	}
	settings := web.Config{Hosts: c.HTTP.Hosts, Backend: n, HLS: n.media.hls, FLV: n.media.flv}
	if n.net != nil {
		if err := n.net.join(ctx, n.mainStream(), n.media.station); err != nil {
			return err
		}
		n.net.viewers = n.media.viewers
		settings.Network = n.net
	}
	n.web, err = web.New(settings, n.log.With("component", "web"))
	return err
}

// mainStream returns the name of the node's first stream.
func (n *node) mainStream() string {
	if configured := n.media.configured(); len(configured) > 0 {
		return configured[0].Name
	}
	return defaultStream
}

func (n *node) closeListeners() {
	for _, l := range []net.Listener{n.rtmp, n.rtmps, n.rtsp, n.http} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// run starts all parts, tells the world, and stops them in order: first what
// takes streams in, so that playlists end, then what serves them.
func (n *node) run(ctx context.Context) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	feeding, stopFeeding := context.WithCancel(ctx)
	defer stopFeeding()

	failed := make(chan error, 16)
	var servers, feeds sync.WaitGroup
	start := func(group *sync.WaitGroup, ctx context.Context, name string, run func(context.Context) error) {
		group.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", name, err)
				stopFeeding()
			}
		})
	}
	if n.http != nil {
		start(&servers, serving, "http", func(ctx context.Context) error { return n.web.Run(ctx, n.http, viewersWithin) })
	}
	for _, p := range n.media.servers() {
		start(&servers, serving, p.name, p.run)
	}
	if n.net != nil {
		for _, p := range n.net.parts() {
			start(&servers, serving, p.name, p.run)
		}
	}
	for _, p := range n.media.feeds() {
		start(&feeds, feeding, p.name, p.run)
	}
	start(&feeds, feeding, "status", n.follow)
	if len(n.network.links) > 0 {
		start(&feeds, feeding, "play", func(ctx context.Context) error {
			err := n.watchPlay(ctx)
			if err == nil {
				stopFeeding() // the player has ended
			}
			return err
		})
	}
	n.announce(ctx)

	<-feeding.Done()
	n.log.Info("stopping")
	notify("STOPPING=1")
	deadline := time.AfterFunc(stopWithin, func() {
		n.log.Error("stop hit its deadline", "after", stopWithin)
		os.Exit(exitDeadline)
	})
	defer deadline.Stop()
	feeds.Wait()
	n.media.endStreams()
	n.lingerForViewers(serving)
	stopServing()
	servers.Wait()
	n.closeListeners()
	n.log.Info("stopped", "after", time.Since(n.started).Round(time.Millisecond))
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// lingerForViewers gives HLS players, which ask again and again, the time to
// see that their playlist has ended.
func (n *node) lingerForViewers(ctx context.Context) {
	for _, s := range n.Streams() {
		if s.Viewers["hls"] > 0 {
			select {
			case <-time.After(viewersWithin):
			case <-ctx.Done():
			}
			return
		}
	}
}

// follow watches the streams while the node runs: it tells scripts and the
// service manager about them, and reloads on SIGHUP.
func (n *node) follow(ctx context.Context) error {
	signal.Notify(n.reload, syscall.SIGHUP)
	defer signal.Stop(n.reload)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var w watch
	w.step(n, false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.reload:
			n.reloadSettings()
		case <-tick.C:
			w.step(n, true)
		}
	}
}

// reloadSettings reads all settings again and changes what can change live,
// all or nothing.
func (n *node) reloadSettings() {
	notify("RELOADING=1")
	defer notify("READY=1")
	next, err := config.Load(n.sources)
	if err != nil {
		n.log.Error("reload refused, nothing changed", "err", err)
		return
	}
	if next.Publish.Key == "" && n.generatedKey != "" {
		next.Publish.Key = n.generatedKey
	}
	live, restart := config.Changes(n.loaded, next)
	if len(restart) > 0 {
		n.log.Error("reload refused, nothing changed", "err", errors.New("some settings need a restart"), "settings", restart)
		return
	}
	setLevel(n.level, next.Log.Level)
	n.media.setKey(next.Publish)
	n.loaded = next
	n.log.Info("reloaded", "changed", live)
}
