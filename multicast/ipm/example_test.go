package ipm_test

import (
	"crypto/rand"
	"fmt"

	"github.com/ringcast/ringcast/multicast/ipm"
	"github.com/ringcast/ringcast/reliability"
)

// A publisher sends a fragment to its LAN; a member of the group receives it,
// and nobody else can.
func Example() {
	const identity = "G:027f0201010103010c050e74657374011b"
	publisher, viewer := [32]byte{1}, [32]byte{2}
	sender := ipm.NewSender(ipm.SenderConfig{
		Keys: ipm.KeysOf(identity), Self: ipm.TagOf(publisher), FirstSequence: 1, Entropy: rand.Reader, DatagramSize: ipm.DefaultDatagramSize,
	})
	sender.AddFragment(ipm.KeyPrefix{0xa0, 0xa1}, []byte("fragment"))

	receiver := ipm.NewReceiver(ipm.KeysOf(identity), ipm.TagOf(viewer))
	stranger := ipm.NewReceiver(ipm.KeysOf("G:010101050e6f74686572"), ipm.TagOf(viewer))
	buffer := make([]byte, ipm.MaxDatagram)
	for n, _, ok := sender.PollTransmit(buffer); ok; n, _, ok = sender.PollTransmit(buffer) {
		if _, err := stranger.Open(reliability.Start, buffer[:n]); err != nil {
			fmt.Println("stranger:", err)
		}
		packet, err := receiver.Open(reliability.Start, buffer[:n])
		if err != nil {
			panic(err)
		}
		for chunk, ok := packet.Next(); ok; chunk, ok = packet.Next() {
			stream, fragment, err := ipm.ParseFragment(chunk.Body)
			fmt.Printf("member: %x %q %v\n", stream[:2], fragment, err)
		}
	}
	// Output:
	// stranger: ipm: datagram of another group
	// member: a0a1 "fragment" <nil>
}
