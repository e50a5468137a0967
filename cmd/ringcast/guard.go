package main

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/rtmfp"
)

// guard is a TCP listener that closes connections beyond its limits at once:
// too many in all, too many from one address, or too many new ones from it. A
// stranger who can reach a port can so neither use up the node's files and
// memory nor keep others out alone.
type guard struct {
	net.Listener
	name   string
	limits config.Limits
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	open    int
	clients map[netip.Prefix]*guarded
	refused [refusals]uint64
}

// guarded is what a guard knows of a client.
type guarded struct {
	open int
	// fresh is how many new connections it may still make, as of at.
	fresh float64
	at    time.Time
}

// refusal is why a guard closes a connection.
type refusal int

const (
	refusedTotal refusal = iota
	refusedAddress
	refusedRate
	refusals int = iota
)

// String returns the reason as logs and metrics show it.
func (r refusal) String() string { return [...]string{"total", "address", "rate"}[r] }

const (
	// freshPerMinute is how many new connections a client may make in a minute,
	// as a multiple of how many it may have.
	freshPerMinute = 4
	// maxIdleClients bounds the clients without connections that are remembered.
	maxIdleClients = 10_000
)

func newGuard(l net.Listener, name string, limits config.Limits, log *slog.Logger) *guard {
	return &guard{Listener: l, name: name, limits: limits, log: log, now: time.Now, clients: make(map[netip.Prefix]*guarded)}
}

// Accept returns the next connection within the limits.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(c.RemoteAddr())
		why, ok := g.enter(client)
		if ok {
			leave := sync.OnceFunc(func() { g.leave(client) })
			if tcp, isTCP := c.(*net.TCPConn); isTCP {
				return &tcpGuest{tcp, leave}, nil
			}
			return &guest{c, leave}, nil
		}
		g.log.Warn("connection refused, there are too many", "reason", g.name+" "+why.String(), "addr", c.RemoteAddr().String())
		_ = c.Close()
	}
}

// clientOf returns what counts as one client. This machine's own connections
// are no client's.
func clientOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return rtmfp.SourceOf(tcp.AddrPort().Addr())
}

// enter counts a connection, if it is within the limits.
func (g *guard) enter(client netip.Prefix) (refusal, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.limits.Connections {
		return g.refuse(refusedTotal), false
	}
	if !client.IsValid() {
		g.open++
		return 0, true
	}
	now := g.now()
	c := g.clients[client]
	most := float64(g.limits.ConnectionsPerAddress)
	if c == nil {
		g.forgetIdle()
		c = &guarded{fresh: most, at: now}
		g.clients[client] = c
	}
	c.fresh = min(most, c.fresh+now.Sub(c.at).Minutes()*most*freshPerMinute)
	c.at = now
	switch {
	case c.open >= g.limits.ConnectionsPerAddress:
		return g.refuse(refusedAddress), false
	case c.fresh < 1:
		return g.refuse(refusedRate), false
	}
	c.fresh--
	c.open++
	g.open++
	return 0, true
}

func (g *guard) refuse(why refusal) refusal {
	g.refused[why]++
	return why
}

// forgetIdle makes room when many clients have come and gone.
func (g *guard) forgetIdle() {
	if len(g.clients)-g.open < maxIdleClients {
		return
	}
	for client, c := range g.clients {
		if c.open == 0 {
			delete(g.clients, client)
		}
	}
}

func (g *guard) leave(client netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if c := g.clients[client]; c != nil {
		c.open--
	}
}

// stats returns how many connections are open, and how many were refused by
// reason.
func (g *guard) stats() (open int, refused [refusals]uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.refused
}

// guest is a connection that tells its guard when it ends.
type guest struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *guest) Close() error {
	c.leave()
	return c.Conn.Close()
}

// tcpGuest is the same for TCP: it keeps what a TCP connection can do beyond
// others, such as writing several buffers with one system call.
type tcpGuest struct {
	*net.TCPConn
	leave func()
}

// Close closes the connection.
func (c *tcpGuest) Close() error {
	c.leave()
	return c.TCPConn.Close()
}
