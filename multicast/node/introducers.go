package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ringcast/ringcast/multicast"
	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/profile"
)

// Introducer is a meeting point to find members by.
type Introducer struct {
	// Addr is its host:port; the host may be a name.
	Addr string
	// Fingerprint, if set, is whom the answer must come from.
	Fingerprint *[32]byte
	// App is what the introducer is told to be asked for, such as "live".
	App string
}

// Lookup finds the addresses of a host, as net.Resolver.LookupNetIP does for
// the network "ip". An error that is a *net.DNSError with IsNotFound is final;
// after others the node asks again.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// How names of introducers are looked up.
const (
	// lookupPatience is how long Join waits for the first answer: a node whose
	// network is not there yet starts all the same.
	lookupPatience = 3 * time.Second
	// lookupFirst and lookupMax bound the wait before a name is asked for
	// again that could not be looked up, or whose introducer does not answer
	// and may have moved.
	lookupFirst = time.Second
	lookupMax   = 30 * time.Second
)

// introducerState is what a node knows of an introducer that it uses.
type introducerState struct {
	Introducer
	config multicast.ServerConfig // without addresses as long as they are not known
	id     int                    // the core's number of it, 0 until it has addresses
	users  int                    // groups that have named it

	up          bool
	err         error
	fingerprint [32]byte      // once it has been up
	changed     chan struct{} // closed at the next change

	// lookupAt is when its name is looked up next, wait the pause after that.
	lookupAt reliability.Time
	wait     time.Duration
}

// isSame reports whether both are one introducer: then there is but one session
// with it.
func (s *introducerState) isSame(addr string, c *multicast.ServerConfig) bool {
	return bytes.Equal(s.config.EPD, c.EPD) && (s.Addr == addr || len(c.Addrs) > 0 && sameAddrs(s.config.Addrs, c.Addrs))
}

// sameAddrs reports whether both are the same addresses: name servers turn their
// order round.
func sameAddrs(a, b []netip.AddrPort) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(addr netip.AddrPort) bool { return !slices.Contains(b, addr) })
}

// isNamed reports whether the introducer's host is a name, which may come to
// mean another address.
func (s *introducerState) isNamed() bool {
	host, _, _ := net.SplitHostPort(s.Addr)
	_, err := netip.ParseAddr(host)
	return err != nil
}

func (s *introducerState) tellChange() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// lookUpSoon lets the introducer's name be looked up after a pause that grows.
func (s *introducerState) lookUpSoon(now reliability.Time) {
	s.lookupAt = now.Add(s.wait/2 + rand.N(s.wait))
	s.wait = min(2*s.wait, lookupMax)
}

// resolve finds the addresses of an introducer. If that fails for now, the
// configuration is without them, and the error says why.
func (i *Introducer) resolve(ctx context.Context, lookup Lookup) (c multicast.ServerConfig, err error) {
	app := i.App
	if app == "" {
		app = "live"
	}
	c = multicast.ServerConfig{URL: "rtmfp://" + i.Addr + "/" + app, App: app}
	if i.Fingerprint != nil {
		c.EPD = profile.PeerEPD(*i.Fingerprint)
	} else {
		c.EPD = profile.ServerEPD(c.URL)
	}
	host, port, err := net.SplitHostPort(i.Addr)
	if err != nil {
		return c, fmt.Errorf("introducer %q: want host:port: %w", i.Addr, err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return c, fmt.Errorf("introducer %q: %w", i.Addr, err)
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return c, fmt.Errorf("introducer %q: %w", i.Addr, err)
	}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return c, nil
}

// MayResolveLater reports whether the error is of a name that could not be looked
// up and may be found later: nobody has said that there is none.
func MayResolveLater(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && !dns.IsNotFound
}

// resolveAll finds the addresses of all introducers, as far as they can be
// found now. errs has why of the others.
func (n *Node) resolveAll(ctx context.Context, list []Introducer) (configs []multicast.ServerConfig, errs []error, err error) {
	for i := range list {
		within, done := context.WithTimeout(ctx, lookupPatience)
		c, failed := list[i].resolve(within, n.config.Lookup)
		done()
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if failed != nil && !MayResolveLater(failed) {
			return nil, nil, failed
		}
		configs, errs = append(configs, c), append(errs, failed)
	}
	return configs, errs, nil
}

// connect makes the node a client of an introducer, if it is not one already.
// With an error, its name is looked up again later.
func (n *Node) connect(now reliability.Time, i Introducer, c multicast.ServerConfig, failed error) (*introducerState, error) {
	for _, s := range n.introducers {
		if s.isSame(i.Addr, &c) {
			s.users++
			return s, nil
		}
	}
	s := &introducerState{Introducer: i, config: c, err: failed, users: 1, changed: make(chan struct{}), lookupAt: reliability.Never, wait: lookupFirst}
	if failed != nil {
		n.log.Warn("the name of an introducer cannot be looked up, trying again", "addr", i.Addr, "err", failed)
		s.lookUpSoon(now)
		n.kickLookup()
	} else {
		var err error
		if s.id, err = n.core.Connect(now, c); err != nil {
			return nil, err
		}
	}
	n.introducers = append(n.introducers, s)
	return s, nil
}

// disconnect ends that for one group.
func (n *Node) disconnect(now reliability.Time, s *introducerState) {
	if s.users--; s.users > 0 {
		return
	}
	if s.id != 0 {
		n.core.Disconnect(now, s.id)
	}
	n.introducers = slices.DeleteFunc(n.introducers, func(o *introducerState) bool { return o == s })
}

func (n *Node) kickLookup() {
	select {
	case n.lookups <- struct{}{}:
	default:
	}
}

// watchNames looks up the names of introducers when it is time.
func (n *Node) watchNames(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var next *introducerState
		at := reliability.Never
		if n.do(func(reliability.Time) {
			for _, s := range n.introducers {
				if s.lookupAt < at {
					next, at = s, s.lookupAt
				}
			}
		}) != nil {
			return
		}
		if wait := at.Sub(n.Now()); next != nil && wait <= 0 {
			n.lookUp(ctx, next)
			continue
		} else if next != nil {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case <-n.lookups:
		case <-ctx.Done():
			return
		}
	}
}

