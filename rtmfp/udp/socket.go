package udp

import (
	"errors"
	"net"
	"net/netip"

	"github.com/ringcast/ringcast/rtmfp"
)

// maxPayload is the largest UDP payload over IPv4, in bytes.
const maxPayload = 65507

// run is a run of datagrams to one destination.
type run struct {
	data []byte
	t    rtmfp.Transmit
}

// socket is one bound socket. One goroutine reads; writes come from whoever
// holds the driver's mutex.
type socket interface {
	// read waits for datagrams and appends them to batch. Their bytes are
	// valid until the next read.
	read(batch []rtmfp.Datagram) ([]rtmfp.Datagram, error)
	// write sends runs. What cannot be sent is counted and dropped, as the
	// network would do.
	write(runs []run)
	// features describes what the socket makes use of, for the log.
	features() string
	conn() *net.UDPConn
}

// plainSocket uses one system call for each datagram; it works everywhere.
type plainSocket struct {
	udp   *net.UDPConn
	local netip.AddrPort
	count *counters
	buf   []byte
}

func newPlainSocket(conn *net.UDPConn, count *counters) *plainSocket {
	return &plainSocket{udp: conn, local: localAddr(conn), count: count, buf: make([]byte, 1<<16)}
}

func (s *plainSocket) read(batch []rtmfp.Datagram) ([]rtmfp.Datagram, error) {
	n, from, err := s.udp.ReadFromUDPAddrPort(s.buf)
	if err != nil {
		return batch, err
	}
	s.count.readCalls.Add(1)
	d := rtmfp.Datagram{Data: s.buf[:n:n], From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	if !s.local.Addr().IsUnspecified() {
		d.To = s.local
	}
	return append(batch, d), nil
}

func (s *plainSocket) write(runs []run) {
	for _, r := range runs {
		size := max(r.t.SegmentSize, 1)
		for data := r.data; len(data) > 0; {
			n := min(size, len(data))
			s.count.writeCalls.Add(1)
			if _, err := s.udp.WriteToUDPAddrPort(data[:n], r.t.To); err != nil {
				s.count.writeErrors.Add(1)
				if errors.Is(err, net.ErrClosed) {
					return
				}
			} else {
				s.count.writeDatagrams.Add(1)
				s.count.writeBytes.Add(uint64(n))
			}
			data = data[n:]
		}
	}
}

func (s *plainSocket) features() string { return "plain" }

func (s *plainSocket) conn() *net.UDPConn { return s.udp }

func localAddr(conn *net.UDPConn) netip.AddrPort {
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
