package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/ingest"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/sharelink"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout/station"
)

// networkOptions say what part a command's node has in groups.
type networkOptions struct {
	// publish offers the node's streams to a group of its own.
	publish bool
	// introduce makes the node a meeting point.
	introduce bool
	// links are streams of others to play, seeds those to pass on only.
	links, seeds []*sharelink.Link
	// noLoopback keeps the node's own streams from its outputs: they are played
	// as they come back from the network.
	noLoopback bool
	// demoPeers is how many viewers' nodes a demo has.
	demoPeers int
}

func (o *networkOptions) any() bool { return o.publish || o.introduce || len(o.links)+len(o.seeds) > 0 }

// network is a node's part in groups: the streams that it publishes and those
// that it plays.
type network struct {
	options networkOptions
	config  *config.Loaded
	log     *slog.Logger
	node    *peernode.Node
	station *station.Station

	// group is where the node's own streams go; nil without any.
	group *peernode.Group
	// plays are streams that go to the outputs, seeds those that only pass
	// through.
	plays, seeds []*played
	// viewerNodes are the other nodes of a demo.
	viewerNodes []*peernode.Node

	// viewers counts the readers of a stream by protocol.
	viewers func(path string) map[string]int

	mu   sync.Mutex
	pubs map[string]*publication
	apis map[string]*groupAPI // by ID of the group
}

// played is a stream of a share link.
type played struct {
	link  *sharelink.Link
	path  string
	group *peernode.Group

	mu    sync.Mutex
	first time.Time // when the first message came; zero before
	last  time.Time // when the last frame came
	ended bool
}

// publication is a stream on its way into the group.
type publication struct {
	p *peernode.Publication
}

// join joins the groups that the node has a part in.
func (n *network) join(ctx context.Context, stream string, out *station.Station) error {
	n.station = out
	if n.options.publish {
		if err := n.joinOwn(ctx, stream); err != nil {
			return err
		}
	}
	for _, link := range n.options.links {
		if err := n.play(ctx, link, false); err != nil {
			return err
		}
	}
	for _, link := range n.options.seeds {
		if err := n.play(ctx, link, true); err != nil {
			return err
		}
	}
	if n.options.demoPeers > 0 {
		return n.addDemoPeers(ctx, stream)
	}
	return nil
}

// joinOwn joins the group that the node's own streams go into.
func (n *network) joinOwn(ctx context.Context, stream string) error {
	spec, err := ownGroup(n.config, stream)
	if err != nil {
		return err
	}
	settings := spec.Settings()
	if !settings.MayPublish() {
		return &statusError{exitAuth, errors.New("publishing into the group of group.spec needs its publish password: set group.publishPassword (--group-publish-password, RINGCAST_GROUP_PUBLISH_PASSWORD_FILE)")}
	}
	if n.config.Multicast.UploadLimit == 0 {
		return configError(n.config, "multicast.uploadLimit", "0", errors.New("a publisher that sends nothing has no viewers"))
	}
	var at []peernode.Introducer
	for _, addr := range n.config.Introducers {
		if !n.isSelf(ctx, addr) {
			at = append(at, peernode.Introducer{Addr: addr})
		}
	}
	n.group, err = n.node.Join(ctx, spec, n.joinOptions(at))
	return joinError(err)
}

// joinError gives an introducer that cannot be found the status of an address.
func joinError(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &statusError{exitAddress, err}
	}
	return err
}

// isSelf reports whether host:port leads to this node's own sockets, which is
// how a meeting point that takes part in a group finds itself in a link.
func (n *network) isSelf(ctx context.Context, hostPort string) bool {
	if !n.options.introduce {
		return false
	}
	if hostPort == n.config.PublicAddress {
		return true
	}
	addrs, err := resolveAll(ctx, hostPort)
	if err != nil {
		return false
	}
	own := n.node.OwnAddrs()
	for _, a := range addrs {
		if slices.Contains(own, a) || a.Addr().IsLoopback() && slices.ContainsFunc(own, func(o netip.AddrPort) bool { return o.Port() == a.Port() }) {
			return true
		}
	}
	return false
}

