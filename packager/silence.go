package packager

import (
	"time"

	"github.com/ringcast/ringcast/packager/aac"
	"github.com/ringcast/ringcast/packager/mp3"
	"github.com/ringcast/ringcast/packager/opus"
)

// SilentUnit returns an access unit of an audio track that decodes to silence
// and its length in samples at SampleRate; nil if none can be made.
func (t Track) SilentUnit() (unit []byte, samples int64) {
	switch t.Codec {
	case CodecAAC:
		if c, err := aac.ParseConfig(t.Config); err == nil {
			return c.SilentUnit(), int64(c.Samples())
		}
	case CodecMP3:
		// A frame whose side information is zero has no spectrum.
		if h, err := mp3.ParseHeader(t.Config); err == nil && h.Size > mp3.HeaderLen {
			unit = make([]byte, h.Size)
			copy(unit, t.Config[:mp3.HeaderLen])
			unit[1] |= 1 // no checksum
			return unit, int64(h.Samples)
		}
	case CodecOpus:
		if t.Channels > 2 {
			return nil, 0
		}
		return opus.SilentPacket(t.Channels), ToScale(20*time.Millisecond, opus.ClockRate)
	}
	return nil, 0
}
