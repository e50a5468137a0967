package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/overlay/sharelink"
	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout/station"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/keyfile"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// networkOptions say what part a command's node has in groups.
type networkOptions struct {
	// publish offers the node's streams to a group of its own.
	publish bool
	// introduce makes the node a meeting point.
	introduce bool
	// links are streams of others to play.
	links []*sharelink.Link
	// loopback feeds the node's own streams to its outputs directly, beside
	// the network. Without it they are played only from the network.
	noLoopback bool
	// demoPeers is how many viewers' nodes a demo has.
	demoPeers int
}

func (o *networkOptions) any() bool { return o.publish || o.introduce || len(o.links) > 0 }

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
	plays []*played
	// viewerNodes are the other nodes of a demo.
	viewerNodes []*peernode.Node

	// viewers counts the readers of a stream by protocol.
	viewers func(path string) map[string]int

	mu   sync.Mutex
	pubs map[string]*publication
}

// played is a stream of a share link.
type played struct {
	link  *sharelink.Link
	path  string
	group *peernode.Group

	mu    sync.Mutex
	first time.Time // when the first message came; zero before
	ended bool
}

// publication is a stream on its way into the group.
type publication struct {
	p       *peernode.Publication
	refused uint64 // messages that could not be sent
	said    time.Time
}

// openNetwork binds the node's UDP sockets. Groups are joined by run.
func openNetwork(ctx context.Context, loaded *config.Loaded, options networkOptions, log *slog.Logger) (*network, error) {
	c := &loaded.Config
	n := &network{options: options, config: loaded, log: log, pubs: make(map[string]*publication)}
	p, err := nodeProfile(loaded, options.introduce)
	if err != nil {
		return nil, err
	}
	settings := peernode.DefaultConfig()
	settings.Profile, settings.Introducer, settings.Logger = p, options.introduce, log
	if c.PublicAddress != "" {
		if settings.Public, err = resolveAll(ctx, c.PublicAddress); err != nil {
			return nil, configError(loaded, "publicAddress", c.PublicAddress, err)
		}
	}
	switch c.Multicast.UploadLimit {
	case config.RateUnlimited:
	case 0:
		settings.UploadLimit = 0
	default:
		settings.UploadLimit = int64(c.Multicast.UploadLimit) / 8
	}
	if settings.Listen, err = udpAddresses(c.RTMFP.Listen); err != nil {
		return nil, configError(loaded, "rtmfp.listen", c.RTMFP.Listen, err)
	}
	if n.node, err = peernode.Listen(settings); err != nil {
		if !errors.Is(err, syscall.EADDRINUSE) || !loaded.Origin("rtmfp.listen").IsDefault() {
			return nil, listenError(loaded, "rtmfp.listen", c.RTMFP.Listen, "", err)
		}
		taken := c.RTMFP.Listen
		for i := range settings.Listen {
			settings.Listen[i] = netip.AddrPortFrom(settings.Listen[i].Addr(), 0)
		}
		if n.node, err = peernode.Listen(settings); err != nil {
			return nil, listenError(loaded, "rtmfp.listen", c.RTMFP.Listen, "", err)
		}
		log.Warn("default port is taken, using a free one", "setting", "rtmfp.listen", "taken", taken, "addr", n.node.LocalAddrs()[0].String())
	}
	return n, nil
}

// configError says which setting cannot work.
func configError(loaded *config.Loaded, key, value string, err error) error {
	return usageError(fmt.Errorf("%s: %q: %w; set by %s", key, value, err, loaded.Origin(key)))
}

// udpAddresses turns host:port into the addresses to bind: both families if the
// host is empty.
func udpAddresses(text string) ([]netip.AddrPort, error) {
	if text == "" {
		text = ":0"
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q is not a number up to 65535", port)
	}
	if host == "" {
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number)), netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(number)),
		}, nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		ips, lookup := net.LookupHost(host)
		if lookup != nil {
			return nil, lookup
		}
		if addr, err = netip.ParseAddr(ips[0]); err != nil {
			return nil, err
		}
	}
	return []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), uint16(number))}, nil
}

