package vp9

import (
	"errors"
	"fmt"

	codec "github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
)

// ErrConfig is returned for a configuration that can't be read.
var ErrConfig = errors.New("VP9 configuration is malformed")

// ConfigLen is the least length of a configuration with its version and flags.
const ConfigLen = 12

// Config is the content of a VPCodecConfigurationBox.
type Config struct {
	Profile, Level, BitDepth, ChromaSubsampling int
}

// ParseConfig reads a configuration that begins with version and flags.
func ParseConfig(b []byte) (Config, error) {
	if len(b) < ConfigLen {
		return Config{}, ErrConfig
	}
	return Config{Profile: int(b[4]), Level: int(b[5]), BitDepth: int(b[6] >> 4), ChromaSubsampling: int(b[6] >> 1 & 7)}, nil
}

// Append appends the configuration with unspecified colours.
func (c Config) Append(b []byte) []byte {
	return append(b, 1, 0, 0, 0, byte(c.Profile), byte(c.Level), byte(c.BitDepth<<4|c.ChromaSubsampling<<1), 2, 2, 2, 0, 0)
}

// Info is what a key frame says of the pictures.
type Info struct {
	Width, Height int
	Config        Config
}

// ParseKeyFrame reads the head of a key frame.
func ParseKeyFrame(frame []byte) (info Info, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("VP9 frame: %v", r)
		}
	}()
	var h codec.Header
	if err := h.Unmarshal(frame); err != nil {
		return Info{}, fmt.Errorf("VP9 frame: %w", err)
	}
	if h.NonKeyFrame || h.FrameSize == nil || h.ColorConfig == nil {
		return Info{}, errors.New("VP9 frame is no key frame")
	}
	info = Info{Width: h.Width(), Height: h.Height()}
	info.Config = Config{
		Profile: int(h.Profile), Level: level(info.Width * info.Height), BitDepth: int(h.ColorConfig.BitDepth),
		ChromaSubsampling: int(h.ChromaSubsampling()),
	}
	return info, nil
}

// level returns the lowest level whose picture size fits, times ten.
func level(pixels int) int {
	steps := []struct{ pixels, level int }{
		{36864, 10}, {73728, 11}, {122880, 20}, {245760, 21}, {552960, 30}, {983040, 31}, {2228224, 40}, {8912896, 50},
	}
	for _, s := range steps {
		if pixels <= s.pixels {
			return s.level
		}
	}
	return 60
}

// IsKey reports whether a frame is a key frame.
func IsKey(frame []byte) (key bool) {
	defer func() {
		if recover() != nil {
			key = false
		}
	}()
	var h codec.Header
	return h.Unmarshal(frame) == nil && !h.NonKeyFrame && !h.ShowExistingFrame
}
