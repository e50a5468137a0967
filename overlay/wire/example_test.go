package wire_test

import (
	"fmt"

	"github.com/ringcast/ringcast/overlay/wire"
)

// A member proves that it knows the groupspec, and the other end checks it.
func Example() {
	const identity = "G:0101010c050e74657374" // of groupspec.Spec.Identity
	nonce := []byte("known to both ends of one session alone")
	message := wire.AppendConnect(nil, wire.Connect{
		Group:    [32]byte{1, 2, 3}, // of groupspec.Spec.ID
		Proof:    wire.Proof(identity, nonce),
		Receiver: [32]byte{7},
		Caps:     1 << 3,
	})
	c, err := wire.ParseConnect(message)
	fmt.Println(len(message), err, wire.CheckProof(identity, nonce, c.Proof), c.Caps)
	// Output: 142 <nil> true 8
}