// resolveAll finds the addresses of host:port.
func resolveAll(ctx context.Context, hostPort string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" {
		return nil, errors.New("want host:port")
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return list, nil
}

// spec makes or reads the groupspec that the node publishes into.
func (n *network) spec(stream string) (*groupspec.Spec, error) {
	g := &n.config.Group
	if g.Spec != "" {
		spec, err := groupspec.Parse(g.Spec)
		if err != nil {
			return nil, usageError(fmt.Errorf("group.spec: %w; set by %s", err, n.config.Origin("group.spec")))
		}
		return spec, nil
	}
	s := groupspec.Settings{
		Name: g.Name, Routing: true, Multicast: true, ObjectReplication: true, Posting: true,
		ServerChannel: g.ServerChannel, PeerToPeerDisabled: !g.PeerToPeer, MemberUpdates: true,
	}
	if s.Name == "" {
		s.Name = stream
	}
	if g.Unique {
		if err := s.MakeUnique(rand.Reader); err != nil {
			return nil, err
		}
	}
	s.SetPublishPassword(g.PublishPassword, "")
	s.SetPostPassword(g.PostingPassword, "")
	for _, text := range g.IPMulticast {
		a, err := groupspec.ParseAddress(text)
		if err != nil {
			return nil, configError(n.config, "group.ipMulticast", text, err)
		}
		s.Addresses = append(s.Addresses, a)
	}
	for _, text := range g.BootstrapPeers {
		id, err := parsePeerID(text)
		if err != nil {
			return nil, configError(n.config, "group.bootstrapPeers", text, err)
		}
		s.BootstrapPeers = append(s.BootstrapPeers, id)
	}
	return groupspec.New(s)
}

// params are the settings of streams.
func (n *network) params() *multicast.Params {
	c, p := &n.config.Multicast, multicast.DefaultParams()
	p.WindowDuration, p.RelayMarginDuration, p.PushNeighborLimit = c.WindowDuration, c.RelayMarginDuration, c.PushNeighborLimit
	p.FragmentSize, p.AvailabilityUpdatePeriod = c.FragmentSize, c.AvailabilityUpdatePeriod
	p.FetchPeriod, p.AvailabilitySendToAll = c.FetchPeriod, c.AvailabilitySendToAll
	switch c.UploadLimit {
	case config.RateUnlimited:
	case 0:
		p.UploadLimit = multicast.UploadNone
	default:
		p.UploadLimit = int64(c.UploadLimit) / 8
	}
	r := &n.config.Reliability
	policy, err := reliability.PolicyByName(r.Policy)
	if err != nil {
		policy = reliability.Balanced() // the table of settings allows no other names
	}
	p.Policy = policy.WithReliable(r.Audio, r.Video, r.Data)
	return &p
}

func (n *network) joinOptions(introducers []peernode.Introducer) peernode.JoinOptions {
	extensions := n.config.Group.Extensions
	return peernode.JoinOptions{
		Introducers: introducers, Params: n.params(), Plain: extensions == "off", RequireExtensions: extensions == "required",
		RelayToLAN: n.config.Fusion.RelayToLAN,
	}
}

// join joins the groups that the node has a part in.
func (n *network) join(ctx context.Context, stream string, out *station.Station) error {
	n.station = out
	if n.options.publish {
		spec, err := n.spec(stream)
		if err != nil {
			return err
		}
		settings := spec.Settings()
		if !settings.MayPublish() {
			return &statusError{exitAuth, errors.New("group: publishing needs the group's publish password; set group.publishPassword")}
		}
		var at []peernode.Introducer
		for _, addr := range n.config.Introducers {
			at = append(at, peernode.Introducer{Addr: addr})
		}
		if n.group, err = n.node.Join(ctx, spec, n.joinOptions(at)); err != nil {
			return err
		}
	}
	for _, link := range n.options.links {
		if err := n.play(ctx, link); err != nil {
			return err
		}
	}
	return n.addDemoPeers(ctx, stream)
}

