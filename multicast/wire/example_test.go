package wire_test

import (
	"fmt"

	"github.com/ringcast/ringcast/fragmenter"
	"github.com/ringcast/ringcast/multicast/wire"
)

// A node looks for a parent for slice 3, and gets one.
func Example() {
	request := wire.AppendRequest(nil, wire.Request{Slice: 3, Start: 300, Value: wire.ValueOf(2.5), Urgent: true})
	fmt.Printf("%s: %x\n", wire.TypeName(request[0]), request)

	m, err := wire.ParseRequest(request)
	if err != nil {
		panic(err)
	}
	accept := wire.Accept{Slice: m.Slice, Start: m.Start}
	accept.Ancestors.Add(0xb899)
	answer := wire.AppendAccept(nil, &accept)
	fmt.Printf("%s: %x\n", wire.TypeName(answer[0]), answer)

	// The child pulls what the parent does not hold any more.
	fmt.Printf("%x\n", wire.AppendPullList(nil, []fragmenter.ID{283, 291, 299}))
	// Output:
	// Request: 6103822c0a01
	// Accept: 6203822c0001b899
	// 6703821b0707
}
