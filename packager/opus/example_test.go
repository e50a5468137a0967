package opus_test

import (
	"fmt"

	"github.com/ringcast/ringcast/packager/opus"
)

// A packet says how long it plays.
func Example() {
	h := opus.Head{Channels: 2, PreSkip: 312, InputRate: 48000}
	again, err := opus.ParseHead(h.Append(nil))
	fmt.Println(again.Channels, again.PreSkip, err, opus.Duration(opus.SilentPacket(2)))
	// Output: 2 312 <nil> 20ms
}
