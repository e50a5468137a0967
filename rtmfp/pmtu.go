package rtmfp

import (
	"encoding/binary"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/wire"
)

// Path MTU discovery (RFC 7016 section 3.5.4.3, in the manner of RFC 4821): a
// datagram of the size in question holds padding and, last, a ping, so that
// one which was cut is not answered. What is answered passes.
const (
	pmtuMark   = 'U' // the ping's message: 'U', u16 size
	pmtuTries  = 3
	pmtuAfter  = 64 << 10         // bytes of data after which it is worth the while
	pmtuAgain  = 10 * time.Minute // after which larger sizes are tried again
	pmtuGrain  = 40               // sizes closer than that are not told apart
	blackHoles = 2                // timeouts in a row after which the path has shrunk
)

// pathMTU is what a session knows of the size of its path.
type pathMTU struct {
	base    int // what is taken to pass without asking
	limit   int // never more than this
	ceiling int // what did not pass, or limit+1
	trying  int // 0 while nothing is asked
	tries   int
	next    Instant // when something is to be done; Never otherwise
	sent    int     // bytes of data so far, until it begins
	silent  int     // timeouts in a row
}

func newPathMTU(base, limit int) pathMTU {
	limit = max(limit, base)
	return pathMTU{base: base, limit: limit, ceiling: limit + 1, next: reliability.Never}
}

// DatagramSize returns the largest datagram that the session sends at present,
// in bytes: Params.DatagramSize at first, more when the path is known to carry
// it.
func (s *Session) DatagramSize() int { return s.datagram }

// pmtuData notes that n bytes of data go out, which is when the path's size
// begins to matter.
func (s *Session) pmtuData(now Instant, n int) {
	p := &s.pmtu
	if p.sent >= pmtuAfter || p.limit <= p.base || s.keys.NoProbes {
		return
	}
	if p.sent += n; p.sent >= pmtuAfter {
		p.next = now
		s.rearm(now)
	}
}

// pmtuTimeout asks about the next size, or about the same once more.
func (s *Session) pmtuTimeout(now Instant) {
	p := &s.pmtu
	switch {
	case p.trying != 0 && p.tries < pmtuTries:
	case p.trying != 0:
		p.ceiling = p.trying
		s.pmtuChoose(now)
	default:
		p.ceiling = p.limit + 1
		s.pmtuChoose(now)
	}
	if p.trying == 0 {
		return
	}
	p.tries++
	p.next = now.Add(max(s.rtt.ERTO(), time.Second))
	s.sendProbe(now, p.trying)
}

// pmtuChoose picks the largest size that may pass, and then the middle between
// what does and what does not.
func (s *Session) pmtuChoose(now Instant) {
	p := &s.pmtu
	p.tries, p.trying = 0, p.limit
	if p.ceiling <= p.limit {
		p.trying = (s.datagram + p.ceiling) / 2
	}
	if p.trying-s.datagram < pmtuGrain && p.trying != p.limit || s.datagram >= p.limit {
		p.trying, p.next = 0, reliability.Never
		if s.datagram < p.limit {
			p.next = now.Add(pmtuAgain)
		}
	}
}

// sendProbe sends a datagram of a size.
func (s *Session) sendProbe(now Instant, size int) {
	const ping = wire.ChunkHeader + 3
	padding := s.keys.Key.Room(size) - wire.HeaderMax - wire.ChunkHeader - ping
	chunks := wire.AppendChunk(nil, wire.TypePadding, make([]byte, max(padding, 0)))
	chunks = wire.AppendChunk(chunks, wire.TypePing, binary.BigEndian.AppendUint16([]byte{pmtuMark}, uint16(size)))
	s.sendSized(now, chunks, Datagram{From: s.addr, To: s.local}, size)
}

// pmtuAnswered notes that a datagram of a size has passed.
func (s *Session) pmtuAnswered(now Instant, size int) {
	p := &s.pmtu
	if size != p.trying || p.trying == 0 {
		return
	}
	s.datagram = size
	s.pmtuChoose(now)
	if p.trying != 0 {
		p.next = now
	}
	s.rearm(now)
}

// pmtuSilence notes that nothing is acknowledged. If that goes on, large
// datagrams may be what the path does not carry any more.
func (s *Session) pmtuSilence(now Instant) {
	p := &s.pmtu
	if p.silent++; p.silent < blackHoles || s.datagram <= p.base {
		return
	}
	s.pmtuReset()
	p.next = now.Add(pmtuAgain)
}

// pmtuReset takes the path for one of which nothing is known.
func (s *Session) pmtuReset() {
	base, limit := s.pmtu.base, s.pmtu.limit
	s.pmtu = newPathMTU(base, limit)
	s.datagram = base
}
