package packager

// Codec is a media format.
type Codec uint8

// The formats that a track can have.
const (
	CodecUnknown Codec = iota
	CodecH264
	CodecH265
	CodecAV1
	CodecVP9
	CodecAAC
	CodecOpus
	CodecMP3
	// CodecData is timed metadata: AMF0 messages such as onCuePoint.
	CodecData
)

// String returns the format's common name, such as "H.264".
func (c Codec) String() string {
	names := [...]string{"unknown", "H.264", "H.265", "AV1", "VP9", "AAC", "Opus", "MP3", "data"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// IsVideo reports whether the format is a video format.
func (c Codec) IsVideo() bool { return c >= CodecH264 && c <= CodecVP9 }

// IsAudio reports whether the format is an audio format.
func (c Codec) IsAudio() bool { return c >= CodecAAC && c <= CodecMP3 }

// TrackID tells the tracks of a stream apart. A stream has at most one track
// of each kind, so the identifiers are fixed.
type TrackID uint8

// The tracks of a stream.
const (
	TrackVideo TrackID = 1
	TrackAudio TrackID = 2
	TrackData  TrackID = 3
)

// String returns "video", "audio" or "data".
func (id TrackID) String() string {
	switch id {
	case TrackVideo:
		return "video"
	case TrackAudio:
		return "audio"
	case TrackData:
		return "data"
	}
	return "unknown"
}

// Track describes one elementary stream. Tracks are values: one that changes
// is replaced by another.
type Track struct {
	ID    TrackID
	Codec Codec

	// Config is the decoder configuration, immutable, in the form that MP4
	// stores:
	//
	//	H.264  AVCDecoderConfigurationRecord, NAL unit lengths of 4 bytes
	//	H.265  HEVCDecoderConfigurationRecord, NAL unit lengths of 4 bytes
	//	AV1    AV1CodecConfigurationRecord
	//	VP9    VPCodecConfigurationBox with its 4 version and flag bytes
	//	AAC    AudioSpecificConfig, as it came
	//	Opus   OpusHead (RFC 7845 section 5.1)
	//	MP3    the 4-byte header of a frame
	Config []byte

	// Width and Height are the cropped picture size in pixels, FrameRate the
	// nominal rate in frames a second; 0 if unknown. Video only.
	Width, Height int
	FrameRate     float64

	// SampleRate is in hertz, Channels the number of output channels. Audio
	// only.
	SampleRate, Channels int
}
