package config

import (
	"math"
	"time"
)

// Rate is a rate in bits per second.
type Rate int64

// RateUnlimited is the rate "none": no limit is set, the node finds out what
// its line carries.
const RateUnlimited Rate = math.MaxInt64

// RTMFP configures the node's transport to other nodes.
type RTMFP struct {
	// Listen is the UDP address; empty lets the command choose.
	Listen string
	// Identity names the file of the node's keys; empty makes new ones at
	// each start.
	Identity string
	// LegacyPeers is "allow" or "refuse": whether foreign peers with weak
	// cryptography may connect.
	LegacyPeers string
	// Introduce is "auto", "on" or "off": whether the node is a meeting point.
	Introduce string
	// Sessions is how many sessions with other nodes may be open, and
	// SessionsPerAddress how many one address may have that opened them.
	Sessions, SessionsPerAddress int
}

// Group says which group the node joins and makes.
type Group struct {
	// Spec is a whole groupspec; it replaces all that describes one below.
	Spec string
	// Name is the group's name; empty takes the stream's.
	Name string
	// Unique adds random bytes to a new groupspec, so that nobody can guess it.
	Unique bool
	// PublishPassword and PostingPassword are needed for publishing and
	// posting.
	PublishPassword, PostingPassword string
	// IPMulticast are native multicast addresses, address:port or
	// source@address:port.
	IPMulticast []string
	// ServerChannel finds members through introducers.
	ServerChannel bool
	// PeerToPeer is off for native multicast alone.
	PeerToPeer bool
	// BootstrapPeers are peer IDs to begin with.
	BootstrapPeers []string
	// Extensions is "on", "off" or "required".
	Extensions string
	// Publish is "auto", "on" or "off": whether the node's own streams go into
	// the group.
	Publish string
}

// Multicast configures how streams are spread in a group.
type Multicast struct {
	WindowDuration           time.Duration
	RelayMarginDuration      time.Duration
	PushNeighborLimit        int
	UploadLimit              Rate
	FragmentSize             int
	AvailabilityUpdatePeriod time.Duration
	FetchPeriod              time.Duration
	AvailabilitySendToAll    bool
}

// Reliability configures what is worth resending.
type Reliability struct {
	// Policy is "balanced", "lowest-delay" or "complete".
	Policy string
	// Audio, Video and Data say whether messages of that kind are sent again
	// until their deadline when they are lost.
	Audio, Video, Data bool
	// AudioDeadline, VideoDeadline and DataDeadline are how long messages of
	// that kind are waited for; 0 leaves it to the policy.
	AudioDeadline, VideoDeadline, DataDeadline time.Duration
}

// Fusion configures native multicast beside peers.
type Fusion struct {
	// RelayToLAN lets one node of a LAN re-multicast a stream that reaches it
	// from outside.
	RelayToLAN bool
}

// networkSettings are those of the transport between nodes.
func networkSettings() []Setting {
	return []Setting{
		{
			Key: "rtmfp.listen", Kind: KindAddress, Default: "",
			Help:  "The UDP address for other nodes. `publish` and `introducer` listen on :1935, `play` on a free port, unless told otherwise. Empty in `run` switches the network off unless it plays or seeds; port 0 takes any free port.",
			field: func(c *Config) any { return &c.RTMFP.Listen },
		},
		{
			Key: "rtmfp.identity", Kind: KindFile, Default: "",
			Help:  "The file with the node's keys, made if it is not there, which keeps its peer ID. Empty makes new keys at each start.",
			field: func(c *Config) any { return &c.RTMFP.Identity },
		},
		{
			Key: "rtmfp.legacyPeers", Kind: KindString, Default: "allow", Choices: []string{"allow", "refuse"},
			Help:  "Whether peers of other makes that know only weak cryptography may connect.",
			field: func(c *Config) any { return &c.RTMFP.LegacyPeers },
		},
		{
			Key: "rtmfp.introduce", Kind: KindString, Default: "auto", Choices: []string{"auto", "on", "off"},
			Help:  "Whether the node is a meeting point for groups. auto: if it publishes and names no introducer; `ringcast introducer` always is.",
			field: func(c *Config) any { return &c.RTMFP.Introduce },
		},
		limitSetting("rtmfp", "sessions", "20000", "How many sessions with other nodes may be open.", func(c *Config) any { return &c.RTMFP.Sessions }),
		limitSetting("rtmfp", "sessionsPerAddress", "1024", "How many of them one address may have opened; a /64 of IPv6 counts as one. This machine's own are not counted.", func(c *Config) any { return &c.RTMFP.SessionsPerAddress }),
		{
			Key: "introducer", Kind: KindList, Default: "",
			Help:  "The meeting points, host:port, by which members of the group find each other. `publish` is its own if none is given.",
			field: func(c *Config) any { return &c.Introducers },
		},
		{
			Key: "publicAddress", Kind: KindAddress, Default: "",
			Help:  "The host:port by which others reach this node, for the share link; else what introducers and neighbors report, else the interface's.",
			field: func(c *Config) any { return &c.PublicAddress },
		},
	}
}

