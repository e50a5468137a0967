package vnet_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// ear prints what arrives.
type ear struct{}

func (ear) HandleArrival(now reliability.Time, from, to netip.AddrPort, data []byte) {
	fmt.Printf("%v: %s hears %q\n", now.Sub(reliability.Start), to, data)
}
func (ear) HandleWake(reliability.Time) {}

// Two hosts with a slow line between them.
func Example() {
	network := vnet.New(1)
	line := vnet.LinkParams{Delay: 30 * time.Millisecond}
	here, there := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:1935")
	sender, receiver := network.AddHost(), network.AddHost()
	if err := sender.AddInterface(nil, here, line, line); err != nil {
		fmt.Println(err)
	}
	if err := receiver.AddInterface(nil, there, line, line); err != nil {
		fmt.Println(err)
	}
	receiver.SetReceiver(ear{})
	sender.Send(here, there, []byte("hello"))
	network.Run(time.Second)
	// Output:
	// 60ms: 192.0.2.2:1935 hears "hello"
}
