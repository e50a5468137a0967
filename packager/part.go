package packager

import "time"

const (
	// slowestFrame and quickestFrame bound the frame by which the length of
	// parts is chosen; others tell nothing about the stream.
	slowestFrame  = 500 * time.Millisecond
	quickestFrame = 2 * time.Millisecond
	// partSlack is what rounding to milliseconds can add to a part.
	partSlack = 2 * time.Millisecond
)

// LongestPart chooses the longest partial segment of a stream once for all: a
// whole number of frames that fits into the wanted length. Timestamps are
// rounded to a millisecond, so what a frame seems to last may be off by one;
// the rate that the stream states, 0 if it does not, is better if it agrees.
func LongestPart(wanted, frame time.Duration, rate float64) time.Duration {
	if frame < quickestFrame || frame > slowestFrame {
		return wanted + partSlack
	}
	slack := time.Millisecond // for each frame
	if rate > 0 {
		stated := time.Duration(float64(time.Second) / rate)
		if d := stated - frame; d > -time.Millisecond && d < time.Millisecond {
			frame, slack = stated, 0
		}
	}
	n := max(1, (wanted+time.Millisecond)/frame)
	return n*(frame+slack) + partSlack
}

// frameMeter finds the frame by which parts are chosen: the distance of the
// first two pictures or, without video, the length of the first audio unit.
type frameMeter struct {
	frame time.Duration // 0 until known
	first time.Duration
	seen  bool
}

func (f *frameMeter) picture(dts time.Duration) {
	switch {
	case f.frame != 0:
	case !f.seen:
		f.first, f.seen = dts, true
	default:
		f.frame = min(max(dts-f.first, 1), maxFrame)
	}
}

// maxFrame is what longer frames count as: nothing regular.
const maxFrame = 20 * time.Second