// groupSettings describe the group that the node makes or joins.
func groupSettings() []Setting {
	return []Setting{
		{
			Key: "group.publish", Kind: KindString, Default: "auto", Choices: []string{"auto", "on", "off"}, Commands: []string{"run"},
			Help:  "Whether the node's own streams go into a group, which needs rtmfp.listen. auto: unless the node only plays or seeds those of others.",
			field: func(c *Config) any { return &c.Group.Publish },
		},
		{
			Key: "group.spec", Kind: KindString, Default: "", Secret: true,
			Help:  "A whole groupspec (G:…), such as `ringcast groupspec new` makes. Of the other settings of the group, only the passwords, native multicast addresses and bootstrap peers add to it.",
			field: func(c *Config) any { return &c.Group.Spec },
		},
		{
			Key: "group.name", Kind: KindString, Default: "",
			Help:  "The name of the group that the node publishes into; empty takes the name of the stream.",
			field: func(c *Config) any { return &c.Group.Name },
		},
		{
			Key: "group.unique", Kind: KindBool, Default: "true",
			Help:  "Whether a new group gets random bytes, so that only those who have the link can join. Without, the same name gives the same group at each start.",
			field: func(c *Config) any { return &c.Group.Unique },
		},
		{
			Key: "group.publishPassword", Kind: KindString, Default: "", Secret: true,
			Help:  "The password that publishing into the group needs. The group knows only its hash.",
			field: func(c *Config) any { return &c.Group.PublishPassword },
		},
		{
			Key: "group.postingPassword", Kind: KindString, Default: "", Secret: true,
			Help:  "The password that posting to the group needs. The group knows only its hash.",
			field: func(c *Config) any { return &c.Group.PostingPassword },
		},
		{
			Key: "group.ipMulticast", Kind: KindList, Default: "",
			Help:  "Native multicast addresses of the group, address:port, or source@address:port for a source-specific one.",
			field: func(c *Config) any { return &c.Group.IPMulticast },
		},
		{
			Key: "group.serverChannel", Kind: KindBool, Default: "true",
			Help:  "Whether members are found through introducers.",
			field: func(c *Config) any { return &c.Group.ServerChannel },
		},
		{
			Key: "group.peerToPeer", Kind: KindBool, Default: "true",
			Help:  "Whether members link with each other. Without, there is only native multicast.",
			field: func(c *Config) any { return &c.Group.PeerToPeer },
		},
		{
			Key: "group.bootstrapPeers", Kind: KindList, Default: "",
			Help:  "Peer IDs (64 hexadecimal digits) of members to begin with.",
			field: func(c *Config) any { return &c.Group.BootstrapPeers },
		},
		{
			Key: "group.extensions", Kind: KindString, Default: "on", Choices: []string{"on", "off", "required"},
			Help:  "Whether the node speaks what goes beyond the protocol of other makes: on with those who do too, off with nobody, required refuses those who don't.",
			field: func(c *Config) any { return &c.Group.Extensions },
		},
	}
}