// play joins the group of a share link, if the node is not in it yet, and plays
// its stream: to the outputs, or only to pass it on.
func (n *network) play(ctx context.Context, link *sharelink.Link, seed bool) error {
	path, err := packager.CleanStreamPath(link.Stream)
	if err != nil {
		return usageError(fmt.Errorf("share link: %w", err))
	}
	p := &played{link: link, path: path}
	if p.group = n.joined(link.Spec.ID()); p.group == nil {
		if p.group, err = n.node.Join(ctx, link.Spec, n.joinOptions(n.meetingPoints(ctx, link))); err != nil {
			return joinError(err)
		}
	}
	for _, other := range slices.Concat(n.plays, n.seeds) {
		if other.group == p.group && other.path == path {
			return nil // played already
		}
	}
	handler := n.handler(p)
	if seed {
		handler = peernode.Handler{Message: func(packager.Message) {}}
		n.seeds = append(n.seeds, p)
	} else {
		n.plays = append(n.plays, p)
	}
	_, err = p.group.Play(groupName(path), handler)
	return err
}

// meetingPoints returns the introducers of a link without this node itself.
func (n *network) meetingPoints(ctx context.Context, link *sharelink.Link) []peernode.Introducer {
	var at []peernode.Introducer
	for i, addr := range link.Introducers {
		in := peernode.Introducer{Addr: addr}
		if i == 0 && link.HasFingerprint {
			in.Fingerprint = &link.Fingerprint
		}
		if in.Fingerprint != nil && *in.Fingerprint == [32]byte(n.node.PeerID()) || n.isSelf(ctx, addr) {
			continue
		}
		at = append(at, in)
	}
	return at
}

// handler hands what comes of a stream to the outputs.
func (n *network) handler(p *played) peernode.Handler {
	return peernode.Handler{
		Message: func(m packager.Message) {
			p.note(&m, time.Now())
			n.station.WriteMessage(p.path, m)
		},
		Reset: func() { n.station.EndStream(p.path) },
		End: func() {
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			n.station.EndStream(p.path)
		},
	}
}

// note takes the time of a message. Data that comes without frames is no sign
// of life.
func (p *played) note(m *packager.Message, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() {
		p.first, p.last = now, now
	}
	if m.Type != packager.MessageData {
		p.last = now
	}
	p.ended = false
}

// state tells how the stream does, as ingest.State has it for those that are
// published here, and since when.
func (p *played) state(now time.Time, stallAfter time.Duration) (ingest.State, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return ingest.StateEnded, p.last
	case p.first.IsZero():
		return ingest.StateConnecting, time.Time{}
	case now.Sub(p.last) > stallAfter:
		return ingest.StateStalled, p.last
	}
	return ingest.StateLive, p.first
}

// joined returns the group of that ID, if the node is in it.
func (n *network) joined(id [32]byte) *peernode.Group {
	if n.group != nil && n.group.Spec().ID() == id {
		return n.group
	}
	for _, p := range slices.Concat(n.plays, n.seeds) {
		if p.group.Spec().ID() == id {
			return p.group
		}
	}
	return nil
}

// outputs is where the messages of the node's own streams go.
type outputs []ingest.Output

// WriteMessage implements ingest.Output.
func (o outputs) WriteMessage(path string, m packager.Message) {
	for _, out := range o {
		out.WriteMessage(path, m)
	}
}

// EndStream implements ingest.Output.
func (o outputs) EndStream(path string) {
	for _, out := range o {
		out.EndStream(path)
	}
}

// WriteMessage sends a message of an own stream into the group. The first one
// publishes the stream.
func (n *network) WriteMessage(path string, m packager.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pubs[path]
	if p == nil {
		p = &publication{}
		n.pubs[path] = p
		var err error
		if p.p, err = n.group.Publish(groupName(path), nil); err != nil {
			n.log.Error("stream cannot be published", "stream", path, "err", err)
			return
		}
		n.log.Info("stream published", "stream", path, "group", n.group.ID()[:16])
	}
	if p.p == nil {
		return
	}
	if err := p.p.Write(m); err != nil {
		n.log.Warn("message not sent to the group", "stream", path, "err", err)
	}
}

// EndStream ends an own stream in the group.
func (n *network) EndStream(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pubs[path]; p != nil {
		delete(n.pubs, path)
		if p.p != nil {
			_ = p.p.Close()
		}
	}
}

// groupName is what a stream is called in a group: its path without the
// application that all have by default, as players of other makes call it.
func groupName(path string) string { return strings.TrimPrefix(path, "live/") }

// hasFirst reports whether every played stream has begun.
func (n *network) hasFirst() (bool, string) {
	for _, p := range n.plays {
		p.mu.Lock()
		first := p.first
		p.mu.Unlock()
		if first.IsZero() {
			return false, p.path + " has not come yet"
		}
	}
	return true, ""
}

// run runs the node's sockets until ctx is done.
func (n *network) run(ctx context.Context) error { return n.node.Run(ctx) }

var _ ingest.Output = (*network)(nil)
