package config

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind is the type of a setting's value.
type Kind uint8

// The kinds of values.
const (
	KindString Kind = iota + 1
	KindBool
	KindDuration
	KindAddress // host:port, or empty for off
	KindList    // strings separated by commas, or a YAML list
	KindStreams // the list of streams, only in the file
	KindInt
	KindRate  // bits per second
	KindFile  // the name of a file, or empty
	KindLinks // share links separated by blanks, or a YAML list
)

// String names the kind as the help text shows it.
func (k Kind) String() string {
	return [...]string{"", "string", "bool", "duration", "host:port", "list", "list of streams", "number", "rate", "file", "links"}[k]
}

// Setting is one row of the table of settings.
type Setting struct {
	// Key is the path in the file, such as "http.listen".
	Key string
	// Kind is the type of the value.
	Kind Kind
	// Default is the value in the form in which it is written in the file.
	Default string
	// Choices are the only values allowed, if there are any.
	Choices []string
	// Min and Max bound a duration.
	Min, Max time.Duration
	// Least and Most bound a number or a rate.
	Least, Most int64
	// Unit is what a duration must be a multiple of; 0 means anything.
	Unit time.Duration
	// Help is one sentence.
	Help string
	// Live says that a reload can change it while the node runs.
	Live bool
	// Secret values are never shown, and can be read from a file.
	Secret bool
	// Commands are the commands that have a flag for it; none means all that
	// run a node. The file and the environment may always set it.
	Commands []string

	// field returns a pointer to the value's place in a Config.
	field func(*Config) any
}

// Settings returns the table of all settings, in the order in which the file
// and the reference page list them.
func Settings() []Setting {
	return slices.Concat(
		serverSettings(), httpSettings(), mediaSettings(), publishSettings(), roleSettings(), networkSettings(), groupSettings(), streamSettings(), reliabilitySettings(),
	)
}

// serverSettings are those of logs and listeners.
func serverSettings() []Setting {
	return []Setting{
		{
			Key: "log.level", Kind: KindString, Default: "info", Choices: []string{"debug", "info", "warn", "error"}, Live: true,
			Help:  "What is logged: this level and the more severe ones.",
			field: func(c *Config) any { return &c.Log.Level },
		},
		{
			Key: "log.format", Kind: KindString, Default: "text", Choices: []string{"text", "json"},
			Help:  "How log lines are written.",
			field: func(c *Config) any { return &c.Log.Format },
		},
		{
			Key: "rtmp.listen", Kind: KindAddress, Default: "127.0.0.1:1935",
			Help:  "Where the node takes RTMP pushes from OBS, ffmpeg and others. `ringcast publish` listens on :1935 unless told otherwise. Empty switches it off, port 0 takes any free port.",
			field: func(c *Config) any { return &c.RTMP.Listen },
		},
		{
			Key: "rtmp.tlsListen", Kind: KindAddress, Default: "",
			Help:  "Where the node takes RTMPS pushes (RTMP inside TLS). It needs rtmp.tlsCertificate and rtmp.tlsKey; OBS refuses certificates that it cannot verify.",
			field: func(c *Config) any { return &c.RTMP.TLSListen },
		},
		{
			Key: "rtmp.tlsCertificate", Kind: KindFile, Live: true, Default: "",
			Help:  "The file with the certificate chain for RTMPS, in PEM. A reload reads it again.",
			field: func(c *Config) any { return &c.RTMP.TLSCertificate },
		},
		{
			Key: "rtmp.tlsKey", Kind: KindFile, Live: true, Default: "",
			Help:  "The file with the private key for RTMPS, in PEM.",
			field: func(c *Config) any { return &c.RTMP.TLSKey },
		},
		limitSetting("rtmp", "connections", "2048", "How many RTMP connections are served at a time.", func(c *Config) any { return &c.RTMP.Connections }),
		limitSetting("rtmp", "connectionsPerAddress", "64", perAddressHelp, func(c *Config) any { return &c.RTMP.ConnectionsPerAddress }),
		{
			Key: "rtsp.listen", Kind: KindAddress, Default: "127.0.0.1:8554",
			Help:  "Where the node takes RTSP pushes and serves RTSP players. Empty switches it off, port 0 takes any free port.",
			field: func(c *Config) any { return &c.RTSP.Listen },
		},
		limitSetting("rtsp", "connections", "4096", "How many RTSP connections are served at a time.", func(c *Config) any { return &c.RTSP.Connections }),
		limitSetting("rtsp", "connectionsPerAddress", "512", perAddressHelp, func(c *Config) any { return &c.RTSP.ConnectionsPerAddress }),
	}
}

