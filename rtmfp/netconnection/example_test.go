package netconnection_test

import (
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/amf0"
	"github.com/ringcast/ringcast/rtmfp/netconnection"
)

// A command as it goes over the control flow, and read again.
func ExampleAppendCommand() {
	call := netconnection.AppendCommand(nil, netconnection.Command{
		Name: "setPeerInfo", Args: []amf0.Value{amf0.Null(), amf0.String("192.0.2.7:1935")},
	})
	b := netconnection.AppendMessage(nil, netconnection.Message{Type: 20, Payload: call})
	m, err := netconnection.ParseMessage(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := netconnection.ParseCommand(m)
	fmt.Println(c.Name, len(c.Args), err)
	// Output: setPeerInfo 2 <nil>
}
