package amf0

import (
	"encoding/binary"
	"math"
)

// Type markers, AMF 0 specification section 2.1.
const (
	markerNumber      = 0
	markerBool        = 1
	markerString      = 2
	markerObject      = 3
	markerNull        = 5
	markerUndefined   = 6
	markerReference   = 7
	markerECMAArray   = 8
	markerObjectEnd   = 9
	markerStrictArray = 10
	markerDate        = 11
	markerLongString  = 12
	markerUnsupported = 13
	markerXML         = 15
	markerTypedObject = 16
	markerAMF3        = 17
)

// Append appends the encoding of each value to b and returns the extended
// slice. Property names longer than 65,535 bytes are cut.
func Append(b []byte, values ...Value) []byte {
	for _, v := range values {
		b = appendValue(b, v)
	}
	return b
}

func appendValue(b []byte, v Value) []byte {
	switch v.Kind {
	case KindNull:
		return append(b, markerNull)
	case KindNumber:
		return AppendNumber(b, v.Number)
	case KindBool:
		if v.Bool {
			return append(b, markerBool, 1)
		}
		return append(b, markerBool, 0)
	case KindString:
		return AppendString(b, v.String)
	case KindObject:
		return appendProperties(append(b, markerObject), v.Properties)
	case KindECMAArray:
		b = binary.BigEndian.AppendUint32(append(b, markerECMAArray), uint32(len(v.Properties)))
		return appendProperties(b, v.Properties)
	case KindStrictArray:
		b = binary.BigEndian.AppendUint32(append(b, markerStrictArray), uint32(len(v.Elements)))
		return Append(b, v.Elements...)
	case KindDate:
		b = binary.BigEndian.AppendUint64(append(b, markerDate), math.Float64bits(v.Number))
		return append(b, 0, 0) // the time zone is reserved and always 0
	case KindAMF3:
		return append(append(b, markerAMF3), v.String...)
	}
	return append(b, markerUndefined)
}

// AppendNumber appends a number.
func AppendNumber(b []byte, n float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, markerNumber), math.Float64bits(n))
}

// AppendString appends a string, as a long string if it needs that.
func AppendString(b []byte, s string) []byte {
	if len(s) > math.MaxUint16 {
		b = binary.BigEndian.AppendUint32(append(b, markerLongString), uint32(len(s)))
		return append(b, s...)
	}
	return appendName(append(b, markerString), s)
}

func appendName(b []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendProperties(b []byte, properties []Property) []byte {
	for _, p := range properties {
		b = appendValue(appendName(b, p.Name), p.Value)
	}
	return append(b, 0, 0, markerObjectEnd)
}
