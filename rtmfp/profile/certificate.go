package profile

import (
	"bytes"
	"crypto/sha256"
	"errors"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Errors of certificates and keying.
var (
	errBadKey         = errors.New("profile: unacceptable public key")
	errBadCertificate = errors.New("profile: certificate cannot key a session")
	errBadComponent   = errors.New("profile: unusable session key component")
	errBadTag         = errors.New("profile: the far end does not have the keys of its certificate")
)

// Options of certificates (RFC 7425 section 4.3.3).
const (
	certHostname  = 0x00
	certAncillary = 0x0a
	certRandom    = 0x0e
	certEphemeral = 0x15
	certStatic    = 0x1d
)

// Options of endpoint discriminators (RFC 7425 section 4.3.4).
const (
	epdHostname    = 0x00
	epdAncillary   = 0x0a
	epdFingerprint = 0x0f
)

// maxKeys bounds the groups and keys that are read from a certificate.
const maxKeys = 16

// certificate is a parsed one.
type certificate struct {
	canonical   []byte
	hostname    []byte
	hasHostname bool
	ancillary   bool
	groups      []uint64 // ephemeral
	keys        []publicKey
	modern      *modernKey // nil unless it announces the modern profile
}

type publicKey struct {
	group uint64
	key   []byte
}

// parseCertificate reads a certificate. What follows the first Marker only
// counts for comparing whole certificates.
func parseCertificate(b []byte) (certificate, error) {
	var c certificate
	at, announced := 0, 0
	for at < len(b) {
		o, n, err := vlu.ParseOption(b[at:])
		if err != nil {
			return certificate{}, errBadCertificate
		}
		if o.Marker {
			break
		}
		at += n
		switch o.Type {
		case certHostname:
			if c.hasHostname {
				return certificate{}, errBadCertificate
			}
			c.hostname, c.hasHostname = o.Value, true
		case certAncillary:
			c.ancillary = true
		case certEphemeral:
			if id, _, err := vlu.Parse(o.Value); err == nil && len(c.groups) < maxKeys {
				c.groups = append(c.groups, id)
			}
		case certStatic:
			if id, n, err := vlu.Parse(o.Value); err == nil && len(c.keys) < maxKeys {
				c.keys = append(c.keys, publicKey{id, o.Value[n:]})
			}
		case optModern:
			if k := parseModernKey(o.Value); k != nil {
				c.modern = k
				announced++
			}
		}
	}
	if announced > 1 {
		c.modern = nil
	}
	c.canonical = b[:at]
	if (len(c.groups) == 0) == (len(c.keys) == 0) {
		return certificate{}, errBadCertificate
	}
	return c, nil
}

func (c *certificate) identity(whole []byte) rtmfp.Identity {
	print := sha256.Sum256(c.canonical)
	id := rtmfp.Identity{Certificate: whole, EPD: PeerEPD(print), Fingerprint: print}
	if c.modern != nil && len(c.keys) == 1 {
		id.OtherEPD = PeerEPD(sha256.Sum256(appendStaticKey(nil, c.keys[0])))
	}
	return id
}

// appendStaticKey appends the option that holds a static key. Alone it is the
// certificate by which those of other makes know one of our nodes.
func appendStaticKey(b []byte, k publicKey) []byte {
	return vlu.AppendOption(b, certStatic, append(vlu.Append(nil, k.group), k.key...))
}

// staticKey returns the certificate's key of a group.
func (c *certificate) staticKey(id uint64) []byte {
	for _, k := range c.keys {
		if k.group == id {
			return k.key
		}
	}
	return nil
}

// PeerEPD returns the endpoint discriminator that selects the endpoint with a
// fingerprint.
func PeerEPD(fingerprint [32]byte) []byte {
	return vlu.AppendOption(nil, epdFingerprint, fingerprint[:])
}

// ServerEPD returns the endpoint discriminator that selects a server for a URI
// such as rtmfp://server.example.com/app.
func ServerEPD(uri string) []byte { return vlu.AppendOption(nil, epdAncillary, []byte(uri)) }

// EPD is what an endpoint discriminator asks for.
type EPD struct {
	Fingerprint []byte // 32 bytes, or nil
	Hostname    []byte
	HasHostname bool
	URI         string
	HasURI      bool
}

// ParseEPD reads an endpoint discriminator. Unknown options are left out.
func ParseEPD(b []byte) (EPD, error) {
	var e EPD
	for len(b) > 0 {
		o, n, err := vlu.ParseOption(b)
		if err != nil {
			return EPD{}, err
		}
		b = b[n:]
		switch {
		case o.Marker:
		case o.Type == epdFingerprint:
			e.Fingerprint = append([]byte{}, o.Value...)
		case o.Type == epdHostname:
			e.Hostname, e.HasHostname = o.Value, true
		case o.Type == epdAncillary:
			e.URI, e.HasURI = string(o.Value), true
		}
	}
	return e, nil
}

// selects applies the rules of RFC 7425 section 4.3.5.
func (e *EPD) selects(c *certificate, fingerprint [32]byte) bool {
	if e.Fingerprint != nil {
		return bytes.Equal(e.Fingerprint, fingerprint[:])
	}
	if e.HasHostname && (!c.hasHostname || !bytes.Equal(c.hostname, e.Hostname)) {
		return false
	}
	if e.HasURI && !c.ancillary {
		return false
	}
	return e.HasHostname || e.HasURI
}
