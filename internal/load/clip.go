package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// Tag is one tag of an FLV file.
type Tag struct {
	Type byte // 8 audio, 9 video, 18 script data
	Time time.Duration
	Body []byte
}

// IsKeyFrame reports whether the tag is an H.264 key frame (not its
// configuration).
func (t Tag) IsKeyFrame() bool {
	return t.Type == 9 && len(t.Body) > 5 && t.Body[0] == 0x17 && t.Body[1] == 1
}

// IsConfig reports whether the tag is an H.264 or AAC configuration.
func (t Tag) IsConfig() bool {
	return len(t.Body) > 1 && t.Body[1] == 0 && (t.Type == 9 && t.Body[0]&0x0f == 7 || t.Type == 8 && t.Body[0]>>4 == 10)
}

// mark is a stretch of a frame's last bytes, by which it is found again in
// whatever a server makes of it: RTP packets, MP4 parts, TS segments.
type mark [16]byte

func markOf(payload []byte) (m mark, ok bool) {
	return m, copy(m[:], payload[max(0, len(payload)-len(m)):]) == len(m)
}

// Clip is a recorded stream that a [Publisher] sends again and again.
type Clip struct {
	Tags []Tag
	// Length is the time after which the clip starts over.
	Length time.Duration
}

// ReadClip reads an FLV file of H.264 and AAC.
func ReadClip(name string) (*Clip, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(b) < 13 || string(b[:3]) != "FLV" {
		return nil, fmt.Errorf("%s is not an FLV file", name)
	}
	clip := &Clip{}
	var frames int
	for b = b[13:]; len(b) >= 11; {
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		ms := binary.BigEndian.Uint32([]byte{b[7], b[4], b[5], b[6]})
		if len(b) < 11+size+4 {
			return nil, errors.New("FLV file ends within a tag")
		}
		tag := Tag{b[0], time.Duration(ms) * time.Millisecond, b[11 : 11+size]}
		b = b[11+size+4:]
		if tag.Type == 9 && size == 5 {
			continue // end of sequence
		}
		if tag.Type == 9 && !tag.IsConfig() {
			frames++
			clip.Length = tag.Time
		}
		clip.Tags = append(clip.Tags, tag)
	}
	if frames < 2 { // sound alone
		frames = 0
		for _, tag := range clip.Tags {
			if tag.Type == 8 && !tag.IsConfig() {
				frames++
				clip.Length = tag.Time
			}
		}
	}
	if frames < 2 {
		return nil, fmt.Errorf("%s has neither video nor sound", name)
	}
	clip.Length += clip.Length / time.Duration(frames-1)
	return clip, nil
}
