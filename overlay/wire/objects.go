package wire

import "github.com/ringcast/ringcast/rtmfp/vlu"

// Range is a run of indexes of objects, both ends included.
type Range struct {
	First, Last uint64
}

// HaveKind says what a have does to what the receiver knows of the sender.
type HaveKind uint8

// The kinds.
const (
	HaveReplace HaveKind = iota // the sender has these and no others
	HaveAdd                     // and these
	HaveRemove                  // these no more
)

// AppendHave appends what objects the sender has, on flow GX 14. Ranges must
// ascend without overlap and end at MaxIndex at most; otherwise, and for more
// than MaxRanges, it panics.
//
//	u8     type 40, 41 to add or 42 to remove
//	range… each: vlu first, less the end of the range before plus one;
//	             vlu length, less one
func AppendHave(b []byte, kind HaveKind, ranges []Range) []byte {
	if len(ranges) > MaxRanges {
		panic("wire: too many ranges in a message")
	}
	b = append(b, TypeHave+byte(kind))
	next := uint64(0)
	for _, r := range ranges {
		if r.First < next || r.Last < r.First || r.Last > MaxIndex {
			panic("wire: ranges of objects are out of order")
		}
		b = vlu.Append(b, r.First-next)
		b = vlu.Append(b, r.Last-r.First)
		next = r.Last + 1
	}
	return b
}

// ParseHave appends the ranges of a have of any kind to dst. They ascend
// without overlap; adjacent ones are possible.
func ParseHave(dst []Range, b []byte) (ranges []Range, kind HaveKind, err error) {
	c, ok := Kind(b)
	switch {
	case !ok:
		return dst, 0, ErrTruncated
	case c < TypeHave || c > TypeHaveRemove:
		return dst, 0, ErrMalformed
	}
	kind = HaveKind(c - TypeHave)
	ranges = dst
	next := uint64(0)
	for r := (reader{vlu.Reader{B: b[1:]}}); len(r.B) > 0; {
		gap, more := r.Number(), r.Number()
		switch {
		case r.Err != nil:
			return dst, 0, r.Err
		case gap > MaxIndex || more > MaxIndex || next+gap+more > MaxIndex:
			return dst, 0, ErrMalformed
		case len(ranges)-len(dst) == MaxRanges:
			return dst, 0, ErrLimit
		}
		ranges = append(ranges, Range{next + gap, next + gap + more})
		next += gap + more + 1
	}
	return ranges, kind, nil
}

// Request asks for an object, on flow GX 14.
//
//	u8  type 48
//	vlu request, chosen by the sender
//	vlu index
type Request struct {
	ID    uint64
	Index uint64
}

// AppendRequest appends a request for an object.
func AppendRequest(b []byte, m Request) []byte {
	return vlu.Append(vlu.Append(append(b, TypeRequest), m.ID), m.Index)
}

// ParseRequest reads a request for an object.
func ParseRequest(b []byte) (Request, error) {
	r := open(b, TypeRequest)
	m := Request{ID: r.Number(), Index: r.Number()}
	if m.Index > MaxIndex {
		r.Fail(ErrMalformed)
	}
	if err := r.End(); err != nil {
		return Request{}, err
	}
	return m, nil
}

// AppendCancel appends that the sender no longer wants the answer to a request,
// on flow GX 14.
//
//	u8  type 49
//	vlu request
func AppendCancel(b []byte, id uint64) []byte { return vlu.Append(append(b, TypeCancel), id) }

// ParseCancel reads the withdrawal of a request.
func ParseCancel(b []byte) (id uint64, err error) {
	r := open(b, TypeCancel)
	return r.Number(), r.End()
}

// AppendDeny appends that a request is not answered, on flow GX 14.
//
//	u8  type 4a
//	vlu request
func AppendDeny(b []byte, id uint64) []byte { return vlu.Append(append(b, TypeDeny), id) }

// ParseDeny reads the denial of a request.
func ParseDeny(b []byte) (id uint64, err error) {
	r := open(b, TypeDeny)
	return r.Number(), r.End()
}

// Object answers a request, on flow GX 15.
//
//	u8  type 4c
//	vlu request
//	vlu index
//	u8  value[…], an AMF0 value
type Object struct {
	Request uint64
	Index   uint64
	// Value is the object as it was added; parsed ones borrow it.
	Value []byte
}

// AppendObject appends an object. A value longer than MaxObjectLen is a caller
// error and panics.
func AppendObject(b []byte, m Object) []byte {
	if len(m.Value) > MaxObjectLen {
		panic("wire: object is too long")
	}
	b = vlu.Append(vlu.Append(append(b, TypeObject), m.Request), m.Index)
	return append(b, m.Value...)
}

// ParseObject reads an object. It does not look into the value.
func ParseObject(b []byte) (Object, error) {
	r := open(b, TypeObject)
	m := Object{Request: r.Number(), Index: r.Number()}
	switch {
	case r.Err != nil:
	case m.Index > MaxIndex:
		r.Fail(ErrMalformed)
	case len(r.B) == 0:
		r.Fail(ErrTruncated)
	case len(r.B) > MaxObjectLen:
		r.Fail(ErrLimit)
	}
	m.Value = r.Rest()
	if r.Err != nil {
		return Object{}, r.Err
	}
	return m, nil
}
