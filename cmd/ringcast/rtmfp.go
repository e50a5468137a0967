package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/keyfile"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/udp"
)

// Flows of these metadata are understood by every `ringcast rtmfp serve`.
const (
	flowEcho     = "ringcast:echo"     // every message comes back
	flowSink     = "ringcast:sink"     // messages are taken and forgotten
	flowObserved = "ringcast:observed" // answers with the address it sees
	flowUsage    = "ringcast:usage"    // answers with what the process has used so far
)

const rtmfpPort = "1935"

// rtmfpOptions are the flags that all the commands share.
type rtmfpOptions struct {
	listen      []string
	trace       string
	profile     string
	identity    string
	legacyPeers string
	plain       bool
}

// newRTMFPCommand returns the command that tries the transport by itself.
func newRTMFPCommand() *cobra.Command {
	var o rtmfpOptions
	cmd := &cobra.Command{
		Use:     "rtmfp",
		Example: "  ringcast rtmfp serve --listen 127.0.0.1:1935\n  ringcast rtmfp ping rtmfp://127.0.0.1/live\n  ringcast rtmfp bench",
		Short:   "Try the peer-to-peer transport by itself",
		Long:    "Reach RTMFP peers and servers, measure the way to them, and be one.",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringSliceVar(&o.listen, "listen", nil, "local UDP `addresses` to bind (default: any, on a free port)")
	flags.StringVar(&o.trace, "trace", "", "write every packet, decrypted, to this `file` as JSON lines; - is standard error")
	flags.StringVar(&o.profile, "profile", profileAuto, "cryptography: auto; modern, chacha, hmac or checksum for that alone")
	flags.StringVar(&o.identity, "identity", "", "`file` with the keys, made if it is not there; without it they are new each time")
	flags.StringVar(&o.legacyPeers, "legacy-peers", legacyAllow, "allow or refuse peers of other makes that know only checksums")
	flags.BoolVar(&o.plain, "plain", false, "one system call for each datagram, no offloads")
	cmd.AddCommand(newRTMFPPingCommand(&o), newRTMFPBenchCommand(&o), newRTMFPServeCommand(&o), newRTMFPDialCommand(&o))
	return cmd
}

// rtmfpNode is an endpoint on sockets.
type rtmfpNode struct {
	*rtmfp.Endpoint
	driver *udp.Driver
	tracer *rtmfpTracer
	done   chan error
	cancel context.CancelFunc
	handle func(now rtmfp.Instant, e rtmfp.Event)
	// after is called when the events of a moment have been handled.
	after func(now rtmfp.Instant) bool
}

// start binds the sockets and runs the endpoint until stop is called or ctx is
// done. handle is called for each event, with the endpoint at rest.
func (o *rtmfpOptions) start(ctx context.Context, server bool, handle func(now rtmfp.Instant, e rtmfp.Event)) (*rtmfpNode, error) {
	config := udp.DefaultConfig()
	config.Plain = o.plain
	if len(o.listen) > 0 {
		config.Listen = nil
	}
	for _, text := range o.listen {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, usageError(fmt.Errorf("--listen %q: want an address and port such as 0.0.0.0:1935: %w", text, err))
		}
		config.Listen = append(config.Listen, addr)
	}
	n := &rtmfpNode{done: make(chan error, 1), handle: handle}
	if o.trace != "" {
		var err error
		if n.tracer, err = newRTMFPTracer(o.trace); err != nil {
			return nil, err
		}
	}
	p, err := o.newProfile(server)
	if err != nil {
		return nil, err
	}
	settings := rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: rand.Reader}
	if n.tracer != nil {
		settings.Tracer = n.tracer
	}
	if n.Endpoint, err = rtmfp.NewEndpoint(settings); err != nil {
		return nil, err
	}
	if n.driver, err = udp.Listen(config); err != nil {
		return nil, &statusError{exitAddress, err}
	}
	n.SetLocalAddrs(n.driver.LocalAddrs())
	n.driver.Attach(n.Endpoint, n.react)
	ctx, n.cancel = context.WithCancel(ctx)
	go func() { n.done <- n.driver.Run(ctx) }()
	return n, nil
}

// Values of --profile and --legacy-peers.
const (
	profileAuto     = "auto"
	profileModern   = "modern"
	profileChaCha   = "chacha"
	profileHMAC     = "hmac"
	profileChecksum = "checksum"
	legacyAllow     = "allow"
	legacyRefuse    = "refuse"
)

