package h265_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/h265"
)

// A unit's type is in its first byte.
func ExampleTypeOf() {
	idr := []byte{0x26, 0x01, 0xaf}
	fmt.Println(h265.TypeOf(idr), h265.IsKey(append([]byte{0, 0, 0, 3}, idr...)))
	// Output: 19 true
}
