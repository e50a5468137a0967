package rtmfp_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// Two endpoints on a virtual network: one opens a session and a flow and says
// something, the other one answers on a flow of its own.
func Example() {
	network := vnet.New(1)
	link := vnet.LinkParams{Delay: 20 * time.Millisecond, Loss: 0.05}

	// start puts an endpoint onto the network. Its events go to handle, with
	// which it is driven as rtmfp/udp would on a real network.
	start := func(addr string, server bool, handle func(now rtmfp.Instant, e rtmfp.Event)) (*rtmfp.Endpoint, *vnet.Driver) {
		p, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: rand.Reader})
		if err != nil {
			panic(err)
		}
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: rand.Reader})
		if err != nil {
			panic(err)
		}
		host := network.AddHost()
		if err := host.AddInterface(nil, netip.MustParseAddrPort(addr), link, link); err != nil {
			panic(err)
		}
		driver := vnet.Drive(host, e)
		driver.React = func(now rtmfp.Instant) (any bool) {
			for event, ok := e.PollEvent(); ok; event, ok = e.PollEvent() {
				handle(now, event)
				any = true
			}
			return any
		}
		return e, driver
	}

	start("192.0.2.2:1935", true, func(now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.MessageReceived {
			fmt.Printf("the server hears %q on the flow %q\n", e.Data, e.Recv.Metadata())
			answer, err := e.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("answers"), Return: e.Recv})
			if err == nil {
				_ = answer.Write(now, []byte("hello yourself"), nil)
			}
		}
	})
	client, driver := start("192.0.2.1:1000", false, func(now rtmfp.Instant, e rtmfp.Event) {
		switch e.Kind {
		case rtmfp.SessionOpened:
			greetings, err := e.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("greetings")})
			if err == nil {
				_ = greetings.Write(now, []byte("hello"), nil)
			}
		case rtmfp.MessageReceived:
			fmt.Printf("the client hears %q\n", e.Data)
			e.Session.Close(now)
		}
	})
	driver.Do(func(now rtmfp.Instant) {
		_, err := client.Open(now, profile.ServerEPD("rtmfp://example.com/"), []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:1935")})
		if err != nil {
			fmt.Println(err)
		}
	})
	network.Run(time.Minute)
	// Output:
	// the server hears "hello" on the flow "greetings"
	// the client hears "hello yourself"
}

// Messages that are only worth something for a while, and only with the one
// that they build on.
func ExampleReceipt() {
	send := func(now rtmfp.Instant, video *rtmfp.SendFlow, keyFrame, nextFrame []byte) error {
		key := &rtmfp.Receipt{FinishBy: now.Add(2 * time.Second)}
		if err := video.Write(now, keyFrame, key); err != nil {
			return err
		}
		next := &rtmfp.Receipt{StartBy: now.Add(500 * time.Millisecond), Parent: key}
		return video.Write(now, nextFrame, next)
	}
	_ = send
}
