package profile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Options of session key components (RFC 7425 section 4.5).
const (
	optEphemeralKey = 0x0d
	optRandom       = 0x0e
	optHMAC         = 0x1a
	optGroupSelect  = 0x1d
	optSSEQ         = 0x1e
)

// Negotiation flags of HMAC and sequence numbers.
const (
	flagSend      = 0x04
	flagOnRequest = 0x02
	flagRequest   = 0x01
)

const (
	randomSize      = 64
	defaultHMACSize = 16
)

// responderGroups are the groups in which a server has keys.
var responderGroups = []uint64{2, 5, 14}

// FlashConfig says what kind of endpoint to be.
type FlashConfig struct {
	// Server makes an ephemeral certificate that accepts URIs, for endpoints
	// that are addressed by one; otherwise the certificate holds a static
	// key, as peers and clients have.
	Server bool
	// Hostname is put into the certificate if it is not empty.
	Hostname string
	// RequireHMAC refuses sessions without an HMAC and sequence numbers. It
	// shuts out part of the deployed peers.
	RequireHMAC bool
	// ChecksumOnly offers neither, as part of the deployed peers do: for tests
	// and measurements.
	ChecksumOnly bool
	// Sign, if not nil, is the password that signs our keying.
	Sign *Password
	// Passwords are those that far ends may sign theirs with. A wrong one
	// refuses the session, and with RequirePassword so does none.
	Passwords       []Password
	RequirePassword bool
	// HMACSize is the length of an HMAC in bytes, 4 to 32; 0 means 16.
	HMACSize int
	// Entropy gives the bytes of the certificate's secrets.
	Entropy io.Reader
}

// Flash is the profile of RFC 7425.
type Flash struct {
	config FlashConfig
	self   rtmfp.Identity
	cert   certificate
	static *privateKey // nil for a server
	primes map[uint64]*big.Int
}

var _ rtmfp.Profile = (*Flash)(nil)

// NewFlash makes a profile with a new identity.
func NewFlash(config FlashConfig) (*Flash, error) {
	if config.HMACSize == 0 {
		config.HMACSize = defaultHMACSize
	}
	if config.HMACSize < 4 || config.HMACSize > 32 {
		return nil, fmt.Errorf("profile: HMACSize is %d bytes, want 4 to 32", config.HMACSize)
	}
	f := &Flash{config: config, primes: responderPrimes()}
	b, err := f.makeCertificate()
	if err != nil {
		return nil, err
	}
	if f.cert, err = parseCertificate(b); err != nil {
		return nil, err
	}
	f.self = f.cert.identity(b)
	return f, nil
}

func (f *Flash) makeCertificate() (b []byte, err error) {
	if f.config.Hostname != "" {
		b = vlu.AppendOption(b, certHostname, []byte(f.config.Hostname))
	}
	if !f.config.Server {
		// One key of group 2: the only form that all deployed peers read.
		g, _ := groupByID(2)
		if f.static, err = newPrivateKey(g, f.primes[2], f.config.Entropy); err != nil {
			return nil, err
		}
		return vlu.AppendOption(b, certStatic, append(vlu.Append(nil, 2), f.static.public...)), nil
	}
	random := make([]byte, randomSize)
	if _, err := io.ReadFull(f.config.Entropy, random); err != nil {
		return nil, fmt.Errorf("profile: read entropy: %w", err)
	}
	b = vlu.AppendOption(b, certAncillary, nil)
	b = vlu.AppendOption(b, certRandom, random)
	for _, id := range responderGroups {
		b = vlu.AppendNumberOption(b, certEphemeral, id)
	}
	return b, nil
}

// Self implements rtmfp.Profile.
func (f *Flash) Self() rtmfp.Identity { return f.self }

// Answer implements rtmfp.Profile.
func (f *Flash) Answer(epd []byte) (certificate []byte, number uint8, ok bool) {
	e, err := ParseEPD(epd)
	return f.self.Certificate, 0, err == nil && e.selects(&f.cert, f.self.Fingerprint)
}

// CertificateFor implements rtmfp.Profile.
func (f *Flash) CertificateFor(rtmfp.Identity) []byte { return f.self.Certificate }

