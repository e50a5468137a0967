package profile

import (
	"crypto/ecdh"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// modernInitiator is the initiator's side of one keying.
type modernInitiator struct {
	static       *ecdh.PrivateKey
	certificateR []byte
	aes          bool
	ephemeral    *ecdh.PrivateKey
	component    []byte
	es, ss       []byte
	nearID       uint32
	first        transcript // of the parameters that were signed last
}

var _ rtmfp.InitiatorKeying = (*modernInitiator)(nil)

// readEphemeral draws the bytes of a private key, and leaves all computation to
// the work that needs it. Keys are read, not generated, so that they come from
// the reader that was handed in.
func readEphemeral(entropy io.Reader) (b [32]byte, err error) {
	if _, err := io.ReadFull(entropy, b[:]); err != nil {
		return b, fmt.Errorf("profile: read entropy: %w", err)
	}
	return b, nil
}

// newModernInitiator does the initiator's first part; it is slow work.
func newModernInitiator(static *ecdh.PrivateKey, ephemeral [32]byte, far *certificate, certificateR []byte, aes bool) (*modernInitiator, error) {
	k := &modernInitiator{static: static, certificateR: certificateR, aes: aes}
	var err error
	if k.ephemeral, err = ecdh.X25519().NewPrivateKey(ephemeral[:]); err != nil {
		return nil, err
	}
	if k.es, err = x25519(k.ephemeral, far.modern.public); err != nil {
		return nil, err
	}
	if k.ss, err = x25519(static, far.modern.public); err != nil {
		return nil, err
	}
	k.component = appendModernComponent(nil, k.ephemeral.PublicKey().Bytes())
	return k, nil
}

// Component implements rtmfp.InitiatorKeying.
func (k *modernInitiator) Component() []byte { return k.component }

// AppendSignature implements rtmfp.InitiatorKeying.
func (k *modernInitiator) AppendSignature(b, parameters []byte) []byte {
	k.first = beginTranscript(k.certificateR, parameters, k.es, k.ss)
	k.nearID = binary.BigEndian.Uint32(parameters)
	return appendModernTag(b, k.first.initiatorTag())
}

// Finish implements rtmfp.InitiatorKeying.
func (k *modernInitiator) Finish(component, signed, signature []byte) func() (rtmfp.Keys, error) {
	first, nearID := k.first, k.nearID
	return func() (rtmfp.Keys, error) {
		public, tag := parseModernComponent(component), parseModernTag(signature)
		if public == nil || tag == nil || len(signed) < 4 {
			return rtmfp.Keys{}, errBadComponent
		}
		ee, err := x25519(k.ephemeral, public)
		if err != nil {
			return rtmfp.Keys{}, err
		}
		se, err := x25519(k.static, public)
		if err != nil {
			return rtmfp.Keys{}, err
		}
		last := first.finish(signed, ee, se)
		erase(ee, se)
		if !sameTag(tag, last.responderTag()) {
			return rtmfp.Keys{}, errBadTag
		}
		keys := last.keys(true, k.aes, nearID, binary.BigEndian.Uint32(signed))
		erase(k.es, k.ss, first.secret, last.secret)
		return keys, nil
	}
}

// modernResponse is what a responder has at hand for one keying.
type modernResponse struct {
	static       *ecdh.PrivateKey
	ephemeral    [32]byte
	certificateR []byte
	far          *certificate
	aes          bool
	request      rtmfp.Request
}

// compute does the responder's part; it is slow work. Nothing is computed with
// our ephemeral key before the initiator's tag has been verified.
func (r *modernResponse) compute() (rtmfp.Response, error) {
	q := &r.request
	public, tag := parseModernComponent(q.Component), parseModernTag(q.Signature)
	if public == nil || tag == nil || len(q.Signed) < 4 {
		return rtmfp.Response{}, errBadComponent
	}
	es, err := x25519(r.static, public)
	if err != nil {
		return rtmfp.Response{}, err
	}
	ss, err := x25519(r.static, r.far.modern.public)
	if err != nil {
		return rtmfp.Response{}, err
	}
	first := beginTranscript(r.certificateR, q.Signed, es, ss)
	erase(es, ss)
	if !sameTag(tag, first.initiatorTag()) {
		return rtmfp.Response{}, errBadTag
	}
	ephemeral, err := ecdh.X25519().NewPrivateKey(r.ephemeral[:])
	if err != nil {
		return rtmfp.Response{}, err
	}
	ee, err := x25519(ephemeral, public)
	if err != nil {
		return rtmfp.Response{}, err
	}
	se, err := x25519(ephemeral, r.far.modern.public)
	if err != nil {
		return rtmfp.Response{}, err
	}
	component := appendModernComponent(nil, ephemeral.PublicKey().Bytes())
	portion := binary.BigEndian.AppendUint32(nil, uint32(q.SessionID))
	portion = append(vlu.Append(portion, uint64(len(component))), component...)
	last := first.finish(portion, ee, se)
	response := rtmfp.Response{
		Component: component,
		Signature: appendModernTag(nil, last.responderTag()),
		Keys:      last.keys(false, r.aes, uint32(q.SessionID), binary.BigEndian.Uint32(q.Signed)),
	}
	erase(ee, se, first.secret, last.secret, r.ephemeral[:])
	return response, nil
}
