package amf0

// AMF0 has no byte arrays, so they are written as those of AMF3 behind the
// switch to it (AMF 3 specification section 3.14):
//
//	u8  11  switch to AMF3
//	u8  0c  byte array
//	u29 length of the bytes, times two, plus one
//	u8  bytes[…]
const markerByteArray = 0x0c

// MaxBytes is the longest byte array, in bytes.
const MaxBytes = 1<<28 - 1

// AppendBytesHead appends what comes before the n bytes of a byte array. More
// than MaxBytes is a caller error and panics.
func AppendBytesHead(b []byte, n int) []byte {
	if n > MaxBytes {
		panic("amf0: byte array is too long")
	}
	return appendU29(append(b, markerAMF3, markerByteArray), uint32(n)<<1|1)
}

// AppendBytes appends a byte array.
func AppendBytes(b, data []byte) []byte { return append(AppendBytesHead(b, len(data)), data...) }

// Bytes returns a byte array as a value.
func Bytes(data []byte) Value {
	return Value{Kind: KindAMF3, String: string(AppendBytes(nil, data)[1:])}
}

// Bytes returns the bytes of a byte array, or of a string, and false for all
// other values.
func (v Value) Bytes() ([]byte, bool) {
	switch v.Kind {
	case KindString:
		return []byte(v.String), true
	case KindAMF3:
		return parseByteArray([]byte(v.String))
	}
	return nil, false
}

// ParseBytes returns the bytes of a value that is a byte array or a string and
// nothing else, and reports whether b is one. They are borrowed from b, which
// may be large.
func ParseBytes(b []byte) (data []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	switch b[0] {
	case markerAMF3:
		return parseByteArray(b[1:])
	case markerString:
		return parseText(b[1:], 2)
	case markerLongString:
		return parseText(b[1:], 4)
	}
	return nil, false
}

func parseText(b []byte, lengthBytes int) ([]byte, bool) {
	if len(b) < lengthBytes {
		return nil, false
	}
	n := 0
	for _, c := range b[:lengthBytes] {
		n = n<<8 | int(c)
	}
	b = b[lengthBytes:]
	return b, n == len(b)
}

func parseByteArray(b []byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != markerByteArray {
		return nil, false
	}
	n, size := parseU29(b[1:])
	if size == 0 || n&1 == 0 { // even numbers refer to an array before
		return nil, false
	}
	b = b[1+size:]
	return b, int(n>>1) == len(b)
}

// appendU29 appends a number of up to 29 bits: seven in each byte, the highest
// first, eight in the fourth.
func appendU29(b []byte, n uint32) []byte {
	switch {
	case n < 1<<7:
		return append(b, byte(n))
	case n < 1<<14:
		return append(b, byte(n>>7)|0x80, byte(n)&0x7f)
	case n < 1<<21:
		return append(b, byte(n>>14)|0x80, byte(n>>7)|0x80, byte(n)&0x7f)
	}
	return append(b, byte(n>>22)|0x80, byte(n>>15)|0x80, byte(n>>8)|0x80, byte(n))
}

// parseU29 returns the number at the start of b and its size, 0 if b is cut off.
func parseU29(b []byte) (n uint32, size int) {
	for i, c := range b {
		if i == 3 {
			return n<<8 | uint32(c), 4
		}
		n = n<<7 | uint32(c&0x7f)
		if c&0x80 == 0 {
			return n, i + 1
		}
	}
	return 0, 0
}
