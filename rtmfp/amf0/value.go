package amf0

// Kind is what a [Value] holds.
type Kind uint8

// The kinds of values. References and recordsets are not supported, as no
// live sender uses them.
const (
	KindUndefined Kind = iota
	KindNull
	KindNumber
	KindBool
	KindString // also long strings and XML documents
	KindObject // also typed objects, whose class name is dropped
	KindECMAArray
	KindStrictArray
	KindDate
	// KindAMF3 is a value that follows an AMF3 switch (marker 17); it is kept
	// as undecoded bytes in String and takes the rest of the input.
	KindAMF3
)

// Value is one AMF0 value. The zero Value is undefined.
type Value struct {
	Kind Kind
	// Number is the value of a number, or milliseconds since 1970 of a date.
	Number float64
	Bool   bool
	String string
	// Properties are those of an object or ECMA array, in order.
	Properties []Property
	// Elements are those of a strict array.
	Elements []Value
}

// Property is a named value of an object or ECMA array.
type Property struct {
	Name  string
	Value Value
}

// Get returns the property of that name, or an undefined value and false. Of
// several with one name the last counts.
func (v Value) Get(name string) (Value, bool) {
	for i := len(v.Properties) - 1; i >= 0; i-- {
		if v.Properties[i].Name == name {
			return v.Properties[i].Value, true
		}
	}
	return Value{}, false
}

// Text returns the string property of that name, or "".
func (v Value) Text(name string) string {
	p, _ := v.Get(name)
	return p.String
}

// IsObject reports whether v has properties: an object or an ECMA array.
func (v Value) IsObject() bool { return v.Kind == KindObject || v.Kind == KindECMAArray }

// Number returns a number value.
func Number(n float64) Value { return Value{Kind: KindNumber, Number: n} }

// Bool returns a boolean value.
func Bool(b bool) Value { return Value{Kind: KindBool, Bool: b} }

// String returns a string value.
func String(s string) Value { return Value{Kind: KindString, String: s} }

// Null returns the null value.
func Null() Value { return Value{Kind: KindNull} }

// Object returns an object with these properties.
func Object(properties ...Property) Value { return Value{Kind: KindObject, Properties: properties} }

// ECMAArray returns an ECMA array with these properties.
func ECMAArray(properties ...Property) Value {
	return Value{Kind: KindECMAArray, Properties: properties}
}

// StrictArray returns an array of these elements.
func StrictArray(elements ...Value) Value { return Value{Kind: KindStrictArray, Elements: elements} }
