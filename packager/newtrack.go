package packager

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/ringcast/ringcast/packager/aac"
	"github.com/ringcast/ringcast/packager/av1"
	"github.com/ringcast/ringcast/packager/h264"
	"github.com/ringcast/ringcast/packager/h265"
	"github.com/ringcast/ringcast/packager/mp3"
	"github.com/ringcast/ringcast/packager/opus"
	"github.com/ringcast/ringcast/packager/vp9"
)

// ErrNoTrack is returned for a codec that no track can have.
var ErrNoTrack = errors.New("codec can't be carried as a track")

// NewTrack returns a track with this decoder configuration, in the form that
// [Track] documents, and fills in what the configuration says. NAL unit
// lengths other than four bytes are refused; see [NormalizeConfig].
func NewTrack(codec Codec, config []byte) (Track, error) {
	t := Track{ID: TrackVideo, Codec: codec, Config: config}
	var err error
	switch codec {
	case CodecH264:
		err = t.fillH264()
	case CodecH265:
		err = t.fillH265()
	case CodecAV1:
		err = t.fillAV1()
	case CodecVP9:
		_, err = vp9.ParseConfig(config)
	case CodecAAC:
		err = t.fillAAC()
	case CodecOpus:
		var head opus.Head
		head, err = opus.ParseHead(config)
		t.ID, t.SampleRate, t.Channels = TrackAudio, opus.ClockRate, head.Channels
	case CodecMP3:
		var head mp3.Header
		head, err = mp3.ParseHeader(config)
		t.ID, t.SampleRate, t.Channels = TrackAudio, head.SampleRate, head.Channels
	case CodecData:
		t.ID = TrackData
	default:
		err = ErrNoTrack
	}
	if err != nil {
		return Track{}, fmt.Errorf("%v track: %w", codec, err)
	}
	return t, nil
}

func (t *Track) fillH264() error {
	c, err := h264.ParseConfig(t.Config)
	if err != nil {
		return err
	}
	if len(c.SPS) == 0 {
		return h264.ErrNoSPS
	}
	if c.LengthSize != 4 {
		return errors.New("NAL unit lengths are not of four bytes")
	}
	info, err := h264.ParseSPS(c.SPS[0])
	t.Width, t.Height, t.FrameRate = info.Width, info.Height, info.FrameRate
	return err
}

func (t *Track) fillH265() error {
	c, err := h265.ParseConfig(t.Config)
	if err != nil {
		return err
	}
	if len(c.SPS) == 0 {
		return h265.ErrNoSets
	}
	if c.LengthSize != 4 {
		return errors.New("NAL unit lengths are not of four bytes")
	}
	info, err := h265.ParseSPS(c.SPS[0])
	t.Width, t.Height, t.FrameRate = info.Width, info.Height, info.FrameRate
	return err
}

func (t *Track) fillAV1() error {
	c, err := av1.ParseConfig(t.Config)
	if err != nil {
		return err
	}
	// A record without a sequence header is legal: the size stays unknown.
	if info, err := c.Info(); err == nil {
		t.Width, t.Height, t.FrameRate = info.Width, info.Height, info.FrameRate
	}
	return nil
}

func (t *Track) fillAAC() error {
	c, err := aac.ParseConfig(t.Config)
	t.ID, t.SampleRate, t.Channels = TrackAudio, c.SampleRate, c.Channels
	return err
}

// SamplesPerUnit returns how many samples, at SampleRate, an access unit of an
// audio track has; 0 for Opus, whose packets differ, and for other tracks.
func (t Track) SamplesPerUnit() int {
	switch t.Codec {
	case CodecAAC:
		if c, err := aac.ParseConfig(t.Config); err == nil {
			return c.Samples()
		}
	case CodecMP3:
		if h, err := mp3.ParseHeader(t.Config); err == nil {
			return h.Samples
		}
	}
	return 0
}