// mediaSettings are those of how streams are cut and served.
func mediaSettings() []Setting {
	return []Setting{
		{
			Key: "hls.variant", Kind: KindString, Default: "fmp4", Choices: []string{"fmp4", "mpegts"},
			Help:  "The form of HLS: fmp4 with low-latency parts, or mpegts for old players.",
			field: func(c *Config) any { return &c.HLS.Variant },
		},
		{
			Key: "hls.segmentMin", Kind: KindDuration, Default: "2s", Min: 500 * time.Millisecond, Max: 10 * time.Second,
			Help:  "The shortest segment: the first key frame after it begins the next one.",
			field: func(c *Config) any { return &c.HLS.SegmentMin },
		},
		{
			Key: "hls.targetDuration", Kind: KindDuration, Default: "2s", Min: time.Second, Max: 10 * time.Second, Unit: time.Second,
			Help:  "The longest segment. A stream whose key frames are further apart is cut without one.",
			field: func(c *Config) any { return &c.HLS.TargetDuration },
		},
		{
			Key: "hls.partDuration", Kind: KindDuration, Default: "200ms", Min: 100 * time.Millisecond, Max: time.Second,
			Help:  "The length of low-latency parts. Shorter parts mean less delay and more requests.",
			field: func(c *Config) any { return &c.HLS.PartDuration },
		},
		{
			Key: "hls.window", Kind: KindDuration, Default: "14s", Min: 6 * time.Second, Max: time.Hour,
			Help:  "How much of the stream a playlist lists, at least. Low latency needs six target durations for its short updates.",
			field: func(c *Config) any { return &c.HLS.Window },
		},
		{
			Key: "hls.separateAudio", Kind: KindBool, Default: "false",
			Help:  "Whether audio has a playlist of its own beside the video's, instead of being in the same files. Apple's players prefer it; it doubles the requests. Only with hls.variant fmp4.",
			field: func(c *Config) any { return &c.HLS.SeparateAudio },
		},
		{
			Key: "hls.metadata", Kind: KindString, Default: "events", Choices: []string{"off", "events", "all"},
			Help:  "Which data messages of a stream players get as timed metadata (ID3): events are onTextData and onCuePoint, all are those of any other name too.",
			field: func(c *Config) any { return &c.HLS.Metadata },
		},
	}
}

// publishSettings are those of who may publish, and of streams.
func publishSettings() []Setting {
	return []Setting{
		{
			Key: "publish.key", Kind: KindString, Default: "", Live: true, Secret: true,
			Help:  "The key that publishers must give (rtmp://HOST/live/STREAM?key=KEY). Without one the node makes a key when it listens beyond loopback, and asks for none when it does not.",
			field: func(c *Config) any { return &c.Publish.Key },
		},
		{
			Key: "publish.user", Kind: KindString, Default: "", Live: true,
			Help:  "The user of an account that may publish every stream: rtmp://USER:PASSWORD@HOST/…, rtsp://USER:PASSWORD@HOST/…, or ?user=USER&pass=PASSWORD. Without a key anywhere, RTMP encoders are asked for it by Adobe's challenge.",
			field: func(c *Config) any { return &c.Publish.User },
		},
		{
			Key: "publish.password", Kind: KindString, Default: "", Live: true, Secret: true,
			Help:  "The password of publish.user.",
			field: func(c *Config) any { return &c.Publish.Password },
		},
		{
			Key: "ingest.gracePeriod", Kind: KindDuration, Default: "10s", Min: 0, Max: 5 * time.Minute,
			Help:  "How long a stream waits for its publisher to come back before it ends.",
			field: func(c *Config) any { return &c.Ingest.GracePeriod },
		},
		{
			Key: "ingest.stallAfter", Kind: KindDuration, Default: "5s", Min: time.Second, Max: 5 * time.Minute,
			Help:  "How long a connected publisher may send nothing before its stream counts as stalled.",
			field: func(c *Config) any { return &c.Ingest.StallAfter },
		},
		{
			Key: "stream", Kind: KindString, Default: "",
			Help:  "The name of the one stream of this node, such as live/camera.",
			field: func(c *Config) any { return &c.Stream },
		},
		{
			Key: "source", Kind: KindString, Default: "",
			Help:  "Where the one stream comes from: a file (.flv, .mp4, .ts), http(s)://…/x.flv, rtmp://…, rtsp://… or test: for the built-in clip. Empty waits for a push.",
			field: func(c *Config) any { return &c.Source },
		},
		{
			Key: "loop", Kind: KindBool, Default: "false",
			Help:  "Whether a file starts again at its end.",
			field: func(c *Config) any { return &c.Loop },
		},
		{
			Key: "streams", Kind: KindStreams, Default: "", Secret: true,
			Help:  "Any number of streams, each with name, source, loop and key (its own publish key). Only in the file.",
			field: func(c *Config) any { return &c.Streams },
		},
	}
}

// Flag returns the name of the command-line flag without dashes, such as
// "hls-part-duration".
func (s *Setting) Flag() string { return words(s.Key, '-', unicode.ToLower) }

// Env returns the name of the environment variable, such as
// "RINGCAST_HLS_PART_DURATION".
func (s *Setting) Env() string { return envPrefix + words(s.Key, '_', unicode.ToUpper) }

const envPrefix = "RINGCAST_"

// words separates the words of a key by sep: at dots and where capitals begin.
func words(key string, sep rune, to func(rune) rune) string {
	var b strings.Builder
	var last rune
	for i, r := range key {
		switch {
		case r == '.':
			b.WriteRune(sep)
			continue
		case unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(last):
			b.WriteRune(sep)
		}
		last = r
		b.WriteRune(to(r))
	}
	return b.String()
}

// find returns the setting of the given key, compared without regard to case.
func find(table []Setting, key string) *Setting {
	for i := range table {
		if strings.EqualFold(table[i].Key, key) {
			return &table[i]
		}
	}
	return nil
}
