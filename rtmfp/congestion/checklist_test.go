package congestion

import "testing"

// TestChecklist goes through the points of the list in the comment of package
// rtmfp that are arithmetic of times and windows.
func TestChecklist(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"42 timeouts", TestRTTVectors},
		{"71 window", TestWindowTrace},
		{"73 yielding", checkYielding},
	} {
		t.Run(point.name, point.test)
	}
}

// Told to yield, a window grows by no more than half a percent or 384 bytes in
// a round trip, as long as its own session does not send time-critical data.
func checkYielding(t *testing.T) {
	for _, window := range []int{4380, 20_000, 100_000, 1_000_000} {
		c := NewController()
		c.window = window
		c.ReverseReceived(0)
		grown := 0
		for acked := 0; acked < window; acked += 1460 {
			before := c.window
			c.HandlePacket(1, Packet{Outstanding: c.window, Acked: 1460, Acks: true}, false)
			grown += c.window - before
		}
		// The last acknowledgement goes a little beyond the round trip.
		if limit := max(window/200, 384) + 24*8; grown > limit || grown == 0 {
			t.Errorf("a window of %d grows by %d in a round trip, want %d at most", window, grown, limit)
		}
	}
}
