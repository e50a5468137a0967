package profile

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ringcast/ringcast/rtmfp"
)

const (
	modernHead   = 4 // phase and counter
	modernNonce  = 12
	phaseBit     = 1 << 31
	counterMask  = phaseBit - 1
	counterRange = 1 << 31
	// failuresMax is after how many forgeries a session opens nothing more:
	// the limit of the cipher's security.
	failuresMax = 1 << 36
)

// generation is one set of keys of one direction. Each follows from the one
// before, and not the other way round.
type generation struct {
	number uint64
	secret [32]byte
	aead   cipher.AEAD
	iv     [modernNonce]byte
}

func newGeneration(number uint64, secret []byte, withAES bool) *generation {
	g := &generation{number: number, secret: [32]byte(secret)}
	copy(g.iv[:], expandLabel(secret, "iv", modernNonce))
	var err error
	if withAES {
		var block cipher.Block
		if block, err = aes.NewCipher(expandLabel(secret, "aes128gcm key", 16)); err == nil {
			g.aead, err = cipher.NewGCM(block)
		}
	} else {
		g.aead, err = chacha20poly1305.New(expandLabel(secret, "chacha20 key", 32))
	}
	if err != nil {
		panic(err) // the keys have the right lengths
	}
	return g
}

// next returns the generation that follows.
func (g *generation) next(withAES bool) *generation {
	return newGeneration(g.number+1, expandLabel(g.secret[:], "update", 32), withAES)
}

func (g *generation) phase() uint32 { return uint32(g.number&1) << 31 }

// modernSession encrypts and decrypts the packets of a session.
//
//	u32 bit 31 the generation's parity, bits 30-0 the counter's low bits
//	u8  ciphertext[…]
//	u8  tag[16]
type modernSession struct {
	aes bool

	send    *generation
	counter uint64 // of the next packet to send
	begun   uint64 // counter at which the generation began

	receive  *generation
	previous *generation // nil, or for packets that are late
	follow   *generation // nil until a packet seems to need it
	from     uint64      // first counter opened in the present generation
	window   replayWindow
	failures uint64

	nonce         [modernNonce]byte
	nearID, farID uint32
	aad           [8]byte
}

func newModernSession(withAES bool, sendSecret, receiveSecret []byte, nearID, farID uint32) *modernSession {
	return &modernSession{
		aes: withAES, send: newGeneration(0, sendSecret, withAES), receive: newGeneration(0, receiveSecret, withAES),
		nearID: nearID, farID: farID,
	}
}

var _ rtmfp.UpdatingKey = (*modernSession)(nil)

// Head implements rtmfp.SessionKey.
func (k *modernSession) Head() int { return modernHead }

// Room implements rtmfp.SessionKey.
func (k *modernSession) Room(size int) int { return size - 4 - modernHead - modernTag }

// prepare sets the nonce and the additional data of a packet.
func (k *modernSession) prepare(g *generation, id, field uint32, counter uint64) {
	copy(k.nonce[:], g.iv[:])
	tail := k.nonce[modernNonce-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^counter)
	binary.BigEndian.PutUint32(k.aad[:], id)
	binary.BigEndian.PutUint32(k.aad[4:], field)
}

// Seal implements rtmfp.SessionKey.
func (k *modernSession) Seal(b []byte) []byte {
	field := k.send.phase() | uint32(k.counter&counterMask)
	binary.BigEndian.PutUint32(b, field)
	k.prepare(k.send, k.farID, field, k.counter)
	k.counter++
	sealed := k.send.aead.Seal(b[modernHead:modernHead], k.nonce[:], b[modernHead:], k.aad[:])
	return b[:modernHead+len(sealed)]
}

// Open implements rtmfp.SessionKey.
func (k *modernSession) Open(b []byte) ([]byte, bool) {
	if len(b) < modernHead+1+modernTag || k.failures >= failuresMax {
		return nil, false
	}
	field := binary.BigEndian.Uint32(b)
	counter := restoreCounter(k.window.next, field&counterMask)
	if !k.window.fresh(counter) {
		return nil, false
	}
	g := k.generationFor(field&phaseBit, counter)
	if g == nil {
		return nil, false
	}
	k.prepare(g, k.nearID, field, counter)
	plain, err := g.aead.Open(b[modernHead:modernHead], k.nonce[:], b[modernHead:], k.aad[:])
	if err != nil {
		k.failures++
		return nil, false
	}
	k.window.record(counter)
	switch {
	case g == k.follow:
		k.previous, k.receive, k.follow = k.receive, g, nil
		k.from = counter
	case g == k.receive:
		k.from = min(k.from, counter)
	}
	return plain, true
}

// generationFor returns the keys that a packet was sealed with: the present
// ones if the parity is theirs; otherwise the ones before, if the packet was
// sent before all of the present generation, or else the following ones.
func (k *modernSession) generationFor(phase uint32, counter uint64) *generation {
	if phase == k.receive.phase() {
		return k.receive
	}
	if counter < k.from {
		return k.previous
	}
	if k.follow == nil {
		// Kept whether the packet is genuine or not, so that forgeries cost
		// this once.
		k.follow = k.receive.next(k.aes)
	}
	return k.follow
}

// restoreCounter returns the counter whose low 31 bits are low and that lies
// nearest to the one that is expected next.
func restoreCounter(expected uint64, low uint32) uint64 {
	c := expected&^counterMask | uint64(low)
	switch {
	case c+counterRange/2 <= expected:
		c += counterRange
	case c > expected+counterRange/2 && c >= counterRange:
		c -= counterRange
	}
	return c
}

// Sealed implements rtmfp.UpdatingKey.
func (k *modernSession) Sealed() uint64 { return k.counter - k.begun }

// Update implements rtmfp.UpdatingKey.
func (k *modernSession) Update() {
	k.send = k.send.next(k.aes)
	k.begun = k.counter
}

// Received implements rtmfp.UpdatingKey.
func (k *modernSession) Received() uint64 { return k.receive.number }

// Forget implements rtmfp.UpdatingKey.
func (k *modernSession) Forget() { k.previous = nil }

// Describe implements rtmfp.SessionKey.
func (k *modernSession) Describe() string {
	if k.aes {
		return "modern aes-128-gcm"
	}
	return "modern chacha20-poly1305"
}
