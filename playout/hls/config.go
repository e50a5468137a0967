package hls

import "time"

// Variant is the form of the segments.
type Variant string

// The variants.
const (
	// LowLatency is fragmented MP4 with partial segments.
	LowLatency Variant = "fmp4"
	// MPEGTS is MPEG-TS without partial segments.
	MPEGTS Variant = "mpegts"
)

// Config holds the settings of a [Server].
type Config struct {
	Variant Variant
	// SeparateAudio gives audio a playlist of its own where a stream has both
	// audio and video. Only fragmented MP4 can have it.
	SeparateAudio bool
	// Metadata says which data messages of a stream become timed metadata.
	Metadata Metadata
	// Window is how much of the stream a playlist lists, at least.
	Window time.Duration
	// Retain is how long a segment stays after it left the playlist, and how
	// long an ended stream is served.
	Retain time.Duration
	// MaxSegmentBytes bounds one segment; what a stream sends beyond it before
	// the next one is dropped.
	MaxSegmentBytes int
	// MaxWaiting bounds the requests that are held at one time.
	MaxWaiting int
	// FirstWait is how long a request is held until the stream begins.
	FirstWait time.Duration
}

// DefaultConfig returns the usual settings.
func DefaultConfig() Config {
	return Config{
		Variant: LowLatency, Metadata: MetadataEvents, Window: 14 * time.Second, Retain: 30 * time.Second,
		MaxSegmentBytes: 32 << 20, MaxWaiting: 4096, FirstWait: 10 * time.Second,
	}
}
