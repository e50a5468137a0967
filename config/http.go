package config

// HTTP configures the HTTP server.
type HTTP struct {
	// Listen is the address as host:port; empty is off.
	Listen string
	// TLSListen is the address for HTTPS; empty is off.
	TLSListen string
	// TLSCertificate and TLSKey name the PEM files for HTTPS.
	TLSCertificate, TLSKey string
	// Hosts are further names under which the node may be asked for when it
	// listens on loopback.
	Hosts []string
	// Admin are the networks whose clients may see the dashboard, the API and
	// metrics: prefixes, or the words of package web.
	Admin []string
	// Pprof serves profiles of the process to clients on this machine.
	Pprof bool
	Limits
}

// Limits bound what the clients of one listener may hold. They are defences:
// a stranger who can reach a port must not be able to use up the node.
type Limits struct {
	// Connections is how many connections are served at a time.
	Connections int
	// ConnectionsPerAddress is how many of them one address may have, a /64 of
	// IPv6; addresses of this machine are not counted.
	ConnectionsPerAddress int
}

// httpSettings are those of the web server.
func httpSettings() []Setting {
	return []Setting{
		{
			Key: "http.listen", Kind: KindAddress, Default: "127.0.0.1:8080",
			Help:  "Where the node serves the dashboard, player pages, HLS, HTTP-FLV, the API and metrics. Empty switches it off, port 0 takes any free port.",
			field: func(c *Config) any { return &c.HTTP.Listen },
		},
		{
			Key: "http.tlsListen", Kind: KindAddress, Default: "",
			Help:  "Where the node serves the same by HTTPS, with HTTP/2. It needs http.tlsCertificate and http.tlsKey.",
			field: func(c *Config) any { return &c.HTTP.TLSListen },
		},
		{
			Key: "http.tlsCertificate", Kind: KindFile, Default: "", Live: true,
			Help:  "The file with the certificate chain for HTTPS, in PEM. A reload reads it again.",
			field: func(c *Config) any { return &c.HTTP.TLSCertificate },
		},
		{
			Key: "http.tlsKey", Kind: KindFile, Default: "", Live: true,
			Help:  "The file with the private key for HTTPS, in PEM.",
			field: func(c *Config) any { return &c.HTTP.TLSKey },
		},
		{
			Key: "http.hosts", Kind: KindList, Default: "",
			Help:  "Further host names under which a node on loopback may be asked for, besides localhost and its addresses. Others are refused, so that a web page cannot reach the node by a forged name.",
			field: func(c *Config) any { return &c.HTTP.Hosts },
		},
		{
			Key: "http.admin", Kind: KindList, Default: "private",
			Help:  "Who may see the dashboard, the API and metrics, in which share links stand: private is this machine and private networks, loopback this machine alone, all everybody; or prefixes such as 198.51.100.0/24. What a proxy forwards counts as from outside. Media and player pages are for everybody who can reach the address.",
			field: func(c *Config) any { return &c.HTTP.Admin },
		},
		{
			Key: "http.pprof", Kind: KindBool, Default: "false",
			Help:  "Whether profiles of the process are served at /debug/pprof/, to clients on this machine alone.",
			field: func(c *Config) any { return &c.HTTP.Pprof },
		},
		limitSetting("http", "connections", "8192", "How many HTTP connections are served at a time.", func(c *Config) any { return &c.HTTP.Connections }),
		limitSetting("http", "connectionsPerAddress", "512", perAddressHelp, func(c *Config) any { return &c.HTTP.ConnectionsPerAddress }),
	}
}

const perAddressHelp = "How many of them one address may have, and four times as many new ones a minute; a /64 of IPv6 counts as one. This machine's own are not counted."

// limitSetting is a bound on connections.
func limitSetting(section, name, value, help string, field func(*Config) any) Setting {
	return Setting{Key: section + "." + name, Kind: KindInt, Default: value, Least: 1, Most: 1_000_000, Help: help, field: field}
}
