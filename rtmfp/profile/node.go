package profile

import (
	"crypto/ecdh"
	"io"
	"math/big"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// NodeOptions say what kind of node to be.
type NodeOptions struct {
	// Server makes a node that is also addressed by a URI, as introducers
	// and servers are.
	Server bool
	// HardwareAES tells that AES-128-GCM is faster here than
	// ChaCha20-Poly1305; see HardwareAES. It is part of the identity.
	HardwareAES bool
	// RequireModern shuts out everybody who is not of our own kind.
	RequireModern bool
	// RefuseLegacy shuts out those of other makes who know neither HMAC nor
	// sequence numbers.
	RefuseLegacy bool
}

// Node is the profile of our own nodes: modern cryptography among themselves,
// that of RFC 7425 with everybody else, at one address.
//
// A node has two certificates: its own, which announces the modern profile,
// and a short one for those who do not know it, as theirs are. Its own is
// shown to whoever asks for the node, since what they do not know they ignore;
// as an initiator it shows its own only to those who have announced the same.
type Node struct {
	options    NodeOptions
	static     *ecdh.PrivateKey
	own, short rtmfp.Identity
	ownC       certificate
	shortC     certificate
	asPeer     *Flash // with the static key of the short certificate
	asServer   *Flash // with ephemeral keys; nil unless Server
	capability byte
}

var _ rtmfp.Profile = (*Node)(nil)

// The numbers of a node's certificates.
const (
	shownOwn   = 0
	shownShort = 1
)

// NewNode makes the profile of the node with the secrets.
func NewNode(s *Secrets, options NodeOptions) (*Node, error) {
	static, err := s.static()
	if err != nil {
		return nil, ErrBadSecrets
	}
	n := &Node{options: options, static: static, capability: capAES | capChaCha}
	if options.HardwareAES {
		n.capability |= capHardwareAES
	}
	config := FlashConfig{RequireHMAC: options.RefuseLegacy, HMACSize: defaultHMACSize}
	primes := responderPrimes()
	key := s.groupKey(primes[2])
	if key.public[0] == 0 {
		return nil, ErrBadSecrets
	}
	short := appendStaticKey(nil, publicKey{2, key.public})
	announce := modernKey{n.capability, static.PublicKey().Bytes()}
	own := appendModernKey(append([]byte(nil), short...), announce)
	if options.Server {
		own = vlu.AppendOption(nil, certAncillary, nil)
		for _, id := range responderGroups {
			own = vlu.AppendNumberOption(own, certEphemeral, id)
		}
		own = vlu.AppendOption(appendModernKey(own, announce), certRandom, s.random[:])
	}
	if n.ownC, err = parseCertificate(own); err != nil {
		return nil, err
	}
	if n.shortC, err = parseCertificate(short); err != nil {
		return nil, err
	}
	n.own, n.short = n.ownC.identity(own), n.shortC.identity(short)
	n.asPeer = &Flash{config: config, self: n.short, cert: n.shortC, static: key, primes: primes}
	if options.Server {
		n.asServer = &Flash{config: config, self: n.own, cert: n.ownC, primes: primes}
	}
	return n, nil
}

func responderPrimes() map[uint64]*big.Int {
	primes := make(map[uint64]*big.Int)
	for _, id := range responderGroups {
		g, _ := groupByID(id)
		primes[id] = g.prime()
	}
	return primes
}

// Self implements rtmfp.Profile.
func (n *Node) Self() rtmfp.Identity { return n.own }

// Short returns the identity by which those know the node who do not know the
// modern profile.
func (n *Node) Short() rtmfp.Identity { return n.short }

// Answer implements rtmfp.Profile.
func (n *Node) Answer(epd []byte) (certificate []byte, number uint8, ok bool) {
	e, err := ParseEPD(epd)
	switch {
	case err != nil:
	case e.selects(&n.ownC, n.own.Fingerprint):
		return n.own.Certificate, shownOwn, true
	case e.selects(&n.shortC, n.short.Fingerprint) && !n.options.RequireModern:
		return n.short.Certificate, shownShort, true
	}
	return nil, 0, false
}

// CertificateFor implements rtmfp.Profile.
func (n *Node) CertificateFor(far rtmfp.Identity) []byte {
	if c, err := parseCertificate(far.Certificate); err == nil && c.modern != nil {
		return n.own.Certificate
	}
	return n.short.Certificate
}

// Identify implements rtmfp.Profile.
func (n *Node) Identify(b []byte) (rtmfp.Identity, error) {
	c, err := parseCertificate(b)
	if err != nil {
		return rtmfp.Identity{}, err
	}
	if c.modern == nil && n.options.RequireModern {
		return rtmfp.Identity{}, errBadCertificate
	}
	return c.identity(b), nil
}

// Selects implements rtmfp.Profile.
func (n *Node) Selects(epd []byte, id rtmfp.Identity) bool { return n.asPeer.Selects(epd, id) }

// Startup implements rtmfp.Profile.
func (n *Node) Startup() rtmfp.SessionKey { return newDefaultKey() }

// usesAES reports which cipher a session has: nothing is negotiated, so nothing
// can be talked down.
func (n *Node) usesAES(far *certificate) bool {
	return n.capability&far.modern.caps&capHardwareAES != 0
}

// Initiate implements rtmfp.Profile. One who announces the modern profile is
// keyed by it and by nothing else, whatever comes later.
func (n *Node) Initiate(far rtmfp.Identity, entropy io.Reader) (func() (rtmfp.InitiatorKeying, error), error) {
	c, err := parseCertificate(far.Certificate)
	if err != nil {
		return nil, err
	}
	if c.modern == nil {
		if n.options.RequireModern {
			return nil, errBadCertificate
		}
		return n.asPeer.Initiate(far, entropy)
	}
	ephemeral, err := readEphemeral(entropy)
	if err != nil {
		return nil, err
	}
	return func() (rtmfp.InitiatorKeying, error) {
		return newModernInitiator(n.static, ephemeral, &c, far.Certificate, n.usesAES(&c))
	}, nil
}

// Respond implements rtmfp.Profile. One who shows a certificate of our own kind
// must key by the modern profile.
func (n *Node) Respond(r rtmfp.Request, entropy io.Reader) func() (rtmfp.Response, error) {
	fail := func(err error) func() (rtmfp.Response, error) {
		return func() (rtmfp.Response, error) { return rtmfp.Response{}, err }
	}
	c, err := parseCertificate(r.Far.Certificate)
	switch {
	case err != nil:
		return fail(err)
	case c.modern == nil && n.options.RequireModern:
		return fail(errBadCertificate)
	case c.modern == nil && n.asServer != nil && r.Shown == shownOwn:
		return n.asServer.Respond(r, entropy)
	case c.modern == nil:
		return n.asPeer.Respond(r, entropy)
	case r.Shown != shownOwn:
		return fail(errBadComponent) // we have not announced it to them
	}
	ephemeral, err := readEphemeral(entropy)
	if err != nil {
		return fail(err)
	}
	response := &modernResponse{
		static: n.static, ephemeral: ephemeral, certificateR: n.own.Certificate, far: &c, aes: n.usesAES(&c), request: r,
	}
	return response.compute
}