// streamSettings are those of streams within a group; their names follow the
// NetStream properties.
func streamSettings() []Setting {
	return []Setting{
		{
			Key: "multicast.windowDuration", Kind: KindDuration, Default: "8s", Min: 500 * time.Millisecond, Max: time.Minute,
			Help:  "How long all pieces of a message are sought; also the longest delay behind the publisher.",
			field: func(c *Config) any { return &c.Multicast.WindowDuration },
		},
		{
			Key: "multicast.relayMarginDuration", Kind: KindDuration, Default: "2s", Min: 0, Max: time.Minute,
			Help:  "How long a piece that has left the window is still given to those who ask.",
			field: func(c *Config) any { return &c.Multicast.RelayMarginDuration },
		},
		{
			Key: "multicast.pushNeighborLimit", Kind: KindInt, Default: "4", Least: 0, Most: 64,
			Help:  "To how many neighbors of other makes a piece is pushed. Those of our own are limited by the upload.",
			field: func(c *Config) any { return &c.Multicast.PushNeighborLimit },
		},
		{
			Key: "multicast.uploadLimit", Kind: KindRate, Default: "none", Live: true, Least: 64_000, Most: 100_000_000_000,
			Help:  "How much the node sends to others. none starts with 5M and follows what the line carries.",
			field: func(c *Config) any { return &c.Multicast.UploadLimit },
		},
		{
			Key: "multicast.fragmentSize", Kind: KindInt, Default: "959", Least: 256, Most: 16_384,
			Help:  "The largest piece that a publisher cuts, in bytes. With more than 959, members of other makes may not play.",
			field: func(c *Config) any { return &c.Multicast.FragmentSize },
		},
		{
			Key: "multicast.availabilityUpdatePeriod", Kind: KindDuration, Default: "100ms", Min: 50 * time.Millisecond, Max: 5 * time.Second,
			Help:  "How often a neighbor is told what the node has, each time another one.",
			field: func(c *Config) any { return &c.Multicast.AvailabilityUpdatePeriod },
		},
		{
			Key: "multicast.fetchPeriod", Kind: KindDuration, Default: "2500ms", Min: 0, Max: time.Minute,
			Help:  "How long members of other makes wait before they ask for a piece.",
			field: func(c *Config) any { return &c.Multicast.FetchPeriod },
		},
		{
			Key: "multicast.availabilitySendToAll", Kind: KindBool, Default: "false",
			Help:  "Whether all neighbors are told each time. It costs about half of a 1 Mbit/s stream with 40 of them.",
			field: func(c *Config) any { return &c.Multicast.AvailabilitySendToAll },
		},
	}
}

// reliabilitySettings say what is waited for, and what goes by native
// multicast.
func reliabilitySettings() []Setting {
	return []Setting{
		{
			Key: "reliability.policy", Kind: KindString, Default: "balanced", Choices: []string{"balanced", "lowest-delay", "complete"},
			Help:  "What is given up first when not all can be delivered in time, and how soon.",
			field: func(c *Config) any { return &c.Reliability.Policy },
		},
		{
			Key: "reliability.audio", Kind: KindBool, Default: "true",
			Help:  "Whether lost audio is sent again until its deadline.",
			field: func(c *Config) any { return &c.Reliability.Audio },
		},
		{
			Key: "reliability.video", Kind: KindBool, Default: "true",
			Help:  "Whether lost video is sent again until its deadline. Key frames and decoder configurations are in any case.",
			field: func(c *Config) any { return &c.Reliability.Video },
		},
		{
			Key: "reliability.data", Kind: KindBool, Default: "true",
			Help:  "Whether lost data messages are sent again until their deadline.",
			field: func(c *Config) any { return &c.Reliability.Data },
		},
		{
			Key: "reliability.audioDeadline", Kind: KindDuration, Default: "0s", Min: 0, Max: time.Minute,
			Help:  "How long audio is waited for before playing goes on without; 0s leaves it to the policy. Never longer than the window.",
			field: func(c *Config) any { return &c.Reliability.AudioDeadline },
		},
		{
			Key: "reliability.videoDeadline", Kind: KindDuration, Default: "0s", Min: 0, Max: time.Minute,
			Help:  "How long pictures are waited for before playing goes on without; 0s leaves it to the policy. Never longer than the window.",
			field: func(c *Config) any { return &c.Reliability.VideoDeadline },
		},
		{
			Key: "reliability.dataDeadline", Kind: KindDuration, Default: "0s", Min: 0, Max: time.Minute,
			Help:  "How long data messages are waited for before playing goes on without; 0s leaves it to the policy. Never longer than the window.",
			field: func(c *Config) any { return &c.Reliability.DataDeadline },
		},
		{
			Key: "fusion.relayToLAN", Kind: KindBool, Default: "false",
			Help:  "Whether one node of a LAN passes a stream from outside on by native multicast, if the group has an address for it.",
			field: func(c *Config) any { return &c.Fusion.RelayToLAN },
		},
	}
}
