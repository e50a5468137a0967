package vlu

// Option is a typed value (RFC 7016 section 2.1.3).
//
//	vlu length of what follows; 0 is a Marker, with neither type nor value
//	vlu type
//	u8  value[…]
type Option struct {
	Type uint64
	// Value is borrowed from the bytes that were parsed.
	Value []byte
	// Marker is set for the empty option that ends a list.
	Marker bool
}

// AppendOption appends an option with the type and value.
func AppendOption(b []byte, kind uint64, value []byte) []byte {
	b = Append(b, uint64(Len(kind)+len(value)))
	b = Append(b, kind)
	return append(b, value...)
}

// AppendNumberOption appends an option whose value is one integer.
func AppendNumberOption(b []byte, kind, value uint64) []byte {
	b = Append(b, uint64(Len(kind)+Len(value)))
	b = Append(b, kind)
	return Append(b, value)
}

// AppendMarker appends the empty option that ends a list.
func AppendMarker(b []byte) []byte { return append(b, 0) }

// ParseOption reads an option or Marker from the start of b and returns it
// with the number of bytes it takes.
func ParseOption(b []byte) (o Option, n int, err error) {
	length, n, err := Parse(b)
	if err != nil {
		return Option{}, 0, err
	}
	if length == 0 {
		return Option{Marker: true}, n, nil
	}
	if length > uint64(len(b)-n) {
		return Option{}, 0, ErrTruncated
	}
	body := b[n : n+int(length)]
	kind, k, err := Parse(body)
	if err != nil {
		return Option{}, 0, err
	}
	return Option{Type: kind, Value: body[k:]}, n + len(body), nil
}
