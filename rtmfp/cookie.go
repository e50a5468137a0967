package rtmfp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
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
	secrets [2][32]byte // the present one and the one before
	made    Instant     // when the present one was made
	entropy io.Reader
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
	for i := range j.secrets {
		if _, err := io.ReadFull(entropy, j.secrets[i][:]); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func (j *cookieJar) rotate(now Instant) {
	if now.Sub(j.made) < secretLifetime {
		return
	}
	var fresh [32]byte
	if _, err := io.ReadFull(j.entropy, fresh[:]); err != nil {
		return // the old secret goes on
	}
	j.secrets[1], j.secrets[0] = j.secrets[0], fresh
	j.made = now
}

func (j *cookieJar) make(now Instant, shown uint8, addr netip.AddrPort) []byte {
	j.rotate(now)
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cookieSize), uint64(shown)<<56|cookieTime(now))
	ours, bound := cookieHashes(&j.secrets[0], b, addr)
	return append(append(b, ours[:cookieHash]...), bound[:cookieHash]...)
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
	for i := range j.secrets {
		ours, bound := cookieHashes(&j.secrets[i], cookie[:8], addr)
		if !hmac.Equal(ours[:cookieHash], cookie[8:8+cookieHash]) {
			continue
		}
		if !hmac.Equal(bound[:cookieHash], cookie[8+cookieHash:]) {
			return shown, cookieElsewhere
		}
		return shown, cookieGood
	}
	return 0, cookieBad
}

func cookieHashes(secret *[32]byte, made []byte, addr netip.AddrPort) (ours, bound [32]byte) {
	h := hmac.New(sha256.New, secret[:])
	h.Write(made)
	h.Sum(ours[:0])
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], addr.Port())
	ip := addr.Addr().As16()
	h.Write(ip[:])
	h.Write(port[:])
	h.Sum(bound[:0])
	return ours, bound
}