// play joins the group of a share link and plays its stream.
func (n *network) play(ctx context.Context, link *sharelink.Link) error {
	path, err := packager.CleanStreamPath(link.Stream)
	if err != nil {
		return usageError(fmt.Errorf("share link: %w", err))
	}
	var at []peernode.Introducer
	for i, addr := range link.Introducers {
		in := peernode.Introducer{Addr: addr}
		if i == 0 && link.HasFingerprint {
			in.Fingerprint = &link.Fingerprint
		}
		at = append(at, in)
	}
	p := &played{link: link, path: path}
	if p.group = n.joined(link.Spec.ID()); p.group == nil {
		if p.group, err = n.node.Join(ctx, link.Spec, n.joinOptions(at)); err != nil {
			return err
		}
	}
	if _, err = p.group.Play(groupName(path), n.handler(p)); err != nil {
		return err
	}
	n.plays = append(n.plays, p)
	return nil
}

// handler hands what comes of a stream to the outputs.
func (n *network) handler(p *played) peernode.Handler {
	return peernode.Handler{
		Message: func(m packager.Message) {
			p.mu.Lock()
			if p.first.IsZero() {
				p.first = time.Now()
			}
			p.ended = false
			p.mu.Unlock()
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

// joined returns the group of that ID, if the node is in it.
func (n *network) joined(id [32]byte) *peernode.Group {
	if n.group != nil && n.group.Spec().ID() == id {
		return n.group
	}
	for _, p := range n.plays {
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

// repeatWarning is how often a warning may come again.
const repeatWarning = time.Minute

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
		p.refused++
		if time.Since(p.said) >= repeatWarning {
			n.log.Warn("message not sent to the group", "stream", path, "err", err, "count", p.refused)
			p.said, p.refused = time.Now(), 0
		}
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

// linkTo returns the share link of an own stream: where others find the group,
// and what it is.
func (n *network) linkTo(path string) string {
	if n.group == nil {
		return ""
	}
	link := sharelink.Link{Spec: n.group.Spec(), Stream: groupName(path)}
	switch at := n.node.Introducers(); {
	case n.options.introduce:
		link.Introducers = []string{n.publicAddress()}
		link.Fingerprint, link.HasFingerprint = [32]byte(n.node.PeerID()), true
	case len(at) > 0:
		for i, s := range at {
			link.Introducers = append(link.Introducers, s.Addr)
			if i == 0 && s.Up {
				link.Fingerprint, link.HasFingerprint = s.Fingerprint, true
			}
		}
	}
	return link.String()
}

// publicAddress is the host:port by which others reach the node's sockets: what
// the user has said, else what introducers see, else an interface's.
func (n *network) publicAddress() string {
	if n.config.PublicAddress != "" {
		return n.config.PublicAddress
	}
	if seen := n.node.Observed(); len(seen) > 0 {
		return seen[0].String()
	}
	port := n.node.LocalAddrs()[0].Port()
	if bound := n.node.LocalAddrs()[0].Addr(); !bound.IsUnspecified() {
		return netip.AddrPortFrom(bound, port).String()
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			return netip.AddrPortFrom(p.Addr(), port).String()
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port).String()
}

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

// nodeProfile makes the node's identity: that of its file, or a new one.
func nodeProfile(loaded *config.Loaded, server bool) (rtmfp.Profile, error) {
	c := &loaded.RTMFP
	secrets, err := profile.NewSecrets(rand.Reader)
	if c.Identity != "" {
		if secrets, err = keyfile.LoadOrCreate(c.Identity, rand.Reader); err != nil {
			return nil, &statusError{exitAddress, fmt.Errorf("rtmfp.identity: %w; set by %s", err, loaded.Origin("rtmfp.identity"))}
		}
	}
	if err != nil {
		return nil, err
	}
	return profile.NewNode(secrets, profile.NodeOptions{
		Server: server, HardwareAES: profile.HardwareAES(), RefuseLegacy: c.LegacyPeers == "refuse",
		RequireModern: loaded.Group.Extensions == "required",
	})
}
