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
	// PeerID names the node among others, and Link is the share link of what
	// it publishes; empty without a network.
	PeerID string `json:"peerID,omitempty"`
	Link   string `json:"link,omitempty"`
	// Seen are the addresses that introducers see the node by.
	Seen []string `json:"seen,omitempty"`
	// Guards tells of the connections of each listener.
	Guards []ListenerStatus `json:"guards,omitempty"`
}

// ListenerStatus describes the connections of a listener. It is part of the
// API.
type ListenerStatus struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
	// Refused counts connections closed at once, by reason: "total", "address"
	// or "rate".
	Refused map[string]uint64 `json:"refused"`
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

	// Group is the ID of the group that the stream goes into or comes from,
	// and Multicast what is counted of it there.
	Group     string           `json:"group,omitempty"`
	Multicast *MulticastStatus `json:"multicast,omitempty"`
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

// MulticastStatus holds the counters of NetStreamMulticastInfo under their own
// names, and more. Rates are in bytes a second. It is part of the API.
type MulticastStatus struct {
	SendDataBytesPerSecond                   float64 `json:"sendDataBytesPerSecond"`
	SendControlBytesPerSecond                float64 `json:"sendControlBytesPerSecond"`
	ReceiveDataBytesPerSecond                float64 `json:"receiveDataBytesPerSecond"`
	ReceiveControlBytesPerSecond             float64 `json:"receiveControlBytesPerSecond"`
	BytesPushedToPeers                       uint64  `json:"bytesPushedToPeers"`
	FragmentsPushedToPeers                   uint64  `json:"fragmentsPushedToPeers"`
	BytesRequestedByPeers                    uint64  `json:"bytesRequestedByPeers"`
	FragmentsRequestedByPeers                uint64  `json:"fragmentsRequestedByPeers"`
	BytesPushedFromPeers                     uint64  `json:"bytesPushedFromPeers"`
	FragmentsPushedFromPeers                 uint64  `json:"fragmentsPushedFromPeers"`
	BytesRequestedFromPeers                  uint64  `json:"bytesRequestedFromPeers"`
	FragmentsRequestedFromPeers              uint64  `json:"fragmentsRequestedFromPeers"`
	SendControlBytesPerSecondToServer        float64 `json:"sendControlBytesPerSecondToServer"`
	ReceiveDataBytesPerSecondFromServer      float64 `json:"receiveDataBytesPerSecondFromServer"`
	BytesReceivedFromServer                  uint64  `json:"bytesReceivedFromServer"`
	FragmentsReceivedFromServer              uint64  `json:"fragmentsReceivedFromServer"`
	ReceiveDataBytesPerSecondFromIPMulticast float64 `json:"receiveDataBytesPerSecondFromIPMulticast"`
	BytesReceivedFromIPMulticast             uint64  `json:"bytesReceivedFromIPMulticast"`
	FragmentsReceivedFromIPMulticast         uint64  `json:"fragmentsReceivedFromIPMulticast"`

	// Delay is how far the node is behind the publisher, in seconds.
	Delay float64 `json:"delaySeconds"`
	// WindowFill is the share of the window that is here, Holes what is
	// missing of it, and PullsInFlight what has been asked for.
	WindowFill    float64 `json:"windowFill"`
	Holes         int     `json:"holes"`
	PullsInFlight int     `json:"pullsInFlight"`
	// Owners is for how many of the 8 slices a neighbor pushes to this node,
	// Children how many slices it pushes, of Slots.
	Owners     int     `json:"owners"`
	Children   int     `json:"children"`
	Slots      int     `json:"slots"`
	QueueTime  float64 `json:"queueSeconds"`
	Duplicates uint64  `json:"duplicates"`
	// Publishing is set at the publisher.
	Publishing bool `json:"publishing,omitempty"`
	// Drops counts fragments that were given up, by "class/reason".
	Drops map[string]uint64 `json:"drops,omitempty"`
}
