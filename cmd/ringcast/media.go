package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/ingest/file"
	"github.com/ringcast/ringcast/ingest/flv"
	"github.com/ringcast/ringcast/ingest/rtmp"
	rtspin "github.com/ringcast/ringcast/ingest/rtsp"
	"github.com/ringcast/ringcast/packager"
	flvout "github.com/ringcast/ringcast/playout/flv"
	"github.com/ringcast/ringcast/playout/hls"
	rtspout "github.com/ringcast/ringcast/playout/rtsp"
	"github.com/ringcast/ringcast/playout/station"
)

// part is something that runs until its context is done.
type part struct {
	name string
	run  func(context.Context) error
}

// media holds the parts that take streams in and serve them: sources and
// ingest servers publish into the registry, whose messages go into the group
// and by loop-back to the station, which feeds the outputs.
type media struct {
	log      *slog.Logger
	wanted   []config.Stream // by canonical name
	sources  []ingest.Source // beside wanted, nil for a push
	registry *ingest.Registry
	station  *station.Station
	hls      *hls.Server
	flv      *flvout.Server
	rtsp     *rtspout.Server

	rtmpListeners []net.Listener

	stopRegistry    context.CancelFunc
	registryContext context.Context
	registryDone    chan struct{}
}

// newMedia builds all parts from the configuration.
func newMedia(n *node) (*media, error) {
	c := &n.loaded.Config
	m := &media{log: n.log, registryDone: make(chan struct{})}
	m.registryContext, m.stopRegistry = context.WithCancel(context.Background())
	for _, l := range []net.Listener{n.rtmp, n.rtmps} {
		if l != nil {
			m.rtmpListeners = append(m.rtmpListeners, l)
		}
	}
	if err := m.addSources(c); err != nil {
		return nil, err
	}
	m.station = station.New(station.DefaultConfig(), n.log.With("component", "station"))
	m.addOutputs(n, c)
	settings := ingest.DefaultConfig()
	settings.Key, settings.StreamKeys = c.Publish.Key, m.streamKeys()
	settings.Account = ingest.Account{User: c.Publish.User, Password: c.Publish.Password}
	settings.Grace, settings.StallAfter = c.Ingest.GracePeriod, c.Ingest.StallAfter
	settings.Segmentation = packager.Segmentation{Min: c.HLS.SegmentMin, Target: c.HLS.TargetDuration, Part: c.HLS.PartDuration}
	m.registry = ingest.NewRegistry(settings, m.output(n.net), n.log.With("component", "ingest"))
	return m, m.startRTSP(n)
}

// output says where the node's own streams go: to its own outputs by loop-back,
// and into its group.
func (m *media) output(net *network) ingest.Output {
	switch {
	case net == nil || !net.options.publish:
		return m.station
	case net.options.noLoopback:
		return net
	}
	return outputs{m.station, net}
}

// startRTSP opens the RTSP server, which serves readers and takes publishers.
func (m *media) startRTSP(n *node) error {
	if n.rtsp == nil {
		return nil
	}
	publisher := recorder{rtspin.Publisher{Registry: m.registry}}
	m.rtsp = rtspout.New(rtspout.DefaultConfig(), n.rtsp, publisher, n.log.With("component", "rtsp"))
	if err := m.rtsp.Start(); err != nil {
		return fmt.Errorf("rtsp: %w", err)
	}
	m.station.AddSink(m.rtsp.Sink)
	return nil
}

// recorder fits the publishers' side of RTSP to the server's.
type recorder struct{ rtspin.Publisher }

func (r recorder) Announce(ctx *gortsplib.ServerHandlerOnAnnounceCtx, path string) (rtspout.Recording, *base.Response, error) {
	recording, refusal, err := r.Publisher.Announce(ctx, path)
	if refusal != nil {
		return nil, refusal, err
	}
	return recording, nil, nil
}

// addOutputs makes the outputs that each stream of the station gets.
func (m *media) addOutputs(n *node, c *config.Config) {
	if n.httpURL() != "" || len(m.rtmpListeners) > 0 {
		m.flv = flvout.New(n.log.With("component", "flv"))
		m.station.AddSink(m.flv.Sink)
	}
	if n.httpURL() != "" {
		settings := hls.DefaultConfig()
		settings.Variant, settings.Window = hls.Variant(c.HLS.Variant), c.HLS.Window
		settings.SeparateAudio, settings.Metadata = c.HLS.SeparateAudio, hls.Metadata(c.HLS.Metadata)
		m.hls = hls.New(settings)
		m.station.AddSink(m.hls.Sink)
	}
}

// player lets RTMP clients play what the FLV output has.
type player struct{ *flvout.Server }

// playWait is how long a client that plays by RTMP waits for its stream.
const playWait = 10 * time.Second