// Identify implements rtmfp.Profile.
func (f *Flash) Identify(b []byte) (rtmfp.Identity, error) {
	c, err := parseCertificate(b)
	if err != nil {
		return rtmfp.Identity{}, err
	}
	return c.identity(b), nil
}

// Selects implements rtmfp.Profile.
func (f *Flash) Selects(epd []byte, id rtmfp.Identity) bool {
	e, err := ParseEPD(epd)
	if err != nil {
		return false
	}
	c, err := parseCertificate(id.Certificate)
	return err == nil && e.selects(&c, id.Fingerprint)
}

// Startup implements rtmfp.Profile.
func (f *Flash) Startup() rtmfp.SessionKey { return newDefaultKey() }

// component is a parsed session key component.
type component struct {
	raw         []byte
	ephemeral   *publicKey
	group       uint64
	hasGroup    bool
	hmac, sseq  byte
	hmacSize    uint64
	hasHMACSize bool
}

func parseComponent(b []byte) (component, error) {
	c := component{raw: b}
	for rest := b; len(rest) > 0; {
		o, n, err := vlu.ParseOption(rest)
		if err != nil {
			return component{}, errBadComponent
		}
		rest = rest[n:]
		if o.Marker {
			continue
		}
		switch o.Type {
		case optEphemeralKey:
			id, n, err := vlu.Parse(o.Value)
			if err != nil || c.ephemeral != nil {
				return component{}, errBadComponent
			}
			c.ephemeral = &publicKey{id, o.Value[n:]}
		case optGroupSelect:
			id, _, err := vlu.Parse(o.Value)
			if err != nil || c.hasGroup {
				return component{}, errBadComponent
			}
			c.group, c.hasGroup = id, true
		case optHMAC:
			if len(o.Value) > 0 {
				c.hmac = o.Value[0]
				size, _, err := vlu.Parse(o.Value[1:])
				c.hmacSize, c.hasHMACSize = size, err == nil
			}
		case optSSEQ:
			if len(o.Value) > 0 {
				c.sseq = o.Value[0]
			}
		}
	}
	return c, nil
}

// initiator is the initiator's side of one keying.
type initiator struct {
	f    *Flash
	far  *certificate
	mine component
	key  *privateKey
}

// Initiate implements rtmfp.Profile.
func (f *Flash) Initiate(far rtmfp.Identity, entropy io.Reader) (func() (rtmfp.InitiatorKeying, error), error) {
	c, err := parseCertificate(far.Certificate)
	if err != nil {
		return nil, err
	}
	id, err := f.chooseGroup(&c)
	if err != nil {
		return nil, err
	}
	random, err := readRandom(entropy)
	if err != nil {
		return nil, err
	}
	return func() (rtmfp.InitiatorKeying, error) { return f.initiate(&c, id, random) }, nil
}

// readRandom draws what is secret, in the core; work itself touches nothing of
// ours that changes.
func readRandom(entropy io.Reader) ([]byte, error) {
	random := make([]byte, randomSize)
	if _, err := io.ReadFull(entropy, random); err != nil {
		return nil, fmt.Errorf("profile: read entropy: %w", err)
	}
	return random, nil
}

func (f *Flash) initiate(far *certificate, id uint64, random []byte) (rtmfp.InitiatorKeying, error) {
	k := &initiator{f: f, far: far, key: f.static}
	var b []byte
	var err error
	if f.static != nil {
		b = vlu.AppendNumberOption(b, optGroupSelect, id)
		b = vlu.AppendOption(b, optRandom, random)
	} else {
		g, _ := groupByID(id)
		if k.key, err = newPrivateKey(g, f.primes[id], expand(random)); err != nil {
			return nil, err
		}
		b = vlu.AppendOption(b, optEphemeralKey, append(vlu.Append(nil, id), k.key.public...))
	}
	flags := f.flags()
	b = vlu.AppendOption(b, optHMAC, append([]byte{flags}, vlu.Append(nil, uint64(f.config.HMACSize))...))
	b = vlu.AppendOption(b, optSSEQ, []byte{flags})
	k.mine, err = parseComponent(b)
	return k, err
}

