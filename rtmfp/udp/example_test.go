package udp_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/udp"
)

// A server and a client over UDP: the client sends a message and waits until
// it has come.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	// start binds a socket on the loopback and runs an endpoint on it until
	// ctx is done. handle gets its events, one at a time.
	start := func(server bool, handle func(now rtmfp.Instant, e rtmfp.Event)) (*rtmfp.Endpoint, *udp.Driver) {
		p, err := profile.NewFlash(profile.FlashConfig{Server: server, Entropy: rand.Reader})
		if err != nil {
			panic(err)
		}
		e, err := rtmfp.NewEndpoint(rtmfp.Config{Params: rtmfp.DefaultParams(), Profile: p, Entropy: rand.Reader})
		if err != nil {
			panic(err)
		}
		config := udp.DefaultConfig()
		config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		driver, err := udp.Listen(config)
		if err != nil {
			panic(err)
		}
		driver.Attach(e, func(now rtmfp.Instant) (any bool) {
			for event, ok := e.PollEvent(); ok; event, ok = e.PollEvent() {
				handle(now, event)
				any = true
			}
			return any
		})
		go func() { _ = driver.Run(ctx) }()
		return e, driver
	}

	heard := make(chan string, 1)
	_, server := start(true, func(_ rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.MessageReceived {
			heard <- string(e.Data)
		}
	})
	client, driver := start(false, func(now rtmfp.Instant, e rtmfp.Event) {
		if e.Kind == rtmfp.SessionOpened {
			if f, err := e.Session.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("greetings")}); err == nil {
				_ = f.Write(now, []byte("hello over UDP"), nil)
			}
		}
	})
	// From outside, an endpoint is only touched within Do.
	err := driver.Do(func(now rtmfp.Instant) {
		if _, err := client.Open(now, profile.ServerEPD("rtmfp://localhost/"), server.LocalAddrs()); err != nil {
			fmt.Println(err)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)
	// Output:
	// hello over UDP
}
