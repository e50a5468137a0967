package vlu

import (
	"bytes"
	"errors"
	"testing"
)

// A message is read field by field, to its end.
func TestReader(t *testing.T) {
	b := Append([]byte{7, 9, 1, 2, 3, 4}, 300)
	b = append(AppendMarker(AppendOption(Append(b, 2), 5, []byte("hi"))), "rest"...)
	r := Open(b, 7)
	if c, v, n, k := r.Byte(), r.Uint32(), r.Number(), r.Count(2); c != 9 || v != 0x01020304 || n != 300 || k != 2 {
		t.Errorf("reads %d, %#x, %d, %d", c, v, n, k)
	}
	if o := r.Option(); o.Type != 5 || string(o.Value) != "hi" || o.Marker {
		t.Errorf("option %+v", o)
	}
	if o := r.Option(); !o.Marker {
		t.Errorf("marker %+v", o)
	}
	if taken := r.Take(2); string(taken) != "re" || cap(taken) != 2 {
		t.Errorf("takes %q with room for %d", taken, cap(taken))
	}
	if !errors.Is(r.End(), ErrMalformed) {
		t.Error("what is left is no error")
	}
	r = Reader{B: []byte("st")}
	if !bytes.Equal(r.Rest(), []byte("st")) || r.End() != nil {
		t.Errorf("the rest gives %v", r.Err)
	}
}

// The first error stays, and nothing but zeros comes after it.
func TestReaderErrors(t *testing.T) {
	huge := append(bytes.Repeat([]byte{0xff}, 10), 0)
	for name, c := range map[string]struct {
		read func(r *Reader)
		b    []byte
		want error
	}{
		"no byte":        {func(r *Reader) { r.Byte() }, nil, ErrTruncated},
		"few bytes":      {func(r *Reader) { r.Take(3) }, []byte{1, 2}, ErrTruncated},
		"half a number":  {func(r *Reader) { r.Number() }, []byte{0x81}, ErrTruncated},
		"a huge number":  {func(r *Reader) { r.Number() }, huge, ErrMalformed},
		"a high count":   {func(r *Reader) { r.Count(3) }, []byte{4}, ErrLimit},
		"half an option": {func(r *Reader) { r.Option() }, []byte{5, 1}, ErrTruncated},
	} {
		r := Reader{B: c.b}
		c.read(&r)
		r.Fail(errors.New("another one"))
		if r.Number() != 0 || r.Byte() != 0 || r.Take(1) != nil || r.Uint32() != 0 || r.Count(9) != 0 || !r.Option().Marker || len(r.Rest()) != 0 {
			t.Errorf("%s: something comes after the error", name)
		}
		if !errors.Is(r.End(), c.want) {
			t.Errorf("%s: %v, want %v", name, r.Err, c.want)
		}
	}
	for _, b := range [][]byte{nil, {8}} {
		if r := Open(b, 7); r.Err == nil {
			t.Errorf("%x is a message of kind 7", b)
		}
	}
}