// flags are what we say about HMAC and sequence numbers: always on request, so
// that peers that know neither can be talked to, unless it is required.
func (f *Flash) flags() byte {
	switch {
	case f.config.RequireHMAC:
		return flagSend | flagOnRequest | flagRequest
	case f.config.ChecksumOnly:
		return 0
	}
	return flagOnRequest
}

// chooseGroup returns the group to key with: that of our static key, or the
// first that the far end supports.
func (f *Flash) chooseGroup(far *certificate) (uint64, error) {
	wanted := []uint64{14, 2, 5}
	if f.static != nil {
		wanted = []uint64{f.static.group.id}
	}
	for _, id := range wanted {
		if far.staticKey(id) != nil {
			return id, nil
		}
		for _, g := range far.groups {
			if g == id {
				return id, nil
			}
		}
	}
	return 0, errBadCertificate
}

// Component implements rtmfp.InitiatorKeying.
func (k *initiator) Component() []byte { return k.mine.raw }

// AppendSignature implements rtmfp.InitiatorKeying.
func (k *initiator) AppendSignature(b, parameters []byte) []byte {
	return appendSignature(b, parameters, k.f.config.Sign)
}

// Finish implements rtmfp.InitiatorKeying.
func (k *initiator) Finish(raw, signed, signature []byte) func() (rtmfp.Keys, error) {
	return func() (rtmfp.Keys, error) {
		covered := append(append([]byte(nil), signed...), k.mine.raw...)
		if err := verifySignature(signature, covered, k.f.config.Passwords, k.f.config.RequirePassword); err != nil {
			return rtmfp.Keys{}, err
		}
		theirs, err := parseComponent(raw)
		if err != nil {
			return rtmfp.Keys{}, err
		}
		id := k.key.group.id
		public := k.far.staticKey(id)
		if len(k.far.groups) > 0 {
			if theirs.ephemeral == nil || theirs.ephemeral.group != id {
				return rtmfp.Keys{}, errBadComponent
			}
			public = theirs.ephemeral.key
		}
		secret, err := k.key.secret(public)
		if err != nil {
			return rtmfp.Keys{}, err
		}
		return k.f.derive(secret, &k.mine, &theirs)
	}
}

// Respond implements rtmfp.Profile.
func (f *Flash) Respond(r rtmfp.Request, entropy io.Reader) func() (rtmfp.Response, error) {
	random, err := readRandom(entropy)
	if err != nil {
		return func() (rtmfp.Response, error) { return rtmfp.Response{}, err }
	}
	return func() (rtmfp.Response, error) {
		if err := verifySignature(r.Signature, r.Signed, f.config.Passwords, f.config.RequirePassword); err != nil {
			return rtmfp.Response{}, err
		}
		c, err := parseCertificate(r.Far.Certificate)
		if err != nil {
			return rtmfp.Response{}, err
		}
		theirs, err := parseComponent(r.Component)
		if err != nil {
			return rtmfp.Response{}, err
		}
		id, public := theirs.group, c.staticKey(theirs.group)
		if len(c.groups) > 0 {
			if theirs.ephemeral == nil {
				return rtmfp.Response{}, errBadComponent
			}
			id, public = theirs.ephemeral.group, theirs.ephemeral.key
		}
		g, ok := groupByID(id)
		if !ok || public == nil {
			return rtmfp.Response{}, errBadComponent
		}
		response, err := f.respond(g, public, &theirs, random)
		response.Signature = appendSignature(nil, responderPortion(uint32(r.SessionID), response.Component, r.Component), f.config.Sign)
		return response, err
	}
}

