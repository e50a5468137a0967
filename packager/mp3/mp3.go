package mp3

import "errors"

// ErrHeader is returned for bytes that are no layer III header.
var ErrHeader = errors.New("no MPEG audio layer III header")

// HeaderLen is the length of a frame header.
const HeaderLen = 4

// Header is what a frame header says.
type Header struct {
	SampleRate, Channels int
	// Samples is the number of samples of a frame: 1152, or 576 below 32 kHz.
	Samples int
	// Size is the length of the frame in bytes with its header, 0 for free
	// format.
	Size int
}

var (
	bitrates1 = [...]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	bitrates2 = [...]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

// ParseHeader reads the header at the start of a frame.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return Header{}, ErrHeader
	}
	version, layer := b[1]>>3&3, b[1]>>1&3
	bitrate, rate := int(b[2]>>4), int(b[2]>>2&3)
	if version == 1 || layer != 1 || bitrate == 15 || rate == 3 {
		return Header{}, ErrHeader
	}
	h := Header{SampleRate: [...]int{44100, 48000, 32000}[rate], Channels: 2, Samples: 1152}
	kbits := bitrates1[bitrate]
	if version != 3 { // MPEG-2 halves the rate, MPEG-2.5 once more
		h.Samples, kbits = 576, bitrates2[bitrate]
		h.SampleRate >>= 1
		if version == 0 {
			h.SampleRate >>= 1
		}
	}
	if b[3]>>6 == 3 {
		h.Channels = 1
	}
	if kbits > 0 {
		h.Size = h.Samples/8*kbits*1000/h.SampleRate + int(b[2]>>1&1)
	}
	return h, nil
}
