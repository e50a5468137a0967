package profile

import (
	"fmt"
	"io"
	"math/big"
	"math/bits"
)

// A group is one of the MODP groups for Diffie-Hellman (RFC 2409, RFC 3526)
// with generator 2.
type group struct {
	id    uint64
	bits  int // size of the modulus
	power int // bits of a private exponent, at least twice the strength
	// add is what the formula of the RFCs adds to the digits of pi.
	add int64
}

// The groups that are supported; a responder takes any of them.
func groupByID(id uint64) (group, bool) {
	switch id {
	case 2:
		return group{2, 1024, 256, 129093}, true
	case 5:
		return group{5, 1536, 288, 741804}, true
	case 14:
		return group{14, 2048, 320, 124476}, true
	}
	return group{}, false
}

// prime returns p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + add),
// which is how the RFCs define the primes.
func (g group) prime() *big.Int {
	n := uint(g.bits)
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, n)
	p.Sub(p, new(big.Int).Lsh(one, n-64))
	p.Sub(p, one)
	middle := piBits(n - 130)
	middle.Add(middle, big.NewInt(g.add))
	return p.Add(p, middle.Lsh(middle, 64))
}

// piBits returns floor(2^n * pi), by Machin's formula.
func piBits(n uint) *big.Int {
	const guard = 64
	arctan := func(x int64) *big.Int { // 2^(n+guard) * arctan(1/x)
		term := new(big.Int).Lsh(big.NewInt(1), n+guard)
		term.Quo(term, big.NewInt(x))
		sum, square := new(big.Int).Set(term), big.NewInt(x*x)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, square)
			part := new(big.Int).Quo(term, big.NewInt(k))
			if k%4 == 3 {
				sum.Sub(sum, part)
			} else {
				sum.Add(sum, part)
			}
		}
		return sum
	}
	a, b := arctan(5), arctan(239)
	pi := a.Mul(a, big.NewInt(16))
	pi.Sub(pi, b.Mul(b, big.NewInt(4)))
	return pi.Rsh(pi, guard)
}

// privateKey is an exponent with its public value, as bytes of the group's
// full length.
type privateKey struct {
	group  group
	prime  *big.Int
	x      *big.Int
	public []byte
}

// newPrivateKey draws a key whose public value has no leading zero byte, which
// some peers would stumble over.
func newPrivateKey(g group, prime *big.Int, entropy io.Reader) (*privateKey, error) {
	b := make([]byte, g.power/8)
	for {
		if _, err := io.ReadFull(entropy, b); err != nil {
			return nil, fmt.Errorf("profile: read entropy: %w", err)
		}
		b[0] |= 0x80
		if k := privateKeyOf(g, prime, new(big.Int).SetBytes(b)); k.public[0] != 0 {
			return k, nil
		}
	}
}

func privateKeyOf(g group, prime, x *big.Int) *privateKey {
	y := new(big.Int).Exp(big.NewInt(2), x, prime)
	return &privateKey{g, prime, x, y.FillBytes(make([]byte, g.bits/8))}
}

// secret returns the shared secret with the far public key, without leading
// zero bytes (RFC 7425 section 4.4.2). It fails for keys that would make it
// guessable.
func (k *privateKey) secret(public []byte) ([]byte, error) {
	if len(public) > k.group.bits/8+1 {
		return nil, errBadKey
	}
	y := new(big.Int).SetBytes(public)
	if !acceptable(y, k.prime) {
		return nil, errBadKey
	}
	return new(big.Int).Exp(y, k.x, k.prime).Bytes(), nil
}

// acceptable checks a public key (RFC 7425 section 4.4.1): not near the ends
// of the range, and with enough bits of either kind.
func acceptable(y, prime *big.Int) bool {
	margin := new(big.Int).Lsh(big.NewInt(1), 24)
	if y.Cmp(margin) < 0 || y.Cmp(new(big.Int).Sub(prime, margin)) > 0 {
		return false
	}
	ones := 0
	for _, w := range y.Bits() {
		ones += bits.OnesCount(uint(w))
	}
	return ones >= 16 && y.BitLen()-ones >= 16
}
