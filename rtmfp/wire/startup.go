package wire

import (
	"encoding/binary"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

// field reads a length and that many bytes, and returns what follows.
func field(b []byte) (value, rest []byte, err error) {
	length, n, err := vlu.Parse(b)
	if err != nil || length > uint64(len(b)-n) {
		return nil, nil, ErrMalformed
	}
	end := n + int(length)
	return b[n:end], b[end:], nil
}

func appendField(b, value []byte) []byte {
	return append(vlu.Append(b, uint64(len(value))), value...)
}

// IHello asks whether an endpoint with the discriminator can be reached here
// (RFC 7016 section 2.3.2).
type IHello struct {
	EPD []byte
	// Tag comes back in the answer.
	Tag []byte
}

// AppendIHello appends the chunk.
func AppendIHello(b []byte, c IHello) []byte {
	b, at := open(b, TypeIHello)
	return shut(append(appendField(b, c.EPD), c.Tag...), at)
}

// ParseIHello reads the chunk's payload.
func ParseIHello(b []byte) (c IHello, err error) {
	c.EPD, c.Tag, err = field(b)
	return c, err
}

// FIHello hands on an IHello to the endpoint it is for (RFC 7016 section
// 2.3.3).
type FIHello struct {
	EPD   []byte
	Reply Address // where the IHello came from
	Tag   []byte
}

// AppendFIHello appends the chunk.
func AppendFIHello(b []byte, c FIHello) []byte {
	b, at := open(b, TypeFIHello)
	return shut(append(AppendAddress(appendField(b, c.EPD), c.Reply), c.Tag...), at)
}

// ParseFIHello reads the chunk's payload.
func ParseFIHello(b []byte) (c FIHello, err error) {
	if c.EPD, b, err = field(b); err != nil {
		return FIHello{}, err
	}
	reply, n, err := ParseAddress(b)
	if err != nil {
		return FIHello{}, err
	}
	c.Reply, c.Tag = reply, b[n:]
	return c, nil
}

// RHello answers an IHello (RFC 7016 section 2.3.4).
type RHello struct {
	TagEcho, Cookie, Certificate []byte
}

// AppendRHello appends the chunk.
func AppendRHello(b []byte, c RHello) []byte {
	b, at := open(b, TypeRHello)
	return shut(append(appendField(appendField(b, c.TagEcho), c.Cookie), c.Certificate...), at)
}

// ParseRHello reads the chunk's payload.
func ParseRHello(b []byte) (c RHello, err error) {
	if c.TagEcho, b, err = field(b); err != nil {
		return RHello{}, err
	}
	c.Cookie, c.Certificate, err = field(b)
	return c, err
}

// Redirect names other addresses at which to try (RFC 7016 section 2.3.5).
type Redirect struct {
	TagEcho []byte
	// Destinations may be empty: the address that the packet came from.
	Destinations []Address
}

// MaxRedirects is the most destinations that ParseRedirect returns, as a
// defence; more are ignored.
const MaxRedirects = 64

// AppendRedirect appends the chunk.
func AppendRedirect(b []byte, c Redirect) []byte {
	b, at := open(b, TypeRedirect)
	b = appendField(b, c.TagEcho)
	for _, a := range c.Destinations {
		b = AppendAddress(b, a)
	}
	return shut(b, at)
}

// ParseRedirect reads the chunk's payload.
func ParseRedirect(b []byte) (c Redirect, err error) {
	if c.TagEcho, b, err = field(b); err != nil {
		return Redirect{}, err
	}
	for len(b) > 0 && len(c.Destinations) < MaxRedirects {
		a, n, err := ParseAddress(b)
		if err != nil {
			return Redirect{}, err
		}
		c.Destinations = append(c.Destinations, a)
		b = b[n:]
	}
	return c, nil
}

// CookieChange replaces the cookie of an RHello that was seen from another
// address than the IIKeying (RFC 7016 section 2.3.6).
type CookieChange struct{ Old, New []byte }

// AppendCookieChange appends the chunk.
func AppendCookieChange(b []byte, c CookieChange) []byte {
	b, at := open(b, TypeCookieChange)
	return shut(append(appendField(b, c.Old), c.New...), at)
}

// ParseCookieChange reads the chunk's payload.
func ParseCookieChange(b []byte) (c CookieChange, err error) {
	c.Old, c.New, err = field(b)
	return c, err
}

// IIKeying opens a session (RFC 7016 section 2.3.7).
type IIKeying struct {
	SessionID   SessionID
	CookieEcho  []byte
	Certificate []byte
	// Component is the initiator's session key component (SKIC).
	Component []byte
	Signature []byte
	// Signed is what the signature covers; only ParseIIKeying sets it.
	Signed []byte
}

// AppendIIKeying appends the chunk. sign, if not nil, is called with the
// parameters to be signed and appends the signature to b; otherwise
// c.Signature is written.
func AppendIIKeying(b []byte, c IIKeying, sign func(b, parameters []byte) []byte) []byte {
	b, at := open(b, TypeIIKeying)
	b = binary.BigEndian.AppendUint32(b, uint32(c.SessionID))
	b = appendField(appendField(appendField(b, c.CookieEcho), c.Certificate), c.Component)
	if sign != nil {
		return shut(sign(b, b[at+ChunkHeader:]), at)
	}
	return shut(append(b, c.Signature...), at)
}

// ParseIIKeying reads the chunk's payload.
func ParseIIKeying(b []byte) (c IIKeying, err error) {
	if len(b) < 4 {
		return IIKeying{}, ErrMalformed
	}
	c.SessionID = SessionID(binary.BigEndian.Uint32(b))
	rest := b[4:]
	for _, to := range []*[]byte{&c.CookieEcho, &c.Certificate, &c.Component} {
		if *to, rest, err = field(rest); err != nil {
			return IIKeying{}, err
		}
	}
	c.Signature, c.Signed = rest, b[:len(b)-len(rest)]
	return c, nil
}

// RIKeying answers an IIKeying: the session is open (RFC 7016 section 2.3.8).
type RIKeying struct {
	SessionID SessionID
	// Component is the responder's session key component (SKRC).
	Component []byte
	Signature []byte
	// Signed is the part of the chunk that the signature covers, before the
	// initiator's component; only ParseRIKeying sets it.
	Signed []byte
}

// AppendRIKeying appends the chunk. sign is as for AppendIIKeying, but the
// parameters it gets lack the initiator's component, which is not in the chunk.
func AppendRIKeying(b []byte, c RIKeying, sign func(b, parameters []byte) []byte) []byte {
	b, at := open(b, TypeRIKeying)
	b = appendField(binary.BigEndian.AppendUint32(b, uint32(c.SessionID)), c.Component)
	if sign != nil {
		return shut(sign(b, b[at+ChunkHeader:]), at)
	}
	return shut(append(b, c.Signature...), at)
}

// ParseRIKeying reads the chunk's payload.
func ParseRIKeying(b []byte) (c RIKeying, err error) {
	if len(b) < 4 {
		return RIKeying{}, ErrMalformed
	}
	c.SessionID = SessionID(binary.BigEndian.Uint32(b))
	var rest []byte
	if c.Component, rest, err = field(b[4:]); err != nil {
		return RIKeying{}, err
	}
	c.Signature, c.Signed = rest, b[:len(b)-len(rest)]
	return c, nil
}
