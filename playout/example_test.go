package playout_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/playout"
	"github.com/ringcast/ringcast/reliability"
)

// Two messages come in the wrong order and go out in the right one.
func ExampleBuffer() {
	b := playout.NewBuffer(playout.BufferParams{Delay: 100 * time.Millisecond, MaxMessages: 100, MaxBytes: 1 << 20})
	now := reliability.Start.Add(time.Second)
	for _, timestamp := range []uint32{0, 40, 20} {
		b.Push(now, packager.NewMessage(packager.MessageVideo, timestamp, []byte{0x27, 1, 0, 0, 0}))
	}
	for b.Len() > 0 {
		now = b.PollTimeout()
		for m, ok := b.Poll(now); ok; m, ok = b.Poll(now) {
			fmt.Println(m.Timestamp)
		}
	}
	// Output:
	// 0
	// 20
	// 40
}
