package node

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/introducer"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
	"github.com/ringcast/ringcast/rtmfp/udp"
)

// Config is how a node is made. Start from DefaultConfig.
type Config struct {
	// Listen are the UDP addresses to bind. Port 0 lets the system choose.
	Listen []netip.AddrPort
	// Profile is the node's identity and cryptography.
	Profile rtmfp.Profile
	// Introducer makes the node a meeting point for groups, of which it need
	// not be a member.
	Introducer bool
	// IntroducerParams are the settings of the meeting point.
	IntroducerParams introducer.Params
	// Params are the transport's settings.
	Params rtmfp.Params
	// UploadLimit is how many bytes a second the node may send; 0 finds out.
	UploadLimit int64
	// Public are addresses by which others reach this node, beside those that
	// it finds out by itself.
	Public []netip.AddrPort
	// Lookup finds the addresses of introducers; nil asks the system.
	Lookup Lookup
	// Faults, if not nil, make the network worse than it is, for measurements.
	Faults *Faults
	// Tracer, if not nil, is told of every packet.
	Tracer rtmfp.Tracer
	// Logger gets what an operator may act on. nil discards it.
	Logger *slog.Logger
}

// DefaultConfig returns a configuration that listens on any free port of all
// interfaces. Profile must be set.
func DefaultConfig() Config {
	params := rtmfp.DefaultParams()
	params.Sessions = 20_000
	return Config{Listen: udp.DefaultConfig().Listen, IntroducerParams: introducer.DefaultParams(), Params: params}
}

// Node is a node of any number of groups.
type Node struct {
	config Config
	log    *slog.Logger
	driver *udp.Driver
	mirror *mirror
	server *netconnection.Server
	meet   *introducer.Introducer
	alias  overlay.PeerID // by which those of other makes know the node

	// Everything below is guarded by the driver's mutex.
	core   *multicast.Node
	groups []*Group
	// introducers are those that the groups have named.
	introducers []*introducerState
	// observed are the addresses that introducers see this node by.
	observed []netip.AddrPort
	local    []netip.AddrPort // those of this machine

	lookups chan struct{} // wakes who looks up names
	done    chan struct{}
}

// Listen binds the node's sockets. Run runs it.
func Listen(c Config) (*Node, error) {
	if c.Profile == nil {
		return nil, errors.New("node: Config.Profile is not set")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Lookup == nil {
		c.Lookup = systemLookup
	}
	endpoint, err := rtmfp.NewEndpoint(rtmfp.Config{Params: c.Params, Profile: c.Profile, Entropy: crand.Reader, Tracer: c.Tracer})
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, log: c.Logger, lookups: make(chan struct{}, 1), done: make(chan struct{})}
	n.mirror = &mirror{seen: n.seen}
	services := []multicast.Service{n.mirror}
	if c.Introducer {
		params := netconnection.DefaultServerParams()
		params.NoRelay = true
		n.server = netconnection.NewServer(endpoint, params)
		if n.meet, err = introducer.New(c.IntroducerParams, newRand()); err != nil {
			return nil, err
		}
		services = append(services, n.server, n.meet)
	}
	sockets := udp.DefaultConfig()
	sockets.Listen, sockets.Logger = c.Listen, c.Logger
	if n.driver, err = udp.Listen(sockets); err != nil {
		return nil, err
	}
	endpoint.SetLocalAddrs(n.driver.LocalAddrs())
	var alias overlay.PeerID
	if short, ok := c.Profile.(interface{ Short() rtmfp.Identity }); ok {
		alias = short.Short().Fingerprint
	}
	n.alias = alias
	n.core, err = multicast.NewNode(n.driver.Now(), multicast.NodeConfig{
		Endpoint: endpoint, Alias: alias, Meets: c.Introducer, Services: services, Uplink: multicast.UplinkParams{Rate: float64(c.UploadLimit)},
		Rand: newRand(), Entropy: crand.Reader, Introduces: true, FirstSequence: uint64(time.Now().UnixMicro() / 100),
	})
	if err != nil {
		n.driver.Close()
		return nil, err
	}
	if c.Faults != nil {
		n.driver.Attach(newFaulty(n.core, *c.Faults), n.react)
	} else {
		n.driver.Attach(n.core, n.react)
	}
	return n, nil
}

// newRand returns a source of chance that nobody can foresee.
func newRand() *rand.Rand {
	var seed [16]byte
	_, _ = crand.Read(seed[:])
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:])))
}

const (
	// farewell is how long a node that ends waits for its goodbyes to go out.
	farewell = 150 * time.Millisecond
	// lastWords bounds how long it waits before that until its neighbors have
	// got what it had for them: the last fragments of its streams, and that
	// they have ended.
	lastWords = time.Second
	// quiet is for how long nothing may wait before that counts as done: a
	// neighbor may still ask for a fragment that it has missed.
	quiet = 100 * time.Millisecond
)

