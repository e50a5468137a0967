package profile

import (
	"crypto/ecdh"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Secrets are the private keys that an endpoint's identities follow from. Who
// has them can pose as the endpoint.
type Secrets struct {
	x25519 [32]byte
	modp   [32]byte // exponent in group 2
	random [randomSize]byte
}

// NewSecrets draws new secrets.
func NewSecrets(entropy io.Reader) (*Secrets, error) {
	g, _ := groupByID(2)
	k, err := newPrivateKey(g, g.prime(), entropy)
	if err != nil {
		return nil, err
	}
	s := new(Secrets)
	k.x.FillBytes(s.modp[:])
	for _, b := range [][]byte{s.x25519[:], s.random[:]} {
		if _, err := io.ReadFull(entropy, b); err != nil {
			return nil, fmt.Errorf("profile: read entropy: %w", err)
		}
	}
	return s, nil
}

// secretsBlock is the type of the PEM block that secrets are kept in, whose
// bytes are a version and the three secrets.
const (
	secretsBlock   = "RINGCAST IDENTITY"
	secretsVersion = 1
)

// ErrBadSecrets means that bytes are not those of AppendSecrets.
var ErrBadSecrets = errors.New("profile: not an identity")

// AppendSecrets appends the secrets as a PEM block, to be kept in a file that
// only their owner can read.
func AppendSecrets(b []byte, s *Secrets) []byte {
	body := append([]byte{secretsVersion}, s.x25519[:]...)
	body = append(append(body, s.modp[:]...), s.random[:]...)
	return append(b, pem.EncodeToMemory(&pem.Block{Type: secretsBlock, Bytes: body})...)
}

// ParseSecrets reads what AppendSecrets has written. It returns ErrBadSecrets
// for anything else.
func ParseSecrets(b []byte) (*Secrets, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != secretsBlock || len(block.Bytes) != 1+32+32+randomSize || block.Bytes[0] != secretsVersion {
		return nil, ErrBadSecrets
	}
	s := new(Secrets)
	n := 1
	n += copy(s.x25519[:], block.Bytes[n:])
	n += copy(s.modp[:], block.Bytes[n:])
	copy(s.random[:], block.Bytes[n:])
	if s.modp[0]&0x80 == 0 {
		return nil, ErrBadSecrets // not an exponent of ours
	}
	return s, nil
}

func (s *Secrets) static() (*ecdh.PrivateKey, error) { return ecdh.X25519().NewPrivateKey(s.x25519[:]) }

func (s *Secrets) groupKey(prime *big.Int) *privateKey {
	g, _ := groupByID(2)
	return privateKeyOf(g, prime, new(big.Int).SetBytes(s.modp[:]))
}
