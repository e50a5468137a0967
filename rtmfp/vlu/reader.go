package vlu

import "errors"

// More errors of a Reader.
var (
	// ErrMalformed means that a message does not have the shape of its type.
	ErrMalformed = errors.New("vlu: message is malformed")
	// ErrLimit means that something in a message exceeds the bound for it.
	ErrLimit = errors.New("vlu: message exceeds a bound")
)

// A Reader takes the fields of a message one after the other. After an error it
// gives zeros, so that the error need be looked at only once, at the end. It
// borrows the message. The zero Reader has nothing left.
type Reader struct {
	// B is what is left, and Err the first error; then nothing is left.
	B   []byte
	Err error
}

// Open checks that a message is of a kind, which is its first byte, and returns
// a reader of what follows.
func Open(b []byte, kind byte) Reader {
	switch {
	case len(b) == 0:
		return Reader{Err: ErrTruncated}
	case b[0] != kind:
		return Reader{Err: ErrMalformed}
	}
	return Reader{B: b[1:]}
}

// Fail notes an error, of which the first counts.
func (r *Reader) Fail(err error) {
	if r.Err == nil {
		r.Err = err
	}
	r.B = nil
}

// Number reads an integer of variable length. One that is too large is
// malformed.
func (r *Reader) Number() uint64 {
	if r.Err != nil {
		return 0
	}
	v, n, err := Parse(r.B)
	if err != nil {
		r.failed(err)
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Count reads an integer that counts what follows, up to a limit.
func (r *Reader) Count(limit int) int {
	n := r.Number()
	if n > uint64(limit) {
		r.Fail(ErrLimit)
		return 0
	}
	return int(n)
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if len(r.B) == 0 {
		r.Fail(ErrTruncated)
		return 0
	}
	c := r.B[0]
	r.B = r.B[1:]
	return c
}

// Uint32 reads four bytes, big-endian.
func (r *Reader) Uint32() uint32 {
	v := uint32(0)
	for range 4 {
		v = v<<8 | uint32(r.Byte())
	}
	return v
}

// Take returns the next n bytes, borrowed.
func (r *Reader) Take(n int) []byte {
	if n > len(r.B) {
		r.Fail(ErrTruncated)
		return nil
	}
	b := r.B[:n:n]
	r.B = r.B[n:]
	return b
}

// Rest returns all that is left, borrowed, and leaves nothing.
func (r *Reader) Rest() []byte {
	b := r.B
	r.B = nil
	return b
}

// Option reads an option or marker; after an error it gives markers.
func (r *Reader) Option() Option {
	if r.Err != nil {
		return Option{Marker: true}
	}
	o, n, err := ParseOption(r.B)
	if err != nil {
		r.failed(err)
		return Option{Marker: true}
	}
	r.B = r.B[n:]
	return o
}

// End returns the first error; what is left is one, too.
func (r *Reader) End() error {
	if r.Err == nil && len(r.B) > 0 {
		r.Err = ErrMalformed
	}
	return r.Err
}

func (r *Reader) failed(err error) {
	if !errors.Is(err, ErrTruncated) {
		err = ErrMalformed
	}
	r.Fail(err)
}
