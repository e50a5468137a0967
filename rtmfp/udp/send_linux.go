package udp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (s *batchSocket) write(runs []run) {
	for i := range runs {
		r := &runs[i]
		size := max(r.t.SegmentSize, 1)
		if r.t.MayFragment {
			s.writeFragmented(r)
			continue
		}
		if len(r.data) > size && s.gso && len(r.data) <= maxPayload {
			s.add(r.data, r, size)
			continue
		}
		for data := r.data; len(data) > 0; {
			n := min(size, len(data))
			s.add(data[:n], r, 0)
			data = data[n:]
		}
	}
	s.flush()
}

// writeFragmented sends one datagram that the network may cut, which is rare.
func (s *batchSocket) writeFragmented(r *run) {
	s.flush()
	s.setFragmentation(true)
	s.add(r.data, r, 0)
	s.flush()
	s.setFragmentation(false)
}

// setFragmentation lets the network cut datagrams, or not. The kernel's own
// idea of the path's size counts for nothing: that is found out by asking.
func (s *batchSocket) setFragmentation(allow bool) {
	four, six := unix.IP_PMTUDISC_PROBE, unix.IPV6_PMTUDISC_PROBE
	if allow {
		four, six = unix.IP_PMTUDISC_DONT, unix.IPV6_PMTUDISC_DONT
	}
	_ = s.raw.Control(func(fd uintptr) {
		if s.six {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, six)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, four)
		}
	})
}

// add puts one message into the batch: a datagram, or a run with its segment
// size.
func (s *batchSocket) add(data []byte, r *run, segment int) {
	if s.txLen == len(s.txHeaders) {
		s.flush()
	}
	h, m := &s.txHeaders[s.txLen], &s.txMessages[s.txLen]
	s.txLen++
	m.iov.Base = &data[0]
	m.iov.SetLen(len(data))
	h.hdr.Namelen = s.setDestination(&m.name, r.t.To)
	control := s.appendSource(m.control[:0], r.t.From)
	if segment > 0 {
		control = appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(control[len(control)-unix.CmsgSpace(2)+unix.CmsgLen(0):], uint16(segment))
	}
	h.hdr.Control = nil
	if len(control) > 0 {
		h.hdr.Control = &m.control[0]
	}
	h.hdr.SetControllen(len(control))
}

func (s *batchSocket) setDestination(name *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], to.Port())
	if !s.six {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: *(*uint16)(unsafe.Pointer(&port)), Addr: to.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: *(*uint16)(unsafe.Pointer(&port)), Addr: to.Addr().As16()}
	if zone := to.Addr().Zone(); zone != "" {
		if id, err := strconv.ParseUint(zone, 10, 32); err == nil {
			name.Scope_id = uint32(id)
		}
	}
	return unix.SizeofSockaddrInet6
}

// appendSource adds the local address to send from, where the socket is bound
// to all of them and the core cares.
func (s *batchSocket) appendSource(b []byte, from netip.AddrPort) []byte {
	if !from.IsValid() || from.Addr().IsUnspecified() || from.Addr().IsMulticast() || !s.local.Addr().IsUnspecified() {
		return b
	}
	if s.six {
		addr := from.Addr().As16()
		b = appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, 20)
		copy(b[len(b)-unix.CmsgSpace(20)+unix.CmsgLen(0):], addr[:])
		return b
	}
	addr := from.Addr().As4()
	b = appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, 12)
	copy(b[len(b)-unix.CmsgSpace(12)+unix.CmsgLen(0)+4:], addr[:]) // ipi_spec_dst
	return b
}

// appendControl adds an empty control message of size bytes to b, which has
// room for it.
func appendControl(b []byte, level, kind int32, size int) []byte {
	at := len(b)
	b = b[:at+unix.CmsgSpace(size)]
	clear(b[at:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return b
}

// flush sends the batch. The kernel stops at the first message it does not
// like; that one is dropped or sent in another way, and the rest goes on.
func (s *batchSocket) flush() {
	s.txFrom = 0
	for s.txFrom < s.txLen {
		first := s.txFrom
		s.txErr = nil
		if err := s.raw.Write(s.transmit); err != nil {
			s.count.writeErrors.Add(uint64(s.txLen - s.txFrom))
			break // closed
		}
		for i := first; i < s.txFrom; i++ {
			s.countSent(i)
		}
		if s.txErr != nil {
			s.refused(s.txFrom)
			s.txFrom++
		}
	}
	s.txLen = 0
}

// sendmmsg is called with the socket writable, or to find out; it returns
// false to wait.
func (s *batchSocket) sendmmsg(fd uintptr) bool {
	for {
		n, _, e := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.txHeaders[s.txFrom])), uintptr(s.txLen-s.txFrom), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			s.count.writeCalls.Add(1)
			s.txFrom += int(n)
		default:
			s.txErr = e
		}
		return true
	}
}

func (s *batchSocket) segmentOf(i int) int {
	h, m := &s.txHeaders[i], &s.txMessages[i]
	control := m.control[:h.hdr.Controllen]
	for len(control) > 0 {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		if c.Level == unix.IPPROTO_UDP && c.Type == unix.UDP_SEGMENT {
			return int(binary.NativeEndian.Uint16(control[unix.CmsgLen(0):]))
		}
		control = control[unix.CmsgSpace(int(c.Len)-unix.CmsgLen(0)):]
	}
	return 0
}

func (s *batchSocket) countSent(i int) {
	size := int(s.txMessages[i].iov.Len)
	datagrams := 1
	if segment := s.segmentOf(i); segment > 0 {
		datagrams = (size + segment - 1) / segment
		s.count.segmentedRuns.Add(1)
	}
	s.count.writeDatagrams.Add(uint64(datagrams))
	s.count.writeBytes.Add(uint64(size))
}

// refused deals with message i that the kernel did not take. A run in one
// piece is sent again as single datagrams, and no more runs are tried when it
// was the offload that failed (EIO from a device without checksums, EINVAL).
func (s *batchSocket) refused(i int) {
	segment := s.segmentOf(i)
	m := &s.txMessages[i]
	data := unsafe.Slice(m.iov.Base, int(m.iov.Len))
	switch {
	case segment == 0 && s.txHeaders[i].hdr.Controllen == 0:
		s.count.writeErrors.Add(1)
		return
	case segment == 0:
		// The wanted source address may be gone: any other is better.
		segment = len(data)
	default:
		s.count.offloadRefusals.Add(1)
		if s.txErr == unix.EIO || s.txErr == unix.EINVAL && int(s.txHeaders[i].hdr.Controllen) == unix.CmsgSpace(2) {
			s.gso = false
		}
	}
	dst := unsafe.Slice((*byte)(unsafe.Pointer(&m.name)), int(s.txHeaders[i].hdr.Namelen))
	for len(data) > 0 {
		n := min(segment, len(data))
		s.sendOne(data[:n], dst)
		data = data[n:]
	}
}

// sendOne sends one datagram to a raw address, in the rare case.
func (s *batchSocket) sendOne(data, dst []byte) {
	var failed bool
	err := s.raw.Write(func(fd uintptr) bool {
		_, _, e := unix.Syscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&dst[0])), uintptr(len(dst)))
		if e == unix.EAGAIN || e == unix.EINTR {
			return false
		}
		failed = e != 0
		return true
	})
	if err != nil || failed {
		s.count.writeErrors.Add(1)
		return
	}
	s.count.writeCalls.Add(1)
	s.count.writeDatagrams.Add(1)
	s.count.writeBytes.Add(uint64(len(data)))
}