// Run runs the node until ctx is done: it then takes leave of all groups, tells
// its neighbors, and closes its sockets.
func (n *Node) Run(ctx context.Context) error {
	defer close(n.done)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
			n.finish()
			if n.driver.Do(n.core.Close) == nil {
				time.Sleep(farewell)
			}
			stop()
		case <-running.Done():
		}
	})
	wg.Go(func() { n.watchAddresses(running) })
	wg.Go(func() { n.watchNames(running) })
	err := n.driver.Run(running)
	stop()
	wg.Wait()
	n.endAll()
	return err
}

// finish ends the streams that the node still publishes, and waits until those
// it is linked with have got what waits for them.
func (n *Node) finish() {
	_ = n.do(func(now reliability.Time) {
		for _, g := range n.groups {
			for _, s := range g.core.Engine().Streams() {
				if s.Publishing {
					g.core.Engine().EndPublish(now, s.Key)
				}
			}
		}
	})
	const look = 10 * time.Millisecond
	still := time.Duration(0)
	for waited := time.Duration(0); waited < lastWords && still < quiet; waited += look {
		time.Sleep(look)
		still += look
		err := n.do(func(reliability.Time) {
			if len(n.groups) > 0 && n.core.Pending() > 0 {
				still = 0
			}
		})
		if err != nil {
			return
		}
	}
}

// endAll tells those who wait that nothing more will come.
func (n *Node) endAll() {
	for _, g := range n.groups {
		g.finish()
	}
}

// PeerID returns the node's peer ID.
func (n *Node) PeerID() overlay.PeerID { return n.core.Self() }

// LocalAddrs returns the addresses that the node's sockets are bound to.
func (n *Node) LocalAddrs() []netip.AddrPort { return n.driver.LocalAddrs() }

// SocketStats returns the counters of the sockets.
func (n *Node) SocketStats() udp.Stats { return n.driver.Stats() }

// do calls f with the cores at rest.
func (n *Node) do(f func(now reliability.Time)) error { return n.driver.Do(f) }

// react takes what has happened. It is called by the driver, under its mutex.
func (n *Node) react(now reliability.Time) bool {
	any := false
	for {
		e, ok := n.core.PollEvent()
		if !ok {
			break
		}
		any = true
		n.handle(now, e)
	}
	for n.server != nil {
		e, ok := n.server.PollEvent()
		if !ok {
			break
		}
		n.log.Debug("introducer client", "event", int(e.Kind), "peer", overlay.PeerID(e.Session.Far().Fingerprint).String())
	}
	for n.meet != nil {
		if _, ok := n.meet.PollEvent(); !ok {
			break
		}
	}
	return any
}

func (n *Node) handle(now reliability.Time, e multicast.NodeEvent) {
	switch e.Kind {
	case multicast.NodeMember:
		if i := slices.IndexFunc(n.groups, func(g *Group) bool { return g.core == e.Group }); i >= 0 {
			n.groups[i].handle(now, e.Member)
		}
	case multicast.NodeServerUp, multicast.NodeServerDown:
		n.serverChanged(now, &e)
	}
}

// Stats is what a node counts.
type Stats struct {
	Transport rtmfp.Stats
	Sockets   udp.Stats
	Node      multicast.NodeStats
	// Uplink is the node's one upload queue.
	Uplink multicast.UplinkStats
	// Introducer and Server are those of the meeting point, zero on a node
	// that is none: the directory of groups, and what its clients asked for.
	Introducer introducer.Stats
	Server     netconnection.ServerStats
	Sessions   int
	// UplinkQueue is how long the node's upload queue is.
	UplinkQueue time.Duration
}

// Stats returns the counters.
func (n *Node) Stats() (s Stats) {
	_ = n.do(func(now reliability.Time) {
		s.Transport, s.Node, s.Sessions = n.core.Endpoint().Stats(), n.core.Stats(), n.core.Endpoint().Sessions()
		s.Uplink, s.UplinkQueue = n.core.Uplink().Stats(), n.core.Uplink().QueueTime(now)
		if n.meet != nil {
			s.Introducer, s.Server = n.meet.Stats(), n.server.Stats()
		}
	})
	s.Sockets = n.driver.Stats()
	return s
}

// SetUploadLimit changes how many bytes a second the node may send; 0 lets it
// find out by itself. A group that was joined with multicast.UploadNone still
// gets nothing.
func (n *Node) SetUploadLimit(rate int64) error {
	return n.do(func(reliability.Time) { n.core.Uplink().SetRate(float64(rate)) })
}

// seen takes the address that an introducer sees this node by.
func (n *Node) seen(now reliability.Time, s *rtmfp.Session, addr netip.AddrPort) {
	if slices.Contains(n.observed, addr) {
		return
	}
	n.log.Info("seen from outside", "as", addr.String(), "by", s.FarAddr().String())
	const most = 3 // newest first
	n.observed = append([]netip.AddrPort{addr}, n.observed...)
	n.observed = n.observed[:min(len(n.observed), most)]
	n.core.SetAddresses(now, n.local, append(slices.Clone(n.config.Public), n.observed...))
}

// Observed returns the addresses that introducers see this node by, the newest
// first.
func (n *Node) Observed() (list []netip.AddrPort) {
	_ = n.do(func(reliability.Time) { list = slices.Clone(n.observed) })
	return list
}

// Now reads the clock of the node's cores.
func (n *Node) Now() reliability.Time { return n.driver.Now() }
