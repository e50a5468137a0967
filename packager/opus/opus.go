package opus

import (
	"encoding/binary"
	"errors"
	"time"
)

// ClockRate is the rate of all Opus timestamps, in hertz.
const ClockRate = 48000

// ErrHead is returned for an identification header that can't be read.
var ErrHead = errors.New("OpusHead is malformed")

// Head is an identification header.
type Head struct {
	Channels int
	// PreSkip is the number of samples to drop at the start, at 48 kHz.
	PreSkip int
	// InputRate is the rate of the original, for information.
	InputRate int
	Gain      int16
	// Family is the channel mapping family, Mapping its table.
	Family  byte
	Mapping []byte
}

// ParseHead reads a header.
func ParseHead(b []byte) (Head, error) {
	if len(b) < 19 || string(b[:8]) != "OpusHead" || b[8]>>4 != 0 || b[9] == 0 {
		return Head{}, ErrHead
	}
	h := Head{
		Channels: int(b[9]), PreSkip: int(binary.LittleEndian.Uint16(b[10:])), InputRate: int(binary.LittleEndian.Uint32(b[12:])),
		Gain: int16(binary.LittleEndian.Uint16(b[16:])), Family: b[18],
	}
	if h.Family == 0 {
		if h.Channels > 2 {
			return Head{}, ErrHead
		}
		return h, nil
	}
	if len(b) < 21+h.Channels {
		return Head{}, ErrHead
	}
	h.Mapping = b[19 : 21+h.Channels : 21+h.Channels]
	return h, nil
}

// Append appends the header.
func (h Head) Append(b []byte) []byte {
	b = append(b, "OpusHead\x01"...)
	b = append(b, byte(h.Channels))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.PreSkip))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.InputRate))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.Gain))
	b = append(b, h.Family)
	return append(b, h.Mapping...)
}

// Duration returns the duration of a packet, 0 if it is malformed.
func Duration(packet []byte) time.Duration {
	if len(packet) == 0 {
		return 0
	}
	frames := 0
	switch packet[0] & 3 {
	case 0:
		frames = 1
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) > 1 {
			frames = int(packet[1] & 0x3f)
		}
	}
	d := time.Duration(frames) * frameDuration(packet[0]>>3)
	if d > 120*time.Millisecond {
		return 0
	}
	return d
}

func frameDuration(config byte) time.Duration {
	switch {
	case config < 12: // SILK
		return [...]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid
		return [...]time.Duration{10, 20}[config&1] * time.Millisecond
	}
	return 2500 * time.Microsecond << (config & 3) // CELT
}

// SilentPacket returns a packet of 20 ms (RFC 6716 section 3.1: CELT, full
// band, one frame) that decodes to silence, for one or two channels.
func SilentPacket(channels int) []byte {
	toc := byte(31 << 3)
	if channels == 2 {
		toc |= 4
	}
	return []byte{toc, 0xff, 0xfe}
}
