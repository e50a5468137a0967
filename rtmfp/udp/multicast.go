package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/ringcast/ringcast/rtmfp"
)

// Bounds of native multicast.
const (
	maxGroups     = 64
	maxInterfaces = 32
	// maxMulticast is the largest datagram that is read from a group.
	maxMulticast = 1 << 16
	// defaultHops is the time to live of datagrams to a group whose Transmit
	// says nothing: a campus, not the world.
	defaultHops = 16
)

// ErrNoMulticast means that no interface takes part in the group.
var ErrNoMulticast = errors.New("udp: no interface for multicast")

// group is a membership in a native multicast group. It has a socket of its
// own to receive with, since its port is the group's and not ours, and one for
// each interface to send from.
type group struct {
	addr    netip.AddrPort
	source  netip.Addr
	receive *net.UDPConn
	buffer  int

	mu      sync.Mutex // guards what follows
	joined  []int      // indexes of interfaces
	senders []*groupSender
	closed  bool
}

// groupSender sends to a group from one interface.
type groupSender struct {
	index int
	conn  *net.UDPConn
	hops  int
	set   func(hops int) error
}

// JoinMulticast makes the driver receive what is sent to a native multicast
// group, and lets its core send there: a Transmit to a group goes out on every
// interface that can do multicast, and what comes has the group as Datagram.To.
// With a source only that one's datagrams are taken (source-specific
// multicast). It may be called at any time; joining again takes in interfaces
// that have come since. ErrNoMulticast means that there is none at present.
func (d *Driver) JoinMulticast(addr netip.AddrPort, source netip.Addr) error {
	if !addr.Addr().IsMulticast() || addr.Port() == 0 || source.IsValid() && source.Is4() != addr.Addr().Is4() {
		return fmt.Errorf("udp: %v from %v is not a multicast group", addr, source)
	}
	d.groupsMu.Lock()
	defer d.groupsMu.Unlock()
	for _, g := range d.groups {
		if g.addr == addr && g.source == source {
			return g.refresh()
		}
	}
	if d.groupsClosed {
		return ErrStopped
	}
	if len(d.groups) >= maxGroups {
		return fmt.Errorf("udp: more than %d multicast groups", maxGroups)
	}
	g, err := d.openGroup(addr, source)
	if err != nil {
		return err
	}
	d.groups = append(d.groups, g)
	d.reading.Go(func() { d.readGroup(g) })
	return g.refresh()
}

// LeaveMulticast ends a membership.
func (d *Driver) LeaveMulticast(addr netip.AddrPort, source netip.Addr) {
	d.groupsMu.Lock()
	defer d.groupsMu.Unlock()
	d.groups = slices.DeleteFunc(d.groups, func(g *group) bool {
		if g.addr != addr || g.source != source {
			return false
		}
		g.close()
		return true
	})
}

func (d *Driver) openGroup(addr netip.AddrPort, source netip.Addr) (*group, error) {
	network, local := "udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
	if addr.Addr().Is6() {
		network, local = "udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), addr.Port())
	}
	if bindToGroup && addr.Addr().Is4() {
		local = addr // what others send to our port from elsewhere stays out
	}
	// Several programs on one machine may be members.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = shareAddress(fd) })
		return errors.Join(err, failed)
	}}
	conn, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		return nil, fmt.Errorf("udp: listen to group %v: %w", addr, err)
	}
	udp := conn.(*net.UDPConn)
	_ = udp.SetReadBuffer(DefaultConfig().ReceiveBuffer)
	return &group{addr: addr, source: source, receive: udp, buffer: DefaultConfig().SendBuffer}, nil
}

// refresh joins on interfaces that have come since and forgets those that have
// gone.
func (g *group) refresh() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return net.ErrClosed
	}
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("udp: list interfaces: %w", err)
	}
	var present []int
	for i := range all {
		ifi := &all[i]
		const wanted = net.FlagUp | net.FlagMulticast
		if ifi.Flags&wanted != wanted || len(present) == maxInterfaces {
			continue
		}
		if !slices.Contains(g.joined, ifi.Index) && g.join(ifi) != nil {
			continue
		}
		present = append(present, ifi.Index)
		if !slices.ContainsFunc(g.senders, func(s *groupSender) bool { return s.index == ifi.Index }) {
			if s, err := g.openSender(ifi); err == nil {
				g.senders = append(g.senders, s)
			}
		}
	}
	g.joined = present
	g.senders = slices.DeleteFunc(g.senders, func(s *groupSender) bool {
		gone := !slices.Contains(present, s.index)
		if gone {
			_ = s.conn.Close()
		}
		return gone
	})
	if len(present) == 0 {
		return ErrNoMulticast
	}
	return nil
}

