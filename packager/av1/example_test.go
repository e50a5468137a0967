package av1_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/av1"
)

// A temporal unit is a run of OBUs, each of which says how long it is.
func ExampleSplit() {
	unit := []byte{0x12, 0x00, 0x0a, 0x02, 0x01, 0x02} // a temporal delimiter, a sequence header
	obus, err := av1.Split(nil, unit)
	fmt.Println(len(obus), err, len(av1.TrimTemporalDelimiter(unit)))
	// Output: 2 <nil> 4
}
