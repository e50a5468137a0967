package rtmfp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/ringcast/ringcast/rtmfp/congestion"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// The message that asks at an address: 'M', u64 time, u8 proof[16].
const (
	mobilityMark = 'M'
	mobilitySize = 1 + 8 + 16
)

// probeAddress asks at an address that a valid packet came from whether the
// far end is really there (RFC 7016 section 3.5.4.2): 'M', the time, and a
// proof that only a receiver at that address can return.
func (s *Session) probeAddress(now Instant, d *Datagram) {
	s.mobilitySent = now
	message := append(binary.BigEndian.AppendUint64([]byte{mobilityMark}, uint64(now)), s.mobilityProof(uint64(now), d.From)...)
	s.sendAside(now, wire.AppendChunk(nil, wire.TypePing, message), *d)
}

func (s *Session) mobilityProof(at uint64, addr netip.AddrPort) []byte {
	h := hmac.New(sha256.New, s.mobilityKey)
	text, _ := addr.MarshalBinary()
	h.Write(binary.BigEndian.AppendUint64(nil, at))
	h.Write(text)
	return h.Sum(nil)[:16]
}

// handleMobilityReply moves the session to the address that has proved itself.
func (s *Session) handleMobilityReply(now Instant, message []byte, d *Datagram) {
	at := binary.BigEndian.Uint64(message[1:])
	sent := Instant(at)
	if sent > now || now.Sub(sent) > mobilityValid || sent <= s.mobilityGot || !hmac.Equal(message[9:], s.mobilityProof(at, d.From)) {
		return
	}
	s.mobilityGot = sent
	if d.From == s.addr {
		return
	}
	if s.e.byAddr[s.addr] == s {
		delete(s.e.byAddr, s.addr)
	}
	s.addr, s.local = d.From, d.To
	s.e.byAddr[s.addr] = s
	// It is another path now.
	s.rtt = congestion.NewRTT()
	s.cc.Reset()
	s.pmtuReset()
	s.e.emit(Event{Kind: AddressChanged, Session: s})
}
