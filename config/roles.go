package config

import "time"

// The commands that run a node.
var playing = []string{"play", "run"}

// roleSettings say what a node does besides taking streams in.
func roleSettings() []Setting {
	return []Setting{
		{
			Key: "play", Kind: KindLinks, Default: "", Secret: true, Commands: playing,
			Help:  "Share links of streams to play here and to pass on. Their group is secret, so they are hidden like passwords. `ringcast play` takes them as arguments.",
			field: func(c *Config) any { return &c.Play },
		},
		{
			Key: "seed", Kind: KindLinks, Default: "", Secret: true, Commands: []string{"introducer", "run"},
			Help:  "Share links of streams to pass on without serving them here: a node with a good line that helps a group.",
			field: func(c *Config) any { return &c.Seed },
		},
		{
			Key: "timeout", Kind: KindDuration, Default: "0s", Min: 0, Max: 24 * time.Hour, Commands: playing,
			Help:  "End with status 6 if what is played has not come by then; 0s waits for it.",
			field: func(c *Config) any { return &c.Timeout },
		},
		{
			Key: "exec", Kind: KindString, Default: "", Commands: playing,
			Help:  "The command line of a player to run when the stream plays; {hls}, {rtsp}, {flv} and {page} stand for addresses. The node ends with it.",
			field: func(c *Config) any { return &c.Exec },
		},
		{
			Key: "peers", Kind: KindInt, Default: "8", Least: 0, Most: 200, Commands: []string{"demo"},
			Help:  "How many viewers' nodes `ringcast demo` runs; 0 serves the stream directly.",
			field: func(c *Config) any { return &c.Peers },
		},
		{
			Key: "json", Kind: KindBool, Default: "false",
			Help:  "Whether standard output gets JSON lines for scripts instead of text: one when the node is ready, and one when a stream starts or ends.",
			field: func(c *Config) any { return &c.JSON },
		},
	}
}
