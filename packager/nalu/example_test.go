package nalu_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/nalu"
)

// From start codes to lengths.
func Example() {
	annexB := []byte{0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce}
	units, err := nalu.SplitAnnexB(nil, annexB)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("% x\n", nalu.AppendLengthPrefixed(nil, units...))
	// Output: 00 00 00 02 67 42 00 00 00 02 68 ce
}
