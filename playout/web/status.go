package web

import "time"

// Backend tells what goes on in the node. Its methods are called from many
// goroutines and do not block.
type Backend interface {
	// Node returns the state of the node.
	Node() NodeStatus
	// Streams returns all streams, sorted by name.
	Streams() []StreamStatus
	// Ready reports whether the node does what it was started for, and why
	// not.
	Ready() (ok bool, reason string)
}

// NodeStatus describes the node. It is part of the API.
type NodeStatus struct {
	Version   string            `json:"version"`
	Started   time.Time         `json:"started"`
	Listeners map[string]string `json:"listeners"`
	// RTMP is the URL that a stream's name is put behind to publish it, and
	// RTSP the one to play it; empty if the server is off.
	RTMP string `json:"rtmp,omitempty"`
	RTSP string `json:"rtsp,omitempty"`
}

// StreamStatus describes one stream. It is part of the API.
type StreamStatus struct {
	Name string `json:"name"`
	// State is "waiting", "connecting", "live", "stalled" or "ended".
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Source says where the stream comes from, without secrets.
	Source string `json:"source,omitempty"`
	// Error says why the source failed last, while it does.
	Error  string        `json:"error,omitempty"`
	Tracks []TrackStatus `json:"tracks"`
	// Viewers counts readers by protocol: "hls", "rtsp", "flv", "rtmp".
	Viewers map[string]int `json:"viewers"`

	// Counters since the stream began.
	ReceivedBytes    uint64 `json:"receivedBytes"`
	ReceivedMessages uint64 `json:"receivedMessages"`
	DroppedMessages  uint64 `json:"droppedMessages"`
	Gaps             uint64 `json:"gaps"`
	Connections      uint64 `json:"connections"`

	URLs URLs `json:"urls"`
}

// URLs are the addresses of a stream. Those without a host are relative to
// the node's HTTP address.
type URLs struct {
	Page string `json:"page"`
	HLS  string `json:"hls"`
	FLV  string `json:"flv"`
	RTSP string `json:"rtsp,omitempty"`
	RTMP string `json:"rtmp,omitempty"`
}

// TrackStatus describes one track.
type TrackStatus struct {
	Kind       string  `json:"kind"` // "video", "audio" or "data"
	Codec      string  `json:"codec"`
	CodecID    string  `json:"codecID,omitempty"` // RFC 6381
	Width      int     `json:"width,omitempty"`
	Height     int     `json:"height,omitempty"`
	FrameRate  float64 `json:"frameRate,omitempty"`
	SampleRate int     `json:"sampleRate,omitempty"`
	Channels   int     `json:"channels,omitempty"`
}
