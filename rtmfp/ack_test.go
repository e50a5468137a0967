package rtmfp_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ringcast/ringcast/rtmfp"
	"github.com/ringcast/ringcast/rtmfp/profile"
	"github.com/ringcast/ringcast/rtmfp/vnet"
)

// A sparse stream between our own nodes costs fewer acknowledgements than RFC
// 7016 has for others, and the sender still learns of each message within the
// 200 ms that one may take.
func TestOwnAcknowledgementsAreFewer(t *testing.T) {
	const messages = 60
	// acks returns how many packets come back for as many messages, 45 ms apart.
	acks := func(ours bool) uint64 {
		n := vnet.New(1)
		link := vnet.LinkParams{Delay: 10 * time.Millisecond}
		server := newModernNode(t, n, nil, "192.0.2.1:1935", profile.NodeOptions{Server: true, HardwareAES: true}, link)
		var sender *node
		if ours {
			sender = newModernNode(t, n, nil, "192.0.2.2:1000", profile.NodeOptions{HardwareAES: true}, link)
		} else {
			sender = newNode(t, n, nil, "192.0.2.3:1000", false, link)
		}
		s := connect(t, sender, server, serverURI)
		if s.IsOwn() != ours {
			t.Fatalf("own %v, want %v", s.IsOwn(), ours)
		}
		var f *rtmfp.SendFlow
		sender.do(func(now rtmfp.Instant) {
			var err error
			if f, err = s.OpenFlow(now, rtmfp.FlowConfig{Metadata: []byte("stream")}); err != nil {
				t.Fatal(err)
			}
		})
		n.Run(time.Second)
		before := server.Stats().Sent
		for i := range messages {
			var r rtmfp.Receipt
			sender.do(func(now rtmfp.Instant) { _ = f.Write(now, bytes.Repeat([]byte{byte(i)}, 900), &r) })
			if i%10 == 9 {
				n.Run(300 * time.Millisecond) // there, 200 ms, and back
				if !r.Delivered() {
					t.Errorf("message %d is not known to have arrived after 300 ms", i)
				}
				continue
			}
			n.Run(45 * time.Millisecond)
		}
		return server.Stats().Sent - before
	}
	foreign, own := acks(false), acks(true)
	if foreign < messages/2 {
		t.Errorf("%d acknowledgements for %d messages of another make: it is owed one for two", foreign, messages)
	}
	if own > messages/3 {
		t.Errorf("%d acknowledgements for %d messages of our own: want a third at most", own, messages)
	}
}
