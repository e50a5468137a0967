package flv

import (
	"encoding/binary"
	"errors"
)

// FourCC names a codec in enhanced RTMP.
type FourCC string

// The codecs. Those of legacy tags have their counterparts here, so that one
// form is enough inside.
const (
	AVC  FourCC = "avc1"
	HEVC FourCC = "hvc1"
	VVC  FourCC = "vvc1"
	AV1  FourCC = "av01"
	VP8  FourCC = "vp08"
	VP9  FourCC = "vp09"

	AAC  FourCC = "mp4a"
	Opus FourCC = "Opus"
	MP3  FourCC = ".mp3"
	FLAC FourCC = "fLaC"
	AC3  FourCC = "ac-3"
	EAC3 FourCC = "ec-3"

	// Other stands for a legacy codec that is not carried further.
	Other FourCC = "????"
)

// PacketType is the kind of an audio or video packet, by the numbers of
// enhanced video packets.
type PacketType byte

// The packet types.
const (
	SequenceStart PacketType = 0
	CodedFrames   PacketType = 1
	SequenceEnd   PacketType = 2
	// CodedFramesX are coded frames without a composition time.
	CodedFramesX PacketType = 3
	Metadata     PacketType = 4
	// Command is a legacy command frame or one of enhanced RTMP.
	Command PacketType = 0x20
	// Unknown is one that is to be ignored.
	Unknown PacketType = 0x21
)

const (
	videoMPEG2TSStart = 5
	videoMultitrack   = 6
	audioMultitrack   = 5
	packetModEx       = 7
)

// FrameType is the kind of a video frame.
type FrameType byte

// The frame types.
const (
	KeyFrame        FrameType = 1
	InterFrame      FrameType = 2
	DisposableFrame FrameType = 3
	GeneratedKey    FrameType = 4
	CommandFrame    FrameType = 5
)

// Errors of the media headers.
var (
	ErrEmpty    = errors.New("media tag is empty")
	ErrMedia    = errors.New("media tag is cut off")
	ErrNested   = errors.New("multitrack tag within a multitrack tag")
	ErrModifier = errors.New("too many modifiers in a media tag")
)

// maxModifiers bounds a chain of ModEx packets; two are in use at most.
const maxModifiers = 8

// Video is a parsed video tag.
type Video struct {
	FrameType FrameType
	Packet    PacketType
	Codec     FourCC
	// CompositionTime is PTS - DTS in milliseconds.
	CompositionTime int32
	// NanoOffset is added to the presentation time, in nanoseconds.
	NanoOffset uint32
	Data       []byte
}

// Audio is a parsed audio tag.
type Audio struct {
	Packet     PacketType
	Codec      FourCC
	NanoOffset uint32
	Data       []byte
}

func int24(b []byte) int32 { return int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8 }

// ParseVideo reads the body of a video tag. Of a multitrack tag it takes the
// track with the lowest identifier.
func ParseVideo(b []byte) (Video, error) {
	if len(b) == 0 {
		return Video{}, ErrEmpty
	}
	if b[0]&0x80 != 0 {
		return parseEnhancedVideo(b)
	}
	v := Video{FrameType: FrameType(b[0] >> 4), Packet: CodedFrames, Codec: Other, Data: b[1:]}
	if v.FrameType == CommandFrame {
		v.Packet = Command
		return v, nil
	}
	switch b[0] & 15 {
	case 7:
		v.Codec = AVC
	case 12: // not in the specification, used by many networks
		v.Codec = HEVC
	default:
		return v, nil
	}
	if len(b) < 5 {
		return v, ErrMedia
	}
	v.CompositionTime, v.Data = int24(b[2:]), b[5:]
	switch b[1] {
	case 0:
		v.Packet, v.CompositionTime = SequenceStart, 0
	case 1:
		v.Packet = CodedFrames
	case 2:
		v.Packet = SequenceEnd
	default:
		v.Packet = Unknown
	}
	return v, nil
}

func parseEnhancedVideo(b []byte) (Video, error) {
	v := Video{FrameType: FrameType(b[0] >> 4 & 7)}
	kind := b[0] & 15
	b, kind, err := modifiers(b[1:], kind, &v.NanoOffset)
	if err != nil {
		return v, err
	}
	// Metadata comes with any frame type, also that of a command.
	if v.FrameType == CommandFrame && kind != byte(Metadata) {
		v.Packet, v.Data = Command, b
		return v, nil
	}
	v.Codec, kind, b, err = codecOf(b, kind, videoMultitrack)
	if err != nil {
		return v, err
	}
	v.Data = b
	switch kind {
	case byte(SequenceStart), byte(SequenceEnd), byte(Metadata):
		v.Packet = PacketType(kind)
	case byte(CodedFramesX):
		v.Packet = CodedFrames
	case byte(CodedFrames):
		v.Packet = CodedFrames
		if v.Codec == AVC || v.Codec == HEVC || v.Codec == VVC {
			if len(b) < 3 {
				return v, ErrMedia
			}
			v.CompositionTime, v.Data = int24(b), b[3:]
		}
	case videoMPEG2TSStart:
		v.Packet = Unknown
	default:
		v.Packet = Unknown
	}
	return v, nil
}

