package rtmfp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"net/netip"
)

// cookieJar makes and checks the cookies by which a responder knows, without
// keeping anything, that an initiator gets what is sent to its address.
//
//	u8 shown, u56 time || HMAC(those)[28] || HMAC(those, address)[28]
//
// The first hash tells that it is ours, the second that it was made for the
// address it comes from. shown is the number of the certificate that the cookie
// came with; the time is in microseconds.
type cookieJar struct {
	macs    [2]hash.Hash // with the present secret and the one before
	made    Instant      // when the present one was made
	entropy io.Reader
	ours    [sha256.Size]byte
	bound   [sha256.Size]byte
	addr    [18]byte
}

const cookieHash = (cookieSize - 8) / 2

type cookieVerdict int

const (
	cookieBad cookieVerdict = iota
	cookieGood
	cookieElsewhere // ours, but made for another address
)

func newCookieJar(entropy io.Reader) (*cookieJar, error) {
	j := &cookieJar{entropy: entropy}
	for i := range j.macs {
		var err error
		if j.macs[i], err = newCookieMAC(entropy); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func newCookieMAC(entropy io.Reader) (hash.Hash, error) {
	var secret [32]byte
	if _, err := io.ReadFull(entropy, secret[:]); err != nil {
		return nil, err
	}
	return hmac.New(sha256.New, secret[:]), nil
}

func (j *cookieJar) rotate(now Instant) {
	if now.Sub(j.made) < secretLifetime {
		return
	}
	fresh, err := newCookieMAC(j.entropy)
	if err != nil {
		return // the old secret goes on
	}
	j.macs[1], j.macs[0] = j.macs[0], fresh
	j.made = now
}

func (j *cookieJar) make(now Instant, shown uint8, addr netip.AddrPort) []byte {
	j.rotate(now)
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cookieSize), uint64(shown)<<56|cookieTime(now))
	ours, bound := j.hashes(0, b, addr)
	return append(append(b, ours...), bound...)
}

// cookieTime returns the time that a cookie holds, which is never negative.
func cookieTime(now Instant) uint64 { return uint64(now) / 1000 & (1<<56 - 1) }

// check returns what the cookie is, and the number of the certificate that it
// came with.
func (j *cookieJar) check(now Instant, cookie []byte, addr netip.AddrPort) (shown uint8, verdict cookieVerdict) {
	if len(cookie) != cookieSize {
		return 0, cookieBad
	}
	shown = cookie[0]
	made, at := binary.BigEndian.Uint64(cookie)&(1<<56-1), cookieTime(now)
	if made > at || at-made > uint64(cookieLifetime.Microseconds()) {
		return 0, cookieBad
	}
	for i := range j.macs {
		ours, bound := j.hashes(i, cookie[:8], addr)
		if !hmac.Equal(ours, cookie[8:8+cookieHash]) {
			continue
		}
		if !hmac.Equal(bound, cookie[8+cookieHash:]) {
			return shown, cookieElsewhere
		}
		return shown, cookieGood
	}
	return 0, cookieBad
}

// hashes returns both hashes with the i-th secret, in memory of the jar.
func (j *cookieJar) hashes(i int, made []byte, addr netip.AddrPort) (ours, bound []byte) {
	h := j.macs[i]
	h.Reset()
	h.Write(made)
	ours = h.Sum(j.ours[:0])
	ip := addr.Addr().As16()
	copy(j.addr[:], ip[:])
	binary.BigEndian.PutUint16(j.addr[16:], addr.Port())
	h.Write(j.addr[:])
	bound = h.Sum(j.bound[:0])
	return ours[:cookieHash], bound[:cookieHash]
}
