package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringcast/ringcast/rtmfp"
)

const (
	// Messages in one recvmmsg: few large buffers with receive offload, which
	// fill with up to 64 datagrams each; many small ones without.
	receiveMessages     = 4
	receiveMessagesBare = 32
	bareBuffer          = 2048
	// Messages in one sendmmsg.
	sendMessages = 64
	// Control data of a message: packet info of either family and a segment
	// size. 28 and 18 bytes of payload at most, with headers and padding.
	controlSize = 128
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// message is what one mmsghdr points to.
type message struct {
	iov     unix.Iovec
	name    unix.RawSockaddrInet6 // or Inet4 in its first bytes
	control [controlSize]byte
}

// batchSocket reads and writes in batches.
type batchSocket struct {
	udp   *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort
	six   bool
	gso   bool
	gro   bool
	count *counters
	zones map[uint32]string

	rxHeaders  []mmsghdr
	rxMessages []message
	rxBuffers  [][]byte
	rxCount    int
	rxErr      error
	receive    func(fd uintptr) bool // kept, so that a read allocates nothing

	txHeaders  []mmsghdr
	txMessages []message
	txFrom     int // first message of txHeaders to be sent
	txLen      int
	txErr      error
	transmit   func(fd uintptr) bool
}

// newSocket makes the best socket that the system offers.
func newSocket(conn *net.UDPConn, plain bool, count *counters) (socket, error) {
	if plain {
		return newPlainSocket(conn, count), nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("udp: raw socket: %w", err)
	}
	s := &batchSocket{udp: conn, raw: raw, local: localAddr(conn), count: count, zones: make(map[uint32]string)}
	s.six = s.local.Addr().Is6()
	if err := raw.Control(func(fd uintptr) { s.setOptions(int(fd)) }); err != nil {
		return nil, fmt.Errorf("udp: set socket options: %w", err)
	}
	messages, size := receiveMessagesBare, bareBuffer
	if s.gro {
		messages, size = receiveMessages, 1<<16
	}
	s.rxHeaders, s.rxMessages = make([]mmsghdr, messages), make([]message, messages)
	for i := range messages {
		s.rxBuffers = append(s.rxBuffers, make([]byte, size))
		link(&s.rxHeaders[i], &s.rxMessages[i])
	}
	s.txHeaders, s.txMessages = make([]mmsghdr, sendMessages), make([]message, sendMessages)
	for i := range sendMessages {
		link(&s.txHeaders[i], &s.txMessages[i])
	}
	s.receive, s.transmit = s.recvmmsg, s.sendmmsg
	return s, nil
}

func link(h *mmsghdr, m *message) {
	h.hdr.Name = (*byte)(unsafe.Pointer(&m.name))
	h.hdr.Iov = &m.iov
	h.hdr.SetIovlen(1)
}

// setOptions asks for the local address of each datagram, for path MTU probes
// that are not fragmented, and probes for the offloads. Nothing here is
// needed: what fails is done without.
func (s *batchSocket) setOptions(fd int) {
	if s.six {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	s.gro = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.gso = err == nil
}

func (s *batchSocket) conn() *net.UDPConn { return s.udp }

func (s *batchSocket) features() string {
	f := "mmsg"
	if s.gso {
		f += " gso"
	}
	if s.gro {
		f += " gro"
	}
	return f
}

func (s *batchSocket) read(batch []rtmfp.Datagram) ([]rtmfp.Datagram, error) {
	for i := range s.rxHeaders {
		h, m := &s.rxHeaders[i], &s.rxMessages[i]
		m.iov.Base = &s.rxBuffers[i][0]
		m.iov.SetLen(len(s.rxBuffers[i]))
		h.hdr.Namelen = uint32(unsafe.Sizeof(m.name))
		h.hdr.Control = &m.control[0]
		h.hdr.SetControllen(controlSize)
	}
	if err := s.raw.Read(s.receive); err != nil {
		return batch, err
	}
	if s.rxErr != nil {
		return batch, s.rxErr
	}
	s.count.readCalls.Add(1)
	for i := range s.rxCount {
		batch = s.split(batch, i)
	}
	return batch, nil
}

// recvmmsg is called with the socket ready, or to find out; it returns false
// to wait.
func (s *batchSocket) recvmmsg(fd uintptr) bool {
	for {
		n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.rxHeaders[0])), uintptr(len(s.rxHeaders)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			s.rxCount, s.rxErr = int(n), nil
		default:
			s.rxCount, s.rxErr = 0, e
		}
		return true
	}
}

// split appends the datagrams of a received message: several when the kernel
// has put them together.
func (s *batchSocket) split(batch []rtmfp.Datagram, i int) []rtmfp.Datagram {
	h, m := &s.rxHeaders[i], &s.rxMessages[i]
	data := s.rxBuffers[i][:min(int(h.n), len(s.rxBuffers[i]))]
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		s.count.truncated.Add(1)
		return batch
	}
	d := rtmfp.Datagram{From: s.sender(&m.name), To: s.local}
	if s.local.Addr().IsUnspecified() {
		d.To = netip.AddrPort{}
	}
	segment := len(data)
	s.parseControl(m.control[:min(int(h.hdr.Controllen), controlSize)], &d, &segment)
	if len(data) == 0 {
		return batch // nothing in it for anybody
	}
	segment = max(segment, 1)
	for len(data) > 0 {
		n := min(segment, len(data))
		d.Data = data[:n:n]
		data = data[n:]
		batch = append(batch, d)
	}
	return batch
}

func (s *batchSocket) sender(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := name.Port // at the same place in both families, in network order
	p := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&port))[:])
	if name.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), p)
	}
	return netip.AddrPortFrom(s.scoped(netip.AddrFrom16(name.Addr), name.Scope_id), p)
}

// scoped adds the zone without which a link-local address means nothing. The
// zones' names are kept: there are only as many as interfaces.
func (s *batchSocket) scoped(addr netip.Addr, id uint32) netip.Addr {
	addr = addr.Unmap()
	if id == 0 || !addr.IsLinkLocalUnicast() {
		return addr
	}
	zone, ok := s.zones[id]
	if !ok {
		zone = strconv.FormatUint(uint64(id), 10)
		s.zones[id] = zone
	}
	return addr.WithZone(zone)
}

// parseControl reads the local address and the segment size from a message's
// control data.
func (s *batchSocket) parseControl(b []byte, d *rtmfp.Datagram, segment *int) {
	const header = int(unsafe.Sizeof(unix.Cmsghdr{}))
	for len(b) >= header {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < header || size > len(b) {
			return
		}
		body := b[header:size]
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(body) >= 2:
			// An int; its first two bytes are enough on little endian, and
			// native order takes care of the rest.
			if len(body) >= 4 {
				*segment = int(binary.NativeEndian.Uint32(body))
			} else {
				*segment = int(binary.NativeEndian.Uint16(body))
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(body) >= 12:
			d.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body[8:12])), s.local.Port())
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(body) >= 20:
			addr := s.scoped(netip.AddrFrom16([16]byte(body[:16])), binary.NativeEndian.Uint32(body[16:]))
			d.To = netip.AddrPortFrom(addr, s.local.Port())
		}
		b = b[min(unix.CmsgSpace(len(body)), len(b)):]
	}
}

// bufferSizes returns the sizes of conn's buffers as the kernel keeps them,
// which is twice what it was asked for because it counts its overhead.
func bufferSizes(conn *net.UDPConn) (receive, send int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = raw.Control(func(fd uintptr) {
		receive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		send, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return receive / 2, send / 2
}
