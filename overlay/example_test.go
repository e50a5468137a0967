package overlay_test

import (
	"fmt"

	"github.com/ringcast/ringcast/overlay"
)

// A member's place on the ring follows from its ID, and that from its keys: it
// cannot be chosen.
func ExamplePeerID_Address() {
	var id overlay.PeerID
	id[0] = 1
	a := id.Address()
	half := overlay.Fraction(1)
	fmt.Println(a.String()[:16], half.String()[:16])
	again, err := overlay.ParseAddress(a.String())
	fmt.Println(again == a, err)
	// Output:
	// 0068bd6fcee5beb6 8000000000000000
	// true <nil>
}
