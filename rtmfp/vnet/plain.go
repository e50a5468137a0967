package vnet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ringcast/ringcast/rtmfp"
)

// PlainProfile is a profile without cryptography for simulations and tests:
// packets are in clear, behind a checksum, and anybody can be anyone. A far
// end is selected as in RFC 7425: by its fingerprint, or, if it is a server, by
// any URI.
//
//	certificate: 'S' or 'P', name
//	component:   u8 random[16]
//	packet:      u32 CRC-32 of what follows
type PlainProfile struct {
	self    rtmfp.Identity
	startup rtmfp.SessionKey
}

var _ rtmfp.Profile = (*PlainProfile)(nil)

var errPlain = errors.New("vnet: no certificate or component of the plain profile")

const (
	plainServer    = 'S'
	plainPeer      = 'P'
	plainComponent = 16
	plainHead      = 4
)

// NewPlainProfile returns the profile of an endpoint with a name, which is its
// certificate.
func NewPlainProfile(name string, server bool) *PlainProfile {
	kind := byte(plainPeer)
	if server {
		kind = plainServer
	}
	return &PlainProfile{self: plainIdentity(append([]byte{kind}, name...)), startup: plainKey{}}
}

func plainIdentity(certificate []byte) rtmfp.Identity {
	print := sha256.Sum256(certificate)
	return rtmfp.Identity{Certificate: certificate, EPD: append([]byte{33, 0x0f}, print[:]...), Fingerprint: print}
}

// Self implements rtmfp.Profile.
func (p *PlainProfile) Self() rtmfp.Identity { return p.self }

// Answer implements rtmfp.Profile.
func (p *PlainProfile) Answer(epd []byte) (certificate []byte, number uint8, ok bool) {
	return p.self.Certificate, 0, p.Selects(epd, p.self)
}

// CertificateFor implements rtmfp.Profile.
func (p *PlainProfile) CertificateFor(rtmfp.Identity) []byte { return p.self.Certificate }

// Identify implements rtmfp.Profile.
func (p *PlainProfile) Identify(certificate []byte) (rtmfp.Identity, error) {
	if len(certificate) < 2 || certificate[0] != plainServer && certificate[0] != plainPeer {
		return rtmfp.Identity{}, errPlain
	}
	return plainIdentity(certificate), nil
}

// Selects implements rtmfp.Profile. A URI is an option of type 0x0a that is
// shorter than 128 bytes.
func (p *PlainProfile) Selects(epd []byte, id rtmfp.Identity) bool {
	uri := len(epd) >= 2 && int(epd[0]) == len(epd)-1 && epd[1] == 0x0a
	return bytes.Equal(epd, id.EPD) || uri && id.Certificate[0] == plainServer
}

// Startup implements rtmfp.Profile.
func (p *PlainProfile) Startup() rtmfp.SessionKey { return p.startup }

func plainRandom(entropy io.Reader) ([]byte, error) {
	b := make([]byte, plainComponent)
	if _, err := io.ReadFull(entropy, b); err != nil {
		return nil, fmt.Errorf("vnet: read entropy: %w", err)
	}
	return b, nil
}

// plainInitiator is an initiator's component.
type plainInitiator []byte

// Initiate implements rtmfp.Profile.
func (p *PlainProfile) Initiate(_ rtmfp.Identity, entropy io.Reader) (func() (rtmfp.InitiatorKeying, error), error) {
	b, err := plainRandom(entropy)
	return func() (rtmfp.InitiatorKeying, error) { return plainInitiator(b), nil }, err
}

// Component implements rtmfp.InitiatorKeying.
func (k plainInitiator) Component() []byte { return k }

// AppendSignature implements rtmfp.InitiatorKeying.
func (k plainInitiator) AppendSignature(b, _ []byte) []byte { return append(b, 'X') }

// Finish implements rtmfp.InitiatorKeying.
func (k plainInitiator) Finish(component, _, _ []byte) func() (rtmfp.Keys, error) {
	return func() (rtmfp.Keys, error) { return plainKeys(k, component) }
}

// Respond implements rtmfp.Profile.
func (p *PlainProfile) Respond(r rtmfp.Request, entropy io.Reader) func() (rtmfp.Response, error) {
	b, err := plainRandom(entropy)
	return func() (rtmfp.Response, error) {
		if err != nil {
			return rtmfp.Response{}, err
		}
		keys, err := plainKeys(b, r.Component)
		return rtmfp.Response{Component: b, Signature: []byte{'X'}, Keys: keys}, err
	}
}

func plainKeys(near, far []byte) (rtmfp.Keys, error) {
	if len(far) != plainComponent {
		return rtmfp.Keys{}, errPlain
	}
	nonce := func(a, b []byte) []byte {
		sum := sha256.Sum256(append(bytes.Clone(a), b...))
		return sum[:]
	}
	return rtmfp.Keys{Key: plainKey{}, NearNonce: nonce(near, far), FarNonce: nonce(far, near)}, nil
}

// plainKey is the key that is none.
type plainKey struct{}

// Head implements rtmfp.SessionKey.
func (plainKey) Head() int { return plainHead }

// Room implements rtmfp.SessionKey.
func (plainKey) Room(size int) int { return size - 4 - plainHead }

// Seal implements rtmfp.SessionKey.
func (plainKey) Seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[plainHead:]))
	return b
}

// Open implements rtmfp.SessionKey.
func (plainKey) Open(b []byte) ([]byte, bool) {
	if len(b) <= plainHead || binary.BigEndian.Uint32(b) != crc32.ChecksumIEEE(b[plainHead:]) {
		return nil, false
	}
	return b[plainHead:], true
}

// Describe implements rtmfp.SessionKey.
func (plainKey) Describe() string { return "plain" }
