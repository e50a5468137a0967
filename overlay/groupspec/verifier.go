package groupspec

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Verifier checks a password: SHA-256 of a salt and the password.
type Verifier struct {
	Salt []byte
	Hash [32]byte
}

// newVerifier returns what checks a password, or nil for none.
func newVerifier(password, salt string) *Verifier {
	if password == "" {
		return nil
	}
	return &Verifier{Salt: []byte(salt), Hash: sha256.Sum256([]byte(salt + password))}
}

// Check reports whether the password is the right one.
func (v *Verifier) Check(password string) bool {
	hash := sha256.Sum256(append(append([]byte(nil), v.Salt...), password...))
	return subtle.ConstantTimeCompare(hash[:], v.Hash[:]) == 1
}

// append appends v as an option of that type; nothing if v is nil.
func (v *Verifier) append(b []byte, kind uint64) []byte {
	if v == nil {
		return b
	}
	return vlu.AppendOption(b, kind, append(append([]byte(nil), v.Salt...), v.Hash[:]...))
}

// parseVerifier splits the value of an option from its end.
func parseVerifier(value []byte) (*Verifier, error) {
	split := len(value) - 32
	if split < 0 {
		return nil, fmt.Errorf("%w: a password's hash has 32 bytes", ErrOption)
	}
	return &Verifier{Salt: value[:split:split], Hash: [32]byte(value[split:])}, nil
}