func (g *group) join(ifi *net.Interface) error {
	to := &net.UDPAddr{IP: g.addr.Addr().AsSlice()}
	if g.addr.Addr().Is4() {
		p := ipv4.NewPacketConn(g.receive)
		if g.source.IsValid() {
			return p.JoinSourceSpecificGroup(ifi, to, &net.UDPAddr{IP: g.source.AsSlice()})
		}
		return p.JoinGroup(ifi, to)
	}
	p := ipv6.NewPacketConn(g.receive)
	if g.source.IsValid() {
		return p.JoinSourceSpecificGroup(ifi, to, &net.UDPAddr{IP: g.source.AsSlice()})
	}
	return p.JoinGroup(ifi, to)
}

func (g *group) openSender(ifi *net.Interface) (*groupSender, error) {
	network := "udp6"
	if g.addr.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteBuffer(g.buffer)
	s := &groupSender{index: ifi.Index, conn: conn}
	// Other members on this machine hear us too; our own receivers know us by
	// our tag.
	if g.addr.Addr().Is4() {
		p := ipv4.NewPacketConn(conn)
		s.set = p.SetMulticastTTL
		err = errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastLoopback(true))
	} else {
		p := ipv6.NewPacketConn(conn)
		s.set = p.SetMulticastHopLimit
		err = errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastLoopback(true))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// send sends a run to the group on all interfaces.
func (g *group) send(t rtmfp.Transmit, data []byte, count *counters) {
	g.mu.Lock()
	defer g.mu.Unlock()
	hops := t.HopLimit
	if hops == 0 {
		hops = defaultHops
	}
	for _, s := range g.senders {
		if s.hops != hops && s.set(hops) == nil {
			s.hops = hops
		}
		for at := 0; at < len(data); at += t.SegmentSize {
			segment := data[at:min(at+t.SegmentSize, len(data))]
			if _, err := s.conn.WriteToUDPAddrPort(segment, g.addr); err != nil {
				count.writeErrors.Add(1)
				continue
			}
			count.writeCalls.Add(1)
			count.writeDatagrams.Add(1)
			count.writeBytes.Add(uint64(len(segment)))
		}
	}
}

func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	_ = g.receive.Close()
	for _, s := range g.senders {
		_ = s.conn.Close()
	}
	g.senders = nil
}

// readGroup feeds the core with what comes to a group.
func (d *Driver) readGroup(g *group) {
	buf := make([]byte, maxMulticast)
	batch := make([]rtmfp.Datagram, 1)
	for {
		n, from, err := g.receive.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			d.count.readErrors.Add(1)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if g.source.IsValid() && from.Addr() != g.source {
			continue
		}
		d.count.readCalls.Add(1)
		d.count.readDatagrams.Add(1)
		d.count.readBytes.Add(uint64(n))
		batch[0] = rtmfp.Datagram{Data: buf[:n], From: from, To: g.addr}
		d.mu.Lock()
		if d.core != nil && !d.stopped {
			now := d.Now()
			d.core.HandleDatagrams(now, batch)
			d.drain(now)
		}
		d.mu.Unlock()
	}
}

// sendToGroup sends a run to the group it is for, if that is joined.
func (d *Driver) sendToGroup(t rtmfp.Transmit, data []byte) {
	d.groupsMu.Lock()
	defer d.groupsMu.Unlock()
	for _, g := range d.groups {
		if g.addr == t.To {
			g.send(t, data, &d.count)
			return
		}
	}
	d.count.unroutable.Add(1)
}

func (d *Driver) closeGroups() {
	d.groupsMu.Lock()
	for _, g := range d.groups {
		g.close()
	}
	d.groups, d.groupsClosed = nil, true
	d.groupsMu.Unlock()
	d.reading.Wait()
}
