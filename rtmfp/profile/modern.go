package profile

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// optModern is the modern profile's option, in certificates, session key
// components and signatures. It is not registered; others ignore it.
const (
	optModern     = 0x5243
	modernVersion = 1
	modernTag     = 16
)

// Capabilities in a certificate.
const (
	capAES         = 0x01 // AES-128-GCM
	capChaCha      = 0x02 // ChaCha20-Poly1305
	capHardwareAES = 0x04 // the former is the faster one here
)

// modernKey is what a certificate says about the modern profile.
//
//	u8 version, u8 capabilities, u8 X25519 public key[32]
type modernKey struct {
	caps   byte
	public []byte
}

func appendModernKey(b []byte, k modernKey) []byte {
	return vlu.AppendOption(b, optModern, append([]byte{modernVersion, k.caps}, k.public...))
}

func parseModernKey(value []byte) *modernKey {
	if len(value) != 2+32 || value[0] != modernVersion {
		return nil
	}
	return &modernKey{value[1], value[2:]}
}

// appendModernComponent appends the ephemeral key of either side.
func appendModernComponent(b, public []byte) []byte {
	return vlu.AppendOption(b, optModern, append([]byte{modernVersion}, public...))
}

// parseModernComponent returns the ephemeral key, or nil if there is not
// exactly one.
func parseModernComponent(b []byte) (public []byte) {
	for len(b) > 0 {
		o, n, err := vlu.ParseOption(b)
		if err != nil {
			return nil
		}
		b = b[n:]
		if o.Marker || o.Type != optModern || len(o.Value) != 1+32 || o.Value[0] != modernVersion {
			continue
		}
		if public != nil {
			return nil
		}
		public = o.Value[1:]
	}
	return public
}

func appendModernTag(b []byte, tag []byte) []byte { return vlu.AppendOption(b, optModern, tag) }

// parseModernTag returns the tag of a signature, or nil.
func parseModernTag(b []byte) (tag []byte) {
	for len(b) > 0 {
		o, n, err := vlu.ParseOption(b)
		if err != nil {
			return nil
		}
		b = b[n:]
		if o.Marker || o.Type != optModern || len(o.Value) != modernTag {
			continue
		}
		if tag != nil {
			return nil
		}
		tag = o.Value
	}
	return tag
}

// transcript is the hash of all that both sides have shown each other, and the
// secret that goes with it, at one of the two stages of a keying.
type transcript struct {
	hash   []byte // h1, then h2
	secret []byte // k0, then k1
}

// begin makes the first stage: certificateR is what the responder has shown,
// signed the signed parameters of the IIKeying, secrets es and ss.
func beginTranscript(certificateR, signed, es, ss []byte) transcript {
	h := sha256.New()
	h.Write([]byte("ringcast rtmfp modern 1"))
	writeField(h.Write, certificateR)
	writeField(h.Write, signed)
	t := transcript{hash: h.Sum(nil)}
	t.secret = extract(t.hash, es, ss)
	return t
}

// finish makes the second stage: portion is that of the RIKeying.
func (t *transcript) finish(portion, ee, se []byte) transcript {
	h := sha256.New()
	h.Write(t.hash)
	writeField(h.Write, portion)
	next := transcript{hash: h.Sum(nil)}
	next.secret = extract(next.hash, expandLabel(t.secret, "chain", 32), ee, se)
	return next
}

func (t *transcript) initiatorTag() []byte { return expandLabel(t.secret, "i auth", modernTag) }
func (t *transcript) responderTag() []byte { return expandLabel(t.secret, "r auth", modernTag) }

// writeField writes a length and that many bytes.
func writeField(write func([]byte) (int, error), b []byte) {
	_, _ = write(vlu.Append(nil, uint64(len(b)))) // a hash does not fail
	_, _ = write(b)
}

// extract is HKDF-Extract (RFC 5869) of the secrets, which it erases.
func extract(salt []byte, secrets ...[]byte) []byte {
	all := bytes.Join(secrets, nil)
	prk, err := hkdf.Extract(sha256.New, all, salt)
	if err != nil {
		panic(err) // SHA-256 is always allowed
	}
	erase(all)
	return prk
}

// expandLabel is HKDF-Expand with a label of this profile.
func expandLabel(prk []byte, label string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, prk, "rtmfp1 "+label, n)
	if err != nil {
		panic(err) // n is ours, and small
	}
	return b
}

// keys derives a session's keys after the second stage.
func (t *transcript) keys(initiator, aes bool, nearID, farID uint32) rtmfp.Keys {
	label := [2]string{"r", "i"}
	near, far := label[0], label[1]
	if initiator {
		near, far = far, near
	}
	export := expandLabel(t.secret, "export", 32)
	return rtmfp.Keys{
		Key:       newModernSession(aes, expandLabel(t.secret, near+" traffic", 32), expandLabel(t.secret, far+" traffic", 32), nearID, farID),
		NearNonce: expandLabel(t.secret, near+" nonce", 32),
		FarNonce:  expandLabel(t.secret, far+" nonce", 32),
		Own:       true,
		Export:    func(name string, n int) []byte { return expandLabel(export, "exp "+name, n) },
	}
}

// erase overwrites secrets that are not needed any more.
func erase(secrets ...[]byte) {
	for _, s := range secrets {
		clear(s)
	}
}

// sameTag compares in constant time.
func sameTag(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// x25519 returns the shared secret, or an error for a key that would make it
// guessable.
func x25519(private *ecdh.PrivateKey, public []byte) ([]byte, error) {
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, errBadKey
	}
	secret, err := private.ECDH(p)
	if err != nil {
		return nil, errBadKey
	}
	return secret, nil
}
