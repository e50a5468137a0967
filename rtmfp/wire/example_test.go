package wire_test

import (
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/wire"
)

// A piece of a message, as a chunk of a packet.
func ExampleAppendUserData() {
	b := wire.AppendUserData(nil, &wire.UserData{FlowID: 2, SequenceNumber: 7, ForwardSequenceNumber: 6, Data: []byte("hello")})
	chunk, n, ok := wire.ParseChunk(b)
	fmt.Println(n == len(b), ok, wire.TypeName(chunk.Type))
	u, err := wire.ParseUserData(chunk.Payload)
	fmt.Println(u.FlowID, u.SequenceNumber, string(u.Data), err)
	// Output:
	// true true UserData
	// 2 7 hello <nil>
}
