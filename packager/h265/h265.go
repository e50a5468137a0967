package h265

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	codec "github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"github.com/ringcast/ringcast/packager/nalu"
)

// Type is the nal_unit_type of a NAL unit (ITU-T H.265 table 7-1).
type Type byte

// The NAL unit types that matter here.
const (
	TypeFirstIRAP Type = 16
	TypeIDRWRADL  Type = 19
	TypeIDRNLP    Type = 20
	TypeCRA       Type = 21
	TypeLastIRAP  Type = 23
	TypeVPS       Type = 32
	TypeSPS       Type = 33
	TypePPS       Type = 34
	TypeAUD       Type = 35
	TypeEndOfSeq  Type = 36
	TypeEndOfBits Type = 37
	TypeFiller    Type = 38
	TypeSEIPrefix Type = 39
	TypeSEISuffix Type = 40
)

// TypeOf returns the type of a NAL unit that is not empty.
func TypeOf(unit []byte) Type { return Type(unit[0] >> 1 & 0x3f) }

// Errors of this package.
var (
	ErrTruncated = errors.New("H.265 configuration record is cut off")
	ErrVersion   = errors.New("H.265 configuration record has an unknown version")
	ErrNoSets    = errors.New("H.265 configuration lacks a parameter set")
)

const fixedLen = 23 // with the number of arrays

// Config is an HEVCDecoderConfigurationRecord.
type Config struct {
	// Fixed are the 22 bytes before the number of arrays: profile, tier,
	// level, formats.
	Fixed         [fixedLen - 1]byte
	LengthSize    int
	VPS, SPS, PPS [][]byte
	// SEI are other units that some encoders put there.
	SEI [][]byte
}

// ParseConfig reads a record. The parameter sets are parts of b.
func ParseConfig(b []byte) (Config, error) {
	if len(b) < fixedLen {
		return Config{}, ErrTruncated
	}
	if b[0] != 1 {
		return Config{}, ErrVersion
	}
	c := Config{LengthSize: int(b[21]&3) + 1}
	copy(c.Fixed[:], b)
	arrays, b := b[22], b[fixedLen:]
	for range arrays {
		if len(b) < 3 {
			return Config{}, ErrTruncated
		}
		kind, count := Type(b[0]&0x3f), binary.BigEndian.Uint16(b[1:])
		b = b[3:]
		for range count {
			if len(b) < 2 {
				return Config{}, ErrTruncated
			}
			n := int(binary.BigEndian.Uint16(b))
			if b = b[2:]; len(b) < n {
				return Config{}, ErrTruncated
			}
			if n >= 2 {
				c.add(kind, b[:n:n])
			}
			b = b[n:]
		}
	}
	return c, nil
}

func (c *Config) add(kind Type, unit []byte) {
	switch kind {
	case TypeVPS:
		c.VPS = append(c.VPS, unit)
	case TypeSPS:
		c.SPS = append(c.SPS, unit)
	case TypePPS:
		c.PPS = append(c.PPS, unit)
	default:
		c.SEI = append(c.SEI, unit)
	}
}

// Append appends the record in the form that an `hvc1` sample entry wants:
// complete arrays of the parameter sets alone, lengths of four bytes.
func (c Config) Append(b []byte) []byte {
	b = append(b, c.Fixed[:]...)
	b[len(b)-1] |= 3
	groups := []struct {
		kind Type
		sets [][]byte
	}{{TypeVPS, c.VPS}, {TypeSPS, c.SPS}, {TypePPS, c.PPS}}
	count := len(b)
	b = append(b, 0)
	for _, g := range groups {
		if len(g.sets) == 0 {
			continue
		}
		b[count]++
		b = append(b, 0x80|byte(g.kind))
		b = binary.BigEndian.AppendUint16(b, uint16(len(g.sets)))
		for _, s := range g.sets {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
		}
	}
	return b
}

// NewConfig makes a record from parameter sets, of which each kind is needed.
func NewConfig(vps, sps, pps [][]byte) (Config, error) {
	if len(vps) == 0 || len(sps) == 0 || len(pps) == 0 || len(sps[0]) < 15 {
		return Config{}, ErrNoSets
	}
	c := Config{LengthSize: 4, VPS: vps, SPS: sps, PPS: pps}
	// profile_tier_level() begins after the NAL header and one byte of the
	// SPS; emulation prevention bytes have to go first.
	raw := bytes.ReplaceAll(sps[0], []byte{0, 0, 3}, []byte{0, 0})
	if len(raw) < 15 {
		return Config{}, ErrNoSets
	}
	c.Fixed = [fixedLen - 1]byte{13: 0xf0, 15: 0xfc, 16: 0xfd, 17: 0xf8, 18: 0xf8, 21: 0x0f}
	c.Fixed[0] = 1
	copy(c.Fixed[1:13], raw[3:15])
	return c, nil
}

// SameSets reports whether two records hold the same parameter sets.
func (c Config) SameSets(d Config) bool {
	same := func(a, b [][]byte) bool {
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return same(c.VPS, d.VPS) && same(c.SPS, d.SPS) && same(c.PPS, d.PPS)
}

// Info is what a sequence parameter set says of the pictures; see the type of
// the same name in package h264.
type Info struct {
	Width, Height int
	FrameRate     float64
	ReorderDepth  int
}

// ParseSPS reads a sequence parameter set NAL unit.
func ParseSPS(unit []byte) (info Info, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("H.265 sequence parameter set: %v", r)
		}
	}()
	if len(unit) < 15 || TypeOf(unit) != TypeSPS {
		return Info{}, ErrNoSets
	}
	var sps codec.SPS
	if err := sps.Unmarshal(unit); err != nil {
		return Info{}, fmt.Errorf("H.265 sequence parameter set: %w", err)
	}
	info = Info{Width: sps.Width(), Height: sps.Height(), FrameRate: sps.FPS(), ReorderDepth: -1}
	if n := len(sps.MaxNumReorderPics); n > 0 {
		info.ReorderDepth = int(min(sps.MaxNumReorderPics[n-1], 16))
	}
	if info.FrameRate < 0 || info.FrameRate > 1000 {
		info.FrameRate = 0
	}
	return info, nil
}

// IsKey reports whether an access unit with four-byte lengths holds an IRAP
// picture.
func IsKey(payload []byte) bool {
	return nalu.Any(payload, func(u []byte) bool {
		k := TypeOf(u)
		return k >= TypeFirstIRAP && k <= TypeLastIRAP
	})
}

// Sets returns the parameter sets among the units of an access unit.
func Sets(units [][]byte) (vps, sps, pps [][]byte) {
	for _, u := range units {
		switch TypeOf(u) {
		case TypeVPS:
			vps = append(vps, u)
		case TypeSPS:
			sps = append(sps, u)
		case TypePPS:
			pps = append(pps, u)
		}
	}
	return vps, sps, pps
}

// Units splits an access unit with four-byte lengths.
func Units(dst [][]byte, payload []byte) ([][]byte, error) { return nalu.Split(dst, payload, 4) }