func (f *Flash) respond(g group, public []byte, theirs *component, random []byte) (rtmfp.Response, error) {
	mine := component{hmacSize: uint64(f.config.HMACSize), hasHMACSize: true}
	if !theirs.boasts() {
		mine.hmac, mine.sseq = f.answer(theirs.hmac), f.answer(theirs.sseq)
	} else if f.config.RequireHMAC {
		return rtmfp.Response{}, errBadComponent
	}
	// Exactly these options with these flags first: part of the deployed
	// peers compares them byte by byte when it has not asked for anything.
	size := vlu.Append(nil, mine.hmacSize)
	if mine.hmac == 0 {
		size, mine.hmacSize = []byte{0}, 0
	}
	b := vlu.AppendOption(nil, optHMAC, append([]byte{mine.hmac}, size...))
	b = vlu.AppendOption(b, optSSEQ, []byte{mine.sseq})
	key := f.static
	if key != nil {
		if key.group.id != g.id {
			return rtmfp.Response{}, errBadComponent
		}
		b = vlu.AppendOption(b, optRandom, random)
	} else {
		var err error
		if key, err = newPrivateKey(g, f.primes[g.id], expand(random)); err != nil {
			return rtmfp.Response{}, err
		}
		b = vlu.AppendOption(b, optEphemeralKey, append(vlu.Append(nil, g.id), key.public...))
	}
	mine.raw = b
	secret, err := key.secret(public)
	if err != nil {
		return rtmfp.Response{}, err
	}
	keys, err := f.derive(secret, &mine, theirs)
	return rtmfp.Response{Component: b, Keys: keys}, err
}

// answer returns our flags to the initiator's: everything to one that asks or
// offers, and nothing to one that does neither.
func (f *Flash) answer(theirs byte) byte {
	if f.config.RequireHMAC || theirs&(flagRequest|flagSend|flagOnRequest) != 0 && !f.config.ChecksumOnly {
		return flagSend | flagOnRequest | flagRequest
	}
	return 0
}

// boastedSize is the length of the HMAC that a family of deployed peers offers
// on request, and sequence numbers with it, as the Flash Player does, but has
// neither.
const boastedSize = 10

// boasts recognises that family by its offer. Whoever makes the same offer and
// could keep it gets a checksum, which it must be able to live with.
func (c *component) boasts() bool {
	return c.hmac == flagOnRequest && c.sseq == flagOnRequest && c.hmacSize == boastedSize
}

// derive makes a session's keys (RFC 7425 section 4.6.1).
func (f *Flash) derive(secret []byte, mine, theirs *component) (rtmfp.Keys, error) {
	encrypt := mac(secret, mac(theirs.raw, mine.raw))
	decrypt := mac(secret, mac(mine.raw, theirs.raw))
	key := newSessionKey(encrypt, decrypt)
	for _, d := range []struct {
		w        *way
		from, to *component
		secret   []byte
	}{{&key.send, mine, theirs, encrypt}, {&key.receive, theirs, mine, decrypt}} {
		on := func(from, to byte) bool {
			return from&flagSend != 0 || from&flagOnRequest != 0 && to&flagRequest != 0
		}
		if on(d.from.hmac, d.to.hmac) {
			if !d.from.hasHMACSize || d.from.hmacSize < 4 || d.from.hmacSize > sha256.Size {
				return rtmfp.Keys{}, errBadComponent
			}
			d.w.mac, d.w.macSize = hmac.New(sha256.New, mac(secret, d.secret)), int(d.from.hmacSize)
		} else if d.to.hmac&flagRequest != 0 {
			return rtmfp.Keys{}, errBadComponent
		}
		d.w.sseq = on(d.from.sseq, d.to.sseq)
		if !d.w.sseq && d.to.sseq&flagRequest != 0 {
			return rtmfp.Keys{}, errBadComponent
		}
	}
	return rtmfp.Keys{
		Key: key, NearNonce: mac(secret, mine.raw), FarNonce: mac(secret, theirs.raw),
		NoProbes: key.send.mac == nil && theirs.isOld(),
	}, nil
}

// isOld reports whether a component is of the old family of peers: as
// initiators they offer an HMAC of 10 bytes, as responders none at all.
func (c *component) isOld() bool { return c.hmac == 0 || c.boasts() }

// expand makes as many bytes as are needed of a secret.
func expand(secret []byte) io.Reader {
	var all bytes.Buffer
	for i := range 64 {
		all.Write(mac(secret, []byte{byte(i)}))
	}
	return &all
}
