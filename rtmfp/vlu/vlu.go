package vlu

import (
	"errors"
	"math/bits"
)

// Errors of Parse and ParseOption.
var (
	// ErrTruncated means that the bytes end inside the integer or option.
	ErrTruncated = errors.New("vlu: truncated")
	// ErrOverflow means that an integer exceeds 64 bits.
	ErrOverflow = errors.New("vlu: more than 64 bits")
)

// MaxLen is the most bytes that Append writes.
const MaxLen = 10

// Append appends v in as few bytes as possible.
func Append(b []byte, v uint64) []byte {
	for shift := 7 * (Len(v) - 1); shift > 0; shift -= 7 {
		b = append(b, byte(v>>shift)|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// Len returns how many bytes Append writes, 1 to MaxLen.
func Len(v uint64) int { return max(bits.Len64(v)+6, 7) / 7 }

// Parse reads an integer from the start of b and returns it with the number of
// bytes it takes. Leading zero groups are accepted, since nothing forbids them.
func Parse(b []byte) (v uint64, n int, err error) {
	for i, c := range b {
		if v > 1<<57-1 {
			return 0, 0, ErrOverflow
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1, nil
		}
	}
	return 0, 0, ErrTruncated
}
