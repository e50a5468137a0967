package profile

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Password is a secret that both ends share, by a name (RFC 7425 section
// 4.3.7, Simple Password). It proves who the other is, but whoever sees the
// startup can try guesses against it: it should be long and random.
type Password struct {
	ID     string
	Secret []byte
}

const sigPassword = 0x1d

var errBadSignature = errors.New("profile: signature is wrong or missing")

// appendSignature appends the signature over the parameters: an HMAC with the
// password, or the letter that stands for none.
func appendSignature(b, parameters []byte, p *Password) []byte {
	if p == nil {
		return append(b, 'X')
	}
	return vlu.AppendOption(b, sigPassword, append(mac(p.Secret, parameters), p.ID...))
}

// verifySignature checks a signature. One that is not made of options counts
// as empty, and passwords with unknown names for nothing; but one with a known
// name has to be right, and with require there has to be one.
func verifySignature(signature, parameters []byte, known []Password, require bool) error {
	var options []vlu.Option
	for rest := signature; len(rest) > 0; {
		o, n, err := vlu.ParseOption(rest)
		if err != nil || len(options) == maxKeys {
			options = nil
			break
		}
		options, rest = append(options, o), rest[n:]
	}
	good := false
	for _, o := range options {
		if o.Marker || o.Type != sigPassword || len(o.Value) < sha256.Size {
			continue
		}
		for i := range known {
			if known[i].ID != string(o.Value[sha256.Size:]) {
				continue
			}
			if !hmac.Equal(o.Value[:sha256.Size], mac(known[i].Secret, parameters)) {
				return errBadSignature
			}
			good = true
		}
	}
	if require && !good {
		return errBadSignature
	}
	return nil
}

// responderPortion returns what the signature of a RIKeying covers.
func responderPortion(id uint32, component, initiator []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	b = append(vlu.Append(b, uint64(len(component))), component...)
	return append(b, initiator...)
}