// newProfile makes the cryptography profile that the flags ask for.
func (o *rtmfpOptions) newProfile(server bool) (rtmfp.Profile, error) {
	if o.legacyPeers != legacyAllow && o.legacyPeers != legacyRefuse {
		return nil, usageError(fmt.Errorf("--legacy-peers %q: want allow or refuse", o.legacyPeers))
	}
	flash := profile.FlashConfig{Server: server, Entropy: rand.Reader}
	options := profile.NodeOptions{Server: server, HardwareAES: profile.HardwareAES(), RefuseLegacy: o.legacyPeers == legacyRefuse}
	switch o.profile {
	case profileHMAC:
		flash.RequireHMAC = true
		return profile.NewFlash(flash)
	case profileChecksum:
		flash.ChecksumOnly = true
		return profile.NewFlash(flash)
	case profileModern:
		options.RequireModern = true
	case profileChaCha:
		options.RequireModern, options.HardwareAES = true, false
	case profileAuto:
	default:
		return nil, usageError(fmt.Errorf("--profile %q: want auto, modern, chacha, hmac or checksum", o.profile))
	}
	secrets, err := o.secrets()
	if err != nil {
		return nil, err
	}
	return profile.NewNode(secrets, options)
}

func (o *rtmfpOptions) secrets() (*profile.Secrets, error) {
	if o.identity == "" {
		return profile.NewSecrets(rand.Reader)
	}
	return keyfile.LoadOrCreate(o.identity, rand.Reader)
}

func (n *rtmfpNode) react(now reliability.Time) bool {
	any := false
	for {
		e, ok := n.PollEvent()
		if !ok {
			break
		}
		any = true
		n.handle(now, e)
	}
	if n.after != nil && n.after(now) {
		any = true
	}
	return any
}

// stop ends the node and waits for it.
func (n *rtmfpNode) stop() error {
	n.cancel()
	err := <-n.done
	if n.tracer != nil {
		if closed := n.tracer.close(); err == nil {
			err = closed
		}
	}
	return err
}

// rtmfpTarget is whom to reach: a server by its URI, or a peer by its ID at an
// address.
type rtmfpTarget struct {
	epd        []byte
	candidates []netip.AddrPort
	uri, app   string
	stream     string
}

// parseRTMFPTarget reads rtmfp://host[:port]/app[#stream] or peer-id@host:port.
func parseRTMFPTarget(ctx context.Context, text string) (rtmfpTarget, error) {
	var t rtmfpTarget
	var err error
	if id, host, ok := strings.Cut(text, "@"); ok && !strings.Contains(id, "/") {
		print, err := hex.DecodeString(id)
		if err != nil || len(print) != 32 {
			return t, usageError(fmt.Errorf("peer ID %q: want 64 hexadecimal digits", id))
		}
		t.epd = profile.PeerEPD([32]byte(print))
		t.candidates, err = resolveRTMFP(ctx, host)
		return t, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "rtmfp" || u.Host == "" {
		return t, usageError(fmt.Errorf("%q: want rtmfp://host/application or peer-id@host:port", text))
	}
	t.stream, u.Fragment = u.Fragment, ""
	t.uri, t.app = u.String(), strings.TrimPrefix(u.Path, "/")
	t.epd = profile.ServerEPD(t.uri)
	t.candidates, err = resolveRTMFP(ctx, u.Host)
	return t, err
}

// resolveRTMFP finds all addresses of a host; the port may be left out.
func resolveRTMFP(ctx context.Context, hostPort string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		host, port = strings.Trim(hostPort, "[]"), rtmfpPort
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, usageError(fmt.Errorf("%q: %w", hostPort, err))
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &statusError{exitAddress, fmt.Errorf("find %q: %w", host, err)}
	}
	var all []netip.AddrPort
	for _, a := range addrs {
		all = append(all, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return all, nil
}

// open opens a session and waits until it is open.
func (n *rtmfpNode) open(ctx context.Context, t rtmfpTarget, wait time.Duration) (*rtmfp.Session, error) {
	result := make(chan error, 1)
	var session *rtmfp.Session
	var err error
	if stopped := n.driver.Do(func(now rtmfp.Instant) {
		old := n.handle
		n.handle = func(now rtmfp.Instant, e rtmfp.Event) {
			if e.Session == session {
				switch e.Kind {
				case rtmfp.SessionOpened:
					result <- nil
				case rtmfp.SessionFailed:
					result <- e.Err
				}
			}
			old(now, e)
		}
		session, err = n.Open(now, t.epd, t.candidates)
	}); stopped != nil {
		return nil, stopped
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case err := <-result:
		return session, err
	case <-ctx.Done():
		return nil, &statusError{exitAddress, fmt.Errorf("no answer from %v in %v", t.candidates, wait)}
	}
}

// closeSession tells the far end, and gives the packet time to go out.
func (n *rtmfpNode) closeSession(s *rtmfp.Session) {
	_ = n.driver.Do(func(now rtmfp.Instant) { s.Abort(now) })
}

// openTrace opens the file for traces.
func openTrace(name string) (*os.File, error) {
	if name == "-" {
		return os.Stderr, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open trace file: %w", err)
	}
	return f, nil
}
