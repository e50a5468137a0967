package profile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

const defaultKey = "Adobe Systems 02"

// ivSetter is what the standard library's CBC modes have beside BlockMode; a
// kept mode with its vector reset costs no allocation.
type ivSetter interface{ SetIV([]byte) }

// way is one direction of a session key.
type way struct {
	cbc     cipher.BlockMode // for sending
	block   cipher.Block     // for receiving
	mac     hash.Hash        // nil for a checksum
	macSize int
	sseq    bool
	next    uint64 // sequence number to send
	window  replayWindow
	sum     [sha256.Size]byte
}

// sessionKey encrypts and decrypts packets (RFC 7425 section 4.6).
//
//	AES-128-CBC blocks of [vlu sequence number] [u16 checksum] packet padding,
//	then the truncated HMAC of the blocks, if there is one
type sessionKey struct {
	send, receive way
}

// zeroIV is the initialization vector of every packet.
var zeroIV = [aes.BlockSize]byte{}

func newSessionKey(encrypt, decrypt []byte) *sessionKey {
	// The keys are 16 bytes: NewCipher cannot fail.
	e, err := aes.NewCipher(encrypt[:16])
	if err != nil {
		panic(err)
	}
	d, err := aes.NewCipher(decrypt[:16])
	if err != nil {
		panic(err)
	}
	return &sessionKey{
		send:    way{cbc: cipher.NewCBCEncrypter(e, zeroIV[:])},
		receive: way{block: d},
	}
}

// newDefaultKey returns the well-known key of the startup.
func newDefaultKey() *sessionKey { return newSessionKey([]byte(defaultKey), []byte(defaultKey)) }

// Head implements rtmfp.SessionKey.
func (k *sessionKey) Head() int {
	n := 0
	if k.send.sseq {
		n = vlu.Len(k.send.next)
	}
	if k.send.mac == nil {
		n += 2
	}
	return n
}

// Room implements rtmfp.SessionKey.
func (k *sessionKey) Room(size int) int {
	blocks := (size - 4 - k.send.macSize) / aes.BlockSize
	return blocks*aes.BlockSize - k.Head()
}

// Seal implements rtmfp.SessionKey.
func (k *sessionKey) Seal(b []byte) []byte {
	w := &k.send
	for len(b)%aes.BlockSize != 0 {
		b = append(b, 0xff)
	}
	at := 0
	if w.sseq {
		at = len(vlu.Append(b[:0], w.next))
		w.next++
	}
	if w.mac == nil {
		binary.BigEndian.PutUint16(b[at:], checksum(b[at+2:]))
	}
	w.cbc.(ivSetter).SetIV(zeroIV[:])
	w.cbc.CryptBlocks(b, b)
	if w.mac != nil {
		b = append(b, w.tag(b)...)
	}
	return b
}

func (w *way) tag(b []byte) []byte {
	w.mac.Reset()
	w.mac.Write(b)
	return w.mac.Sum(w.sum[:0])[:w.macSize]
}

// Open implements rtmfp.SessionKey.
func (k *sessionKey) Open(b []byte) ([]byte, bool) {
	w := &k.receive
	n := len(b) - w.macSize
	if n <= 0 || n%aes.BlockSize != 0 {
		return nil, false
	}
	if w.mac != nil && subtle.ConstantTimeCompare(w.tag(b[:n]), b[n:]) != 1 {
		return nil, false
	}
	b = b[:n]
	decryptCBC(w.block, b)
	var sequence uint64
	if w.sseq {
		var used int
		var err error
		if sequence, used, err = vlu.Parse(b); err != nil || !w.window.fresh(sequence) {
			return nil, false
		}
		b = b[used:]
	}
	if w.mac == nil {
		if len(b) < 2 || binary.BigEndian.Uint16(b) != checksum(b[2:]) {
			return nil, false
		}
		b = b[2:]
	}
	if w.sseq {
		w.window.record(sequence)
	}
	return b, len(b) > 0
}

// decryptCBC undoes the chaining with a vector of zeros, in place. It goes from
// the last block back, so that no block waits for another and the processor
// works on several at once: a fifth to a third less time than the standard
// library's mode. b is a whole number of blocks.
func decryptCBC(block cipher.Block, b []byte) {
	for at := len(b) - aes.BlockSize; at >= 0; at -= aes.BlockSize {
		block.Decrypt(b[at:], b[at:])
		if at == 0 {
			return
		}
		x, y := b[at:at+aes.BlockSize], b[at-aes.BlockSize:at]
		binary.NativeEndian.PutUint64(x, binary.NativeEndian.Uint64(x)^binary.NativeEndian.Uint64(y))
		binary.NativeEndian.PutUint64(x[8:], binary.NativeEndian.Uint64(x[8:])^binary.NativeEndian.Uint64(y[8:]))
	}
}

// Describe implements rtmfp.SessionKey.
func (k *sessionKey) Describe() string {
	part := func(w *way) string {
		s := "checksum"
		if w.mac != nil {
			s = fmt.Sprintf("hmac-%d", w.macSize)
		}
		if w.sseq {
			s += "+sseq"
		}
		return s
	}
	return fmt.Sprintf("flash aes-128-cbc send %s receive %s", part(&k.send), part(&k.receive))
}

// checksum is the one's complement of the one's complement sum of 16-bit
// words. An odd byte at the end is the low byte of the last word.
func checksum(b []byte) uint16 {
	var sum, carry uint64
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var rest uint64
	for len(b) >= 2 {
		rest += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		rest += uint64(b[0])
	}
	rest += sum>>48 + sum>>32&0xffff + sum>>16&0xffff + sum&0xffff + carry
	for rest > 0xffff {
		rest = rest>>16 + rest&0xffff
	}
	return ^uint16(rest)
}

// replayWindow remembers which of the last sequence numbers have come.
type replayWindow struct {
	next uint64 // one above the highest
	bits [replayWords]uint64
}

// The window tolerates reordering of a little less than 1,024 packets, far
// above the 32 that the standard asks for: runs of datagrams overtake each
// other as a whole.
const replayWords = 16

const replaySize = replayWords * 64

// fresh reports whether a number has not come before and is not too old to
// tell.
func (w *replayWindow) fresh(n uint64) bool {
	if n >= w.next {
		return n != 1<<64-1
	}
	return w.next-n <= replaySize && w.bits[n/64%replayWords]&(1<<(n%64)) == 0
}

func (w *replayWindow) record(n uint64) {
	if n >= w.next {
		if n-w.next >= replaySize {
			w.bits = [replayWords]uint64{}
		} else {
			for i := w.next; i <= n; i++ {
				w.bits[i/64%replayWords] &^= 1 << (i % 64)
			}
		}
		w.next = n + 1
	}
	w.bits[n/64%replayWords] |= 1 << (n % 64)
}

// mac computes HMAC-SHA256.
func mac(key []byte, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
