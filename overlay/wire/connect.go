package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// Connect begins a group relation on flow GR 1C: it says which group, proves
// that its sender knows the groupspec, and names the peer it is meant for so
// that nobody can pass the proof on as its own.
//
//	u8     type 01
//	option 00 group ID as 64 hexadecimal digits
//	option 01 proof, 32 bytes
//	option 03 endpoint discriminator of the receiver
//	option 7d "O1", vlu capabilities; not sent to have no extensions
//	option 7e peer ID, 32 bytes: the sender's other name; only to our own kind
type Connect struct {
	Group    [32]byte
	Proof    [32]byte
	Receiver [32]byte
	// Caps are the capability bits of extensions; 0 for a peer without.
	Caps uint64
	// Other is another peer ID of the sender, zero if none is told: that by
	// which those of other makes know it, or, on a session by their
	// cryptography, its own.
	Other [32]byte
}

const (
	optionGroup      = 0x00
	optionProof      = 0x01
	optionReceiver   = 0x03
	optionExtensions = 0x7d
	optionOther      = 0x7e

	extensionsMagic = "O1"
)

// AppendConnect appends a connect. Option 7d is left out if Caps is 0, and
// comes last: librtmfp reads the other three by their places.
func AppendConnect(b []byte, c Connect) []byte {
	b = append(b, TypeConnect)
	b = vlu.Append(b, uint64(1+hex.EncodedLen(len(c.Group))))
	b = hex.AppendEncode(append(b, optionGroup), c.Group[:])
	b = vlu.AppendOption(b, optionProof, c.Proof[:])
	b = AppendPeerEPD(append(b, 1+PeerEPDLen, optionReceiver), c.Receiver)
	if c.Caps != 0 {
		n := 1 + len(extensionsMagic) + vlu.Len(c.Caps)
		b = append(b, byte(n), optionExtensions)
		b = vlu.Append(append(b, extensionsMagic...), c.Caps)
	}
	if c.Other != [32]byte{} {
		b = vlu.AppendOption(b, optionOther, c.Other[:])
	}
	return b
}

// ParseConnect reads a connect. The options may come in any order; the first
// of a kind counts, unknown ones are ignored, and a marker ends them.
func ParseConnect(b []byte) (Connect, error) {
	var c Connect
	var seen [optionReceiver + 1]bool
	extended := false
	r := open(b, TypeConnect)
	for len(r.B) > 0 {
		o := r.Option()
		if r.Err != nil || o.Marker {
			break
		}
		var err error
		switch {
		case o.Type == optionExtensions && !extended:
			extended = true
			c.Caps = parseCaps(o.Value)
		case o.Type == optionOther && len(o.Value) == len(c.Other):
			copy(c.Other[:], o.Value)
		case o.Type > optionReceiver || seen[o.Type]:
		default:
			seen[o.Type] = true
			err = c.option(o)
		}
		if err != nil {
			return Connect{}, err
		}
	}
	if r.Err != nil {
		return Connect{}, r.Err
	}
	if !seen[optionGroup] || !seen[optionProof] || !seen[optionReceiver] {
		return Connect{}, ErrTruncated
	}
	return c, nil
}

func (c *Connect) option(o vlu.Option) (err error) {
	switch o.Type {
	case optionGroup:
		if len(o.Value) != hex.EncodedLen(len(c.Group)) {
			return ErrMalformed
		}
		if _, err := hex.Decode(c.Group[:], o.Value); err != nil {
			return ErrMalformed
		}
	case optionProof:
		if len(o.Value) != len(c.Proof) {
			return ErrMalformed
		}
		copy(c.Proof[:], o.Value)
	case optionReceiver:
		if c.Receiver, err = ParsePeerEPD(o.Value); err != nil {
			return ErrMalformed
		}
	}
	return nil
}

// parseCaps reads the value of option 7d. Whatever is not ours stands for a
// peer without extensions.
func parseCaps(value []byte) uint64 {
	if len(value) < len(extensionsMagic) || string(value[:len(extensionsMagic)]) != extensionsMagic {
		return 0
	}
	caps, _, err := vlu.Parse(value[len(extensionsMagic):])
	if err != nil {
		return 0
	}
	return caps
}

// PeekGroup returns the ID of the group that a connect is for.
func PeekGroup(b []byte) (group [32]byte, err error) {
	c, err := ParseConnect(b)
	return c.Group, err
}

// Proof returns what proves knowledge of a groupspec to the far end of a
// session: its identity text is the key, the nonce of the verifying end the
// message. A sender proves with the far nonce, and checks with the near one.
func Proof(identity string, nonce []byte) (proof [32]byte) {
	h := hmac.New(sha256.New, []byte(identity))
	h.Write(nonce)
	h.Sum(proof[:0])
	return proof
}

// CheckProof reports whether a proof that came from the far end is right. It
// takes the same time whatever the proof is.
func CheckProof(identity string, nearNonce []byte, proof [32]byte) bool {
	want := Proof(identity, nearNonce)
	return hmac.Equal(want[:], proof[:])
}
