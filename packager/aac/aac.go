package aac

import (
	"errors"
)

// Errors of this package.
var (
	ErrTruncated = errors.New("AudioSpecificConfig is cut off")
	ErrRate      = errors.New("AudioSpecificConfig has a reserved sampling frequency")
	ErrADTS      = errors.New("ADTS can't express this configuration")
)

// The object types that matter here.
const (
	ObjectLC  = 2
	ObjectSBR = 5
	ObjectPS  = 29
)

var rates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// Config is an AudioSpecificConfig.
type Config struct {
	// ObjectType is the outermost one: 5 or 29 for HE-AAC that says so.
	ObjectType int
	// CoreType and CoreRate are those of the core coder.
	CoreType, CoreRate int
	// SampleRate is the output rate in hertz.
	SampleRate int
	// ChannelConfig is the channelConfiguration, Channels the number of
	// channels it means (0 if the program config element tells).
	ChannelConfig, Channels int
	// FrameLength is the number of core samples of an access unit.
	FrameLength int
}

// Samples returns the number of output samples of an access unit.
func (c Config) Samples() int {
	if c.CoreRate > 0 && c.SampleRate == 2*c.CoreRate {
		return 2 * c.FrameLength
	}
	return c.FrameLength
}

type bitReader struct {
	b   []byte
	pos int
	bad bool
}

func (r *bitReader) read(n int) (v int) {
	for range n {
		if r.pos>>3 >= len(r.b) {
			r.bad = true
			return 0
		}
		v = v<<1 | int(r.b[r.pos>>3]>>(7-r.pos&7))&1
		r.pos++
	}
	return v
}

func (r *bitReader) objectType() int {
	t := r.read(5)
	if t == 31 {
		t = 32 + r.read(6)
	}
	return t
}

func (r *bitReader) rate() int {
	i := r.read(4)
	switch {
	case i == 15:
		return r.read(24)
	case i < len(rates):
		return rates[i]
	}
	return 0
}

// ParseConfig reads a configuration. Bytes behind it are ignored.
func ParseConfig(b []byte) (Config, error) {
	r := bitReader{b: b}
	c := Config{FrameLength: 1024}
	c.ObjectType = r.objectType()
	c.CoreType = c.ObjectType
	c.CoreRate = r.rate()
	c.SampleRate = c.CoreRate
	c.ChannelConfig = r.read(4)
	if c.ObjectType == ObjectSBR || c.ObjectType == ObjectPS {
		c.SampleRate = r.rate()
		c.CoreType = r.objectType()
	}
	if r.bad {
		return Config{}, ErrTruncated
	}
	if c.CoreRate == 0 || c.SampleRate == 0 {
		return Config{}, ErrRate
	}
	c.Channels = c.ChannelConfig
	if c.ChannelConfig == 7 {
		c.Channels = 8
	}
	if c.ObjectType == ObjectPS {
		c.Channels = 2
	}
	// GASpecificConfig; a minimal configuration may end here.
	if frameLength := r.read(1); !r.bad && frameLength == 1 {
		c.FrameLength = 960
	}
	return c, nil
}

// ADTSHeaderLen is the length of the headers that AppendADTS writes.
const ADTSHeaderLen = 7

// AppendADTS appends an ADTS header (ISO/IEC 13818-7 section 6.2) for an
// access unit of n bytes.
func (c Config) AppendADTS(b []byte, n int) ([]byte, error) {
	index := -1
	for i, r := range rates {
		if r == c.CoreRate {
			index = i
		}
	}
	size := n + ADTSHeaderLen
	if index < 0 || c.CoreType < 1 || c.CoreType > 4 || size >= 1<<13 || c.ChannelConfig > 7 {
		return b, ErrADTS
	}
	return append(b, 0xff, 0xf1,
		byte((c.CoreType-1)<<6|index<<2|c.ChannelConfig>>2),
		byte(c.ChannelConfig&3<<6|size>>11), byte(size>>3), byte(size&7<<5|0x1f), 0xfc), nil
}

// ADTS is the header of an ADTS frame (ISO/IEC 13818-7 section 6.2).
type ADTS struct {
	// Config is the AudioSpecificConfig that the header amounts to.
	Config []byte
	// Header is the length of the header, Size that of the whole frame.
	Header, Size int
	// SampleRate is in hertz, Samples the number of samples of the frame.
	SampleRate, Samples int
}

// ParseADTS reads the header at the start of b.
func ParseADTS(b []byte) (ADTS, error) {
	if len(b) < ADTSHeaderLen || b[0] != 0xff || b[1]&0xf6 != 0xf0 {
		return ADTS{}, ErrADTS
	}
	object, index, channels := b[2]>>6+1, b[2]>>2&15, b[2]&1<<2|b[3]>>6
	h := ADTS{Header: ADTSHeaderLen, Size: int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5), Samples: 1024 * (int(b[6]&3) + 1)}
	if b[1]&1 == 0 {
		h.Header += 2 // a checksum
	}
	if int(index) >= len(rates) || h.Size < h.Header {
		return ADTS{}, ErrADTS
	}
	h.SampleRate = rates[index]
	h.Config = []byte{object<<3 | index>>1, index<<7 | channels<<3}
	return h, nil
}
