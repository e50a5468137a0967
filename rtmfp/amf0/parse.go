package amf0

import (
	"encoding/binary"
	"errors"
	"math"
)

// Errors of [Parse].
var (
	ErrTruncated   = errors.New("amf0: value is cut off")
	ErrMarker      = errors.New("amf0: unknown or unsupported type marker")
	ErrTooDeep     = errors.New("amf0: values are nested too deep")
	ErrTooMany     = errors.New("amf0: too many values")
	ErrStringLimit = errors.New("amf0: string is too long")
)

// Limits bound what a peer's bytes can make the parser do.
type Limits struct {
	// Depth is how deep values may be nested, Values how many there may be
	// in all, String how long one string may be in bytes.
	Depth, Values, String int
}

// DefaultLimits fit commands and metadata: real ones have a few dozen values
// and are nested three deep.
func DefaultLimits() Limits { return Limits{Depth: 16, Values: 1024, String: 64 << 10} }

// Parse reads the value at the start of b under the default limits and returns
// it with the number of bytes it took.
func Parse(b []byte) (v Value, n int, err error) {
	return DefaultLimits().Parse(b)
}

// ParseAll reads values until b is used up.
func ParseAll(b []byte) ([]Value, error) {
	p := parser{rest: b, limits: DefaultLimits()}
	var all []Value
	for len(p.rest) > 0 {
		v, err := p.value(0)
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Parse reads the value at the start of b and returns it with the number of
// bytes it took. The value shares nothing with b.
func (l Limits) Parse(b []byte) (v Value, n int, err error) {
	p := parser{rest: b, limits: l}
	v, err = p.value(0)
	return v, len(b) - len(p.rest), err
}

type parser struct {
	rest   []byte
	limits Limits
	values int
}

func (p *parser) take(n int) ([]byte, error) {
	if n > len(p.rest) {
		return nil, ErrTruncated
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b, nil
}

func (p *parser) value(depth int) (Value, error) {
	if depth > p.limits.Depth {
		return Value{}, ErrTooDeep
	}
	if p.values++; p.values > p.limits.Values {
		return Value{}, ErrTooMany
	}
	marker, err := p.take(1)
	if err != nil {
		return Value{}, err
	}
	switch marker[0] {
	case markerNumber:
		n, err := p.number()
		return Number(n), err
	case markerBool:
		b, err := p.take(1)
		return Value{Kind: KindBool, Bool: err == nil && b[0] != 0}, err
	case markerString:
		s, err := p.text(2)
		return String(s), err
	case markerLongString, markerXML:
		s, err := p.text(4)
		return String(s), err
	case markerNull:
		return Null(), nil
	case markerUndefined, markerUnsupported:
		return Value{}, nil
	case markerDate:
		n, err := p.number()
		if err == nil {
			_, err = p.take(2)
		}
		return Value{Kind: KindDate, Number: n}, err
	case markerAMF3:
		rest, _ := p.take(len(p.rest))
		return Value{Kind: KindAMF3, String: string(rest)}, nil
	}
	return p.compound(marker[0], depth)
}

// compound reads what holds other values.
func (p *parser) compound(marker byte, depth int) (Value, error) {
	switch marker {
	case markerTypedObject:
		if _, err := p.text(2); err != nil {
			return Value{}, err
		}
		fallthrough
	case markerObject:
		properties, err := p.properties(depth)
		return Object(properties...), err
	case markerECMAArray:
		// The count is only a hint: senders write too many or too few.
		if _, err := p.take(4); err != nil {
			return Value{}, err
		}
		properties, err := p.properties(depth)
		return ECMAArray(properties...), err
	case markerStrictArray:
		count, err := p.take(4)
		if err != nil {
			return Value{}, err
		}
		n := binary.BigEndian.Uint32(count)
		if int64(n) > int64(p.limits.Values) {
			return Value{}, ErrTooMany
		}
		v := Value{Kind: KindStrictArray}
		for range n {
			element, err := p.value(depth + 1)
			if err != nil {
				return Value{}, err
			}
			v.Elements = append(v.Elements, element)
		}
		return v, nil
	}
	return Value{}, ErrMarker
}

func (p *parser) properties(depth int) ([]Property, error) {
	var list []Property
	for {
		name, err := p.text(2)
		if err != nil {
			return nil, err
		}
		if name == "" && len(p.rest) > 0 && p.rest[0] == markerObjectEnd {
			p.rest = p.rest[1:]
			return list, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, Property{name, v})
	}
}

func (p *parser) number() (float64, error) {
	b, err := p.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

// text reads a string behind a length of 2 or 4 bytes.
func (p *parser) text(lengthBytes int) (string, error) {
	b, err := p.take(lengthBytes)
	if err != nil {
		return "", err
	}
	var n uint32
	for _, c := range b {
		n = n<<8 | uint32(c)
	}
	if int64(n) > int64(p.limits.String) {
		return "", ErrStringLimit
	}
	b, err = p.take(int(n))
	return string(b), err
}
