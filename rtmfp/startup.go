package rtmfp

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// SetLocalAddrs tells the endpoint which local addresses it is driven on, when
// there are several: startup packets whose way is not known yet then go out
// from all of them. At most maxLocals count.
func (e *Endpoint) SetLocalAddrs(addrs []netip.AddrPort) {
	e.locals = slices.Clone(addrs[:min(len(addrs), maxLocals)])
}

// sendStartup sends a packet of the startup. build appends its chunks. Without
// a local address to send from it goes out from all that are known.
func (e *Endpoint) sendStartup(now Instant, id wire.SessionID, to, from netip.AddrPort, build func(b []byte) []byte) {
	e.sendLimited(now, id, to, from, unlimited, build)
}

// unlimited is for packets that nobody's question has caused.
const unlimited = -1

// sendLimited is sendStartup for the answer to a question of asked bytes, or of
// a size that is not known if that is 0, whose sender may not be where it seems
// to be. It reports false if there must be no answer now.
func (e *Endpoint) sendLimited(now Instant, id wire.SessionID, to, from netip.AddrPort, asked int, build func(b []byte) []byte) bool {
	if !sendable(to) {
		e.stats.Refused++
		return false
	}
	plain := build(e.startupHeader(now, make([]byte, 0, 512)))
	room := e.startup.Room(e.params.DatagramSize)
	for _, from := range e.sources(to, from) {
		if asked != unlimited && !e.growth.allow(now, to.Addr(), asked, e.sealedSize(len(plain))) {
			e.stats.Refused++
			return false
		}
		if len(plain) <= room {
			e.sealStartup(now, id, to, from, plain)
			continue
		}
		e.splitStartup(plain, room, func(chunk []byte) {
			e.sealStartup(now, id, to, from, append(e.startupHeader(now, nil), chunk...))
		})
	}
	return true
}

// sealedSize returns the length of the datagram for a plain packet of n bytes
// of the startup, to the padding of the default key's blocks.
func (e *Endpoint) sealedSize(n int) int {
	const block = 16
	return 4 + (e.startup.Head()+n+block-1)/block*block
}

func (e *Endpoint) startupHeader(now Instant, b []byte) []byte {
	return wire.AppendHeader(b, wire.Header{Mode: wire.ModeStartup, HasTimestamp: true, Timestamp: ticks(now)})
}

// sources returns the local addresses to send from: from itself if it is
// known, else all of the family of to, or the driver's choice.
func (e *Endpoint) sources(to, from netip.AddrPort) []netip.AddrPort {
	all := []netip.AddrPort{from}
	if from.IsValid() {
		return all
	}
	all = all[:0]
	for _, local := range e.locals {
		if local.Addr().Is4() == to.Addr().Is4() {
			all = append(all, local)
		}
	}
	if len(all) == 0 {
		all = append(all, netip.AddrPort{})
	}
	return all
}

// sealStartup seals a plain packet with the default key and queues it.
func (e *Endpoint) sealStartup(now Instant, id wire.SessionID, to, from netip.AddrPort, plain []byte) {
	if len(e.outgoing)-e.outHead >= maxOutgoing {
		e.stats.Refused++
		return
	}
	head := e.startup.Head()
	b := make([]byte, 4+head, 4+head+len(plain)+64)
	b = append(b, plain...)
	if e.tracer != nil {
		e.tracer.TracePacket(now, TracedPacket{Sent: true, Far: wire.Address{AddrPort: to}, Session: id, Plain: plain, Size: len(b)})
	}
	sealed := e.startup.Seal(b[4:])
	out := append(b[:4], sealed...) // where it is, unless sealing had to move it
	binary.BigEndian.PutUint32(out, uint32(wire.Scramble(id, sealed)))
	e.outgoing = append(e.outgoing, outgoing{to: to, from: from, data: out})
}
