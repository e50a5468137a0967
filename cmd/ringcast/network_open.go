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
	"syscall"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/multicast"
	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay/sharelink"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/keyfile"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

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
	settings.Params.Sessions, settings.Params.SessionsPerAddress = c.RTMFP.Sessions, c.RTMFP.SessionsPerAddress
	settings.UploadLimit = uploadLimit(c.Multicast.UploadLimit)
	if c.PublicAddress != "" {
		if settings.Public, err = resolveAll(ctx, c.PublicAddress); err != nil {
			if !peernode.MayResolveLater(err) {
				return nil, configError(loaded, "publicAddress", c.PublicAddress, err)
			}
			log.Warn("the public address cannot be looked up, neighbors learn of it as they see it", "setting", "publicAddress", "err", err)
		}
	}
	if settings.Listen, err = udpAddresses(c.RTMFP.Listen); err != nil {
		return nil, configError(loaded, "rtmfp.listen", c.RTMFP.Listen, err)
	}
	if n.node, err = listenUDP(loaded, settings, log); err != nil {
		return nil, err
	}
	return n, nil
}

// listenUDP binds the node's sockets. A default port that is taken is replaced
// by a free one, which the log tells.
func listenUDP(loaded *config.Loaded, settings peernode.Config, log *slog.Logger) (*peernode.Node, error) {
	const key = "rtmfp.listen"
	address := loaded.RTMFP.Listen
	n, err := peernode.Listen(settings)
	if err == nil {
		return n, nil
	}
	holder := ""
	if errors.Is(err, syscall.EADDRINUSE) {
		holder = portHolder("udp", address)
		if loaded.Origin(key).IsDefault() {
			for i := range settings.Listen {
				settings.Listen[i] = netip.AddrPortFrom(settings.Listen[i].Addr(), 0)
			}
			if n, free := peernode.Listen(settings); free == nil {
				log.Warn("default port is taken, using a free one", "setting", key, "taken", address, "holder", holder, "addr", n.LocalAddrs()[0].String())
				return n, nil
			}
		}
	}
	return nil, listenError(loaded, key, address, holder, err)
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

// uploadLimit returns the limit in bytes a second; 0 if the node finds out.
func uploadLimit(r config.Rate) int64 {
	if r == config.RateUnlimited {
		return 0
	}
	return int64(r) / 8
}

// setUploadLimit changes how much the node may send.
func (n *network) setUploadLimit(r config.Rate) {
	_ = n.node.SetUploadLimit(uploadLimit(r))
}

// params are the settings of streams.
func (n *network) params() *multicast.Params {
	c, p := &n.config.Multicast, multicast.DefaultParams()
	p.WindowDuration, p.RelayMarginDuration, p.PushNeighborLimit = c.WindowDuration, c.RelayMarginDuration, c.PushNeighborLimit
	p.FragmentSize, p.AvailabilityUpdatePeriod = c.FragmentSize, c.AvailabilityUpdatePeriod
	p.FetchPeriod, p.AvailabilitySendToAll = c.FetchPeriod, c.AvailabilitySendToAll
	if p.UploadLimit = uploadLimit(c.UploadLimit); c.UploadLimit == 0 {
		p.UploadLimit = multicast.UploadNone
	}
	r := &n.config.Reliability
	policy, err := reliability.PolicyByName(r.Policy)
	if err != nil {
		policy = reliability.Balanced() // the table of settings allows no other names
	}
	p.Policy = policy.WithReliable(r.Audio, r.Video, r.Data)
	setDeadlines(&p.Policy, r)
	return &p
}

// setDeadlines gives kinds of messages the deadlines of the settings.
func setDeadlines(p *reliability.Policy, r *config.Reliability) {
	for class, d := range map[reliability.Class]time.Duration{
		reliability.ClassAudio: r.AudioDeadline, reliability.ClassData: r.DataDeadline,
		reliability.ClassKey: r.VideoDeadline, reliability.ClassReference: r.VideoDeadline, reliability.ClassDisposable: r.VideoDeadline,
	} {
		if d > 0 {
			p.Rules[class].Lifetime = d
		}
	}
}

func (n *network) joinOptions(introducers []peernode.Introducer) peernode.JoinOptions {
	extensions := n.config.Group.Extensions
	return peernode.JoinOptions{
		Introducers: introducers, Params: n.params(), Plain: extensions == "off", RequireExtensions: extensions == "required",
		RelayToLAN: n.config.Fusion.RelayToLAN,
	}
}

// nodeProfile makes the node's identity: that of its file, or a new one.
func nodeProfile(loaded *config.Loaded, server bool) (rtmfp.Profile, error) {
	c := &loaded.RTMFP
	secrets, err := profile.NewSecrets(rand.Reader)
	if c.Identity != "" {
		if secrets, err = keyfile.LoadOrCreate(c.Identity, rand.Reader); err != nil {
			return nil, identityError(loaded, err)
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

// linkTo returns the share link of an own stream: where others find the group,
// and what it is.
func (n *network) linkTo(path string) string {
	if n.group == nil {
		return ""
	}
	link := sharelink.Link{Spec: n.group.Spec(), Stream: groupName(path)}
	if settings := link.Spec.Settings(); !settings.ServerChannel {
		return link.String()
	}
	if n.options.introduce {
		link.Introducers = []string{n.publicAddress()}
		link.Fingerprint, link.HasFingerprint = [32]byte(n.node.PeerID()), true
	}
	for _, s := range n.node.Introducers() {
		if len(link.Introducers) == 0 && s.Up {
			link.Fingerprint, link.HasFingerprint = s.Fingerprint, true
		}
		if len(link.Introducers) < sharelink.MaxIntroducers {
			link.Introducers = append(link.Introducers, s.Addr)
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
