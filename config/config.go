package config

import (
	"time"
)

// Config holds every setting, checked. It is built by [Load] and not changed
// afterwards; a reload builds another one.
type Config struct {
	Log     Log
	RTMP    RTMP
	RTSP    RTSP
	HTTP    HTTP
	HLS     HLS
	Publish Publish
	Ingest  Ingest
	// Stream, Source and Loop describe one stream in short; Streams holds
	// any number. [Config.AllStreams] joins them.
	Stream  string
	Source  string
	Loop    bool
	Streams []Stream

	RTMFP       RTMFP
	Group       Group
	Multicast   Multicast
	Reliability Reliability
	Fusion      Fusion
	// Introducers are the meeting points to use, as host:port; none makes
	// `publish` its own.
	Introducers []string
	// PublicAddress is the host:port by which others reach the node.
	PublicAddress string

	// Play are share links of streams to play, and Seed of streams to pass on
	// without playing them.
	Play, Seed []string
	// Timeout ends the node if what it plays has not come by then; 0 waits.
	Timeout time.Duration
	// Exec is the command line of a player; the node ends with it.
	Exec string
	// Peers is how many viewers' nodes a demo has.
	Peers int
	// JSON prints JSON lines on standard output instead of text.
	JSON bool
}

// Log says what is written to standard error and how.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string
	// Format is "text" or "json".
	Format string
}

// RTMP configures the RTMP server that streams are pushed to.
type RTMP struct {
	// Listen is the address as host:port; empty is off.
	Listen string
	Limits
	// TLSListen is the address for RTMPS; empty is off.
	TLSListen string
	// TLSCertificate and TLSKey name the PEM files for RTMPS.
	TLSCertificate, TLSKey string
}

// RTSP configures the RTSP server, for pushing in and for playing.
type RTSP struct {
	// Listen is the address as host:port; empty is off.
	Listen string
	Limits
}

// HLS configures how streams are cut and served as HLS.
type HLS struct {
	// Variant is "fmp4" (with low-latency parts) or "mpegts".
	Variant string
	// SegmentMin is the shortest segment: the next key frame cuts.
	SegmentMin time.Duration
	// TargetDuration is the longest segment, a whole number of seconds.
	TargetDuration time.Duration
	// PartDuration is the length of low-latency parts.
	PartDuration time.Duration
	// Window is how much of a stream the playlists list.
	Window time.Duration
	// SeparateAudio gives audio a playlist of its own.
	SeparateAudio bool
	// Metadata is "off", "events" or "all".
	Metadata string
}

// Publish says who may publish.
type Publish struct {
	// Key is the secret that publishers must give; empty lets anyone who can
	// connect publish.
	Key string
	// User and Password are an account that may publish every stream.
	User, Password string
}

// Ingest says how publishers that fall silent are treated.
type Ingest struct {
	// GracePeriod is how long a stream outlives its publisher's connection.
	GracePeriod time.Duration
	// StallAfter is how long a publisher may be silent before its stream
	// counts as stalled.
	StallAfter time.Duration
}

// Stream is one stream that the node fetches or expects.
type Stream struct {
	// Name is the stream's path, such as "live/camera".
	Name string
	// Source is the URL to fetch the stream from; empty waits for a push.
	Source string
	// Loop starts a file again at its end.
	Loop bool
	// Key is this stream's own publish key; empty means Publish.Key.
	Key string
}

// AllStreams returns the streams of the list and, first, the one that Stream,
// Source and Loop describe, if any.
func (c *Config) AllStreams() []Stream {
	var all []Stream
	if c.Source != "" || c.Stream != "" {
		all = append(all, Stream{Name: c.Stream, Source: c.Source, Loop: c.Loop})
	}
	return append(all, c.Streams...)
}