// ParseAudio reads the body of an audio tag. Of a multitrack tag it takes the
// track with the lowest identifier.
func ParseAudio(b []byte) (Audio, error) {
	if len(b) == 0 {
		return Audio{}, ErrEmpty
	}
	a := Audio{Packet: CodedFrames, Codec: Other, Data: b[1:]}
	switch b[0] >> 4 {
	case 2, 14:
		a.Codec = MP3
	case 9:
		return parseEnhancedAudio(b)
	case 10:
		a.Codec = AAC
		if len(b) < 2 {
			return a, ErrMedia
		}
		a.Data = b[2:]
		switch b[1] {
		case 0:
			a.Packet = SequenceStart
		case 1:
		default:
			a.Packet = Unknown
		}
	}
	return a, nil
}

func parseEnhancedAudio(b []byte) (Audio, error) {
	var a Audio
	kind := b[0] & 15
	b, kind, err := modifiers(b[1:], kind, &a.NanoOffset)
	if err != nil {
		return a, err
	}
	a.Codec, kind, a.Data, err = codecOf(b, kind, audioMultitrack)
	if err != nil {
		return a, err
	}
	a.Packet = Unknown
	if kind <= byte(SequenceEnd) {
		a.Packet = PacketType(kind)
	}
	return a, nil
}

// modifiers reads the ModEx packets before the real one.
func modifiers(b []byte, kind byte, nano *uint32) ([]byte, byte, error) {
	for range maxModifiers {
		if kind != packetModEx {
			return b, kind, nil
		}
		if len(b) < 1 {
			return nil, 0, ErrMedia
		}
		size := int(b[0]) + 1
		b = b[1:]
		if size == 256 {
			if len(b) < 2 {
				return nil, 0, ErrMedia
			}
			size = int(binary.BigEndian.Uint16(b)) + 1
			b = b[2:]
		}
		if len(b) < size+1 {
			return nil, 0, ErrMedia
		}
		if b[size]>>4 == 0 && size >= 3 { // TimestampOffsetNano
			if v := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]); v < 1_000_000 {
				*nano = v
			}
		}
		kind, b = b[size]&15, b[size+1:]
	}
	return nil, 0, ErrModifier
}

// codecOf reads the FourCC and, of a multitrack packet, finds the track to
// take.
func codecOf(b []byte, kind, multitrack byte) (FourCC, byte, []byte, error) {
	if kind != multitrack {
		if len(b) < 4 {
			return "", 0, nil, ErrMedia
		}
		return fourCC(b), kind, b[4:], nil
	}
	if len(b) < 1 {
		return "", 0, nil, ErrMedia
	}
	form := b[0] >> 4
	if kind = b[0] & 15; kind == multitrack || kind == packetModEx {
		return "", 0, nil, ErrNested
	}
	b = b[1:]
	var codec FourCC
	if form != 2 {
		if len(b) < 4 {
			return "", 0, nil, ErrMedia
		}
		codec, b = fourCC(b), b[4:]
	}
	if form == 0 {
		if len(b) < 1 {
			return "", 0, nil, ErrMedia
		}
		return codec, kind, b[1:], nil
	}
	return lowestTrack(b, codec, kind)
}

func lowestTrack(b []byte, codec FourCC, kind byte) (best FourCC, k byte, data []byte, err error) {
	lowest := 256
	for len(b) > 0 {
		c := codec
		if codec == "" {
			if len(b) < 4 {
				return "", 0, nil, ErrMedia
			}
			c, b = fourCC(b), b[4:]
		}
		if len(b) < 4 {
			return "", 0, nil, ErrMedia
		}
		id, size := int(b[0]), int(b[1])<<16|int(b[2])<<8|int(b[3])
		if b = b[4:]; len(b) < size {
			return "", 0, nil, ErrMedia
		}
		if id < lowest {
			lowest, best, data = id, c, b[:size:size]
		}
		b = b[size:]
	}
	if lowest == 256 {
		return "", 0, nil, ErrMedia
	}
	return best, kind, data, nil
}

func fourCC(b []byte) FourCC {
	// The known names are compared without an allocation each.
	for _, c := range [...]FourCC{AVC, HEVC, AV1, VP9, VP8, VVC, AAC, Opus, MP3, FLAC, AC3, EAC3} {
		if string(b[:4]) == string(c) {
			return c
		}
	}
	return FourCC(b[:4])
}

// MaxHeaderLen is the longest header that the Append functions write.
const MaxHeaderLen = 8

// AppendVideoHeader appends the header of a video tag: the legacy one for
// AVC, the enhanced one for all others. Of v it takes all but Data.
func AppendVideoHeader(b []byte, v Video) []byte {
	cts := v.CompositionTime
	if v.Codec == AVC {
		return append(b, byte(v.FrameType)<<4|7, byte(v.Packet), byte(cts>>16), byte(cts>>8), byte(cts))
	}
	kind := v.Packet
	timed := kind == CodedFrames && (v.Codec == HEVC || v.Codec == VVC)
	if timed && cts == 0 {
		kind, timed = CodedFramesX, false
	}
	b = append(b, 0x80|byte(v.FrameType)<<4|byte(kind))
	b = append(b, v.Codec...)
	if timed {
		b = append(b, byte(cts>>16), byte(cts>>8), byte(cts))
	}
	return b
}

// AppendAudioHeader appends the header of an audio tag: the legacy one for AAC
// and MP3, the enhanced one for all others. Of a it takes all but Data.
func AppendAudioHeader(b []byte, a Audio) []byte {
	switch a.Codec {
	case AAC:
		return append(b, 0xaf, byte(a.Packet))
	case MP3:
		return append(b, 0x2f)
	}
	return append(append(b, 0x90|byte(a.Packet)), a.Codec...)
}
