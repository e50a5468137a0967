package packager

import "time"

// Sample is one access unit of a track.
type Sample struct {
	Track TrackID

	// DTS and PTS are decode and presentation time on the media timeline:
	// the time since the start of the stream (or, from a source, since an
	// origin of the source's own). PTS may be less than DTS.
	DTS, PTS time.Duration

	// Key is set on a random access point. Every audio sample is one.
	Key bool
	// Disposable is set on a video frame that no other frame refers to.
	Disposable bool

	// Payload is immutable and may be shared. Its form by codec:
	//
	//	H.264, H.265  NAL units, each behind a 4-byte length
	//	AV1           a temporal unit of OBUs with sizes, no temporal delimiter
	//	VP9           a frame or superframe
	//	AAC           a raw access unit (no ADTS)
	//	Opus          a packet
	//	MP3           a frame with its header
	//	data          AMF0: a name (string) and the values that follow it
	Payload []byte
}
