package rtmp

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
)

const (
	handshakeLen = 1536
	version      = 3
	digestLen    = sha256.Size
)

var (
	errVersion   = errors.New("client does not speak plain RTMP")
	errHandshake = errors.New("server answers with another protocol")
)

// The keys of the digest form of the handshake: what both begin with, and the
// bytes that complete either.
const (
	clientKey = "Genuine Adobe Flash Player 001"
	serverKey = "Genuine Adobe Flash Media Server 001"
	keyRest   = "\xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57\x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE"
)

// serveHandshake answers a client. It sends everything as soon as C1 is in: C2
// and the first command often come together. To a client with a valid digest
// it answers with one; all others get the simple form.
func serveHandshake(rw io.ReadWriter) error {
	c := make([]byte, 1+handshakeLen)
	if _, err := io.ReadFull(rw, c); err != nil {
		return err
	}
	if c[0] != version {
		return errVersion
	}
	c1 := c[1:]
	s := make([]byte, 1+2*handshakeLen)
	s[0] = version
	s1, s2 := s[1:1+handshakeLen], s[1+handshakeLen:]
	_, _ = rand.Read(s1[8:])
	if digest, layout := findDigest(c1, clientKey); digest != nil {
		_, _ = rand.Read(s2)
		answerDigest(s1, s2, digest, layout)
	} else {
		copy(s2, c1)
		copy(s2[4:8], s1[:4])
	}
	if _, err := rw.Write(s); err != nil {
		return err
	}
	_, err := io.ReadFull(rw, make([]byte, handshakeLen)) // C2; nobody checks it
	return err
}

// digestLayouts are where the offset of the digest stands, and where it counts
// from.
var digestLayouts = [...]struct{ offsetAt, base int }{{8, 12}, {772, 776}}

// digestAt returns the position of the digest in a first packet.
func digestAt(p []byte, layout int) int {
	l := digestLayouts[layout]
	sum := 0
	for _, b := range p[l.offsetAt : l.offsetAt+4] {
		sum += int(b)
	}
	return sum%728 + l.base
}

func digestOf(p []byte, at int, key string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(p[:at])
	h.Write(p[at+digestLen:])
	return h.Sum(nil)
}

// findDigest returns the digest of a first packet and its layout, nil if
// there is no valid one.
func findDigest(p []byte, key string) ([]byte, int) {
	if bytes.Equal(p[4:8], []byte{0, 0, 0, 0}) {
		return nil, 0
	}
	for layout := range digestLayouts {
		at := digestAt(p, layout)
		if d := digestOf(p, at, key); hmac.Equal(d, p[at:at+digestLen]) {
			return d, layout
		}
	}
	return nil, 0
}

// answerDigest puts the digests into our packets.
func answerDigest(s1, s2, clientDigest []byte, layout int) {
	copy(s1[4:8], []byte{4, 5, 0, 1})
	at := digestAt(s1, layout)
	copy(s1[at:], digestOf(s1, at, serverKey))
	key := hmac.New(sha256.New, []byte(serverKey+keyRest))
	key.Write(clientDigest)
	proof := hmac.New(sha256.New, key.Sum(nil))
	proof.Write(s2[:handshakeLen-digestLen])
	copy(s2[handshakeLen-digestLen:], proof.Sum(nil))
}

// dialHandshake is the client's side, in the simple form.
func dialHandshake(rw io.ReadWriter) error {
	c := make([]byte, 1+handshakeLen)
	c[0] = version
	_, _ = rand.Read(c[9:])
	if _, err := rw.Write(c); err != nil {
		return err
	}
	s := make([]byte, 1+2*handshakeLen)
	if _, err := io.ReadFull(rw, s); err != nil {
		return err
	}
	if s[0] != version {
		return errHandshake
	}
	_, err := rw.Write(s[1 : 1+handshakeLen])
	return err
}
