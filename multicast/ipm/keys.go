package ipm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Sizes of a datagram's parts in bytes.
const (
	tagSize = 16
	ivSize  = aes.BlockSize
	// Overhead is what a datagram has around its encrypted blocks.
	Overhead = tagSize + ivSize
)

// Tag is the first four bytes of a member's group address, which names it on
// the LAN. Lower is compared as the group address is, most significant byte
// first.
type Tag uint32

// TagOf returns the tag of the member with this peer ID.
func TagOf(peer [32]byte) Tag {
	sum := sha256.Sum256(append([]byte{0x21, 0x0f}, peer[:]...))
	return Tag(binary.BigEndian.Uint32(sum[:]))
}

// Keys encrypt and authenticate the datagrams of one group.
type Keys struct {
	seal, open cipher.BlockMode
	mac        hash.Hash
	sum        [sha256.Size]byte
}

// ivSetter is what the standard library's CBC modes have beside BlockMode: a
// kept mode whose vector is set costs no allocation.
type ivSetter interface{ SetIV([]byte) }

// KeysOf derives the keys from a group's identity: its groupspec up to, but
// without, the end marker of the identity, with the leading "G:".
func KeysOf(identity string) *Keys {
	enc := derive(identity, "ours:ipmc-enc:v1")
	mac := derive(identity, "ours:ipmc-mac:v1")
	block, err := aes.NewCipher(enc[:16])
	if err != nil {
		panic(err) // the key has the right length
	}
	var iv [ivSize]byte
	return &Keys{
		seal: cipher.NewCBCEncrypter(block, iv[:]), open: cipher.NewCBCDecrypter(block, iv[:]),
		mac: hmac.New(sha256.New, mac[:]),
	}
}

func derive(identity, label string) (key [sha256.Size]byte) {
	h := hmac.New(sha256.New, []byte(identity))
	h.Write([]byte(label))
	h.Sum(key[:0])
	return key
}

func (k *Keys) tag(b []byte) []byte {
	k.mac.Reset()
	k.mac.Write(b)
	return k.mac.Sum(k.sum[:0])[:tagSize]
}

// sealDatagram encrypts b, whose first Overhead bytes have room for the tag and
// hold the vector, in place. The rest is a whole number of blocks.
func (k *Keys) sealDatagram(b []byte) {
	iv, blocks := b[tagSize:Overhead], b[Overhead:]
	k.seal.(ivSetter).SetIV(iv)
	k.seal.CryptBlocks(blocks, blocks)
	copy(b, k.tag(b[tagSize:]))
}

// openDatagram checks a datagram and decrypts it in place. It reports false,
// and changes nothing, if it was not made with these keys.
func (k *Keys) openDatagram(b []byte) (plain []byte, ok bool) {
	if len(b) <= Overhead || len(b)%aes.BlockSize != 0 || !hmac.Equal(k.tag(b[tagSize:]), b[:tagSize]) {
		return nil, false
	}
	iv, blocks := b[tagSize:Overhead], b[Overhead:]
	k.open.(ivSetter).SetIV(iv)
	k.open.CryptBlocks(blocks, blocks)
	return blocks, true
}
