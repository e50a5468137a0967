package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/playout/web"
)

// How long a stop takes.
const (
	// stopWithin is how long it may take in all.
	stopWithin = 5 * time.Second
	// tellWithin is the part of it in which HLS players, which ask again and
	// again, may see that their playlist has ended.
	tellWithin = 2500 * time.Millisecond
	// fetchWithin is what they get to fetch the end that they have seen, and
	// viewersWithin what requests in flight get.
	fetchWithin   = 500 * time.Millisecond
	viewersWithin = time.Second
)

// nodeOptions say how a command runs a node.
type nodeOptions struct {
	sources config.Sources
	loaded  *config.Loaded
	// demo prints more about what to try.
	demo bool
	// network is the node's part in groups.
	network networkOptions
}

// node is a running node: listeners, media and web server.
type node struct {
	nodeOptions
	out     io.Writer
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time

	listeners
	// hangup delivers SIGHUP.
	hangup chan os.Signal
	// generatedKey is the publish key that the node made for itself.
	generatedKey string

	media *media
	web   *web.Server
	watch watch
	// net is the node's part in groups; nil without one.
	net *network
}

// runNode runs a node until ctx is done or a part of it fails.
func runNode(ctx context.Context, inv *invocation, options nodeOptions) error {
	log, level := newLogger(inv.stderr, options.loaded.Log)
	running, stop := context.WithCancel(ctx)
	defer stop()
	n := &node{nodeOptions: options, out: inv.stdout, log: log, level: level, started: time.Now(), hangup: hangups(running)}
	origin := options.loaded.File
	if origin == "" {
		origin = "defaults, environment and flags"
	}
	log.Info("starting", "version", version(), "configuration", origin, "pid", os.Getpid())
	if err := n.open(ctx); err != nil {
		n.listeners.close()
		if ctx.Err() != nil {
			return nil // stopped meanwhile
		}
		return err
	}
	return n.run(ctx)
}

// open binds every listener and builds every part, so that what cannot work
// shows before anything runs.
func (n *node) open(ctx context.Context) error {
	c := &n.loaded.Config
	var err error
	if err = n.listeners.open(ctx, n.loaded, n.log); err != nil {
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
	access, err := web.ParseAccess(c.HTTP.Admin)
	if err != nil {
		return configError(n.loaded, "http.admin", "", err)
	}
	settings := web.Config{Hosts: c.HTTP.Hosts, Access: &access, Pprof: c.HTTP.Pprof, Backend: n, Metrics: n.metrics, HLS: n.media.hls, FLV: n.media.flv}
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
	if n.http != nil || n.https != nil {
		start(&servers, serving, "http", func(ctx context.Context) error {
			return n.web.Run(ctx, viewersWithin, slices.DeleteFunc([]net.Listener{n.http, n.https}, func(l net.Listener) bool { return l == nil })...)
		})
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
	if len(n.network.links) > 0 {
		start(&feeds, feeding, "play", func(ctx context.Context) error {
			err := n.watchPlay(ctx)
			if err == nil {
				stopFeeding() // the player has ended
			}
			return err
		})
	}
	// From here on nothing may keep the node from ending in time, be it that
	// nobody reads what it prints.
	stopped := make(chan struct{})
	defer close(stopped)
	context.AfterFunc(feeding, func() { n.limitStop(stopped) })
	n.announce(feeding)
	start(&feeds, feeding, "status", n.follow)

	<-feeding.Done()
	began := time.Now()
	n.log.Info("stopping")
	notify("STOPPING=1")
	feeds.Wait()
	n.media.endStreams()
	n.watch.step(n)
	n.lingerForViewers(serving, began)
	stopServing()
	servers.Wait()
	n.listeners.close()
	n.log.Info("stopped", "after", time.Since(n.started).Round(time.Millisecond))
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// limitStop ends the process when a stop that begins now takes too long.
func (n *node) limitStop(stopped <-chan struct{}) {
	select {
	case <-stopped:
	case <-time.After(stopWithin):
		n.log.Error("stop hit its deadline", "after", stopWithin)
		os.Exit(exitDeadline)
	}
}

// lingerForViewers gives HLS players, which ask again and again, the time to
// see that their playlist has ended, and to fetch the end.
func (n *node) lingerForViewers(ctx context.Context, began time.Time) {
	viewers := 0
	for _, s := range n.Streams() {
		viewers += s.Viewers["hls"]
	}
	if viewers == 0 {
		return
	}
	const look = 20 * time.Millisecond
	for n.media.untold() > 0 && time.Since(began) < tellWithin && ctx.Err() == nil {
		sleep(ctx, look)
	}
	sleep(ctx, fetchWithin)
}

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// follow watches the streams while the node runs: it tells scripts and the
// service manager about them, and reloads on SIGHUP.
func (n *node) follow(ctx context.Context) error {
	const period = 250 * time.Millisecond
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.hangup:
			n.reloadSettings()
		case <-tick.C:
			n.watch.step(n)
		}
	}
}

// reloadSettings reads all settings again and changes what can change live,
// all or nothing.
func (n *node) reloadSettings() {
	notify("RELOADING=1" + reloadingSince())
	defer notify("READY=1")
	next, err := load(n.sources)
	if err != nil {
		n.log.Error("reload refused, nothing changed", "err", err)
		return
	}
	if next.Publish.Key == "" && n.generatedKey != "" {
		next.Publish.Key = n.generatedKey
	}
	live, restart := config.Changes(n.loaded, next)
	if now, then := n.loaded.Multicast.UploadLimit, next.Multicast.UploadLimit; now != then && (now == 0 || then == 0) {
		restart = append(restart, "multicast.uploadLimit") // whether a node relays at all, others know
	}
	if len(restart) > 0 {
		n.log.Error("reload refused, nothing changed", "err", errors.New("some settings need a restart"), "settings", restart)
		return
	}
	certificates, err := loadCertificates(next)
	if err != nil {
		n.log.Error("reload refused, nothing changed", "err", err)
		return
	}
	setLevel(n.level, next.Log.Level)
	n.media.setKey(next.Publish)
	if n.net != nil {
		n.net.setUploadLimit(next.Multicast.UploadLimit)
	}
	for _, c := range n.certificates {
		if !bytes.Equal(c.current.Load().Certificate[0], certificates[c.section].Certificate[0]) {
			live = append(live, c.section+" certificate")
		}
		c.current.Store(certificates[c.section])
	}
	n.loaded = next
	n.log.Info("reloaded", "changed", live)
}