// NormalizeConfig returns the configuration of an H.264 or H.265 track with
// NAL unit lengths of four bytes, and the length that the access units of the
// source have. Other configurations are returned as they are. A configuration
// without parameter sets yields nil: they have to be taken from a key frame.
func NormalizeConfig(codec Codec, config []byte) (normal []byte, lengthSize int, err error) {
	switch codec {
	case CodecH264:
		c, err := h264.ParseConfig(config)
		if err != nil || len(c.SPS) == 0 || len(c.PPS) == 0 {
			return nil, c.LengthSize, err
		}
		if c.LengthSize == 4 {
			return config, 4, nil
		}
		normal, err = h264.AppendConfig(nil, c.SPS, c.PPS, c.Tail)
		return normal, c.LengthSize, err
	case CodecH265:
		c, err := h265.ParseConfig(config)
		if err != nil || len(c.SPS) == 0 || len(c.PPS) == 0 || len(c.VPS) == 0 {
			return nil, c.LengthSize, err
		}
		if c.LengthSize == 4 {
			return config, 4, nil
		}
		return c.Append(nil), c.LengthSize, nil
	}
	return config, 0, nil
}

// SameConfig reports whether a decoder set up for t can go on with u. Of H.264
// and H.265 the parameter sets count, not what else a record holds.
func (t Track) SameConfig(u Track) bool {
	if t.ID != u.ID || t.Codec != u.Codec {
		return false
	}
	if bytes.Equal(t.Config, u.Config) {
		return true
	}
	switch t.Codec {
	case CodecH264:
		a, errA := h264.ParseConfig(t.Config)
		b, errB := h264.ParseConfig(u.Config)
		return errA == nil && errB == nil && a.SameSets(b)
	case CodecH265:
		a, errA := h265.ParseConfig(t.Config)
		b, errB := h265.ParseConfig(u.Config)
		return errA == nil && errB == nil && a.SameSets(b)
	case CodecMP3: // each frame's header may differ in bit rate and padding
		return t.SampleRate == u.SampleRate && t.Channels == u.Channels
	}
	return false
}

// CodecString returns the track's entry in the CODECS attribute of a playlist
// (RFC 6381), such as "avc1.64001f", or "" if there is none.
func (t Track) CodecString() string {
	switch t.Codec {
	case CodecH264:
		if len(t.Config) >= 4 {
			return fmt.Sprintf("avc1.%02x%02x%02x", t.Config[1], t.Config[2], t.Config[3])
		}
	case CodecH265:
		if len(t.Config) >= 13 {
			return hevcString(t.Config)
		}
	case CodecAV1:
		if c, err := av1.ParseConfig(t.Config); err == nil {
			tier := map[bool]string{false: "M", true: "H"}[c.HighTier]
			return fmt.Sprintf("av01.%d.%02d%s.%02d", c.Profile, c.Level, tier, c.BitDepth)
		}
	case CodecVP9:
		if c, err := vp9.ParseConfig(t.Config); err == nil {
			return fmt.Sprintf("vp09.%02d.%02d.%02d", c.Profile, c.Level, c.BitDepth)
		}
	case CodecAAC:
		if c, err := aac.ParseConfig(t.Config); err == nil {
			return fmt.Sprintf("mp4a.40.%d", c.ObjectType)
		}
	case CodecOpus:
		return "opus"
	case CodecMP3:
		return "mp4a.40.34"
	}
	return ""
}

// hevcString follows ISO/IEC 14496-15 annex E.3.
func hevcString(c []byte) string {
	var b strings.Builder
	b.WriteString("hvc1.")
	if space := c[1] >> 6; space > 0 {
		b.WriteByte('A' + space - 1)
	}
	compat := uint32(c[2])<<24 | uint32(c[3])<<16 | uint32(c[4])<<8 | uint32(c[5])
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	fmt.Fprintf(&b, "%d.%X.%s%d", c[1]&0x1f, bits.Reverse32(compat), tier, c[12])
	constraints := bytes.TrimRight(c[6:12], "\x00")
	for _, v := range constraints {
		fmt.Fprintf(&b, ".%X", v)
	}
	return b.String()
}