func (p player) Play(ctx context.Context, path string) (rtmp.Viewer, error) {
	v, err := p.Server.Play(ctx, path, playWait)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// viewers counts the readers of a stream by protocol.
func (m *media) viewers(path string) map[string]int {
	v := make(map[string]int)
	if m.rtsp != nil {
		v["rtsp"] = m.rtsp.Readers(path)
	}
	if m.hls != nil {
		v["hls"], v["flv"] = m.hls.Viewers(path), m.flv.Viewers(path)
	}
	if len(m.rtmpListeners) > 0 {
		v["rtmp"] = m.flv.Players(path)
	}
	return v
}

// untold counts the HLS players that have not seen yet that their stream has
// ended.
func (m *media) untold() (count int) {
	if m.hls == nil {
		return 0
	}
	for _, path := range m.hls.Paths() {
		count += m.hls.Untold(path)
	}
	return count
}

// addSources makes the source of each configured stream.
func (m *media) addSources(c *config.Config) error {
	for _, s := range c.AllStreams() {
		if s.Name == "" {
			s.Name = defaultStream
		}
		clean, err := packager.CleanStreamPath(s.Name)
		if err != nil {
			return usageError(fmt.Errorf("stream %q: %w", s.Name, err))
		}
		s.Name = clean
		source, err := newSource(s)
		if err != nil {
			return usageError(fmt.Errorf("source of %s: %w", s.Name, err))
		}
		m.wanted = append(m.wanted, s)
		m.sources = append(m.sources, source)
	}
	return nil
}

// newSource makes the source that a stream's URL names, nil if the stream is
// pushed.
func newSource(s config.Stream) (ingest.Source, error) {
	switch config.SourceKind(s.Source) {
	case "test":
		return file.Clip(), nil
	case "file":
		return file.New(strings.TrimPrefix(s.Source, "file://"), s.Loop)
	case "http":
		return flv.Source{URL: s.Source}, nil
	case "rtmp":
		return rtmp.Source{URL: s.Source}, nil
	case "rtsp":
		return rtspin.Source{URL: s.Source}, nil
	}
	if s.Source != "" {
		return nil, fmt.Errorf("%s cannot be fetched by this build", config.PublicSource(s.Source))
	}
	return nil, nil
}

func (m *media) streamKeys() map[string]string {
	keys := make(map[string]string)
	for _, s := range m.wanted {
		if s.Key != "" {
			keys[s.Name] = s.Key
		}
	}
	return keys
}

// configured returns the streams of the configuration by canonical name.
func (m *media) configured() []config.Stream { return m.wanted }

// servers run until the very end.
func (m *media) servers() []part {
	parts := []part{{"registry", func(context.Context) error {
		defer close(m.registryDone)
		return m.registry.Run(m.registryContext)
	}}}
	if m.rtsp != nil {
		parts = append(parts, part{"rtsp", m.rtsp.Run})
	}
	return parts
}

// feeds run until the node begins to stop.
func (m *media) feeds() []part {
	var parts []part
	for _, l := range m.rtmpListeners {
		server := rtmp.NewServer(m.registry, player{m.flv}, m.log.With("component", "rtmp"))
		parts = append(parts, part{"rtmp", func(ctx context.Context) error { return server.Run(ctx, l) }})
	}
	for i, source := range m.sources {
		if source == nil {
			continue
		}
		s := m.wanted[i]
		request := ingest.PublishRequest{Path: s.Name, Remote: config.PublicSource(s.Source), Protocol: config.SourceKind(s.Source)}
		parts = append(parts, part{"source of " + s.Name, func(ctx context.Context) error {
			m.feed(ctx, request, source)
			return nil
		}})
	}
	return parts
}

// feed keeps a source running. It gives way to a publisher who takes the
// stream over, and returns when that one has left.
func (m *media) feed(ctx context.Context, request ingest.PublishRequest, source ingest.Source) {
	for {
		err := ingest.Supervise(ctx, m.registry, request, source, m.log.With("component", "source"))
		if err == nil || ctx.Err() != nil {
			return
		}
		m.log.Info("source gave way to a publisher", "stream", request.Path, "err", err)
		for m.isPublished(request.Path) {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}

// isPublished reports whether a publisher holds the stream.
func (m *media) isPublished(path string) bool {
	return slices.ContainsFunc(m.registry.Streams(), func(s ingest.StreamStatus) bool {
		return s.Path == path && (s.State == ingest.StateLive || s.State == ingest.StateStalled)
	})
}

// endStreamsWithin is how long outputs may take to end their streams.
const endStreamsWithin = 2 * time.Second

// endStreams ends all streams, so that their playlists do. Feeds have stopped.
func (m *media) endStreams() {
	m.stopRegistry()
	<-m.registryDone
	ctx, cancel := context.WithTimeout(context.Background(), endStreamsWithin)
	defer cancel()
	if err := m.station.Shutdown(ctx); err != nil {
		m.log.Warn("outputs are slow to end", "err", err)
	}
}

// setKey changes the publish key and the account.
func (m *media) setKey(p config.Publish) {
	m.registry.SetKeys(p.Key, m.streamKeys(), ingest.Account{User: p.User, Password: p.Password})
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
