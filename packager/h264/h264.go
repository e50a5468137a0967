package h264

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	codec "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/ringcast/ringcast/packager/nalu"
)

// Type is the nal_unit_type of a NAL unit (ITU-T H.264 table 7-1).
type Type byte

// The NAL unit types that matter here.
const (
	TypeSlice       Type = 1
	TypeIDR         Type = 5
	TypeSEI         Type = 6
	TypeSPS         Type = 7
	TypePPS         Type = 8
	TypeAUD         Type = 9
	TypeEndOfSeq    Type = 10
	TypeEndOfStream Type = 11
	TypeFiller      Type = 12
)

// TypeOf returns the type of a NAL unit that is not empty.
func TypeOf(unit []byte) Type { return Type(unit[0] & 0x1f) }

// Errors of this package.
var (
	ErrTruncated = errors.New("H.264 configuration record is cut off")
	ErrVersion   = errors.New("H.264 configuration record has an unknown version")
	ErrNoSPS     = errors.New("H.264 configuration has no sequence parameter set")
)

// Config is an AVCDecoderConfigurationRecord.
//
//	+---------+---------+---------------+-------+------------+-----------+
//	| version | profile | compatibility | level | 111111 len | 111 count | ...
//	+---------+---------+---------------+-------+------------+-----------+
type Config struct {
	Profile, Compatibility, Level byte
	// LengthSize is the number of bytes of a NAL unit's length: 1 to 4.
	LengthSize int
	SPS, PPS   [][]byte
	// Tail is what follows the picture parameter sets for High profiles:
	// chroma format and bit depths. It is often missing.
	Tail []byte
}

// ParseConfig reads a record. The parameter sets are parts of b. A record
// without any is accepted, as some encoders send them only in-band.
func ParseConfig(b []byte) (Config, error) {
	if len(b) < 6 {
		return Config{}, ErrTruncated
	}
	if b[0] != 1 {
		return Config{}, ErrVersion
	}
	c := Config{Profile: b[1], Compatibility: b[2], Level: b[3], LengthSize: int(b[4]&3) + 1}
	rest := b[5:]
	var err error
	if c.SPS, rest, err = parameterSets(rest, 0x1f); err != nil {
		return Config{}, err
	}
	if len(rest) == 0 && len(c.SPS) == 0 {
		return c, nil
	}
	if c.PPS, c.Tail, err = parameterSets(rest, 0xff); err != nil {
		return Config{}, err
	}
	return c, nil
}

func parameterSets(b []byte, mask byte) (sets [][]byte, rest []byte, err error) {
	if len(b) < 1 {
		return nil, nil, ErrTruncated
	}
	count := b[0] & mask
	b = b[1:]
	for range count {
		if len(b) < 2 {
			return nil, nil, ErrTruncated
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < n {
			return nil, nil, ErrTruncated
		}
		if n > 0 {
			sets = append(sets, b[:n:n])
		}
		b = b[n:]
	}
	return sets, b, nil
}

// AppendConfig appends a record with NAL unit lengths of four bytes for these
// parameter sets, of which sps must not be empty. A tail is written only as
// given.
func AppendConfig(b []byte, sps, pps [][]byte, tail []byte) ([]byte, error) {
	if len(sps) == 0 || len(sps[0]) < 4 {
		return b, ErrNoSPS
	}
	b = append(b, 1, sps[0][1], sps[0][2], sps[0][3], 0xff, 0xe0|byte(len(sps)))
	for _, s := range sps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	b = append(b, byte(len(pps)))
	for _, p := range pps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return append(b, tail...), nil
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
	return same(c.SPS, d.SPS) && same(c.PPS, d.PPS)
}

// Info is what a sequence parameter set says of the pictures.
type Info struct {
	// Width and Height are the cropped size in pixels.
	Width, Height int
	// FrameRate is in frames a second, 0 if not told.
	FrameRate float64
	// ReorderDepth is how many pictures may precede one in decoding order
	// and follow it in output order; -1 if not told.
	ReorderDepth int
}

// ParseSPS reads a sequence parameter set NAL unit.
func ParseSPS(unit []byte) (info Info, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("H.264 sequence parameter set: %v", r)
		}
	}()
	if len(unit) < 4 || TypeOf(unit) != TypeSPS {
		return Info{}, ErrNoSPS
	}
	var sps codec.SPS
	if err := sps.Unmarshal(unit); err != nil {
		return Info{}, fmt.Errorf("H.264 sequence parameter set: %w", err)
	}
	info = Info{Width: sps.Width(), Height: sps.Height(), FrameRate: sps.FPS(), ReorderDepth: -1}
	if sps.VUI != nil && sps.VUI.BitstreamRestriction != nil {
		info.ReorderDepth = int(min(sps.VUI.BitstreamRestriction.MaxNumReorderFrames, 16))
	} else if sps.PicOrderCntType == 2 || sps.ProfileIdc == 66 {
		info.ReorderDepth = 0 // output order is decoding order
	}
	if info.FrameRate < 0 || info.FrameRate > 1000 {
		info.FrameRate = 0
	}
	return info, nil
}

// IsKey reports whether an access unit with four-byte lengths holds an IDR
// picture.
func IsKey(payload []byte) bool {
	return nalu.Any(payload, func(u []byte) bool { return TypeOf(u) == TypeIDR })
}

// Sets returns the parameter sets among the units of an access unit.
func Sets(units [][]byte) (sps, pps [][]byte) {
	for _, u := range units {
		switch TypeOf(u) {
		case TypeSPS:
			sps = append(sps, u)
		case TypePPS:
			pps = append(pps, u)
		}
	}
	return sps, pps
}

// Units splits an access unit with four-byte lengths.
func Units(dst [][]byte, payload []byte) ([][]byte, error) { return nalu.Split(dst, payload, 4) }
