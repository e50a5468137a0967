package id3

import "strings"

// Frame is one frame of a tag.
type Frame struct {
	id   string
	body []byte
}

// utf8Encoding marks text as UTF-8 (ID3v2.4 structure, section 4).
const utf8Encoding = 3

// Text returns a TXXX frame: a text with a description of what it is. Zero
// bytes, which end strings, are taken out.
func Text(description, text string) Frame {
	clean := func(s string) string { return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "?") }
	b := append([]byte{utf8Encoding}, clean(description)...)
	b = append(append(b, 0), clean(text)...)
	return Frame{"TXXX", append(b, 0)}
}

// Private returns a PRIV frame: data for the application that owner names.
func Private(owner string, data []byte) Frame {
	b := append([]byte(strings.ReplaceAll(owner, "\x00", "")), 0)
	return Frame{"PRIV", append(b, data...)}
}

// maxSize is the largest size that four bytes of seven bits hold.
const maxSize = 1<<28 - 1

// Append appends a tag of these frames to b:
//
//	"ID3" 04 00 flags(0) size(4)  then for each frame  id(4) size(4) flags(2) body
//
// Sizes have seven bits in each byte. Frames that are too long are left out.
func Append(b []byte, frames ...Frame) []byte {
	size := 0
	for _, f := range frames {
		if size+10+len(f.body) <= maxSize {
			size += 10 + len(f.body)
		}
	}
	left := size
	b = appendSize(append(b, "ID3\x04\x00\x00"...), size)
	for _, f := range frames {
		if left -= 10 + len(f.body); left < 0 {
			return b
		}
		b = appendSize(append(b, f.id...), len(f.body))
		b = append(append(b, 0, 0), f.body...)
	}
	return b
}

func appendSize(b []byte, n int) []byte {
	return append(b, byte(n>>21&0x7f), byte(n>>14&0x7f), byte(n>>7&0x7f), byte(n&0x7f))
}