// lookUp looks up the name of one introducer.
func (n *Node) lookUp(ctx context.Context, s *introducerState) {
	within, done := context.WithTimeout(ctx, lookupMax/2)
	c, err := s.resolve(within, n.config.Lookup)
	done()
	if ctx.Err() != nil {
		return
	}
	_ = n.do(func(now reliability.Time) {
		s.lookupAt = reliability.Never
		if s.users == 0 || s.up {
			return
		}
		if err != nil {
			s.err = err
			s.lookUpSoon(now)
			s.tellChange()
			n.log.Warn("the name of an introducer cannot be looked up, trying again", "addr", s.Addr, "err", err)
			return
		}
		moved := !sameAddrs(s.config.Addrs, c.Addrs)
		s.config.Addrs = c.Addrs
		switch {
		case s.id == 0:
			n.log.Info("the name of an introducer has been looked up", "addr", s.Addr)
			s.wait = lookupFirst
			s.id, s.err = n.core.Connect(now, c)
		case moved:
			n.log.Info("an introducer has moved to another address", "addr", s.Addr)
			s.wait = lookupFirst
			n.core.SetServerAddrs(now, s.id, c.Addrs)
		default:
			s.lookUpSoon(now)
		}
	})
}

// serverChanged takes that an introducer answers, or does not any more.
func (n *Node) serverChanged(now reliability.Time, e *multicast.NodeEvent) {
	i := slices.IndexFunc(n.introducers, func(s *introducerState) bool { return s.id == e.Server })
	if i < 0 {
		return
	}
	s := n.introducers[i]
	was := s.up
	s.up, s.err = e.Kind == multicast.NodeServerUp, e.Err
	switch {
	case s.up:
		n.log.Info("introducer connected", "addr", s.Addr)
		s.lookupAt, s.wait = reliability.Never, lookupFirst
		if session := n.core.ServerSession(e.Server); session != nil {
			s.fingerprint = session.Far().Fingerprint
			if session.IsOwn() {
				n.mirror.ask(now, session)
			}
		}
	case was:
		n.log.Warn("introducer lost, trying again", "addr", s.Addr, "err", e.Err)
	default:
		n.log.Debug("introducer does not answer, trying again", "addr", s.Addr, "err", e.Err)
	}
	if !s.up && s.isNamed() && s.lookupAt == reliability.Never {
		s.lookUpSoon(now)
		n.kickLookup()
	}
	s.tellChange()
}

// IntroducerStatus tells of an introducer that the node uses.
type IntroducerStatus struct {
	Addr string
	Up   bool
	// Err is why it was lost, does not answer, or cannot be found.
	Err error
	// Fingerprint is its peer ID, once it has answered.
	Fingerprint [32]byte
}

// Introducers returns the state of the introducers that the node uses, in the
// order in which they were named.
func (n *Node) Introducers() (list []IntroducerStatus) {
	_ = n.do(func(reliability.Time) {
		for _, s := range n.introducers {
			list = append(list, IntroducerStatus{Addr: s.Addr, Up: s.up, Err: s.err, Fingerprint: s.fingerprint})
		}
	})
	return list
}

// WaitIntroducer waits until one of the introducers has accepted the node.
func (n *Node) WaitIntroducer(ctx context.Context) error {
	for {
		var changed []chan struct{}
		up := false
		err := n.do(func(reliability.Time) {
			for _, s := range n.introducers {
				up = up || s.up
				changed = append(changed, s.changed)
			}
		})
		if err != nil || up || len(changed) == 0 {
			return err
		}
		// The first one is enough to wait for: all are looked at again soon.
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-changed[0]:
			timer.Stop()
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
