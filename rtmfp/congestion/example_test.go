package congestion_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/rtmfp/congestion"
)

// The retransmission timeout follows the round trips and grows while nothing
// is heard.
func ExampleRTT() {
	rtt := congestion.NewRTT()
	for range 20 {
		rtt.Update(80 * time.Millisecond)
	}
	smoothed, _ := rtt.Smoothed()
	before := rtt.ERTO()
	rtt.BackOff()
	fmt.Println(smoothed, rtt.ERTO() > before)
	// Output: 80ms true
}
