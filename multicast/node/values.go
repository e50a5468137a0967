package node

import (
	"errors"
	"fmt"

	owire "github.com/ringcast/ringcast/overlay/wire"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// Value is what posts and routed messages carry: a string (amf0.String), bytes
// (amf0.Bytes), a number, or an object with named properties. Members of all
// makes understand them.
type Value = amf0.Value

// valueLimits bound the values of others.
var valueLimits = amf0.Limits{Depth: 16, Values: 4096, String: owire.MaxPostLen}

// errValue means that what came is not a value.
var errValue = errors.New("node: not an AMF0 value")

// parseValue reads a value of another member.
func parseValue(b []byte) (Value, error) {
	v, n, err := valueLimits.Parse(b)
	if err != nil || n != len(b) {
		return Value{}, fmt.Errorf("%w: %w", errValue, err)
	}
	return v, nil
}

func appendValue(v Value) []byte { return amf0.Append(nil, v) }
