package nalu

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// MaxUnits is the most NAL units that one access unit may have; a picture has
// one for each slice and a handful besides.
const MaxUnits = 1024

// Errors of the splitting functions.
var (
	ErrTruncated = errors.New("NAL unit is longer than the access unit")
	ErrTooMany   = errors.New("access unit has more than 1024 NAL units")
	ErrLength    = errors.New("NAL unit length must have 1, 2, 3 or 4 bytes")
)

// Split appends the NAL units of an access unit whose units stand behind
// lengths of lengthSize bytes. The units are parts of b. Empty units are left
// out.
func Split(dst [][]byte, b []byte, lengthSize int) ([][]byte, error) {
	if lengthSize < 1 || lengthSize > 4 {
		return dst, ErrLength
	}
	for first := len(dst); len(b) > 0; {
		if len(b) < lengthSize {
			return dst, ErrTruncated
		}
		var n int64
		for _, c := range b[:lengthSize] {
			n = n<<8 | int64(c)
		}
		b = b[lengthSize:]
		if n > int64(len(b)) {
			return dst, ErrTruncated
		}
		if n > 0 {
			if len(dst)-first >= MaxUnits {
				return dst, ErrTooMany
			}
			dst = append(dst, b[:n:n])
		}
		b = b[n:]
	}
	return dst, nil
}

// SplitAnnexB appends the NAL units of an access unit in Annex B form. The
// units are parts of b.
func SplitAnnexB(dst [][]byte, b []byte) ([][]byte, error) {
	startCode := []byte{0, 0, 1}
	first := len(dst)
	at := bytes.Index(b, startCode)
	for at >= 0 {
		b = b[at+3:]
		at = bytes.Index(b, startCode)
		unit := b
		if at >= 0 {
			unit = b[:at]
		}
		// Zeros before a start code belong to it, or are trailing zeros.
		if unit = bytes.TrimRight(unit, "\x00"); len(unit) == 0 {
			continue
		}
		if len(dst)-first >= MaxUnits {
			return dst, ErrTooMany
		}
		dst = append(dst, unit[:len(unit):len(unit)])
	}
	return dst, nil
}

// LooksLikeAnnexB reports whether an access unit that should have lengths of
// four bytes has start codes instead, as some hardware encoders send it.
func LooksLikeAnnexB(b []byte) bool {
	if len(b) < 5 || b[0] != 0 || b[1] != 0 {
		return false
	}
	if b[2] == 1 { // a three-byte start code, or a length of 256 to 511
		return int(binary.BigEndian.Uint32(b)) > len(b)-4
	}
	return b[2] == 0 && b[3] == 1 && !lengthsFit(b)
}

// lengthsFit reports whether b can be split by four-byte lengths.
func lengthsFit(b []byte) bool {
	for len(b) >= 4 {
		n := int64(binary.BigEndian.Uint32(b))
		if n > int64(len(b)-4) {
			return false
		}
		b = b[4+n:]
	}
	return len(b) == 0
}

// AppendLengthPrefixed appends each unit behind a length of four bytes.
func AppendLengthPrefixed(b []byte, units ...[]byte) []byte {
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(u))), u...)
	}
	return b
}

// AppendAnnexB appends each unit behind a start code of four bytes.
func AppendAnnexB(b []byte, units ...[]byte) []byte {
	for _, u := range units {
		b = append(append(b, 0, 0, 0, 1), u...)
	}
	return b
}

// Any reports whether one of the units of an access unit, each behind a length
// of four bytes, satisfies f. It stops at the first malformed length.
func Any(payload []byte, f func(unit []byte) bool) bool {
	for len(payload) > 4 {
		n := int64(binary.BigEndian.Uint32(payload))
		if n > int64(len(payload)-4) {
			return f(payload[4:]) // cut off: its head still tells what it is
		}
		if n > 0 && f(payload[4:4+n]) {
			return true
		}
		payload = payload[4+n:]
	}
	return false
}
