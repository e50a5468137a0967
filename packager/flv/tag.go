package flv

import (
	"encoding/binary"
	"errors"
)

// Tag types, which are RTMP message types.
const (
	TypeAudio  = 8
	TypeVideo  = 9
	TypeScript = 18
)

// Lengths of the framing in bytes.
const (
	FileHeaderLen = 9
	TagHeaderLen  = 11
	// TrailerLen is the length of PreviousTagSize.
	TrailerLen = 4
)

// MaxBody is the longest tag body that the size field can express.
const MaxBody = 1<<24 - 1

// Errors of the framing.
var (
	ErrNotFLV    = errors.New("not an FLV file")
	ErrTruncated = errors.New("FLV tag is cut off")
	ErrEncrypted = errors.New("FLV tag is encrypted")
	ErrTagType   = errors.New("FLV tag has an unknown type")
)

// AppendFileHeader appends the file header and the first PreviousTagSize. The
// flags say which kinds of tags may follow; players wait for both if both are
// set.
func AppendFileHeader(b []byte, video, audio bool) []byte {
	var flags byte
	if video {
		flags |= 1
	}
	if audio {
		flags |= 4
	}
	return append(b, 'F', 'L', 'V', 1, flags, 0, 0, 0, FileHeaderLen, 0, 0, 0, 0)
}

// ParseFileHeader returns where the first PreviousTagSize stands, which the
// header tells.
func ParseFileHeader(b []byte) (offset int, err error) {
	if len(b) < FileHeaderLen || string(b[:3]) != "FLV" {
		return 0, ErrNotFLV
	}
	n := binary.BigEndian.Uint32(b[5:])
	if n < FileHeaderLen || n > 1<<16 {
		return 0, ErrNotFLV
	}
	return int(n), nil
}

// TagHeader is the header of a tag.
type TagHeader struct {
	Type byte
	// Size is the length of the body.
	Size int
	// Timestamp is in milliseconds.
	Timestamp uint32
}

// AppendTagHeader appends the header of a tag whose body has at most
// [MaxBody] bytes.
func AppendTagHeader(b []byte, h TagHeader) []byte {
	return append(b, h.Type, byte(h.Size>>16), byte(h.Size>>8), byte(h.Size),
		byte(h.Timestamp>>16), byte(h.Timestamp>>8), byte(h.Timestamp), byte(h.Timestamp>>24), 0, 0, 0)
}

// AppendTrailer appends the PreviousTagSize that follows a body of n bytes.
func AppendTrailer(b []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(n+TagHeaderLen))
}

// ParseTagHeader reads the header of a tag.
func ParseTagHeader(b []byte) (TagHeader, error) {
	if len(b) < TagHeaderLen {
		return TagHeader{}, ErrTruncated
	}
	h := TagHeader{
		Type: b[0] & 0x1f, Size: int(b[1])<<16 | int(b[2])<<8 | int(b[3]),
		Timestamp: uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6]),
	}
	if b[0]&0x20 != 0 {
		return h, ErrEncrypted
	}
	if h.Type != TypeAudio && h.Type != TypeVideo && h.Type != TypeScript && h.Type != 15 {
		return h, ErrTagType
	}
	return h, nil
}
