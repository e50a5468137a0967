package amf0_test

import (
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// A command as encoders send it.
func Example() {
	b := amf0.Append(nil, amf0.String("connect"), amf0.Number(1), amf0.Object(
		amf0.Property{Name: "app", Value: amf0.String("live")},
	))
	values, err := amf0.ParseAll(b)
	fmt.Println(len(b), len(values), err)
	// Output: 35 3 <nil>
}
