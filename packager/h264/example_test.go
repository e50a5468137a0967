package h264_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/h264"
)

// An access unit with a picture that can be decoded by itself.
func ExampleIsKey() {
	unit := []byte{0, 0, 0, 2, 0x09, 0xf0, 0, 0, 0, 3, 0x65, 0x88, 0x84}
	units, err := h264.Units(nil, unit)
	fmt.Println(len(units), h264.TypeOf(units[1]), h264.IsKey(unit), err)
	// Output: 2 5 true <nil>
}
