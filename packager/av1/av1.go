package av1

import (
	"errors"
	"fmt"

	codec "github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// OBU types (AV1 specification section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuTileList          = 8
	obuFrame             = 6
	obuPadding           = 15
)

// MaxOBUs is the most OBUs that a temporal unit may have.
const MaxOBUs = 1024

// Errors of this package.
var (
	ErrTruncated = errors.New("AV1 OBU is cut off")
	ErrConfig    = errors.New("AV1 configuration record is malformed")
	ErrTooMany   = errors.New("AV1 temporal unit has more than 1024 OBUs")
)

// Config is an AV1CodecConfigurationRecord.
type Config struct {
	Profile, Level int
	HighTier       bool
	BitDepth       int
	// OBUs are the configuration OBUs, usually a sequence header.
	OBUs []byte
}

// ParseConfig reads a record.
func ParseConfig(b []byte) (Config, error) {
	if len(b) < 4 || b[0] != 0x81 {
		return Config{}, ErrConfig
	}
	c := Config{Profile: int(b[1] >> 5), Level: int(b[1] & 31), HighTier: b[2]&0x80 != 0, BitDepth: 8, OBUs: b[4:]}
	if b[2]&0x40 != 0 {
		c.BitDepth = 10
		if b[2]&0x20 != 0 {
			c.BitDepth = 12
		}
	}
	return c, nil
}

// Info is what a sequence header says of the pictures.
type Info struct {
	Width, Height int
	FrameRate     float64
}

// Info reads the sequence header among the configuration OBUs.
func (c Config) Info() (Info, error) {
	units, err := Split(nil, c.OBUs)
	if err != nil {
		return Info{}, err
	}
	for _, u := range units {
		if u.Type == obuSequenceHeader {
			return parseSequenceHeader(u)
		}
	}
	return Info{}, ErrConfig
}

// NewConfig makes a record from a temporal unit that holds a sequence header.
func NewConfig(unit []byte) ([]byte, error) {
	obus, err := Split(nil, unit)
	if err != nil {
		return nil, err
	}
	for _, u := range obus {
		if u.Type != obuSequenceHeader {
			continue
		}
		sh, err := sequenceHeader(u)
		if err != nil {
			return nil, err
		}
		b := []byte{0x81, sh.SeqProfile<<5 | first(sh.SeqLevelIdx)&31, 0, 0}
		color := sh.ColorConfig
		flags := []struct {
			set bool
			bit byte
		}{
			{len(sh.SeqTier) > 0 && sh.SeqTier[0], 0x80},
			{color.BitDepth > 8, 0x40},
			{color.BitDepth > 10, 0x20},
			{color.MonoChrome, 0x10},
			{color.SubsamplingX, 8},
			{color.SubsamplingY, 4},
		}
		for _, f := range flags {
			if f.set {
				b[2] |= f.bit
			}
		}
		return append(b, u.Raw...), nil
	}
	return nil, ErrConfig
}

func first(v []uint8) uint8 {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// OBU is one open bitstream unit.
type OBU struct {
	Type int
	// Raw is the whole unit with its header, Payload what follows header and
	// size field.
	Raw, Payload []byte
	// header is the header's length without the size field.
	header int
}

// Split appends the units of a temporal unit whose OBUs have sizes. The last
// one may go without.
func Split(dst []OBU, b []byte) ([]OBU, error) {
	for n := 0; len(b) > 0; n++ {
		if n >= MaxOBUs {
			return dst, ErrTooMany
		}
		header := 1
		if b[0]&4 != 0 {
			header = 2
		}
		if len(b) < header {
			return dst, ErrTruncated
		}
		size, sizeLen := uint64(len(b)-header), 0
		if b[0]&2 != 0 {
			if size, sizeLen = leb128(b[header:]); sizeLen == 0 {
				return dst, ErrTruncated
			}
		}
		start := header + sizeLen
		if size > uint64(len(b)-start) {
			return dst, ErrTruncated
		}
		end := start + int(size)
		dst = append(dst, OBU{Type: int(b[0] >> 3 & 15), Raw: b[:end:end], Payload: b[start:end:end], header: header})
		b = b[end:]
	}
	return dst, nil
}

// leb128 reads a size and returns it with its length, 0 if it is malformed.
func leb128(b []byte) (v uint64, n int) {
	for n < min(len(b), 5) {
		v |= uint64(b[n]&0x7f) << (7 * n)
		if n++; b[n-1]&0x80 == 0 {
			return v, n
		}
	}
	return 0, 0
}

// TrimTemporalDelimiter returns a temporal unit without the temporal delimiter
// at its start, which MP4 and RTP do not carry. The result is part of b.
func TrimTemporalDelimiter(b []byte) []byte {
	for len(b) >= 2 && b[0]>>3&15 == obuTemporalDelimiter && b[0]&4 == 0 && b[0]&2 != 0 && b[1] == 0 {
		b = b[2:]
	}
	return b
}

// IsKey reports whether a temporal unit is a random access point: it holds a
// sequence header.
func IsKey(b []byte) bool {
	units, err := Split(nil, b)
	if err != nil {
		return false
	}
	for _, u := range units {
		if u.Type == obuSequenceHeader {
			return true
		}
	}
	return false
}

func sequenceHeader(u OBU) (sh codec.SequenceHeader, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("AV1 sequence header: %v", r)
		}
	}()
	// The parser wants a unit without a size field.
	bare := append([]byte{u.Raw[0] &^ 2}, u.Raw[1:u.header]...)
	if err := sh.Unmarshal(append(bare, u.Payload...)); err != nil {
		return sh, fmt.Errorf("AV1 sequence header: %w", err)
	}
	return sh, nil
}

func parseSequenceHeader(u OBU) (Info, error) {
	sh, err := sequenceHeader(u)
	if err != nil {
		return Info{}, err
	}
	info := Info{Width: sh.Width(), Height: sh.Height()}
	if t := sh.TimingInfo; t != nil && t.NumUnitsInDisplayTick > 0 && t.EqualPictureInterval {
		ticks := float64(t.NumTicksPerPictureMinus1) + 1
		if rate := float64(t.TimeScale) / float64(t.NumUnitsInDisplayTick) / ticks; rate <= 1000 {
			info.FrameRate = rate
		}
	}
	return info, nil
}

// Bare returns the unit without its size field, as RTP carries it. It is a
// copy.
func (o OBU) Bare() []byte {
	b := make([]byte, 0, o.header+len(o.Payload))
	b = append(b, o.Raw[0]&^2)
	b = append(b, o.Raw[1:o.header]...)
	return append(b, o.Payload...)
}
